//! Which attributes of an entry a query needs.

use super::field::Field;
use crate::wire::ctnetlink::*;

/// A set of attributes, one bit per kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Needs(u32);

impl Needs {
    /// What the fields need.
    pub(crate) fn of<'f>(fields: impl IntoIterator<Item = &'f Field>) -> Self {
        let needs = Self(0);
        fields.into_iter().fold(needs, |needs, field| match field {
            Field::Family
            | Field::Protocol
            | Field::Source(_)
            | Field::Destination(_)
            | Field::SourcePort
            | Field::DestinationPort => needs.with(&[CTA_TUPLE_ORIG]),
            Field::ReplySource(_)
            | Field::ReplyDestination(_)
            | Field::ReplySourcePort
            | Field::ReplyDestinationPort => needs.with(&[CTA_TUPLE_REPLY]),
            Field::State => needs.with(&[CTA_TUPLE_ORIG, CTA_STATUS, CTA_PROTOINFO]),
            // A zone of one direction stands in that direction's tuple.
            Field::Zone => needs.with(&[CTA_TUPLE_ORIG, CTA_TUPLE_REPLY, CTA_ZONE]),
            Field::Mark => needs.with(&[CTA_MARK]),
            Field::Status => needs.with(&[CTA_STATUS]),
            Field::Expires => needs.with(&[CTA_TIMEOUT]),
            Field::Age => needs.with(&[CTA_TIMESTAMP]),
        })
    }

    /// These, and the counters.
    pub(crate) fn and_counters(self) -> Self {
        self.with(&[CTA_COUNTERS_ORIG, CTA_COUNTERS_REPLY])
    }

    /// These, and what decides the part of a table an entry is in.
    #[cfg(all(target_os = "linux", not(ctnetlink_pure)))]
    pub(crate) fn and_part(self) -> Self {
        self.with(&[CTA_STATUS, CTA_MARK])
    }

    fn with(self, kinds: &[u16]) -> Self {
        Self(kinds.iter().fold(self.0, |bits, kind| bits | 1 << kind))
    }

    pub(crate) const fn is_none(self) -> bool {
        self.0 == 0
    }

    #[inline]
    pub(crate) fn contains(self, kind: u16) -> bool {
        1_u32.checked_shl(kind.into()).is_some_and(|bit| self.0 & bit != 0)
    }

    #[inline]
    pub(crate) fn without(self, kind: u16) -> Self {
        Self(self.0 & !1_u32.checked_shl(kind.into()).unwrap_or_default())
    }
}
