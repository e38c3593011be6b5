//! Entries in, reports out.

use std::time::{SystemTime, UNIX_EPOCH};

use super::baseline::{Baseline, Observation};
use super::group_table::Seen;
use super::layouts::{Known, Layouts};
use super::query::Query;
use super::query_state::QueryState;
use super::report::Report;
#[cfg(all(target_os = "linux", not(ctnetlink_pure)))]
use crate::filter::KernelFilter;
#[cfg(all(target_os = "linux", not(ctnetlink_pure)))]
use crate::flow::Status;
use crate::flow::{Counters, Direction, FlowRef, Needs};
use crate::wire::WireError;
#[cfg(all(target_os = "linux", not(ctnetlink_pure)))]
use crate::wire::ctnetlink;

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
    /// What keys and sums are made of.
    needs: Needs,
    /// What decides whether an entry counts.
    judged: Needs,
    filtered: bool,
    states: Vec<QueryState>,
    layouts: Layouts,
    /// The moment that ages are reckoned to.
    now: SystemTime,
    /// Which of the queries the entry at hand counts for.
    admitted: Vec<bool>,
}

impl Aggregator {
    /// An empty one for a query.
    pub fn new(query: &Query) -> Self {
        Self::of(std::slice::from_ref(query))
    }

    /// An empty one for several queries.
    pub fn of(queries: &[Query]) -> Self {
        let states: Vec<_> = queries.iter().map(QueryState::new).collect();
        Self {
            needs: queries.iter().map(Query::needs).fold(Needs::NOTHING, Needs::and),
            judged: queries.iter().map(|one| one.filter.needs()).fold(Needs::NOTHING, Needs::and),
            filtered: states.iter().any(QueryState::is_filtered),
            states,
            layouts: Layouts::default(),
            now: SystemTime::now(),
            admitted: Vec::with_capacity(queries.len()),
        }
    }

    /// An empty one for queries, and entries that have to be in a part of a table.
    #[cfg(all(target_os = "linux", not(ctnetlink_pure)))]
    pub(crate) fn of_part(queries: &[Query]) -> Self {
        let whole = Self::of(queries);
        let part = Needs::of(&[ctnetlink::CTA_STATUS, ctnetlink::CTA_MARK]);
        Self { needs: whole.needs.and(part), judged: whole.judged.and(part), ..whole }
    }

    /// Reckons ages to this moment, for entries that are not of today. The default is the moment the
    /// aggregator was made.
    #[must_use]
    pub fn at(self, moment: SystemTime) -> Self {
        Self { now: moment, layouts: Layouts::default(), ..self }
    }

    /// Counts an entry, for each query whose filter is true of it.
    pub fn record(&mut self, flow: &FlowRef<'_>) {
        let counters = [Direction::Original, Direction::Reply].map(|way| flow.counters(way));
        self.count(&Seen { entry: flow, counters, now: self.now });
    }

    fn count(&mut self, seen: &Seen<'_, '_>) {
        for state in &mut self.states {
            if state.admits(seen.entry, seen.now) {
                state.count(seen);
            }
        }
    }

    /// Entries so far that lack what a filter is about, so that they could not be judged, and were
    /// not counted; of several queries, the sum.
    pub fn undecided(&self) -> u64 {
        self.states.iter().map(QueryState::undecided).sum()
    }

    /// Bytes that the groups take by now.
    pub fn memory(&self) -> usize {
        self.states.iter().map(QueryState::bytes).sum()
    }

    /// Counts an entry given as its attributes, what stands behind the netfilter header of its
    /// message. Faster than [`record`](Self::record): attributes that neither the queries nor their filters need are
    /// neither decoded nor checked.
    ///
    /// # Errors
    ///
    /// An attribute that is needed is malformed or, as a tuple, missing. The entry is not counted.
    #[inline]
    pub fn record_bytes(&mut self, attributes: &[u8]) -> Result<(), WireError> {
        if self.filtered {
            return self.record_filtered(attributes, |_| true).map(drop);
        }
        if let Some(known) = self.layouts.find(attributes) {
            Self::count_bytes(&mut self.states, known, attributes);
            return Ok(());
        }
        self.record(&FlowRef::read(attributes, self.needs)?);
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
            let inside = |flow: &FlowRef<'_>| part.holds(flow.status(), flow.mark());
            return self.record_filtered(attributes, inside);
        }
        if let Some(known) = self.layouts.find(attributes) {
            let status = known.number(attributes, known.places.status).unwrap_or_default();
            let mark = known.number(attributes, known.places.mark);
            let inside = part.holds(Status::from_bits_retain(status), mark);
            if inside {
                Self::count_bytes(&mut self.states, known, attributes);
            }
            return Ok(inside);
        }
        let flow = FlowRef::read(attributes, self.needs)?;
        let inside = part.holds(flow.status(), flow.mark());
        if inside {
            self.record(&flow);
        }
        self.learn(attributes);
        Ok(inside)
    }

    /// Counts an entry that is inside, for each query whose filter is true of it, and says whether it is inside. What
    /// filters need is decoded first, since it often stands at the front, and is all that most entries are read for.
    fn record_filtered(
        &mut self,
        attributes: &[u8],
        inside: impl FnOnce(&FlowRef<'_>) -> bool,
    ) -> Result<bool, WireError> {
        let Self { states, layouts, admitted, needs, judged, now, .. } = self;
        let flow = FlowRef::read(attributes, *judged)?;
        if !inside(&flow) {
            return Ok(false);
        }
        admitted.clear();
        admitted.extend(states.iter_mut().map(|state| state.admits(&flow, *now)));
        if !admitted.contains(&true) {
            return Ok(true);
        }
        let of_those = states.iter_mut().zip(&*admitted).enumerate();
        let of_those = of_those.filter(|(_, (_, admitted))| **admitted);
        if let Some(known) = layouts.find(attributes) {
            for (index, (state, _)) in of_those {
                let counted =
                    known.plans.get(index).and_then(|plans| state.count_bytes(plans, attributes));
                debug_assert!(counted.is_some(), "the layout has said that it is long enough");
            }
            return Ok(true);
        }
        let flow = FlowRef::read(attributes, *needs)?;
        let counters = [Direction::Original, Direction::Reply].map(|way| flow.counters(way));
        let seen = Seen { entry: &flow, counters, now: *now };
        of_those.for_each(|(_, (state, _))| state.count(&seen));
        self.learn(attributes);
        Ok(true)
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
        let observation = baseline.observation(attributes)?;
        let before = baseline.find(&observation);
        self.record_observation(attributes, &observation, before)?;
        Ok(before.is_some())
    }

    pub(crate) fn record_observation(
        &mut self,
        attributes: &[u8],
        observation: &Observation,
        before: Option<[Option<Counters>; 2]>,
    ) -> Result<(), WireError> {
        let since = before.map(|before| observation.since(before));
        let idle = |counters: &Option<Counters>| counters.is_none_or(|since| since.packets == 0);
        if since.is_some_and(|since| since.iter().all(idle)) {
            return Ok(());
        }
        let flow = FlowRef::read(attributes, self.needs.and(self.judged))?;
        match since {
            None => self.record(&flow),
            Some(counters) => self.count(&Seen { entry: &flow, counters, now: self.now }),
        }
        Ok(())
    }

    #[inline]
    fn count_bytes(states: &mut [QueryState], known: &Known, attributes: &[u8]) {
        for (state, plans) in states.iter_mut().zip(&known.plans) {
            let counted = state.count_bytes(plans, attributes);
            debug_assert!(counted.is_some(), "the layout has said that it is long enough");
        }
    }

    #[cold]
    fn learn(&mut self, attributes: &[u8]) {
        let now = self.now.duration_since(UNIX_EPOCH).unwrap_or_default();
        let now = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX);
        let queries = self.states.iter().map(QueryState::query);
        self.layouts.learn(attributes, self.needs, queries, now);
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
        let mut pairs = self.states.iter().zip(&other.states);
        if self.states.len() != other.states.len() || !pairs.all(|(own, its)| own.is_like(its)) {
            return Err(Box::new(other));
        }
        for (own, its) in self.states.iter_mut().zip(other.states) {
            own.merge(its);
        }
        Ok(())
    }

    /// The answer to the query; of several, to the first.
    pub fn finish(self) -> Report {
        let none = || QueryState::new(&Query::new()).finish();
        self.finish_all().into_iter().next().unwrap_or_else(none)
    }

    /// The answers, in the order of the queries.
    pub fn finish_all(self) -> Vec<Report> {
        self.states.into_iter().map(QueryState::finish).collect()
    }
}
