//! Which kinds of entries a filter can be true of, before any is looked at.

use super::Expression;
use super::condition::{Condition, Test};
use crate::field::{Field, Kind};
use crate::flow::{Family, Protocol, State};

/// A set of kinds of entries: of the pairs of a family and a protocol, one bit each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Kinds([[u64; 4]; 2]);

impl Kinds {
    pub(super) const NONE: Self = Self([[0; 4]; 2]);
    pub(super) const ALL: Self = Self([[u64::MAX; 4]; 2]);

    fn of_families(possible: impl Fn(Family) -> bool) -> Self {
        let all = |family| if possible(family) { [u64::MAX; 4] } else { [0; 4] };
        Self([all(Family::Ipv4), all(Family::Ipv6)])
    }

    fn of_protocols(protocols: impl IntoIterator<Item = Protocol>) -> Self {
        let mut words = [0; 4];
        for Protocol(number) in protocols {
            if let Some(word) = words.get_mut(usize::from(number / 64)) {
                *word |= 1 << (number % 64);
            }
        }
        Self([words; 2])
    }

    fn join(self, other: Self, join: impl Fn(u64, u64) -> u64) -> Self {
        let mut joined = self;
        let pairs = joined.0.as_flattened_mut().iter_mut().zip(other.0.as_flattened());
        pairs.for_each(|(own, its)| *own = join(*own, *its));
        joined
    }

    pub(super) fn and(self, other: Self) -> Self {
        self.join(other, |own, its| own & its)
    }

    fn or(self, other: Self) -> Self {
        self.join(other, |own, its| own | its)
    }

    fn opposite(self) -> Self {
        self.join(self, |own, _| !own)
    }

    pub(super) fn is_empty(self) -> bool {
        self == Self::NONE
    }

    /// The protocol, if all of the kinds have the same.
    pub(super) fn protocol(self) -> Option<Protocol> {
        let Self([v4, v6]) = self;
        let mut found = (0..=u8::MAX).map(Protocol).filter(|Protocol(number)| {
            let has = |words: &[u64; 4]| {
                words
                    .get(usize::from(number / 64))
                    .is_some_and(|word| word >> (number % 64) & 1 == 1)
            };
            has(&v4) || has(&v6)
        });
        found.next().filter(|_| found.next().is_none())
    }
}

/// The kinds of entries something can be true of, and those it can be false of. What is called impossible is so; not
/// everything that is called possible is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Possible {
    pub(super) yes: Kinds,
    pub(super) no: Kinds,
}

impl Possible {
    /// What is true of all entries.
    const TRUE: Self = Self { yes: Kinds::ALL, no: Kinds::NONE };

    pub(super) fn all(parts: impl Iterator<Item = Self>) -> Self {
        parts.fold(Self::TRUE, |all, part| Self {
            yes: all.yes.and(part.yes),
            no: all.no.or(part.no),
        })
    }

    pub(super) fn any(parts: impl Iterator<Item = Self>) -> Self {
        Self::all(parts.map(Self::opposite)).opposite()
    }

    pub(super) fn opposite(self) -> Self {
        Self { yes: self.no, no: self.yes }
    }
}

impl Expression {
    pub(super) fn possible(&self) -> Possible {
        match self {
            Self::All(parts) => Possible::all(parts.iter().map(Self::possible)),
            Self::Any(parts) => Possible::any(parts.iter().map(Self::possible)),
            Self::Not(inner) => inner.possible().opposite(),
            Self::Is(condition) => condition.possible(),
        }
    }

    /// Whether no entry can match, though that is not what it says.
    pub(super) fn is_contradiction(&self) -> bool {
        self.possible().yes.is_empty() && !self.is_nothing()
    }
}

impl Condition {
    fn possible(&self) -> Possible {
        let yes = match (&self.test, self.field.spec().kind) {
            (Test::Numbers(set), Kind::Protocol) => {
                let wanted = |Protocol(number): &_| set.contains(u32::from(*number));
                Kinds::of_protocols(all_protocols().filter(wanted))
            }
            (Test::Numbers(set), Kind::State) => {
                let states = || set.iter().filter_map(|code| u16::try_from(code).ok());
                let possible = |protocol: &_| {
                    states().any(|code| State::from_code(code).is_possible_for(*protocol))
                };
                // Protocols without a tracker have the same states, all of them.
                let tracked = [Protocol::TCP, Protocol::SCTP, Protocol::DCCP];
                let others = all_protocols().filter(|one| !tracked.contains(one));
                let others = others.take(if possible(&Protocol::UDP) { 256 } else { 0 });
                Kinds::of_protocols(tracked.into_iter().filter(possible).chain(others))
            }
            (_, Kind::Number { only: only @ [_, ..], .. }) => {
                Kinds::of_protocols(only.iter().copied())
            }
            _ => match self.family() {
                Some(only) => Kinds::of_families(|family| family == only),
                None => Kinds::ALL,
            },
        };
        // Of most, an entry of the right kind can be the opposite, too.
        let no = match self.field {
            Field::Family | Field::Protocol => yes.opposite(),
            _ => Kinds::ALL,
        };
        Possible { yes, no }
    }
}

fn all_protocols() -> impl Iterator<Item = Protocol> {
    (0..=u8::MAX).map(Protocol)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filter::Filter;

    /// The kinds of a state, asked of each protocol.
    #[test]
    fn protocols_without_a_tracker_have_the_same_states() {
        for code in 0..0x200 {
            let state = State::from_code(code);
            let all = (0..=u8::MAX).map(Protocol).filter(|one| state.is_possible_for(*one));
            let Filter(filter) = Filter::state(state);
            assert_eq!(filter.possible().yes, Kinds::of_protocols(all), "{state}");
        }
    }

    #[test]
    fn the_protocol_is_told_if_there_is_one() {
        for one in (0..=u8::MAX).map(Protocol) {
            assert_eq!(Kinds::of_protocols([one]).protocol(), Some(one));
        }
        assert_eq!(Kinds::of_protocols([Protocol::TCP, Protocol::UDP]).protocol(), None);
        assert_eq!(Kinds::NONE.protocol(), None);
    }
}
