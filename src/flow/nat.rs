//! NAT: what it made of a flow, and what it may choose from for a new one.

use std::net::IpAddr;
use std::ops::RangeInclusive;

#[cfg(all(target_os = "linux", not(ctnetlink_pure)))]
use super::invalid::{InvalidFlow, refuse_if};
use crate::flow::{Endpoints, Tuple};
#[cfg(all(target_os = "linux", not(ctnetlink_pure)))]
use crate::wire::{ctnetlink::*, writer::Writer};

/// An end of a flow as the other side sees it.
///
/// The kernel never sends the translation, and the status bits say only that it was decided. It is
/// read off the two tuples: without NAT the reply tuple is the original's inverse, so each difference
/// is a translation.
#[doc(alias = "CTA_NAT_SRC")]
#[doc(alias = "CTA_NAT_DST")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Translation {
    /// The address it was translated to.
    pub address: IpAddr,
    /// The port it was translated to, for protocols with ports. It may be the original's.
    pub port: Option<u16>,
}

impl Translation {
    /// Source NAT: what the far end sees as the source, if that is not the original source.
    pub(crate) fn of_source(original: &Tuple, reply: &Tuple) -> Option<Self> {
        let seen = Self { address: reply.destination, port: reply.endpoints.destination_port() };
        let id_changed = matches!((original.endpoints, reply.endpoints),
            (Endpoints::Icmp { id: was, .. }, Endpoints::Icmp { id: is, .. }) if was != is);
        let changed = seen.address != original.source
            || seen.port != original.endpoints.source_port()
            || id_changed;
        changed.then_some(seen)
    }

    /// Destination NAT: who answers, if that is not the original destination.
    pub(crate) fn of_destination(original: &Tuple, reply: &Tuple) -> Option<Self> {
        let seen = Self { address: reply.source, port: reply.endpoints.source_port() };
        let changed = seen.address != original.destination
            || seen.port != original.endpoints.destination_port();
        changed.then_some(seen)
    }
}

/// The addresses, and perhaps the ports, that NAT chooses from when it sets up a new entry.
///
/// The kernel chooses the address by the addresses of the entry's ends, so that the same ends get the
/// same one. It chooses a port that makes the reply tuple unique. If there is none, it refuses the
/// entry with `EEXIST`.
///
/// ```
/// use ctnetlink::flow::NatRange;
/// use std::net::IpAddr;
/// let (first, last): (IpAddr, IpAddr) = ([203, 0, 113, 1].into(), [203, 0, 113, 9].into());
/// let one = NatRange::address(first); // any port, the original one if it is free
/// let several = NatRange::addresses(first..=last).ports(1024..=65535);
/// let exactly_this = NatRange::from((first, 6000));
/// ```
#[doc(alias = "nf_nat_range2")]
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct NatRange {
    addresses: RangeInclusive<IpAddr>,
    ports: Option<RangeInclusive<u16>>,
}

impl NatRange {
    /// One address.
    #[doc(alias = "CTA_NAT_V4_MINIP")]
    #[doc(alias = "CTA_NAT_V6_MINIP")]
    pub const fn address(address: IpAddr) -> Self {
        Self::addresses(RangeInclusive::new(address, address))
    }

    /// Any of these addresses, both ends included, of one family.
    #[doc(alias = "CTA_NAT_V4_MAXIP")]
    #[doc(alias = "CTA_NAT_V6_MAXIP")]
    pub const fn addresses(addresses: RangeInclusive<IpAddr>) -> Self {
        Self { addresses, ports: None }
    }

    /// Any of these ports, both ends included: for ICMP identifiers, for GRE keys. Without them the
    /// port stays as it is if it can, and else becomes another of the same kind.
    #[doc(alias = "CTA_NAT_PROTO")]
    #[doc(alias = "CTA_PROTONAT_PORT_MIN")]
    #[doc(alias = "CTA_PROTONAT_PORT_MAX")]
    #[must_use]
    pub fn ports(mut self, ports: RangeInclusive<u16>) -> Self {
        self.ports = Some(ports);
        self
    }
}

#[cfg(all(target_os = "linux", not(ctnetlink_pure)))]
impl NatRange {
    /// Finds what kernels refuse or ignore for an entry with this tuple.
    pub(super) fn check(&self, original: &Tuple) -> Result<(), InvalidFlow> {
        let (first, last) = (self.addresses.start(), self.addresses.end());
        let v4 = original.source.is_ipv4();
        refuse_if(
            first.is_ipv4() != v4 || last.is_ipv4() != v4,
            "NAT to an address of the other family",
            "give one of the family of the original tuple",
        )?;
        refuse_if(
            first > last || self.ports.as_ref().is_some_and(RangeInclusive::is_empty),
            "a NAT range that ends before it begins",
            "give the lower end first",
        )?;
        refuse_if(
            self.ports.is_some() && original.endpoints == Endpoints::None,
            "NAT to ports, of a protocol that has none",
            "leave the ports out",
        )
    }

    /// Writes the range as the attribute `kind`.
    pub(super) fn write(&self, kind: u16, writer: &mut Writer<'_>) {
        writer.nest(kind, |writer| {
            for (address, v4, v6) in [
                (self.addresses.start(), CTA_NAT_V4_MINIP, CTA_NAT_V6_MINIP),
                (self.addresses.end(), CTA_NAT_V4_MAXIP, CTA_NAT_V6_MAXIP),
            ] {
                writer.put_address(*address, v4, v6);
            }
            writer.when(self.ports.as_ref(), |writer, ports| {
                writer.nest(CTA_NAT_PROTO, |writer| {
                    writer.put_be16(CTA_PROTONAT_PORT_MIN, *ports.start());
                    writer.put_be16(CTA_PROTONAT_PORT_MAX, *ports.end());
                });
            });
        });
    }
}

impl From<IpAddr> for NatRange {
    fn from(address: IpAddr) -> Self {
        Self::address(address)
    }
}

/// Exactly this address and port.
impl From<(IpAddr, u16)> for NatRange {
    fn from((address, port): (IpAddr, u16)) -> Self {
        Self::address(address).ports(port..=port)
    }
}

/// What an entry was translated to. ICMP identifiers are not part of a [`Translation`].
impl From<Translation> for NatRange {
    fn from(seen: Translation) -> Self {
        match seen.port {
            Some(port) => Self::from((seen.address, port)),
            None => Self::address(seen.address),
        }
    }
}
