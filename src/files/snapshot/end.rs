//! How reading a snapshot went.

use super::Form;
#[cfg(doc)]
use super::Snapshot;
use crate::files::capture::Damage;

/// How reading went so far.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct SnapshotEnd {
    /// What the file is.
    pub form: Form,
    /// Entries.
    pub entries: u64,
    /// Entries, or lines, that could not be read.
    pub malformed: u64,
    /// The number of the first line that is no entry, and why.
    pub first_malformed: Option<(u64, String)>,
    /// Packets of a capture of which it kept only the beginning (`snaplen`): the entries after the cut are missing, and
    /// their number is not known.
    pub cut: u64,
    /// Packets of a capture that are of something else, and were passed over.
    pub foreign: u64,
    /// Dumps of a capture that came to their end, or files that were put together in it. With more than one,
    /// every entry may be there more than once, and [`Snapshot::facts`] are of the first.
    pub dumps: u64,
    /// Entries that were seen on another machine, in another network namespace or at another time than the
    /// first one: rows of many files in one. [`Snapshot::facts`] are the first one's.
    pub elsewhere: u64,
    /// Where the file could not be read any further, if anywhere: of one that is compressed, in what it
    /// holds, and of Parquet counted in rows.
    pub damage: Option<Damage>,
    /// Once it was read: whether all of one table was in it. `None` where it does not say that, as text.
    pub complete: Option<bool>,
}

impl SnapshotEnd {
    /// Whether the file lost something while it was written, or later: it could not be read to its end, or packets in
    /// it were cut.
    pub fn is_damaged(&self) -> bool {
        self.damage.is_some() || self.cut > 0
    }
}
