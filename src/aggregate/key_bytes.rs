//! A group's key as a few bytes: each field at a fixed width, in the order its values sort in.
//!
//! Keys come in two forms. Where every address of a key is of IPv4, it is narrow, and an address has
//! four bytes; else it is wide, and an address has seventeen, the first of which is its family.
//! Nearly every key is narrow, and half as long as it would be wide; what is kept for a key decides
//! how many groups fit the processor's caches.

use std::cmp::Ordering;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::SystemTime;

use crate::field::{Datum, Get, Key, Kind, Prefix, Span, Value, age};
use crate::flow::FlowRef;

/// How the addresses of a key are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// All of them are of IPv4.
    Narrow,
    /// At least one is of IPv6.
    Wide,
}

/// Bytes of one part of a key.
pub(super) fn width_of(key: Key, form: Form) -> usize {
    match (key.field().spec().kind, form) {
        (Kind::Family | Kind::Protocol | Kind::Time | Kind::Since, _) => 1,
        (Kind::State, _) => 2,
        (Kind::Status, _) => 4,
        (Kind::Address | Kind::Nat, Form::Narrow) => 4,
        (Kind::Address | Kind::Nat, Form::Wide) => 17,
        // The first byte says whether it is there.
        (Kind::Number { most: ..=65_535, .. }, _) => 3,
        (Kind::Number { .. } | Kind::Mark, _) => 5,
        (Kind::Amount, _) => 9,
        // Nothing is grouped by them.
        (Kind::Labels | Kind::Text, _) => 0,
    }
}

/// Bytes of a key of these parts.
pub(crate) fn width(keys: &[Key], form: Form) -> usize {
    keys.iter().map(|key| width_of(*key, form)).sum()
}

/// Writes the key of an entry; `key` is as long as [`width`] says, or longer. `None` if it cannot be
/// narrow but should.
#[inline]
pub(crate) fn encode(
    keys: &[Key],
    entry: &FlowRef<'_>,
    now: SystemTime,
    form: Form,
    mut bytes: &mut [u8],
) -> Option<()> {
    let bytes = &mut bytes;
    for key in keys {
        let spec = key.field().spec();
        let datum = match spec.get {
            Get::One(get) | Get::Known(get) => get(entry),
            Get::Any(_) => None,
        };
        let number = datum.as_ref().map(Datum::number);
        match (spec.kind, &datum) {
            (Kind::Time, _) => put(bytes, [span(number)]),
            (Kind::Since, _) => put(bytes, [span(number.map(|began| age(began, now)))]),
            (_, Some(Datum::Address(address))) => put_address(bytes, key.prefix(), *address, form)?,
            (kind, _) => put_number(bytes, width_of(*key, form), is_optional(kind), number),
        }
    }
    Some(())
}

/// Whether its first byte says that it is there.
const fn is_optional(kind: Kind) -> bool {
    matches!(kind, Kind::Number { .. } | Kind::Mark | Kind::Amount)
}

#[inline]
fn put_number(bytes: &mut &mut [u8], width: usize, optional: bool, number: Option<u64>) {
    let Some((place, rest)) = std::mem::take(bytes).split_at_mut_checked(width) else { return };
    *bytes = rest;
    let mut value = number.unwrap_or_default();
    for byte in place.iter_mut().skip(usize::from(optional)).rev() {
        *byte = value as u8;
        value >>= 8;
    }
    if let (true, Some(first)) = (optional, place.first_mut()) {
        *first = number.is_some().into();
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

/// Reads a key that [`encode`] wrote for the same parts.
pub(crate) fn decode(keys: &[Key], form: Form, mut bytes: &[u8]) -> Vec<Value> {
    let mut values = Vec::with_capacity(keys.len());
    for &key in keys {
        let (part, rest) = bytes.split_at_checked(width_of(key, form)).unwrap_or_default();
        bytes = rest;
        values.push(value(key, part));
    }
    values
}

/// What these bytes of a key say.
fn value(key: Key, bytes: &[u8]) -> Value {
    let kind = key.field().spec().kind;
    let number = |bytes: &[u8]| bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
    match (kind, bytes) {
        (Kind::Address | Kind::Nat, _) => address_value(key.prefix(), bytes),
        // Zero is for what the kernel does not say.
        (Kind::Time | Kind::Since, [code]) => {
            code.checked_sub(1).map_or(Value::Missing, |code| Value::of(kind, code.into()))
        }
        (_, [there, rest @ ..]) if is_optional(kind) => {
            if *there == 0 {
                Value::Missing
            } else {
                Value::of(kind, number(rest))
            }
        }
        _ => Value::of(kind, number(bytes)),
    }
}

/// The first bytes of a field, which has as many: [`width_of`] says so.
fn first<const N: usize>(bytes: &[u8]) -> [u8; N] {
    bytes.first_chunk().copied().unwrap_or([0; N])
}

/// A narrow key as a wide one.
pub(crate) fn widen(keys: &[Key], mut narrow: &[u8]) -> Vec<u8> {
    let mut wide = Vec::with_capacity(width(keys, Form::Wide));
    for &key in keys {
        let (short, rest) =
            narrow.split_at_checked(width_of(key, Form::Narrow)).unwrap_or_default();
        narrow = rest;
        let padding = width_of(key, Form::Wide) - width_of(key, Form::Narrow);
        if padding > 0 {
            wide.push(V4);
        }
        wide.extend(short);
        wide.resize(wide.len() + padding.saturating_sub(1), 0);
    }
    wide
}

/// How a narrow key and a wide one of the same fields are sorted.
pub(crate) fn compare(keys: &[Key], mut narrow: &[u8], mut wide: &[u8]) -> Ordering {
    for &key in keys {
        let (short, rest) =
            narrow.split_at_checked(width_of(key, Form::Narrow)).unwrap_or_default();
        let (long, others) = wide.split_at_checked(width_of(key, Form::Wide)).unwrap_or_default();
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

/// The range of a time in nanoseconds. Zero is for what the kernel does not say.
#[inline]
pub(super) fn span(nanoseconds: Option<u64>) -> u8 {
    nanoseconds.map_or(0, |time| Span::of(time / 1_000_000_000).code() + 1)
}

fn address_value(prefix: Prefix, bytes: &[u8]) -> Value {
    let address: IpAddr = match bytes {
        &[V6, ref octets @ ..] if bytes.len() > 4 => Ipv6Addr::from(first(octets)).into(),
        [_, octets @ ..] if bytes.len() > 4 => Ipv4Addr::from(first(octets)).into(),
        octets => Ipv4Addr::from(first(octets)).into(),
    };
    Value::of_address(address, prefix)
}
