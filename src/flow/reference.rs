//! An entry read in place.

use std::borrow::Cow;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use super::attached::security_context;
use crate::flow::{
    Counters, Direction, Endpoints, Flow, FlowId, FlowKey, Helper, Labels, Needs, ProtoInfo,
    Protocol, SequenceAdjustment, State, Status, Synproxy, Timestamps, Translation, Tuple,
    UnknownAttribute,
};
use crate::wire::ctnetlink::*;
use crate::wire::{Attribute, Attributes, WireError};

/// How many kinds of attribute have a place in the index.
const KINDS: usize = CTA_SYNPROXY as usize + 1;

/// An entry of the table, borrowed from the bytes it came in.
///
/// Making one checks every attribute this crate knows and allocates nothing. So the getters cannot
/// fail, and `None` means that the kernel did not send the attribute.
/// [`to_owned`](Self::to_owned) keeps the entry beyond the buffer.
#[derive(Clone, Copy)]
pub struct FlowRef<'a> {
    attributes: &'a [u8],
    original: Tuple,
    reply: Tuple,
    protoinfo: Option<ProtoInfo>,
    tracked: Option<State>,
    /// Payloads by kind: offset and length into `attributes`; length `ABSENT` for none.
    index: [(u16, u16); KINDS],
}

/// In the place of a tuple that nobody needs.
const NO_TUPLE: Tuple = {
    let address = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
    Tuple {
        source: address,
        destination: address,
        protocol: Protocol(0),
        endpoints: Endpoints::None,
        zone: None,
    }
};

/// No attribute is this long, since its header is four bytes of the same count.
const ABSENT: u16 = u16::MAX;

impl<'a> FlowRef<'a> {
    /// Checks the attributes of an entry, which follow the netfilter header of an
    /// `IPCTNL_MSG_CT_NEW` message.
    ///
    /// # Errors
    ///
    /// An attribute this crate knows is malformed, or one of the two tuples is missing.
    ///
    /// # Cost
    ///
    /// One walk over the entry, less than 100 ns, and no allocation.
    pub fn parse(attributes: &'a [u8]) -> Result<Self, WireError> {
        Self::read_those::<true>(attributes, Needs::EVERYTHING)
    }

    /// As [`parse`](Self::parse), of the attributes that somebody needs. The others are neither checked nor there: their
    /// getters return what they do for an entry without them.
    #[inline]
    pub(crate) fn read(attributes: &'a [u8], needs: Needs) -> Result<Self, WireError> {
        Self::read_those::<false>(attributes, needs)
    }

    /// `ALL` is known to the compiler, since the walk is what an entry costs.
    #[inline]
    fn read_those<const ALL: bool>(attributes: &'a [u8], needs: Needs) -> Result<Self, WireError> {
        if attributes.len() >= usize::from(ABSENT) {
            // Not from a kernel: no datagram of its dumps is half as long as one such entry.
            return Err(WireError::length("entry", attributes.len()));
        }
        let mut index = [(0, ABSENT); KINDS];
        let (mut original, mut reply) = (NO_TUPLE, NO_TUPLE);
        let (mut protoinfo, mut tracked) = (None, None);
        let mut missing = needs;
        let mut walk = Attributes::new(attributes);
        while ALL || !missing.is_none() {
            let offset = attributes.len() - walk.left() + Attributes::HEADER;
            let Some(attribute) = walk.step() else {
                walk.remainder()?;
                break;
            };
            let Attribute { kind, payload, .. } = attribute;
            if !ALL {
                if !needs.contains(kind) {
                    continue;
                }
                missing = missing.without(kind);
            }
            // The attributes that have a getter. Reading one here is what its getter relies on.
            match kind {
                CTA_TUPLE_ORIG => original = Tuple::parse(payload, "CTA_TUPLE_ORIG")?,
                CTA_TUPLE_REPLY => reply = Tuple::parse(payload, "CTA_TUPLE_REPLY")?,
                CTA_PROTOINFO if ALL => {
                    protoinfo = ProtoInfo::parse(payload)?;
                    tracked = protoinfo.and_then(|info| info.state());
                }
                // Nothing else of it is a field.
                CTA_PROTOINFO => tracked = ProtoInfo::parse_state(payload)?,
                CTA_STATUS | CTA_TIMEOUT | CTA_MARK | CTA_USE | CTA_ID => {
                    attribute.be32(attribute_name(kind)).map(drop)?;
                }
                CTA_ZONE => attribute.be16("CTA_ZONE").map(drop)?,
                CTA_COUNTERS_ORIG | CTA_COUNTERS_REPLY => Counters::parse(payload).map(drop)?,
                CTA_TIMESTAMP => Timestamps::parse(payload).map(drop)?,
                CTA_LABELS => Labels::parse(payload).map(drop)?,
                CTA_SECCTX => security_context(payload).map(drop)?,
                CTA_HELP => Helper::parse(payload).map(drop)?,
                CTA_TUPLE_MASTER => Tuple::parse(payload, "CTA_TUPLE_MASTER").map(drop)?,
                CTA_SEQ_ADJ_ORIG | CTA_SEQ_ADJ_REPLY => {
                    SequenceAdjustment::parse(payload).map(drop)?;
                }
                CTA_SYNPROXY => Synproxy::parse(payload).map(drop)?,
                _ => continue,
            }
            let place = index.get_mut(usize::from(kind));
            // An entry is shorter than 65,535 bytes, so both numbers fit.
            if let (Some(place), Ok(offset), Ok(length)) =
                (place, u16::try_from(offset), u16::try_from(payload.len()))
            {
                *place = (offset, length);
            }
        }
        for (kind, name) in
            [(CTA_TUPLE_ORIG, "CTA_TUPLE_ORIG"), (CTA_TUPLE_REPLY, "CTA_TUPLE_REPLY")]
        {
            let there = index.get(usize::from(kind)).is_some_and(|(_, length)| *length != ABSENT);
            if needs.contains(kind) && !there {
                return Err(WireError::missing("entry", name));
            }
        }
        Ok(Self { attributes, original, reply, protoinfo, tracked, index })
    }

    /// The bytes it was read from.
    pub fn as_bytes(&self) -> &'a [u8] {
        self.attributes
    }

    fn payload(&self, kind: u16) -> Option<&'a [u8]> {
        let &(offset, length) = self.index.get(usize::from(kind))?;
        if length == ABSENT {
            return None;
        }
        self.attributes.get(usize::from(offset)..)?.get(..usize::from(length))
    }

    fn be16(&self, kind: u16) -> Option<u16> {
        self.payload(kind)?.first_chunk().map(|bytes| u16::from_be_bytes(*bytes))
    }

    fn be32(&self, kind: u16) -> Option<u32> {
        self.payload(kind)?.first_chunk().map(|bytes| u32::from_be_bytes(*bytes))
    }

    /// The tuple of packets from the side that opened the flow.
    #[doc(alias = "CTA_TUPLE_ORIG")]
    pub fn original(&self) -> &Tuple {
        &self.original
    }

    /// The tuple of the answers.
    #[doc(alias = "CTA_TUPLE_REPLY")]
    pub fn reply(&self) -> &Tuple {
        &self.reply
    }

    /// The tuple of a direction.
    pub fn tuple(&self, direction: Direction) -> &Tuple {
        direction.pick(&self.original, &self.reply)
    }

    /// The tuple of a direction as the kernel sent it: the payload of its attribute, to send back.
    #[allow(dead_code)] // Only where there is a kernel to ask.
    pub(crate) fn tuple_as_sent(&self, direction: Direction) -> &'a [u8] {
        let kind = direction.pick(CTA_TUPLE_ORIG, CTA_TUPLE_REPLY);
        self.payload(kind).unwrap_or_default()
    }

    /// The layer-4 protocol.
    #[doc(alias = "CTA_PROTO_NUM")]
    pub fn protocol(&self) -> Protocol {
        self.original.protocol
    }

    /// The state, whatever the protocol.
    pub fn state(&self) -> State {
        State::of_tracked(self.protocol(), self.tracked, self.status())
    }

    /// The status bits. The kernel sends them with every entry.
    #[doc(alias = "CTA_STATUS")]
    pub fn status(&self) -> Status {
        Status::from_bits_retain(self.be32(CTA_STATUS).unwrap_or_default())
    }

    /// How long the entry lives if no packet comes, in whole seconds. Flows in a flow table have
    /// none.
    #[doc(alias = "CTA_TIMEOUT")]
    pub fn timeout(&self) -> Option<Duration> {
        self.be32(CTA_TIMEOUT).map(|seconds| Duration::from_secs(seconds.into()))
    }

    /// The mark. Absent on kernels built without marks.
    #[doc(alias = "CTA_MARK")]
    pub fn mark(&self) -> Option<u32> {
        self.be32(CTA_MARK)
    }

    /// The zone of both directions. `None` for the default zone 0. A zone of one direction only is
    /// [`Tuple::zone`].
    #[doc(alias = "CTA_ZONE")]
    pub fn zone(&self) -> Option<u16> {
        self.be16(CTA_ZONE)
    }

    /// The kernel's id. Not unique.
    #[doc(alias = "CTA_ID")]
    pub fn id(&self) -> Option<FlowId> {
        self.be32(CTA_ID).map(FlowId)
    }

    /// How many references the kernel holds to the entry, the table's included.
    #[doc(alias = "CTA_USE")]
    pub fn use_count(&self) -> Option<u32> {
        self.be32(CTA_USE)
    }

    /// Packets and bytes of a direction. Absent unless `nf_conntrack_acct` was on when the flow
    /// began.
    #[doc(alias = "CTA_COUNTERS_ORIG")]
    #[doc(alias = "CTA_COUNTERS_REPLY")]
    pub fn counters(&self, direction: Direction) -> Option<Counters> {
        let kind = direction.pick(CTA_COUNTERS_ORIG, CTA_COUNTERS_REPLY);
        Counters::parse(self.payload(kind)?).ok()
    }

    /// When the flow began. Absent unless `nf_conntrack_timestamp` was on then.
    #[doc(alias = "CTA_TIMESTAMP")]
    pub fn timestamps(&self) -> Option<Timestamps> {
        Timestamps::parse(self.payload(CTA_TIMESTAMP)?).ok()
    }

    /// What the protocol's tracker keeps.
    #[doc(alias = "CTA_PROTOINFO")]
    pub fn protoinfo(&self) -> Option<ProtoInfo> {
        self.protoinfo
    }

    /// The labels. The kernel leaves them out if none is set.
    #[doc(alias = "CTA_LABELS")]
    pub fn labels(&self) -> Option<Labels> {
        Labels::parse(self.payload(CTA_LABELS)?).ok()
    }

    /// The security context, where a security module has one.
    #[doc(alias = "CTA_SECCTX")]
    pub fn security_context(&self) -> Option<Cow<'a, str>> {
        security_context(self.payload(CTA_SECCTX)?).ok()
    }

    /// The helper, where one is attached.
    #[doc(alias = "CTA_HELP")]
    pub fn helper(&self) -> Option<Helper<'a>> {
        Helper::parse(self.payload(CTA_HELP)?).ok()
    }

    /// The flow that announced this one, for expected flows.
    #[doc(alias = "CTA_TUPLE_MASTER")]
    pub fn master(&self) -> Option<Tuple> {
        Tuple::parse(self.payload(CTA_TUPLE_MASTER)?, "CTA_TUPLE_MASTER").ok()
    }

    /// The sequence adjustment of a direction.
    #[doc(alias = "CTA_SEQ_ADJ_ORIG")]
    #[doc(alias = "CTA_SEQ_ADJ_REPLY")]
    pub fn sequence_adjustment(&self, direction: Direction) -> Option<SequenceAdjustment> {
        let kind = direction.pick(CTA_SEQ_ADJ_ORIG, CTA_SEQ_ADJ_REPLY);
        SequenceAdjustment::parse(self.payload(kind)?).ok()
    }

    /// What the SYN proxy keeps.
    #[doc(alias = "CTA_SYNPROXY")]
    pub fn synproxy(&self) -> Option<Synproxy> {
        Synproxy::parse(self.payload(CTA_SYNPROXY)?).ok()
    }

    /// Where source NAT made the flow appear to come from.
    pub fn source_nat(&self) -> Option<Translation> {
        Translation::of_source(&self.original, &self.reply)
    }

    /// Where destination NAT sent the flow.
    pub fn destination_nat(&self) -> Option<Translation> {
        Translation::of_destination(&self.original, &self.reply)
    }

    /// Every attribute as it is in the message, known or not.
    pub fn attributes(&self) -> impl Iterator<Item = Attribute<'a>> + use<'a> {
        Attributes::new(self.attributes).map_while(Result::ok)
    }

    /// The attributes this crate has no getter for.
    pub fn unknown_attributes(&self) -> impl Iterator<Item = Attribute<'a>> + use<'a> {
        let flow = *self;
        self.attributes().filter(move |attribute| flow.payload(attribute.kind).is_none())
    }

    /// The entry with its own memory.
    pub fn to_owned(&self) -> Flow {
        Flow::from(self)
    }
}

impl fmt::Debug for FlowRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.to_owned(), f)
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

/// Exactly that entry: by its original tuple, its zone and its id.
impl From<&FlowRef<'_>> for FlowKey {
    fn from(flow: &FlowRef<'_>) -> Self {
        Self { tuple: *flow.original(), zone: flow.zone(), id: flow.id() }
    }
}
