//! Entries in, reports out.

use super::project::{Needs, Projection};
use super::query::Query;
use super::report::Report;
use super::tally::Tally;
#[cfg(all(target_os = "linux", not(ctnetlink_pure)))]
use crate::filter::KernelFilter;
use crate::flow::FlowRef;
use crate::wire::WireError;

/// Counts entries by the groups of a [`Query`], or of several at once.
///
/// [`Reader::scan`](crate::Reader::scan) runs one over the table. By itself it takes entries from
/// anywhere: a capture, a filter of your own.
///
/// # Cost
///
/// 50 to 100 ns per entry, and 20 to 50 ns for each further query, since an entry is decoded once;
/// no allocation, except now and then for groups that are new.
#[derive(Debug, Clone)]
pub struct Aggregator {
    needs: Needs,
    filtered: bool,
    tallies: Vec<Tally>,
    /// The entry at hand; filled in place, since it is many times the size of what changes.
    entry: Projection,
}

impl Aggregator {
    /// An empty one for a query.
    pub fn new(query: &Query) -> Self {
        Self::of(std::slice::from_ref(query))
    }

    /// An empty one for several queries.
    pub fn of(queries: &[Query]) -> Self {
        let tallies: Vec<_> = queries.iter().map(Tally::new).collect();
        Self {
            needs: Needs::of(queries.iter().flat_map(Query::fields)),
            filtered: tallies.iter().any(Tally::is_filtered),
            tallies,
            entry: Projection::NOTHING,
        }
    }

    /// Counts an entry, for each query whose filter is true of it.
    pub fn record(&mut self, flow: &FlowRef<'_>) {
        self.entry = Projection::from(flow);
        for tally in &mut self.tallies {
            tally.judge(flow, &self.entry);
        }
    }

    /// Entries so far that lack what a filter is about, so that they could not be judged, and were
    /// not counted; of several queries, the sum.
    pub fn undecided(&self) -> u64 {
        self.tallies.iter().map(Tally::undecided).sum()
    }

    /// Counts an entry given as its attributes, what stands behind the netfilter header of its
    /// message. Without a filter faster than [`record`](Self::record): attributes the queries do
    /// not need are neither decoded nor checked.
    ///
    /// # Errors
    ///
    /// An attribute that is needed is malformed or, as a tuple, missing. The entry is not counted.
    #[inline]
    pub fn record_bytes(&mut self, attributes: &[u8]) -> Result<(), WireError> {
        if self.filtered {
            self.record(&FlowRef::parse(attributes)?);
            return Ok(());
        }
        self.entry.read(attributes, self.needs)?;
        self.count();
        Ok(())
    }

    /// As [`record_bytes`](Self::record_bytes), for an entry that has to be in this part of a table;
    /// says whether it is, and does not count it if not.
    #[cfg(all(target_os = "linux", not(ctnetlink_pure)))]
    #[inline]
    pub(crate) fn record_in(
        &mut self,
        attributes: &[u8],
        part: &KernelFilter,
    ) -> Result<bool, WireError> {
        if self.filtered {
            let flow = FlowRef::parse(attributes)?;
            let inside = part.holds(flow.status(), flow.mark());
            if inside {
                self.record(&flow);
            }
            return Ok(inside);
        }
        self.entry.read(attributes, self.needs.and_part())?;
        let inside = part.holds(self.entry.status, self.entry.mark);
        if inside {
            self.count();
        }
        Ok(inside)
    }

    #[inline]
    fn count(&mut self) {
        for tally in &mut self.tallies {
            tally.count(&self.entry);
        }
    }

    /// Adds what another one has counted, for the same queries. In whatever order they are merged,
    /// the answer is the same.
    ///
    /// # Errors
    ///
    /// The other one, if a query of its has other fields or another filter, or there are more or
    /// fewer of them.
    pub fn merge(&mut self, other: Self) -> Result<(), Box<Self>> {
        let mut pairs = self.tallies.iter().zip(&other.tallies);
        if self.tallies.len() != other.tallies.len() || !pairs.all(|(own, its)| own.is_like(its)) {
            return Err(Box::new(other));
        }
        for (own, its) in self.tallies.iter_mut().zip(other.tallies) {
            own.merge(its);
        }
        Ok(())
    }

    /// The answer to the query; of several, to the first.
    pub fn finish(self) -> Report {
        let none = || Tally::new(&Query::new()).finish();
        self.finish_all().into_iter().next().unwrap_or_else(none)
    }

    /// The answers, in the order of the queries.
    pub fn finish_all(self) -> Vec<Report> {
        self.tallies.into_iter().map(Tally::finish).collect()
    }
}
