//! A report as the part of the documents that says who has how many.

use serde::ser::{Serialize, SerializeMap, Serializer};

use super::{Report, Row, Volume};
use crate::field::{Key as GroupKey, Value};

/// What a report says.
#[derive(serde::Serialize)]
pub(crate) struct Answer<G> {
    flows: u64,
    undecided: u64,
    by: Vec<String>,
    measure: String,
    volume: Option<Volume>,
    unique_of: Vec<String>,
    unique_at_least: bool,
    distinct: u64,
    missed: Option<u64>,
    groups: Vec<G>,
    other: u64,
}

impl<G> Answer<G> {
    pub(crate) fn of<'r>(report: &'r Report, group: impl Fn(&'r Row) -> G) -> Self {
        let names = |keys: &[GroupKey]| keys.iter().map(ToString::to_string).collect();
        Self {
            flows: report.flows(),
            undecided: report.undecided(),
            by: names(report.keys()),
            measure: report.measure().to_string(),
            volume: report.volume(),
            unique_of: names(report.uniques()),
            unique_at_least: report.uniques_are_at_least(),
            distinct: report.distinct(),
            missed: report.missed(),
            groups: report.rows().iter().map(group).collect(),
            other: report.other(),
        }
    }
}

/// A group. Its key has the text forms of the fields as names.
#[derive(serde::Serialize)]
pub(crate) struct Group<'a> {
    key: Key<'a>,
    flows: u64,
    missed: u64,
    volume: Option<Volume>,
    unique: Option<u64>,
    share: f64,
}

impl<'a> Group<'a> {
    pub(crate) fn of(report: &'a Report, row: &'a Row) -> Self {
        Self {
            key: Key::of(report.keys(), &row.key),
            flows: row.flows,
            missed: row.missed,
            volume: row.volume,
            unique: row.unique,
            share: report.share_of(row),
        }
    }
}

pub(crate) struct Key<'a> {
    keys: &'a [GroupKey],
    values: &'a [Value],
}

impl<'a> Key<'a> {
    pub(crate) const fn of(keys: &'a [GroupKey], values: &'a [Value]) -> Self {
        Self { keys, values }
    }
}

impl Serialize for Key<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.keys.len()))?;
        for (key, value) in self.keys.iter().zip(self.values) {
            map.serialize_entry(&key.to_string(), value)?;
        }
        map.end()
    }
}

/// As a part of what the examples print with `--json`.
impl Serialize for Report {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Answer::of(self, |row| Group::of(self, row)).serialize(serializer)
    }
}
