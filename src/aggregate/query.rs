//! What is asked of the table.

use super::field::{Field, Fields};
use super::volume::Measure;
use crate::filter::Filter;

/// A question: which entries to count, what to group them by, and how many groups to show.
///
/// Without fields everything is one group. The default is all entries and the first 10 groups.
///
/// ```
/// use ctnetlink::{Query, aggregate::Field};
/// let query = Query::new().by([Field::Protocol, Field::State]).top(20);
/// assert_eq!(query.fields(), [Field::Protocol, Field::State]);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    fields: Fields,
    filter: Filter,
    top: usize,
    measure: Measure,
    memory: Option<usize>,
    unique: Fields,
    key_order: bool,
}

impl Default for Query {
    fn default() -> Self {
        Self {
            fields: Fields::default(),
            filter: Filter::new(),
            top: 10,
            measure: Measure::Flows,
            memory: None,
            unique: Fields::default(),
            key_order: false,
        }
    }
}

impl Query {
    /// Everything in one group.
    pub fn new() -> Self {
        Self::default()
    }

    /// Groups by these fields together.
    #[must_use]
    pub fn by(mut self, fields: impl IntoIterator<Item = Field>) -> Self {
        self.fields = fields.into_iter().collect();
        self
    }

    /// Counts only entries the filter is true of.
    #[must_use]
    pub fn of(mut self, filter: Filter) -> Self {
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

    /// Counts how many different values of these fields together each group has: sources by how many
    /// destinations and ports they talk to, say, which tells one who scans from one who works.
    ///
    /// Costs memory for each of these combinations, as for a group.
    #[must_use]
    pub fn unique(mut self, fields: impl IntoIterator<Item = Field>) -> Self {
        self.unique = fields.into_iter().collect();
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

    /// The fields it groups by.
    pub fn fields(&self) -> &[Field] {
        self.fields.as_slice()
    }

    /// Which entries it counts.
    pub fn filter(&self) -> &Filter {
        &self.filter
    }

    /// What it ranks groups by.
    pub const fn measured(&self) -> Measure {
        self.measure
    }

    /// How many bytes the groups may take; `None` for no bound.
    pub const fn memory_limit(&self) -> Option<usize> {
        self.memory
    }

    /// What it counts different values of, in each group.
    pub fn uniques(&self) -> &[Field] {
        self.unique.as_slice()
    }

    /// The fields of the groups, and of what is unique in them; `None` if nothing has to be.
    pub(super) fn parted(&self) -> Option<Vec<Field>> {
        let fields = [self.fields.as_slice(), self.unique.as_slice()].concat();
        (fields.len() > self.fields.as_slice().len()).then_some(fields)
    }

    /// Whether it shows groups in the order of their keys.
    pub const fn is_in_key_order(&self) -> bool {
        self.key_order
    }

    /// How many groups it shows.
    pub const fn rows(&self) -> usize {
        self.top
    }
}
