//! What two snapshots differ in.

use std::io::Write;

use anstyle::Style;
use comfy_table::{CellAlignment, Table, presets};
use ctnetlink::escape::Escaped;
use ctnetlink::files::Format;
use ctnetlink::files::snapshot::Difference;

use crate::common::{self, Usage};
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
        return Err(Usage("the first one is read twice, and must be a file".to_owned()).into());
    }
    let open = common::from::open;
    let found = Difference::of(|| open(first), || open(second), &query)
        .map_err(|error| Usage(error.to_string()))?;
    let mut out = common::stdout();
    if options.common.json {
        common::json(&found, &mut out)?;
    } else {
        show(&found, &mut out)?;
    }
    out.flush()?;
    common::from::outcome(first, &found.first)?;
    common::from::outcome(second, &found.second)
}

fn show(found: &Difference, out: &mut impl Write) -> common::Result {
    let bold = Style::new().bold();
    let Difference { born, died, stayed, changed, .. } = found;
    writeln!(
        out,
        "{bold}entries{bold:#} {born} have begun, {died} have ended, {stayed} have stayed, of which \
         {changed} have changed"
    )?;
    if !found.filter.is_everything() {
        writeln!(out, "{bold}filter{bold:#}  {}", found.filter)?;
    }
    if found.undecided > 0 {
        let undecided = found.undecided;
        writeln!(
            out,
            "{bold}note{bold:#}    {undecided} entries of both lack what the filter is about"
        )?;
    }
    if !found.by_id {
        writeln!(
            out,
            "{bold}note{bold:#}    one of them has no ids: an entry that ended and began again has stayed"
        )?;
    }
    if [&found.first, &found.second].iter().any(|end| end.format == Format::Text) {
        writeln!(out, "{bold}note{bold:#}    of text only states, replies and NAT are compared")?;
    }
    let turns = found.transitions.iter().take(TURNS);
    let turns = turns.map(|turn| format!("{} of {} to {}", turn.flows, turn.from, turn.to));
    let turns: Vec<_> = turns.collect();
    if !turns.is_empty() {
        writeln!(out, "{bold}states{bold:#}  {}", turns.join(", "))?;
    }
    for (name, end) in [("first", &found.first), ("second", &found.second)] {
        for note in common::from::notes(end) {
            writeln!(out, "{bold}note{bold:#}    the {name}: {}", Escaped(note))?;
        }
    }
    if found.rows.is_empty() && found.others == 0 {
        writeln!(out, "No group has changed.")?;
        return Ok(());
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    let names = found.keys.iter().map(ToString::to_string);
    let columns = ["growth", "before", "after", "begun", "ended", "changed"];
    table.set_header(names.chain(columns.map(str::to_owned)));
    for change in &found.rows {
        let numbers = [change.before, change.after, change.born, change.died, change.changed];
        let growth = format!("{:+}", change.growth());
        let key = change.key.iter().map(ToString::to_string);
        table.add_row(key.chain([growth]).chain(numbers.map(|number| number.to_string())));
    }
    for (index, column) in table.column_iter_mut().enumerate() {
        if index >= found.keys.len() {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    for row in table.lines() {
        writeln!(out, "{}", row.trim_end())?;
    }
    if found.others > 0 {
        writeln!(out, " {} other groups have changed less", found.others)?;
    }
    Ok(())
}
