//! `--demo`: a private table with made-up entries.

use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::time::Instant;

use ctnetlink::testing::{Population, enter_private_namespace, fill, room};
use ctnetlink::{Conntrack, Limits};

use super::{Result, Shared};

/// What a demo is of.
#[derive(Clone, Copy, Default, clap::ValueEnum)]
pub enum Kind {
    /// A busy gateway: some sources with most of the flows and many with a few
    #[default]
    Busy,
    /// A SYN flood: every flow from a made-up source of its own
    Flood,
}

/// The entries of a demo, where they fit.
const DEMO: u64 = 100_000;

/// An empty table in a new namespace, and its limits.
fn private_table() -> ctnetlink::Result<(Conntrack, Limits)> {
    enter_private_namespace()?;
    let mut table = Conntrack::open()?;
    let limits = table.limits()?;
    Ok((table, limits))
}

/// A private table cannot be made, as in a container that forbids namespaces: the message names a file
/// to look at instead.
fn no_demo(error: ctnetlink::Error) -> Box<dyn std::error::Error> {
    let Some(file) = sample() else { return error.to_string().into() };
    let program = typed(&beside("top_sources").unwrap_or_else(|| "top_sources".into()));
    format!("{error}; or look at a table in a file: {program} --from {}", typed(&file)).into()
}

impl Shared {
    /// Makes the private table of `--demo`, if that is asked for.
    pub fn prepare(&self) -> Result {
        let Some(wanted) = self.demo else { return Ok(()) };
        let (mut table, limits) = private_table().map_err(no_demo)?;
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
}

/// The capture that comes with the programs: beside them, or where they were built.
fn sample() -> Option<PathBuf> {
    const NAME: &str = "sample.pcapng";
    let sources = Path::new("examples").join(NAME);
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).join(&sources);
    [beside(NAME), Some(sources), Some(built)].into_iter().flatten().find(|file| file.is_file())
}

/// A file of this name where this program is, as it was called: there may be no `/proc` to ask.
fn beside(name: &str) -> Option<PathBuf> {
    let called = PathBuf::from(std::env::args_os().next()?);
    // A name alone was looked for in PATH.
    called.parent().filter(|folder| *folder != Path::new(""))?;
    Some(called.with_file_name(name))
}

/// A path as a word of a shell.
fn typed(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+".contains(c);
    if text.chars().all(plain) { text } else { format!("'{}'", text.replace('\'', r"'\''")) }
}
