//! Removes every entry of the table, or every one of a family.
//!
//! ```text
//! cargo run --release --example flush_table -- --demo      # shows what it would remove
//! sudo target/release/examples/flush_table --yes-flush-everything
//! ```

#[allow(dead_code)] // This one takes no filter.
mod common;

use std::io::Write;
use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use ctnetlink::field::Field;
use ctnetlink::flow::Family;
use ctnetlink::{Conntrack, Filter, Query};

/// Removes every entry of the table, or every one of a family.
///
/// Without --yes-flush-everything it shows what would be removed, and removes nothing. Every
/// connection of the namespace is forgotten, this one included: those behind NAT end. For less than
/// everything there is delete_flows.
#[derive(Parser)]
#[command(after_help = common::AFTER_HELP, version)]
struct Options {
    #[command(flatten)]
    common: common::Shared,

    /// Remove entries of this family only
    #[arg(long, value_enum)]
    family: Option<Only>,

    /// Do it
    #[arg(long)]
    yes_flush_everything: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Only {
    Ipv4,
    Ipv6,
}

/// What `--json` prints.
#[derive(serde::Serialize)]
struct Outcome {
    family: Option<String>,
    entries_before: u32,
    entries_after: u32,
    flushed: bool,
}

fn main() -> ExitCode {
    common::exit(run(&common::arguments()))
}

fn run(options: &Options) -> common::Result {
    let family = options.family.map(|family| match family {
        Only::Ipv4 => Family::Ipv4,
        Only::Ipv6 => Family::Ipv6,
    });
    options.common.prepare()?;
    let mut table = options.common.open_to_write()?;
    let before = table.count()?;
    let mut out = common::stdout();
    if options.yes_flush_everything {
        flush(&mut table, family)?;
    } else if !options.common.json {
        preview(&mut table, family, &mut out)?;
    }
    let entries_after = table.count()?;
    if options.common.json {
        let outcome = Outcome {
            family: family.map(|family| family.to_string()),
            entries_before: before,
            entries_after,
            flushed: options.yes_flush_everything,
        };
        common::json(&outcome, &mut out)?;
    } else if options.yes_flush_everything {
        writeln!(out, "flushed: {before} entries before, {entries_after} after")?;
    }
    out.flush()?;
    Ok(())
}

fn flush(table: &mut Conntrack, family: Option<Family>) -> ctnetlink::Result<()> {
    match family {
        Some(family) => table.flush_family(family),
        None => table.flush(),
    }
}

fn preview(table: &mut Conntrack, family: Option<Family>, out: &mut dyn Write) -> common::Result {
    let filter = family.map_or(Filter::new(), Filter::family);
    let query = Query::new()
        .group_by([Field::Family, Field::Protocol, Field::State])
        .filter(filter)
        .top(20);
    let scan = common::progress::scan(table, &query, None)?;
    common::report::header(&scan, out)?;
    common::groups::show(&scan.report, None, out)?;
    writeln!(
        out,
        "Nothing was removed. --yes-flush-everything removes these {} entries.",
        scan.report.flows()
    )?;
    Ok(())
}
