//! A scan as the document that `top_sources --json` prints.

use serde::ser::{Serialize, Serializer};

use super::{Limits, Rates, Sample, Scan};
use crate::aggregate::document::{Answer, Group, Key};
use crate::aggregate::{Interval, Report};

/// The shape of the document.
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
    answer: &'a Report,
}

#[derive(serde::Serialize)]
struct Occupancy {
    entries_before: u32,
    entries_after: u32,
    max: Option<u32>,
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
            answer: &self.report,
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
                    key: Key::of(fields, &row.key),
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
