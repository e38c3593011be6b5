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
use common::from::From;
use common::look::Look;
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
    // What could make room is about the whole table.
    let whole = query.filter.is_everything();
    let (look, headroom, buckets) = if let Some(file) = &options.from.from {
        options.only.of_file()?;
        let found = common::from::scan(file, &[query, Headroom::query()])?;
        let headroom = found.reports.last().and_then(Headroom::of).filter(|_| whole);
        let buckets = found.facts.buckets.and_then(|buckets| buckets.try_into().ok());
        (Look::File(found), headroom, buckets)
    } else {
        options.common.prepare()?;
        if options.only.explain(&options.common, &mut common::stdout())? {
            return Ok(());
        }
        let mut table = options.common.open()?;
        let (scan, headroom) = if whole {
            let mut scans = table.scan(&[query, Headroom::query()])?;
            let headroom = scans.pop().and_then(|scan| Headroom::of(&scan.report));
            (scans.remove(0), headroom)
        } else {
            (common::progress::scan(&mut table, &query, options.only.placement())?, None)
        };
        (Look::Table(scan), headroom, Reader::buckets())
    };
    let chance_of_room = headroom.zip(buckets).map(|(headroom, buckets)| headroom.chance(buckets));
    let document = Document { look, headroom, chance_of_room };
    common::print(&document, options.common.json, |out| Ok(document.show(out)?))?;
    document.look.outcome()
}

/// What `--json` prints.
#[derive(serde::Serialize)]
struct Document {
    #[serde(flatten)]
    look: Look,
    headroom: Option<Headroom>,
    /// How likely a new flow is to find room if the table is full.
    chance_of_room: Option<f64>,
}

impl Document {
    fn show(&self, out: &mut dyn Write) -> std::io::Result<()> {
        self.look.header(out)?;
        let report = self.look.report();
        // What becomes of the entries if the table is full.
        if let Some(Headroom { unassured, closing, held, .. }) =
            self.headroom.filter(|_| report.flows() > 0)
        {
            let found = |chance: f64| {
                let cases = (chance * 100.0).floor();
                format!(" (a new flow finds one in {cases:.0} of 100 cases)")
            };
            let chance = self.chance_of_room.map(found).unwrap_or_default();
            let rest = format!("{closing} are closing and go above 95 %; {held} stay");
            let text = format!("{unassured} are not assured and make room at once{chance}; {rest}");
            common::say(out, "if full", text)?;
        }
        common::groups::show(report, None, out)
    }
}
