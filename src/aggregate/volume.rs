//! What entries have carried.

use std::fmt;
use std::str::FromStr;

use crate::flow::Counters;

/// What groups are ranked by.
///
/// The text form is `flows`, `packets` or `bytes`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum Measure {
    /// The number of entries: what fills the table.
    #[default]
    Flows,
    /// Packets of both directions.
    Packets,
    /// Bytes of both directions.
    Bytes,
}

impl Measure {
    /// Every word of the text form.
    pub const WORDS: [&'static str; 3] = ["flows", "packets", "bytes"];
}

impl fmt::Display for Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Flows => "flows",
            Self::Packets => "packets",
            Self::Bytes => "bytes",
        })
    }
}

impl FromStr for Measure {
    type Err = ParseMeasureError;

    fn from_str(word: &str) -> Result<Self, ParseMeasureError> {
        match word {
            "flows" => Ok(Self::Flows),
            "packets" => Ok(Self::Packets),
            "bytes" => Ok(Self::Bytes),
            _ => Err(ParseMeasureError { word: word.to_owned() }),
        }
    }
}

/// A word that is no [`Measure`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseMeasureError {
    word: String,
}

impl fmt::Display for ParseMeasureError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is no measure; there are flows, packets, bytes", self.word)
    }
}

impl std::error::Error for ParseMeasureError {}

/// What the entries of a group have carried together.
///
/// The kernel counts only flows that began while `nf_conntrack_acct` was on; of the others nobody
/// knows, which is not zero, so their number stands beside the sums.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Volume {
    /// In the direction of whoever opened the flow.
    pub original: Counters,
    /// In the direction of the answers.
    pub reply: Counters,
    /// Entries that carry no counters, and so are not in the sums.
    pub uncounted: u64,
}

/// Sums of a group: packets and bytes of the original direction, those of the reply, and entries
/// without.
pub(super) const SUMS: usize = 5;

impl Volume {
    /// Both directions together.
    pub fn total(&self) -> Counters {
        Counters {
            packets: self.original.packets.saturating_add(self.reply.packets),
            bytes: self.original.bytes.saturating_add(self.reply.bytes),
        }
    }

    /// These and those.
    pub(super) fn plus(self, other: Self) -> Self {
        self.with(other, u64::saturating_add)
    }

    /// These without those.
    pub(super) fn minus(self, other: Self) -> Self {
        self.with(other, u64::saturating_sub)
    }

    fn with(self, other: Self, operation: fn(u64, u64) -> u64) -> Self {
        let counters = |a: Counters, b: Counters| Counters {
            packets: operation(a.packets, b.packets),
            bytes: operation(a.bytes, b.bytes),
        };
        Self {
            original: counters(self.original, other.original),
            reply: counters(self.reply, other.reply),
            uncounted: operation(self.uncounted, other.uncounted),
        }
    }

    /// What one entry adds to the sums of its group.
    #[inline]
    pub(super) fn sums(counters: [Option<Counters>; 2]) -> [u64; SUMS] {
        let [original, reply] = counters.map(Option::unwrap_or_default);
        let uncounted = u64::from(counters == [None; 2]);
        [original.packets, original.bytes, reply.packets, reply.bytes, uncounted]
    }

    /// The sums of a group.
    pub(super) fn of(sums: [u64; SUMS]) -> Self {
        let [packets, bytes, reply_packets, reply_bytes, uncounted] = sums;
        Self {
            original: Counters { packets, bytes },
            reply: Counters { packets: reply_packets, bytes: reply_bytes },
            uncounted,
        }
    }
}
