//! What the examples share: the demo, the table on the screen, progress, exit codes.

pub mod from;
pub mod lines;
pub mod pace;
pub mod report;
pub mod sample;
pub mod screen;
pub mod selection;

use std::io::{self, IsTerminal, Write};
use std::ops::ControlFlow;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anstyle::{AnsiColor, Style};
use ctnetlink::escape::Escaped;
use ctnetlink::filter::Placement;
use ctnetlink::operate::finding::{Finding, Severity, worst};
use ctnetlink::testing::{Population, enter_private_namespace, fill, room};
use ctnetlink::{Conntrack, Limits, Namespace, Progress, Query, Reader, Scan, ScanOptions};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

// No example uses all of them.
#[allow(unused_imports)]
pub use screen::{CLEAR, arguments, document, json, of_stdout, stdout, tell};

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
    #[arg(long, value_name = "N", value_parser = entries, global = true)]
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
    pub demo_kind: Kind,

    /// The table of another network namespace: a name of `ip netns`, a process id or a path
    #[arg(long, value_name = "NAME", conflicts_with = "demo", global = true)]
    pub netns: Option<String>,

    /// Print JSON: one document, on one line
    #[arg(long, global = true)]
    pub json: bool,
}

/// What a demo is of.
#[derive(Clone, Copy, Default, clap::ValueEnum)]
pub enum Kind {
    /// A busy gateway: some sources with most of the flows and many with a few
    #[default]
    Busy,
    /// A SYN flood: every flow from a made-up source of its own
    Flood,
}

/// Something the caller has to write otherwise.
#[derive(Debug)]
pub struct Usage(pub String);

impl std::fmt::Display for Usage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Usage {}

/// The entries of a demo, where they fit.
const DEMO: u64 = 100_000;

/// An empty table in a new namespace, and its limits.
fn private_table() -> ctnetlink::Result<(Conntrack, Limits)> {
    enter_private_namespace()?;
    let mut table = Conntrack::open()?;
    let limits = table.limits()?;
    Ok((table, limits))
}

/// A private table cannot be made, as in a container that forbids namespaces. The message names a file
/// to look at instead.
#[derive(Debug)]
struct NoDemo(ctnetlink::Error);

impl std::fmt::Display for NoDemo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)?;
        match from::sample() {
            Some(file) => {
                let program = from::beside("top_sources").unwrap_or_else(|| "top_sources".into());
                let (program, file) = (from::typed(&program), from::typed(&file));
                write!(f, "; or look at a table in a file: {program} --from {file}")
            }
            None => Ok(()),
        }
    }
}

impl std::error::Error for NoDemo {}

pub type Result<T = (), E = Box<dyn std::error::Error>> = std::result::Result<T, E>;

/// The number of `--demo`.
fn entries(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| "N is a number; words that are none go before --demo".to_owned())
}

/// A setting on the command line: `acct=1`.
pub fn assignment(text: &str) -> Result<(String, i64), String> {
    let wrong = || "a name and a number, such as tcp_timeout_time_wait=30".to_owned();
    let (name, value) = text.split_once('=').ok_or_else(wrong)?;
    // It goes into a file of lines.
    if !name.trim().bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(wrong());
    }
    Ok((name.trim().to_owned(), value.trim().parse().map_err(|_| wrong())?))
}

/// The pause of `--watch`.
pub fn seconds(text: &str) -> Result<Duration, String> {
    match time(text)? {
        time if time >= Duration::from_millis(100) => Ok(time),
        _ => Err("a look every 0.1 seconds is the most that makes sense".to_owned()),
    }
}

/// A time in seconds.
pub fn time(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().map_err(|_| "not a number of seconds".to_owned())?;
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}

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
    /// Makes the private table of `--demo`, if that is asked for.
    pub fn prepare(&self) -> Result {
        let Some(wanted) = self.demo else { return Ok(()) };
        let (mut table, limits) = private_table().map_err(NoDemo)?;
        let entries = wanted.unwrap_or_else(|| {
            let fit = room(&limits).map_or(DEMO, |room| room.min(DEMO));
            if fit < DEMO {
                let max = limits.max.unwrap_or_default();
                eprintln!("demo: {fit} entries, 80 % of the {max} that a table may have here");
            }
            fit
        });
        let start = Instant::now();
        let population = match self.demo_kind {
            Kind::Busy => Population::new(entries),
            Kind::Flood => Population::flood(entries),
        };
        fill(&mut table, &population)?;
        if io::stderr().is_terminal() {
            let elapsed = start.elapsed().as_secs_f64();
            eprintln!(
                "demo: {entries} entries made in a private network namespace in {elapsed:.1} s"
            );
        }
        Ok(())
    }

    /// The network namespace that is asked for; `None` for the one it runs in.
    pub fn namespace(&self) -> Result<Option<Namespace>> {
        Ok(self.netns.as_deref().map(Namespace::find).transpose()?)
    }

    /// Opens the table that is asked for, to look at.
    pub fn open(&self) -> Result<Reader> {
        Ok(match &self.netns {
            Some(netns) => Reader::open_in(&Namespace::find(netns)?)?,
            None => Reader::open()?,
        })
    }

    /// Opens the table that is asked for, to change it.
    pub fn open_to_write(&self) -> Result<Conntrack> {
        Ok(match &self.netns {
            Some(netns) => Conntrack::open_in(&Namespace::find(netns)?)?,
            None => Conntrack::open()?,
        })
    }
}

/// Scans the table; a long scan shows on a terminal how far it is. What the kernel leaves out has no
/// progress that could be shown.
pub fn scan(table: &mut Reader, query: &Query, placement: Option<Placement>) -> Result<Scan> {
    if let Some(placement) = placement {
        return Ok(table.scan_with(query, &ScanOptions::new().placement(placement))?);
    }
    if !io::stderr().is_terminal() {
        return Ok(table.scan(query)?);
    }
    // A short scan is over before the bar is shown.
    let bar = progress(Some(0))?;
    let start = Instant::now();
    let show = |progress: Progress| {
        if start.elapsed() > Duration::from_millis(500) {
            bar.set_length(progress.expected.max(progress.entries));
            bar.set_position(progress.entries);
        }
        ControlFlow::Continue(())
    };
    let scan = table.scan_with(query, &ScanOptions::new().progress(&show));
    bar.finish_and_clear();
    Ok(scan?)
}

/// How far a long work is, for a terminal: of about as many entries as there are, if that is known.
pub fn progress(entries: Option<u64>) -> Result<ProgressBar> {
    let style =
        if entries.is_some() { "{bar:30} {percent}% of {len} entries" } else { "{pos} entries" };
    Ok(ProgressBar::with_draw_target(entries, ProgressDrawTarget::stderr_with_hz(5))
        .with_style(ProgressStyle::with_template(style)?))
}

/// `123 of 262144 entries (0.05 %)`.
pub fn occupancy(limits: Limits) -> String {
    let entries = limits.entries;
    match (limits.max, limits.load()) {
        (Some(max), Some(load)) => format!("{entries} of {max} entries ({:.2} %)", load * 100.0),
        (Some(_), None) => format!("{entries} entries, no limit"),
        (None, _) => format!("{entries} entries, limit unknown"),
    }
}

/// The exit code that says how bad they are.
pub fn severity(findings: &[Finding]) -> ExitCode {
    match worst(findings) {
        Some(Severity::Critical) => ExitCode::from(2),
        Some(Severity::Warning) => ExitCode::from(1),
        Some(Severity::Info) | None => ExitCode::SUCCESS,
    }
}

/// Findings as a person reads them at three in the morning.
pub fn findings(findings: &[Finding], out: &mut impl Write) -> Result {
    let bold = Style::new().bold();
    for finding in findings {
        let colour = match finding.severity {
            Severity::Critical => AnsiColor::Red,
            Severity::Warning => AnsiColor::Yellow,
            Severity::Info => AnsiColor::Blue,
        };
        let colour = Style::new().bold().fg_color(Some(colour.into()));
        let severity = finding.severity.to_string().to_uppercase();
        writeln!(out, "\n{colour}{severity}{colour:#} {bold}{}{bold:#}", Escaped(&finding.seen))?;
        writeln!(out, "  why   {}", finding.why)?;
        writeln!(out, "  do    {}", Escaped(&finding.remedy))?;
        for command in &finding.commands {
            writeln!(out, "        $ {}", Escaped(command))?;
        }
        let source = if finding.source.is_empty() { "" } else { "; " };
        writeln!(out, "  id    {}{source}{}", finding.id, finding.source)?;
    }
    if findings.is_empty() {
        writeln!(out, "\nnothing is wrong")?;
    }
    Ok(())
}

/// Says for which machine the commands of findings are: those about a copy would change this one.
#[allow(dead_code)] // Not every example looks at copies.
pub fn whose_commands(root: &Path, findings: &[Finding], out: &mut impl Write) -> Result {
    if root != Path::new("/") && findings.iter().any(|finding| !finding.commands.is_empty()) {
        let root = Escaped(root.display());
        writeln!(
            out,
            "\nthe commands are for the machine that {root} is a copy of, not for this one"
        )?;
    }
    Ok(())
}
