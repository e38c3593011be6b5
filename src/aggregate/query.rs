//! What is asked of the table.

use super::volume::Measure;
use crate::field::{Key, Keys};
use crate::filter::Filter;
use crate::flow::Needs;
use crate::wire::ctnetlink::*;

/// A question: which entries to count, what to group them by, and how many groups to show.
///
/// Without keys all entries are a single group. The default is all entries and the first 10 groups.
///
/// ```
/// use ctnetlink::{Query, field::Field};
/// let query = Query::new().group_by([Field::Protocol, Field::State]).top(20);
/// assert_eq!(query.keys(), [Field::Protocol.into(), Field::State.into()]);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Query {
    keys: Keys,
    unique: Keys,
    /// See the method [`filter`](Self::filter).
    pub filter: Filter,
    /// See the method [`top`](Self::top).
    pub top: usize,
    /// See the method [`measure`](Self::measure).
    pub measure: Measure,
    /// See the method [`memory`](Self::memory).
    pub memory: Option<usize>,
    /// See the method [`in_key_order`](Self::in_key_order).
    pub key_order: bool,
}

impl Default for Query {
    fn default() -> Self {
        Self {
            keys: Keys::default(),
            unique: Keys::default(),
            filter: Filter::new(),
            top: 10,
            measure: Measure::Flows,
            memory: None,
            key_order: false,
        }
    }
}

impl Query {
    /// All entries, in a single group.
    pub fn new() -> Self {
        Self::default()
    }

    /// Groups by these keys together: by [fields](crate::field::Field), or by networks
    /// ([`Field::by`](crate::field::Field::by)).
    #[must_use]
    pub fn group_by<K: Into<Key>>(mut self, keys: impl IntoIterator<Item = K>) -> Self {
        self.keys = keys.into_iter().collect();
        self
    }

    /// Counts only entries the filter is true of.
    #[must_use]
    pub fn filter(mut self, filter: Filter) -> Self {
        self.filter = filter;
        self
    }

    /// Ranks groups by this. By packets or bytes, the report has the [`Volume`] of every group, too.
    ///
    /// The kernel counts them only for flows that began while `nf_conntrack_acct` was on.
    ///
    /// [`Volume`]: super::Volume
    #[must_use]
    pub const fn measure(mut self, measure: Measure) -> Self {
        self.measure = measure;
        self
    }

    /// Counts how many different values of these keys together each group has: sources by how many
    /// destinations and ports they talk to, say, which tells a scanner from a busy client.
    ///
    /// Costs memory for each of these combinations, as for a group.
    #[must_use]
    pub fn unique<K: Into<Key>>(mut self, keys: impl IntoIterator<Item = K>) -> Self {
        self.unique = keys.into_iter().collect();
        self
    }

    /// Shows the groups in the order of their keys, so that ranges of time make a histogram. It is
    /// still the heaviest that are shown.
    #[must_use]
    pub const fn in_key_order(mut self) -> Self {
        self.key_order = true;
        self
    }

    /// Keeps no more groups than fit into this many bytes.
    ///
    /// As long as all fit, the answer is exact. Beyond that the lightest groups are forgotten, and
    /// every row says by how much it may be too low ([`Row::missed`](super::Row::missed)); a group
    /// that weighs more than [`Report::missed`](super::Report::missed) is never forgotten. So
    /// a flood from a million spoofed sources costs an agent no more memory than a quiet day.
    ///
    /// The default is no bound: 16 bytes or more for a group, and a half more while the table of
    /// groups grows. With a bound it is 24 or more. At the least there are 256 groups.
    #[must_use]
    pub const fn memory(mut self, bytes: usize) -> Self {
        self.memory = Some(bytes);
        self
    }

    /// Shows the `rows` largest groups. All the others are counted and summed up.
    #[must_use]
    pub const fn top(mut self, rows: usize) -> Self {
        self.top = rows;
        self
    }

    /// What it groups by.
    pub fn keys(&self) -> &[Key] {
        self.keys.as_slice()
    }

    /// What it counts different values of, in each group.
    pub fn uniques(&self) -> &[Key] {
        self.unique.as_slice()
    }

    /// The keys of the groups, and of what is distinct in them; `None` if nothing is counted there.
    pub(super) fn all_keys(&self) -> Option<Vec<Key>> {
        let unique = self.unique.as_slice();
        (!unique.is_empty()).then(|| [self.keys.as_slice(), unique].concat())
    }

    /// The attributes that the keys and the measure need.
    pub(super) fn needs(&self) -> Needs {
        let keys = self.keys().iter().chain(self.uniques());
        let needs = keys.map(|key| key.field().spec().needs);
        let counters = match self.measure {
            Measure::Flows => Needs::NOTHING,
            Measure::Packets | Measure::Bytes => {
                Needs::of(&[CTA_COUNTERS_ORIG, CTA_COUNTERS_REPLY])
            }
        };
        needs.fold(counters, Needs::and)
    }
}
