//! A sample on the screen.

use std::io::Write;

use anstyle::Style;
use comfy_table::{CellAlignment, Table, presets};
use ctnetlink::Sample;
use ctnetlink::aggregate::Interval;

use super::{Result, json, occupancy};

/// The groups with what they are between; a row whose place is chance says so.
pub fn show(sample: &Sample, as_json: bool, out: &mut impl Write) -> Result {
    if as_json {
        return Ok(json(sample, out)?);
    }
    let report = &sample.report;
    let bold = Style::new().bold();
    writeln!(out, "{bold}table{bold:#}  {}", occupancy(sample.before))?;
    let elapsed = sample.elapsed.as_secs_f64() * 1000.0;
    if report.is_exact() {
        writeln!(out, "{bold}sample{bold:#} all {} entries in {elapsed:.1} ms", report.seen())?;
    } else {
        writeln!(
            out,
            "{bold}sample{bold:#} {} entries in {elapsed:.1} ms; 95 of 100 times all numbers are \
             between those shown",
            report.seen()
        )?;
    }
    if !sample.filter.is_everything() {
        let Interval { low, high } = report.interval();
        let flows = report.flows();
        writeln!(out, "{bold}filter{bold:#} {}: {flows} match ({low} to {high})", sample.filter)?;
    }
    if report.undecided() > 0 {
        let undecided = report.undecided();
        writeln!(out, "{bold}note{bold:#}   {undecided} of those lack what the filter is about")?;
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    let names = report.keys().iter().map(ToString::to_string);
    let head = ["#".to_owned()].into_iter().chain(names);
    table.set_header(head.chain(["about", "at least", "at most", "share", ""].map(str::to_owned)));
    for (rank, row) in (1..).zip(report.rows()) {
        let Interval { low, high } = row.interval;
        let sure = if row.apart || report.is_exact() { "" } else { "or below the next" };
        let numbers = [row.flows, low, high].map(|number| number.to_string());
        let share = format!("{:.1} %", report.share(row.flows) * 100.0);
        let line = [rank.to_string()]
            .into_iter()
            .chain(row.key.iter().map(ToString::to_string))
            .chain(numbers)
            .chain([share, sure.to_owned()]);
        table.add_row(line);
    }
    let keys = report.keys().len();
    for (index, column) in table.column_iter_mut().enumerate() {
        if index == 0 || (keys < index && index <= keys + 4) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    for row in table.lines() {
        writeln!(out, "{}", row.trim_end())?;
    }
    Ok(())
}
