//! When a flow began, and when it ended.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::wire::ctnetlink::*;
use crate::wire::writer::Writer;
use crate::wire::{Attributes, WireError};

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
        let (mut start, mut stop) = (None, None);
        for attribute in Attributes::new(nest) {
            let attribute = attribute?;
            match attribute.kind {
                CTA_TIMESTAMP_START => start = Some(attribute.be64("CTA_TIMESTAMP_START")?),
                CTA_TIMESTAMP_STOP => stop = Some(attribute.be64("CTA_TIMESTAMP_STOP")?),
                _ => {}
            }
        }
        let start = start.ok_or(WireError::missing("CTA_TIMESTAMP", "CTA_TIMESTAMP_START"))?;
        Ok(Self { start: moment(start), stop: stop.map(moment) })
    }

    pub(crate) fn write(self, writer: &mut Writer<'_>) {
        writer.nest(CTA_TIMESTAMP, |writer| {
            writer.put_be64(CTA_TIMESTAMP_START, nanoseconds(self.start));
            if let Some(stop) = self.stop {
                writer.put_be64(CTA_TIMESTAMP_STOP, nanoseconds(stop));
            }
        });
    }
}

/// `u64` nanoseconds end in the year 2554, which every `SystemTime` of Linux can hold.
fn moment(nanoseconds: u64) -> SystemTime {
    UNIX_EPOCH.checked_add(Duration::from_nanos(nanoseconds)).unwrap_or(UNIX_EPOCH)
}

fn nanoseconds(moment: SystemTime) -> u64 {
    let since = moment.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
