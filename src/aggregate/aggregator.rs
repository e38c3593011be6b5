//! Entries in, a report out.

use std::time::SystemTime;

use super::groups::Groups;
use super::key;
use super::project::{Needs, Projection};
use super::query::Query;
use super::report::{Report, Row};
use crate::filter::Filter;
#[cfg(all(target_os = "linux", not(ctnetlink_pure)))]
use crate::filter::KernelFilter;
use crate::flow::FlowRef;
use crate::wire::WireError;

/// Counts entries by the groups of a [`Query`].
///
/// [`Reader::scan`](crate::Reader::scan) runs one over the table. By itself it takes entries
/// from anywhere: a capture, a filter of your own.
///
/// # Cost
///
/// 50 to 100 ns per entry; no allocation, except now and then for groups that are new.
#[derive(Debug, Clone)]
pub struct Aggregator {
    query: Query,
    needs: Needs,
    groups: Groups,
    flows: u64,
    undecided: u64,
    /// Whether there is a filter, and the moment it reckons ages to.
    filtered: Option<SystemTime>,
    /// The entry at hand; filled in place, since it is many times the size of what changes.
    entry: Projection,
}

impl Aggregator {
    /// An empty one.
    pub fn new(query: &Query) -> Self {
        Self {
            query: query.clone(),
            needs: Needs::of(query.fields()),
            groups: Groups::new(key::width(query.fields())),
            flows: 0,
            undecided: 0,
            filtered: (*query.filter() != Filter::new()).then(SystemTime::now),
            entry: Projection::NOTHING,
        }
    }

    /// Counts an entry, if the query's filter is true of it.
    pub fn record(&mut self, flow: &FlowRef<'_>) {
        if self.keeps(flow) {
            self.entry = Projection::from(flow);
            self.count();
        }
    }

    /// Entries so far that lack what the filter is about, so that they could not be judged, and
    /// were not counted.
    pub fn undecided(&self) -> u64 {
        self.undecided
    }

    fn keeps(&mut self, flow: &FlowRef<'_>) -> bool {
        let Some(now) = self.filtered else { return true };
        let verdict = self.query.filter().judge(flow, now);
        self.undecided += u64::from(verdict.is_none());
        verdict == Some(true)
    }

    /// Counts an entry given as its attributes, what stands behind the netfilter header of its
    /// message. Without a filter faster than [`record`](Self::record): attributes the query does
    /// not need are neither decoded nor checked.
    ///
    /// # Errors
    ///
    /// An attribute the query needs is malformed or, as a tuple, missing. The entry is not counted.
    #[inline]
    pub fn record_bytes(&mut self, attributes: &[u8]) -> Result<(), WireError> {
        if self.filtered.is_some() {
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
        if self.filtered.is_some() {
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

    /// Adds what another one has counted, by the same query. In whatever order they are merged, the
    /// answer is the same.
    ///
    /// # Errors
    ///
    /// The other one, if its query has other fields or another filter.
    pub fn merge(&mut self, other: Self) -> Result<(), Box<Self>> {
        let same = self.query.fields() == other.query.fields()
            && self.query.filter() == other.query.filter();
        if !same {
            return Err(Box::new(other));
        }
        self.flows += other.flows;
        self.undecided += other.undecided;
        self.groups.merge(other.groups);
        Ok(())
    }

    #[inline]
    fn count(&mut self) {
        let Self { query, entry, .. } = self;
        self.groups.count(|key| key::encode(query.fields(), entry, key));
        self.flows += 1;
    }

    /// The answer.
    pub fn finish(mut self) -> Report {
        self.groups.settle();
        let fields = self.query.fields();
        let rows: Vec<_> = self
            .groups
            .top(self.query.rows())
            .into_iter()
            .map(|(key, flows)| Row { key: key::decode(fields, key), flows })
            .collect();
        let shown: u64 = rows.iter().map(|row| row.flows).sum();
        Report {
            fields: fields.to_vec(),
            flows: self.flows,
            undecided: self.undecided,
            distinct: self.groups.len() as u64,
            other: self.flows - shown,
            rows,
        }
    }
}
