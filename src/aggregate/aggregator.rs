//! Entries in, reports out.

use std::time::{SystemTime, UNIX_EPOCH};

use super::baseline::{Baseline, Sight};
use super::needs::Needs;
use super::project::Projection;
use super::query::Query;
use super::report::Report;
use super::shapes::{Known, Shapes};
use super::tally::Tally;
use super::volume::Measure;
#[cfg(all(target_os = "linux", not(ctnetlink_pure)))]
use crate::filter::KernelFilter;
#[cfg(all(target_os = "linux", not(ctnetlink_pure)))]
use crate::flow::Status;
use crate::flow::{Counters, FlowRef};
use crate::wire::WireError;

/// Counts entries by the groups of a [`Query`], or of several at once.
///
/// [`Reader::scan`](crate::Reader::scan) runs one over the table. By itself it takes entries from
/// anywhere: a capture, a filter of your own.
///
/// # Cost
///
/// About 50 ns per entry out of cold memory, 70 for keys that make many groups; a further query takes
/// about 320 instructions more, since an entry is looked at once (`docs/figures.md`). No allocation,
/// except now and then for groups that are new.
#[derive(Debug, Clone)]
pub struct Aggregator {
    needs: Needs,
    filtered: bool,
    tallies: Vec<Tally>,
    shapes: Shapes,
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
        let fields = queries.iter().flat_map(|query| [query.fields(), query.uniques()]);
        let needs = Needs::of(fields.flatten());
        let measured = queries.iter().any(|query| query.measured() != Measure::Flows);
        Self {
            needs: if measured { needs.and_counters() } else { needs },
            filtered: tallies.iter().any(Tally::is_filtered),
            tallies,
            shapes: Shapes::default(),
            entry: Projection::nothing(SystemTime::now()),
        }
    }

    /// An empty one for queries, and entries that have to be in a part of a table.
    #[cfg(all(target_os = "linux", not(ctnetlink_pure)))]
    pub(crate) fn of_part(queries: &[Query]) -> Self {
        let whole = Self::of(queries);
        Self { needs: whole.needs.and_part(), ..whole }
    }

    /// Reckons ages to this moment, for entries that are not of today. The default is the moment the
    /// aggregator was made.
    #[must_use]
    pub fn at(self, moment: SystemTime) -> Self {
        Self { entry: Projection::nothing(moment), shapes: Shapes::default(), ..self }
    }

    /// Counts an entry, for each query whose filter is true of it.
    pub fn record(&mut self, flow: &FlowRef<'_>) {
        self.entry.take(flow);
        for tally in &mut self.tallies {
            tally.judge(flow, &self.entry, self.entry.now());
        }
    }

    /// Entries so far that lack what a filter is about, so that they could not be judged, and were
    /// not counted; of several queries, the sum.
    pub fn undecided(&self) -> u64 {
        self.tallies.iter().map(Tally::undecided).sum()
    }

    /// Bytes that the groups take by now.
    pub fn memory(&self) -> usize {
        self.tallies.iter().map(Tally::bytes).sum()
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
        if let Some(known) = self.shapes.find(attributes) {
            Self::cook(&mut self.tallies, known, attributes);
            return Ok(());
        }
        self.entry.read(attributes, self.needs)?;
        self.count();
        self.learn(attributes);
        Ok(())
    }

    /// As [`record_bytes`](Self::record_bytes), for one made [`of_part`](Self::of_part); says whether
    /// the entry is in this part, and does not count it if not.
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
        if let Some(known) = self.shapes.find(attributes) {
            let status = known.number(attributes, known.places.status).unwrap_or_default();
            let mark = known.number(attributes, known.places.mark);
            let inside = part.holds(Status::from_bits_retain(status), mark);
            if inside {
                Self::cook(&mut self.tallies, known, attributes);
            }
            return Ok(inside);
        }
        self.entry.read(attributes, self.needs)?;
        let inside = part.holds(self.entry.status, self.entry.mark);
        if inside {
            self.count();
        }
        self.learn(attributes);
        Ok(inside)
    }

    /// Counts an entry of a second look, if it was not there at the first. Queries by packets or bytes
    /// count what has carried any since, and only as much as it has carried since. Says whether it
    /// was there.
    ///
    /// # Errors
    ///
    /// As [`record_bytes`](Self::record_bytes).
    pub fn record_since(
        &mut self,
        attributes: &[u8],
        baseline: &Baseline,
    ) -> Result<bool, WireError> {
        let sight = baseline.sight(attributes)?;
        let before = baseline.find(&sight);
        self.record_sight(attributes, &sight, before)?;
        Ok(before.is_some())
    }

    pub(crate) fn record_sight(
        &mut self,
        attributes: &[u8],
        sight: &Sight,
        before: Option<[Option<Counters>; 2]>,
    ) -> Result<(), WireError> {
        let since = before.map(|before| sight.since(before));
        let idle = |counters: &Option<Counters>| counters.is_none_or(|since| since.packets == 0);
        if since.is_some_and(|since| since.iter().all(idle)) {
            return Ok(());
        }
        let flow = if self.filtered { Some(FlowRef::parse(attributes)?) } else { None };
        match &flow {
            Some(flow) => self.entry.take(flow),
            None => self.entry.read(attributes, self.needs)?,
        }
        if let Some(since) = since {
            self.entry.counters = since;
        }
        for tally in &mut self.tallies {
            match &flow {
                Some(flow) => tally.judge(flow, &self.entry, self.entry.now()),
                None => tally.count(&self.entry),
            }
        }
        Ok(())
    }

    #[inline]
    fn count(&mut self) {
        for tally in &mut self.tallies {
            tally.count(&self.entry);
        }
    }

    #[inline]
    fn cook(tallies: &mut [Tally], known: &Known, attributes: &[u8]) {
        for (tally, recipes) in tallies.iter_mut().zip(&known.recipes) {
            let counted = tally.cook(recipes, attributes);
            debug_assert!(counted.is_some(), "the shape has said that it is long enough");
        }
    }

    #[cold]
    fn learn(&mut self, attributes: &[u8]) {
        let now = self.entry.now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX);
        let queries = self.tallies.iter().map(Tally::query);
        self.shapes.learn(attributes, self.needs, queries, now);
    }

    /// Adds what another one has counted, for the same queries. In whatever order they are merged,
    /// the answer is the same; with a [bound on memory](Query::memory) the numbers may differ, and
    /// are as true.
    ///
    /// # Errors
    ///
    /// The other one, if a query of its has other fields or another filter, measures something else
    /// or is bounded where this is not, or there are more or fewer of them.
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
