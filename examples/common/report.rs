//! A scan on the screen.

use std::io::{self, Write};

use bytesize::ByteSize;
use ctnetlink::aggregate::{Measure, Report, Row, Volume};
use ctnetlink::field::Field;
use ctnetlink::{Filter, Rates, Scan};

use super::{columns, occupancy, say};

/// One line on the scan as a whole, and more where it needs saying.
pub fn header(scan: &Scan, out: &mut dyn Write) -> io::Result<()> {
    let (before, after, dumps) = (scan.before.entries, scan.after.entries, scan.dumps);
    say(out, "table", occupancy(scan.after))?;
    let elapsed = scan.elapsed.as_secs_f64() * 1000.0;
    let flows = scan.report.flows();
    let dump = format!("a dump is not atomic: {before} entries before, {after} after");
    say(out, "scan", format_args!("{flows} flows in {elapsed:.1} ms; {dump}"))?;
    if dumps > 1 {
        let twice = "; an entry that changed meanwhile may count twice";
        let moving = if scan.moving { twice } else { "" };
        say(out, "parts", format_args!("{dumps} dumps at once{moving}"))?;
    }
    if !scan.is_complete() {
        let interrupted = ", the table changed under the dump";
        let interrupted = if scan.end.interrupted { interrupted } else { "" };
        let text = format_args!("incomplete: {} entries unreadable{interrupted}", scan.malformed);
        say(out, "note", text)?;
    }
    judged(&scan.filter, &scan.report, accounting(&scan.filter), out)?;
    match (after, scan.report.flows()) {
        (0, _) => {
            writeln!(out, "The table is empty; perhaps no rule of this namespace uses conntrack.")
        }
        (_, 0) => writeln!(out, "No entry matches."),
        _ => Ok(()),
    }
}

/// The filter, and how many entries it could not judge, with what would help.
pub fn judged(filter: &Filter, report: &Report, help: &str, out: &mut dyn Write) -> io::Result<()> {
    if !filter.is_everything() {
        say(out, "filter", filter)?;
    }
    let undecided = report.undecided();
    if undecided > 0 {
        let lack = "entries lack what the filter is about, and are left out";
        say(out, "note", format_args!("{undecided} {lack}{help}"))?;
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
pub fn notes(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let (uncounted, flows) = (report.volume().unwrap_or_default().uncounted, report.flows());
    if uncounted > 0 {
        let remedy = "sysctl net.netfilter.nf_conntrack_acct=1 counts those of new flows";
        let text = format_args!("{uncounted} of {flows} entries carry no counters; {remedy}");
        say(out, "note", text)?;
    }
    if let Some(missed) = report.missed() {
        let missed = missed.max(report.rows().last().map_or(0, |row| row.missed));
        let most = weight(report.measure(), missed);
        let what = "not all groups fit the memory: none that is not shown has more than";
        say(out, "note", format_args!("{what} {most}"))?;
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
pub fn rates_header(rates: &Rates, out: &mut dyn Write) -> io::Result<()> {
    let (seconds, began, ended) = (rates.interval.as_secs_f64(), rates.began, rates.ended);
    let each = [began, ended].map(|number| format!("{:.1}/s", rates.per_second(number)));
    let flows = format!("{began} flows began ({}), {ended} ended ({})", each[0], each[1]);
    say(out, "table", occupancy(rates.table))?;
    say(out, "looks", format_args!("two, {seconds:.1} s apart: {flows}"))?;
    if !rates.filter.is_everything() {
        say(out, "filter", &rates.filter)?;
    }
    if !rates.is_complete() {
        let text = format_args!("incomplete: {} entries unreadable", rates.malformed);
        say(out, "note", text)?;
    }
    match (rates.report.flows(), rates.report.measure()) {
        (0, Measure::Flows) => writeln!(out, "No flow of those began meanwhile."),
        (0, measure) => writeln!(out, "None of them has carried {measure} meanwhile."),
        _ => Ok(()),
    }
}

/// The groups: rank, key, flows, what they carried if that was asked for, share and a bar; of what is
/// new, also what each weighs a second.
pub fn groups(report: &Report, rates: Option<&Rates>, out: &mut dyn Write) -> io::Result<()> {
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
