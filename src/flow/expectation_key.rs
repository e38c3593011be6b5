//! What one expectation is found by.

use crate::flow::{Expectation, Tuple};

/// The kernel's id of an expectation.
///
/// A hash of 32 bits of the tuple and the expectation's address: not unique, but nearly always
/// different for a later expectation with the same tuple. The kernel compares it before it deletes.
#[doc(alias = "CTA_EXPECT_ID")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExpectationId(pub u32);

/// What one expectation is found by: a tuple, the zone of its master, and perhaps the id.
///
/// There is no key without a tuple: a request without one would be about all expectations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct ExpectationKey {
    /// The tuple.
    pub tuple: Tuple,
    /// The zone of the master; `None` for the default zone.
    pub zone: Option<u16>,
    /// The id, if only the expectation with that one is meant.
    pub id: Option<ExpectationId>,
}

impl ExpectationKey {
    /// The expectation with this tuple, in the default zone.
    pub const fn new(tuple: Tuple) -> Self {
        Self { tuple, zone: None, id: None }
    }

    /// Whose master is in this zone. An expectation in a zone is not found without it.
    #[doc(alias = "CTA_EXPECT_ZONE")]
    #[must_use]
    pub const fn zone(mut self, zone: u16) -> Self {
        self.zone = Some(zone);
        self
    }

    /// The one with this id, and no later one with the same tuple.
    #[doc(alias = "CTA_EXPECT_ID")]
    #[must_use]
    pub const fn id(mut self, id: ExpectationId) -> Self {
        self.id = Some(id);
        self
    }
}

/// That very expectation, by its tuple and its id; and by its zone, where that is known.
impl From<&Expectation> for ExpectationKey {
    fn from(expectation: &Expectation) -> Self {
        Self { tuple: expectation.tuple, zone: expectation.zone, id: expectation.id }
    }
}
