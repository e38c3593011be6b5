//! Entries this machine's kernel does not make: of other kernels, other hardware, other times.

use std::time::Duration;

use ctnetlink::Query;
use ctnetlink::aggregate::Aggregator;
use ctnetlink::field::Field;
use ctnetlink::flow::{
    Direction, Flow, FlowRef, ProtoInfo, Protocol, State, Status, TcpInfo, TcpState, Tuple,
};

/// An attribute, padded.
fn attribute(kind: u16, payload: &[u8]) -> Vec<u8> {
    let mut bytes = (payload.len() as u16 + 4).to_ne_bytes().to_vec();
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(payload);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

fn tcp() -> Flow {
    let original = Tuple::with_ports(
        Protocol::TCP,
        ([10, 0, 0, 1].into(), 1000),
        ([192, 0, 2, 1].into(), 443),
    );
    Flow::new(original, original.inverse())
}

fn with(extra: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = tcp().to_bytes();
    bytes.extend(extra.concat());
    bytes
}

#[test]
fn padding_inside_counters_and_timestamps_is_skipped() {
    let be64 = |value: u64| value.to_be_bytes();
    let counters =
        [attribute(5, &[]), attribute(1, &be64(3)), attribute(5, &[]), attribute(2, &be64(400))];
    let timestamp = [attribute(3, &[]), attribute(1, &be64(1_000_000_007))];
    let bytes =
        with(&[attribute(0x8009, &counters.concat()), attribute(0x8014, &timestamp.concat())]);
    let flow = FlowRef::parse(&bytes).expect("an entry");
    let counters = flow.counters(Direction::Original).expect("counters");
    assert_eq!((counters.packets, counters.bytes), (3, 400));
    assert_eq!(flow.counters(Direction::Reply), None);
    let start = flow.timestamps().expect("timestamps").start;
    assert_eq!(start, std::time::UNIX_EPOCH + Duration::from_nanos(1_000_000_007));
}

#[test]
fn an_offloaded_flow_has_no_timeout_and_no_state() {
    for status in [Status::OFFLOAD, Status::OFFLOAD | Status::HW_OFFLOAD] {
        let mut flow = tcp();
        flow.status = status | Status::CONFIRMED | Status::ASSURED;
        let bytes = flow.to_bytes();
        let read = FlowRef::parse(&bytes).expect("an entry");
        assert_eq!((read.timeout(), read.protoinfo()), (None, None));
        assert_eq!(read.state(), State::OFFLOAD);
    }
}

#[test]
fn what_later_kernels_send_survives() {
    let mut flow = tcp();
    flow.status = Status::from_bits_retain(0x4000_0008);
    flow.protoinfo = Some(ProtoInfo::Tcp(TcpInfo::new(TcpState(13))));
    let mut bytes = flow.to_bytes();
    bytes.extend(attribute(60, b"new"));
    bytes.extend(attribute(27, &[1; 8])); // CTA_TIMESTAMP_EVENT
    let read = FlowRef::parse(&bytes).expect("an entry");
    assert_eq!(read.state().to_string(), "13");
    assert_eq!(read.status().to_string(), "CONFIRMED|0x40000000");
    let unknown: Vec<_> = read.unknown_attributes().map(|unknown| unknown.kind).collect();
    assert_eq!(unknown, [60, 27]);
    assert_eq!(read.to_owned().unknown[0].payload, b"new");
    assert_eq!(
        FlowRef::parse(&read.to_owned().to_bytes()).expect("ours").to_owned(),
        read.to_owned()
    );
}

#[test]
fn the_event_of_an_end_has_the_state_alone() {
    let state = attribute(1, &[TcpState::CLOSE.0]);
    let bytes = with(&[attribute(0x8004, &attribute(0x8001, &state))]);
    let read = FlowRef::parse(&bytes).expect("an entry");
    assert_eq!(read.protoinfo(), Some(ProtoInfo::Tcp(TcpInfo::new(TcpState::CLOSE))));
}

#[test]
fn the_order_of_attributes_does_not_matter() {
    let mut flow = tcp();
    flow.status = Status::CONFIRMED;
    flow.mark = Some(7);
    flow.protoinfo = Some(ProtoInfo::Tcp(TcpInfo::new(TcpState::LAST_ACK)));
    let bytes = flow.to_bytes();
    let mut attributes: Vec<Vec<u8>> = ctnetlink::wire::Attributes::new(&bytes)
        .map(|found| found.expect("an attribute"))
        .map(|found| attribute(found.kind | if found.nested { 0x8000 } else { 0 }, found.payload))
        .collect();
    attributes.reverse();
    let turned = attributes.concat();
    assert_eq!(FlowRef::parse(&turned).expect("an entry").to_owned(), flow);
    let mut aggregator = Aggregator::new(&Query::new().group_by([Field::State, Field::Mark]));
    aggregator.record_bytes(&turned).expect("an entry");
    assert_eq!(aggregator.finish().rows()[0].to_string(), "LAST_ACK 7");
}

#[test]
fn nests_need_not_be_marked() {
    // Programs leave the flag out, and so did kernels before 4.6.
    fn unmark(bytes: &[u8]) -> Vec<u8> {
        ctnetlink::wire::Attributes::new(bytes)
            .map(|found| found.expect("an attribute"))
            .flat_map(|found| {
                let inside =
                    if found.nested { unmark(found.payload) } else { found.payload.to_vec() };
                attribute(found.kind, &inside)
            })
            .collect()
    }
    let flow = tcp();
    assert_eq!(FlowRef::parse(&unmark(&flow.to_bytes())).expect("an entry").to_owned(), flow);
}

#[test]
fn an_entry_without_a_tuple_is_refused() {
    let error = FlowRef::parse(&attribute(3, &[0; 4])).expect_err("no tuple");
    assert_eq!(error.to_string(), "malformed entry: CTA_TUPLE_ORIG is missing");
    let error = FlowRef::parse(&with(&[attribute(8, &[1])])).expect_err("a short mark");
    assert_eq!(error.to_string(), "malformed CTA_MARK: length 1 is not possible here");
}
