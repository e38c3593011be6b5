//! 50,000 entries deleted out of 100,000: by a plan, one request at a time, and by `conntrack -D`.
//!
//! In a private namespace the contenders take turns, each on the same table made anew; what is
//! printed is each one's median, and the median of its ratios to the plan's of the same round.
//!
//! `cargo bench --bench delete` runs it; `DELETE_ENTRIES` and `DELETE_ROUNDS` are settings.

use std::process::Command;
use std::time::{Duration, Instant};

use ctnetlink::flow::{Flow, FlowKey, Protocol, Status, Tuple};
use ctnetlink::testing::{Population, create, enter_private_namespace, fill};
use ctnetlink::{Conntrack, Deleted, DumpOptions, Filter};

/// What one takes, or `None` where its program is not installed.
type Contender = (&'static str, fn(&mut Conntrack) -> Option<Duration>);

const CONTENDERS: [Contender; 4] = [
    ("a plan, executed", planned),
    ("one request and its answer at a time", one_by_one),
    ("a plan, made and executed", made_and_executed),
    ("conntrack -D", conntrack),
];

const DOOMED: &str = "proto=udp dport=9999";

fn main() {
    let testing = std::env::args().any(|arg| arg == "--test");
    let setting = |name: &str, default| {
        std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
    };
    let entries = setting("DELETE_ENTRIES", if testing { 500 } else { 50_000 });
    let rounds = setting("DELETE_ROUNDS", if testing { 1 } else { 11 });
    if let Err(error) = enter_private_namespace() {
        println!("delete: not run: {error}");
        return;
    }
    let mut table = Conntrack::open().expect("a table");
    let mut times: Vec<Vec<Duration>> = vec![Vec::new(); CONTENDERS.len()];
    for round in 0..=rounds {
        for ((name, contender), times) in CONTENDERS.iter().zip(&mut times) {
            table.flush().expect("an empty table");
            fill(&mut table, &Population::new(entries)).expect("room for bystanders");
            create(&mut table, (0..entries).map(doomed)).expect("room");
            let Some(time) = contender(&mut table) else { continue };
            assert_eq!(u64::from(table.count().expect("a count")), entries, "{name}");
            if round > 0 {
                times.push(time); // the first round warms up
            }
        }
    }
    println!("{entries} of {} entries, median of {rounds} interleaved rounds", 2 * entries);
    println!("{:<40}{:>9}{:>10}{:>15}", "", "ms", "ns/entry", "ratio to plan");
    let plan = times.first().cloned().unwrap_or_default();
    for ((name, _), times) in CONTENDERS.iter().zip(times) {
        if times.is_empty() {
            println!("{name:<40}{:>9}", "not run");
            continue;
        }
        let ratios = times.iter().zip(&plan).map(|(time, plan)| time.div_duration_f64(*plan));
        let ratio = median(ratios.collect());
        let seconds = median(times.iter().map(Duration::as_secs_f64).collect());
        let per_entry = seconds * 1e9 / entries as f64;
        println!("{name:<40}{:>9.1}{per_entry:>10.0}{ratio:>15.2}", seconds * 1e3);
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn doomed(number: u64) -> Flow {
    let bytes = (number as u32 / 50_000).to_be_bytes();
    let source = ([172, 16, bytes[2], bytes[3]].into(), (1024 + number % 50_000) as u16);
    let original = Tuple::with_ports(Protocol::UDP, source, ([192, 0, 2, 1].into(), 9999));
    let mut flow = Flow::new(original, original.inverse());
    flow.status = Status::CONFIRMED | Status::SEEN_REPLY | Status::ASSURED;
    flow.timeout = Some(Duration::from_secs(3600));
    flow
}

fn filter() -> Filter {
    DOOMED.parse().expect("a filter")
}

fn planned(table: &mut Conntrack) -> Option<Duration> {
    let plan = table.delete_plan(&filter()).expect("a plan").max(u64::MAX);
    let start = Instant::now();
    let report = plan.execute().expect("a report");
    assert_eq!(report.deleted, report.matched);
    Some(start.elapsed())
}

fn made_and_executed(table: &mut Conntrack) -> Option<Duration> {
    let start = Instant::now();
    let report = table.delete_plan(&filter()).expect("a plan").max(u64::MAX).execute();
    let elapsed = start.elapsed();
    let report = report.expect("a report");
    assert_eq!(report.deleted, report.matched);
    Some(elapsed)
}

fn one_by_one(table: &mut Conntrack) -> Option<Duration> {
    let dump = table.dump(DumpOptions::new().filter(filter())).expect("a dump");
    let keys: Vec<FlowKey> = dump.flows().map(|flow| (&flow.expect("an entry")).into()).collect();
    let start = Instant::now();
    for key in keys {
        assert_eq!(table.delete(key).expect("an answer"), Deleted::Deleted);
    }
    Some(start.elapsed())
}

fn conntrack(_: &mut Conntrack) -> Option<Duration> {
    let start = Instant::now();
    let output = Command::new("conntrack").args(["-D", "-p", "udp", "--dport", "9999"]).output();
    let elapsed = start.elapsed();
    output.ok().filter(|output| output.status.success()).map(|_| elapsed)
}
