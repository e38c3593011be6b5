//! What two snapshots differ in.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::ops::ControlFlow;
use std::time::SystemTime;

use super::Snapshot;
use crate::aggregate::{Aggregator, Field, Measure, Query, Report, Value};
use crate::files::end::{End, Format};
use crate::filter::Filter;
use crate::flow::{FlowRef, State, Status, Tuple};

/// What has begun, ended and stayed between two snapshots, by groups.
///
/// With the feature `serde` it serializes to the document that `snapshot diff --json` prints.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Difference {
    /// What was grouped by.
    pub fields: Vec<Field>,
    /// The groups that differ most, the one that has grown most first and the one that has shrunk most
    /// last; at most twice as many as the query asks for.
    pub rows: Vec<Change>,
    /// Of which entries this is.
    pub filter: Filter,
    /// Entries of the second that are not in the first.
    pub born: u64,
    /// Entries of the first that are not in the second.
    pub died: u64,
    /// Entries of the second that are in the first, too.
    pub stayed: u64,
    /// Entries of both that lack what the filter is about, and are left out.
    pub undecided: u64,
    /// Groups that have changed and are not among the rows.
    pub others: u64,
    /// Whether entries were known again by their ids, too. Not so where one of the two has none: then an
    /// entry that has ended and another one of the same tuple that has begun are one that stayed.
    pub by_id: bool,
    /// Of those that stayed, the ones whose state, status, mark, labels or way back is another one now.
    pub changed: u64,
    /// Which states they have come from and into, the most usual first.
    pub transitions: Vec<Transition>,
    /// How reading the first went.
    pub first: End,
    /// How reading the second went.
    pub second: End,
}

/// What has become of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Change {
    /// Its values, one for each field.
    pub key: Vec<Value>,
    /// Its entries in the first.
    pub before: u64,
    /// Its entries in the second.
    pub after: u64,
    /// Entries of it that are new.
    pub born: u64,
    /// Entries of it that are gone.
    pub died: u64,
    /// Entries of it now that have stayed, and [changed](Difference::changed).
    pub changed: u64,
}

/// How many entries have come from one state into another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Transition {
    /// The state in the first.
    pub from: State,
    /// The state in the second.
    pub to: State,
    /// Entries.
    pub flows: u64,
}

impl Change {
    /// By how many entries it has grown; less than 0 for one that has shrunk.
    pub fn growth(&self) -> i64 {
        i64::try_from(self.after).unwrap_or(i64::MAX)
            - i64::try_from(self.before).unwrap_or(i64::MAX)
    }
}

impl Difference {
    /// Compares two snapshots, by the groups of a query and of the entries its filter is true of.
    ///
    /// An entry is the same in both if it has the same tuple and zone and, where both have them, the same id.
    /// `first` is opened twice and `second` once. An entry that changes so that it comes into another group, or
    /// into the filter, has neither begun nor ended. Ages are reckoned to when each was taken.
    ///
    /// Where one of the two is [text](Format::Text), only the state, the answers' tuple and whether there
    /// were any are compared to tell what has changed.
    ///
    /// ```no_run
    /// use ctnetlink::{Query, aggregate::Field};
    /// use ctnetlink::files::snapshot::{Difference, Snapshot};
    /// # fn main() -> std::io::Result<()> {
    /// let query = Query::new().by([Field::SOURCE]);
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
    /// Those of the readers, and `InvalidInput` where `first` gave something else when it was opened again, as a
    /// pipe does.
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
        let rows = query.rows();
        // Differences are of numbers of entries, and of all groups.
        let query = query.clone().measure(Measure::Flows).top(usize::MAX);
        let (mut one, mut two, mut again) = (first()?, second()?, first()?);
        let by_id = one.has_ids().unwrap_or(true) && two.has_ids().unwrap_or(true);
        let is_text = |snapshot: &Snapshot<'_>| snapshot.end().format == Format::Text;
        let coarse = is_text(&one) || is_text(&two);
        let means = Means { hasher: RandomState::new(), by_id, coarse };
        let [mut there, mut here, mut gone] =
            [&one, &two, &again].map(|snapshot| Side::new(&query, &means, snapshot));
        gone.again = true;
        let first_end = there.read(&mut one, None)?;
        let second_end = here.read(&mut two, Some(&there))?;
        if gone.read(&mut again, Some(&here))? != first_end {
            let what = "the first one reads otherwise the second time: give a file, and no pipe";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
        }
        let undecided = there.all.undecided() + here.all.undecided();

        let mut changes: HashMap<Vec<Value>, Change> = HashMap::new();
        let all = [
            (there.all.finish(), (|change| &mut change.before) as fn(&mut Change) -> &mut u64),
            (here.all.finish(), |change| &mut change.after),
            (here.new.finish(), |change| &mut change.born),
            (here.other.finish(), |change| &mut change.changed),
            (gone.new.finish(), |change| &mut change.died),
        ];
        for (report, place) in all {
            take(&report, place, &mut changes);
        }
        let mut changes: Vec<_> = changes
            .into_values()
            .filter(|change| change.born + change.died + change.changed > 0 || change.growth() != 0)
            .collect();
        // Equal ones by their values, as text, so that equal files give equal answers.
        let text = |change: &Change| change.key.iter().map(ToString::to_string).collect::<Vec<_>>();
        changes.sort_by_cached_key(|change| {
            (Reverse(change.growth()), Reverse(change.born), text(change))
        });
        let mut others = 0;
        if changes.len() > rows.saturating_mul(2) {
            let middle = rows..changes.len() - rows;
            others = changes.drain(middle).len() as u64;
        }
        let transition = |((from, to), flows)| Transition { from, to, flows };
        let mut transitions: Vec<_> = here.transitions.into_iter().map(transition).collect();
        transitions.sort_by_key(|found| (Reverse(found.flows), found.from, found.to));
        Ok(Self {
            fields: query.fields().to_vec(),
            filter: query.filter().clone(),
            rows: changes,
            undecided,
            others,
            by_id: means.by_id,
            born: here.unknown,
            died: gone.unknown,
            stayed: here.known,
            changed: here.changed,
            transitions,
            first: first_end,
            second: second_end,
        })
    }
}

/// Adds the groups of a report to what is known of them.
fn take(
    report: &Report,
    place: fn(&mut Change) -> &mut u64,
    changes: &mut HashMap<Vec<Value>, Change>,
) {
    for row in report.rows() {
        let new =
            || Change { key: row.key.clone(), before: 0, after: 0, born: 0, died: 0, changed: 0 };
        *place(changes.entry(row.key.clone()).or_insert_with(new)) += row.flows;
    }
}

/// What of an entry can change without it being another one: its state, and a hash of the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Look {
    state: State,
    rest: u32,
}

impl Means {
    /// 64 bits that an entry is known again by: that two of a million share them happens once in tens of
    /// millions of times.
    fn mark(&self, flow: &FlowRef<'_>) -> u64 {
        let id = flow.id().filter(|_| self.by_id);
        self.hasher.hash_one((flow.original(), flow.zone(), id))
    }
}

impl Look {
    fn of(flow: &FlowRef<'_>, means: &Means) -> Self {
        let status = flow.status();
        let back = Tuple { zone: None, ..*flow.reply() };
        let rest = match means.coarse {
            true => means.hasher.hash_one((status.contains(Status::SEEN_REPLY), back)),
            false => {
                let labels = flow.labels().map(|labels| labels.0);
                means.hasher.hash_one((status.bits(), flow.mark(), labels, back))
            }
        };
        Self { state: flow.state(), rest: rest as u32 }
    }
}

/// By what entries are known again, and compared.
struct Means {
    hasher: RandomState,
    by_id: bool,
    /// One of the two does not say all.
    coarse: bool,
}

/// One reading of a snapshot.
struct Side<'m> {
    means: &'m Means,
    again: bool,
    filter: Filter,
    /// What ages are reckoned to.
    moment: SystemTime,
    looks: HashMap<u64, Look>,
    all: Aggregator,
    /// What the other one has not.
    new: Aggregator,
    /// What looks otherwise in the other one.
    other: Aggregator,
    transitions: HashMap<(State, State), u64>,
    known: u64,
    unknown: u64,
    changed: u64,
}

impl<'m> Side<'m> {
    fn new(query: &Query, means: &'m Means, snapshot: &Snapshot<'_>) -> Self {
        let time = snapshot.facts().origin.time;
        let moment = time.map_or_else(SystemTime::now, SystemTime::from);
        let groups = || Aggregator::new(query).at(moment);
        Self {
            means,
            again: false,
            filter: query.filter().clone(),
            moment,
            looks: HashMap::new(),
            all: groups(),
            new: groups(),
            other: groups(),
            transitions: HashMap::new(),
            known: 0,
            unknown: 0,
            changed: 0,
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
        let mark = self.means.mark(flow);
        let look = Look::of(flow, self.means);
        // The first was counted and remembered before it is read again.
        if !self.again {
            self.all.record(flow);
            self.looks.insert(mark, look);
        }
        let judged = self.filter.judge(flow, self.moment) == Some(true);
        let Some(other) = other.filter(|_| judged) else { return };
        let Some(before) = other.looks.get(&mark) else {
            self.unknown += 1;
            self.new.record(flow);
            return;
        };
        self.known += 1;
        if *before != look {
            self.changed += 1;
            self.other.record(flow);
            if before.state != look.state {
                *self.transitions.entry((before.state, look.state)).or_default() += 1;
            }
        }
    }
}
