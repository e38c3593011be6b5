//! A scan of the kernel's table against a count of what was put in.

use std::cell::RefCell;
use std::collections::HashMap;
use std::ops::ControlFlow;

use ctnetlink::aggregate::Report;
use ctnetlink::field::Keys;
use ctnetlink::flow::{Flow, Protocol};
use ctnetlink::testing::{Population, create, fill};
use ctnetlink::{Conntrack, Query, ScanOptions};

use crate::support::{Skip, Test, flow, need_room, ports, table, tuple};

pub const TESTS: &[(&str, Test)] = &[
    ("a_scan_counts_what_is_there", a_scan_counts_what_is_there),
    ("a_quarter_of_a_million", a_quarter_of_a_million),
    ("zones_of_one_direction_count", zones_of_one_direction_count),
    ("progress_runs_to_the_end", progress_runs_to_the_end),
];

/// The key of a flow as the report prints it, worked out the long way.
fn key(flow: &Flow, fields: &str) -> String {
    let port = |port: Option<u16>| port.map_or("-".to_owned(), |port| port.to_string());
    let network = |address: std::net::IpAddr| match address {
        std::net::IpAddr::V4(v4) => {
            let [a, b, c, _] = v4.octets();
            format!("{a}.{b}.{c}.0/24")
        }
        std::net::IpAddr::V6(v6) => {
            let mut segments = v6.segments();
            segments[4..].fill(0);
            format!("{}/64", std::net::Ipv6Addr::from(segments))
        }
    };
    let values = fields.split(',').map(|field| match field {
        "source" => flow.original.source.to_string(),
        "source/24" => network(flow.original.source),
        "destination" => flow.original.destination.to_string(),
        "reply-source" => flow.reply.source.to_string(),
        "reply-destination/24" => network(flow.reply.destination),
        "sport" => port(flow.original.endpoints.source_port()),
        "dport" => port(flow.original.endpoints.destination_port()),
        "protocol" => flow.protocol().to_string(),
        "state" => flow.state().to_string(),
        "family" => if flow.original.source.is_ipv4() { "ipv4" } else { "ipv6" }.to_owned(),
        "zone" => flow.zone.unwrap_or(0).to_string(),
        "mark" => flow.mark.expect("a mark").to_string(),
        "status" => flow.status.to_string(),
        other => panic!("{other}"),
    });
    values.collect::<Vec<_>>().join(" ")
}

fn counts(population: &Population, fields: &str) -> HashMap<String, u64> {
    let mut counts = HashMap::new();
    for flow in population.flows() {
        *counts.entry(key(&flow, fields)).or_default() += 1;
    }
    counts
}

fn scan(table: &mut Conntrack, fields: &str, rows: usize) -> Report {
    let query = Query::new().group_by(fields.parse::<Keys>().expect("fields")).top(rows);
    let scan = table.scan(&query).expect("a scan");
    assert!(scan.is_complete());
    assert_eq!(scan.before, scan.after);
    assert_eq!(scan.end.entries, scan.report.flows());
    scan.report
}

/// Compares a report with the whole count, the rows shown and the sums.
fn assert_counts(report: &Report, expected: &HashMap<String, u64>, rows: usize) {
    let total: u64 = expected.values().sum();
    assert_eq!(report.flows(), total);
    assert_eq!(report.distinct(), expected.len() as u64);
    assert_eq!(report.rows().len(), rows.min(expected.len()));
    for row in report.rows() {
        assert_eq!(expected.get(&row.to_string()), Some(&row.flows), "{row}");
    }
    let shown: u64 = report.rows().iter().map(|row| row.flows).sum();
    assert_eq!(shown + report.other(), total);
    // No group that is not shown is larger than one that is.
    let mut largest: Vec<u64> = expected.values().copied().collect();
    largest.sort_unstable_by(|a, b| b.cmp(a));
    let flows: Vec<u64> = report.rows().iter().map(|row| row.flows).collect();
    assert_eq!(flows, largest[..flows.len()]);
}

fn a_scan_counts_what_is_there() -> Result<(), Skip> {
    let population = Population::new(6_000).sources(700).seed(3);
    let mut table = table();
    fill(&mut table, &population).expect("room");
    for fields in [
        "source",
        "source/24",
        "state",
        "protocol",
        "state,protocol",
        "family",
        "destination,dport",
        "sport",
        "zone",
        "mark",
        "status",
        "reply-source",
        "reply-destination/24",
        "source,destination,sport,dport,protocol,state,family,zone,mark,status",
    ] {
        let expected = counts(&population, fields);
        for rows in [0, 1, 7, usize::MAX] {
            assert_counts(&scan(&mut table, fields, rows), &expected, rows);
        }
        assert_eq!(scan(&mut table, fields, 20), scan(&mut table, fields, 20), "a stable order");
    }
    let all = scan(&mut table, "source", usize::MAX);
    let destinations = counts(&population, "destination");
    assert!(all.rows().iter().all(|row| !destinations.contains_key(&row.to_string())));
    Ok(())
}

fn a_quarter_of_a_million() -> Result<(), Skip> {
    const WANTED: u64 = 250_000;
    let mut table = table();
    let max = match table.limits().expect("limits").max {
        None | Some(0) => u64::MAX,
        Some(max) => u64::from(max),
    };
    need_room(WANTED)?;
    // When a table of any namespace was full, the kernel's collector goes through those that are
    // full to 95 %, and takes entries that are new or about to end. Another test fills one.
    let population = Population::new(WANTED.min(max / 100 * 95 - 1));
    fill(&mut table, &population).expect("room");
    for fields in ["state,protocol,source", "source/24,dport"] {
        assert_counts(&scan(&mut table, fields, 100), &counts(&population, fields), 100);
    }
    Ok(())
}

fn zones_of_one_direction_count() -> Result<(), Skip> {
    let mut table = table();
    let mut flows = [1, 2, 3, 4].map(|port| flow(tuple(Protocol::UDP, false, ports(port, 9))));
    flows[0].zone = Some(6);
    flows[1].original.zone = Some(6);
    flows[2].reply.zone = Some(6);
    create(&mut table, flows).expect("four entries");
    let report = scan(&mut table, "zone", 5);
    let rows: Vec<_> = report.rows().iter().map(|row| (row.to_string(), row.flows)).collect();
    assert_eq!(rows, [("6".to_owned(), 3), ("0".to_owned(), 1)]);
    Ok(())
}

fn progress_runs_to_the_end() -> Result<(), Skip> {
    let mut table = table();
    fill(&mut table, &Population::new(3_000)).expect("room");
    let seen = RefCell::new(Vec::new());
    let note = |progress| {
        seen.borrow_mut().push(progress);
        ControlFlow::Continue(())
    };
    let options = ScanOptions::new().progress(&note);
    table.scan_with(&Query::new(), &options).expect("a scan");
    let seen = seen.into_inner();
    assert!(seen.len() > 5);
    assert!(seen.is_sorted_by_key(|progress| progress.entries));
    let last = seen.last().expect("progress");
    assert_eq!((last.entries, last.expected), (3_000, 3_000));
    Ok(())
}
