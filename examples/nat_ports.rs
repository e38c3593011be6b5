//! How many source ports of a NAT address are in use towards one destination: when all are, new
//! flows to it fail, in a table that is half empty.
//!
//! ```text
//! cargo run --release --example nat_ports -- --demo        # anywhere, without root
//! sudo target/release/examples/nat_ports --range 32768-60999
//! ```

#[allow(dead_code)] // This one neither groups by words nor watches.
mod common;

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use common::from::From;
use common::look::Look;
use ctnetlink::Scan;
use ctnetlink::operate::diagnose::{NatPorts, PortUse};

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
    #[serde(flatten)]
    port_use: PortUse,
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
    let queries = NatPorts::queries();
    let (low, high) = options.range;
    let (look, ports, complete) = if let Some(file) = &options.from.from {
        let found = common::from::scan(file, &queries)?;
        let (ports, complete) = (NatPorts::of(&found.reports, low..=high), found.end.complete);
        (Look::File(found), ports, complete)
    } else {
        options.common.prepare()?;
        let mut scans = options.common.open()?.scan(&queries)?;
        let ports = NatPorts::of(scans.iter().map(|scan| &scan.report), low..=high);
        let complete = scans.iter().all(Scan::is_complete);
        (Look::Table(scans.swap_remove(0)), ports, Some(complete))
    };
    let ports = ports.ok_or("a report for each query")?;
    let usage = |port_use: &PortUse| Usage {
        port_use: port_use.clone(),
        of: ports.of,
        share: ports.share(port_use),
    };
    let destinations = ports.destinations.iter().take(options.rows).map(usage).collect();
    let document = Document { complete, destinations };
    common::print(&document, options.common.json, |out| {
        look.header(out)?;
        show(&document.destinations, out)
    })?;
    look.outcome()
}

fn show(destinations: &[Usage], out: &mut dyn Write) -> common::Result {
    if destinations.is_empty() {
        writeln!(out, "No flow with ports is behind source NAT.")?;
        return Ok(());
    }
    let head = ["used", "of", "share", "NAT address", "protocol", "destination", "port"];
    let lines = destinations.iter().map(|Usage { port_use: row, of, share }| {
        let numbers = [row.used.to_string(), of.to_string(), format!("{:.2} %", share * 100.0)];
        let PortUse { nat, protocol, destination, port, .. } = row.clone();
        numbers.into_iter().chain([nat, protocol, destination, port.to_string()])
    });
    Ok(common::columns::print(head, lines, |index| index < 3, out)?)
}
