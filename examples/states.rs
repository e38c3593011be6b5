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
use common::selection::Selection;
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

    #[command(flatten)]
    only: Selection,
}

fn main() -> ExitCode {
    common::exit(run(&Options::parse()))
}

fn run(options: &Options) -> common::Result {
    let query = Query::new().by([Field::Protocol, Field::State]).top(usize::MAX);
    let query = options.only.of(query)?;
    options.common.prepare()?;
    let mut out = anstream::stdout().lock();
    if options.only.explain(&options.common, &mut out)? {
        return Ok(());
    }
    let scan = common::scan(&mut options.common.open()?, &query)?;
    if options.common.json {
        common::json(&scan, &mut out)?;
    } else {
        common::report::header(&scan, &mut out)?;
        common::report::groups(&scan.report, &mut out)?;
    }
    out.flush()?;
    Ok(())
}
