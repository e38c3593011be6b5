//! What two snapshots differ in.

use std::io::Write;

use ctnetlink::escape::Escaped;
use ctnetlink::files::Format;
use ctnetlink::files::snapshot::Difference;

use crate::common::{self, Usage, say, wrong};
use crate::{Grouping, Options};

/// Turns of states that are shown to a person.
const TURNS: usize = 5;

/// Which two.
#[derive(clap::Args)]
pub struct Arguments {
    /// The earlier one
    first: std::path::PathBuf,

    /// The later one
    second: std::path::PathBuf,

    #[command(flatten)]
    grouping: Grouping,
}

pub fn run(options: &Options, arguments: &Arguments) -> common::Result {
    let query = arguments.grouping.query()?;
    let (first, second) = (&arguments.first, &arguments.second);
    let is_file = std::fs::metadata(first).is_ok_and(|found| found.is_file());
    if !is_file && (first.exists() || first.to_str() == Some("-")) {
        return wrong("the first one is read twice, and must be a file");
    }
    let open = common::from::open_named;
    let found = Difference::of(|| open(first), || open(second), &query)
        .map_err(|error| Usage(error.to_string()))?;
    common::print(&found, options.common.json, |out| show(&found, out))?;
    common::from::outcome(first, &found.first)?;
    common::from::outcome(second, &found.second)
}

fn show(found: &Difference, out: &mut dyn Write) -> common::Result {
    let Difference { born, died, stayed, changed, undecided, .. } = found;
    let stayed = format!("{stayed} have stayed, of which {changed} have changed");
    say(out, "entries", format_args!("{born} have begun, {died} have ended, {stayed}"))?;
    if !found.filter.is_everything() {
        say(out, "filter ", &found.filter)?;
    }
    let mut notes = Vec::new();
    if *undecided > 0 {
        notes.push(format!("{undecided} entries of both lack what the filter is about"));
    }
    if !found.by_id {
        let note = "one of them has no ids: an entry that ended and began again has stayed";
        notes.push(note.to_owned());
    }
    if [&found.first, &found.second].iter().any(|end| end.format == Format::Text) {
        notes.push("of text only states, replies and NAT are compared".to_owned());
    }
    notes.iter().try_for_each(|note| say(out, "note   ", note))?;
    let turns = found.transitions.iter().take(TURNS);
    let turns = turns.map(|turn| format!("{} of {} to {}", turn.flows, turn.from, turn.to));
    let turns: Vec<_> = turns.collect();
    if !turns.is_empty() {
        say(out, "states ", turns.join(", "))?;
    }
    for (name, end) in [("first", &found.first), ("second", &found.second)] {
        for note in end.notes() {
            say(out, "note   ", format_args!("the {name}: {}", Escaped(note)))?;
        }
    }
    if found.rows.is_empty() && found.others == 0 {
        writeln!(out, "No group has changed.")?;
        return Ok(());
    }
    let names = found.keys.iter().map(ToString::to_string);
    let columns = ["growth", "before", "after", "begun", "ended", "changed"];
    let lines = found.rows.iter().map(|change| {
        let numbers = [change.before, change.after, change.born, change.died, change.changed];
        let growth = format!("{:+}", change.growth());
        let key = change.key.iter().map(ToString::to_string);
        key.chain([growth]).chain(numbers.map(|number| number.to_string()))
    });
    let head = names.chain(columns.map(str::to_owned));
    common::columns::print(head, lines, |index| index >= found.keys.len(), out)?;
    if found.others > 0 {
        writeln!(out, " {} other groups have changed less", found.others)?;
    }
    Ok(())
}
