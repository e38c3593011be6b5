//! A filter as text, which reads back as the same filter.

use std::fmt::{self, Display};

use super::condition::{Comparison, Condition, Masked, NANOSECONDS, Operator, Test};
use super::quoted;
use super::words::FLAGS;
use super::{Expression, Filter};
use crate::field::{Kind, Value};
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
            Expression::Is(Condition { test: Test::AllOf(bits), .. }) if unset(*bits).is_some() => {
                f.write_str(unset(*bits).unwrap_or_default())
            }
            inner => {
                f.write_str("!")?;
                write_part(f, inner)
            }
        },
        Expression::Is(condition) => condition.fmt(f),
    }
}

/// The word for a bit that is not set.
fn unset(bits: Status) -> Option<&'static str> {
    let flag = FLAGS.iter().find(|(_, bit, set, _)| *bit == bits && !set);
    flag.map(|(word, ..)| *word)
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
        let spec = self.field.spec();
        let word = spec.word;
        match &self.test {
            Test::There => f.write_str(word),
            Test::Numbers(set) => match spec.kind {
                Kind::Family | Kind::Protocol | Kind::State => {
                    let value = |number: u32| Value::of(spec.kind, number.into()).to_string();
                    write!(f, "{word}={}", commas(set.iter().map(value)))
                }
                _ => write!(f, "{word}={set}"),
            },
            Test::Networks(networks) => write!(f, "{word}={networks}"),
            Test::Masked(marks) => write!(f, "{word}={}", commas(marks)),
            Test::AllOf(bits) => match FLAGS.iter().find(|(_, bit, set, _)| bit == bits && *set) {
                Some((flag, ..)) => f.write_str(flag),
                None => write!(f, "{word}={}", bits.to_string().replace('|', "+")),
            },
            Test::AnyOf(bits) => {
                let named = bits.iter_names().map(|(_, bit)| bit);
                write!(f, "{word}={}", commas(named.chain(unknown_bits(*bits))))
            }
            Test::Names(names) => {
                write!(f, "{word}={}", commas(names.iter().map(|name| quoted::write(name))))
            }
            Test::Compared(Comparison { operator, value }) => match spec.kind {
                Kind::Time | Kind::Since => write!(f, "{word}{operator}{}", Time(*value)),
                _ => write!(f, "{word}{operator}{value}"),
            },
        }
    }
}

impl Display for Masked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.value)?;
        if self.mask == u32::MAX { Ok(()) } else { write!(f, "/{:#x}", self.mask) }
    }
}

impl Display for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Less => "<",
            Self::AtMost => "<=",
            Self::Equal => "=",
            Self::AtLeast => ">=",
            Self::More => ">",
        })
    }
}

/// The bits without a name, one at a time.
fn unknown_bits(bits: Status) -> impl Iterator<Item = Status> {
    let unknown = bits.bits() & !Status::named().bits();
    (0..32)
        .map(move |bit| Status::from_bits_retain(1 << bit & unknown))
        .filter(|bit| !bit.is_empty())
}

fn commas<T: Display>(items: impl IntoIterator<Item = T>) -> String {
    let items: Vec<_> = items.into_iter().map(|item| item.to_string()).collect();
    items.join(",")
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
