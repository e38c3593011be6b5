//! No bytes make it panic, or go on for ever.

use ctnetlink::Query;
use ctnetlink::aggregate::Aggregator;
use ctnetlink::field::Keys;
use ctnetlink::flow::{Direction, FlowRef};
use ctnetlink::wire::{Attributes, KernelStatus, Messages};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::golden::{NAMES, capture, entries};
use crate::strategy::flow;

fn everything() -> Query {
    let fields = "family,protocol,state,source/24,destination,sport,dport,reply-source,\
                  reply-destination/48,zone,mark,status";
    Query::new().group_by(fields.parse::<Keys>().expect("fields")).top(usize::MAX)
}

/// Looks at everything there is to see in some bytes, as each thing they could be.
fn look_at_everything(bytes: &[u8]) {
    assert!(Attributes::new(bytes).count() <= bytes.len() / 4 + 1);
    let mut attributes = Attributes::new(bytes);
    if attributes.by_ref().any(|attribute| attribute.is_err()) {
        assert!(attributes.next().is_none(), "an error is the end");
    }
    let mut messages = Messages::new(bytes);
    let mut seen = 0;
    while let Some(message) = messages.next() {
        seen += 1;
        let Ok(message) = message else {
            assert!(messages.next().is_none(), "an error is the end");
            break;
        };
        if let Ok(status) = KernelStatus::parse(&message) {
            let _ = status.extended.attribute(bytes);
        }
        if let Ok((_, attributes)) = message.netfilter() {
            look_at_entry(attributes);
        }
    }
    assert!(seen <= bytes.len() / 16 + 1);
    look_at_entry(bytes);
}

fn look_at_entry(bytes: &[u8]) {
    let counted = Aggregator::new(&everything()).record_bytes(bytes);
    let Ok(flow) = FlowRef::parse(bytes) else { return };
    assert_eq!(counted, Ok(()), "what can be read can be counted");
    for direction in [Direction::Original, Direction::Reply] {
        let _ = (flow.tuple(direction).inverse(), flow.tuple(direction).to_string());
        let _ = (flow.counters(direction), flow.sequence_adjustment(direction));
    }
    let _ = (flow.state().to_string(), flow.status().to_string(), flow.protocol().to_string());
    let _ = (flow.source_nat(), flow.destination_nat(), flow.timestamps(), flow.helper());
    let _ = (flow.master(), flow.labels(), flow.security_context(), flow.synproxy());
    let _ = format!("{flow:?}");
    // What was read says the same when it is written and read again.
    let owned = flow.to_owned();
    let again = owned.to_bytes();
    assert_eq!(FlowRef::parse(&again).expect("what we wrote").to_owned(), owned);
}

#[test]
#[cfg_attr(target_endian = "big", ignore = "the dumps are of a little-endian kernel")]
fn captures_cut_at_every_length() {
    for name in NAMES {
        let capture = capture(name);
        for length in 0..capture.len() {
            look_at_everything(&capture[..length]);
        }
        for entry in entries(&capture) {
            for length in 0..entry.len() {
                look_at_entry(&entry[..length]);
            }
        }
    }
}

#[test]
#[cfg_attr(target_endian = "big", ignore = "the dumps are of a little-endian kernel")]
fn captures_with_every_byte_changed() {
    for name in NAMES {
        let capture = capture(name);
        for entry in entries(&capture) {
            let mut entry = entry.to_vec();
            for at in 0..entry.len() {
                for change in [1, 4, 0x80, 0xff] {
                    entry[at] ^= change;
                    look_at_entry(&entry);
                    entry[at] ^= change;
                }
            }
        }
    }
}

proptest! {
    #[test]
    fn random_bytes(bytes in vec(any::<u8>(), 0..300)) {
        look_at_everything(&bytes);
    }

    #[test]
    fn attributes_of_random_kinds(
        parts in vec((0..30_u16, any::<bool>(), vec(any::<u8>(), 0..24)), 0..12)
    ) {
        let mut bytes = Vec::new();
        for (kind, nested, payload) in parts {
            bytes.extend((payload.len() as u16 + 4).to_ne_bytes());
            bytes.extend((kind | if nested { 0x8000 } else { 0 }).to_ne_bytes());
            bytes.extend(&payload);
            bytes.resize(bytes.len().next_multiple_of(4), 0);
        }
        look_at_everything(&bytes);
    }

    #[test]
    fn flows_with_bytes_changed(
        flow in flow(),
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = flow.to_bytes();
        for (at, value) in changes {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        look_at_everything(&bytes);
        look_at_everything(&bytes[..cut.index(bytes.len())]);
    }
}
