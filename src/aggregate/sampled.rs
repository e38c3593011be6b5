//! The answer to a query, estimated from a sample.

use super::estimate::{Draw, Interval};
use super::report::Report;
use crate::field::{Key, Value};

/// The largest groups of a sample, scaled to the whole table.
///
/// Every number comes with the interval the truth is in, 95 times out of 100, for all rows shown at
/// once. The intervals are exact for samples without replacement (hypergeometric; see
/// [`Interval`]), and their share of misses is divided among all groups that were seen, since the
/// largest ones of a sample are also those that chance favoured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sampled {
    keys: Vec<Key>,
    rows: Vec<SampledRow>,
    flows: u64,
    interval: Interval,
    distinct: u64,
    seen: u64,
    of: u64,
    undecided: u64,
}

/// A group of a sample.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SampledRow {
    /// Its values, one for each key.
    pub key: Vec<Value>,
    /// Its entries in the sample.
    pub seen: u64,
    /// About how many it has in the whole table.
    pub flows: u64,
    /// Between how many it has.
    pub interval: Interval,
    /// Whether it is certainly larger than the next row: where not, their order is chance.
    pub apart: bool,
}

impl Report {
    /// Takes the report as that of a sample: `seen` entries looked at, whether the query's filter
    /// was true of them or not, of `of` there are.
    pub fn of_sample(self, seen: u64, of: u64) -> Sampled {
        let draw = Draw { seen: seen.max(self.flows), of: of.max(seen).max(self.flows) };
        let looks = self.distinct;
        let mut rows: Vec<_> = self
            .rows
            .into_iter()
            .map(|row| SampledRow {
                key: row.key,
                seen: row.flows,
                flows: draw.scale(row.flows),
                interval: draw.interval(row.flows, looks),
                apart: false,
            })
            .collect();
        let next: Vec<_> = rows.iter().skip(1).map(|row| row.interval.high).collect();
        for (row, next) in rows.iter_mut().zip(next) {
            row.apart = row.interval.low > next;
        }
        if let Some(last) = rows.last_mut() {
            last.apart = self.distinct <= 1;
        }
        Sampled {
            keys: self.keys,
            rows,
            flows: draw.scale(self.flows),
            interval: draw.interval(self.flows, 1),
            distinct: self.distinct,
            seen: draw.seen,
            of: draw.of,
            undecided: self.undecided,
        }
    }
}

impl Sampled {
    /// What was grouped by.
    pub fn keys(&self) -> &[Key] {
        &self.keys
    }

    /// The largest groups of the sample.
    pub fn rows(&self) -> &[SampledRow] {
        &self.rows
    }

    /// About how many entries the filter is true of; without one, how many there are.
    pub fn flows(&self) -> u64 {
        self.flows
    }

    /// Between how many that is.
    pub fn interval(&self) -> Interval {
        self.interval
    }

    /// How many groups the sample has; the table has as many, or more.
    pub fn distinct_seen(&self) -> u64 {
        self.distinct
    }

    /// Entries looked at.
    pub fn seen(&self) -> u64 {
        self.seen
    }

    /// Entries there are.
    pub fn of(&self) -> u64 {
        self.of
    }

    /// Entries of the sample that lack what the filter is about.
    pub fn undecided(&self) -> u64 {
        self.undecided
    }

    /// Whether all of the table was looked at, so that nothing is estimated.
    pub fn is_exact(&self) -> bool {
        self.seen == self.of
    }

    /// A number of entries as a part of all that match, from 0 to 1.
    pub fn share(&self, flows: u64) -> f64 {
        if self.flows == 0 { 0.0 } else { flows as f64 / self.flows as f64 }
    }
}
