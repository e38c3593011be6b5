//! The fast way to read an entry against the long one.

use ctnetlink::Query;
use ctnetlink::aggregate::{Aggregator, Measure, Report};
use ctnetlink::field::Prefix;
use ctnetlink::flow::Flow;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use crate::model::{fields, measure};
use crate::naive;
use crate::strategy::flow;

/// What is done to the bytes of an entry.
#[derive(Debug, Clone)]
enum Damage {
    /// A byte is another.
    Byte(Index, u8),
    /// One bit is.
    Bit(Index, u8),
    /// It ends early, on a word as attributes do.
    Cut(Index),
    /// It goes on.
    Longer(Vec<u8>),
}

fn damage() -> impl Strategy<Value = Damage> {
    prop_oneof![
        3 => (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Damage::Byte(at, byte)),
        3 => (any::<Index>(), 0..8_u8).prop_map(|(at, bit)| Damage::Bit(at, bit)),
        1 => any::<Index>().prop_map(Damage::Cut),
        1 => vec(any::<u8>(), 1..80).prop_map(Damage::Longer),
    ]
}

impl Damage {
    fn apply(&self, entry: &mut Vec<u8>) {
        if entry.is_empty() {
            return;
        }
        match self {
            Self::Byte(at, byte) => *at.get_mut(entry) = *byte,
            Self::Bit(at, bit) => *at.get_mut(entry) ^= 1 << bit,
            Self::Cut(at) => entry.truncate(at.index(entry.len()) & !3),
            Self::Longer(more) => entry.extend(more),
        }
    }
}

/// What an aggregator says that has only seen these entries; the first of a kind is read the long
/// way. Errors are told apart from none.
fn answer(query: &Query, entries: &[&[u8]]) -> (Report, Vec<bool>) {
    let mut aggregator = Aggregator::new(query).at(naive::now());
    let fine = entries.iter().map(|entry| aggregator.record_bytes(entry).is_ok()).collect();
    (aggregator.finish(), fine)
}

/// What they say one by one, each read the long way.
fn long_way(query: &Query, entries: &[&[u8]]) -> (Report, Vec<bool>) {
    let mut whole = Aggregator::new(query).at(naive::now());
    let mut fine = Vec::new();
    for entry in entries {
        let mut one = Aggregator::new(query).at(naive::now());
        fine.push(one.record_bytes(entry).is_ok());
        whole.merge(one).expect("the same query");
    }
    (whole.finish(), fine)
}

/// Another flow laid out alike: the same attributes with other values.
fn twin(flow: &Flow, numbers: &[u32; 6]) -> Flow {
    let mut twin = flow.clone();
    let [source, port, status, timeout, mark, id] = *numbers;
    for tuple in [&mut twin.original, &mut twin.reply] {
        tuple.source = match tuple.source {
            std::net::IpAddr::V4(_) => std::net::IpAddr::V4(source.into()),
            std::net::IpAddr::V6(_) => std::net::IpAddr::V6(u128::from(source).into()),
        };
        if let ctnetlink::flow::Endpoints::Ports { destination, .. } = &mut tuple.endpoints {
            *destination = port as u16;
        }
    }
    twin.status = ctnetlink::flow::Status::from_bits_retain(status);
    twin.timeout = twin.timeout.map(|_| std::time::Duration::from_secs(timeout.into()));
    twin.mark = twin.mark.map(|_| mark);
    twin.id = twin.id.map(|_| ctnetlink::flow::FlowId(id));
    twin
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn a_shape_answers_as_the_long_way_or_not_at_all(
        flow in flow(),
        numbers in any::<[u32; 6]>(),
        damages in vec(damage(), 0..4),
        fields in fields(Prefix::new(24, 64)),
        measure in measure(),
    ) {
        let query = Query::new().group_by(fields).measure(measure).top(usize::MAX);
        let first = flow.to_bytes();
        let second = twin(&flow, &numbers).to_bytes();
        let mut third = second.clone();
        damages.iter().for_each(|damage| damage.apply(&mut third));
        let entries = [&first[..], &second, &third, &first];
        prop_assert_eq!(answer(&query, &entries), long_way(&query, &entries));
    }

    #[test]
    fn the_order_of_shapes_and_forgotten_ones_change_nothing(
        flows in vec(flow(), 1..100),
        fields in fields(Prefix::WHOLE),
    ) {
        // More shapes than there is room for, again and again.
        let query = Query::new().group_by(fields).measure(Measure::Bytes).top(usize::MAX);
        let entries: Vec<_> = flows.iter().map(Flow::to_bytes).collect();
        let entries: Vec<&[u8]> = entries.iter().map(|entry| &entry[..]).collect();
        let twice = [&entries[..], &entries[..]].concat();
        prop_assert_eq!(answer(&query, &twice), long_way(&query, &twice));
    }
}
