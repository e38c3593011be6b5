//! Families and layer-4 protocols, by number and by the name `conntrack` prints.

use std::fmt;

use crate::wire::ctnetlink;

/// The address family of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// IPv4, `AF_INET`.
    #[doc(alias = "AF_INET")]
    Ipv4,
    /// IPv6, `AF_INET6`.
    #[doc(alias = "AF_INET6")]
    Ipv6,
}

impl Family {
    /// The kernel's number, as it stands in `nfgen_family`.
    pub const fn number(self) -> u8 {
        match self {
            Self::Ipv4 => ctnetlink::AF_INET,
            Self::Ipv6 => ctnetlink::AF_INET6,
        }
    }
}

impl Family {
    /// The version of the Internet protocol: 4 or 6.
    pub const fn version(self) -> u8 {
        match self {
            Self::Ipv4 => 4,
            Self::Ipv6 => 6,
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Ipv4 => "ipv4",
            Self::Ipv6 => "ipv6",
        })
    }
}

/// A layer-4 protocol, by its IP protocol number.
///
/// A number and not a closed list, so that one the crate has no name for is still a value. It
/// prints as `conntrack` names it where `conntrack` has a name, else as the number (where
/// `conntrack` prints `unknown`).
#[doc(alias = "CTA_PROTO_NUM")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Protocol(pub u8);

impl Protocol {
    /// ICMP (1).
    pub const ICMP: Self = Self(1);
    /// TCP (6).
    pub const TCP: Self = Self(6);
    /// UDP (17).
    pub const UDP: Self = Self(17);
    /// DCCP (33). Tracked up to Linux 6.16; a protocol without ports since.
    pub const DCCP: Self = Self(33);
    /// GRE (47).
    pub const GRE: Self = Self(47);
    /// ICMPv6 (58).
    pub const ICMPV6: Self = Self(58);
    /// SCTP (132).
    pub const SCTP: Self = Self(132);
    /// UDP-Lite (136). Tracked up to Linux 7.0; a protocol without ports since.
    pub const UDPLITE: Self = Self(136);

    /// The name `conntrack` prints, if it has one.
    pub const fn name(self) -> Option<&'static str> {
        Some(match self {
            Self::ICMP => "icmp",
            Self::TCP => "tcp",
            Self::UDP => "udp",
            Self::DCCP => "dccp",
            Self::GRE => "gre",
            Self::ICMPV6 => "icmpv6",
            Self::SCTP => "sctp",
            Self::UDPLITE => "udplite",
            _ => return None,
        })
    }
}

impl Protocol {
    /// Every name.
    pub(crate) const NAMES: [&str; 8] =
        ["icmp", "tcp", "udp", "dccp", "gre", "icmpv6", "sctp", "udplite"];

    /// The protocol of this name.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        let name = if name == "ipv6-icmp" { "icmpv6" } else { name };
        (0..=u8::MAX).map(Self).find(|protocol| protocol.name() == Some(name))
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.pad(name),
            None => fmt::Display::fmt(&self.0, f),
        }
    }
}
