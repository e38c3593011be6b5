//! The answer to a query.

use std::fmt;

use super::volume::{Measure, Volume};
use crate::field::{Key, Value};

/// The largest groups, and what is left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    pub(super) keys: Vec<Key>,
    pub(super) unique: Vec<Key>,
    pub(super) unique_missed: bool,
    pub(super) measure: Measure,
    pub(super) flows: u64,
    pub(super) volume: Option<Volume>,
    pub(super) undecided: u64,
    pub(super) distinct: u64,
    pub(super) missed: Option<u64>,
    pub(super) other: u64,
    pub(super) rows: Vec<Row>,
}

/// A group.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Row {
    /// Its values, one for each key.
    pub key: Vec<Value>,
    /// Its entries: at least so many, if `missed` is not 0.
    pub flows: u64,
    /// How much more it may weigh, in what groups are ranked by: 0 unless groups were forgotten to
    /// stay within a [bound on memory](super::Query::memory).
    pub missed: u64,
    /// What its entries have carried, if groups are ranked by packets or bytes.
    pub volume: Option<Volume>,
    /// How many different values it has of the fields that are [to be
    /// counted](super::Query::unique).
    pub unique: Option<u64>,
}

impl Row {
    /// What it is ranked by: entries, packets or bytes.
    pub fn weight(&self, measure: Measure) -> u64 {
        let total = self.volume.as_ref().map(Volume::total).unwrap_or_default();
        match measure {
            Measure::Flows => self.flows,
            Measure::Packets => total.packets,
            Measure::Bytes => total.bytes,
        }
    }
}

impl Report {
    /// What was grouped by.
    pub fn keys(&self) -> &[Key] {
        &self.keys
    }

    /// What is counted different values of in each group.
    pub fn uniques(&self) -> &[Key] {
        &self.unique
    }

    /// Whether rows may have more different values than they say, for want of memory.
    pub fn uniques_are_at_least(&self) -> bool {
        self.unique_missed
    }

    /// All entries counted, in the groups shown and in the others.
    pub fn flows(&self) -> u64 {
        self.flows
    }

    /// Entries that lack what the query's filter is about (counters where accounting is off, and
    /// the like), so that they could not be judged. They are not counted.
    pub fn undecided(&self) -> u64 {
        self.undecided
    }

    /// What groups are ranked by.
    pub fn measure(&self) -> Measure {
        self.measure
    }

    /// What all entries counted have carried, if groups are ranked by packets or bytes; without
    /// those of groups that were forgotten.
    pub fn volume(&self) -> Option<Volume> {
        self.volume
    }

    /// `None` if every group was kept, as always without a [bound on
    /// memory](super::Query::memory). Else how much a group that is in no row may weigh at most.
    pub fn missed(&self) -> Option<u64> {
        self.missed
    }

    /// How many groups there are, shown or not; at least so many, if some were forgotten.
    pub fn distinct(&self) -> u64 {
        self.distinct
    }

    /// Entries of the groups that are not shown.
    pub fn other(&self) -> u64 {
        self.other
    }

    /// The groups shown: heaviest first, and those that weigh as much in the order of their keys
    /// (numbers by value, IPv4 before IPv6), so that equal tables give equal reports. Or all of them
    /// [in that order](super::Query::in_key_order).
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// The groups that are not shown, as one row without values.
    pub fn others(&self) -> Row {
        let shown = self.rows.iter().filter_map(|row| row.volume);
        let shown = shown.fold(Volume::default(), Volume::plus);
        Row {
            key: Vec::new(),
            flows: self.other,
            missed: 0,
            volume: self.volume.map(|all| all.minus(shown)),
            unique: None,
        }
    }

    /// What all entries counted weigh: their number, packets or bytes.
    pub fn weight(&self) -> u64 {
        let all = self.volume.unwrap_or_default().total();
        match self.measure {
            Measure::Flows => self.flows,
            Measure::Packets => all.packets,
            Measure::Bytes => all.bytes,
        }
    }

    /// What a row weighs as a part of all, from 0 to 1; 0 where nothing weighs anything.
    pub fn share_of(&self, row: &Row) -> f64 {
        let all = self.weight();
        if all == 0 { 0.0 } else { row.weight(self.measure) as f64 / all as f64 }
    }

    /// A number of entries as a part of all, from 0 to 1; 0 where there are none.
    pub fn share(&self, flows: u64) -> f64 {
        if self.flows == 0 { 0.0 } else { flows as f64 / self.flows as f64 }
    }
}

/// The values, separated by blanks.
impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, value) in self.key.iter().enumerate() {
            write!(f, "{}{value}", if index == 0 { "" } else { " " })?;
        }
        Ok(())
    }
}
