//! A scan on the screen.

use std::io::{self, Write};

use ctnetlink::aggregate::{Measure, Report};
use ctnetlink::field::Field;
use ctnetlink::{Filter, Rates, Scan};

use super::groups::weight;
use super::say;

/// One line on the scan as a whole, and more where it needs saying.
pub fn header(scan: &Scan, out: &mut dyn Write) -> io::Result<()> {
    let (before, after, dumps) = (scan.before.entries, scan.after.entries, scan.dumps);
    say(out, "table", scan.after)?;
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

/// One line on two looks, and one on what has come and gone between them.
pub fn rates_header(rates: &Rates, out: &mut dyn Write) -> io::Result<()> {
    let (seconds, began, ended) = (rates.interval.as_secs_f64(), rates.began, rates.ended);
    let each = [began, ended].map(|number| format!("{:.1}/s", rates.per_second(number)));
    let flows = format!("{began} flows began ({}), {ended} ended ({})", each[0], each[1]);
    say(out, "table", rates.table)?;
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
