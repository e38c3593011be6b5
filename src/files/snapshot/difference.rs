//! The difference of two snapshots.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::ops::ControlFlow;
use std::time::SystemTime;

use super::Snapshot;
use crate::aggregate::{Aggregator, Measure, Query, Report};
use crate::field::{Key, Value};
use crate::files::end::{End, Format};
use crate::filter::Filter;
use crate::flow::{FlowRef, State, Status, Tuple};

/// What began, ended and stayed between two snapshots, by groups.
///
/// With the feature `serde` it serializes to the document that `snapshot diff --json` prints.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Difference {
    /// What was grouped by.
    pub keys: Vec<Key>,
    /// The groups that differ most, at most twice as many as the query asks for. The one that grew most is first, and
    /// the one that shrank most is last.
    pub rows: Vec<GroupChange>,
    /// The filter: all numbers are about entries that match it.
    pub filter: Filter,
    /// Entries of the second that are not in the first.
    pub born: u64,
    /// Entries of the first that are not in the second.
    pub died: u64,
    /// Entries of the second that are in the first, too.
    pub stayed: u64,
    /// Entries of both that were skipped, since they lack a field that the filter tests.
    pub undecided: u64,
    /// Groups that changed and are not among the rows.
    pub others: u64,
    /// Whether entries were also compared by their ids. Where one of the two has no ids, an entry that ended and a
    /// later one with the same tuple count as one that stayed.
    pub by_id: bool,
    /// Entries that stayed, and whose state, status, mark, labels or reply tuple changed.
    pub changed: u64,
    /// The changes of state, the most frequent first.
    pub transitions: Vec<Transition>,
    /// How reading the first went.
    pub first: End,
    /// How reading the second went.
    pub second: End,
}

/// What has become of a group.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct GroupChange {
    /// Its values, one for each field.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub key: Vec<Value>,
    /// Its entries in the first snapshot.
    pub before: u64,
    /// Its entries in the second snapshot.
    pub after: u64,
    /// Entries that are new.
    pub born: u64,
    /// Entries that are gone.
    pub died: u64,
    /// Entries that stayed and [changed](Difference::changed), in the group they are in now.
    pub changed: u64,
}

/// How many entries changed from one state to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Transition {
    /// The state in the first.
    #[cfg_attr(feature = "serde", serde(serialize_with = "by_name"))]
    pub from: State,
    /// The state in the second.
    #[cfg_attr(feature = "serde", serde(serialize_with = "by_name"))]
    pub to: State,
    /// Entries.
    pub flows: u64,
}

/// Writes a state by its name.
#[cfg(feature = "serde")]
fn by_name<S: serde::Serializer>(state: &State, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(state)
}

impl GroupChange {
    /// By how many entries it grew. It is negative if the group shrank.
    pub fn growth(&self) -> i64 {
        i64::try_from(self.after).unwrap_or(i64::MAX)
            - i64::try_from(self.before).unwrap_or(i64::MAX)
    }
}

impl Difference {
    /// Compares two snapshots, by the groups of a query, and of the entries that match its filter.
    ///
    /// An entry is the same in both if it has the same tuple and zone and, where both have them, the same id.
    /// `first` is opened twice and `second` once. An entry that stayed and comes into another group, or begins to match
    /// the filter, has neither begun nor ended. Ages are counted up to the time each table was read.
    ///
    /// Where one of the two is [text](Format::Text), an entry has changed if its state or its reply tuple is another
    /// one, or if packets now go both ways. Text says no more.
    ///
    /// ```no_run
    /// use ctnetlink::{Query, field::Field};
    /// use ctnetlink::files::snapshot::{Difference, Snapshot};
    /// # fn main() -> std::io::Result<()> {
    /// let query = Query::new().group_by([Field::Source]);
    /// let open = |name| move || Snapshot::open(name);
    /// let difference = Difference::of(open("a.pcapng"), open("b.pcapng"), &query)?;
    /// for change in &difference.rows {
    ///     println!("{:+} {:?}", change.growth(), change.key);
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// The readers', and `InvalidInput` if `first` gave something else when it was opened again, as a pipe does.
    ///
    /// # Cost
    ///
    /// Three readings, and memory for all groups and for every entry of either, about 55 bytes each: 32 MB for
    /// 250,000 and 250,000 (`snapshot diff --by proto`, Linux 6.18).
    pub fn of<'r>(
        mut first: impl FnMut() -> io::Result<Snapshot<'r>>,
        mut second: impl FnMut() -> io::Result<Snapshot<'r>>,
        query: &Query,
    ) -> io::Result<Self> {
        let rows = query.top;
        // Differences are counted in entries, and of all groups.
        let query = query.clone().measure(Measure::Flows).top(usize::MAX);
        let (mut one, mut two, mut again) = (first()?, second()?, first()?);
        let by_id = one.has_ids().unwrap_or(true) && two.has_ids().unwrap_or(true);
        let is_text = |snapshot: &Snapshot<'_>| snapshot.end().format == Format::Text;
        let coarse = is_text(&one) || is_text(&two);
        let comparison = Comparison { hasher: RandomState::new(), by_id, coarse };
        let [mut there, mut here, mut gone] =
            [&one, &two, &again].map(|snapshot| Side::new(&query, &comparison, snapshot));
        gone.again = true;
        let first_end = there.read(&mut one, None)?;
        let second_end = here.read(&mut two, Some(&there))?;
        if gone.read(&mut again, Some(&here))? != first_end {
            let what = "the first one reads otherwise the second time: give a file, and no pipe";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
        }
        let (transitions, all) = (here.transitions, [there.all, here.all, here.new, gone.new]);
        let [before, after, born, died] = all.map(Aggregator::finish);
        let changed = here.other.finish();

        type Place = fn(&mut GroupChange) -> &mut u64;
        let places: [(&Report, Place); 5] = [
            (&before, |change| &mut change.before),
            (&after, |change| &mut change.after),
            (&born, |change| &mut change.born),
            (&died, |change| &mut change.died),
            (&changed, |change| &mut change.changed),
        ];
        let mut changes: HashMap<Vec<Value>, GroupChange> = HashMap::new();
        for (report, place) in places {
            for row in report.rows() {
                let change = changes.entry(row.key.clone()).or_default();
                change.key.clone_from(&row.key);
                *place(change) += row.flows;
            }
        }
        let mut changes: Vec<_> = changes
            .into_values()
            .filter(|change| change.born + change.died + change.changed > 0 || change.growth() != 0)
            .collect();
        // Ties are broken by the values, as text, so that equal files give equal answers.
        let text =
            |change: &GroupChange| change.key.iter().map(ToString::to_string).collect::<Vec<_>>();
        changes.sort_by_cached_key(|change| {
            (Reverse(change.growth()), Reverse(change.born), text(change))
        });
        let mut others = 0;
        if changes.len() > rows.saturating_mul(2) {
            let middle = rows..changes.len() - rows;
            others = changes.drain(middle).len() as u64;
        }
        let transition = |((from, to), flows)| Transition { from, to, flows };
        let mut transitions: Vec<_> = transitions.into_iter().map(transition).collect();
        transitions.sort_by_key(|found| (Reverse(found.flows), found.from, found.to));
        Ok(Self {
            keys: query.keys().to_vec(),
            filter: query.filter.clone(),
            rows: changes,
            undecided: before.undecided() + after.undecided(),
            others,
            by_id: comparison.by_id,
            born: born.flows(),
            died: died.flows(),
            stayed: after.flows() - born.flows(),
            changed: changed.flows(),
            transitions,
            first: first_end,
            second: second_end,
        })
    }
}

/// What of an entry can change: its state, and a hash of the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Appearance {
    state: State,
    rest: u32,
}

impl Comparison {
    /// 64 bits that tell whether it is the same entry. That two of a million entries share them happens once in tens
    /// of millions of times.
    fn mark(&self, flow: &FlowRef<'_>) -> u64 {
        let id = flow.id().filter(|_| self.by_id);
        self.hasher.hash_one((flow.original(), flow.zone(), id))
    }
}

impl Appearance {
    fn of(flow: &FlowRef<'_>, comparison: &Comparison) -> Self {
        let status = flow.status();
        let back = Tuple { zone: None, ..*flow.reply() };
        let rest = match comparison.coarse {
            true => comparison.hasher.hash_one((status.contains(Status::SEEN_REPLY), back)),
            false => {
                let labels = flow.labels().map(|labels| labels.0);
                comparison.hasher.hash_one((status.bits(), flow.mark(), labels, back))
            }
        };
        Self { state: flow.state(), rest: rest as u32 }
    }
}

/// How entries are compared.
struct Comparison {
    hasher: RandomState,
    by_id: bool,
    /// Whether one of the two is text, which does not say all.
    coarse: bool,
}

/// One reading of a snapshot.
struct Side<'m> {
    comparison: &'m Comparison,
    again: bool,
    filter: Filter,
    /// The time that ages are counted up to.
    moment: SystemTime,
    appearances: HashMap<u64, Appearance>,
    all: Aggregator,
    /// Entries that the other one does not have.
    new: Aggregator,
    /// What looks different in the other one.
    other: Aggregator,
    transitions: HashMap<(State, State), u64>,
}

impl<'m> Side<'m> {
    fn new(query: &Query, comparison: &'m Comparison, snapshot: &Snapshot<'_>) -> Self {
        let time = snapshot.facts().origin.time;
        let moment = time.map_or_else(SystemTime::now, SystemTime::from);
        let groups = || Aggregator::new(query).at(moment);
        Self {
            comparison,
            again: false,
            filter: query.filter.clone(),
            moment,
            appearances: HashMap::new(),
            all: groups(),
            new: groups(),
            other: groups(),
            transitions: HashMap::new(),
        }
    }

    fn read(&mut self, snapshot: &mut Snapshot<'_>, other: Option<&Side<'_>>) -> io::Result<End> {
        let _ = snapshot.try_for_each::<()>(|flow| {
            self.take(flow, other);
            ControlFlow::Continue(())
        })?;
        Ok(snapshot.end())
    }

    fn take(&mut self, flow: &FlowRef<'_>, other: Option<&Side<'_>>) {
        let mark = self.comparison.mark(flow);
        let now = Appearance::of(flow, self.comparison);
        // When the first one is read again, it was counted before.
        if !self.again {
            self.all.record(flow);
            self.appearances.insert(mark, now);
        }
        let judged = self.filter.judge(flow, self.moment) == Some(true);
        let Some(other) = other.filter(|_| judged) else { return };
        let Some(before) = other.appearances.get(&mark) else {
            self.new.record(flow);
            return;
        };
        if *before != now {
            self.other.record(flow);
            if before.state != now.state {
                *self.transitions.entry((before.state, now.state)).or_default() += 1;
            }
        }
    }
}
