//! What one query has counted so far.

use std::collections::HashMap;
use std::time::SystemTime;

use super::groups::{Columns, Group, bytes};
use super::key::{self, Form};
use super::keyed::Keyed;
use super::project::Projection;
use super::query::Query;
use super::recipe::Recipes;
use super::report::{Report, Row};
use super::volume::{Measure, Volume};
use crate::filter::Filter;
use crate::flow::FlowRef;

/// The groups of one query.
#[derive(Debug, Clone)]
pub(super) struct Tally {
    query: Query,
    groups: Keyed,
    /// The groups parted further, by what is to be unique in them.
    parted: Option<Keyed>,
    flows: u64,
    undecided: u64,
    filtered: bool,
}

impl Tally {
    pub(super) fn new(query: &Query) -> Self {
        let bounded = query.memory_limit().is_some();
        let parted =
            |fields: Vec<_>| Keyed::new(&fields, Columns { measure: Measure::Flows, bounded });
        Self {
            query: query.clone(),
            groups: Keyed::new(query.fields(), Columns { measure: query.measured(), bounded }),
            parted: query.parted().map(parted),
            flows: 0,
            undecided: 0,
            filtered: *query.filter() != Filter::new(),
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
        self.groups.bytes() + self.parted.as_ref().map_or(0, Keyed::bytes)
    }

    /// Counts an entry, if the filter is true of it. `now` is what ages are reckoned to.
    pub(super) fn judge(&mut self, flow: &FlowRef<'_>, entry: &Projection, now: SystemTime) {
        if self.filtered {
            let verdict = self.query.filter().judge(flow, now);
            self.undecided += u64::from(verdict.is_none());
            if verdict != Some(true) {
                return;
            }
        }
        self.count(entry);
    }

    /// Counts an entry that was decoded.
    #[inline]
    pub(super) fn count(&mut self, entry: &Projection) {
        let Self { query, groups, parted, .. } = self;
        groups.count(entry, || left(query, parted.as_ref()));
        if let Some(parted) = parted {
            parted.count(entry, || left(query, Some(groups)));
        }
        self.flows += 1;
    }

    /// Counts an entry of a known shape; `None`, and not counted, where it is too short.
    #[inline]
    pub(super) fn cook(&mut self, recipes: &Recipes, entry: &[u8]) -> Option<()> {
        let Self { query, groups, parted, .. } = self;
        groups.cook(&recipes.groups, entry, || left(query, parted.as_ref()))?;
        if let Some((parted, recipe)) = parted.as_mut().zip(recipes.parted.as_ref()) {
            parted.cook(recipe, entry, || left(query, Some(groups)))?;
        }
        self.flows += 1;
        Some(())
    }

    /// Whether another one has counted the same.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        let (own, its) = (&self.query, &other.query);
        own.fields() == its.fields()
            && own.parted() == its.parted()
            && own.filter() == its.filter()
            && own.measured() == its.measured()
            && own.memory_limit().is_some() == its.memory_limit().is_some()
    }

    /// Adds what another one [like](Self::is_like) it has counted.
    pub(super) fn merge(&mut self, other: Self) {
        self.flows += other.flows;
        self.undecided += other.undecided;
        self.groups.merge(other.groups, left(&self.query, self.parted.as_ref()));
        if let Some((own, its)) = self.parted.as_mut().zip(other.parted) {
            own.merge(its, left(&self.query, Some(&self.groups)));
        }
    }

    /// The answer.
    pub(super) fn finish(mut self) -> Report {
        self.groups.settle(left(&self.query, self.parted.as_ref()));
        if let Some(parted) = &mut self.parted {
            parted.settle(left(&self.query, Some(&self.groups)));
        }
        let fields = self.query.fields();
        let mut top = self.groups.top(self.query.rows());
        if self.query.is_in_key_order() {
            top.sort_unstable_by(|a, b| self.groups.order(*a, *b));
        }
        let unique = self.unique(&top);
        let row = |(index, (form, group)): (usize, (Form, Group<'_>))| Row {
            key: key::decode(fields, form, bytes(group.key(), &mut Vec::new())),
            flows: group.flows(),
            missed: group.missed(),
            volume: group.sums().map(Volume::of),
            unique: unique.as_ref().and_then(|unique| unique.get(index).copied()),
        };
        let rows: Vec<_> = top.into_iter().enumerate().map(row).collect();
        let shown: u64 = rows.iter().map(|row| row.flows).sum();
        let measure = self.query.measured();
        Report {
            fields: fields.to_vec(),
            unique: self.query.uniques().to_vec(),
            unique_missed: self.parted.as_ref().is_some_and(|parted| parted.missed().is_some()),
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
        let parted = self.parted.as_ref()?;
        let fields = self.query.fields();
        let width = |form| key::width(fields, form);
        let mut scratch = Vec::new();
        let mut places: HashMap<Vec<u8>, usize> = HashMap::new();
        for (index, (form, group)) in groups.iter().enumerate() {
            let key = bytes(group.key(), &mut scratch).get(..width(*form))?;
            places.insert(key.to_vec(), index);
            // What parts a narrow group may be wide, and then all of the key is.
            if *form == Form::Narrow && width(Form::Wide) > width(Form::Narrow) {
                places.insert(key::widen(fields, key), index);
            }
        }
        let mut parts = vec![0; groups.len()];
        for (form, part) in parted.groups() {
            let key = bytes(part.key(), &mut scratch).get(..width(form))?;
            let part = places.get(key).and_then(|&index| parts.get_mut(index));
            part.into_iter().for_each(|parts| *parts += 1);
        }
        Some(parts)
    }
}

/// What of a query's memory others leave.
fn left(query: &Query, others: Option<&Keyed>) -> usize {
    let others = || others.map_or(0, Keyed::bytes);
    query.memory_limit().map_or(usize::MAX, |limit| limit.saturating_sub(others()))
}
