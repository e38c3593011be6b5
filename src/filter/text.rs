//! A filter as text, which reads back as the same filter.

use std::fmt::{self, Display, Write};

use super::condition::{Comparison, Condition, NANOSECONDS, Operator};
use super::parse::quoted;
use super::words::Word;
use super::{Expression, Filter};
use crate::flow::Status;

/// The text form: conditions side by side, `or` between alternatives, `!` before what must not be.
/// Nothing at all means every entry. One that no entry can match ends in `or !()`, so that it is read as
/// meant so.
impl Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            all @ Expression::All(_) if all.is_contradiction() => write_part(f, all)?,
            other => write(f, other)?,
        }
        f.write_str(if self.0.is_contradiction() { " or !()" } else { "" })
    }
}

fn write(f: &mut fmt::Formatter<'_>, expression: &Expression) -> fmt::Result {
    match expression {
        Expression::All(parts) => join(f, parts, " "),
        Expression::Any(parts) => join(f, parts, " or "),
        Expression::Not(inner) => match &**inner {
            Expression::Is(Condition::StatusAll(Status::SEEN_REPLY)) => f.write_str("unreplied"),
            inner => {
                f.write_str("!")?;
                write_part(f, inner)
            }
        },
        Expression::Is(condition) => condition.fmt(f),
    }
}

fn join<'e>(
    f: &mut fmt::Formatter<'_>,
    parts: impl IntoIterator<Item = &'e Expression>,
    between: &str,
) -> fmt::Result {
    for (index, part) in parts.into_iter().enumerate() {
        f.write_str(if index == 0 { "" } else { between })?;
        write_part(f, part)?;
    }
    Ok(())
}

/// As a part of a larger one.
fn write_part(f: &mut fmt::Formatter<'_>, expression: &Expression) -> fmt::Result {
    match expression {
        Expression::All(_) | Expression::Any(_) => {
            f.write_str("(")?;
            write(f, expression)?;
            f.write_str(")")
        }
        Expression::Not(_) | Expression::Is(_) => write(f, expression),
    }
}

impl Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.word().name();
        match self {
            Self::Family(family) => write!(f, "{name}={family}"),
            Self::Protocol(protocols) => write!(f, "{name}={}", commas(protocols)),
            Self::State(states) => write!(f, "{name}={}", commas(states)),
            Self::Address(_, networks) | Self::Nat(_, Some(networks)) => {
                write!(f, "{name}={networks}")
            }
            Self::Port(_, numbers)
            | Self::Key(_, numbers)
            | Self::Icmp(_, numbers)
            | Self::Zone(_, numbers)
            | Self::Label(numbers) => write!(f, "{name}={numbers}"),
            Self::StatusAll(Status::ASSURED) => f.write_str(Word::Assured.name()),
            Self::StatusAll(Status::SEEN_REPLY) => f.write_str(Word::Replied.name()),
            Self::StatusAll(bits) => write!(f, "{name}={}", bits.to_string().replace('|', "+")),
            Self::StatusAny(bits) => {
                let named = bits.iter_names().map(|(_, bit)| bit);
                let each = named.chain(unknown_bits(*bits));
                write!(f, "{name}={}", commas(&each.collect::<Vec<_>>()))
            }
            Self::Nat(_, None) => f.write_str(name),
            Self::Mark(marks) => {
                let mut separator = '=';
                f.write_str(name)?;
                for masked in marks {
                    write!(f, "{separator}{:#x}", masked.value)?;
                    if masked.mask != u32::MAX {
                        write!(f, "/{:#x}", masked.mask)?;
                    }
                    separator = ',';
                }
                Ok(())
            }
            Self::Helper(names) => {
                let names: Vec<_> = names.iter().map(|name| quoted::write(name)).collect();
                write!(f, "{name}={}", commas(&names))
            }
            Self::Id(ids) => write!(f, "{name}={}", commas(ids)),
            Self::Timeout(comparison) | Self::Age(comparison) => {
                write!(f, "{name}{}{}", comparison.sign(), Time(comparison.value))
            }
            Self::Amount(_, _, comparison) => {
                write!(f, "{name}{}{}", comparison.sign(), comparison.value)
            }
        }
    }
}

impl Condition {
    pub(super) fn word(&self) -> Word {
        match self {
            Self::Family(_) => Word::Family,
            Self::Protocol(_) => Word::Protocol,
            Self::State(_) => Word::State,
            Self::Address(place, _) => Word::Address(*place),
            Self::Port(place, _) => Word::Port(*place),
            Self::Key(place, _) => Word::Key(*place),
            Self::Icmp(part, _) => Word::Icmp(*part),
            Self::StatusAll(_) | Self::StatusAny(_) => Word::Status,
            Self::Nat(kind, _) => Word::Nat(*kind),
            Self::Zone(direction, _) => Word::Zone(*direction),
            Self::Mark(_) => Word::Mark,
            Self::Label(_) => Word::Label,
            Self::Helper(_) => Word::Helper,
            Self::Id(_) => Word::Id,
            Self::Timeout(_) => Word::Timeout,
            Self::Age(_) => Word::Age,
            Self::Amount(unit, direction, _) => Word::Amount(*unit, *direction),
        }
    }
}

/// The bits without a name, one at a time.
fn unknown_bits(bits: Status) -> impl Iterator<Item = Status> {
    let unknown = bits.bits() & !Status::named().bits();
    (0..32)
        .map(move |bit| Status::from_bits_retain(1 << bit & unknown))
        .filter(|bit| !bit.is_empty())
}

fn commas<T: Display>(items: &[T]) -> String {
    let mut text = String::new();
    for item in items {
        let comma = if text.is_empty() { "" } else { "," };
        let _ = write!(text, "{comma}{item}"); // into a string, which takes all
    }
    text
}

impl Comparison {
    fn sign(self) -> &'static str {
        match self.operator {
            Operator::Less => "<",
            Operator::AtMost => "<=",
            Operator::Equal => "=",
            Operator::AtLeast => ">=",
            Operator::More => ">",
        }
    }
}

/// Units of time in nanoseconds, largest first.
pub(super) const UNITS: [(&str, u64); 7] = [
    ("d", 86_400 * NANOSECONDS),
    ("h", 3_600 * NANOSECONDS),
    ("m", 60 * NANOSECONDS),
    ("s", NANOSECONDS),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("ns", 1),
];

/// Nanoseconds, in the largest unit they are a whole number of.
struct Time(u64);

impl Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fits = |&&(_, length): &&(&str, u64)| self.0 != 0 && self.0 % length == 0;
        let (unit, length) = UNITS.iter().find(fits).unwrap_or(&("s", NANOSECONDS));
        write!(f, "{}{unit}", self.0 / length)
    }
}
