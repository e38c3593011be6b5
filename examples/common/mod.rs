//! What the examples share: the demo, the table on the screen, progress, exit codes.

pub mod columns;
pub mod demo;
pub mod findings;
pub mod from;
pub mod groups;
pub mod lines;
pub mod look;
pub mod pace;
pub mod progress;
pub mod report;
pub mod sample;
pub mod screen;
pub mod selection;
pub mod values;

use std::io::{self, Write};
use std::process::ExitCode;

use ctnetlink::operate::tune::Settings;
use ctnetlink::{Conntrack, Namespace, Reader};
use serde::Serialize;

// No example uses all of them.
#[allow(unused_imports)]
pub use screen::{CLEAR, arguments, document, json, of_stdout, say, stdout, tell};

/// `-h`'s last words.
pub const AFTER_HELP: &str = "\
Reads the table of the network namespace it runs in, or of --netns, which needs CAP_NET_ADMIN
(sudo); --demo fills a private table instead and needs nothing.

Exit code: 0 done, 1 failed, 2 not permitted or wrong arguments.";

/// What all of them take.
#[derive(clap::Args)]
pub struct Shared {
    /// Fill a private table with N made-up entries and show that one [default N: 100000, or what
    /// fits into 80 % of the table's limit]
    #[arg(long, value_name = "N", value_parser = values::entries, global = true)]
    pub demo: Option<Option<u64>>,

    /// What the made-up entries are of
    #[arg(
        long,
        value_name = "KIND",
        value_enum,
        default_value_t,
        requires = "demo",
        global = true
    )]
    pub demo_kind: demo::Kind,

    /// The table of another network namespace: a name of `ip netns`, a process id or a path
    #[arg(long, value_name = "NAME", conflicts_with = "demo", global = true)]
    pub netns: Option<String>,

    /// Print JSON: one document, on one line
    #[arg(long, global = true)]
    pub json: bool,
}

/// Something the caller has to write otherwise.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Usage(pub String);

/// Fails: the caller has to write it otherwise.
pub fn wrong<T>(text: impl std::fmt::Display) -> Result<T> {
    Err(Usage(text.to_string()).into())
}

pub type Result<T = (), E = Box<dyn std::error::Error>> = std::result::Result<T, E>;

/// Turns the outcome into an exit code, and an error into one message.
pub fn exit(outcome: Result) -> ExitCode {
    exit_as(outcome.map(|()| ExitCode::SUCCESS))
}

/// The same, for a program that has more to say by its code than that it is done.
pub fn exit_as(outcome: Result<ExitCode>) -> ExitCode {
    let error = match outcome {
        Ok(code) => return code,
        Err(error) => error,
    };
    if is_closed_pipe(&*error) {
        return ExitCode::SUCCESS; // `| head` has seen enough
    }
    let denied =
        error.downcast_ref::<ctnetlink::Error>().is_some_and(|error| error.is_permission_denied());
    let usage = error.is::<Usage>();
    let more = if denied { ", or try --demo, which needs no privilege" } else { "" };
    tell("error", format_args!("{error}{more}"));
    ExitCode::from(if denied || usage { 2 } else { 1 })
}

/// Whether an error is, at its root, that nobody reads any more.
fn is_closed_pipe(error: &(dyn std::error::Error + 'static)) -> bool {
    let closed = |error: &io::Error| error.kind() == io::ErrorKind::BrokenPipe;
    error.downcast_ref().is_some_and(closed) || error.source().is_some_and(is_closed_pipe)
}

impl Shared {
    /// The network namespace that is asked for; `None` for the one it runs in.
    pub fn namespace(&self) -> Result<Option<Namespace>> {
        Ok(self.netns.as_deref().map(Namespace::find).transpose()?)
    }

    /// The settings of that namespace.
    pub fn settings(&self) -> Result<Settings> {
        Ok(self.namespace()?.map_or_else(|| Ok(Settings::here()), |found| Settings::of(&found))?)
    }

    /// Opens the table of that namespace, to look at.
    pub fn open(&self) -> Result<Reader> {
        Ok(self.namespace()?.map_or_else(Reader::open, |found| Reader::open_in(&found))?)
    }

    /// Opens the table of that namespace, to change it.
    pub fn open_to_write(&self) -> Result<Conntrack> {
        Ok(self.namespace()?.map_or_else(Conntrack::open, |found| Conntrack::open_in(&found))?)
    }
}

/// Prints a document: as JSON, or as `show` shows it to a person.
pub fn print(
    document: &impl Serialize,
    as_json: bool,
    show: impl FnOnce(&mut dyn Write) -> Result,
) -> Result {
    let mut out = stdout();
    if as_json {
        json(document, &mut out)?
    } else {
        show(&mut out)?
    }
    Ok(out.flush()?)
}
