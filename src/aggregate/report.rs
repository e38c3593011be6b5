//! The answer to a query.

use std::fmt;

use super::field::Field;
use super::key::Value;

/// The largest groups, and what is left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    pub(super) fields: Vec<Field>,
    pub(super) flows: u64,
    pub(super) undecided: u64,
    pub(super) distinct: u64,
    pub(super) other: u64,
    pub(super) rows: Vec<Row>,
}

/// A group.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Row {
    /// Its values, one for each field.
    pub key: Vec<Value>,
    /// Its entries.
    pub flows: u64,
}

impl Report {
    /// What was grouped by.
    pub fn fields(&self) -> &[Field] {
        &self.fields
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

    /// How many groups there are, shown or not.
    pub fn distinct(&self) -> u64 {
        self.distinct
    }

    /// Entries of the groups that are not shown.
    pub fn other(&self) -> u64 {
        self.other
    }

    /// The groups shown: most entries first, and those with as many in the order of their keys
    /// (numbers by value, IPv4 before IPv6), so that equal tables give equal reports.
    pub fn rows(&self) -> &[Row] {
        &self.rows
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
