//! One condition: a field, and a test of its value.

use std::time::SystemTime;

use crate::field::{Datum, Field, Get, Kind, Networks, Numbers, age};
use crate::flow::{Family, FlowRef, Status};

/// A condition. Lists are never empty, ascending, and hold if any of their items does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Condition {
    pub(crate) field: Field,
    pub(crate) test: Test,
}

/// What is asked of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Test {
    /// There is one.
    There,
    Numbers(Numbers),
    Networks(Networks),
    Masked(Vec<Masked>),
    /// All of these bits are set.
    AllOf(Status),
    /// Any of these bits, of which there are several.
    AnyOf(Status),
    Names(Vec<String>),
    Compared(Comparison),
}

/// A value, and which of its bits count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Masked {
    pub(crate) value: u32,
    pub(crate) mask: u32,
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

pub(crate) const NANOSECONDS: u64 = 1_000_000_000;

impl Comparison {
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
    fn holds_for_time(self, time: u64) -> bool {
        match self.operator {
            Operator::Equal => time / NANOSECONDS == self.value / NANOSECONDS,
            _ => self.holds(time),
        }
    }
}

impl Test {
    fn holds(&self, kind: Kind, datum: &Datum<'_>, now: SystemTime) -> bool {
        let number = datum.number();
        match (self, datum) {
            (Self::There, _) => true,
            (Self::Numbers(set), Datum::Labels(labels)) => {
                labels.iter().any(|label| set.contains(label.into()))
            }
            (Self::Numbers(set), _) => u32::try_from(number).is_ok_and(|it| set.contains(it)),
            (Self::Networks(set), Datum::Address(address)) => set.contains(*address),
            (Self::Masked(marks), _) => {
                marks.iter().any(|one| number & u64::from(one.mask) == u64::from(one.value))
            }
            (Self::AllOf(bits), _) => number & u64::from(bits.bits()) == u64::from(bits.bits()),
            (Self::AnyOf(bits), _) => number & u64::from(bits.bits()) != 0,
            (Self::Names(names), Datum::Text(text)) => names.iter().any(|name| name == text),
            (Self::Compared(comparison), _) => match kind {
                Kind::Time => comparison.holds_for_time(number),
                Kind::Since => comparison.holds_for_time(age(number, now)),
                _ => comparison.holds(number),
            },
            (Self::Networks(_) | Self::Names(_), _) => false,
        }
    }
}

impl Condition {
    pub(crate) fn new(field: Field, test: Test) -> Self {
        Self { field, test }
    }

    /// Whether it holds for an entry; `None` if the entry does not say.
    pub(crate) fn judge(&self, entry: &FlowRef<'_>, now: SystemTime) -> Option<bool> {
        self.judge_field(self.field, entry, now)
    }

    fn judge_field(&self, field: Field, entry: &FlowRef<'_>, now: SystemTime) -> Option<bool> {
        let spec = field.spec();
        let holds = |datum: Datum<'_>| self.test.holds(spec.kind, &datum, now);
        match spec.get {
            Get::One(get) => get(entry).map(holds),
            Get::Known(get) => Some(get(entry).is_some_and(holds)),
            Get::Any(fields) => {
                Some(fields.iter().any(|one| self.judge_field(*one, entry, now) == Some(true)))
            }
        }
    }

    /// Whether it holds for every entry there can be.
    pub(crate) fn is_always(&self) -> bool {
        let spec = self.field.spec();
        match (&self.test, spec.kind) {
            (Test::Networks(networks), Kind::Address) => networks.is_full(),
            (Test::Numbers(set), Kind::Family) => set.contains(4) && set.contains(6),
            (Test::Numbers(set), Kind::Protocol) => set.is_full(u8::MAX.into()),
            (Test::Numbers(set), Kind::Number { most, only: [], .. }) => {
                matches!(spec.get, Get::Known(_)) && set.is_full(most)
            }
            (Test::Masked(marks), _) => marks.iter().any(|one| one.mask == 0 && one.value == 0),
            (Test::Compared(comparison), _) => {
                comparison.operator == Operator::AtLeast && comparison.value == 0
            }
            _ => false,
        }
    }

    /// The family it can hold for; `None` for both.
    pub(crate) fn family(&self) -> Option<Family> {
        match &self.test {
            Test::Networks(networks) => networks.family(),
            Test::Numbers(set) if self.field == Field::Family => [Family::Ipv4, Family::Ipv6]
                .into_iter()
                .find(|family| set.single() == Some(family.version().into())),
            _ => None,
        }
    }
}
