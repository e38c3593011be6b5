//! A group's key as a few bytes: each field at a fixed width, in the order its values sort in.
//!
//! Keys come in two forms. Where every address of a key is of IPv4, it is narrow, and an address has
//! four bytes; else it is wide, and an address has seventeen, the first of which is its family.
//! Nearly every key is narrow, and half as long as it would be wide; what is kept for a key decides
//! how many groups fit the processor's caches.

use std::cmp::Ordering;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::field::{Field, Prefix};
use super::project::Projection;
use super::span::Span;
use super::value::Value;
use crate::flow::{Family, Protocol, State, Status};

/// How the addresses of a key are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// All of them are of IPv4.
    Narrow,
    /// At least one is of IPv6.
    Wide,
}

impl Field {
    /// Bytes of the field in a key.
    pub(super) const fn width(self, form: Form) -> usize {
        match self {
            Self::Family | Self::Protocol | Self::Expires | Self::Age => 1,
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
            | Self::ReplyDestination(_) => match form {
                Form::Narrow => 4,
                Form::Wide => 17,
            },
        }
    }
}

/// Bytes of a key of these fields.
pub(crate) fn width(fields: &[Field], form: Form) -> usize {
    fields.iter().map(|field| field.width(form)).sum()
}

/// Writes the key of an entry; `key` is as long as [`width`] says, or longer. `None` if it cannot be
/// narrow but should.
#[inline]
pub(crate) fn encode(
    fields: &[Field],
    entry: &Projection,
    form: Form,
    mut key: &mut [u8],
) -> Option<()> {
    let key = &mut key;
    for field in fields {
        match *field {
            Field::Family => put(key, [family_byte(entry.original.source)]),
            Field::Protocol => put(key, [entry.original.protocol.0]),
            Field::State => put(key, entry.state().code().to_be_bytes()),
            Field::Source(prefix) => put_address(key, prefix, entry.original.source, form)?,
            Field::Destination(prefix) => {
                put_address(key, prefix, entry.original.destination, form)?;
            }
            Field::SourcePort => put(key, port(entry.original.endpoints.source_port())),
            Field::DestinationPort => put(key, port(entry.original.endpoints.destination_port())),
            Field::ReplySource(prefix) => put_address(key, prefix, entry.reply.source, form)?,
            Field::ReplyDestination(prefix) => {
                put_address(key, prefix, entry.reply.destination, form)?;
            }
            Field::ReplySourcePort => put(key, port(entry.reply.endpoints.source_port())),
            Field::ReplyDestinationPort => put(key, port(entry.reply.endpoints.destination_port())),
            Field::Zone => put(key, entry.zone().to_be_bytes()),
            Field::Mark => {
                let [a, b, c, d] = entry.mark.unwrap_or_default().to_be_bytes();
                put(key, [entry.mark.is_some().into(), a, b, c, d]);
            }
            Field::Status => put(key, entry.status.bits().to_be_bytes()),
            Field::Expires => put(key, [span(entry.timeout.map(u64::from))]),
            Field::Age => put(key, [span(entry.age())]),
        }
    }
    Some(())
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
pub(crate) fn decode(fields: &[Field], form: Form, mut key: &[u8]) -> Vec<Value> {
    let mut values = Vec::with_capacity(fields.len());
    for &field in fields {
        let (bytes, rest) = key.split_at_checked(field.width(form)).unwrap_or_default();
        key = rest;
        values.push(value(field, bytes));
    }
    values
}

/// What a field says by these bytes of a key.
// Every field by its name: one that is added has to be decoded before it compiles.
#[deny(clippy::match_wildcard_for_single_variants, clippy::wildcard_enum_match_arm)]
fn value(field: Field, bytes: &[u8]) -> Value {
    match field {
        Field::Family => Value::Family(match bytes {
            [V6, ..] => Family::Ipv6,
            _ => Family::Ipv4,
        }),
        Field::Protocol => {
            let [number] = first(bytes);
            Value::Protocol(Protocol(number))
        }
        Field::State => Value::State(State::from_code(u16::from_be_bytes(first(bytes)))),
        Field::Source(prefix)
        | Field::Destination(prefix)
        | Field::ReplySource(prefix)
        | Field::ReplyDestination(prefix) => address_value(prefix, bytes),
        Field::SourcePort
        | Field::DestinationPort
        | Field::ReplySourcePort
        | Field::ReplyDestinationPort => {
            let [there, a, b] = first(bytes);
            Value::Port((there != 0).then_some(u16::from_be_bytes([a, b])))
        }
        Field::Zone => Value::Zone(u16::from_be_bytes(first(bytes))),
        Field::Mark => {
            let [there, a, b, c, d] = first(bytes);
            Value::Mark((there != 0).then_some(u32::from_be_bytes([a, b, c, d])))
        }
        Field::Status => Value::Status(Status::from_bits_retain(u32::from_be_bytes(first(bytes)))),
        Field::Expires | Field::Age => {
            let [code] = first(bytes);
            Value::Span(code.checked_sub(1).map(Span::from_code))
        }
    }
}

/// The first bytes of a field, which has as many: [`Field::width`] says so.
fn first<const N: usize>(bytes: &[u8]) -> [u8; N] {
    bytes.first_chunk().copied().unwrap_or([0; N])
}

/// A narrow key as a wide one.
pub(crate) fn widen(fields: &[Field], mut narrow: &[u8]) -> Vec<u8> {
    let mut wide = Vec::with_capacity(width(fields, Form::Wide));
    for &field in fields {
        let (short, rest) = narrow.split_at_checked(field.width(Form::Narrow)).unwrap_or_default();
        narrow = rest;
        let padding = field.width(Form::Wide) - field.width(Form::Narrow);
        if padding > 0 {
            wide.push(V4);
        }
        wide.extend(short);
        wide.resize(wide.len() + padding.saturating_sub(1), 0);
    }
    wide
}

/// How a narrow key and a wide one of the same fields are sorted.
pub(crate) fn compare(fields: &[Field], mut narrow: &[u8], mut wide: &[u8]) -> Ordering {
    for &field in fields {
        let (short, rest) = narrow.split_at_checked(field.width(Form::Narrow)).unwrap_or_default();
        let (long, others) = wide.split_at_checked(field.width(Form::Wide)).unwrap_or_default();
        (narrow, wide) = (rest, others);
        let order = match long {
            [V6, ..] if short.len() < long.len() => Ordering::Less,
            [_, long @ ..] if short.len() < long.len() => short.iter().cmp(long.iter().take(4)),
            long => short.cmp(long),
        };
        if order.is_ne() {
            return order;
        }
    }
    Ordering::Equal
}

// The family comes first, so that IPv4 sorts before IPv6, and an IPv4 address is not taken for the
// IPv6 address with the same first bytes.
pub(super) const V4: u8 = 4;
pub(super) const V6: u8 = 6;

fn family_byte(address: IpAddr) -> u8 {
    if address.is_ipv4() { V4 } else { V6 }
}

#[inline]
fn put_address(key: &mut &mut [u8], prefix: Prefix, address: IpAddr, form: Form) -> Option<()> {
    match (prefix.mask(address), form) {
        (IpAddr::V4(address), Form::Narrow) => put(key, address.octets()),
        (IpAddr::V6(_), Form::Narrow) => return None,
        (IpAddr::V4(address), Form::Wide) => {
            put(key, [V4]);
            put(key, address.octets());
            put(key, [0; 12]);
        }
        (IpAddr::V6(address), Form::Wide) => {
            put(key, [V6]);
            put(key, address.octets());
        }
    }
    Some(())
}

#[inline]
fn port(port: Option<u16>) -> [u8; 3] {
    let [a, b] = port.unwrap_or_default().to_be_bytes();
    [port.is_some().into(), a, b]
}

/// Zero is for what the kernel does not say.
#[inline]
pub(super) fn span(seconds: Option<u64>) -> u8 {
    seconds.map_or(0, |seconds| Span::of(seconds).code() + 1)
}

fn address_value(prefix: Prefix, bytes: &[u8]) -> Value {
    let address: IpAddr = match bytes {
        &[V6, ref octets @ ..] if bytes.len() > 4 => Ipv6Addr::from(first(octets)).into(),
        [_, octets @ ..] if bytes.len() > 4 => Ipv4Addr::from(first(octets)).into(),
        octets => Ipv4Addr::from(first(octets)).into(),
    };
    match prefix.of(address) {
        Some(length) => Value::Network(address, length),
        None => Value::Address(address),
    }
}
