//! A part of the table, for an estimate of all of it at a bounded cost.

use std::time::Duration;

use super::{Budget, DumpEnd, Limits, Reader};
use crate::aggregate::{Measure, Query, Sampled};
use crate::error::Result;
use crate::filter::Filter;

/// What a sample of the table says.
///
/// With the feature `serde` it serializes to the document that `top_sources --sample N --json`
/// prints.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Sample {
    /// The groups, estimated.
    pub report: Sampled,
    /// Which entries are in them.
    pub filter: Filter,
    /// How full the table was right before.
    pub before: Limits,
    /// How full it was right after.
    pub after: Limits,
    /// How the dump went that was broken off.
    pub end: DumpEnd,
    /// Entries that could not be read.
    pub malformed: u64,
    /// From the first request to the answer, the end of the dump included.
    pub elapsed: Duration,
}

impl Reader {
    /// Looks at about `entries` entries, and estimates the answer to `query` from them.
    ///
    /// The kernel sorts its table by a hash with a secret key, so the beginning of a dump is a
    /// random sample of it: of all families, protocols, states and ages alike. Entries that share a
    /// bucket are seen together, but what they have in common is only the hash. A table of no more
    /// entries than asked for is read to its end, and nothing is estimated. Groups are ranked by
    /// flows, whatever the query measures. Each look begins at the same place: samples taken one
    /// after the other hold mostly the same entries, and their mean is no better than one of them.
    ///
    /// ```no_run
    /// use ctnetlink::{Query, Reader, aggregate::Field};
    /// # fn main() -> ctnetlink::Result<()> {
    /// let sample = Reader::open()?.sample(&Query::new().by([Field::SOURCE]), 10_000)?;
    /// for row in sample.report.rows() {
    ///     println!("{} ({} to {}) {}", row.flows, row.interval.low, row.interval.high, row.key[0]);
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`scan`](Self::scan).
    ///
    /// # Cost
    ///
    /// About 1.5 µs per entry looked at, however large the table is, and never a long walk over it:
    /// a filter is applied here.
    pub fn sample(&mut self, query: &Query, entries: u64) -> Result<Sample> {
        // What a sample says of bytes depends on whether it has the few flows that carry most.
        let query = query.clone().measure(Measure::Flows);
        Ok(self.scan_within(&query, &Budget::new().entries(entries))?.estimate())
    }
}
