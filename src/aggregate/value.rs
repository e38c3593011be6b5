//! What a group has in common.

use std::fmt;
use std::net::IpAddr;

#[cfg(doc)]
use super::field::Field;
use super::span::Span;
use crate::flow::{Family, Protocol, State, Status};

/// The value of one [`Field`] of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Value {
    /// Of [`Field::Family`].
    Family(Family),
    /// Of [`Field::Protocol`].
    Protocol(Protocol),
    /// Of [`Field::State`].
    State(State),
    /// Of a field with addresses, where they count whole.
    Address(IpAddr),
    /// Of a field with addresses, where only a prefix counts.
    Network(IpAddr, u8),
    /// Of a field with ports; `None` for protocols without.
    Port(Option<u16>),
    /// Of [`Field::Zone`].
    Zone(u16),
    /// Of [`Field::Mark`]; `None` on kernels without marks.
    Mark(Option<u32>),
    /// Of [`Field::Status`].
    Status(Status),
    /// Of [`Field::Expires`] and [`Field::Age`]; `None` where the kernel does not say.
    Span(Option<Span>),
}

/// As the examples print it; `-` for what is not there.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Family(family) => family.fmt(f),
            Self::Protocol(protocol) => protocol.fmt(f),
            Self::State(state) => state.fmt(f),
            Self::Address(address) => address.fmt(f),
            Self::Network(address, length) => write!(f, "{address}/{length}"),
            Self::Port(Some(port)) => port.fmt(f),
            Self::Zone(zone) => zone.fmt(f),
            Self::Mark(Some(mark)) => mark.fmt(f),
            Self::Status(status) => status.fmt(f),
            Self::Span(Some(span)) => span.fmt(f),
            Self::Port(None) | Self::Mark(None) | Self::Span(None) => f.pad("-"),
        }
    }
}

/// Names, addresses and spans as strings, ports, zones and marks as numbers, what is not there as null.
#[cfg(feature = "serde")]
impl serde::Serialize for Value {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Port(port) => port.serialize(serializer),
            Self::Zone(zone) => zone.serialize(serializer),
            Self::Mark(mark) => mark.serialize(serializer),
            Self::Span(None) => serializer.serialize_none(),
            other => serializer.collect_str(other),
        }
    }
}
