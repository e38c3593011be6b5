//! A dump that is counted and grouped as it streams past.

use std::time::{Duration, Instant};

use super::dump::Kind;
use super::{DumpEnd, Limits, List, Reader};
use crate::aggregate::{Aggregator, Query, Report};
use crate::error::Result;
use crate::filter::Filter;

/// What a scan of the table found.
///
/// With the feature `serde` it serializes to the document that `top_sources --json` prints.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Scan {
    /// The groups.
    pub report: Report,
    /// Which entries are in them.
    pub filter: Filter,
    /// How full the table was right before.
    pub before: Limits,
    /// How full it was right after. A dump is not atomic; the difference says how much the table
    /// moved meanwhile.
    pub after: Limits,
    /// How the dump went.
    pub end: DumpEnd,
    /// Entries that could not be read, and so are in no group.
    pub malformed: u64,
    /// From the first request to the last entry.
    pub elapsed: Duration,
    /// By how many dumps, each of a part of the table, it was read.
    pub dumps: usize,
    /// Whether an entry may have changed from one part into another meanwhile, and so have been
    /// counted twice, or not at all.
    pub moving: bool,
}

impl Scan {
    /// Whether every entry the kernel sent was read and judged by the filter, and the kernel did
    /// not say that it left some out. (What could be read but not decided: [`Report::undecided`].)
    pub fn is_complete(&self) -> bool {
        !self.end.interrupted && self.malformed == 0
    }
}

/// How far a scan is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// Entries seen so far.
    pub entries: u64,
    /// Entries the table had at the start: about as many as there will be.
    pub expected: u64,
}

impl Reader {
    /// Reads the table once, and answers `query` from it.
    ///
    /// ```no_run
    /// use ctnetlink::{Conntrack, Query, aggregate::Field};
    /// # fn main() -> ctnetlink::Result<()> {
    /// let scan = Conntrack::open()?.scan(&Query::new().by([Field::SOURCE]).top(10))?;
    /// for row in scan.report.rows() {
    ///     println!("{:>8} {}", row.flows, row);
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`dump`](Self::dump). What is merely incomplete is told by [`Scan::is_complete`].
    ///
    /// # Cost
    ///
    /// One dump. What this crate adds is 50 to 100 ns per entry, on the calling thread; memory
    /// grows with the number of groups, not of entries.
    pub fn scan(&mut self, query: &Query) -> Result<Scan> {
        self.scan_with(query, |_| {})
    }

    /// As [`scan`](Self::scan), and tells `progress` after every datagram (150 entries or so) how
    /// far it is.
    ///
    /// # Errors
    ///
    /// As [`scan`](Self::scan).
    pub fn scan_with(&mut self, query: &Query, progress: impl FnMut(Progress)) -> Result<Scan> {
        let mut scans = self.scan_many(std::slice::from_ref(query), progress)?;
        // One for each query.
        Ok(scans.swap_remove(0))
    }

    /// Reads the table once, and answers all of `queries` from it, in their order: whatever they
    /// group by and filter, they are answers about the same entries.
    ///
    /// ```no_run
    /// use ctnetlink::{Query, Reader, aggregate::Field};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let states = Query::new().by([Field::Protocol, Field::State]);
    /// let sources = Query::new().by([Field::SOURCE]).of("unreplied".parse()?);
    /// let scans = Reader::open()?.scan_all(&[states, sources])?;
    /// println!("{:?}, of them unreplied {}", scans[0].report.flows(), scans[1].report.flows());
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`scan`](Self::scan).
    ///
    /// # Cost
    ///
    /// One dump, and 20 to 50 ns per entry for each query after the first. The kernel applies a
    /// filter only if all queries have the same.
    pub fn scan_all(&mut self, queries: &[Query]) -> Result<Vec<Scan>> {
        self.scan_many(queries, |_| {})
    }

    fn scan_many(
        &mut self,
        queries: &[Query],
        mut progress: impl FnMut(Progress),
    ) -> Result<Vec<Scan>> {
        let start = Instant::now();
        let before = self.limits()?;
        let mut aggregator = Aggregator::of(queries);
        let mut malformed = 0;
        let plan = match queries {
            [first, others @ ..] if others.iter().all(|other| other.filter() == first.filter()) => {
                self.plan(first.filter(), first.filter_placement())?
            }
            _ => self.plan(&Filter::new(), None)?,
        };
        // The aggregator judges what comes.
        let mut dump = self.dump_planned(Kind::Read(List::Table), &plan, None)?;
        while let Some(batch) = dump.next_batch()? {
            for entry in batch.entries() {
                malformed += u64::from(aggregator.record_bytes(entry).is_err());
            }
            progress(Progress { entries: dump.end().entries, expected: before.entries.into() });
        }
        let end = dump.end();
        let elapsed = start.elapsed();
        let after = self.limits()?;
        let scan = |(report, query): (Report, &Query)| Scan {
            end: DumpEnd { matched: report.flows(), undecided: report.undecided(), ..end },
            report,
            filter: query.filter().clone(),
            before,
            after,
            malformed,
            elapsed,
            dumps: 1,
            moving: false,
        };
        Ok(aggregator.finish_all().into_iter().zip(queries).map(scan).collect())
    }
}
