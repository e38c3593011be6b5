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
/// It is a number, so a protocol that the crate has no name for is a value too. It prints as
/// `conntrack` names it. Without such a name it prints as the number, where `conntrack` prints
/// `unknown`.
#[doc(alias = "CTA_PROTO_NUM")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Protocol(pub u8);

/// Makes the constants, the names and the list of names from the table of protocols.
macro_rules! protocols {
    ($($(#[$doc:meta])* $protocol:ident = $number:literal $name:literal;)*) => {
        impl Protocol {
            $($(#[$doc])* pub const $protocol: Self = Self($number);)*

            /// Every name.
            pub(crate) const NAMES: &[&str] = &[$($name),*];

            /// The name `conntrack` prints, if it has one.
            pub const fn name(self) -> Option<&'static str> {
                match self.0 {
                    $($number => Some($name),)*
                    _ => None,
                }
            }
        }
    };
}

protocols! {
    /// ICMP (1).
    ICMP = 1 "icmp";
    /// TCP (6).
    TCP = 6 "tcp";
    /// UDP (17).
    UDP = 17 "udp";
    /// DCCP (33). Kernels up to 6.16 track it; to later ones it has no ports.
    DCCP = 33 "dccp";
    /// GRE (47).
    GRE = 47 "gre";
    /// ICMPv6 (58).
    ICMPV6 = 58 "icmpv6";
    /// SCTP (132).
    SCTP = 132 "sctp";
    /// UDP-Lite (136). Kernels up to 7.0 track it; to later ones it has no ports.
    UDPLITE = 136 "udplite";
}

impl Protocol {
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
