//! How full the connection-tracking table is, and what it has lost. Costs two requests, whatever
//! the table's size.
//!
//! ```text
//! cargo run --release --example table_stats -- --demo      # anywhere, without root
//! sudo target/release/examples/table_stats --watch 1
//! ```

#[allow(dead_code)] // This one needs no scan.
mod common;

use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use ctnetlink::Limits;
use ctnetlink::kernel::stats::{Counter, Counts, Stats};
use serde_json::json;

/// How full the connection-tracking table is, and what it has lost.
///
/// The counters are those of this network namespace since it was made; with --watch, also what was
/// added since the last look. drop and early_drop say that the table was full, insert_failed that
/// packets raced, chain_toolong that the buckets are too few.
#[derive(Parser)]
#[command(after_help = common::AFTER_HELP, version)]
struct Options {
    #[command(flatten)]
    common: common::Shared,

    /// Show the counters of each processor
    #[arg(long)]
    per_cpu: bool,

    /// Look again every SECS seconds
    #[arg(long, value_name = "SECS", value_parser = common::values::seconds)]
    watch: Option<Duration>,
}

fn main() -> ExitCode {
    common::exit(run(&common::arguments()))
}

fn run(options: &Options) -> common::Result {
    options.common.prepare()?;
    let mut table = options.common.open()?;
    let mut out = common::stdout();
    let mut earlier: Option<Stats<Counter>> = None;
    loop {
        let (limits, stats) = (table.limits()?, table.stats()?);
        let since = earlier.as_ref().map(|earlier| stats.since(earlier));
        if options.common.json {
            let mut document = json!({
                "entries": limits.entries,
                "max": limits.max,
                "percent": limits.load().map(|load| load * 100.0),
                "counters": stats.sum(),
            });
            if let Some(since) = &since {
                document["since_last"] = json!(since);
            }
            if options.per_cpu {
                document["cpus"] = json!(stats.cpus);
            }
            common::json(&document, &mut out)?;
        } else {
            if options.watch.is_some() && std::io::stdout().is_terminal() {
                write!(out, "{}", common::CLEAR)?;
            }
            print(limits, &stats, since.as_ref(), options.per_cpu, &mut out)?;
        }
        out.flush()?;
        let Some(pause) = options.watch else { return Ok(()) };
        earlier = Some(stats);
        std::thread::sleep(pause);
    }
}

fn print(
    limits: Limits,
    stats: &Stats<Counter>,
    since: Option<&Counts<Counter>>,
    per_cpu: bool,
    out: &mut dyn Write,
) -> std::io::Result<()> {
    writeln!(out, "{limits}")?;
    let mut head = vec!["counter".to_owned()];
    if per_cpu {
        head.extend(stats.cpus.iter().map(|cpu| format!("cpu{}", cpu.cpu)));
    }
    head.push("total".to_owned());
    head.extend(since.map(|_| "since last".to_owned()));
    let numbers = 1..head.len();
    head.push("meaning".to_owned());
    let sum = stats.sum();
    let lines = sum.iter().map(|(counter, total)| {
        let number = |value: Option<u64>| value.map_or("-".to_owned(), |value| value.to_string());
        let mut row = vec![counter.to_string()];
        if per_cpu {
            row.extend(stats.cpus.iter().map(|cpu| number(cpu.counts.get(counter))));
        }
        row.push(total.to_string());
        row.extend(since.map(|since| number(since.get(counter))));
        row.push(counter.meaning().to_owned());
        row
    });
    common::columns::print(head, lines, |index| numbers.contains(&index), out)
}
