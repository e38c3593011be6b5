//! What the kernel counts and times: packets and bytes of a direction, begin and end of a flow.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

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
        // Not `by_kind`: this is read for each direction of every entry, and a loop takes less.
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
    /// [id](crate::flow::FlowId)). `None` if there is less than there was: then somebody has set the
    /// counters back to zero, and the difference is unknown.
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

/// When a flow began and ended, by the host's clock at those moments.
///
/// The kernel notes it only where `nf_conntrack_timestamp` was on when the flow began.
#[doc(alias = "CTA_TIMESTAMP")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timestamps {
    /// The moment the flow entered the table.
    #[doc(alias = "CTA_TIMESTAMP_START")]
    pub start: SystemTime,
    /// The moment it left; only with the event of its end.
    #[doc(alias = "CTA_TIMESTAMP_STOP")]
    pub stop: Option<SystemTime>,
}

impl Timestamps {
    /// Reads the nest of a `CTA_TIMESTAMP` attribute. Padding inside it is skipped.
    pub(crate) fn parse(nest: &[u8]) -> Result<Self, WireError> {
        let [start, stop] = Attributes::new(nest).by_kind()?;
        let start = start.ok_or(WireError::missing("CTA_TIMESTAMP", "CTA_TIMESTAMP_START"))?;
        let stop = stop.map(|stop| stop.be64("CTA_TIMESTAMP_STOP")).transpose()?;
        Ok(Self { start: moment(start.be64("CTA_TIMESTAMP_START")?), stop: stop.map(moment) })
    }

    pub(crate) fn write(self, writer: &mut Writer<'_>) {
        writer.nest(CTA_TIMESTAMP, |writer| {
            writer.put_be64(CTA_TIMESTAMP_START, nanoseconds(self.start));
            writer.when(self.stop, |writer, stop| {
                writer.put_be64(CTA_TIMESTAMP_STOP, nanoseconds(stop));
            });
        });
    }
}

/// The moment as the kernel could have noted it: from 1970 to 2554.
#[cfg(feature = "serde")]
pub(super) fn bounded(time: SystemTime) -> SystemTime {
    moment(nanoseconds(time))
}

/// `u64` nanoseconds end in the year 2554, which every `SystemTime` of Linux can hold.
fn moment(nanoseconds: u64) -> SystemTime {
    UNIX_EPOCH.checked_add(Duration::from_nanos(nanoseconds)).unwrap_or(UNIX_EPOCH)
}

fn nanoseconds(moment: SystemTime) -> u64 {
    let since = moment.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
