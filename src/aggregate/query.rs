//! What is asked of the table.

use super::field::{Field, Fields};

/// A question: what to group by, and how many groups to show.
///
/// Without fields everything is one group. The default shows the first 10.
///
/// ```
/// use ctnetlink::{Query, aggregate::Field};
/// let query = Query::new().by([Field::Protocol, Field::State]).top(20);
/// assert_eq!(query.fields(), [Field::Protocol, Field::State]);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    fields: Fields,
    top: usize,
}

impl Default for Query {
    fn default() -> Self {
        Self { fields: Fields::default(), top: 10 }
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

    /// How many groups it shows.
    pub const fn rows(&self) -> usize {
        self.top
    }
}
