//! A difference as the document that `snapshot diff --json` prints.

use serde::ser::{Serialize, Serializer};

use super::{Change, Difference, Transition};
use crate::aggregate::document::Key;
use crate::files::end::End;

#[derive(serde::Serialize)]
struct Document<'a> {
    first: &'a End,
    second: &'a End,
    filter: Option<String>,
    by_id: bool,
    undecided: u64,
    born: u64,
    died: u64,
    stayed: u64,
    changed: u64,
    transitions: Vec<Turn>,
    by: Vec<String>,
    groups: Vec<Group<'a>>,
    other_groups: u64,
}

/// From one state into another.
#[derive(serde::Serialize)]
struct Turn {
    from: String,
    to: String,
    flows: u64,
}

/// A group. Its key has the text forms of the fields as names.
#[derive(serde::Serialize)]
struct Group<'a> {
    key: Key<'a>,
    growth: i64,
    before: u64,
    after: u64,
    born: u64,
    died: u64,
    changed: u64,
}

impl Serialize for Difference {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let turn = |turn: &Transition| Turn {
            from: turn.from.to_string(),
            to: turn.to.to_string(),
            flows: turn.flows,
        };
        fn group<'a>(found: &'a Difference, change: &'a Change) -> Group<'a> {
            Group {
                key: Key::of(&found.fields, &change.key),
                growth: change.growth(),
                before: change.before,
                after: change.after,
                born: change.born,
                died: change.died,
                changed: change.changed,
            }
        }
        Document {
            first: &self.first,
            second: &self.second,
            filter: Some(self.filter.to_string()).filter(|text| !text.is_empty()),
            by_id: self.by_id,
            undecided: self.undecided,
            born: self.born,
            died: self.died,
            stayed: self.stayed,
            changed: self.changed,
            transitions: self.transitions.iter().map(turn).collect(),
            by: self.fields.iter().map(ToString::to_string).collect(),
            groups: self.rows.iter().map(|change| group(self, change)).collect(),
            other_groups: self.others,
        }
        .serialize(serializer)
    }
}
