//! What a new entry is to be translated to, as a range the kernel chooses from.

use std::net::IpAddr;
use std::ops::RangeInclusive;

use super::objection::Objection;
use crate::flow::{Endpoints, Translation, Tuple};
use crate::wire::ctnetlink::*;
use crate::wire::writer::Writer;

/// The addresses, and perhaps the ports, that NAT chooses from when it sets up a new entry.
///
/// Which address it is goes by the addresses of the entry's ends, so that they keep theirs; which
/// port, by what makes the reply tuple unique. Where none does, the entry is refused with `EEXIST`.
///
/// ```
/// use ctnetlink::flow::NatRange;
/// use std::net::IpAddr;
/// let (first, last): (IpAddr, IpAddr) = ([203, 0, 113, 1].into(), [203, 0, 113, 9].into());
/// let one = NatRange::address(first); // any port, the original one if it is free
/// let several = NatRange::addresses(first..=last).ports(1024..=65535);
/// let that_very_one = NatRange::from((first, 6000));
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

    /// What no kernel takes, or takes and ignores, for an entry with this tuple.
    pub(super) fn check(&self, original: &Tuple) -> Result<(), Objection> {
        let (first, last) = (self.addresses.start(), self.addresses.end());
        let v4 = original.source.is_ipv4();
        if first.is_ipv4() != v4 || last.is_ipv4() != v4 {
            return Err(Objection {
                what: "NAT to an address of the other family",
                remedy: "give one of the family of the original tuple",
            });
        }
        if first > last || self.ports.as_ref().is_some_and(RangeInclusive::is_empty) {
            return Err(Objection {
                what: "a NAT range that ends before it begins",
                remedy: "give the lower end first",
            });
        }
        if self.ports.is_some() && original.endpoints == Endpoints::None {
            return Err(Objection {
                what: "NAT to ports, of a protocol that has none",
                remedy: "leave the ports out",
            });
        }
        Ok(())
    }

    /// Writes the range as the attribute `kind`.
    pub(super) fn write(&self, kind: u16, writer: &mut Writer<'_>) {
        writer.nest(kind, |writer| {
            for (address, v4, v6) in [
                (self.addresses.start(), CTA_NAT_V4_MINIP, CTA_NAT_V6_MINIP),
                (self.addresses.end(), CTA_NAT_V4_MAXIP, CTA_NAT_V6_MAXIP),
            ] {
                match address {
                    IpAddr::V4(address) => writer.put(v4, &address.octets()),
                    IpAddr::V6(address) => writer.put(v6, &address.octets()),
                }
            }
            if let Some(ports) = &self.ports {
                writer.nest(CTA_NAT_PROTO, |writer| {
                    writer.put_be16(CTA_PROTONAT_PORT_MIN, *ports.start());
                    writer.put_be16(CTA_PROTONAT_PORT_MAX, *ports.end());
                });
            }
        });
    }
}

impl From<IpAddr> for NatRange {
    fn from(address: IpAddr) -> Self {
        Self::address(address)
    }
}

/// That very address and port.
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
