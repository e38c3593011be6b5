//! A group's key as a few bytes: each field at a fixed width, in the order its values sort in.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::field::{Field, Prefix};
use super::project::Projection;
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
            Self::Port(None) | Self::Mark(None) => f.pad("-"),
        }
    }
}

/// Names and addresses as strings, ports, zones and marks as numbers, what is not there as null.
#[cfg(feature = "serde")]
impl serde::Serialize for Value {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Port(port) => port.serialize(serializer),
            Self::Zone(zone) => zone.serialize(serializer),
            Self::Mark(mark) => mark.serialize(serializer),
            other => serializer.collect_str(other),
        }
    }
}

impl Field {
    /// Bytes of the field in a key.
    const fn width(self) -> usize {
        match self {
            Self::Family | Self::Protocol => 1,
            Self::State | Self::Zone => 2,
            Self::SourcePort
            | Self::DestinationPort
            | Self::ReplySourcePort
            | Self::ReplyDestinationPort => 3,
            Self::Status => 4,
            Self::Mark => 5,
            Self::Source(_)
            | Self::Destination(_)
            | Self::ReplySource(_)
            | Self::ReplyDestination(_) => 17,
        }
    }
}

/// Bytes of a key of these fields.
pub(crate) fn width(fields: &[Field]) -> usize {
    fields.iter().map(|field| field.width()).sum()
}

/// Writes the key of an entry; `key` is as long as [`width`] says.
#[inline]
pub(crate) fn encode(fields: &[Field], entry: &Projection, mut key: &mut [u8]) {
    let key = &mut key;
    for field in fields {
        match *field {
            Field::Family => put(key, [family_byte(entry.original.source)]),
            Field::Protocol => put(key, [entry.original.protocol.0]),
            Field::State => put(key, entry.state().code().to_be_bytes()),
            Field::Source(prefix) => put(key, address(prefix, entry.original.source)),
            Field::Destination(prefix) => put(key, address(prefix, entry.original.destination)),
            Field::SourcePort => put(key, port(entry.original.endpoints.source_port())),
            Field::DestinationPort => put(key, port(entry.original.endpoints.destination_port())),
            Field::ReplySource(prefix) => put(key, address(prefix, entry.reply.source)),
            Field::ReplyDestination(prefix) => put(key, address(prefix, entry.reply.destination)),
            Field::ReplySourcePort => put(key, port(entry.reply.endpoints.source_port())),
            Field::ReplyDestinationPort => put(key, port(entry.reply.endpoints.destination_port())),
            Field::Zone => put(key, entry.zone().to_be_bytes()),
            Field::Mark => {
                let [a, b, c, d] = entry.mark.unwrap_or_default().to_be_bytes();
                put(key, [entry.mark.is_some().into(), a, b, c, d]);
            }
            Field::Status => put(key, entry.status.bits().to_be_bytes()),
        }
    }
}

/// Writes to the front of `key`, and takes it off.
#[inline]
fn put<const N: usize>(key: &mut &mut [u8], bytes: [u8; N]) {
    if let Some((place, rest)) = std::mem::take(key).split_first_chunk_mut() {
        *place = bytes;
        *key = rest;
    }
}

/// Reads a key that [`encode`] wrote for the same fields.
pub(crate) fn decode(fields: &[Field], mut key: &[u8]) -> Vec<Value> {
    let mut values = Vec::with_capacity(fields.len());
    for &field in fields {
        let (bytes, rest) = key.split_at_checked(field.width()).unwrap_or_default();
        key = rest;
        values.push(match (field, bytes) {
            (Field::Protocol, &[number]) => Value::Protocol(Protocol(number)),
            (Field::State, &[a, b]) => Value::State(State::from_code(u16::from_be_bytes([a, b]))),
            (Field::Zone, &[a, b]) => Value::Zone(u16::from_be_bytes([a, b])),
            (
                Field::SourcePort
                | Field::DestinationPort
                | Field::ReplySourcePort
                | Field::ReplyDestinationPort,
                &[there, a, b],
            ) => Value::Port((there != 0).then_some(u16::from_be_bytes([a, b]))),
            (Field::Status, &[a, b, c, d]) => {
                Value::Status(Status::from_bits_retain(u32::from_be_bytes([a, b, c, d])))
            }
            (Field::Mark, &[there, a, b, c, d]) => {
                Value::Mark((there != 0).then_some(u32::from_be_bytes([a, b, c, d])))
            }
            (
                Field::Source(prefix)
                | Field::Destination(prefix)
                | Field::ReplySource(prefix)
                | Field::ReplyDestination(prefix),
                &[family, ref address @ ..],
            ) => address_value(prefix, family, address),
            (_, &[V6, ..]) => Value::Family(Family::Ipv6),
            _ => Value::Family(Family::Ipv4),
        });
    }
    values
}

// The family comes first, so that IPv4 sorts before IPv6, and an IPv4 address is not taken for the
// IPv6 address with the same first bytes.
const V4: u8 = 4;
const V6: u8 = 6;

fn family_byte(address: IpAddr) -> u8 {
    if address.is_ipv4() { V4 } else { V6 }
}

#[inline]
fn address(prefix: Prefix, address: IpAddr) -> [u8; 17] {
    let mut bytes = [0; 17];
    match prefix.mask(address) {
        IpAddr::V4(address) => {
            let [a, b, c, d] = address.octets();
            [bytes[0], bytes[1], bytes[2], bytes[3], bytes[4]] = [V4, a, b, c, d];
        }
        IpAddr::V6(address) => {
            bytes[0] = V6;
            bytes[1..].copy_from_slice(&address.octets());
        }
    }
    bytes
}

#[inline]
fn port(port: Option<u16>) -> [u8; 3] {
    let [a, b] = port.unwrap_or_default().to_be_bytes();
    [port.is_some().into(), a, b]
}

fn address_value(prefix: Prefix, family: u8, bytes: &[u8]) -> Value {
    let address: IpAddr = if family == V4 {
        Ipv4Addr::from(bytes.first_chunk().copied().unwrap_or_default()).into()
    } else {
        Ipv6Addr::from(bytes.first_chunk().copied().unwrap_or_default()).into()
    };
    match prefix.of(address) {
        Some(length) => Value::Network(address, length),
        None => Value::Address(address),
    }
}
