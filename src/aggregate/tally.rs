//! What one query has counted so far.

use std::cmp::Ordering;
use std::time::SystemTime;

use super::groups::{Columns, Group, Groups, bytes};
use super::key::{self, Form};
use super::project::Projection;
use super::query::Query;
use super::recipe::Recipe;
use super::report::{Report, Row};
use super::volume::{Measure, Volume};
use crate::filter::Filter;
use crate::flow::FlowRef;

/// The groups of one query: those with narrow keys, and those with wide ones.
#[derive(Debug, Clone)]
pub(super) struct Tally {
    query: Query,
    narrow: Groups,
    wide: Groups,
    flows: u64,
    undecided: u64,
    filtered: bool,
}

impl Tally {
    pub(super) fn new(query: &Query) -> Self {
        let columns =
            Columns { measure: query.measured(), bounded: query.memory_limit().is_some() };
        let groups = |form| Groups::new(key::width(query.fields(), form), columns);
        Self {
            query: query.clone(),
            narrow: groups(Form::Narrow),
            wide: groups(Form::Wide),
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
        self.narrow.bytes() + self.wide.bytes()
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
        let Self { query, narrow, wide, .. } = self;
        let query = &*query;
        let limit = query.memory_limit().unwrap_or(usize::MAX);
        let write = |form| move |key: &mut [u8]| key::encode(query.fields(), entry, form, key);
        let sums = || Some(Volume::sums(entry.counters));
        let left = limit.saturating_sub(wide.bytes());
        if narrow.count(write(Form::Narrow), sums, left).is_none() {
            wide.count(write(Form::Wide), sums, limit.saturating_sub(narrow.bytes()));
        }
        self.flows += 1;
    }

    /// Counts an entry of a known shape; `None`, and not counted, where it is too short.
    #[inline]
    pub(super) fn cook(&mut self, recipe: &Recipe, entry: &[u8]) -> Option<()> {
        let limit = self.query.memory_limit().unwrap_or(usize::MAX);
        let (groups, other) = match recipe.form() {
            Form::Narrow => (&mut self.narrow, &self.wide),
            Form::Wide => (&mut self.wide, &self.narrow),
        };
        let left = limit.saturating_sub(other.bytes());
        groups.count(|key| recipe.write(entry, key), || recipe.sums(entry), left)?;
        self.flows += 1;
        Some(())
    }

    /// Whether another one has counted the same.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        let (own, its) = (&self.query, &other.query);
        own.fields() == its.fields()
            && own.filter() == its.filter()
            && own.measured() == its.measured()
            && own.memory_limit().is_some() == its.memory_limit().is_some()
    }

    /// Adds what another one [like](Self::is_like) it has counted.
    pub(super) fn merge(&mut self, other: Self) {
        let limit = self.query.memory_limit().unwrap_or(usize::MAX);
        self.flows += other.flows;
        self.undecided += other.undecided;
        self.narrow.merge(other.narrow, limit.saturating_sub(self.wide.bytes()));
        self.wide.merge(other.wide, limit.saturating_sub(self.narrow.bytes()));
    }

    /// The answer.
    pub(super) fn finish(mut self) -> Report {
        let limit = self.query.memory_limit().unwrap_or(usize::MAX);
        self.narrow.settle(limit.saturating_sub(self.wide.bytes()));
        self.wide.settle(limit.saturating_sub(self.narrow.bytes()));
        let fields = self.query.fields();
        let row = |(form, group): (Form, Group<'_>)| Row {
            key: key::decode(fields, form, bytes(group.key(), &mut Vec::new())),
            flows: group.flows(),
            missed: group.missed(),
            volume: group.sums().map(Volume::of),
        };
        let rows: Vec<_> = self.top(self.query.rows()).into_iter().map(row).collect();
        let shown: u64 = rows.iter().map(|row| row.flows).sum();
        let total = || {
            let kept = self.narrow.groups().chain(self.wide.groups()).filter_map(Group::sums);
            let sums = kept.chain([self.narrow.forgotten(), self.wide.forgotten()]);
            sums.map(Volume::of).fold(Volume::default(), Volume::plus)
        };
        let measure = self.query.measured();
        Report {
            fields: fields.to_vec(),
            measure,
            flows: self.flows,
            volume: (measure != Measure::Flows).then(total),
            undecided: self.undecided,
            distinct: (self.narrow.len() + self.wide.len()) as u64,
            missed: self.narrow.missed().max(self.wide.missed()),
            other: self.flows - shown,
            rows,
        }
    }

    /// The groups that weigh most, heaviest first; those that weigh as much, in the order of their
    /// keys.
    fn top(&self, limit: usize) -> Vec<(Form, Group<'_>)> {
        let fields = self.query.fields();
        let order = |a: &(Form, Group<'_>), b: &(Form, Group<'_>)| {
            b.1.weight().cmp(&a.1.weight()).then_with(|| order(fields, *a, *b))
        };
        let all = || {
            let narrow = self.narrow.groups().map(|group| (Form::Narrow, group));
            narrow.chain(self.wide.groups().map(|group| (Form::Wide, group)))
        };
        // Twice the number asked for, so that what does not make it is thrown out now and then.
        let room = limit.saturating_mul(2).clamp(64, (self.narrow.len() + self.wide.len()).max(64));
        let mut top: Vec<(Form, Group<'_>)> = Vec::with_capacity(room);
        let mut least = 0;
        for group in all().filter(|_| limit > 0) {
            if group.1.weight() < least {
                continue;
            }
            if top.len() == room && limit < room {
                let (_, last, _) = top.select_nth_unstable_by(limit, order);
                least = last.1.weight();
                top.truncate(limit);
            }
            top.push(group);
        }
        top.sort_unstable_by(order);
        top.truncate(limit);
        top
    }
}

/// The order of two keys.
fn order(fields: &[super::Field], a: (Form, Group<'_>), b: (Form, Group<'_>)) -> Ordering {
    match (a.0, b.0) {
        (Form::Narrow, Form::Wide) => {
            let (mut narrow, mut wide) = (Vec::new(), Vec::new());
            key::compare(fields, bytes(a.1.key(), &mut narrow), bytes(b.1.key(), &mut wide))
        }
        (Form::Wide, Form::Narrow) => order(fields, b, a).reverse(),
        _ => a.1.key().cmp(b.1.key()),
    }
}
