//! Where and when a table was looked at.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Where and when entries were seen, which no entry says itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Observation {
    /// When the table was looked at.
    pub at: Option<Moment>,
    /// The machine.
    pub node: Option<String>,
    /// The inode of the network namespace.
    pub netns_inode: Option<u32>,
}

/// A moment, to the microsecond: `2026-11-21T10:12:15.000250Z` as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment {
    micros: u64,
}

/// The end of the year 9999, behind which there is no text of this form.
const LAST: u64 = 253_402_300_799_999_999;

impl Moment {
    /// So many microseconds after the beginning of 1970; nothing beyond the year 9999.
    pub const fn from_micros(micros: u64) -> Self {
        Self { micros: if micros < LAST { micros } else { LAST } }
    }

    /// Microseconds since the beginning of 1970.
    pub const fn micros(self) -> u64 {
        self.micros
    }

    /// The day, as `2026-11-21`.
    pub fn date(self) -> String {
        self.to_string().chars().take(10).collect()
    }

    /// The hour of the day, in UTC.
    pub const fn hour(self) -> u8 {
        (self.micros / 3_600_000_000 % 24) as u8
    }
}

/// Times before 1970 become its beginning.
impl From<SystemTime> for Moment {
    fn from(time: SystemTime) -> Self {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        Self::from_micros(u64::try_from(since.as_micros()).unwrap_or(LAST))
    }
}

impl From<Moment> for SystemTime {
    fn from(moment: Moment) -> Self {
        UNIX_EPOCH + Duration::from_micros(moment.micros)
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        humantime::format_rfc3339_micros((*self).into()).fmt(f)
    }
}

/// Why a text is no moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseMomentError(String);

impl fmt::Display for ParseMomentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is no moment such as 2026-11-21T10:12:15Z", self.0)
    }
}

impl std::error::Error for ParseMomentError {}

impl FromStr for Moment {
    type Err = ParseMomentError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parsed = humantime::parse_rfc3339_weak(text);
        parsed.map(Self::from).map_err(|_| ParseMomentError(text.to_owned()))
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for Moment {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for Moment {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_read_as_it_is_written() {
        for (micros, text) in [
            (0, "1970-01-01T00:00:00.000000Z"),
            (1_795_255_935_000_250, "2026-11-21T10:12:15.000250Z"),
            (u64::MAX, "9999-12-31T23:59:59.999999Z"),
        ] {
            let moment = Moment::from_micros(micros);
            assert_eq!(moment.to_string(), text);
            assert_eq!(text.parse(), Ok(moment));
            assert_eq!(Moment::from(SystemTime::from(moment)), moment);
            assert_eq!(moment.date(), text[..10]);
            assert_eq!(format!("{:02}", moment.hour()), text[11..13]);
        }
        assert!("yesterday".parse::<Moment>().is_err());
    }
}
