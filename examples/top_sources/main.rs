//! Who fills the connection-tracking table?
//!
//! ```text
//! cargo run --release --example top_sources -- --demo      # anywhere, without root
//! sudo target/release/examples/top_sources --by source/24,dport -n 20
//! sudo target/release/examples/top_sources 'state=SYN_SENT dport=443'
//! ```

#[allow(dead_code)] // This one changes nothing.
#[path = "../common/mod.rs"]
mod common;
mod options;

use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use common::look::Look;
use common::pace::Pace;
use ctnetlink::{Budget, Query, Reader, Scan, ScanOptions};
use options::Options;

fn main() -> ExitCode {
    common::exit(run(&common::arguments()))
}

fn run(options: &Options) -> common::Result {
    let query = options.query()?;
    let json = options.common.json;
    if let Some(file) = &options.from.from {
        options.only.of_file()?;
        return Look::File(common::from::scan(file, &[query])?).print(json);
    }
    options.common.prepare()?;
    if options.only.explain(&options.common, &mut common::stdout())? {
        return Ok(());
    }
    let mut pace = Pace::new(options.duty);
    if let Some(pause) = options.rate {
        return rates(&query, pause, options, &mut pace);
    }
    loop {
        // A look begins with opening the socket, and so does its time.
        let start = Instant::now();
        let mut table = options.common.open()?;
        let opened = start.elapsed();
        clear(options)?;
        let budget = options.budget(&pace);
        let mut scan = pace.look(|| look(&mut table, &query, budget, options))?;
        scan.elapsed += opened;
        if options.sample.is_some() || scan.stopped.is_some() {
            let sample = scan.estimate();
            common::print(&sample, json, |out| Ok(common::sample::show(&sample, out)?))?;
        } else {
            Look::Table(scan).print(json)?;
        }
        let Some(pause) = options.watch else { return Ok(()) };
        pace.wait(pause);
    }
}

/// Before a look that replaces another one.
fn clear(options: &Options) -> std::io::Result<()> {
    let screen = options.watch.is_some() && std::io::stdout().is_terminal();
    let replaces = screen && !options.common.json;
    if replaces { write!(common::stdout(), "{}", common::CLEAR) } else { Ok(()) }
}

/// Shows what is new at every look but the first.
fn rates(query: &Query, first: Duration, options: &Options, pace: &mut Pace) -> common::Result {
    let mut table = options.common.open()?;
    let mut last = table.baseline(query)?;
    let mut pause = first;
    loop {
        pace.wait(pause);
        let rates = table.rates(query, &mut last)?;
        clear(options)?;
        common::print(&rates, options.common.json, |out| {
            common::report::rates_header(&rates, out)?;
            common::report::notes(&rates.report, out)?;
            Ok(common::groups::show(&rates.report, Some(&rates), out)?)
        })?;
        let Some(watch) = options.watch else { return Ok(()) };
        pause = watch;
    }
}

/// Looks at the table in the way that is asked for.
fn look(
    table: &mut Reader,
    query: &Query,
    budget: Option<Budget>,
    options: &Options,
) -> common::Result<Scan> {
    if let Some(budget) = budget {
        return Ok(table.scan_with(query, &ScanOptions::new().budget(budget))?);
    }
    if options.threads > 1 {
        return Ok(table.scan_with(query, &ScanOptions::new().threads(options.threads))?);
    }
    common::progress::scan(table, query, options.only.placement())
}
