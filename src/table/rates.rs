//! What is new since the last reading of the table, and how fast it comes.

use std::time::{Duration, Instant};

use super::scan::everything;
use super::{DumpEnd, Limits, Reader};
use crate::aggregate::{Aggregator, Baseline, Query, Report};
use crate::error::Result;
use crate::filter::Filter;
use crate::wire::WireError;

/// What has begun between two readings of the table, or what was carried.
///
/// With the feature `serde` it serializes to the document that `top_sources --rate --json` prints.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Rates {
    /// The groups of the flows that were not there at the first reading. For a query by packets or
    /// bytes: of the flows that have carried any since, and only as much as they have.
    pub report: Report,
    /// Which entries are in them, as they were at the second reading.
    pub filter: Filter,
    /// Time between the readings.
    pub interval: Duration,
    /// How full the table was right after the second reading.
    pub table: Limits,
    /// Entries that were not there at the first reading, whatever the filter.
    pub began: u64,
    /// Entries that are not there any more.
    pub ended: u64,
    /// How the second dump went.
    pub end: DumpEnd,
    /// Entries of it that could not be read.
    pub malformed: u64,
    /// How long the second reading took.
    pub elapsed: Duration,
}

impl Rates {
    /// A number of flows, packets or bytes, as so many a second.
    pub fn per_second(&self, number: u64) -> f64 {
        number as f64 / self.interval.as_secs_f64().max(f64::MIN_POSITIVE)
    }

    /// Whether every entry of the second reading was read.
    pub fn is_complete(&self) -> bool {
        !self.end.interrupted && self.malformed == 0
    }
}

/// Which entries a reading of the table has found, and when, to compare a later one with. Made by
/// [`Reader::baseline`].
#[derive(Debug, Clone)]
pub struct RatesBaseline {
    entries: Baseline,
    /// Half of it was before.
    taken: Instant,
}

impl RatesBaseline {
    /// Which entries there were.
    pub fn entries(&self) -> &Baseline {
        &self.entries
    }
}

impl Reader {
    /// Reads which entries there are, for [`rates`](Self::rates) of this query.
    ///
    /// # Errors
    ///
    /// As [`scan`](Self::scan).
    ///
    /// # Cost
    ///
    /// A dump, and memory for every entry: see [`Baseline`].
    pub fn baseline(&mut self, query: &Query) -> Result<RatesBaseline> {
        let mut entries = Baseline::new(query);
        let (_, _, taken) = self.read_all(|entry| entries.record_bytes(entry))?;
        Ok(RatesBaseline { entries, taken })
    }

    /// Reads the table again, says what is new since the last reading, and makes this one the baseline
    /// of the next.
    ///
    /// ```no_run
    /// use std::time::Duration;
    /// use ctnetlink::{Query, Reader, field::Field};
    /// # fn main() -> ctnetlink::Result<()> {
    /// let mut table = Reader::open()?;
    /// let query = Query::new().group_by([Field::Source]);
    /// let mut last = table.baseline(&query)?;
    /// loop {
    ///     std::thread::sleep(Duration::from_secs(5));
    ///     let rates = table.rates(&query, &mut last)?;
    ///     for row in rates.report.rows() {
    ///         println!("{:8.1} new flows/s from {row}", rates.per_second(row.flows));
    ///     }
    /// }
    /// # }
    /// ```
    ///
    /// A flow that began and ended between the readings is not seen. The kernel keeps the shortest ones
    /// for 10 seconds (TCP closed), unless told otherwise. So readings that are closer see all but two
    /// kinds: what was deleted or dropped early, and a tuple that was used again at once by an entry
    /// with the same id. Both readings go over the table in the same order, so that about the same time
    /// passes between them for each entry. `query` has to measure what the baseline was made for.
    ///
    /// # Errors
    ///
    /// As [`scan`](Self::scan). The baseline is then as before.
    ///
    /// # Cost
    ///
    /// A dump, a look at every attribute of each entry here, and memory for every entry twice.
    pub fn rates(&mut self, query: &Query, last: &mut RatesBaseline) -> Result<Rates> {
        let start = Instant::now();
        let mut entries = last.entries.next();
        let mut aggregator = Aggregator::new(query);
        let (mut began, mut known) = (0_u64, 0_u64);
        let (end, malformed, taken) = self.read_all(|entry| {
            let observation = entries.observation(entry)?;
            let before = last.entries.find(&observation);
            match before {
                Some(_) => known += 1,
                None => began += 1,
            }
            entries.remember(observation);
            aggregator.record_observation(entry, &observation, before)
        })?;
        let interval = taken.duration_since(last.taken);
        let ended = (last.entries.len() as u64).saturating_sub(known);
        *last = RatesBaseline { entries, taken };
        let report = aggregator.finish();
        let (matched, undecided) = (report.flows(), report.undecided());
        Ok(Rates {
            report,
            filter: query.filter.clone(),
            interval,
            table: self.limits()?,
            began,
            ended,
            end: DumpEnd { matched, undecided, ..end },
            malformed,
            elapsed: start.elapsed(),
        })
    }

    /// Shows every entry to `see`. Says how the dump went, how many could not be read, and the middle of
    /// the time it took.
    fn read_all(
        &mut self,
        mut see: impl FnMut(&[u8]) -> Result<(), WireError>,
    ) -> Result<(DumpEnd, u64, Instant)> {
        let start = Instant::now();
        // All of them: one that did not match at the first reading is not new for matching now.
        let (end, malformed) = self.each_entry(&everything(), |entry| see(entry).map(|()| true))?;
        Ok((end, malformed, start + start.elapsed() / 2))
    }
}
