//! One condition on one field.

use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use super::entry::Entry;
use super::networks::Networks;
use super::numbers::Numbers;
use crate::flow::{Direction, Endpoints, Family, Protocol, State, Status, Translation, Tuple};

/// A condition. Lists are never empty, ascending, and hold if any of their items does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Condition {
    Family(Family),
    Protocol(Vec<Protocol>),
    State(Vec<State>),
    Address(Place, Networks),
    Port(Place, Numbers),
    Key(Place, Numbers),
    Icmp(Icmp, Numbers),
    /// All of these bits are set.
    StatusAll(Status),
    /// Any of these bits, of which there are several.
    StatusAny(Status),
    Nat(Nat, Option<Networks>),
    /// The zone of a direction, or the entry's, whatever direction it is for.
    Zone(Option<Direction>, Numbers),
    Mark(Vec<Masked>),
    Label(Numbers),
    Helper(Vec<String>),
    Id(Vec<u32>),
    Timeout(Comparison),
    Age(Comparison),
    /// What a direction has carried, or both together.
    Amount(Unit, Option<Direction>, Comparison),
}

/// Which address or port of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Place {
    Source,
    Destination,
    ReplySource,
    ReplyDestination,
    /// Any of the four.
    Either,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Icmp {
    Type,
    Code,
    Id,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Nat {
    Source,
    Destination,
    Either,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    Packets,
    Bytes,
}

/// A value, and which of its bits count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Masked {
    pub(crate) value: u32,
    pub(crate) mask: u32,
}

impl Masked {
    fn matches(self, mark: u32) -> bool {
        mark & self.mask == self.value
    }
}

/// A comparison with a number, or with nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Comparison {
    pub(crate) operator: Operator,
    pub(crate) value: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operator {
    Less,
    AtMost,
    Equal,
    AtLeast,
    More,
}

impl Comparison {
    pub(crate) fn new(operator: Operator, value: u64) -> Self {
        Self { operator, value }
    }

    fn holds(self, number: u64) -> bool {
        match self.operator {
            Operator::Less => number < self.value,
            Operator::AtMost => number <= self.value,
            Operator::Equal => number == self.value,
            Operator::AtLeast => number >= self.value,
            Operator::More => number > self.value,
        }
    }

    /// Equal means: in the same second, since nothing about an entry is known more exactly.
    fn holds_for(self, duration: Duration) -> bool {
        match self.operator {
            Operator::Equal => duration.as_secs() == self.value / NANOSECONDS,
            _ => self.holds(nanoseconds(duration)),
        }
    }
}

pub(crate) const NANOSECONDS: u64 = 1_000_000_000;

/// 584 years at most, which is more than a timeout can be.
pub(crate) fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

impl Place {
    fn directed(self) -> Option<(Direction, bool)> {
        match self {
            Self::Source => Some((Direction::Original, true)),
            Self::Destination => Some((Direction::Original, false)),
            Self::ReplySource => Some((Direction::Reply, true)),
            Self::ReplyDestination => Some((Direction::Reply, false)),
            Self::Either => None,
        }
    }

    /// Whether a value in this place is one of those asked for.
    fn any<T>(
        self,
        entry: &impl Entry,
        value: impl Fn(&Tuple, bool) -> Option<T>,
        wanted: impl Fn(T) -> bool,
    ) -> bool {
        let at = |direction, source| value(entry.tuple(direction), source).is_some_and(&wanted);
        match self.directed() {
            Some((direction, source)) => at(direction, source),
            None => [Direction::Original, Direction::Reply]
                .into_iter()
                .any(|direction| at(direction, true) || at(direction, false)),
        }
    }
}

fn address(tuple: &Tuple, source: bool) -> Option<IpAddr> {
    Some(if source { tuple.source } else { tuple.destination })
}

fn port(tuple: &Tuple, source: bool) -> Option<u16> {
    if source { tuple.endpoints.source_port() } else { tuple.endpoints.destination_port() }
}

fn key(tuple: &Tuple, from_source: bool) -> Option<u16> {
    match tuple.endpoints {
        Endpoints::GreKeys { source, destination } => {
            Some(if from_source { source } else { destination })
        }
        _ => None,
    }
}

impl Condition {
    /// Whether it holds for an entry; `None` if the entry does not say.
    pub(crate) fn judge(&self, entry: &impl Entry, now: SystemTime) -> Option<bool> {
        let original = entry.tuple(Direction::Original);
        Some(match self {
            Self::Family(family) => original.family() == *family,
            Self::Protocol(protocols) => protocols.contains(&original.protocol),
            Self::State(states) => states.contains(&entry.state()),
            Self::Address(place, networks) => {
                place.any(entry, address, |address| networks.contains(address))
            }
            Self::Port(place, ports) => place.any(entry, port, |port| ports.contains(port)),
            Self::Key(place, keys) => place.any(entry, key, |key| keys.contains(key)),
            Self::Icmp(part, numbers) => match (original.endpoints, part) {
                (Endpoints::Icmp { icmp_type, .. }, Icmp::Type) => {
                    numbers.contains(icmp_type.into())
                }
                (Endpoints::Icmp { code, .. }, Icmp::Code) => numbers.contains(code.into()),
                (Endpoints::Icmp { id, .. }, Icmp::Id) => numbers.contains(id),
                _ => false,
            },
            Self::StatusAll(bits) => entry.status().contains(*bits),
            Self::StatusAny(bits) => entry.status().intersects(*bits),
            Self::Nat(kind, networks) => {
                let to = |translation: Option<Translation>| {
                    translation.is_some_and(|translation| {
                        networks.as_ref().is_none_or(|set| set.contains(translation.address))
                    })
                };
                (*kind != Nat::Destination && to(entry.source_nat()))
                    || (*kind != Nat::Source && to(entry.destination_nat()))
            }
            Self::Zone(direction, zones) => {
                let zone_of = |direction| entry.tuple(direction).zone;
                let directed = match direction {
                    Some(direction) => zone_of(*direction),
                    None => zone_of(Direction::Original).or(zone_of(Direction::Reply)),
                };
                zones.contains(entry.zone().or(directed).unwrap_or_default())
            }
            Self::Mark(marks) => {
                let mark = entry.mark()?;
                marks.iter().any(|masked| masked.matches(mark))
            }
            // The kernel sends labels only if one is set.
            Self::Label(labels) => entry
                .labels()
                .is_some_and(|set| set.iter().any(|label| labels.contains(label.into()))),
            Self::Helper(names) => {
                entry.helper().is_some_and(|helper| names.iter().any(|name| *name == helper))
            }
            Self::Id(ids) => {
                let id = entry.id()?;
                ids.contains(&id.0)
            }
            Self::Timeout(comparison) => comparison.holds_for(entry.timeout()?),
            // A clock that was set back makes an entry no older than new.
            Self::Age(comparison) => {
                comparison.holds_for(now.duration_since(entry.start()?).unwrap_or_default())
            }
            Self::Amount(unit, direction, comparison) => {
                let amount = |direction| {
                    let counters = entry.counters(direction)?;
                    Some(match unit {
                        Unit::Packets => counters.packets,
                        Unit::Bytes => counters.bytes,
                    })
                };
                comparison.holds(match direction {
                    Some(direction) => amount(*direction)?,
                    None => amount(Direction::Original)?.saturating_add(amount(Direction::Reply)?),
                })
            }
        })
    }

    /// Whether it holds for every entry there can be.
    pub(crate) fn is_always(&self) -> bool {
        match self {
            Self::Address(_, networks) => networks.is_full(),
            Self::Zone(_, zones) => zones.is_full(),
            Self::Protocol(protocols) => protocols.len() == 256,
            Self::Mark(marks) => marks.iter().any(|masked| masked.mask == 0 && masked.value == 0),
            Self::Timeout(comparison) | Self::Age(comparison) | Self::Amount(_, _, comparison) => {
                comparison.operator == Operator::AtLeast && comparison.value == 0
            }
            _ => false,
        }
    }

    /// The family it can hold for; `None` for both.
    pub(crate) fn family(&self) -> Option<Family> {
        match self {
            Self::Family(family) => Some(*family),
            Self::Address(_, networks) => networks.family(),
            Self::Nat(_, Some(networks)) => networks.family(),
            _ => None,
        }
    }
}
