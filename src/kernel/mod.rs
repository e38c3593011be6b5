//! What kernels can do, and what they do wrong: plain facts, by version or by probe.
//!
//! The differences of kernels are a value, [`Capabilities`], that is passed in. So a plan for any
//! kernel can be tested on any machine. This folder holds facts and asks no kernel;
//! [`Reader::capabilities`](crate::Reader::capabilities) does.

mod errata;
pub mod stats;

pub use errata::{ERRATA, Erratum};

use std::fmt;
use std::str::FromStr;

use crate::flow::Protocol;

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

/// The version as text.
#[cfg(feature = "serde")]
impl serde::Serialize for Version {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
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
/// Kernels ignore attributes they do not know, filters included. So the crate relies only on what is
/// known to work. Each field says since, or up to, which version it is there. Distributions carry some
/// of it back to older versions, or leave it out, so the kernel is asked where it can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
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
    /// GRE has a tracker: its entries have keys. A kernel can be built without it.
    #[doc(alias = "CONFIG_NF_CT_PROTO_GRE")]
    pub gre_tracker: bool,
    /// SCTP has a tracker: its entries have ports and states. A kernel can be built without it.
    #[doc(alias = "CONFIG_NF_CT_PROTO_SCTP")]
    pub sctp_tracker: bool,
    /// UDP-Lite has a tracker: its entries have ports (up to 7.0).
    #[doc(alias = "CONFIG_NF_CT_PROTO_UDPLITE")]
    pub udplite_tracker: bool,
    /// DCCP has a tracker: its entries have ports and states (up to 6.16).
    #[doc(alias = "CONFIG_NF_CT_PROTO_DCCP")]
    pub dccp_tracker: bool,
}

impl Capabilities {
    /// What any kernel can do: next to nothing.
    pub const UNKNOWN: Self = Self {
        version: None,
        tuple_filter: false,
        status_filter: false,
        zone_filter: false,
        family_flush: false,
        gre_tracker: false,
        sctp_tracker: false,
        udplite_tracker: false,
        dccp_tracker: false,
    };

    /// What kernels of this version can do, if they were built with all there is.
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
            gre_tracker: true,
            sctp_tracker: true,
            udplite_tracker: version < NO_UDPLITE,
            dccp_tracker: version < NO_DCCP,
        }
    }

    /// Whether entries of this protocol have ports, keys, or ICMP's type, code and id. Where the
    /// kernel has no tracker for a protocol, all its flows between two addresses are one entry
    /// [without endpoints](crate::flow::Endpoints::None), and the kernel silently ignores ports in a
    /// request.
    ///
    /// ```
    /// use ctnetlink::flow::Protocol;
    /// use ctnetlink::kernel::{Capabilities, Version};
    /// assert!(Capabilities::of(Version::new(6, 18)).tracks(Protocol::UDPLITE));
    /// assert!(!Capabilities::of(Version::new(7, 2)).tracks(Protocol::UDPLITE));
    /// ```
    pub const fn tracks(&self, protocol: Protocol) -> bool {
        match protocol {
            Protocol::TCP | Protocol::UDP | Protocol::ICMP | Protocol::ICMPV6 => true,
            Protocol::GRE => self.gre_tracker,
            Protocol::SCTP => self.sctp_tracker,
            Protocol::UDPLITE => self.udplite_tracker,
            Protocol::DCCP => self.dccp_tracker,
            _ => false,
        }
    }

    /// What both can do.
    #[cfg(all(target_os = "linux", not(ctnetlink_pure)))]
    pub(crate) fn and(&self, other: &Self) -> Self {
        Self {
            version: other.version.or(self.version),
            tuple_filter: self.tuple_filter && other.tuple_filter,
            status_filter: self.status_filter && other.status_filter,
            zone_filter: self.zone_filter && other.zone_filter,
            family_flush: self.family_flush && other.family_flush,
            gre_tracker: self.gre_tracker && other.gre_tracker,
            sctp_tracker: self.sctp_tracker && other.sctp_tracker,
            udplite_tracker: self.udplite_tracker && other.udplite_tracker,
            dccp_tracker: self.dccp_tracker && other.dccp_tracker,
        }
    }
}

pub(crate) const TUPLE_FILTER: Version = Version::new(5, 8);
pub(crate) const STATUS_FILTER: Version = Version::new(5, 15);
pub(crate) const ZONE_FILTER: Version = Version::new(6, 8);
const FAMILY_FLUSH: Version = Version::new(5, 2);
/// The first kernels without these trackers.
const NO_DCCP: Version = Version::new(6, 17);
const NO_UDPLITE: Version = Version::new(7, 1);
