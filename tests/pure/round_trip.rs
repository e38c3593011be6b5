//! What is written is what is read.

use ctnetlink::flow::{Flow, FlowRef};
use ctnetlink::testing::Frames;
use proptest::prelude::*;

use crate::strategy::flow;

proptest! {
    #[test]
    fn every_flow_survives_its_bytes(flow in flow()) {
        let bytes = flow.to_bytes();
        let read = FlowRef::parse(&bytes).expect("what we wrote");
        prop_assert_eq!(read.to_owned(), flow.clone());
        prop_assert_eq!(read.state(), flow.state());
        prop_assert_eq!(read.source_nat(), flow.source_nat());
        prop_assert_eq!(read.unknown_attributes().count(), flow.unknown.len());
    }

    #[test]
    fn every_flow_survives_a_dump(flows in prop::collection::vec(flow(), 0..200)) {
        let frames: Frames = flows.iter().cloned().collect();
        prop_assert_eq!(frames.len(), flows.len() as u64);
        prop_assert_eq!(frames.bytes(), frames.datagrams().map(<[u8]>::len).sum::<usize>());
        prop_assert!(frames.datagrams().all(|datagram| datagram.len() <= 32_448));
        let read: Vec<Flow> = frames
            .entries()
            .map(|entry| FlowRef::parse(entry).expect("what we wrote").to_owned())
            .collect();
        prop_assert_eq!(read, flows);
    }
}
