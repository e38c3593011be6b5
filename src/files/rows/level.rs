//! How full a table was.

use super::schema::row;
use crate::origin::{Moment, Observation};

row! {
    by observed_at, |row| (
        row.observed_at.map(|at| at.to_string()).unwrap_or_default(),
        row.node.clone().unwrap_or_default(),
        0
    );
    /// How full a table was: a row for each look.
    #[derive(Default)]
    Level {
        /// When the table was looked at.
        observed_at: Option<Moment>,
        /// The machine it is of.
        node: Option<String>,
        /// The inode of the network namespace.
        netns_inode: Option<u32>,
        /// The kernel's release.
        kernel: Option<String>,
        /// Entries.
        entries: Option<u64>,
        /// The most there may be.
        max: Option<u64>,
        /// Buckets of the host's table.
        buckets: Option<u64>,
        /// Whether all entries were seen.
        complete: Option<bool>,
    }
}

impl Level {
    /// A row that says nothing but where and when.
    pub fn of(seen: &Observation) -> Self {
        Self {
            observed_at: seen.at,
            node: seen.node.clone(),
            netns_inode: seen.netns_inode,
            ..Self::default()
        }
    }
}
