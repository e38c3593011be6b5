//! Ranges of time, to count entries by how long they live.

use std::fmt;
use std::time::Duration;

/// A range of time that entries are counted in, from a tenth of a minute to days.
///
/// The ranges are those that timeouts are set to: 10 s, 30 s, 1 m, 2 m, 5 m, 10 m, 30 m, 1 h, 6 h,
/// 1 day and 5 days part them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span(u8);

/// Where one range ends and the next one begins, in seconds.
const BOUNDS: [u32; 11] =
    [10, 30, 60, 120, 300, 600, 1800, 3600, 6 * 3600, 24 * 3600, 5 * 24 * 3600];

impl Span {
    /// The range a number of seconds is in.
    #[inline]
    pub(crate) fn of(seconds: u64) -> Self {
        Self(BOUNDS.iter().filter(|&&bound| seconds >= u64::from(bound)).count() as u8)
    }

    pub(crate) const fn code(self) -> u8 {
        self.0
    }

    pub(crate) const fn from_code(code: u8) -> Self {
        Self(code)
    }

    /// All ranges, the shortest first.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..=BOUNDS.len()).map(|code| Self(code as u8))
    }

    /// Where it begins; itself in it.
    pub fn from(self) -> Duration {
        let bound = usize::from(self.0).checked_sub(1).and_then(|index| BOUNDS.get(index));
        Duration::from_secs(bound.copied().unwrap_or_default().into())
    }

    /// Where it ends, itself not in it; `None` for the last one.
    pub fn to(self) -> Option<Duration> {
        BOUNDS.get(usize::from(self.0)).map(|&bound| Duration::from_secs(bound.into()))
    }
}

/// `<10s`, `10s-30s` and so on up to `>=5d`.
impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |bound: Duration| match bound.as_secs() {
            seconds if seconds % 86_400 == 0 => format!("{}d", seconds / 86_400),
            seconds if seconds % 3600 == 0 => format!("{}h", seconds / 3600),
            seconds if seconds % 60 == 0 => format!("{}m", seconds / 60),
            seconds => format!("{seconds}s"),
        };
        match (self.0, self.to()) {
            (0, Some(to)) => f.pad(&format!("<{}", text(to))),
            (_, Some(to)) => f.pad(&format!("{}-{}", text(self.from()), text(to))),
            (_, None) => f.pad(&format!(">={}", text(self.from()))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_second_is_in_the_span_that_says_so() {
        for (seconds, text) in [
            (0, "<10s"),
            (9, "<10s"),
            (10, "10s-30s"),
            (119, "1m-2m"),
            (120, "2m-5m"),
            (3600, "1h-6h"),
            (86_399, "6h-1d"),
            (431_999, "1d-5d"),
            (432_000, ">=5d"),
            (u64::MAX, ">=5d"),
        ] {
            let span = Span::of(seconds);
            assert_eq!(span.to_string(), text);
            assert!(span.from().as_secs() <= seconds);
            assert!(span.to().is_none_or(|to| seconds < to.as_secs()));
            assert_eq!(Span::from_code(span.code()), span);
        }
    }
}
