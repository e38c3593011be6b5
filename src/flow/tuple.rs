//! A tuple: what packets of one direction look like. The kernel finds an entry by it.

use std::fmt;
use std::net::IpAddr;

use crate::flow::{Family, Protocol};

/// One of the two directions of a flow.
#[doc(alias = "IP_CT_DIR_ORIGINAL")]
#[doc(alias = "IP_CT_DIR_REPLY")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// The direction of the first packet, from the one who opened the flow.
    Original,
    /// The direction of the answers. With NAT it is not just the original with its ends exchanged.
    Reply,
}

impl Direction {
    /// Of two values the one of this direction.
    pub(crate) fn pick<T>(self, original: T, reply: T) -> T {
        match self {
            Self::Original => original,
            Self::Reply => reply,
        }
    }
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
    /// The zone of this direction only (Linux 4.3 and later). A zone of both directions is
    /// [`FlowRef::zone`](crate::flow::FlowRef::zone), and this is `None` then.
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

/// The two halves of a pair of ports or keys, as far as they are known.
type Pair = (Option<u16>, Option<u16>);

impl Endpoints {
    /// Puts together what was said of ports, of GRE keys, and of ICMP's type, code and identifier.
    /// Half of a pair is nothing: no kernel sends it.
    pub(crate) fn from_parts(
        ports: Pair,
        keys: Pair,
        icmp: (Option<u8>, Option<u8>, Option<u16>),
    ) -> Self {
        match (ports, keys, icmp) {
            ((Some(source), Some(destination)), ..) => Self::Ports { source, destination },
            (_, (Some(source), Some(destination)), _) => Self::GreKeys { source, destination },
            (.., (Some(icmp_type), Some(code), Some(id))) => Self::Icmp { icmp_type, code, id },
            _ => Self::None,
        }
    }

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

    /// The tuple of the answers if nothing translates them: the ends are exchanged, and an ICMP
    /// request becomes its answer. ICMP types without an answer stay as they are.
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
                let pairs: &[[u8; 2]] = match self.protocol {
                    Protocol::ICMPV6 => &[[128, 129], [139, 140]],
                    _ => &[[8, 0], [13, 14], [15, 16], [17, 18]],
                };
                let pair = pairs.iter().find(|pair| pair.contains(&icmp_type));
                let other = pair.map(|[request, answer]| request ^ answer ^ icmp_type);
                Endpoints::Icmp { icmp_type: other.unwrap_or(icmp_type), code, id }
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
