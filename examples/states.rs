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
use std::path::Path;
use std::process::ExitCode;

use anstyle::Style;
use clap::Parser;
use common::from::From;
use common::selection::Selection;
use ctnetlink::aggregate::Headroom;
use ctnetlink::field::Field;
use ctnetlink::{Query, Reader};

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
    from: From,

    #[command(flatten)]
    only: Selection,
}

fn main() -> ExitCode {
    common::exit(run(&common::arguments()))
}

fn run(options: &Options) -> common::Result {
    let query = Query::new().group_by([Field::Protocol, Field::State]).top(usize::MAX);
    let query = options.only.of(query)?;
    let mut out = common::stdout();
    if let Some(file) = &options.from.from {
        options.only.of_file()?;
        return from_file(file, query, options.common.json, &mut out);
    }
    options.common.prepare()?;
    if options.only.explain(&options.common, &mut out)? {
        return Ok(());
    }
    let mut table = options.common.open()?;
    let (scan, headroom) = if query.filter.is_everything() {
        let mut scans = table.scan(&[query, Headroom::query()])?;
        let headroom = scans.pop().and_then(|scan| Headroom::of(&scan.report));
        (scans.remove(0), headroom)
    } else {
        // What could make room is about the whole table.
        (common::scan(&mut table, &query, options.only.placement())?, None)
    };
    let chance =
        headroom.zip(Reader::buckets()).map(|(headroom, buckets)| headroom.chance(buckets));
    if options.common.json {
        common::json(&Document { look: &scan, headroom, chance_of_room: chance }, &mut out)?;
    } else {
        common::report::header(&scan, &mut out)?;
        if let Some(headroom) = headroom.filter(|_| scan.report.flows() > 0) {
            explain(&headroom, chance, &mut out)?;
        }
        common::report::groups(&scan.report, &mut out)?;
    }
    out.flush()?;
    Ok(())
}

/// The same of a file.
fn from_file(file: &Path, query: Query, json: bool, out: &mut impl Write) -> common::Result {
    let whole = query.filter.is_everything();
    let found = common::from::scan(file, &[query, Headroom::query()])?;
    let headroom = found.reports.last().and_then(Headroom::of).filter(|_| whole);
    let buckets = found.facts.buckets.and_then(|buckets| buckets.try_into().ok());
    let chance = headroom.zip(buckets).map(|(headroom, buckets)| headroom.chance(buckets));
    if json {
        let document = Document { look: found.document(), headroom, chance_of_room: chance };
        common::json(&document, out)?;
    } else {
        found.header(out)?;
        if let Some(headroom) = headroom.filter(|_| found.report().flows() > 0) {
            explain(&headroom, chance, out)?;
        }
        common::report::groups(found.report(), out)?;
    }
    out.flush()?;
    found.outcome()
}

/// What `--json` prints.
#[derive(serde::Serialize)]
struct Document<L: serde::Serialize> {
    #[serde(flatten)]
    look: L,
    headroom: Option<Headroom>,
    /// How likely a new flow is to find room if the table is full.
    chance_of_room: Option<f64>,
}

/// What becomes of the entries if the table is full.
fn explain(headroom: &Headroom, chance: Option<f64>, out: &mut impl Write) -> std::io::Result<()> {
    let bold = Style::new().bold();
    let Headroom { unassured, closing, held, .. } = headroom;
    writeln!(
        out,
        "{bold}if full{bold:#} {unassured} are not assured and make room at once{}; {closing} are closing \
         and go above 95 %; {held} stay",
        chance.map_or(String::new(), |chance| format!(
            " (a new flow finds one in {:.0} of 100 cases)",
            (chance * 100.0).floor()
        )),
    )
}
