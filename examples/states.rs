//! How many flows are in which state, for every protocol: what
//! `conntrack -L | awk '{print $4}' | sort | uniq -c` is meant to say.
//!
//! ```text
//! cargo run --release --example states -- --demo           # anywhere, without root
//! sudo target/release/examples/states
//! ```

#[allow(dead_code)] // This one does not watch.
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
    #[command(flatten)]
    common: common::Shared,
}

fn main() -> ExitCode {
    common::exit(run(&Options::parse()))
}

fn run(options: &Options) -> common::Result {
    options.common.prepare()?;
    let mut table = options.common.open()?;
    let query = Query::new().by([Field::Protocol, Field::State]).top(usize::MAX);
    let scan = common::scan(&mut table, &query)?;
    let mut out = anstream::stdout().lock();
    if options.common.json {
        common::json(&scan, &mut out)?;
    } else {
        common::header(&scan, &mut out)?;
        common::groups(&scan, &mut out)?;
    }
    out.flush()?;
    Ok(())
}
