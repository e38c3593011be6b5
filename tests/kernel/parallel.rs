//! A scan by several dumps counts what one dump counts.

use std::cell::RefCell;
use std::collections::HashMap;

use ctnetlink::aggregate::{Measure, Report};
use ctnetlink::field::{Keys, Prefix};
use ctnetlink::flow::{Protocol, Status};
use ctnetlink::kernel::{Capabilities, Version};
use ctnetlink::testing::{Population, create, fill};
use ctnetlink::{DumpOptions, Namespace, Query, Reader, ScanOptions};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use proptest::test_runner::{Config, TestRunner};

use crate::naive;
use crate::support::{Skip, Test, flow, need_room, ports, rounds, set, table, tuple};

pub const TESTS: &[(&str, Test)] = &[
    ("the_same_as_one_dump", the_same_as_one_dump),
    ("one_dump_and_many_count_as_the_obvious_way", one_dump_and_many_count_as_the_obvious_way),
    ("only_where_it_gains", only_where_it_gains),
    ("in_another_namespace", in_another_namespace),
];

const ENTRIES: u64 = 40_000;

fn query(fields: &str) -> Query {
    Query::new()
        .group_by(fields.parse::<Keys>().expect("fields").as_slice().to_vec())
        .top(usize::MAX)
}

/// Whether this kernel can leave out entries by their status, and so be asked for parts of a made-up
/// table; families alone are of too different a size.
fn has_parts(table: &mut Reader) -> bool {
    table.capabilities().expect("an answer").status_filter
}

fn by(threads: usize) -> ScanOptions<'static> {
    ScanOptions::new().threads(threads)
}

fn rows(report: &Report) -> Vec<(String, u64)> {
    report.rows().iter().map(|row| (row.to_string(), row.flows)).collect()
}

fn the_same_as_one_dump() -> Result<(), Skip> {
    need_room(ENTRIES)?;
    set("nf_conntrack_acct", "1");
    let mut table = table();
    let parts = usize::from(has_parts(&mut table));
    fill(&mut table, &Population::new(ENTRIES)).expect("room");
    for fields in ["source", "state,protocol,source", "mark,zone", "status"] {
        for filter in ["", "proto=tcp !assured", "nat or dport=53", "bytes>1"] {
            let query = query(fields).filter(filter.parse().expect("a filter"));
            let one = table.scan(&query).expect("a scan");
            assert_eq!((one.dumps, one.moving), (1, false));
            for threads in [2, 3, 4, 7] {
                let many = table.scan_with(&query, &by(threads)).expect("a scan");
                assert!((1 + parts..=threads).contains(&many.dumps), "{}", many.dumps);
                assert_eq!(rows(&many.report), rows(&one.report), "{fields} {filter} {threads}");
                assert_eq!(many.report.distinct(), one.report.distinct());
                assert_eq!(many.report.undecided(), one.report.undecided());
                // Without parts it is the one dump, of which the kernel leaves out what it can.
                let all = if parts == 1 { ENTRIES } else { one.end.entries };
                assert_eq!(many.end.entries, all, "each entry once");
                assert!(many.is_complete() && many.malformed == 0);
            }
        }
    }
    // Several queries at once, each with a filter of its own.
    let queries = [query("source"), query("state").filter("proto=tcp".parse().expect("a filter"))];
    let one = table.scan(&queries).expect("a scan");
    let many = table.scan_with(&queries, &by(2)).expect("a scan");
    assert_eq!(many.len(), 2);
    for (many, one) in many.iter().zip(&one) {
        assert_eq!((many.dumps, rows(&many.report)), (1 + parts, rows(&one.report)));
    }
    Ok(())
}

/// Serial, parallel and naive, for any query.
fn one_dump_and_many_count_as_the_obvious_way() -> Result<(), Skip> {
    need_room(25_000)?;
    set("nf_conntrack_acct", "1");
    let mut table = table();
    fill(&mut table, &Population::new(25_000).sources(3_000)).expect("room");
    let flows: Vec<_> = table.dump(DumpOptions::new()).expect("a dump").flows().collect();
    let flows: Vec<_> = flows.into_iter().map(|flow| flow.expect("an entry")).collect();
    let prefix = Prefix::new(24, 64);
    let fields = subsequence(naive::keys(prefix), 0..=4).prop_shuffle();
    let filters =
        ["", "proto=tcp", "!assured", "src=10.0.0.0/20 dport=53,443", "nat or proto=icmp,gre"];
    let measures = [Measure::Flows, Measure::Packets, Measure::Bytes];
    let queries = (fields, select(filters.to_vec()), select(measures.to_vec()), 2..5_usize);
    let mut runner =
        TestRunner::new(Config { failure_persistence: None, ..Config::with_cases(rounds(16)) });
    let parts = has_parts(&mut table);
    let table = RefCell::new(table);
    let outcome = runner.run(&queries, |(fields, filter, measure, threads)| {
        let filter: ctnetlink::Filter = filter.parse().expect("a filter");
        let kept = |flow: &&ctnetlink::flow::Flow| {
            let bytes = flow.to_bytes();
            let flow = ctnetlink::flow::FlowRef::parse(&bytes).expect("what we wrote");
            filter.judge(&flow, naive::now()) == Some(true)
        };
        let matching: Vec<_> = flows.iter().filter(kept).cloned().collect();
        let expected = naive::groups(&matching, &fields, (24, 64));
        let query =
            Query::new().group_by(fields).filter(filter.clone()).measure(measure).top(usize::MAX);
        let mut table = table.borrow_mut();
        let one = table.scan(&query).expect("a scan").report;
        let many = table.scan_with(&query, &by(threads)).expect("a scan");
        prop_assert!(many.dumps > 1 || !parts);
        prop_assert_eq!(&many.report, &one);
        prop_assert_eq!(one.flows(), matching.len() as u64);
        let found: HashMap<_, _> =
            one.rows().iter().map(|row| (row.key.clone(), row.flows)).collect();
        let expected: HashMap<_, _> =
            expected.into_iter().map(|(key, sums)| (key, sums.flows)).collect();
        prop_assert_eq!(found, expected);
        Ok(())
    });
    outcome.expect("the same answer");
    Ok(())
}

fn only_where_it_gains() -> Result<(), Skip> {
    need_room(ENTRIES)?;
    let mut table = table();
    fill(&mut table, &Population::new(5_000)).expect("room");
    let query = query("source");
    assert_eq!(table.scan_with(&query, &by(4)).expect("a scan").dumps, 1, "a small table");
    table.flush().expect("a flush");
    fill(&mut table, &Population::new(ENTRIES)).expect("room");
    assert_eq!(table.scan_with(&query, &by(1)).expect("a scan").dumps, 1, "one thread");
    let parts = 1 + usize::from(has_parts(&mut table));
    assert_eq!(table.scan_with(&query, &by(2)).expect("a scan").dumps, parts, "two threads");
    // As on a kernel that knows no filter by status: by family and mark alone.
    let mut old = Reader::open().expect("a table");
    old.restrict(&Capabilities::of(Version::new(5, 4))).expect("an answer");
    let scan = old.scan_with(&query, &by(2)).expect("a scan");
    assert_eq!(scan.report.flows(), ENTRIES);

    table.flush().expect("a flush");
    // All alike: nothing to cut by.
    let alike = (0..30_000_u32).map(|number| {
        let at = (number % 30_000) as u16 + 1000;
        let mut flow = flow(tuple(Protocol::UDP, false, ports(at, 53)));
        flow.status |= Status::SEEN_REPLY;
        flow
    });
    create(&mut table, alike).expect("room");
    let scan = table.scan_with(&query, &by(4)).expect("a scan");
    assert_eq!((scan.dumps, scan.report.flows()), (1, 30_000));
    Ok(())
}

fn in_another_namespace() -> Result<(), Skip> {
    need_room(ENTRIES)?;
    let mut here = table();
    fill(&mut here, &Population::new(ENTRIES)).expect("room");
    let own = Namespace::at("/proc/thread-self/ns/net").expect("a namespace");
    let scan = std::thread::scope(|scope| {
        let elsewhere = scope.spawn(|| {
            // This thread is in another network, and reads that one.
            ctnetlink::testing::enter_private_network().expect("a network");
            let mut reader = Reader::open_in(&own).expect("a table");
            reader.scan_with(&query("source"), &by(2)).expect("a scan")
        });
        elsewhere.join().expect("a scan")
    });
    assert_eq!(scan.report.flows(), ENTRIES);
    assert_eq!(scan.dumps, 1 + usize::from(has_parts(&mut here)));
    Ok(())
}
