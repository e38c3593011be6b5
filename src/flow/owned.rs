//! An entry with its own memory.

use std::time::Duration;

use crate::flow::{
    Counters, FlowId, FlowKey, Helper, Labels, ProtoInfo, Protocol, SequenceAdjustment, State,
    Status, Synproxy, Timestamps, Translation, Tuple,
};

/// An entry of the table with its own memory.
///
/// Use it for the few entries you keep: a million of them take half a gigabyte. To count or group,
/// look at [`FlowRef`](crate::flow::FlowRef)s as they stream past, or let
/// [`Aggregator`](crate::aggregate::Aggregator) do it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(remote = "Self"))]
#[non_exhaustive]
pub struct Flow {
    /// See [`FlowRef::original`](crate::flow::FlowRef::original).
    pub original: Tuple,
    /// See [`FlowRef::reply`](crate::flow::FlowRef::reply).
    pub reply: Tuple,
    /// See [`FlowRef::status`](crate::flow::FlowRef::status).
    pub status: Status,
    /// See [`FlowRef::timeout`](crate::flow::FlowRef::timeout).
    #[cfg_attr(feature = "serde", serde(serialize_with = "super::serialize::seconds"))]
    pub timeout: Option<Duration>,
    /// See [`FlowRef::mark`](crate::flow::FlowRef::mark).
    pub mark: Option<u32>,
    /// See [`FlowRef::zone`](crate::flow::FlowRef::zone).
    pub zone: Option<u16>,
    /// See [`FlowRef::id`](crate::flow::FlowRef::id).
    pub id: Option<FlowId>,
    /// See [`FlowRef::use_count`](crate::flow::FlowRef::use_count).
    pub use_count: Option<u32>,
    /// See [`FlowRef::counters`](crate::flow::FlowRef::counters).
    pub counters_original: Option<Counters>,
    /// See [`FlowRef::counters`](crate::flow::FlowRef::counters).
    pub counters_reply: Option<Counters>,
    /// See [`FlowRef::timestamps`](crate::flow::FlowRef::timestamps).
    pub timestamps: Option<Timestamps>,
    /// See [`FlowRef::protoinfo`](crate::flow::FlowRef::protoinfo).
    pub protoinfo: Option<ProtoInfo>,
    /// See [`FlowRef::labels`](crate::flow::FlowRef::labels).
    pub labels: Option<Labels>,
    /// See [`FlowRef::security_context`](crate::flow::FlowRef::security_context).
    pub security_context: Option<String>,
    /// See [`FlowRef::helper`](crate::flow::FlowRef::helper).
    pub helper: Option<Helper<'static>>,
    /// See [`FlowRef::master`](crate::flow::FlowRef::master).
    pub master: Option<Tuple>,
    /// See [`FlowRef::sequence_adjustment`](crate::flow::FlowRef::sequence_adjustment).
    pub sequence_adjustment_original: Option<SequenceAdjustment>,
    /// See [`FlowRef::sequence_adjustment`](crate::flow::FlowRef::sequence_adjustment).
    pub sequence_adjustment_reply: Option<SequenceAdjustment>,
    /// See [`FlowRef::synproxy`](crate::flow::FlowRef::synproxy).
    pub synproxy: Option<Synproxy>,
    /// See [`FlowRef::unknown_attributes`](crate::flow::FlowRef::unknown_attributes).
    pub unknown: Vec<UnknownAttribute>,
}

/// An attribute this crate has no type for.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct UnknownAttribute {
    /// The kind, without flag bits.
    pub kind: u16,
    /// The payload.
    pub payload: Vec<u8>,
}

impl Flow {
    /// A flow with these two tuples and nothing else.
    pub const fn new(original: Tuple, reply: Tuple) -> Self {
        Self {
            original,
            reply,
            status: Status::empty(),
            timeout: None,
            mark: None,
            zone: None,
            id: None,
            use_count: None,
            counters_original: None,
            counters_reply: None,
            timestamps: None,
            protoinfo: None,
            labels: None,
            security_context: None,
            helper: None,
            master: None,
            sequence_adjustment_original: None,
            sequence_adjustment_reply: None,
            synproxy: None,
            unknown: Vec::new(),
        }
    }

    /// The layer-4 protocol.
    pub fn protocol(&self) -> Protocol {
        self.original.protocol
    }

    /// The state, whatever the protocol.
    pub fn state(&self) -> State {
        State::of(self.protocol(), self.protoinfo, self.status)
    }

    /// Where source NAT made the flow appear to come from.
    pub fn source_nat(&self) -> Option<Translation> {
        Translation::of_source(&self.original, &self.reply)
    }

    /// Where destination NAT sent the flow.
    pub fn destination_nat(&self) -> Option<Translation> {
        Translation::of_destination(&self.original, &self.reply)
    }
}

/// Exactly that entry: by its original tuple, its zone and its id.
impl From<&Flow> for FlowKey {
    fn from(flow: &Flow) -> Self {
        Self { tuple: flow.original, zone: flow.zone, id: flow.id }
    }
}
