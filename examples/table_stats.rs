//! How full the connection-tracking table is. Costs one request, whatever the table's size.
//!
//! ```text
//! cargo run --release --example table_stats -- --demo      # anywhere, without root
//! sudo target/release/examples/table_stats
//! ```

#[allow(dead_code)] // This one needs no scan.
mod common;

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;

/// How full the connection-tracking table is.
#[derive(Parser)]
#[command(after_help = common::AFTER_HELP, version)]
struct Options {
    /// Fill a private table with N made-up entries and show that one [default N: 100000]
    #[arg(long, value_name = "N", num_args = 0..=1, default_missing_value = common::DEMO)]
    demo: Option<u64>,

    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

fn main() -> ExitCode {
    common::exit(run(&Options::parse()))
}

fn run(options: &Options) -> common::Result {
    let limits = common::open(options.demo)?.limits()?;
    let mut out = anstream::stdout().lock();
    if options.json {
        let percent = limits.load().map(|load| load * 100.0);
        let document = serde_json::json!({
            "entries": limits.entries,
            "max": limits.max,
            "percent": percent,
        });
        writeln!(out, "{document}")?;
    } else {
        writeln!(out, "{}", common::occupancy(limits))?;
    }
    out.flush()?;
    Ok(())
}
