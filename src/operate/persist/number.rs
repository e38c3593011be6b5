//! What the kernel makes of the text that is written to a setting.

use crate::operate::tune::sizing;

/// What becomes of a setting when a text is written to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Taken {
    /// It is this number.
    Number(i64),
    /// It stays as it was: the kernel refuses the text, for this reason.
    Refused(Refusal),
    /// That is not known, for this reason: kernels differ, or it depends on more than files say.
    Unsure(&'static str),
}

/// Why a text is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// `5x`, `+5`, and nothing at all.
    NoNumber,
    /// The setting cannot have this number.
    OutOfRange,
    /// It can only be read.
    ReadOnly,
}

/// What a setting can be.
enum Kind {
    /// Seconds, which the kernel keeps as ticks of its clock.
    Seconds,
    /// Any `int`.
    Int,
    /// Any `int`; newer kernels refuse numbers below zero.
    Size,
    Buckets,
    /// A number up to this one. Older kernels take any number, newer ones refuse those above it and below zero.
    UpTo(i64),
    /// A number that has to fit other settings.
    Dependent,
    Count,
}

const INT_MAX: i64 = 0x7fff_ffff;

/// The slowest and the fastest clock that kernels are commonly built with, in Hz.
const CLOCKS: (i64, i64) = (100, 1000);

/// How many characters of a number the kernel looks at. It refuses a number that fills them.
const LONGEST: usize = 21;

/// What becomes of the setting of this path when this text is written to it.
pub(super) fn taken(path: &str, text: &[u8]) -> Taken {
    let kind = kind(path);
    if matches!(kind, Kind::Count) {
        return Taken::Refused(Refusal::ReadOnly);
    }
    let Some((negative, size)) = first(text) else {
        return Taken::Refused(Refusal::NoNumber);
    };
    let number = i64::try_from(size).ok().filter(|number| *number <= INT_MAX + i64::from(negative));
    let Some(number) = number.map(|number| if negative { -number } else { number }) else {
        return match kind {
            Kind::Dependent => Taken::Unsure(FITS),
            _ => Taken::Refused(Refusal::OutOfRange),
        };
    };
    match kind {
        Kind::Seconds if number.abs() > INT_MAX / CLOCKS.0 => Taken::Refused(Refusal::OutOfRange),
        Kind::Seconds if number.abs() > INT_MAX / CLOCKS.1 => {
            Taken::Unsure("the most seconds a kernel accepts depends on its clock (CONFIG_HZ)")
        }
        Kind::Buckets if number == 0 => Taken::Refused(Refusal::OutOfRange),
        Kind::Buckets if !negative => match u64::try_from(number).map(sizing::rounded) {
            Ok(buckets) => Taken::Number(i64::try_from(buckets).unwrap_or(number)),
            Err(_) => Taken::Unsure(NEGATIVE),
        },
        Kind::Size | Kind::Buckets if negative => Taken::Unsure(NEGATIVE),
        Kind::UpTo(most) if negative || number > most => {
            Taken::Unsure("older kernels take any number here, newer ones refuse this one")
        }
        Kind::Dependent => Taken::Unsure(FITS),
        _ => Taken::Number(number),
    }
}

const FITS: &str = "other settings limit what the kernel takes here";
const NEGATIVE: &str = "older kernels take numbers below zero here, newer ones refuse them";

fn kind(path: &str) -> Kind {
    let Some(name) = path.strip_prefix("net/netfilter/nf_conntrack_") else {
        return if path == "net/nf_conntrack_max" { Kind::Size } else { Kind::Int };
    };
    match name {
        "count" => Kind::Count,
        "max" | "expect_max" => Kind::Size,
        "buckets" => Kind::Buckets,
        "log_invalid" | "tcp_max_retrans" => Kind::UpTo(255),
        name if name.contains("timeout") => Kind::Seconds,
        name if name.ends_with("_thresh") => Kind::Dependent,
        // Switches. Newer kernels have a third position for some.
        _ => Kind::UpTo(1),
    }
}

/// The first number of a text as the kernel's `proc_get_long` reads it: whether it is negative, and its size. Anything
/// after a blank is ignored.
fn first(text: &[u8]) -> Option<(bool, u64)> {
    let is_blank = |byte: &u8| matches!(byte, b' ' | 0x09..=0x0d | 0xa0);
    let start = text.iter().position(|byte| !is_blank(byte))?;
    let text = text.get(start..)?;
    let looked_at = text.get(..LONGEST).unwrap_or(text);
    let (negative, unsigned) = match looked_at {
        [b'-', rest @ ..] => (true, rest),
        _ => (false, looked_at),
    };
    let (radix, before) = match unsigned {
        [b'0', b'x' | b'X', digit, ..] if digit.is_ascii_hexdigit() => (16, 2),
        [b'0', ..] => (8, 0),
        _ => (10, 0),
    };
    let rest = unsigned.get(before..)?;
    let is_digit = |byte: &&u8| char::from(**byte).is_digit(radix);
    let digits = rest.iter().take_while(is_digit).count();
    let used = usize::from(negative) + before + digits;
    let ends = matches!(text.get(used), None | Some(b' ' | b'\t' | b'\n'));
    if digits == 0 || used == LONGEST || !ends {
        return None;
    }
    let digits = std::str::from_utf8(rest.get(..digits)?).ok()?;
    // A number that does not fit is a number still, and out of every range.
    Some((negative, u64::from_str_radix(digits, radix).unwrap_or(u64::MAX)))
}

impl Refusal {
    pub(super) fn text(self) -> &'static str {
        match self {
            Self::NoNumber => "the kernel reads no number in it",
            Self::OutOfRange => "the kernel refuses a number like this",
            Self::ReadOnly => "it can only be read",
        }
    }
}
