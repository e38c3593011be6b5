//! What the entries of a group have in common.

use std::fmt;
use std::net::IpAddr;

use super::{Kind, Network, Prefix, Span};
use crate::flow::{Family, Protocol, State, Status};

/// The value that the entries of a group have of one field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Value {
    /// A family.
    Family(Family),
    /// A layer-4 protocol.
    Protocol(Protocol),
    /// A state.
    State(State),
    /// An address, where it counts whole.
    Address(IpAddr),
    /// A network, where only a prefix of the address counts.
    Network(Network),
    /// A port, a zone, a mark.
    Number(u64),
    /// Status bits.
    Status(Status),
    /// A range of time.
    Span(Span),
    /// What the entries do not have: ports of a protocol without, a mark of a kernel without, a time it does not keep.
    Missing,
}

impl Value {
    /// What a number says that is not missing.
    pub(crate) fn of(kind: Kind, number: u64) -> Self {
        match kind {
            Kind::Family if number == 4 => Self::Family(Family::Ipv4),
            Kind::Family => Self::Family(Family::Ipv6),
            Kind::Protocol => Self::Protocol(Protocol(number as u8)),
            Kind::State => Self::State(State::from_code(number as u16)),
            Kind::Status => Self::Status(Status::from_bits_retain(number as u32)),
            Kind::Time | Kind::Since => Self::Span(Span::from_code(number as u8)),
            Kind::Number { .. } | Kind::Mark | Kind::Amount => Self::Number(number),
            Kind::Address | Kind::Nat | Kind::Labels | Kind::Text => Self::Missing,
        }
    }

    /// The port, for a field of ports; `None` for protocols without.
    pub fn port(self) -> Option<u16> {
        if let Self::Number(number) = self { number.try_into().ok() } else { None }
    }

    /// What a field of addresses says, by the prefix that counts.
    pub(crate) fn of_address(address: IpAddr, prefix: Prefix) -> Self {
        match prefix.of(address) {
            Some(length) => Self::Network(Network::new(address, length)),
            None => Self::Address(address),
        }
    }
}

/// As the examples print it; `-` for what is missing.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Family(family) => family.fmt(f),
            Self::Protocol(protocol) => protocol.fmt(f),
            Self::State(state) => state.fmt(f),
            Self::Address(address) => address.fmt(f),
            Self::Network(network) => network.fmt(f),
            Self::Number(number) => number.fmt(f),
            Self::Status(status) => status.fmt(f),
            Self::Span(span) => span.fmt(f),
            Self::Missing => f.pad("-"),
        }
    }
}

/// Numbers as numbers, what is missing as null, all else as strings.
#[cfg(feature = "serde")]
impl serde::Serialize for Value {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Number(number) => number.serialize(serializer),
            Self::Missing => serializer.serialize_none(),
            other => serializer.collect_str(other),
        }
    }
}
