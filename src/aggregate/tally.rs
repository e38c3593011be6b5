//! What one query has counted so far.

use std::time::SystemTime;

use super::groups::Groups;
use super::key;
use super::project::Projection;
use super::query::Query;
use super::report::{Report, Row};
use crate::filter::Filter;
use crate::flow::FlowRef;

/// The groups of one query.
#[derive(Debug, Clone)]
pub(super) struct Tally {
    query: Query,
    groups: Groups,
    flows: u64,
    undecided: u64,
    /// The moment that ages are reckoned to, if there is a filter.
    filtered: Option<SystemTime>,
}

impl Tally {
    pub(super) fn new(query: &Query) -> Self {
        Self {
            query: query.clone(),
            groups: Groups::new(key::width(query.fields())),
            flows: 0,
            undecided: 0,
            filtered: (*query.filter() != Filter::new()).then(SystemTime::now),
        }
    }

    pub(super) fn is_filtered(&self) -> bool {
        self.filtered.is_some()
    }

    pub(super) fn undecided(&self) -> u64 {
        self.undecided
    }

    /// Counts an entry, if the filter is true of it.
    pub(super) fn judge(&mut self, flow: &FlowRef<'_>, entry: &Projection) {
        if let Some(now) = self.filtered {
            let verdict = self.query.filter().judge(flow, now);
            self.undecided += u64::from(verdict.is_none());
            if verdict != Some(true) {
                return;
            }
        }
        self.count(entry);
    }

    /// Counts an entry.
    #[inline]
    pub(super) fn count(&mut self, entry: &Projection) {
        let Self { query, groups, .. } = self;
        groups.count(|key| key::encode(query.fields(), entry, key));
        self.flows += 1;
    }

    /// Whether another one has counted the same.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        self.query.fields() == other.query.fields() && self.query.filter() == other.query.filter()
    }

    /// Adds what another one [like](Self::is_like) it has counted.
    pub(super) fn merge(&mut self, other: Self) {
        self.flows += other.flows;
        self.undecided += other.undecided;
        self.groups.merge(other.groups);
    }

    /// The answer.
    pub(super) fn finish(mut self) -> Report {
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
