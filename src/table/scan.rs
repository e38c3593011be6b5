//! A dump that is counted and grouped as it streams past.

use std::time::{Duration, Instant};

use super::dump::Kind;
use super::{Budget, DumpEnd, Limit, Limits, List, Reader, Sample};
use crate::aggregate::{Aggregator, Query, Report};
use crate::error::Result;
use crate::filter::{Filter, Placement, Plan};
use crate::kernel::Capabilities;

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
    /// From the first request to the answer, the end of a dump that was stopped included.
    pub elapsed: Duration,
    /// The most that other threads have worked meanwhile.
    pub(super) beside: Duration,
    /// By how many dumps at once, each of a part of the table, it was read.
    pub dumps: usize,
    /// Whether an entry may have changed from one part into another meanwhile, and so have been
    /// counted twice, or not at all.
    pub moving: bool,
    /// What of its budget was used up before it had seen all of the table.
    pub stopped: Option<Limit>,
}

impl Scan {
    /// Whether it has seen all of the table, every entry the kernel sent was read and judged by the
    /// filter, and none was left out or sent twice since the hash table got another size
    /// ([`DumpEnd::interrupted`]). (What could be read but not decided: [`Report::undecided`].)
    pub fn is_complete(&self) -> bool {
        self.stopped.is_none() && !self.end.interrupted && self.malformed == 0
    }

    /// How much of the table it has seen, from 0 to 1.
    pub fn coverage(&self) -> f64 {
        let seen = self.end.entries;
        let of = u64::from(self.before.entries).max(seen + 1);
        if self.stopped.is_none() { 1.0 } else { seen as f64 / of as f64 }
    }

    /// The most that processors have worked for it, in the kernel and here: from the first request to the answer, on
    /// every thread.
    pub fn work(&self) -> Duration {
        self.elapsed.saturating_add(self.beside)
    }

    /// What a scan that its budget has stopped says about the whole table: it has seen a random
    /// sample, as [`Reader::sample`] does. One that was not stopped is exact.
    ///
    /// Only flows are estimated, and the rows are those the query has ranked.
    pub fn estimate(self) -> Sample {
        let seen = self.end.entries;
        // The count has entries that no dump shows; a dump to its end knows better.
        let of = match self.stopped {
            None => seen,
            Some(_) => u64::from(self.before.entries).max(seen + 1),
        };
        Sample {
            report: self.report.of_sample(seen, of),
            filter: self.filter,
            before: self.before,
            after: self.after,
            end: self.end,
            malformed: self.malformed,
            elapsed: self.elapsed,
        }
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
    /// One dump, or none if the table has no entries. What this crate adds is 50 to 80 ns per entry, on the calling
    /// thread; memory grows with the number of groups, not of entries.
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
        let queries = std::slice::from_ref(query);
        let mut scans = self.scan_many(queries, &Budget::new(), progress)?;
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
    /// One dump, and about 320 instructions per entry for each query after the first. The kernel applies a
    /// filter only if all queries have the same.
    pub fn scan_all(&mut self, queries: &[Query]) -> Result<Vec<Scan>> {
        self.scan_many(queries, &Budget::new(), |_| {})
    }

    /// As [`scan`](Self::scan), and ends when the budget is used up, with what was counted by then:
    /// [`Scan::stopped`] says that, [`Scan::coverage`] how much of the table that was, and
    /// [`Scan::estimate`] what it means for the whole.
    ///
    /// # Errors
    ///
    /// As [`scan`](Self::scan).
    ///
    /// # Cost
    ///
    /// What the budget allows, and the rest of the datagram at hand; then a request or two, and the ranking of the
    /// groups. A dump that is stopped is ended by [another socket](Reader#another-network-namespace). With a budget,
    /// filters are applied here, since entries that the kernel leaves out cannot be counted.
    pub fn scan_within(&mut self, query: &Query, budget: &Budget) -> Result<Scan> {
        let mut scans = self.scan_all_within(std::slice::from_ref(query), budget)?;
        // One for each query.
        Ok(scans.swap_remove(0))
    }

    /// As [`scan_all`](Self::scan_all), within a budget as [`scan_within`](Self::scan_within).
    ///
    /// # Errors
    ///
    /// As [`scan`](Self::scan).
    pub fn scan_all_within(&mut self, queries: &[Query], budget: &Budget) -> Result<Vec<Scan>> {
        self.scan_many(queries, budget, |_| {})
    }

    fn scan_many(
        &mut self,
        queries: &[Query],
        budget: &Budget,
        mut progress: impl FnMut(Progress),
    ) -> Result<Vec<Scan>> {
        let start = Instant::now();
        let before = self.limits()?;
        let mut aggregator = Aggregator::of(queries);
        let mut malformed = 0;
        let plan = match queries {
            // A dump would walk the host's whole table to find that.
            _ if before.entries == 0 => nothing(),
            // The kernel's own filter would change what a part of the table is a sample of.
            _ if !budget.is_unbounded() => {
                Filter::new().plan(&Capabilities::UNKNOWN, Placement::LeastLatency)
            }
            [first, others @ ..] if others.iter().all(|other| other.filter() == first.filter()) => {
                self.plan(first.filter(), first.filter_placement())?
            }
            _ => self.plan(&Filter::new(), None)?,
        };
        // The aggregator judges what comes.
        let mut dump = self.dump_planned(Kind::Read(List::Table), &plan, None)?;
        let mut stopped = None;
        while stopped.is_none() {
            let Some(batch) = dump.next_batch()? else { break };
            for entry in batch.entries() {
                malformed += u64::from(aggregator.record_bytes(entry).is_err());
            }
            let end = dump.end();
            progress(Progress { entries: end.entries, expected: before.entries.into() });
            if !budget.is_unbounded() {
                stopped = budget.spent(&end, start.elapsed(), aggregator.memory());
            }
        }
        let end = dump.end();
        // Ends the dump, if that is still under way.
        let after = self.limits()?;
        let reports = aggregator.finish_all();
        let elapsed = start.elapsed();
        let scan = |(report, query): (Report, &Query)| Scan {
            end: DumpEnd { matched: report.flows(), undecided: report.undecided(), ..end },
            report,
            filter: query.filter().clone(),
            before,
            after,
            malformed,
            elapsed,
            beside: Duration::ZERO,
            dumps: 1,
            moving: false,
            stopped,
        };
        Ok(reports.into_iter().zip(queries).map(scan).collect())
    }
}

/// The plan that asks the kernel for no entry.
fn nothing() -> Plan {
    (!Filter::new()).plan(&Capabilities::UNKNOWN, Placement::LeastLatency)
}
