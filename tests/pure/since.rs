//! What is new at a second look, against two lists compared the obvious way.

use std::collections::HashMap;

use ctnetlink::Query;
use ctnetlink::aggregate::{Aggregator, Baseline, Measure};
use ctnetlink::field::{Field, Prefix};
use ctnetlink::flow::{Counters, Flow, FlowKey};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::model::{fields, measure, sums};
use crate::naive::{self, Sums};
use crate::strategy::flow;

/// What becomes of a flow between the looks.
#[derive(Debug, Clone, Copy)]
enum Fate {
    Ends,
    Begins,
    /// It carries so much more, or nothing.
    Stays(u16, u16),
    /// Its counters are set back, and count again.
    SetBack(u16),
    /// Another one with the same tuple.
    Replaced,
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        Just(Fate::Ends),
        Just(Fate::Begins),
        Just(Fate::Stays(0, 0)),
        any::<(u16, u16)>().prop_map(|(there, back)| Fate::Stays(there, back)),
        any::<u16>().prop_map(Fate::SetBack),
        Just(Fate::Replaced),
    ]
}

fn more(counters: Option<Counters>, packets: u16) -> Option<Counters> {
    let packets = u64::from(packets);
    let add = |counters: Counters| Counters {
        packets: counters.packets.saturating_add(packets),
        bytes: counters.bytes.saturating_add(packets * 100),
    };
    counters.map(add)
}

fn later(flow: &Flow, fate: Fate) -> Option<Flow> {
    let mut later = flow.clone();
    match fate {
        Fate::Ends => return None,
        Fate::Begins => {}
        Fate::Stays(there, back) => {
            later.counters_original = more(flow.counters_original, there);
            later.counters_reply = more(flow.counters_reply, back);
        }
        Fate::SetBack(packets) => {
            let zero = |counters: Option<Counters>| counters.map(|_| Counters::default());
            later.counters_original = more(zero(flow.counters_original), packets);
            later.counters_reply = zero(flow.counters_reply);
        }
        Fate::Replaced => later.id = Some(ctnetlink::flow::FlowId(later.id.map_or(1, |id| !id.0))),
    }
    Some(later)
}

/// The flows that count at the second look, with what they count for.
fn expected(before: &HashMap<FlowKey, Flow>, after: &[Flow], measure: Measure) -> Vec<Flow> {
    let mut counted = Vec::new();
    for flow in after {
        let Some(first) = before.get(&FlowKey::from(flow)) else {
            counted.push(flow.clone());
            continue;
        };
        if measure == Measure::Flows {
            continue;
        }
        let since = |now: Option<Counters>, before: Option<Counters>| {
            let (now, before) = (now?, before.unwrap_or_default());
            let set_back = now.packets < before.packets || now.bytes < before.bytes;
            Some(if set_back {
                now
            } else {
                let (packets, bytes) = (now.packets - before.packets, now.bytes - before.bytes);
                Counters { packets, bytes }
            })
        };
        let mut flow = flow.clone();
        flow.counters_original = since(flow.counters_original, first.counters_original);
        flow.counters_reply = since(flow.counters_reply, first.counters_reply);
        let active = [flow.counters_original, flow.counters_reply].into_iter().flatten();
        if active.into_iter().any(|counters| counters.packets > 0) {
            counted.push(flow);
        }
    }
    counted
}

proptest! {
    #[test]
    fn only_what_is_new_counts(
        flows in vec((flow(), fate()), 0..60),
        fields in fields(Prefix::WHOLE),
        measure in measure(),
    ) {
        let query = Query::new().group_by(fields.clone()).measure(measure).top(usize::MAX);
        let mut before = HashMap::new();
        let mut after = HashMap::new();
        let mut baseline = Baseline::new(&query);
        for (flow, fate) in &flows {
            if before.contains_key(&FlowKey::from(flow)) {
                continue; // No table has one twice.
            }
            if !matches!(fate, Fate::Begins) {
                before.insert(FlowKey::from(flow), flow.clone());
                baseline.record_bytes(&flow.to_bytes()).expect("what we wrote");
            }
            if let Some(later) = later(flow, *fate) {
                after.insert(FlowKey::from(&later), later);
            }
        }
        prop_assert_eq!(baseline.len(), before.len());
        let after: Vec<_> = after.into_values().collect();
        let mut aggregator = Aggregator::new(&query).at(naive::now());
        for flow in &after {
            let known = aggregator.record_since(&flow.to_bytes(), &baseline).expect("what we wrote");
            prop_assert_eq!(known, before.contains_key(&FlowKey::from(flow)));
        }
        let report = aggregator.finish();
        let counted = expected(&before, &after, measure);
        let expected = naive::groups(&counted, &fields, (32, 128));
        prop_assert_eq!(report.flows(), counted.len() as u64);
        prop_assert_eq!(report.rows().len(), expected.len());
        for row in report.rows() {
            let mut expected = expected[&row.key];
            if measure == Measure::Flows {
                expected = Sums { flows: expected.flows, ..Sums::default() };
            }
            prop_assert_eq!(sums(row), expected);
        }
    }
}

#[test]
fn a_filter_is_about_the_flow_as_it_is_now() {
    let flows: Vec<_> = ctnetlink::testing::Population::new(300).flows().collect();
    let query =
        Query::new().group_by([Field::Protocol]).filter("proto=tcp".parse().expect("a filter"));
    let mut baseline = Baseline::new(&query);
    for flow in &flows[..100] {
        baseline.record_bytes(&flow.to_bytes()).expect("what we wrote");
    }
    let mut aggregator = Aggregator::new(&query);
    for flow in &flows {
        aggregator.record_since(&flow.to_bytes(), &baseline).expect("what we wrote");
    }
    let tcp = |flow: &&Flow| flow.protocol() == ctnetlink::flow::Protocol::TCP;
    let expected = flows[100..].iter().filter(tcp).count() as u64;
    assert!(expected > 0);
    assert_eq!(aggregator.finish().flows(), expected);
    assert!(Baseline::new(&query).record_bytes(&[]).is_err(), "no entry");
}
