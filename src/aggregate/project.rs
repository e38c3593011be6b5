//! An entry decoded only as far as a query needs.

use super::field::Field;
use crate::flow::{Endpoints, FlowRef, ProtoInfo, Protocol, State, Status, Tuple};
use crate::wire::ctnetlink::*;
use crate::wire::{Attributes, WireError};
use std::net::{IpAddr, Ipv4Addr};

/// Which attributes a query needs, one bit per kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Needs(u32);

impl Needs {
    /// What the fields need.
    pub(crate) fn of<'f>(fields: impl IntoIterator<Item = &'f Field>) -> Self {
        let bits = |kinds: &[u16]| kinds.iter().fold(0, |bits, kind| bits | 1 << kind);
        Self(fields.into_iter().fold(0, |needs, field| {
            needs
                | match field {
                    Field::Family
                    | Field::Protocol
                    | Field::Source(_)
                    | Field::Destination(_)
                    | Field::SourcePort
                    | Field::DestinationPort => bits(&[CTA_TUPLE_ORIG]),
                    Field::ReplySource(_)
                    | Field::ReplyDestination(_)
                    | Field::ReplySourcePort
                    | Field::ReplyDestinationPort => bits(&[CTA_TUPLE_REPLY]),
                    Field::State => bits(&[CTA_TUPLE_ORIG, CTA_STATUS, CTA_PROTOINFO]),
                    // A zone of one direction stands in that direction's tuple.
                    Field::Zone => bits(&[CTA_TUPLE_ORIG, CTA_TUPLE_REPLY, CTA_ZONE]),
                    Field::Mark => bits(&[CTA_MARK]),
                    Field::Status => bits(&[CTA_STATUS]),
                }
        }))
    }

    /// These, and what decides the part of a table an entry is in.
    #[cfg(all(target_os = "linux", not(ctnetlink_pure)))]
    pub(crate) fn and_part(self) -> Self {
        Self(self.0 | 1 << CTA_STATUS | 1 << CTA_MARK)
    }

    #[inline]
    fn contains(self, kind: u16) -> bool {
        1_u32.checked_shl(kind.into()).is_some_and(|bit| self.0 & bit != 0)
    }
}

/// The parts of an entry that keys are made from. Those that were not needed hold no meaning.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Projection {
    pub(crate) original: Tuple,
    pub(crate) reply: Tuple,
    pub(crate) status: Status,
    pub(crate) mark: Option<u32>,
    zone: Option<u16>,
    tracked: Option<State>,
}

impl Projection {
    /// No self.
    pub(crate) const NOTHING: Self = {
        let address = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        let tuple = Tuple {
            source: address,
            destination: address,
            protocol: Protocol(0),
            endpoints: Endpoints::None,
            zone: None,
        };
        let status = Status::empty();
        Self { original: tuple, reply: tuple, status, mark: None, zone: None, tracked: None }
    };

    /// Reads what `needs` names out of an entry, and stops once it has all.
    ///
    /// The order of the attributes does not matter; kernels differ in it.
    #[inline]
    pub(crate) fn read(&mut self, attributes: &[u8], needs: Needs) -> Result<(), WireError> {
        // Tuples are always there, or it is an error; the rest may be left from the last entry.
        self.status = Status::empty();
        (self.mark, self.zone, self.tracked) = (None, None, None);
        let mut missing = needs.0;
        let mut walk = Attributes::new(attributes);
        while missing != 0 {
            let Some(attribute) = walk.step() else {
                walk.remainder()?;
                break;
            };
            if !needs.contains(attribute.kind) {
                continue;
            }
            match attribute.kind {
                CTA_TUPLE_ORIG => {
                    self.original = Tuple::parse(attribute.payload, "CTA_TUPLE_ORIG")?;
                }
                CTA_TUPLE_REPLY => {
                    self.reply = Tuple::parse(attribute.payload, "CTA_TUPLE_REPLY")?;
                }
                CTA_STATUS => {
                    self.status = Status::from_bits_retain(attribute.be32("CTA_STATUS")?);
                }
                CTA_MARK => self.mark = Some(attribute.be32("CTA_MARK")?),
                CTA_ZONE => self.zone = Some(attribute.be16("CTA_ZONE")?),
                CTA_PROTOINFO => self.tracked = ProtoInfo::parse_state(attribute.payload)?,
                _ => continue,
            }
            missing &= !(1 << attribute.kind);
        }
        for (kind, name) in
            [(CTA_TUPLE_ORIG, "CTA_TUPLE_ORIG"), (CTA_TUPLE_REPLY, "CTA_TUPLE_REPLY")]
        {
            if missing & (1 << kind) != 0 {
                return Err(WireError::missing("entry", name));
            }
        }
        Ok(())
    }

    /// The state, whatever the protocol.
    pub(crate) fn state(&self) -> State {
        State::of_tracked(self.original.protocol, self.tracked, self.status)
    }

    /// The zone of both directions or of one; 0 is the default zone.
    pub(crate) fn zone(&self) -> u16 {
        self.zone.or(self.original.zone).or(self.reply.zone).unwrap_or_default()
    }
}

impl From<&FlowRef<'_>> for Projection {
    fn from(flow: &FlowRef<'_>) -> Self {
        Self {
            original: *flow.original(),
            reply: *flow.reply(),
            status: flow.status(),
            mark: flow.mark(),
            zone: flow.zone(),
            tracked: flow.protoinfo().and_then(|info| info.state()),
        }
    }
}
