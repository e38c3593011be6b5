//! Groups within a bound on memory: what is said of them is true, and merging keeps it so.

use std::collections::HashMap;

use ctnetlink::Query;
use ctnetlink::aggregate::{Aggregator, Measure, Report};
use ctnetlink::field::{Field, Value};
use ctnetlink::flow::{Counters, Flow, Protocol, Tuple};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::model::measure;
use crate::naive::{self, Sums};

/// A flow from one of many sources, of IPv6 if that is odd.
fn flow(source: u32, bytes: u64) -> Flow {
    let source: std::net::IpAddr = if source.is_multiple_of(2) {
        std::net::Ipv4Addr::from_bits(source).into()
    } else {
        std::net::Ipv6Addr::from_bits(source.into()).into()
    };
    let original = Tuple::with_ports(Protocol::UDP, (source, 1), (source, 2));
    let mut flow = Flow::new(original, original.inverse());
    flow.counters_original = Some(Counters { packets: bytes / 100, bytes });
    flow
}

/// Few sources with most of the flows, and many with a few.
fn flows() -> impl Strategy<Value = Vec<Flow>> {
    let source = prop_oneof![1 => 0..40_u32, 2 => any::<u32>()];
    vec((source, 0..100_000_u64).prop_map(|(source, bytes)| flow(source, bytes)), 0..3_000)
}

fn counted(query: &Query, flows: &[Flow]) -> Aggregator {
    let mut aggregator = Aggregator::new(query);
    for flow in flows {
        aggregator.record_bytes(&flow.to_bytes()).expect("what we wrote");
    }
    aggregator
}

/// Holds a report to what it says about the groups it has and those it has not.
fn check(report: &Report, truth: &HashMap<Vec<Value>, Sums>, measure: Measure) {
    let missed = report.missed().unwrap_or_default();
    let mut rows = HashMap::new();
    for row in report.rows() {
        let (least, most) = (row.weight(measure), row.weight(measure) + row.missed);
        let true_weight = truth[&row.key].weight(measure);
        assert!(least <= true_weight && true_weight <= most, "{row:?}: {true_weight}");
        assert!(row.flows <= truth[&row.key].flows);
        assert!(rows.insert(row.key.clone(), row.flows).is_none(), "twice: {row}");
    }
    for (key, sums) in truth {
        assert!(rows.contains_key(key) || sums.weight(measure) <= missed, "{key:?} is forgotten");
    }
    let flows: u64 = truth.values().map(|sums| sums.flows).sum();
    assert_eq!(report.flows(), flows);
    assert_eq!(report.other() + rows.values().sum::<u64>(), flows);
    if let Some(volume) = report.volume() {
        let bytes: u64 = truth.values().map(|sums| sums.original.bytes).sum();
        assert_eq!(volume.original.bytes, bytes, "what was forgotten is in the sum");
    }
}

/// What a bound of nothing leaves: the least tables of narrow and of wide keys.
const LEAST: usize = 64 * 1024;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn what_is_said_within_a_bound_is_true(
        flows in flows(),
        limit in prop_oneof![Just(0_usize), 0..200_000_usize],
        measure in measure(),
    ) {
        let query = Query::new().group_by([Field::Source]).top(usize::MAX).measure(measure);
        let bounded = counted(&query.clone().memory(limit), &flows);
        prop_assert!(bounded.memory() <= limit.max(LEAST), "{}", bounded.memory());
        let truth = naive::groups(&flows, &[Field::Source.into()], (32, 128));
        check(&bounded.finish(), &truth, measure);

        // With room for all of them it is as without a bound.
        let roomy = counted(&query.clone().memory(16 << 20), &flows).finish();
        prop_assert_eq!(roomy.missed(), None);
        prop_assert_eq!(roomy, counted(&query, &flows).finish());
    }

    #[test]
    fn merging_keeps_it_true_in_any_order(
        flows in flows(),
        limit in 0..100_000_usize,
        parts in 2..6_usize,
        measure in measure(),
    ) {
        let query = Query::new().group_by([Field::Source]).top(usize::MAX).measure(measure);
        let bounded = query.clone().memory(limit);
        let truth = naive::groups(&flows, &[Field::Source.into()], (32, 128));
        let size = flows.len().div_ceil(parts).max(1);
        let merge = |query: &Query, parts: &mut dyn Iterator<Item = &[Flow]>| {
            let mut whole = Aggregator::new(query);
            for part in parts {
                whole.merge(counted(query, part)).expect("the same query");
            }
            whole
        };
        let forwards = merge(&bounded, &mut flows.chunks(size));
        prop_assert!(forwards.memory() <= limit.max(LEAST));
        check(&forwards.finish(), &truth, measure);
        check(&merge(&bounded, &mut flows.chunks(size).rev()).finish(), &truth, measure);

        // Without a bound the order does not matter at all, nor does what is merged first.
        let whole = counted(&query, &flows).finish();
        prop_assert_eq!(&merge(&query, &mut flows.chunks(size)).finish(), &whole);
        prop_assert_eq!(&merge(&query, &mut flows.chunks(size).rev()).finish(), &whole);
        let (left, right) = flows.split_at(flows.len() / 3);
        let mut nested = counted(&query, left);
        nested.merge(merge(&query, &mut right.chunks(size))).expect("the same query");
        prop_assert_eq!(&nested.finish(), &whole);
    }
}

#[test]
fn a_flood_does_not_hide_who_is_heavy() {
    // Three sources with a tenth of the flows each, among two hundred thousand of one.
    let mut aggregator =
        Aggregator::new(&Query::new().group_by([Field::Source]).top(3).memory(1 << 20));
    let mut bytes: Vec<Vec<u8>> = (0..3).map(|heavy| flow(heavy * 2, 0).to_bytes()).collect();
    for spoofed in 0..200_000_u32 {
        bytes.push(flow(0x0100_0000 + spoofed * 2, 0).to_bytes());
        aggregator.record_bytes(&bytes.pop().expect("one")).expect("what we wrote");
        if spoofed % 10 == 0 {
            bytes.iter().for_each(|entry| aggregator.record_bytes(entry).expect("what we wrote"));
        }
    }
    assert!(aggregator.memory() <= 1 << 20);
    let report = aggregator.finish();
    let missed = report.missed().expect("not all fit");
    assert!(missed < 1_000, "{missed}");
    let rows: Vec<_> = report.rows().iter().map(|row| (row.to_string(), row.flows)).collect();
    let heavy = ["0.0.0.0", "0.0.0.2", "0.0.0.4"];
    assert_eq!(rows, heavy.map(|source| (source.to_owned(), 20_000)));
    assert!(report.rows().iter().all(|row| row.missed == 0), "they came first");
}

#[test]
fn what_is_not_alike_is_not_merged() {
    let query = || Query::new().group_by([Field::Source]);
    let others = [
        query().group_by([Field::Protocol]),
        query().measure(Measure::Bytes),
        query().memory(1 << 20),
        query().filter("proto=tcp".parse().expect("a filter")),
    ];
    for other in others {
        let mut own = Aggregator::new(&query());
        let refused = own.merge(counted(&other, &[flow(1, 1)])).expect_err("not alike");
        assert_eq!(own.finish().flows(), 0);
        assert_eq!(refused.finish().flows(), u64::from(other.filter == ctnetlink::Filter::new()));
    }
}
