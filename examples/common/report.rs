//! A scan on the screen.

use std::io::{self, Write};

use anstyle::Style;
use bytesize::ByteSize;
use comfy_table::{CellAlignment, Table, presets};
use ctnetlink::aggregate::{Measure, Report, Row, Volume};
use ctnetlink::field::Field;
use ctnetlink::{Filter, Rates, Scan};

use super::occupancy;

/// One line on the scan as a whole, and more where it needs saying.
pub fn header(scan: &Scan, out: &mut impl Write) -> io::Result<()> {
    let bold = Style::new().bold();
    writeln!(out, "{bold}table{bold:#}  {}", occupancy(scan.after))?;
    writeln!(
        out,
        "{bold}scan{bold:#}   {} flows in {:.1} ms; a dump is not atomic: {} entries before, {} after",
        scan.report.flows(),
        scan.elapsed.as_secs_f64() * 1000.0,
        scan.before.entries,
        scan.after.entries,
    )?;
    if scan.dumps > 1 {
        let moving =
            if scan.moving { "; an entry that changed meanwhile may count twice" } else { "" };
        writeln!(out, "{bold}parts{bold:#}  {} dumps at once{moving}", scan.dumps)?;
    }
    if !scan.is_complete() {
        writeln!(
            out,
            "{bold}note{bold:#}   incomplete: {} entries unreadable{}",
            scan.malformed,
            if scan.end.interrupted { ", the table changed under the dump" } else { "" },
        )?;
    }
    if !scan.filter.is_everything() {
        writeln!(out, "{bold}filter{bold:#} {}", scan.filter)?;
    }
    if scan.report.undecided() > 0 {
        writeln!(
            out,
            "{bold}note{bold:#}   {} entries lack what the filter is about, and are left out{}",
            scan.report.undecided(),
            accounting(&scan.filter),
        )?;
    }
    if scan.after.entries == 0 {
        writeln!(out, "The table is empty; perhaps no rule of this namespace uses conntrack.")?;
    } else if scan.report.flows() == 0 {
        writeln!(out, "No entry matches.")?;
    }
    Ok(())
}

/// What would make an undecided filter decide, for flows that begin after it.
fn accounting(filter: &Filter) -> &'static str {
    let settings = filter.fields().into_iter().filter_map(Field::setting);
    match settings.min() {
        Some("nf_conntrack_acct") => {
            "; sysctl net.netfilter.nf_conntrack_acct=1 counts those of new flows"
        }
        Some(_) => "; sysctl net.netfilter.nf_conntrack_timestamp=1 notes when new flows begin",
        None => "",
    }
}

/// What has to be said about the groups besides their numbers.
pub fn notes(report: &Report, out: &mut impl Write) -> io::Result<()> {
    let bold = Style::new().bold();
    let uncounted = report.volume().unwrap_or_default().uncounted;
    if uncounted > 0 {
        writeln!(
            out,
            "{bold}note{bold:#}   {uncounted} of {} entries carry no counters; \
             sysctl net.netfilter.nf_conntrack_acct=1 counts those of new flows",
            report.flows()
        )?;
    }
    if let Some(missed) = report.missed() {
        writeln!(
            out,
            "{bold}note{bold:#}   not all groups fit the memory: none that is not shown has more than \
             {}",
            weight(report.measure(), missed.max(report.rows().last().map_or(0, |row| row.missed)))
        )?;
    }
    Ok(())
}

fn weight(measure: Measure, number: u64) -> String {
    match measure {
        Measure::Bytes => ByteSize(number).display().iec().to_string(),
        Measure::Flows | Measure::Packets => format!("{number} {measure}"),
    }
}

/// One line on two looks, and one on what has come and gone between them.
pub fn rates_header(rates: &Rates, out: &mut impl Write) -> io::Result<()> {
    let bold = Style::new().bold();
    let seconds = rates.interval.as_secs_f64();
    writeln!(out, "{bold}table{bold:#}  {}", occupancy(rates.table))?;
    writeln!(
        out,
        "{bold}looks{bold:#}  two, {seconds:.1} s apart: {} flows began ({:.1}/s), {} ended ({:.1}/s)",
        rates.began,
        rates.per_second(rates.began),
        rates.ended,
        rates.per_second(rates.ended),
    )?;
    if !rates.filter.is_everything() {
        writeln!(out, "{bold}filter{bold:#} {}", rates.filter)?;
    }
    if !rates.is_complete() {
        writeln!(out, "{bold}note{bold:#}   incomplete: {} entries unreadable", rates.malformed)?;
    }
    match (rates.report.flows(), rates.report.measure()) {
        (0, Measure::Flows) => writeln!(out, "No flow of those began meanwhile."),
        (0, measure) => writeln!(out, "None of them has carried {measure} meanwhile."),
        _ => Ok(()),
    }
}

/// The groups: rank, key, flows, what they carried if that was asked for, share and a bar.
pub fn groups(report: &Report, out: &mut impl Write) -> io::Result<()> {
    table(report, None, out)
}

/// The groups of what is new, with what each weighs a second.
pub fn rates(rates: &Rates, out: &mut impl Write) -> io::Result<()> {
    table(&rates.report, Some(rates), out)
}

fn table(report: &Report, rates: Option<&Rates>, out: &mut impl Write) -> io::Result<()> {
    if report.flows() == 0 {
        return Ok(());
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    let measured: &[&str] = if report.volume().is_some() { &["packets", "bytes"] } else { &[] };
    let per_second: &[&str] = if rates.is_some() { &["per second"] } else { &[] };
    let uniques: Vec<_> = report.uniques().iter().map(ToString::to_string).collect();
    let at_least = if report.uniques_are_at_least() { ", at least" } else { "" };
    let unique = format!("unique {}{at_least}", uniques.join(","));
    let unique: &[&str] = if uniques.is_empty() { &[] } else { &[&unique] };
    let at_most: &[&str] = if report.missed().is_some() { &["at most"] } else { &[] };
    let head = ["#"].into_iter().map(str::to_owned);
    let head = head.chain(report.keys().iter().map(ToString::to_string));
    let columns = [&["flows"], measured, per_second, unique, at_most, &["share", ""]].concat();
    table.set_header(head.chain(columns.iter().map(|&column| column.to_owned())));
    let mut line = |rank: String, key: Vec<String>, row: &Row| {
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
        cells.resize(columns.len() - 2, String::new());
        let share = report.share_of(row);
        cells.extend([format!("{:.1} %", share * 100.0), bar(share)]);
        table.add_row([rank].into_iter().chain(key).chain(cells));
    };
    for (rank, row) in (1..).zip(report.rows()) {
        line(rank.to_string(), row.key.iter().map(ToString::to_string).collect(), row);
    }
    let hidden = report.distinct() - report.rows().len() as u64;
    if hidden > 0 {
        let mut key = vec![String::new(); report.keys().len()];
        if let Some(first) = key.first_mut() {
            let more = if report.missed().is_some() { "+" } else { "" };
            *first = format!("{hidden}{more} others");
        }
        line(String::new(), key, &report.others());
    }
    let keys = report.keys().len();
    for (index, column) in table.column_iter_mut().enumerate() {
        if index == 0 || (keys < index && index < keys + columns.len()) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    for row in table.lines() {
        writeln!(out, "{}", row.trim_end())?;
    }
    Ok(())
}

/// A share as a bar of up to twenty cells, in eighths.
fn bar(share: f64) -> String {
    let eighths = (share * 160.0).round() as usize;
    let rest = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"].get(eighths % 8).copied();
    "█".repeat(eighths / 8) + rest.unwrap_or_default()
}
