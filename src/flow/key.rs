//! What one entry is found by.

use crate::flow::{Flow, FlowId, FlowRef, Tuple};

/// What one entry is found by: a tuple of either direction, the zone, and perhaps the id.
///
/// There is no key without a tuple: a request without one would be about the whole table.
///
/// ```
/// use ctnetlink::flow::{FlowKey, Protocol, Tuple};
/// let client = ("10.0.0.1".parse()?, 40000);
/// let server = ("10.0.0.2".parse()?, 443);
/// let key = FlowKey::new(Tuple::with_ports(Protocol::TCP, client, server)).zone(5);
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct FlowKey {
    /// A tuple of either direction.
    pub tuple: Tuple,
    /// The zone of both directions; `None` for the default zone.
    pub zone: Option<u16>,
    /// The id, if only the entry with that one is meant.
    pub id: Option<FlowId>,
}

impl FlowKey {
    /// The entry with this tuple, in the original or the reply direction, whose packets are in the
    /// default zone or in the one that the tuple names for its direction.
    pub const fn new(tuple: Tuple) -> Self {
        Self { tuple, zone: None, id: None }
    }

    /// In this zone. An entry in a zone is not found without it.
    #[doc(alias = "CTA_ZONE")]
    #[must_use]
    pub const fn zone(mut self, zone: u16) -> Self {
        self.zone = Some(zone);
        self
    }

    /// The one with this id, and no later one with the same tuple.
    #[doc(alias = "CTA_ID")]
    #[must_use]
    pub const fn id(mut self, id: FlowId) -> Self {
        self.id = Some(id);
        self
    }
}

/// That very entry: by its original tuple, its zone and its id.
impl From<&Flow> for FlowKey {
    fn from(flow: &Flow) -> Self {
        Self { tuple: flow.original, zone: flow.zone, id: flow.id }
    }
}

/// That very entry: by its original tuple, its zone and its id.
impl From<&FlowRef<'_>> for FlowKey {
    fn from(flow: &FlowRef<'_>) -> Self {
        Self { tuple: *flow.original(), zone: flow.zone(), id: flow.id() }
    }
}
