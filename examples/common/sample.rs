//! A sample on the screen.

use std::io::{self, Write};

use ctnetlink::Sample;
use ctnetlink::aggregate::Interval;

use super::{columns, say};

/// The groups with what they are between; a row whose place is chance says so.
pub fn show(sample: &Sample, out: &mut dyn Write) -> io::Result<()> {
    let report = &sample.report;
    say(out, "table", sample.before)?;
    let (seen, elapsed) = (report.seen(), sample.elapsed.as_secs_f64() * 1000.0);
    if report.is_exact() {
        say(out, "sample", format_args!("all {seen} entries in {elapsed:.1} ms"))?;
    } else {
        let sure = "95 of 100 times all numbers are between those shown";
        say(out, "sample", format_args!("{seen} entries in {elapsed:.1} ms; {sure}"))?;
    }
    if !sample.filter.is_everything() {
        let Interval { low, high } = report.interval();
        let (filter, flows) = (&sample.filter, report.flows());
        say(out, "filter", format_args!("{filter}: {flows} match ({low} to {high})"))?;
    }
    if report.undecided() > 0 {
        let undecided = report.undecided();
        let text = format_args!("{undecided} of those lack what the filter is about");
        say(out, "note", text)?;
    }
    let keys = report.keys().len();
    let head = ["#".to_owned()].into_iter().chain(report.keys().iter().map(ToString::to_string));
    let head = head.chain(["about", "at least", "at most", "share", ""].map(str::to_owned));
    let lines = (1..).zip(report.rows()).map(|(rank, row)| {
        let Interval { low, high } = row.interval;
        let sure = if row.apart || report.is_exact() { "" } else { "or below the next" };
        let numbers = [row.flows, low, high].map(|number| number.to_string());
        let share = format!("{:.1} %", report.share(row.flows) * 100.0);
        let key = row.key.iter().map(ToString::to_string);
        let rank: u64 = rank;
        [rank.to_string()].into_iter().chain(key).chain(numbers).chain([share, sure.to_owned()])
    });
    columns::print(head, lines, |index| index == 0 || (keys < index && index <= keys + 4), out)
}
