//! What one query has counted so far.

use std::collections::HashMap;
use std::time::SystemTime;

use super::group_table::{GroupTable, Seen};
use super::groups::{Columns, Group, bytes};
use super::key_bytes::{self, Form};
use super::key_plan::KeyPlans;
use super::query::Query;
use super::report::{Report, Row};
use super::volume::{Measure, Volume};
use crate::filter::Filter;
use crate::flow::FlowRef;

/// The groups of one query.
#[derive(Debug, Clone)]
pub(super) struct QueryState {
    query: Query,
    groups: GroupTable,
    /// The groups cut further, by what is to be unique in them.
    distinct: Option<GroupTable>,
    flows: u64,
    undecided: u64,
    filtered: bool,
}

impl QueryState {
    pub(super) fn new(query: &Query) -> Self {
        let bounded = query.memory.is_some();
        let distinct =
            |keys: Vec<_>| GroupTable::new(&keys, Columns { measure: Measure::Flows, bounded });
        Self {
            query: query.clone(),
            groups: GroupTable::new(query.keys(), Columns { measure: query.measure, bounded }),
            distinct: query.all_keys().map(distinct),
            flows: 0,
            undecided: 0,
            filtered: query.filter != Filter::new(),
        }
    }

    pub(super) fn query(&self) -> &Query {
        &self.query
    }

    pub(super) fn is_filtered(&self) -> bool {
        self.filtered
    }

    pub(super) fn undecided(&self) -> u64 {
        self.undecided
    }

    /// Bytes of the groups.
    pub(super) fn bytes(&self) -> usize {
        self.groups.bytes() + self.distinct.as_ref().map_or(0, GroupTable::bytes)
    }

    /// Whether the filter is true of an entry.
    #[inline]
    pub(super) fn admits(&mut self, entry: &FlowRef<'_>, now: SystemTime) -> bool {
        if !self.filtered {
            return true;
        }
        let verdict = self.query.filter.judge(entry, now);
        self.undecided += u64::from(verdict.is_none());
        verdict == Some(true)
    }

    /// Counts an entry that was decoded.
    #[inline]
    pub(super) fn count(&mut self, seen: &Seen<'_, '_>) {
        let Self { query, groups, distinct, .. } = self;
        groups.count(seen, || left(query, distinct.as_ref()));
        if let Some(distinct) = distinct {
            distinct.count(seen, || left(query, Some(groups)));
        }
        self.flows += 1;
    }

    /// Counts an entry of a known layout; `None`, and not counted, where it is too short.
    #[inline]
    pub(super) fn count_bytes(&mut self, plans: &KeyPlans, entry: &[u8]) -> Option<()> {
        let Self { query, groups, distinct, .. } = self;
        groups.count_bytes(&plans.groups, entry, || left(query, distinct.as_ref()))?;
        if let Some((distinct, plan)) = distinct.as_mut().zip(plans.distinct.as_ref()) {
            distinct.count_bytes(plan, entry, || left(query, Some(groups)))?;
        }
        self.flows += 1;
        Some(())
    }

    /// Whether another one has counted the same.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        let (own, its) = (&self.query, &other.query);
        own.keys() == its.keys()
            && own.uniques() == its.uniques()
            && own.filter == its.filter
            && own.measure == its.measure
            && own.memory.is_some() == its.memory.is_some()
    }

    /// Adds what another one [like](Self::is_like) it has counted.
    pub(super) fn merge(&mut self, other: Self) {
        self.flows += other.flows;
        self.undecided += other.undecided;
        self.groups.merge(other.groups, left(&self.query, self.distinct.as_ref()));
        if let Some((own, its)) = self.distinct.as_mut().zip(other.distinct) {
            own.merge(its, left(&self.query, Some(&self.groups)));
        }
    }

    /// The answer.
    pub(super) fn finish(mut self) -> Report {
        self.groups.settle(left(&self.query, self.distinct.as_ref()));
        if let Some(distinct) = &mut self.distinct {
            distinct.settle(left(&self.query, Some(&self.groups)));
        }
        let keys = self.query.keys();
        let mut top = self.groups.top(self.query.top);
        if self.query.key_order {
            top.sort_unstable_by(|a, b| self.groups.order(*a, *b));
        }
        let unique = self.unique(&top);
        let row = |(index, (form, group)): (usize, (Form, Group<'_>))| Row {
            key: key_bytes::decode(keys, form, bytes(group.key(), &mut Vec::new())),
            flows: group.flows(),
            missed: group.missed(),
            volume: group.sums().map(Volume::of),
            unique: unique.as_ref().and_then(|unique| unique.get(index).copied()),
        };
        let rows: Vec<_> = top.into_iter().enumerate().map(row).collect();
        let shown: u64 = rows.iter().map(|row| row.flows).sum();
        let measure = self.query.measure;
        Report {
            keys: keys.to_vec(),
            unique: self.query.uniques().to_vec(),
            unique_missed: self
                .distinct
                .as_ref()
                .is_some_and(|distinct| distinct.missed().is_some()),
            measure,
            flows: self.flows,
            volume: (measure != Measure::Flows).then(|| self.groups.volume()),
            undecided: self.undecided,
            distinct: self.groups.len() as u64,
            missed: self.groups.missed(),
            other: self.flows - shown,
            rows,
        }
    }

    /// How many parts each of these groups has.
    fn unique(&self, groups: &[(Form, Group<'_>)]) -> Option<Vec<u64>> {
        let distinct = self.distinct.as_ref()?;
        let keys = self.query.keys();
        let width = |form| key_bytes::width(keys, form);
        let mut scratch = Vec::new();
        let mut places: HashMap<Vec<u8>, usize> = HashMap::new();
        for (index, (form, group)) in groups.iter().enumerate() {
            let key = bytes(group.key(), &mut scratch).get(..width(*form))?;
            places.insert(key.to_vec(), index);
            // What parts a narrow group may be wide, and then all of the key is.
            if *form == Form::Narrow && width(Form::Wide) > width(Form::Narrow) {
                places.insert(key_bytes::widen(keys, key), index);
            }
        }
        let mut parts = vec![0; groups.len()];
        for (form, part) in distinct.groups() {
            let key = bytes(part.key(), &mut scratch).get(..width(form))?;
            let part = places.get(key).and_then(|&index| parts.get_mut(index));
            part.into_iter().for_each(|parts| *parts += 1);
        }
        Some(parts)
    }
}

/// What of a query's memory others leave.
fn left(query: &Query, others: Option<&GroupTable>) -> usize {
    let others = || others.map_or(0, GroupTable::bytes);
    query.memory.map_or(usize::MAX, |limit| limit.saturating_sub(others()))
}
