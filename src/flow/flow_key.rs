//! What one entry, or one expectation, is found by: a tuple, a zone and an id.

use std::fmt;

use crate::flow::Tuple;

/// The kernel's id of an entry.
///
/// It stays the same for the life of the entry. It is 32 bits of a hash of the tuple and of the
/// entry's address in memory. So a later entry with the same tuple has another id, unless it gets the
/// same memory. That is common where an entry is made anew at once, so a delete compares more than
/// the id (see `DeletePlan`). It is **not unique**: among 250,000 entries a handful share theirs.
/// Never use it as a key.
#[doc(alias = "CTA_ID")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct FlowId(pub u32);

/// As `conntrack -o id` prints it.
impl fmt::Display for FlowId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// What one entry is found by: a tuple of either direction, the zone, and perhaps the id.
///
/// Every key has a tuple: a request without one would be about the whole table.
///
/// ```
/// use ctnetlink::flow::{FlowKey, Protocol, Tuple};
/// let client = ("10.0.0.1".parse()?, 40000);
/// let server = ("10.0.0.2".parse()?, 443);
/// let key = FlowKey::new(Tuple::with_ports(Protocol::TCP, client, server)).zone(5);
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct FlowKey {
    /// A tuple of either direction.
    pub tuple: Tuple,
    /// The zone of both directions; `None` for the default zone.
    pub zone: Option<u16>,
    /// The id, if only the entry with this id is meant.
    pub id: Option<FlowId>,
}

impl FlowKey {
    /// The entry with this tuple, in the original or the reply direction, whose packets are in the
    /// default zone or in the one that the tuple names for its direction.
    pub const fn new(tuple: Tuple) -> Self {
        Self { tuple, zone: None, id: None }
    }

    /// Adds the zone. An entry in a zone is not found without it.
    #[doc(alias = "CTA_ZONE")]
    #[must_use]
    pub const fn zone(mut self, zone: u16) -> Self {
        self.zone = Some(zone);
        self
    }

    /// Adds the id, so that no later one with the same tuple is meant.
    #[doc(alias = "CTA_ID")]
    #[must_use]
    pub const fn id(mut self, id: FlowId) -> Self {
        self.id = Some(id);
        self
    }
}

/// The kernel's id of an expectation.
///
/// It is 32 bits of a hash of the tuple and of the expectation's address. It is not unique, but a
/// later expectation with the same tuple nearly always has another one. The kernel compares it before
/// it deletes.
#[doc(alias = "CTA_EXPECT_ID")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct ExpectationId(pub u32);

/// What one expectation is found by: a tuple, the zone of its master, and perhaps the id.
///
/// Every key has a tuple: a request without one would be about all expectations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct ExpectationKey {
    /// The tuple.
    pub tuple: Tuple,
    /// The zone of the master; `None` for the default zone.
    pub zone: Option<u16>,
    /// The id, if only the expectation with this id is meant.
    pub id: Option<ExpectationId>,
}

impl ExpectationKey {
    /// The expectation with this tuple, in the default zone.
    pub const fn new(tuple: Tuple) -> Self {
        Self { tuple, zone: None, id: None }
    }

    /// Adds the zone of the master. An expectation in a zone is not found without it.
    #[doc(alias = "CTA_EXPECT_ZONE")]
    #[must_use]
    pub const fn zone(mut self, zone: u16) -> Self {
        self.zone = Some(zone);
        self
    }

    /// Adds the id, so that no later one with the same tuple is meant.
    #[doc(alias = "CTA_EXPECT_ID")]
    #[must_use]
    pub const fn id(mut self, id: ExpectationId) -> Self {
        self.id = Some(id);
        self
    }
}
