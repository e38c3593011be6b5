//! Grouping against its naive twin, and the text forms.

use std::collections::HashSet;

use ctnetlink::Query;
use ctnetlink::aggregate::{Aggregator, Measure, Report, Row};
use ctnetlink::field::{Field, Key, Keys, Network, Prefix, Span, Value};
use ctnetlink::flow::{Flow, FlowRef, Protocol, Status};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::subsequence;

use crate::naive::{self, Sums};
use crate::strategy::flow;

pub fn fields(prefix: Prefix) -> impl Strategy<Value = Vec<Key>> {
    let times = [Field::Timeout, Field::Age].map(Key::from);
    let all = naive::keys(prefix).into_iter().chain(times);
    subsequence(all.collect::<Vec<_>>(), 0..=4).prop_shuffle()
}

pub fn prefixes() -> impl Strategy<Value = (u8, u8)> {
    prop_oneof![Just((32, 128)), Just((24, 64)), Just((0, 0)), (0..=32_u8, 0..=128_u8)]
}

pub fn measure() -> impl Strategy<Value = Measure> {
    prop::sample::select(vec![Measure::Flows, Measure::Packets, Measure::Bytes])
}

/// What was counted of these flows.
pub fn counted(flows: &[Flow], query: &Query) -> Aggregator {
    let mut aggregator = Aggregator::new(query).at(naive::now());
    for flow in flows {
        aggregator.record_bytes(&flow.to_bytes()).expect("what we wrote");
    }
    aggregator
}

fn report(flows: &[Flow], query: &Query) -> Report {
    counted(flows, query).finish()
}

/// A row as the naive twin has it.
pub fn sums(row: &Row) -> Sums {
    let volume = row.volume.unwrap_or_default();
    Sums {
        flows: row.flows,
        original: volume.original,
        reply: volume.reply,
        uncounted: volume.uncounted,
    }
}

proptest! {
    #[test]
    fn the_fast_way_counts_as_the_obvious_one(
        flows in vec(flow(), 0..300),
        (fields, prefixes) in prefixes()
            .prop_flat_map(|(v4, v6)| (fields(Prefix::new(v4, v6)), Just((v4, v6)))),
        rows in prop_oneof![0..5_usize, Just(usize::MAX)],
        measure in measure(),
    ) {
        let query = Query::new().group_by(fields.clone()).top(rows).measure(measure);
        let report = report(&flows, &query);
        let mut expected = naive::ranked(&flows, &fields, prefixes, measure);
        if measure == Measure::Flows {
            // Nothing else is summed then.
            expected.iter_mut().for_each(|(_, sums)| {
                *sums = Sums { flows: sums.flows, ..Sums::default() };
            });
        }
        prop_assert_eq!(report.flows(), flows.len() as u64);
        prop_assert_eq!(report.missed(), None);
        prop_assert_eq!(report.distinct(), expected.len() as u64);
        prop_assert_eq!(report.rows().len(), rows.min(expected.len()));
        let shown: u64 = report.rows().iter().map(|row| row.flows).sum();
        prop_assert_eq!(shown + report.other(), report.flows());
        prop_assert_eq!(report.volume().is_some(), measure != Measure::Flows);
        let found: Vec<_> = report.rows().iter().map(|row| (row.key.clone(), sums(row))).collect();
        if fields.contains(&Field::State.into()) {
            // Their order is the crate's own.
            for row in &found {
                prop_assert!(expected.contains(row));
            }
            prop_assert!(found.is_sorted_by_key(|(_, sums)| std::cmp::Reverse(sums.weight(measure))));
        } else {
            prop_assert_eq!(&found[..], &expected[..found.len()]);
        }
        if let Some(volume) = report.volume() {
            let mut all = Sums::default();
            flows.iter().for_each(|flow| all.add(flow));
            prop_assert_eq!((volume.original, volume.reply), (all.original, all.reply));
            prop_assert_eq!(volume.uncounted, all.uncounted);
        }
    }

    #[test]
    fn what_is_unique_is_counted_and_keys_can_be_in_order(
        flows in vec(flow(), 0..200),
        fields in fields(Prefix::WHOLE),
        parts in fields(Prefix::new(24, 64)),
        rows in prop_oneof![1..5_usize, Just(usize::MAX)],
    ) {
        let query = Query::new().group_by(fields.clone()).unique(parts.clone()).top(rows);
        let report = report(&flows, &query);
        let parts_of = |flow: &Flow| {
            let key = naive::groups(std::slice::from_ref(flow), &fields, (32, 128));
            let part = naive::groups(std::slice::from_ref(flow), &parts, (24, 64));
            (key.into_keys().next().expect("a key"), part.into_keys().next().expect("a part"))
        };
        let all: HashSet<_> = flows.iter().map(parts_of).collect();
        for row in report.rows() {
            let unique = all.iter().filter(|(key, _)| *key == row.key).count() as u64;
            prop_assert_eq!(row.unique, (!parts.is_empty()).then_some(unique));
        }
        prop_assert!(!report.uniques_are_at_least());
        prop_assert_eq!(report.uniques(), &parts[..]);

        // In two halves it is the same.
        let (left, right) = flows.split_at(flows.len() / 2);
        let mut whole = counted(left, &query);
        whole.merge(counted(right, &query)).expect("the same query");
        prop_assert_eq!(&whole.finish(), &report);

        // Sorted by key, the same rows.
        let sorted = counted(&flows, &query.clone().in_key_order()).finish();
        let mut again = sorted.rows().to_vec();
        again.sort_by_key(|row| report.rows().iter().position(|other| other == row));
        prop_assert_eq!(&again[..], report.rows());
        if !fields.contains(&Field::State.into()) {
            let ordered = |row: &Row| row.key.iter().map(naive::order).collect::<Vec<_>>();
            prop_assert!(sorted.rows().is_sorted_by_key(ordered));
        }
    }

    #[test]
    fn an_entry_counts_alike_checked_or_not(
        flows in vec(flow(), 1..50),
        fields in fields(Prefix::WHOLE),
        measure in measure(),
    ) {
        let query = Query::new().group_by(fields).top(usize::MAX).measure(measure);
        let mut checked = Aggregator::new(&query).at(naive::now());
        for flow in &flows {
            checked.record(&FlowRef::parse(&flow.to_bytes()).expect("what we wrote"));
        }
        prop_assert_eq!(checked.finish(), report(&flows, &query));
    }

    #[test]
    fn fields_are_read_as_they_are_written(
        fields in prefixes().prop_flat_map(|(v4, v6)| fields(Prefix::new(v4, v6)))
    ) {
        prop_assume!(!fields.is_empty());
        let text = fields.iter().copied().collect::<Keys>().to_string();
        let read: Keys = text.parse().expect("what we wrote");
        prop_assert_eq!(read.as_slice(), &fields[..]);
    }

    #[test]
    fn no_text_panics(text in "[a-z/,0-9-]{0,30}|\\PC{0,20}") {
        let _ = text.parse::<Keys>();
    }
}

#[test]
fn ten_thousand_groups_keep_their_counts() {
    // Enough for the table of groups to grow several times, and for batches to be left over.
    let flows: Vec<_> =
        ctnetlink::testing::Population::new(10_007).sources(9_000).flows().collect();
    let fields = [Field::Source, Field::SourcePort].map(Key::from);
    let report = report(&flows, &Query::new().group_by(fields).top(usize::MAX));
    let found: Vec<_> = report.rows().iter().map(|row| (row.key.clone(), row.flows)).collect();
    let expected = naive::ranked(&flows, &fields, (32, 128), Measure::Flows);
    let expected: Vec<_> = expected.into_iter().map(|(key, sums)| (key, sums.flows)).collect();
    assert_eq!(found, expected);
}

#[test]
fn equal_groups_are_in_the_order_of_their_values() {
    let flows: Vec<_> = ["10.0.0.10", "10.0.0.9", "::9", "9.255.0.0", "255.0.0.1", "::ffff:1"]
        .map(|source| {
            let source = source.parse().expect("an address");
            let original =
                ctnetlink::flow::Tuple::with_ports(Protocol::UDP, (source, 1), (source, 2));
            Flow::new(original, original.inverse())
        })
        .into();
    let report = report(&flows, &Query::new().group_by([Field::Source]));
    let keys: Vec<_> = report.rows().iter().map(ToString::to_string).collect();
    assert_eq!(keys, ["9.255.0.0", "10.0.0.9", "10.0.0.10", "255.0.0.1", "::9", "::ffff:1"]);
}

#[test]
fn what_is_unique_may_be_of_another_family_than_the_group() {
    // No kernel translates between families, but nothing keeps bytes from saying so.
    let flows: Vec<_> = ["2001:db8::1", "2001:db8::2", "10.0.0.9"]
        .map(|answers| {
            let end = |text: &str| (text.parse().expect("an address"), 1);
            let original =
                ctnetlink::flow::Tuple::with_ports(Protocol::UDP, end("10.0.0.1"), end("10.0.0.2"));
            let mut reply = original.inverse();
            reply.source = answers.parse().expect("an address");
            if reply.source.is_ipv6() {
                reply.destination = "2001:db8::9".parse().expect("an address");
            }
            Flow::new(original, reply)
        })
        .into();
    let query = Query::new().group_by([Field::Source]).unique([Field::ReplySource]);
    let report = report(&flows, &query);
    let [row] = report.rows() else { panic!("one group") };
    assert_eq!((row.flows, row.unique), (3, Some(3)));
}

#[test]
fn values_print_and_serialize() {
    let address = "2001:db8::".parse().expect("an address");
    let span = Span::all().last();
    for (value, text, json) in [
        (Value::Number(53), "53", "53"),
        (Value::Missing, "-", "null"),
        (Value::Number(0), "0", "0"),
        (Value::Missing, "-", "null"),
        (Value::Number(0), "0", "0"),
        (Value::Protocol(Protocol::ICMPV6), "icmpv6", "\"icmpv6\""),
        (Value::Protocol(Protocol(50)), "50", "\"50\""),
        (Value::Network(Network::new(address, 64)), "2001:db8::/64", "\"2001:db8::/64\""),
        (Value::Address(address), "2001:db8::", "\"2001:db8::\""),
        (Value::Status(Status::empty()), "0", "\"0\""),
        (Value::Span(span.expect("a range")), ">=5d", "\">=5d\""),
        (Value::Missing, "-", "null"),
    ] {
        assert_eq!(value.to_string(), text);
        assert_eq!(serde_json::to_string(&value).expect("JSON"), json);
    }
}
