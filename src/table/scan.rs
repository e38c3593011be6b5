//! Queries answered while the table streams past.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use super::dump::Kind;
use super::{DumpEnd, Limit, Limits, List, Progress, Reader, ScanOptions};
use crate::aggregate::{Aggregator, Query, Report, Sampled};
use crate::error::Result;
use crate::filter::{Filter, Placement, Plan};
use crate::kernel::Capabilities;

/// What a scan of the table found.
///
/// With the feature `serde` it serializes to the document that `top_sources --json` prints.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Scan<R = Report> {
    /// The groups.
    pub report: R,
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
    beside: Duration,
    /// By how many dumps at once, each of a part of the table, it was read.
    pub dumps: usize,
    /// Whether an entry may have changed from one part into another meanwhile, and so have been
    /// counted twice, or not at all.
    pub moving: bool,
    /// What of its budget was used up before it had seen all of the table.
    pub stopped: Option<Limit>,
}

/// A scan whose groups are estimated from a part of the table. Made by [`Scan::estimate`].
pub type Sample = Scan<Sampled>;

impl<R> Scan<R> {
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
}

impl Scan {
    /// What a scan that was stopped says about the whole table: it has seen a
    /// [random sample](ScanOptions::sample). One that was not stopped is exact.
    ///
    /// Only flows are estimated, and the rows are those the query has ranked.
    pub fn estimate(self) -> Sample {
        let seen = self.end.entries;
        // The count has entries that no dump shows; a dump to its end knows better.
        let of = match self.stopped {
            None => seen,
            Some(_) => u64::from(self.before.entries).max(seen + 1),
        };
        let Self { filter, before, after, end, malformed, elapsed, beside, .. } = self;
        let Self { dumps, moving, stopped, .. } = self;
        let report = self.report.of_sample(seen, of);
        Scan {
            report,
            filter,
            before,
            after,
            end,
            malformed,
            elapsed,
            beside,
            dumps,
            moving,
            stopped,
        }
    }
}

/// One query, or several that one scan answers: a [`Query`], or a slice, an array or a vector of them.
pub trait Queries {
    /// A [`Scan`] for one query; for several a vector, in their order.
    type Scans;

    #[doc(hidden)]
    fn queries(&self) -> &[Query];

    #[doc(hidden)]
    fn scans(scans: Vec<Scan>) -> Self::Scans;
}

impl Queries for Query {
    type Scans = Scan;

    fn queries(&self) -> &[Query] {
        std::slice::from_ref(self)
    }

    fn scans(mut scans: Vec<Scan>) -> Scan {
        // One for each query.
        scans.swap_remove(0)
    }
}

impl<Q: AsRef<[Query]> + ?Sized> Queries for Q {
    type Scans = Vec<Scan>;

    fn queries(&self) -> &[Query] {
        self.as_ref()
    }

    fn scans(scans: Vec<Scan>) -> Vec<Scan> {
        scans
    }
}

/// What was counted, by one dump or several.
pub(super) struct Counted {
    pub(super) aggregator: Aggregator,
    pub(super) end: DumpEnd,
    pub(super) malformed: u64,
    pub(super) dumps: usize,
    pub(super) moving: bool,
    pub(super) stopped: Option<Limit>,
}

impl Reader {
    /// Reads the table once, and answers a query from it, or several in their order: whatever those
    /// group by and filter, they are answers about the same entries.
    ///
    /// ```no_run
    /// use ctnetlink::{Query, Reader, field::Field};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let mut table = Reader::open()?;
    /// let scan = table.scan(&Query::new().group_by([Field::Source]).top(10))?;
    /// for row in scan.report.rows() {
    ///     println!("{:>8} {}", row.flows, row);
    /// }
    /// let states = Query::new().group_by([Field::Protocol, Field::State]);
    /// let sources = Query::new().group_by([Field::Source]).filter("unreplied".parse()?);
    /// let scans = table.scan(&[states, sources])?;
    /// println!("{:?}, of them unreplied {}", scans[0].report.flows(), scans[1].report.flows());
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
    /// thread, and about 320 instructions for each query after the first; memory grows with the number of groups, not
    /// of entries. The kernel applies a filter only if all queries have the same.
    pub fn scan<Q: Queries + ?Sized>(&mut self, queries: &Q) -> Result<Q::Scans> {
        self.scan_with(queries, &ScanOptions::new())
    }

    /// As [`scan`](Self::scan), with [options](ScanOptions): several dumps at once, a part of the table
    /// as a sample, a bound of its cost, progress.
    ///
    /// ```no_run
    /// use ctnetlink::{Query, Reader, ScanOptions, field::Field};
    /// # fn main() -> ctnetlink::Result<()> {
    /// let query = Query::new().group_by([Field::Source]);
    /// let scan = Reader::open()?.scan_with(&query, &ScanOptions::new().threads(2))?;
    /// println!("{} flows, read by {} dumps", scan.report.flows(), scan.dumps);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`scan`](Self::scan).
    ///
    /// # Cost
    ///
    /// What the options allow. With a [`Budget`](crate::Budget) that is used up: the rest of the datagram at hand, then
    /// a request or two, and the ranking of the groups. A dump that is stopped is ended by
    /// [another socket](Reader#another-network-namespace).
    pub fn scan_with<Q: Queries + ?Sized>(
        &mut self,
        queries: &Q,
        options: &ScanOptions<'_>,
    ) -> Result<Q::Scans> {
        let start = Instant::now();
        let queries = queries.queries().iter().map(|query| options.applied_to(query));
        let queries: Vec<_> = queries.collect();
        let before = self.limits()?;
        let mut beside = Duration::ZERO;
        let parts = match options.may_end_early() {
            true => None,
            false => self.count_parts(&queries, options.threads, before, &mut beside)?,
        };
        let counted = match parts {
            Some(counted) => counted,
            None => self.count_whole(&queries, options, before, start)?,
        };
        // Ends the dump, if that is still under way.
        let after = self.limits()?;
        let Counted { aggregator, end, malformed, dumps, moving, stopped } = counted;
        let reports = aggregator.finish_all();
        let elapsed = start.elapsed();
        let scan = |(report, query): (Report, &Query)| Scan {
            end: DumpEnd { matched: report.flows(), undecided: report.undecided(), ..end },
            report,
            filter: query.filter.clone(),
            before,
            after,
            malformed,
            elapsed,
            beside,
            dumps,
            moving,
            stopped,
        };
        Ok(Q::scans(reports.into_iter().zip(&queries).map(scan).collect()))
    }

    /// Counts by one dump.
    fn count_whole(
        &mut self,
        queries: &[Query],
        options: &ScanOptions<'_>,
        before: Limits,
        start: Instant,
    ) -> Result<Counted> {
        let plan = match queries {
            // A dump would walk the host's whole table to find that.
            _ if before.entries == 0 => {
                (!Filter::new()).plan(&Capabilities::UNKNOWN, Placement::LeastLatency)
            }
            // The kernel's own filter would change what a part of the table is a sample of.
            _ if options.may_end_early() => everything(),
            [first, others @ ..] if others.iter().all(|other| other.filter == first.filter) => {
                self.plan(&first.filter, options.placement)?
            }
            _ => self.plan(&options.filter, options.placement)?,
        };
        let budget = options.whole_budget();
        let (mut aggregator, mut malformed, mut stopped) = (Aggregator::of(queries), 0, None);
        // The aggregator judges what comes.
        let mut dump = self.dump_planned(Kind::Read(List::Table), &plan, None)?;
        while stopped.is_none() {
            let Some(batch) = dump.next_batch()? else { break };
            for entry in batch.entries() {
                malformed += u64::from(aggregator.record_bytes(entry).is_err());
            }
            let end = dump.end();
            let progress = Progress { entries: end.entries, expected: before.entries.into() };
            let told = options.progress.map(|tell| tell(progress));
            stopped = match told {
                Some(ControlFlow::Break(())) => Some(Limit::Caller),
                _ if budget.is_unbounded() => None,
                _ => budget.spent(&end, start.elapsed(), aggregator.memory()),
            };
        }
        let end = dump.end();
        Ok(Counted { aggregator, end, malformed, dumps: 1, moving: false, stopped })
    }
}

/// The plan that asks the kernel for every entry.
pub(super) fn everything() -> Plan {
    Filter::new().plan(&Capabilities::UNKNOWN, Placement::LeastLatency)
}
