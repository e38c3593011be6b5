//! A scan as the document that `top_sources --json` prints.

use serde::ser::{Serialize, Serializer};

use super::{Rates, Sample, Scan};
use crate::aggregate::Interval;
use crate::aggregate::document::{Answer, Group, Key};

/// The shape of the document; `answer` is the groups.
#[derive(serde::Serialize)]
struct Document<A> {
    table: Occupancy,
    filter: Option<String>,
    mode: &'static str,
    complete: bool,
    stopped: Option<String>,
    coverage: f64,
    elapsed_ms: f64,
    #[serde(flatten)]
    answer: A,
}

#[derive(serde::Serialize)]
struct Occupancy {
    entries_before: u32,
    entries_after: u32,
    max: Option<u32>,
}

impl<A: Serialize> Document<A> {
    fn of<R>(scan: &Scan<R>, mode: &'static str, answer: A) -> Self {
        let Scan { before, after, .. } = scan;
        let (entries_before, entries_after) = (before.entries, after.entries);
        Self {
            table: Occupancy { entries_before, entries_after, max: after.max },
            filter: Some(scan.filter.to_string()).filter(|text| !text.is_empty()),
            mode,
            complete: scan.is_complete(),
            stopped: scan.stopped.as_ref().map(ToString::to_string),
            coverage: scan.coverage(),
            elapsed_ms: scan.elapsed.as_secs_f64() * 1000.0,
            answer,
        }
    }
}

impl Serialize for Scan {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mode = if self.dumps > 1 { "parallel" } else { "full" };
        Document::of(self, mode, &self.report).serialize(serializer)
    }
}

/// What is estimated.
#[derive(serde::Serialize)]
struct Estimate<'a> {
    flows: u64,
    interval: [u64; 2],
    undecided: u64,
    seen: u64,
    of: u64,
    by: Vec<String>,
    distinct_seen: u64,
    groups: Vec<EstimatedGroup<'a>>,
}

#[derive(serde::Serialize)]
struct EstimatedGroup<'a> {
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
        let keys = report.keys();
        let ends = |Interval { low, high }| [low, high];
        let groups = report.rows().iter().map(|row| EstimatedGroup {
            key: Key::of(keys, &row.key),
            flows: row.flows,
            interval: ends(row.interval),
            share: report.share(row.flows),
            seen: row.seen,
            apart: row.apart,
        });
        let estimate = Estimate {
            flows: report.flows(),
            interval: ends(report.interval()),
            undecided: report.undecided(),
            seen: report.seen(),
            of: report.of(),
            by: keys.iter().map(ToString::to_string).collect(),
            distinct_seen: report.distinct_seen(),
            groups: groups.collect(),
        };
        Document::of(self, "sample", estimate).serialize(serializer)
    }
}

/// The document of rates.
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
