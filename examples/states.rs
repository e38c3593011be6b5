//! How many flows are in which state, for every protocol: what
//! `conntrack -L | awk '{print $4}' | sort | uniq -c` is meant to say.
//!
//! ```text
//! cargo run --release --example states -- --demo           # anywhere, without root
//! sudo target/release/examples/states
//! ```

mod common;

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use ctnetlink::Query;
use ctnetlink::aggregate::Field;

/// How many flows are in which state, for every protocol.
///
/// Protocols with a tracker of their own (tcp, sctp) show its states; all others are UNREPLIED,
/// REPLIED or ASSURED.
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
    let mut table = common::open(options.demo)?;
    let query = Query::new().by([Field::Protocol, Field::State]).top(usize::MAX);
    let scan = common::scan(&mut table, &query)?;
    let mut out = anstream::stdout().lock();
    if options.json {
        serde_json::to_writer(&mut out, &scan)?;
        writeln!(out)?;
    } else {
        common::header(&scan, &mut out)?;
        common::groups(&scan, &mut out)?;
    }
    out.flush()?;
    Ok(())
}
