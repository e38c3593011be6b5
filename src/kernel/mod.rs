//! What kernels can do, and what they do wrong: plain facts, by version or by probe.
//!
//! Kernel differences are a value, [`Capabilities`], that is passed in; so what is planned for one
//! kernel can be tested on any machine. This folder holds facts. It must not ask a kernel anything:
//! [`Reader::capabilities`](crate::Reader::capabilities) does.

mod errata;

pub use errata::{ERRATA, Erratum};

use std::fmt;
use std::str::FromStr;

/// The first two numbers of a kernel's release.
///
/// ```
/// use ctnetlink::kernel::Version;
/// assert_eq!("6.18.44-amd64".parse(), Ok(Version::new(6, 18)));
/// assert!(Version::new(5, 15) < Version::new(6, 1));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    major: u16,
    minor: u16,
}

impl Version {
    /// A version.
    pub const fn new(major: u16, minor: u16) -> Self {
        Self { major, minor }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// A release that does not begin with two numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a kernel's release begins with two numbers, such as 6.18")]
pub struct ParseVersionError;

impl FromStr for Version {
    type Err = ParseVersionError;

    fn from_str(release: &str) -> Result<Self, ParseVersionError> {
        let mut numbers = release.splitn(3, '.').map(|part| {
            let end = part.find(|c: char| !c.is_ascii_digit()).unwrap_or(part.len());
            part.get(..end).and_then(|digits| digits.parse().ok())
        });
        match (numbers.next().flatten(), numbers.next().flatten()) {
            (Some(major), Some(minor)) => Ok(Self { major, minor }),
            _ => Err(ParseVersionError),
        }
    }
}

/// What a kernel can do with conntrack requests.
///
/// Kernels ignore attributes they do not know, a filter like any other; so what is not known to be
/// honoured is not relied on. Each field says since which version it is there; distributions carry
/// some of it back to older ones, which is why it is asked for where it can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Capabilities {
    /// The version it calls itself.
    pub version: Option<Version>,
    /// Dumps by tuple (5.8).
    #[doc(alias = "CTA_FILTER")]
    pub tuple_filter: bool,
    /// Dumps by status bits (5.15).
    #[doc(alias = "CTA_STATUS_MASK")]
    pub status_filter: bool,
    /// Dumps by zone (6.8).
    #[doc(alias = "CTA_ZONE")]
    pub zone_filter: bool,
    /// A flush of one family leaves the other alone (5.2). Earlier kernels flush both.
    pub family_flush: bool,
}

impl Capabilities {
    /// What is certain of any kernel: next to nothing.
    pub const UNKNOWN: Self = Self {
        version: None,
        tuple_filter: false,
        status_filter: false,
        zone_filter: false,
        family_flush: false,
    };

    /// What kernels of this version can do.
    ///
    /// ```
    /// use ctnetlink::kernel::{Capabilities, Version};
    /// let debian_11 = Capabilities::of(Version::new(5, 10));
    /// assert!(debian_11.tuple_filter && !debian_11.status_filter);
    /// ```
    pub fn of(version: Version) -> Self {
        Self {
            version: Some(version),
            tuple_filter: version >= TUPLE_FILTER,
            status_filter: version >= STATUS_FILTER,
            zone_filter: version >= ZONE_FILTER,
            family_flush: version >= FAMILY_FLUSH,
        }
    }
}

pub(crate) const TUPLE_FILTER: Version = Version::new(5, 8);
pub(crate) const STATUS_FILTER: Version = Version::new(5, 15);
pub(crate) const ZONE_FILTER: Version = Version::new(6, 8);
const FAMILY_FLUSH: Version = Version::new(5, 2);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_of_distributions_are_read() {
        let read = |release: &str| release.parse::<Version>().ok();
        assert_eq!(read("4.18.0-553.el8_10.x86_64"), Some(Version::new(4, 18)));
        assert_eq!(read("6.1-rc3"), Some(Version::new(6, 1)));
        assert_eq!(read("6.6+"), Some(Version::new(6, 6)));
        for nonsense in ["", "6", "six.one", ".1", "6.", "99999999.1"] {
            assert_eq!(read(nonsense), None, "{nonsense}");
        }
    }

    #[test]
    fn later_kernels_can_do_all_that_earlier_ones_can() {
        let count = |(major, minor)| {
            let kernel = Capabilities::of(Version::new(major, minor));
            [kernel.family_flush, kernel.tuple_filter, kernel.status_filter, kernel.zone_filter]
                .map(usize::from)
                .iter()
                .sum::<usize>()
        };
        let ladder = [(4, 18), (5, 2), (5, 8), (5, 15), (6, 8)];
        assert_eq!(ladder.map(count), [0, 1, 2, 3, 4]);
        assert_eq!([(3, 10), (5, 1), (5, 10), (6, 1), (6, 18)].map(count), [0, 0, 2, 3, 4]);
    }
}
