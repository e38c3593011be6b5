//! A scan as the document that `top_sources --json` prints.

use serde::ser::{Serialize, SerializeMap, Serializer};

use super::{Limits, Rates, Sample, Scan};
use crate::aggregate::{Field, Interval, Report, Row, Value, Volume};

/// The shape of the document. A group's key has the text forms of the fields as names.
#[derive(serde::Serialize)]
struct Document<'a> {
    table: Occupancy,
    filter: Option<String>,
    mode: &'static str,
    complete: bool,
    stopped: Option<String>,
    coverage: f64,
    elapsed_ms: f64,
    #[serde(flatten)]
    answer: Answer<Group<'a>>,
}

/// What a report says.
#[derive(serde::Serialize)]
struct Answer<G> {
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
    fn of<'r>(report: &'r Report, group: impl Fn(&'r Row) -> G) -> Self {
        let names = |fields: &[Field]| fields.iter().map(ToString::to_string).collect();
        Self {
            flows: report.flows(),
            undecided: report.undecided(),
            by: names(report.fields()),
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

#[derive(serde::Serialize)]
struct Occupancy {
    entries_before: u32,
    entries_after: u32,
    max: Option<u32>,
}

#[derive(serde::Serialize)]
struct Group<'a> {
    key: Key<'a>,
    flows: u64,
    missed: u64,
    volume: Option<Volume>,
    unique: Option<u64>,
    share: f64,
}

impl<'a> Group<'a> {
    fn of(report: &'a Report, row: &'a Row) -> Self {
        Self {
            key: Key { fields: report.fields(), values: &row.key },
            flows: row.flows,
            missed: row.missed,
            volume: row.volume,
            unique: row.unique,
            share: report.share_of(row),
        }
    }
}

struct Key<'a> {
    fields: &'a [Field],
    values: &'a [Value],
}

impl Serialize for Key<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut key = serializer.serialize_map(Some(self.fields.len()))?;
        for (field, value) in self.fields.iter().zip(self.values) {
            key.serialize_entry(&field.to_string(), value)?;
        }
        key.end()
    }
}

impl Serialize for Scan {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Document {
            table: Occupancy::of(self.before, self.after),
            filter: Some(self.filter.to_string()).filter(|text| !text.is_empty()),
            mode: if self.dumps > 1 { "parallel" } else { "full" },
            complete: self.is_complete(),
            stopped: self.stopped.as_ref().map(ToString::to_string),
            coverage: self.coverage(),
            elapsed_ms: self.elapsed.as_secs_f64() * 1000.0,
            answer: Answer::of(&self.report, |row| Group::of(&self.report, row)),
        }
        .serialize(serializer)
    }
}

/// The document of a sample: the same, but for what is estimated.
#[derive(serde::Serialize)]
struct SampleDocument<'a> {
    table: Occupancy,
    filter: Option<String>,
    flows: u64,
    interval: [u64; 2],
    undecided: u64,
    mode: &'static str,
    complete: bool,
    seen: u64,
    of: u64,
    elapsed_ms: f64,
    by: Vec<String>,
    distinct_seen: u64,
    groups: Vec<SampleGroup<'a>>,
}

#[derive(serde::Serialize)]
struct SampleGroup<'a> {
    key: Key<'a>,
    flows: u64,
    interval: [u64; 2],
    share: f64,
    seen: u64,
    apart: bool,
}

impl Serialize for Sample {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let report = &self.report;
        let fields = report.fields();
        let ends = |Interval { low, high }| [low, high];
        SampleDocument {
            table: Occupancy::of(self.before, self.after),
            filter: Some(self.filter.to_string()).filter(|text| !text.is_empty()),
            flows: report.flows(),
            interval: ends(report.interval()),
            undecided: report.undecided(),
            mode: "sample",
            complete: report.is_exact() && self.malformed == 0,
            seen: report.seen(),
            of: report.of(),
            elapsed_ms: self.elapsed.as_secs_f64() * 1000.0,
            by: fields.iter().map(ToString::to_string).collect(),
            distinct_seen: report.distinct_seen(),
            groups: report
                .rows()
                .iter()
                .map(|row| SampleGroup {
                    key: Key { fields, values: &row.key },
                    flows: row.flows,
                    interval: ends(row.interval),
                    share: report.share(row.flows),
                    seen: row.seen,
                    apart: row.apart,
                })
                .collect(),
        }
        .serialize(serializer)
    }
}

/// The document of two looks.
#[derive(serde::Serialize)]
struct RatesDocument<'a> {
    table: Level,
    filter: Option<String>,
    mode: &'static str,
    complete: bool,
    interval_ms: f64,
    elapsed_ms: f64,
    began: u64,
    ended: u64,
    per_second: f64,
    #[serde(flatten)]
    answer: Answer<RatesGroup<'a>>,
}

#[derive(serde::Serialize)]
struct Level {
    entries: u32,
    max: Option<u32>,
}

#[derive(serde::Serialize)]
struct RatesGroup<'a> {
    #[serde(flatten)]
    group: Group<'a>,
    per_second: f64,
}

impl Serialize for Rates {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let report = &self.report;
        let group = |row| RatesGroup {
            group: Group::of(report, row),
            per_second: self.per_second(row.weight(report.measure())),
        };
        RatesDocument {
            table: Level { entries: self.table.entries, max: self.table.max },
            filter: Some(self.filter.to_string()).filter(|text| !text.is_empty()),
            mode: "rate",
            complete: self.is_complete(),
            interval_ms: self.interval.as_secs_f64() * 1000.0,
            elapsed_ms: self.elapsed.as_secs_f64() * 1000.0,
            began: self.began,
            ended: self.ended,
            per_second: self.per_second(report.weight()),
            answer: Answer::of(report, group),
        }
        .serialize(serializer)
    }
}

impl Occupancy {
    fn of(before: Limits, after: Limits) -> Self {
        Self { entries_before: before.entries, entries_after: after.entries, max: after.max }
    }
}
