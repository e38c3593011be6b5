//! A difference as the document that `snapshot diff --json` prints.

use serde::ser::{Serialize, SerializeStruct, Serializer};

use super::{Difference, GroupChange};
use crate::aggregate::document::Key;

/// A group. Its key has the text forms of the fields as names.
#[derive(serde::Serialize)]
struct Group<'a> {
    key: Key<'a>,
    growth: i64,
    #[serde(flatten)]
    change: &'a GroupChange,
}

impl Serialize for Difference {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let filter = Some(self.filter.to_string()).filter(|text| !text.is_empty());
        let by: Vec<_> = self.keys.iter().map(ToString::to_string).collect();
        let groups = self.rows.iter().map(|change| Group {
            key: Key::of(&self.keys, &change.key),
            growth: change.growth(),
            change,
        });
        let groups: Vec<_> = groups.collect();
        let mut document = serializer.serialize_struct("Difference", 13)?;
        document.serialize_field("first", &self.first)?;
        document.serialize_field("second", &self.second)?;
        document.serialize_field("filter", &filter)?;
        document.serialize_field("by_id", &self.by_id)?;
        document.serialize_field("undecided", &self.undecided)?;
        document.serialize_field("born", &self.born)?;
        document.serialize_field("died", &self.died)?;
        document.serialize_field("stayed", &self.stayed)?;
        document.serialize_field("changed", &self.changed)?;
        document.serialize_field("transitions", &self.transitions)?;
        document.serialize_field("by", &by)?;
        document.serialize_field("groups", &groups)?;
        document.serialize_field("other_groups", &self.others)?;
        document.end()
    }
}
