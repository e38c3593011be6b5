//! How far a long work is, on a terminal.

use std::fs::File;
use std::io::{self, IsTerminal};
use std::ops::ControlFlow;
use std::path::Path;
use std::time::{Duration, Instant};

use ctnetlink::files::snapshot::Snapshot;
use ctnetlink::filter::Placement;
use ctnetlink::flow::FlowRef;
use ctnetlink::{Progress, Query, Reader, Scan, ScanOptions};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::{Result, from};

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
    let bar = entries(Some(0))?;
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

/// A bar for so many, or for a number that nobody knows.
fn bar(length: Option<u64>, style: &str) -> Result<ProgressBar> {
    Ok(ProgressBar::with_draw_target(length, ProgressDrawTarget::stderr_with_hz(5))
        .with_style(ProgressStyle::with_template(style)?))
}

/// A bar for about as many entries as there are, if that is known.
pub fn entries(expected: Option<u64>) -> Result<ProgressBar> {
    let style = match expected {
        Some(_) => "{bar:30} {percent}% of {len} entries",
        None => "{pos} entries",
    };
    bar(expected, style)
}

/// Takes every entry of a file until `take` fails, and shows how far it is.
pub fn each(snapshot: &mut Snapshot<'_>, mut take: impl FnMut(&FlowRef<'_>) -> Result) -> Result {
    let facts = snapshot.facts();
    let bar = entries(facts.after.or(facts.before))?;
    let mut seen: u64 = 0;
    let broken = snapshot.try_for_each(|flow| {
        seen += 1;
        if seen % 1024 == 0 {
            bar.set_position(seen);
        }
        take(flow).map_or_else(ControlFlow::Break, ControlFlow::Continue)
    })?;
    bar.finish_and_clear();
    match broken {
        ControlFlow::Break(error) => Err(error),
        ControlFlow::Continue(()) => Ok(()),
    }
}

/// A file that takes a while to read, in bytes.
const LONG: u64 = 64 << 20;

/// Opens a file, and shows how far reading it is, if it takes a while.
pub fn open(file: &Path) -> Result<(Snapshot<'static>, ProgressBar)> {
    let length = std::fs::metadata(file).map_or(0, |found| found.len());
    let bar = bar(Some(length), "{bar:30} {percent}% of {total_bytes}")?;
    if length > LONG {
        match Snapshot::new(bar.wrap_read(File::open(file)?)) {
            // Not of a stream, but of a file.
            Err(error) if error.kind() == io::ErrorKind::Unsupported => {}
            opened => return Ok((opened?, bar)),
        }
    }
    Ok((from::open(file)?, bar))
}
