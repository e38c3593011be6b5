//! The entries of the table, one a line: as `conntrack -L` prints them, as JSON, or as CSV.
//!
//! ```text
//! cargo run --release --example list_flows -- --demo 1000 --limit 5
//! sudo target/release/examples/list_flows 'proto=tcp dport=443 unreplied' -o extended
//! ```

#[allow(dead_code)] // This one neither groups nor watches.
#[path = "../common/mod.rs"]
mod common;
mod file;
mod shown;

use std::io::{BufWriter, Write};
use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use common::from::From;
use common::lines::Format;
use common::selection::Selection;
use ctnetlink::{DumpOptions, List};
use shown::Shown;

/// The entries of the table, one a line, as they stream past: a table of any size takes no memory.
#[derive(Parser)]
#[command(after_help = common::AFTER_HELP, version)]
struct Options {
    #[command(flatten)]
    common: common::Shared,

    #[command(flatten)]
    from: From,

    #[command(flatten)]
    only: Selection,

    /// How: plain, extended, id (or extended,id) as `conntrack` prints them; save, which `conntrack -R`
    /// loads; json, ndjson, csv
    #[arg(short, long, value_name = "FORMAT", default_value = "plain")]
    output: Format,

    /// Stop after N entries
    #[arg(long, value_name = "N", default_value_t = u64::MAX, hide_default_value = true)]
    limit: u64,

    /// Another list of the kernel's than the table
    #[arg(long, value_enum, default_value_t = Which::Table, conflicts_with = "from")]
    list: Which,
}

#[derive(Clone, Copy, ValueEnum)]
enum Which {
    /// The table
    Table,
    /// Entries that are gone, but whose end a listener did not take notice of
    Dying,
    /// Entries of packets on their way through; none on kernels from 5.19 on
    Unconfirmed,
}

fn main() -> ExitCode {
    common::exit(run(&common::arguments()))
}

fn run(options: &Options) -> common::Result {
    let format = if options.common.json { Format::Json } else { options.output };
    let mut out = BufWriter::with_capacity(64 * 1024, common::stdout());
    let mut shown = Shown { format, limit: options.limit, shown: 0, is_enough: options.limit == 0 };
    match &options.from.from {
        Some(file) => file::list(file, options, &mut shown, &mut out),
        None => of_table(options, &mut shown, &mut out),
    }
}

fn of_table(options: &Options, shown: &mut Shown, out: &mut impl Write) -> common::Result {
    let list = match options.list {
        Which::Table => List::Table,
        Which::Dying => List::Dying,
        Which::Unconfirmed => List::Unconfirmed,
    };
    let mut dump = DumpOptions::new().filter(options.only.filter()?).list(list);
    if let Some(placement) = options.only.placement() {
        dump = dump.placement(placement);
    }
    options.common.prepare()?;
    if options.only.explain(&options.common, out)? {
        return Ok(out.flush()?);
    }
    let mut table = options.common.open()?;
    let seen = table.observe();
    let mut dump = table.dump(dump)?;
    let mut malformed = 0;
    shown.format.begin(out)?;
    while !shown.is_enough {
        let Some(batch) = dump.next_batch()? else { break };
        for flow in batch.flows() {
            match flow {
                Ok(flow) => shown.show(&flow, &seen, out)?,
                Err(_) => malformed += 1,
            }
            if shown.is_enough {
                break;
            }
        }
    }
    let end = dump.end();
    shown.finish(end.undecided, !end.interrupted && malformed == 0, out)?;
    if malformed > 0 {
        eprintln!("note: {malformed} entries could not be read");
    }
    Ok(())
}
