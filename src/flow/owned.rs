//! An entry kept.

use std::time::Duration;

use bytes::BytesMut;

use super::encode::{Purpose, encode};
use crate::flow::{
    Counters, Direction, FlowId, FlowRef, Helper, Labels, ProtoInfo, Protocol, SequenceAdjustment,
    State, Status, Synproxy, Timestamps, Translation, Tuple,
};
use crate::wire::writer::Writer;

/// An entry of the table with its own memory.
///
/// Use it for the few entries you keep. To count or group, look at [`FlowRef`]s as they stream
/// past, or let [`Aggregator`](crate::aggregate::Aggregator) do it: a table of a million entries
/// kept as `Flow`s is half a gigabyte.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Flow {
    /// See [`FlowRef::original`].
    pub original: Tuple,
    /// See [`FlowRef::reply`].
    pub reply: Tuple,
    /// See [`FlowRef::status`].
    pub status: Status,
    /// See [`FlowRef::timeout`].
    pub timeout: Option<Duration>,
    /// See [`FlowRef::mark`].
    pub mark: Option<u32>,
    /// See [`FlowRef::zone`].
    pub zone: Option<u16>,
    /// See [`FlowRef::id`].
    pub id: Option<FlowId>,
    /// See [`FlowRef::use_count`].
    pub use_count: Option<u32>,
    /// See [`FlowRef::counters`].
    pub counters_original: Option<Counters>,
    /// See [`FlowRef::counters`].
    pub counters_reply: Option<Counters>,
    /// See [`FlowRef::timestamps`].
    pub timestamps: Option<Timestamps>,
    /// See [`FlowRef::protoinfo`].
    pub protoinfo: Option<ProtoInfo>,
    /// See [`FlowRef::labels`].
    pub labels: Option<Labels>,
    /// See [`FlowRef::security_context`].
    pub security_context: Option<String>,
    /// See [`FlowRef::helper`].
    pub helper: Option<Helper<'static>>,
    /// See [`FlowRef::master`].
    pub master: Option<Tuple>,
    /// See [`FlowRef::sequence_adjustment`].
    pub sequence_adjustment_original: Option<SequenceAdjustment>,
    /// See [`FlowRef::sequence_adjustment`].
    pub sequence_adjustment_reply: Option<SequenceAdjustment>,
    /// See [`FlowRef::synproxy`].
    pub synproxy: Option<Synproxy>,
    /// See [`FlowRef::unknown_attributes`].
    pub unknown: Vec<UnknownAttribute>,
}

/// An attribute this crate has no type for.
#[derive(Debug, Clone, PartialEq, Eq)]
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

    /// The flow as attributes, laid out as Linux 6.18 dumps them; [`FlowRef::parse`] reads them.
    ///
    /// ```
    /// use ctnetlink::flow::{Flow, FlowRef, Protocol, Tuple};
    /// let client = ("192.0.2.1".parse()?, 40000);
    /// let server = ("198.51.100.7".parse()?, 443);
    /// let original = Tuple::with_ports(Protocol::TCP, client, server);
    /// let flow = Flow::new(original, original.inverse());
    ///
    /// let bytes = flow.to_bytes();
    /// assert_eq!(FlowRef::parse(&bytes).map(|read| read.to_owned()), Ok(flow));
    /// # Ok::<(), std::net::AddrParseError>(())
    /// ```
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = BytesMut::new();
        encode(self, Purpose::Dump, &mut Writer::new(&mut bytes));
        bytes.into()
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

impl From<&FlowRef<'_>> for Flow {
    fn from(flow: &FlowRef<'_>) -> Self {
        Self {
            original: *flow.original(),
            reply: *flow.reply(),
            status: flow.status(),
            timeout: flow.timeout(),
            mark: flow.mark(),
            zone: flow.zone(),
            id: flow.id(),
            use_count: flow.use_count(),
            counters_original: flow.counters(Direction::Original),
            counters_reply: flow.counters(Direction::Reply),
            timestamps: flow.timestamps(),
            protoinfo: flow.protoinfo(),
            labels: flow.labels(),
            security_context: flow.security_context().map(Into::into),
            helper: flow.helper().map(Helper::into_owned),
            master: flow.master(),
            sequence_adjustment_original: flow.sequence_adjustment(Direction::Original),
            sequence_adjustment_reply: flow.sequence_adjustment(Direction::Reply),
            synproxy: flow.synproxy(),
            unknown: flow
                .unknown_attributes()
                .map(|unknown| UnknownAttribute {
                    kind: unknown.kind,
                    payload: unknown.payload.to_vec(),
                })
                .collect(),
        }
    }
}
