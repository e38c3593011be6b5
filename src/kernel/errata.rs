//! What kernels do wrong or unexpectedly, and what this crate does about it.

use super::Version;

/// A known trap of the kernel's interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Erratum {
    /// What happens.
    pub what: &'static str,
    /// What this crate does about it.
    pub remedy: &'static str,
    /// The first kernel that does it; `None` for all.
    pub since: Option<Version>,
    /// The first kernel that no longer does it; `None` if 7.2 still does.
    pub until: Option<Version>,
}

impl Erratum {
    /// Whether kernels of this version have it.
    pub fn affects(&self, version: Version) -> bool {
        self.since.is_none_or(|since| version >= since)
            && self.until.is_none_or(|until| version < until)
    }
}

/// The traps this crate knows, as seen on Linux 5.10, 6.1, 6.12, 6.18 and 7.2; that of a resized hash table
/// was not tried on 6.18. A distribution may have fixed one in an earlier version than is said here.
pub const ERRATA: [Erratum; 11] = [
    Erratum {
        what: "an IPv6 address in CTA_FILTER matches every other address",
        remedy: "it is never sent; IPv6 addresses are compared here",
        since: Some(Version::new(5, 8)),
        until: None,
    },
    Erratum {
        what: "ports in CTA_FILTER are ignored for all protocols but TCP and UDP",
        remedy: "they are sent for those two only",
        since: Some(Version::new(5, 8)),
        until: None,
    },
    Erratum {
        what: "filters a kernel does not know are ignored, in a dump and in a flush",
        remedy: "whatever a dump returns is checked again; a flush never carries a filter",
        since: None,
        until: None,
    },
    Erratum {
        what: "CTA_ZONE in a dump or a flush is ignored",
        remedy: "it is not sent; zones are compared here",
        since: None,
        until: Some(Version::new(6, 8)),
    },
    Erratum {
        what: "a delete without a tuple is a flush of everything, whatever else it carries",
        remedy: "a delete cannot be made without a tuple; a flush is another function",
        since: None,
        until: None,
    },
    Erratum {
        what: "a flush of one family flushes both, unless nfgenmsg.version is not 0",
        remedy: "it is 1; before 5.2, entries of the family are deleted one by one",
        since: None,
        until: None,
    },
    Erratum {
        what: "a dump that zeroes counters loses what was counted for entries at the ends of buffers",
        remedy: "it is offered under its name only; the difference of two dumps is exact",
        since: None,
        until: None,
    },
    Erratum {
        what: "answers to a single request carry NLM_F_MULTI, and no NLMSG_DONE follows",
        remedy: "every single request asks for an acknowledgement, and is read up to that",
        since: None,
        until: None,
    },
    Erratum {
        what: "an expectation is shown by one id and deleted by another",
        remedy: "deleting it fails there; the crate does not delete it without its id",
        since: Some(Version::new(5, 1)),
        until: Some(Version::new(6, 11)),
    },
    Erratum {
        what: "a table that changes under a dump never sets NLM_F_DUMP_INTR",
        remedy: "a scan says how many entries there were before and after it",
        since: None,
        until: None,
    },
    Erratum {
        what: "a hash table that grows under a dump makes it send entries twice; one that shrinks makes \
               it leave entries out",
        remedy: "the number of buckets is compared; the end of the dump says that it was interrupted",
        since: None,
        until: None,
    },
];
