//! A sample says as much as it promises: its intervals hold the truth, and the beginning of a dump
//! favours nobody.

use std::collections::BTreeMap;

use ctnetlink::aggregate::Report;
use ctnetlink::field::Keys;
use ctnetlink::flow::{Flow, Status};
use ctnetlink::testing::{Population, create, fill};
use ctnetlink::{Conntrack, Filter, Query, Sample, ScanOptions};

use crate::support::{Skip, Test, entries, rounds, table};

pub const TESTS: &[(&str, Test)] = &[
    ("the_truth_is_in_the_intervals", the_truth_is_in_the_intervals),
    ("the_beginning_of_a_dump_favours_nobody", the_beginning_of_a_dump_favours_nobody),
    ("a_small_table_is_no_sample", a_small_table_is_no_sample),
    ("a_filter_is_estimated_too", a_filter_is_estimated_too),
];

/// Few enough for a table of 8,192, the limit of a small machine.
const ENTRIES: u64 = 7_500;
const SEEN: u64 = 1_500;

fn query(fields: &str) -> Query {
    Query::new().group_by(fields.parse::<Keys>().expect("fields").as_slice().to_vec()).top(10)
}

fn filled(table: &mut Conntrack, seed: u64) {
    table.flush().expect("room");
    // As many sources as make most groups small, which is where approximations fail.
    fill(table, &Population::new(ENTRIES).seed(seed).sources(2_000)).expect("room");
}

fn sampled(table: &mut Conntrack, query: &Query, entries: u64) -> Sample {
    let options = ScanOptions::new().sample(entries);
    table.scan_with(query, &options).expect("a sample").estimate()
}

fn truth(table: &mut Conntrack, query: &Query) -> Report {
    table.scan(&query.clone().top(usize::MAX)).expect("a scan").report
}

fn the_truth_is_in_the_intervals() -> Result<(), Skip> {
    let mut table = table();
    // One in twenty may miss: two of thirty, and of fewer no less.
    let tables = u64::from(rounds(30));
    for fields in ["source", "state,protocol", "source/24,dport"] {
        let query = query(fields);
        let (mut held, mut narrow) = (0, 0);
        for seed in 0..tables {
            filled(&mut table, seed);
            let sample = sampled(&mut table, &query, SEEN);
            let report = &sample.report;
            assert!(!report.is_exact() && report.of() == ENTRIES, "{report:?}");
            assert!((SEEN..SEEN + 400).contains(&report.seen()), "{}", report.seen());
            assert_eq!(report.flows(), ENTRIES, "without a filter all match");
            let truth: BTreeMap<String, u64> = truth(&mut table, &query)
                .rows()
                .iter()
                .map(|row| (row.to_string(), row.flows))
                .collect();
            assert_eq!(report.rows().len(), 10.min(truth.len()));
            let inside = report.rows().iter().all(|row| {
                let key: Vec<_> = row.key.iter().map(ToString::to_string).collect();
                let is = truth[&key.join(" ")];
                (row.interval.low..=row.interval.high).contains(&is)
            });
            held += u64::from(inside);
            let first = &report.rows()[0];
            let width = first.interval.high - first.interval.low;
            narrow += u64::from(width < 2 * first.flows);
            // What is said to be larger is larger.
            for pair in report.rows().windows(2) {
                assert!(!pair[0].apart || pair[0].interval.low > pair[1].interval.high);
            }
        }
        assert!(held + 2 >= tables, "{fields}: {held} of {tables}");
        assert!(narrow > tables / 2, "{fields}: intervals that say something: {narrow}");
    }
    Ok(())
}

/// The chi-square of a part of a table by groups, over the degrees of freedom: about 1 if the part
/// is drawn at random. Corrected for drawing without replacement.
fn chi_square(part: &[&Flow], all: &[Flow], group: impl Fn(&Flow) -> String) -> f64 {
    let count = |flows: &mut dyn Iterator<Item = &Flow>| {
        let mut groups: BTreeMap<String, f64> = BTreeMap::new();
        for flow in flows {
            *groups.entry(group(flow)).or_default() += 1.0;
        }
        groups
    };
    let whole = count(&mut all.iter());
    let drawn = count(&mut part.iter().copied());
    let share = part.len() as f64 / all.len() as f64;
    let large: Vec<_> = whole.iter().filter(|(_, size)| *size * share >= 5.0).collect();
    assert!(large.len() > 1, "groups to compare: {whole:?}");
    let sum: f64 = large
        .iter()
        .map(|(name, size)| {
            let expected = *size * share;
            let off = drawn.get(*name).copied().unwrap_or(0.0) - expected;
            off * off / expected / (1.0 - share)
        })
        .sum();
    sum / (large.len() - 1) as f64
}

fn the_beginning_of_a_dump_favours_nobody() -> Result<(), Skip> {
    let mut table = table();
    let names = ["family", "protocol", "state", "age", "assured", "source"];
    let mut sums = [0.0; 6];
    let tables = 24;
    for seed in 0..tables {
        table.flush().expect("room");
        // The mark says when an entry was made: in which tenth.
        let flows = Population::new(4_000).seed(seed).flows().zip(0_u32..).map(|(mut flow, at)| {
            flow.mark = Some(at / 400);
            flow.zone = None;
            flow
        });
        create(&mut table, flows).expect("new entries");
        let all = entries(&mut table);
        // In the order of the dump.
        let part: Vec<_> = all.iter().take(600).collect();
        let of: [&dyn Fn(&Flow) -> String; 6] = [
            &|flow| flow.original.family().to_string(),
            &|flow| flow.protocol().to_string(),
            &|flow| flow.state().to_string(),
            &|flow| flow.mark.map(|tenth| tenth.to_string()).unwrap_or_default(),
            &|flow| flow.status.contains(Status::ASSURED).to_string(),
            &|flow| {
                flow.original
                    .source
                    .to_string()
                    .split('.')
                    .next_back()
                    .map_or("", |last| &last[..1])
                    .to_owned()
            },
        ];
        for (sum, group) in sums.iter_mut().zip(of) {
            *sum += chi_square(&part, &all, group);
        }
    }
    for (name, sum) in names.iter().zip(sums) {
        let mean = sum / f64::from(u32::try_from(tables).expect("few"));
        // A mean of 24: two groups at least leave its deviation at 0.29 at most.
        assert!((0.2..2.3).contains(&mean), "{name}: chi-square over degrees of freedom {mean}");
    }
    Ok(())
}

fn a_small_table_is_no_sample() -> Result<(), Skip> {
    let mut table = table();
    fill(&mut table, &Population::new(500)).expect("room");
    let query = query("source");
    let sample = sampled(&mut table, &query, 10_000);
    let scan = table.scan(&query).expect("a scan");
    assert!(sample.report.is_exact());
    assert_eq!((sample.report.seen(), sample.report.of()), (500, 500));
    for (row, exact) in sample.report.rows().iter().zip(scan.report.rows()) {
        assert_eq!((&row.key, row.flows), (&exact.key, exact.flows));
        assert_eq!((row.interval.low, row.interval.high), (exact.flows, exact.flows));
    }
    table.flush().expect("a flush");
    let empty = sampled(&mut table, &query, 100);
    assert!(empty.report.is_exact() && empty.report.rows().is_empty());
    Ok(())
}

fn a_filter_is_estimated_too() -> Result<(), Skip> {
    let mut table = table();
    let filter: Filter = "proto=tcp unreplied".parse().expect("a filter");
    let mut held = 0;
    let tables = rounds(20);
    for seed in 0..tables.into() {
        filled(&mut table, seed);
        let query = query("source").filter(filter.clone());
        let sample = sampled(&mut table, &query, SEEN);
        let truth = truth(&mut table, &query).flows();
        let interval = sample.report.interval();
        held += u32::from((interval.low..=interval.high).contains(&truth));
        assert!(interval.high - interval.low < 1_500, "{interval:?}");
        assert!(truth > 100);
    }
    assert!(held + 3 >= tables, "{held} of {tables}");
    Ok(())
}
