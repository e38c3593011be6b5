//! Groups on the screen.

use std::io::{self, Write};

use bytesize::ByteSize;
use ctnetlink::Rates;
use ctnetlink::aggregate::{Measure, Report, Row, Volume};

use super::columns;

/// The groups: rank, key, flows, what they carried if that was asked for, share and a bar; of what is
/// new, also what each weighs a second.
pub fn show(report: &Report, rates: Option<&Rates>, out: &mut dyn Write) -> io::Result<()> {
    if report.flows() == 0 {
        return Ok(());
    }
    let measured: &[&str] = if report.volume().is_some() { &["packets", "bytes"] } else { &[] };
    let per_second: &[&str] = if rates.is_some() { &["per second"] } else { &[] };
    let uniques: Vec<_> = report.uniques().iter().map(ToString::to_string).collect();
    let at_least = if report.uniques_are_at_least() { ", at least" } else { "" };
    let unique = format!("unique {}{at_least}", uniques.join(","));
    let unique: &[&str] = if uniques.is_empty() { &[] } else { &[&unique] };
    let at_most: &[&str] = if report.missed().is_some() { &["at most"] } else { &[] };
    let head = ["#"].into_iter().map(str::to_owned);
    let head = head.chain(report.keys().iter().map(ToString::to_string));
    let names = [&["flows"], measured, per_second, unique, at_most, &["share", ""]].concat();
    let head = head.chain(names.iter().map(|&column| column.to_owned()));
    let line = |rank: String, key: Vec<String>, row: &Row| {
        let mut cells = vec![row.flows.to_string()];
        if let Some(total) = row.volume.as_ref().map(Volume::total) {
            cells.extend([total.packets.to_string(), weight(Measure::Bytes, total.bytes)]);
        }
        if let Some(rates) = rates {
            let each = rates.per_second(row.weight(report.measure()));
            cells.push(match report.measure() {
                Measure::Bytes => weight(Measure::Bytes, each as u64),
                Measure::Flows | Measure::Packets => format!("{each:.1}"),
            });
        }
        cells.extend(row.unique.map(|unique| unique.to_string()));
        if !at_most.is_empty() && !row.key.is_empty() {
            let most = row.weight(report.measure()).saturating_add(row.missed);
            cells.push(weight(report.measure(), most));
        }
        cells.resize(names.len() - 2, String::new());
        let share = report.share_of(row);
        cells.extend([format!("{:.1} %", share * 100.0), bar(share)]);
        [vec![rank], key, cells].concat()
    };
    let ranked = (1_u64..).zip(report.rows()).map(|(rank, row)| {
        line(rank.to_string(), row.key.iter().map(ToString::to_string).collect(), row)
    });
    let mut lines: Vec<_> = ranked.collect();
    let hidden = report.distinct() - report.rows().len() as u64;
    if hidden > 0 {
        let mut key = vec![String::new(); report.keys().len()];
        if let Some(first) = key.first_mut() {
            let more = if report.missed().is_some() { "+" } else { "" };
            *first = format!("{hidden}{more} others");
        }
        lines.push(line(String::new(), key, &report.others()));
    }
    let (keys, last) = (report.keys().len(), report.keys().len() + names.len());
    columns::print(head, lines, |index| index == 0 || (keys < index && index < last), out)
}

/// A share as a bar of up to twenty cells, in eighths.
fn bar(share: f64) -> String {
    let eighths = (share * 160.0).round() as usize;
    let rest = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"].get(eighths % 8).copied();
    "█".repeat(eighths / 8) + rest.unwrap_or_default()
}

/// What a group weighs.
pub fn weight(measure: Measure, number: u64) -> String {
    match measure {
        Measure::Bytes => ByteSize(number).display().iec().to_string(),
        Measure::Flows | Measure::Packets => format!("{number} {measure}"),
    }
}
