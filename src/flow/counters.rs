//! Packets and bytes of one direction.

use crate::wire::ctnetlink::*;
use crate::wire::writer::Writer;
use crate::wire::{Attributes, WireError};

/// What one direction of a flow has carried.
///
/// The kernel counts only where `nf_conntrack_acct` was on (or a rule asked for it) when the flow
/// began; elsewhere there are no counters, which is not the same as zero.
#[doc(alias = "CTA_COUNTERS_ORIG")]
#[doc(alias = "CTA_COUNTERS_REPLY")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Counters {
    /// Packets.
    #[doc(alias = "CTA_COUNTERS_PACKETS")]
    pub packets: u64,
    /// Bytes at layer 3, headers included.
    #[doc(alias = "CTA_COUNTERS_BYTES")]
    pub bytes: u64,
}

impl Counters {
    /// Reads the nest of a `CTA_COUNTERS_…` attribute. Padding inside it is skipped.
    #[inline]
    pub(crate) fn parse(nest: &[u8]) -> Result<Self, WireError> {
        let (mut packets, mut bytes) = (None, None);
        for attribute in Attributes::new(nest) {
            let attribute = attribute?;
            match attribute.kind {
                CTA_COUNTERS_PACKETS => packets = Some(attribute.be64("CTA_COUNTERS_PACKETS")?),
                CTA_COUNTERS_BYTES => bytes = Some(attribute.be64("CTA_COUNTERS_BYTES")?),
                _ => {}
            }
        }
        Ok(Self {
            packets: packets.ok_or(WireError::missing("CTA_COUNTERS", "CTA_COUNTERS_PACKETS"))?,
            bytes: bytes.ok_or(WireError::missing("CTA_COUNTERS", "CTA_COUNTERS_BYTES"))?,
        })
    }

    /// What was added since an earlier reading of the same entry (same tuple and
    /// [id](crate::flow::FlowId)). `None` if there is less than there was: somebody set the counters
    /// back to zero, so that nobody knows.
    ///
    /// ```
    /// use ctnetlink::flow::Counters;
    /// let (earlier, later) =
    ///     (Counters { packets: 2, bytes: 120 }, Counters { packets: 5, bytes: 300 });
    /// assert_eq!(later.since(earlier), Some(Counters { packets: 3, bytes: 180 }));
    /// assert_eq!(earlier.since(later), None);
    /// ```
    pub fn since(self, earlier: Self) -> Option<Self> {
        Some(Self {
            packets: self.packets.checked_sub(earlier.packets)?,
            bytes: self.bytes.checked_sub(earlier.bytes)?,
        })
    }

    pub(crate) fn write(self, kind: u16, writer: &mut Writer<'_>) {
        writer.nest(kind, |writer| {
            writer.put_be64(CTA_COUNTERS_PACKETS, self.packets);
            writer.put_be64(CTA_COUNTERS_BYTES, self.bytes);
        });
    }
}
