//! What two captures differ in.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::io::{self, Read};

use super::{Capture, CaptureEnd};
use crate::aggregate::{Aggregator, Baseline, Field, Measure, Query, Report, Value};

/// What has begun, ended and stayed between two captures, by groups.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Difference {
    /// What was grouped by.
    pub fields: Vec<Field>,
    /// The groups that differ most, the one that has grown most first and the one that has shrunk most
    /// last; at most twice as many as the query asks for.
    pub rows: Vec<Change>,
    /// Entries of the second capture that are not in the first.
    pub born: u64,
    /// Entries of the first capture that are not in the second.
    pub died: u64,
    /// Entries of both.
    pub stayed: u64,
    /// How reading the first went.
    pub first: CaptureEnd,
    /// How reading the second went.
    pub second: CaptureEnd,
}

/// What has become of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Change {
    /// Its values, one for each field.
    pub key: Vec<Value>,
    /// Its entries in the first capture.
    pub before: u64,
    /// Its entries in the second capture.
    pub after: u64,
    /// Entries of it that are new.
    pub born: u64,
    /// Entries of it that are gone.
    pub died: u64,
}

impl Change {
    /// By how many entries it has grown; less than 0 for one that has shrunk.
    pub fn growth(&self) -> i64 {
        i64::try_from(self.after).unwrap_or(i64::MAX)
            - i64::try_from(self.before).unwrap_or(i64::MAX)
    }
}

impl Difference {
    /// Compares two captures, by the groups of a query and of the entries its filter is true of.
    ///
    /// An entry is the same in both if it has the same tuple, zone and id. `first` is opened twice and
    /// `second` once. An entry that changes so that it comes into another group, or into the filter, has
    /// neither begun nor ended: it counts in `before` and `after` alone.
    ///
    /// ```no_run
    /// use std::fs::File;
    /// use ctnetlink::{Query, aggregate::Field, capture::Difference};
    /// # fn main() -> std::io::Result<()> {
    /// let query = Query::new().by([Field::SOURCE]);
    /// let open = |name| move || File::open(name);
    /// let difference = Difference::of(open("a.pcapng"), open("b.pcapng"), &query)?;
    /// for change in &difference.rows {
    ///     println!("{:+} {:?}", change.growth(), change.key);
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// Those of the readers.
    ///
    /// # Cost
    ///
    /// Three readings, and memory for every entry of both and for all groups: see [`Baseline`].
    pub fn of<R: Read>(
        mut first: impl FnMut() -> io::Result<R>,
        mut second: impl FnMut() -> io::Result<R>,
        query: &Query,
    ) -> io::Result<Self> {
        let rows = query.rows();
        // Differences are of numbers of entries, and of all groups.
        let query = query.clone().measure(Measure::Flows).top(usize::MAX);
        let mut there = Side::new(&query);
        there.read(&mut Capture::new(first()?), None)?;
        let mut here = Side { baseline: there.baseline.next(), ..Side::new(&query) };
        here.read(&mut Capture::new(second()?), Some(&there.baseline))?;
        let mut again = Side { baseline: there.baseline.next(), ..Side::new(&query) };
        again.read(&mut Capture::new(first()?), Some(&here.baseline))?;

        let mut changes: HashMap<Vec<Value>, Change> = HashMap::new();
        let all = [
            (there.all.finish(), (|change| &mut change.before) as fn(&mut Change) -> &mut u64),
            (here.all.finish(), |change| &mut change.after),
            (here.new.finish(), |change| &mut change.born),
            (again.new.finish(), |change| &mut change.died),
        ];
        for (report, place) in all {
            take(&report, place, &mut changes);
        }
        let mut changes: Vec<_> = changes
            .into_values()
            .filter(|change| change.born + change.died > 0 || change.growth() != 0)
            .collect();
        // Equal ones by their values, as text, so that equal files give equal answers.
        let text = |change: &Change| change.key.iter().map(ToString::to_string).collect::<Vec<_>>();
        changes.sort_by_cached_key(|change| {
            (Reverse(change.growth()), Reverse(change.born), text(change))
        });
        if changes.len() / 2 > rows {
            let middle = rows..changes.len() - rows;
            changes.drain(middle);
        }
        Ok(Self {
            fields: query.fields().to_vec(),
            rows: changes,
            born: here.unknown,
            died: again.unknown,
            stayed: here.known,
            first: there.end,
            second: here.end,
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
        let new = || Change { key: row.key.clone(), before: 0, after: 0, born: 0, died: 0 };
        *place(changes.entry(row.key.clone()).or_insert_with(new)) += row.flows;
    }
}

/// One reading of a capture.
struct Side {
    baseline: Baseline,
    all: Aggregator,
    /// What the other one has not.
    new: Aggregator,
    known: u64,
    unknown: u64,
    end: CaptureEnd,
}

impl Side {
    fn new(query: &Query) -> Self {
        Self {
            baseline: Baseline::new(query),
            all: Aggregator::new(query),
            new: Aggregator::new(query),
            known: 0,
            unknown: 0,
            end: CaptureEnd::default(),
        }
    }

    fn read(
        &mut self,
        capture: &mut Capture<impl Read>,
        other: Option<&Baseline>,
    ) -> io::Result<()> {
        let mut malformed = 0;
        while let Some(entries) = capture.next_entries()? {
            for entry in entries {
                malformed += u64::from(self.take(entry, other).is_err());
            }
        }
        self.end = capture.end().clone();
        self.end.malformed += malformed;
        Ok(())
    }

    fn take(
        &mut self,
        entry: &[u8],
        other: Option<&Baseline>,
    ) -> Result<(), crate::wire::WireError> {
        self.all.record_bytes(entry)?;
        self.baseline.record_bytes(entry)?;
        if let Some(other) = other {
            match self.new.record_since(entry, other)? {
                true => self.known += 1,
                false => self.unknown += 1,
            }
        }
        Ok(())
    }
}
