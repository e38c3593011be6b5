//! A tuple: what packets of one direction look like, and so what the kernel finds an entry by.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::layout;
use crate::flow::{Family, Protocol};
use crate::wire::ctnetlink::*;
use crate::wire::writer::Writer;
use crate::wire::{Attributes, WireError};

/// One of the two directions of a flow.
#[doc(alias = "IP_CT_DIR_ORIGINAL")]
#[doc(alias = "IP_CT_DIR_REPLY")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// The direction of the first packet, from the one who opened the flow.
    Original,
    /// The way back. With NAT its addresses are not the original's turned round.
    Reply,
}

/// What packets of one direction of a flow look like.
#[doc(alias = "CTA_TUPLE_ORIG")]
#[doc(alias = "CTA_TUPLE_REPLY")]
#[doc(alias = "nf_conntrack_tuple")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Tuple {
    /// Where the packets come from.
    #[doc(alias = "CTA_IP_V4_SRC")]
    #[doc(alias = "CTA_IP_V6_SRC")]
    pub source: IpAddr,
    /// Where the packets go to.
    #[doc(alias = "CTA_IP_V4_DST")]
    #[doc(alias = "CTA_IP_V6_DST")]
    pub destination: IpAddr,
    /// The layer-4 protocol.
    pub protocol: Protocol,
    /// What tells flows between the same hosts apart.
    pub endpoints: Endpoints,
    /// The zone of this direction only (Linux 4.3 and later). `None` for a flow whose zone, if
    /// any, holds for both directions: that one is [`FlowRef::zone`](crate::flow::FlowRef::zone).
    #[doc(alias = "CTA_TUPLE_ZONE")]
    pub zone: Option<u16>,
}

/// The part of a [`Tuple`] that depends on the protocol.
#[doc(alias = "CTA_TUPLE_PROTO")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Endpoints {
    /// TCP, UDP, SCTP, UDP-Lite up to Linux 7.0, and DCCP up to 6.16.
    #[doc(alias = "CTA_PROTO_SRC_PORT")]
    #[doc(alias = "CTA_PROTO_DST_PORT")]
    Ports {
        /// Source port.
        source: u16,
        /// Destination port.
        destination: u16,
    },
    /// ICMP and ICMPv6.
    #[doc(alias = "CTA_PROTO_ICMP_ID")]
    #[doc(alias = "CTA_PROTO_ICMPV6_ID")]
    Icmp {
        /// The message's type, such as 8 for an IPv4 echo request.
        icmp_type: u8,
        /// The message's code.
        code: u8,
        /// The identifier.
        id: u16,
    },
    /// GRE, by its call ids or keys. On the wire they are named as ports are.
    GreKeys {
        /// Source key.
        source: u16,
        /// Destination key.
        destination: u16,
    },
    /// Any other protocol: the addresses and the protocol are all there is.
    None,
}

impl Endpoints {
    /// The source port, for protocols that have ports. GRE keys are none.
    pub const fn source_port(self) -> Option<u16> {
        if let Self::Ports { source, .. } = self { Some(source) } else { None }
    }

    /// The destination port, for protocols that have ports. GRE keys are none.
    pub const fn destination_port(self) -> Option<u16> {
        if let Self::Ports { destination, .. } = self { Some(destination) } else { None }
    }
}

impl Tuple {
    /// A tuple with ports.
    ///
    /// ```
    /// use ctnetlink::flow::{Protocol, Tuple};
    /// let tuple = Tuple::with_ports(
    ///     Protocol::TCP,
    ///     ("10.0.0.1".parse()?, 40000),
    ///     ("10.0.0.2".parse()?, 443),
    /// );
    /// assert_eq!(tuple.to_string(), "src=10.0.0.1 dst=10.0.0.2 sport=40000 dport=443");
    /// # Ok::<(), std::net::AddrParseError>(())
    /// ```
    pub const fn with_ports(
        protocol: Protocol,
        source: (IpAddr, u16),
        destination: (IpAddr, u16),
    ) -> Self {
        Self {
            source: source.0,
            destination: destination.0,
            protocol,
            endpoints: Endpoints::Ports { source: source.1, destination: destination.1 },
            zone: None,
        }
    }

    /// The address family.
    pub const fn family(&self) -> Family {
        match self.source {
            IpAddr::V4(_) => Family::Ipv4,
            IpAddr::V6(_) => Family::Ipv6,
        }
    }

    /// The tuple of the way back if nothing translates it: ends exchanged, ICMP requests turned
    /// into their answers. ICMP types that have no answer stay as they are.
    pub fn inverse(&self) -> Self {
        let endpoints = match self.endpoints {
            Endpoints::Ports { source, destination } => {
                Endpoints::Ports { source: destination, destination: source }
            }
            Endpoints::GreKeys { source, destination } => {
                Endpoints::GreKeys { source: destination, destination: source }
            }
            Endpoints::Icmp { icmp_type, code, id } => {
                // The pairs the kernel's `icmp_invert_tuple` and its ICMPv6 twin know.
                const V4: [(u8, u8); 4] = [(8, 0), (13, 14), (15, 16), (17, 18)];
                const V6: [(u8, u8); 2] = [(128, 129), (139, 140)];
                let pairs: &[(u8, u8)] = if self.protocol == Protocol::ICMPV6 { &V6 } else { &V4 };
                let answer = pairs.iter().find_map(|&(request, reply)| {
                    if icmp_type == request {
                        Some(reply)
                    } else if icmp_type == reply {
                        Some(request)
                    } else {
                        None
                    }
                });
                Endpoints::Icmp { icmp_type: answer.unwrap_or(icmp_type), code, id }
            }
            Endpoints::None => Endpoints::None,
        };
        Self {
            source: self.destination,
            destination: self.source,
            protocol: self.protocol,
            endpoints,
            zone: None,
        }
    }

    /// Reads the nest of a `CTA_TUPLE_…` attribute. `what` names it in the error.
    #[inline]
    pub(crate) fn parse(nest: &[u8], what: &'static str) -> Result<Self, WireError> {
        match layout::usual(nest) {
            Some(tuple) => Ok(tuple),
            None => Self::parse_any(nest, what),
        }
    }

    /// Reads the nest attribute by attribute.
    pub(super) fn parse_any(nest: &[u8], what: &'static str) -> Result<Self, WireError> {
        let (mut source, mut destination) = (None, None);
        let mut zone = None;
        let mut proto = Proto::default();
        for attribute in Attributes::new(nest) {
            let attribute = attribute?;
            match attribute.kind {
                CTA_TUPLE_IP => {
                    for address in attribute.attributes() {
                        let address = address?;
                        let bytes = address.payload;
                        match address.kind {
                            CTA_IP_V4_SRC => source = Some(ipv4(bytes, "CTA_IP_V4_SRC")?),
                            CTA_IP_V4_DST => destination = Some(ipv4(bytes, "CTA_IP_V4_DST")?),
                            CTA_IP_V6_SRC => source = Some(ipv6(bytes, "CTA_IP_V6_SRC")?),
                            CTA_IP_V6_DST => destination = Some(ipv6(bytes, "CTA_IP_V6_DST")?),
                            _ => {}
                        }
                    }
                }
                CTA_TUPLE_PROTO => proto = Proto::parse(attribute.attributes())?,
                CTA_TUPLE_ZONE => zone = Some(attribute.be16("CTA_TUPLE_ZONE")?),
                _ => {}
            }
        }
        let protocol = proto.number.ok_or(WireError::missing(what, "CTA_PROTO_NUM"))?;
        Ok(Self {
            source: source.ok_or(WireError::missing(what, "the source address"))?,
            destination: destination.ok_or(WireError::missing(what, "the destination address"))?,
            protocol,
            endpoints: proto.endpoints(protocol),
            zone,
        })
    }

    /// Writes the tuple as the attribute `kind`.
    pub(crate) fn write(&self, kind: u16, writer: &mut Writer<'_>) {
        writer.nest(kind, |writer| {
            writer.nest(CTA_TUPLE_IP, |writer| {
                write_address(writer, self.source, CTA_IP_V4_SRC, CTA_IP_V6_SRC);
                write_address(writer, self.destination, CTA_IP_V4_DST, CTA_IP_V6_DST);
            });
            writer.nest(CTA_TUPLE_PROTO, |writer| {
                writer.put_u8(CTA_PROTO_NUM, self.protocol.0);
                match self.endpoints {
                    Endpoints::Ports { source, destination }
                    | Endpoints::GreKeys { source, destination } => {
                        writer.put_be16(CTA_PROTO_SRC_PORT, source);
                        writer.put_be16(CTA_PROTO_DST_PORT, destination);
                    }
                    Endpoints::Icmp { icmp_type, code, id } => {
                        let [id_kind, type_kind, code_kind] =
                            if self.protocol == Protocol::ICMPV6 { ICMPV6 } else { ICMP };
                        writer.put_be16(id_kind, id);
                        writer.put_u8(type_kind, icmp_type);
                        writer.put_u8(code_kind, code);
                    }
                    Endpoints::None => {}
                }
            });
            if let Some(zone) = self.zone {
                writer.put_be16(CTA_TUPLE_ZONE, zone);
            }
        });
    }
}

const ICMP: [u16; 3] = [CTA_PROTO_ICMP_ID, CTA_PROTO_ICMP_TYPE, CTA_PROTO_ICMP_CODE];
const ICMPV6: [u16; 3] = [CTA_PROTO_ICMPV6_ID, CTA_PROTO_ICMPV6_TYPE, CTA_PROTO_ICMPV6_CODE];

/// What a `CTA_TUPLE_PROTO` nest holds, before the protocol tells what it means.
#[derive(Default)]
struct Proto {
    number: Option<Protocol>,
    source_port: Option<u16>,
    destination_port: Option<u16>,
    icmp_id: Option<u16>,
    icmp_type: Option<u8>,
    icmp_code: Option<u8>,
}

impl Proto {
    #[inline]
    fn parse(attributes: Attributes<'_>) -> Result<Self, WireError> {
        let mut proto = Self::default();
        for attribute in attributes {
            let attribute = attribute?;
            match attribute.kind {
                CTA_PROTO_NUM => proto.number = Some(Protocol(attribute.u8("CTA_PROTO_NUM")?)),
                CTA_PROTO_SRC_PORT => {
                    proto.source_port = Some(attribute.be16("CTA_PROTO_SRC_PORT")?);
                }
                CTA_PROTO_DST_PORT => {
                    proto.destination_port = Some(attribute.be16("CTA_PROTO_DST_PORT")?);
                }
                CTA_PROTO_ICMP_ID | CTA_PROTO_ICMPV6_ID => {
                    proto.icmp_id = Some(attribute.be16("CTA_PROTO_ICMP_ID")?);
                }
                CTA_PROTO_ICMP_TYPE | CTA_PROTO_ICMPV6_TYPE => {
                    proto.icmp_type = Some(attribute.u8("CTA_PROTO_ICMP_TYPE")?);
                }
                CTA_PROTO_ICMP_CODE | CTA_PROTO_ICMPV6_CODE => {
                    proto.icmp_code = Some(attribute.u8("CTA_PROTO_ICMP_CODE")?);
                }
                _ => {}
            }
        }
        Ok(proto)
    }

    /// Half of a pair is not a port: a message that carries only one (no kernel does) reads as
    /// having none.
    fn endpoints(&self, protocol: Protocol) -> Endpoints {
        if let (Some(source), Some(destination)) = (self.source_port, self.destination_port) {
            return if protocol == Protocol::GRE {
                Endpoints::GreKeys { source, destination }
            } else {
                Endpoints::Ports { source, destination }
            };
        }
        if let (Some(id), Some(icmp_type), Some(code)) =
            (self.icmp_id, self.icmp_type, self.icmp_code)
        {
            return Endpoints::Icmp { icmp_type, code, id };
        }
        Endpoints::None
    }
}

fn ipv4(bytes: &[u8], what: &'static str) -> Result<IpAddr, WireError> {
    let octets = <[u8; 4]>::try_from(bytes).map_err(|_| WireError::length(what, bytes.len()))?;
    Ok(IpAddr::V4(Ipv4Addr::from(octets)))
}

fn ipv6(bytes: &[u8], what: &'static str) -> Result<IpAddr, WireError> {
    let octets = <[u8; 16]>::try_from(bytes).map_err(|_| WireError::length(what, bytes.len()))?;
    Ok(IpAddr::V6(Ipv6Addr::from(octets)))
}

fn write_address(writer: &mut Writer<'_>, address: IpAddr, v4: u16, v6: u16) {
    match address {
        IpAddr::V4(address) => writer.put(v4, &address.octets()),
        IpAddr::V6(address) => writer.put(v6, &address.octets()),
    }
}

/// As `conntrack -L` prints it: `src=… dst=… sport=… dport=…`.
impl fmt::Display for Tuple {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "src={} dst={}", self.source, self.destination)?;
        self.endpoints.write_text(f)
    }
}

impl Endpoints {
    /// As it follows the addresses, with a blank before each part.
    pub(super) fn write_text(self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ports { source, destination } => write!(f, " sport={source} dport={destination}"),
            Self::Icmp { icmp_type, code, id } => {
                write!(f, " type={icmp_type} code={code} id={id}")
            }
            Self::GreKeys { source, destination } => {
                write!(f, " srckey={source:#x} dstkey={destination:#x}")
            }
            Self::None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tuple(protocol: Protocol, endpoints: Endpoints) -> Tuple {
        let address = |last| IpAddr::from([10, 0, 0, last]);
        Tuple { source: address(1), destination: address(2), protocol, endpoints, zone: None }
    }

    #[test]
    fn the_way_back_of_a_ping_is_its_answer() {
        let ping = tuple(Protocol::ICMP, Endpoints::Icmp { icmp_type: 8, code: 0, id: 7 });
        let reply = ping.inverse();
        assert_eq!(reply.endpoints, Endpoints::Icmp { icmp_type: 0, code: 0, id: 7 });
        assert_eq!(reply.inverse(), ping);
        let other = tuple(Protocol::ICMP, Endpoints::Icmp { icmp_type: 3, code: 1, id: 0 });
        assert_eq!(other.inverse().endpoints, other.endpoints);
    }

    #[test]
    fn keys_of_gre_are_not_ports() {
        let gre = tuple(Protocol::GRE, Endpoints::GreKeys { source: 1, destination: 2 });
        assert_eq!(gre.endpoints.destination_port(), None);
        assert_eq!(gre.to_string(), "src=10.0.0.1 dst=10.0.0.2 srckey=0x1 dstkey=0x2");
    }
}
