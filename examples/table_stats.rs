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
    #[command(flatten)]
    common: common::Shared,
}

fn main() -> ExitCode {
    common::exit(run(&Options::parse()))
}

fn run(options: &Options) -> common::Result {
    let limits = common::open(options.common.demo)?.limits()?;
    let mut out = anstream::stdout().lock();
    if options.common.json {
        let percent = limits.load().map(|load| load * 100.0);
        let document = serde_json::json!({
            "entries": limits.entries,
            "max": limits.max,
            "percent": percent,
        });
        common::json(&document, &mut out)?;
    } else {
        writeln!(out, "{}", common::occupancy(limits))?;
    }
    out.flush()?;
    Ok(())
}
