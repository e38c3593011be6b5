//! What is new since the last look, and how fast it comes.

use std::time::{Duration, Instant};

use super::dump::Kind;
use super::{DumpEnd, Limits, List, Reader};
use crate::aggregate::{Aggregator, Baseline, Query, Report};
use crate::error::Result;
use crate::filter::{Filter, Placement};
use crate::kernel::Capabilities;
use crate::wire::WireError;

/// What has begun between two looks at the table, or what was carried.
///
/// With the feature `serde` it serializes to the document that `top_sources --rate --json` prints.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Rates {
    /// The groups of the flows that were not there at the first look. For a query by packets or
    /// bytes: of the flows that have carried any since, and only as much as they have.
    pub report: Report,
    /// Which entries are in them, as they were at the second look.
    pub filter: Filter,
    /// Between the looks.
    pub interval: Duration,
    /// How full the table was right after the second look.
    pub table: Limits,
    /// Entries that were not there at the first look, whatever the filter.
    pub began: u64,
    /// Entries that are not there any more.
    pub ended: u64,
    /// How the second dump went.
    pub end: DumpEnd,
    /// Entries of it that could not be read.
    pub malformed: u64,
    /// How long the second look took.
    pub elapsed: Duration,
}

/// A look at the table, to compare a later one with. Made by [`Reader::look`].
#[derive(Debug, Clone)]
pub struct Look {
    baseline: Baseline,
    /// Half of it was before.
    taken: Instant,
}

impl Look {
    /// Which entries there were.
    pub fn baseline(&self) -> &Baseline {
        &self.baseline
    }
}

impl Rates {
    /// A number of flows, packets or bytes, as so many a second.
    pub fn per_second(&self, number: u64) -> f64 {
        number as f64 / self.interval.as_secs_f64().max(f64::MIN_POSITIVE)
    }

    /// Whether every entry of the second look was read.
    pub fn is_complete(&self) -> bool {
        !self.end.interrupted && self.malformed == 0
    }
}

impl Reader {
    /// Takes a look, for [`rates`](Self::rates) of this query.
    ///
    /// # Errors
    ///
    /// As [`scan`](Self::scan).
    ///
    /// # Cost
    ///
    /// A dump, and memory for every entry: see [`Baseline`].
    pub fn look(&mut self, query: &Query) -> Result<Look> {
        let mut baseline = Baseline::new(query);
        let seen = self.see_all(|entry| baseline.record_bytes(entry))?;
        Ok(Look { baseline, taken: seen.middle })
    }

    /// Takes another look, says what is new since the last one, and makes it the one that the next
    /// look is compared with.
    ///
    /// ```no_run
    /// use std::time::Duration;
    /// use ctnetlink::{Query, Reader, aggregate::Field};
    /// # fn main() -> ctnetlink::Result<()> {
    /// let mut table = Reader::open()?;
    /// let query = Query::new().by([Field::SOURCE]);
    /// let mut look = table.look(&query)?;
    /// loop {
    ///     std::thread::sleep(Duration::from_secs(5));
    ///     let rates = table.rates(&query, &mut look)?;
    ///     for row in rates.report.rows() {
    ///         println!("{:8.1} new flows/s from {row}", rates.per_second(row.flows));
    ///     }
    /// }
    /// # }
    /// ```
    ///
    /// A flow that began and ended between the looks is not seen. The kernel keeps the shortest ones
    /// for 10 seconds (TCP closed), unless told otherwise; so looks that are closer see all but what
    /// was deleted or dropped early, and a tuple that was used again at once, whose id is the same. The looks go over the table in the same order, so that each
    /// entry is looked at twice after about the same time. `query` has to measure what the first
    /// look was for.
    ///
    /// # Errors
    ///
    /// As [`scan`](Self::scan). The look is then as before.
    ///
    /// # Cost
    ///
    /// A dump, a look at every attribute of each entry here, and memory for every entry twice.
    pub fn rates(&mut self, query: &Query, look: &mut Look) -> Result<Rates> {
        let start = Instant::now();
        let mut next = look.baseline.next();
        let mut aggregator = Aggregator::new(query);
        let (mut began, mut known) = (0_u64, 0_u64);
        let seen = self.see_all(|entry| {
            let sight = next.sight(entry)?;
            let before = look.baseline.find(&sight);
            match before {
                Some(_) => known += 1,
                None => began += 1,
            }
            next.remember(sight);
            aggregator.record_sight(entry, &sight, before)
        })?;
        let interval = seen.middle.duration_since(look.taken);
        let ended = (look.baseline.len() as u64).saturating_sub(known);
        *look = Look { baseline: next, taken: seen.middle };
        let report = aggregator.finish();
        let (matched, undecided) = (report.flows(), report.undecided());
        Ok(Rates {
            report,
            filter: query.filter().clone(),
            interval,
            table: self.limits()?,
            began,
            ended,
            end: DumpEnd { matched, undecided, ..seen.end },
            malformed: seen.malformed,
            elapsed: start.elapsed(),
        })
    }

    /// Shows every entry to `see`.
    fn see_all(&mut self, mut see: impl FnMut(&[u8]) -> Result<(), WireError>) -> Result<Seen> {
        let start = Instant::now();
        // All of them: one that did not match at the first look is not new for matching now.
        let plan = Filter::new().plan(&Capabilities::UNKNOWN, Placement::LeastLatency);
        let mut malformed = 0;
        let mut dump = self.dump_planned(Kind::Read(List::Table), &plan, None)?;
        while let Some(batch) = dump.next_batch()? {
            for entry in batch.entries() {
                malformed += u64::from(see(entry).is_err());
            }
        }
        Ok(Seen { end: dump.end(), malformed, middle: start + start.elapsed() / 2 })
    }
}

/// How a look went.
struct Seen {
    end: DumpEnd,
    malformed: u64,
    /// Half of it was before.
    middle: Instant,
}
