//! How many source ports of a NAT address are in use towards one destination: when all are, new
//! flows to it fail, in a table that is half empty.
//!
//! ```text
//! cargo run --release --example nat_ports -- --demo        # anywhere, without root
//! sudo target/release/examples/nat_ports --range 32768-60999
//! ```

#[allow(dead_code)] // This one neither groups by words nor watches.
mod common;

use std::collections::HashSet;
use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use comfy_table::{CellAlignment, Table, presets};
use common::from::From;
use ctnetlink::aggregate::{Field, Prefix, Report, Row, Value};
use ctnetlink::{Filter, Query};

/// How many source ports of each NAT address are in use towards each destination.
///
/// Source NAT gives every flow a port of the gateway's address, and needs a free one for each flow to
/// the same address and port. Flows of the gateway itself count, too, since they use the same ports.
#[derive(Parser)]
#[command(after_help = common::AFTER_HELP, version)]
struct Options {
    #[command(flatten)]
    common: common::Shared,

    #[command(flatten)]
    from: From,

    /// How many destinations to show
    #[arg(short = 'n', value_name = "ROWS", default_value_t = 10)]
    rows: usize,

    /// The ports that NAT may use; without a range in the rule, those of ports from 1024 up
    #[arg(long, value_name = "LOW-HIGH", default_value = "1024-65535", value_parser = range)]
    range: (u16, u16),
}

/// What `--json` prints of a destination.
#[derive(serde::Serialize)]
struct Usage {
    nat: String,
    protocol: String,
    destination: String,
    port: Option<u16>,
    used: u64,
    of: u64,
    share: f64,
}

#[derive(serde::Serialize)]
struct Document {
    /// Null where --from does not say it.
    complete: Option<bool>,
    destinations: Vec<Usage>,
}

fn range(text: &str) -> Result<(u16, u16), String> {
    let ends =
        text.split_once('-').and_then(|(low, high)| Some((low.parse().ok()?, high.parse().ok()?)));
    ends.filter(|(low, high)| low <= high)
        .ok_or("two ports, the lower first: 1024-65535".to_owned())
}

fn main() -> ExitCode {
    common::exit(run(&common::arguments()))
}

fn run(options: &Options) -> common::Result {
    // Which addresses are NAT's, and the use of all addresses, from one look at the table.
    let nat = Query::new().by([Field::ReplyDestination(Prefix::WHOLE)]).of(Filter::source_nat());
    let uses = Query::new().by([
        Field::ReplyDestination(Prefix::WHOLE),
        Field::Protocol,
        Field::ReplySource(Prefix::WHOLE),
        Field::ReplySourcePort,
    ]);
    let queries = [uses, nat].map(|query| query.top(usize::MAX));
    let mut out = common::stdout();
    if let Some(file) = &options.from.from {
        let found = common::from::scan(file, &queries)?;
        let destinations = evaluate(&found.reports[1], &found.reports[0], options);
        if options.common.json {
            common::json(&Document { complete: found.end.complete, destinations }, &mut out)?;
        } else {
            found.header(&mut out)?;
            show(&destinations, &mut out)?;
        }
        out.flush()?;
        return found.outcome();
    }
    options.common.prepare()?;
    let scans = options.common.open()?.scan(&queries)?;
    let [uses, nat] = &scans[..] else { return Ok(()) };
    let destinations = evaluate(&nat.report, &uses.report, options);
    if options.common.json {
        let complete = Some(uses.is_complete());
        common::json(&Document { complete, destinations }, &mut out)?;
    } else {
        common::report::header(uses, &mut out)?;
        show(&destinations, &mut out)?;
    }
    out.flush()?;
    Ok(())
}

fn evaluate(nat: &Report, uses: &Report, options: &Options) -> Vec<Usage> {
    let addresses: HashSet<_> = nat.rows().iter().filter_map(|row| row.key.first()).collect();
    let (low, high) = options.range;
    let of = u64::from(high - low) + 1;
    let usage = |row: &Row| match row.key[..] {
        // What has no ports does not run out of them.
        [address, protocol, destination, Value::Port(Some(port))] => Some(Usage {
            nat: address.to_string(),
            protocol: protocol.to_string(),
            destination: destination.to_string(),
            port: Some(port),
            used: row.flows,
            of,
            share: row.flows as f64 / of as f64,
        }),
        _ => None,
    };
    let of_nat =
        uses.rows().iter().filter(|row| row.key.first().is_some_and(|key| addresses.contains(key)));
    of_nat.filter_map(usage).take(options.rows).collect()
}

fn show(destinations: &[Usage], out: &mut impl Write) -> common::Result {
    if destinations.is_empty() {
        writeln!(out, "No flow with ports is behind source NAT.")?;
        return Ok(());
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["used", "of", "share", "NAT address", "protocol", "destination", "port"]);
    for usage in destinations {
        table.add_row([
            usage.used.to_string(),
            usage.of.to_string(),
            format!("{:.2} %", usage.share * 100.0),
            usage.nat.clone(),
            usage.protocol.clone(),
            usage.destination.clone(),
            usage.port.map_or_else(String::new, |port| port.to_string()),
        ]);
    }
    for (index, column) in table.column_iter_mut().enumerate() {
        if index < 3 {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    for row in table.lines() {
        writeln!(out, "{}", row.trim_end())?;
    }
    Ok(())
}
