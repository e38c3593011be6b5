//! Where and when a table was read.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Where and when a table was read, which no entry says itself. What is not known is `None`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Origin {
    /// When the table was read.
    #[cfg_attr(feature = "serde", serde(rename = "observed_at"))]
    pub time: Option<Timestamp>,
    /// The host name of the machine.
    pub node: Option<String>,
    /// The release of the machine's kernel, such as `6.18.2`.
    pub kernel: Option<String>,
    /// The inode of the network namespace.
    pub netns_inode: Option<u32>,
}

impl Origin {
    /// This origin, with what `other` says where this one says nothing.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            time: self.time.or(other.time),
            node: self.node.or(other.node),
            kernel: self.kernel.or(other.kernel),
            netns_inode: self.netns_inode.or(other.netns_inode),
        }
    }
}

/// A point in time, to the microsecond. As text it is `2026-11-21T10:12:15.000250Z`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp {
    micros: u64,
}

/// The end of the year 9999. Later times have no text of this form.
const LAST: u64 = 253_402_300_799_999_999;

impl Timestamp {
    /// The time so many microseconds after the beginning of 1970. Times after the year 9999 become its end.
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
impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        Self::from_micros(u64::try_from(since.as_micros()).unwrap_or(LAST))
    }
}

impl From<Timestamp> for SystemTime {
    fn from(time: Timestamp) -> Self {
        UNIX_EPOCH + Duration::from_micros(time.micros)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        humantime::format_rfc3339_micros((*self).into()).fmt(f)
    }
}

/// A text that is not a [`Timestamp`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseTimestampError(String);

impl fmt::Display for ParseTimestampError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is not a time such as 2026-11-21T10:12:15Z", self.0)
    }
}

impl std::error::Error for ParseTimestampError {}

impl FromStr for Timestamp {
    type Err = ParseTimestampError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parsed = humantime::parse_rfc3339_weak(text);
        parsed.map(Self::from).map_err(|_| ParseTimestampError(text.to_owned()))
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for Timestamp {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for Timestamp {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_read_as_it_is_written() {
        for (micros, text) in [
            (0, "1970-01-01T00:00:00.000000Z"),
            (1_795_255_935_000_250, "2026-11-21T10:12:15.000250Z"),
            (u64::MAX, "9999-12-31T23:59:59.999999Z"),
        ] {
            let time = Timestamp::from_micros(micros);
            assert_eq!(time.to_string(), text);
            assert_eq!(text.parse(), Ok(time));
            assert_eq!(Timestamp::from(SystemTime::from(time)), time);
            assert_eq!(time.date(), text[..10]);
            assert_eq!(format!("{:02}", time.hour()), text[11..13]);
        }
        assert!("yesterday".parse::<Timestamp>().is_err());
    }
}
