//! A part of the table, for an estimate of all of it at a bounded cost.

use std::time::{Duration, Instant};

use super::dump::Kind;
use super::{DumpEnd, Limits, List, Reader};
use crate::aggregate::{Aggregator, Measure, Query, Sampled};
use crate::error::Result;
use crate::filter::{Filter, Placement};
use crate::kernel::Capabilities;

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
    /// From the first request to the last entry.
    pub elapsed: Duration,
}

impl Reader {
    /// Looks at about `entries` entries, and estimates the answer to `query` from them.
    ///
    /// The kernel sorts its table by a hash with a secret key, so the beginning of a dump is a
    /// random sample of it: of all families, protocols, states and ages alike. Entries that share a
    /// bucket are seen together, but what they have in common is only the hash. A table of no more
    /// entries than asked for is read to its end, and nothing is estimated. Groups are ranked by
    /// flows, whatever the query measures.
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
        let start = Instant::now();
        let before = self.limits()?;
        // The kernel's own filter would change what the sample is of.
        let plan = Filter::new().plan(&Capabilities::UNKNOWN, Placement::LeastLatency);
        // What a sample says of bytes depends on whether it has the few flows that carry most.
        let mut aggregator = Aggregator::new(&query.clone().measure(Measure::Flows));
        let (mut seen, mut malformed) = (0, 0);
        let mut dump = self.dump_planned(Kind::Read(List::Table), &plan, None)?;
        let whole = loop {
            if seen >= entries {
                break false;
            }
            let Some(batch) = dump.next_batch()? else { break true };
            for entry in batch.entries() {
                malformed += u64::from(aggregator.record_bytes(entry).is_err());
                seen += 1;
            }
        };
        let end = dump.end();
        let elapsed = start.elapsed();
        let after = self.limits()?;
        // The count has entries that no dump shows; a dump to its end knows better.
        let of = if whole { seen } else { u64::from(before.entries).max(seen + 1) };
        let report = aggregator.finish().of_sample(seen, of);
        let filter = query.filter().clone();
        Ok(Sample { report, filter, before, after, end, malformed, elapsed })
    }
}
