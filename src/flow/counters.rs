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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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

    pub(crate) fn write(self, kind: u16, writer: &mut Writer<'_>) {
        writer.nest(kind, |writer| {
            writer.put_be64(CTA_COUNTERS_PACKETS, self.packets);
            writer.put_be64(CTA_COUNTERS_BYTES, self.bytes);
        });
    }
}
