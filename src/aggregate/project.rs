//! An entry decoded only as far as a query needs, attribute by attribute.

use std::net::{IpAddr, Ipv4Addr};
use std::time::{SystemTime, UNIX_EPOCH};

use super::needs::Needs;
use crate::flow::{
    Counters, Direction, Endpoints, FlowRef, ProtoInfo, Protocol, State, Status, Timestamps, Tuple,
};
use crate::wire::ctnetlink::*;
use crate::wire::{Attributes, WireError};

/// The parts of an entry that keys and sums are made from. Those that were not needed hold no
/// meaning.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Projection {
    pub(crate) original: Tuple,
    pub(crate) reply: Tuple,
    pub(crate) status: Status,
    pub(crate) mark: Option<u32>,
    /// Seconds.
    pub(crate) timeout: Option<u32>,
    /// Of the original direction, and of the reply direction.
    pub(crate) counters: [Option<Counters>; 2],
    zone: Option<u16>,
    tracked: Option<State>,
    start: Option<SystemTime>,
    /// The moment that ages are reckoned to.
    now: SystemTime,
}

impl Projection {
    /// No entry yet.
    pub(crate) const fn nothing(now: SystemTime) -> Self {
        let address = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        let tuple = Tuple {
            source: address,
            destination: address,
            protocol: Protocol(0),
            endpoints: Endpoints::None,
            zone: None,
        };
        Self {
            original: tuple,
            reply: tuple,
            status: Status::empty(),
            mark: None,
            timeout: None,
            counters: [None; 2],
            zone: None,
            tracked: None,
            start: None,
            now,
        }
    }

    /// Reads what `needs` names out of an entry, and stops once it has all.
    ///
    /// The order of the attributes does not matter; kernels differ in it.
    #[inline]
    pub(crate) fn read(&mut self, attributes: &[u8], needs: Needs) -> Result<(), WireError> {
        // Tuples are always there, or it is an error; the rest may be left from the last entry.
        self.status = Status::empty();
        (self.mark, self.zone, self.tracked) = (None, None, None);
        (self.timeout, self.start, self.counters) = (None, None, [None; 2]);
        let mut missing = needs;
        let mut walk = Attributes::new(attributes);
        while !missing.is_none() {
            let Some(attribute) = walk.step() else {
                walk.remainder()?;
                break;
            };
            if !needs.contains(attribute.kind) {
                continue;
            }
            let payload = attribute.payload;
            match attribute.kind {
                CTA_TUPLE_ORIG => self.original = Tuple::parse(payload, "CTA_TUPLE_ORIG")?,
                CTA_TUPLE_REPLY => self.reply = Tuple::parse(payload, "CTA_TUPLE_REPLY")?,
                CTA_STATUS => {
                    self.status = Status::from_bits_retain(attribute.be32("CTA_STATUS")?);
                }
                CTA_MARK => self.mark = Some(attribute.be32("CTA_MARK")?),
                CTA_ZONE => self.zone = Some(attribute.be16("CTA_ZONE")?),
                CTA_TIMEOUT => self.timeout = Some(attribute.be32("CTA_TIMEOUT")?),
                CTA_PROTOINFO => self.tracked = ProtoInfo::parse_state(payload)?,
                CTA_TIMESTAMP => self.start = Some(Timestamps::parse(payload)?.start),
                CTA_COUNTERS_ORIG => self.counters[0] = Some(Counters::parse(payload)?),
                CTA_COUNTERS_REPLY => self.counters[1] = Some(Counters::parse(payload)?),
                _ => continue,
            }
            missing = missing.without(attribute.kind);
        }
        for (kind, name) in
            [(CTA_TUPLE_ORIG, "CTA_TUPLE_ORIG"), (CTA_TUPLE_REPLY, "CTA_TUPLE_REPLY")]
        {
            if missing.contains(kind) {
                return Err(WireError::missing("entry", name));
            }
        }
        Ok(())
    }

    /// Takes all of it from an entry that was checked.
    pub(crate) fn take(&mut self, flow: &FlowRef<'_>) {
        let seconds = |timeout: std::time::Duration| u32::try_from(timeout.as_secs());
        *self = Self {
            original: *flow.original(),
            reply: *flow.reply(),
            status: flow.status(),
            mark: flow.mark(),
            timeout: flow.timeout().map(|timeout| seconds(timeout).unwrap_or(u32::MAX)),
            counters: [Direction::Original, Direction::Reply].map(|way| flow.counters(way)),
            zone: flow.zone(),
            tracked: flow.protoinfo().and_then(|info| info.state()),
            start: flow.timestamps().map(|timestamps| timestamps.start),
            now: self.now,
        };
    }

    /// The state, whatever the protocol.
    pub(crate) fn state(&self) -> State {
        State::of_tracked(self.original.protocol, self.tracked, self.status)
    }

    /// The zone of both directions or of one; 0 is the default zone.
    pub(crate) fn zone(&self) -> u16 {
        self.zone.or(self.original.zone).or(self.reply.zone).unwrap_or_default()
    }

    /// How many seconds ago the entry was made; 0 for one that is made later than now.
    pub(crate) fn age(&self) -> Option<u64> {
        let nanoseconds =
            |moment: SystemTime| moment.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        let age = nanoseconds(self.now).saturating_sub(nanoseconds(self.start?));
        Some(u64::try_from(age / 1_000_000_000).unwrap_or(u64::MAX))
    }

    /// The moment that ages are reckoned to.
    pub(crate) const fn now(&self) -> SystemTime {
        self.now
    }
}
