//! What stands behind the sign of a condition.

use super::condition::{Comparison, Condition, Masked, Operator, Test};
use super::text::UNITS;
use super::{Filter, quoted};
use crate::field::{FIELDS, Field, Kind, Network, Networks, Numbers};
use crate::flow::{Protocol, State, Status};

type Result<T> = std::result::Result<T, String>;

/// How a word compares what it names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sign {
    Equal,
    Unequal,
    Less,
    AtMost,
    More,
    AtLeast,
}

/// A field without a value.
pub(super) fn alone(field: Field) -> Result<Filter> {
    match field.spec().kind {
        Kind::Nat => Ok(Condition::new(field, Test::There).into()),
        _ => Err(format!("a value is missing: {}=…", field.spec().word)),
    }
}

/// A field with values.
pub(super) fn compared(field: Field, sign: Sign, text: &str) -> Result<Filter> {
    let kind = field.spec().kind;
    match kind {
        Kind::Time | Kind::Since => return comparison(field, sign, text, time),
        Kind::Amount => return comparison(field, sign, text, amount),
        _ if sign != Sign::Equal => {
            let compared = [Kind::Time, Kind::Since, Kind::Amount];
            let compared = FIELDS.iter().filter(|spec| compared.contains(&spec.kind));
            let words: Vec<_> = compared.map(|spec| spec.word).collect();
            return Err(format!("only these have more and less: {}", words.join(", ")));
        }
        _ => {}
    }
    let numbers = |item: fn(&str) -> Result<u32>| -> Result<Numbers> {
        Ok(items(text, item)?.into_iter().map(|number| number..=number).collect())
    };
    let test = match kind {
        Kind::Family => Test::Numbers(numbers(family)?),
        Kind::Protocol => Test::Numbers(numbers(protocol)?),
        Kind::State => Test::Numbers(numbers(state)?),
        Kind::Address | Kind::Nat => Test::Networks(networks(text)?),
        Kind::Number { most, what, .. } => Test::Numbers(ranges(text, what, most)?),
        Kind::Labels => Test::Numbers(ranges(text, "a label is given by its number", 127)?),
        Kind::Status => return status(text),
        Kind::Mark => Test::Masked(sorted(items(text, masked)?)),
        Kind::Text => {
            let name = |text: &str| {
                if text.is_empty() { Err(EMPTY.to_owned()) } else { quoted::read(text) }
            };
            Test::Names(sorted(quoted::items(text).into_iter().map(name).collect::<Result<_>>()?))
        }
        Kind::Time | Kind::Since | Kind::Amount => {
            return Err("a value is missing".to_owned()); // dealt with above
        }
    };
    Ok(Condition::new(field, test).into())
}

/// A list with commas between.
fn items<T>(text: &str, item: impl Fn(&str) -> Result<T>) -> Result<Vec<T>> {
    text.split(',')
        .map(|text| if text.is_empty() { Err(EMPTY.to_owned()) } else { item(text) })
        .collect()
}

const EMPTY: &str = "a value is missing beside a comma";

fn sorted<T: Ord>(mut items: Vec<T>) -> Vec<T> {
    items.sort();
    items.dedup();
    items
}

/// A number of digits only: no sign, which `parse` would take.
fn digits<T: std::str::FromStr>(text: &str) -> Option<T> {
    let all = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if all { text.parse().ok() } else { None }
}

fn ranges(text: &str, what: &str, most: u32) -> Result<Numbers> {
    let number = |text: &str| {
        digits(text)
            .filter(|number: &u32| *number <= most)
            .ok_or_else(|| format!("{what} from 0 to {most}, {text:?} is none"))
    };
    let ranges = items(text, |text| match text.split_once('-') {
        None => number(text).map(|number| number..=number),
        Some((first, last)) => {
            let (first, last) = (number(first)?, number(last)?);
            if first > last {
                return Err(format!("the range {first}-{last} ends before it begins"));
            }
            Ok(first..=last)
        }
    })?;
    Ok(ranges.into_iter().collect())
}

fn networks(text: &str) -> Result<Networks> {
    let network = |text: &str| {
        text.parse::<Network>().map_err(|error| format!("{text} is no network: {error}"))
    };
    Ok(items(text, network)?.into_iter().collect())
}

fn family(text: &str) -> Result<u32> {
    match text {
        "ipv4" | "inet" | "4" => Ok(4),
        "ipv6" | "inet6" | "6" => Ok(6),
        _ => Err("a family is ipv4 or ipv6".to_owned()),
    }
}

fn protocol(text: &str) -> Result<u32> {
    Protocol::from_name(&text.to_ascii_lowercase())
        .or_else(|| digits(text).map(Protocol))
        .map(|Protocol(number)| number.into())
        .ok_or_else(|| format!("{text:?} is no protocol; there are {}", Protocol::NAMES.join(", ")))
}

fn state(text: &str) -> Result<u32> {
    State::from_name(&text.to_ascii_uppercase())
        .or_else(|| digits(text).map(State::unnamed))
        .map(|state| state.code().into())
        .ok_or_else(|| format!("{text:?} is no state; there are {}", State::NAMES.join(", ")))
}

/// Bits joined by `+` are meant together; where commas part them, any is enough.
fn status(text: &str) -> Result<Filter> {
    let together = |text: &str| {
        let mut bits = Status::empty();
        for text in text.split('+') {
            bits |= bit(text)?;
        }
        Ok(bits)
    };
    if !text.contains(',') {
        return together(text).map(Filter::status);
    }
    let parts = items(text, together)?;
    let single = parts.iter().all(|bits| bits.bits().count_ones() == 1);
    Ok(if single {
        Filter::status_any(parts.into_iter().collect())
    } else {
        Filter::any(parts.into_iter().map(Filter::status))
    })
}

fn bit(text: &str) -> Result<Status> {
    let number = |digits: &str| u32::from_str_radix(digits, 16).ok().filter(|bits| *bits != 0);
    Status::from_name(&text.to_ascii_uppercase().replace('-', "_"))
        .or_else(|| text.strip_prefix("0x").and_then(number).map(Status::from_bits_retain))
        .ok_or_else(|| {
            let names: Vec<_> = Status::named().iter_names().map(|(name, _)| name).collect();
            format!("{text:?} is no status bit; there are {}", names.join(", "))
        })
}

fn masked(text: &str) -> Result<Masked> {
    let number = |text: &str| {
        let hexadecimal = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
        match hexadecimal {
            Some(hex) if !hex.starts_with('+') => u32::from_str_radix(hex, 16).ok(),
            Some(_) => None,
            None => digits(text),
        }
        .ok_or_else(|| format!("a mark is a number of 32 bits, {text:?} is none"))
    };
    let Some((value, mask)) = text.split_once('/') else {
        return Ok(Masked { value: number(text)?, mask: u32::MAX });
    };
    let (value, mask) = (number(value)?, number(mask)?);
    if value & !mask != 0 {
        return Err(format!("{value:#x} has bits that the mask {mask:#x} leaves out"));
    }
    Ok(Masked { value, mask })
}

/// A number or a range of them, compared.
fn comparison(
    field: Field,
    sign: Sign,
    text: &str,
    number: impl Fn(&str) -> Result<u64>,
) -> Result<Filter> {
    if text.contains(',') {
        return Err("it takes one number, or a range of them".to_owned());
    }
    let one = |operator, value| {
        Filter::from(Condition::new(field, Test::Compared(Comparison { operator, value })))
    };
    if let Some((from, to)) = text.split_once('-') {
        if sign != Sign::Equal {
            return Err("a range comes after =".to_owned());
        }
        let (from, to) = (number(from)?, number(to)?);
        if from > to {
            return Err("the range ends before it begins".to_owned());
        }
        return Ok(one(Operator::AtLeast, from) & one(Operator::AtMost, to));
    }
    let value = number(text)?;
    let operator = match sign {
        Sign::Less => Operator::Less,
        Sign::AtMost => Operator::AtMost,
        Sign::More => Operator::More,
        Sign::AtLeast => Operator::AtLeast,
        Sign::Equal | Sign::Unequal => Operator::Equal,
    };
    Ok(one(operator, value))
}

/// Splits the unit off a number.
fn with_unit(text: &str) -> Option<(u64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    Some((digits(number)?, unit))
}

/// Nanoseconds; seconds where there is no unit.
fn time(text: &str) -> Result<u64> {
    with_unit(text)
        .and_then(|(number, unit)| {
            let unit = if unit.is_empty() { "s" } else { unit };
            let (_, length) = UNITS.iter().find(|(name, _)| *name == unit)?;
            number.checked_mul(*length)
        })
        .ok_or_else(|| format!("a time is a number with ms, s, m, h or d, {text:?} is none"))
}

/// A number, perhaps of thousands (k, M, G, T) or of 1,024s (Ki, Mi, Gi, Ti).
fn amount(text: &str) -> Result<u64> {
    with_unit(text)
        .and_then(|(number, unit)| {
            let unit = unit.strip_suffix('B').unwrap_or(unit);
            let (power, base) = match unit {
                "" => (0, 1_000_u64),
                "k" | "K" => (1, 1_000),
                "M" => (2, 1_000),
                "G" => (3, 1_000),
                "T" => (4, 1_000),
                "Ki" => (1, 1_024),
                "Mi" => (2, 1_024),
                "Gi" => (3, 1_024),
                "Ti" => (4, 1_024),
                _ => return None,
            };
            number.checked_mul(base.pow(power))
        })
        .ok_or_else(|| {
            format!("an amount is a number with k, M, G, Ki, Mi or Gi, {text:?} is none")
        })
}
