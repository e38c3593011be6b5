//! What rules and kernel modules attach to an entry: helper, labels, sequence adjustment, SYN proxy,
//! security context.

use std::borrow::Cow;

use crate::wire::ctnetlink::*;
use crate::wire::writer::Writer;
use crate::wire::{Attributes, WireError};

/// The helper attached to a flow, such as `ftp` or `sip`.
#[doc(alias = "CTA_HELP")]
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Helper<'a> {
    /// Its name.
    #[doc(alias = "CTA_HELP_NAME")]
    pub name: Cow<'a, str>,
    /// Data of a helper that runs in user space, opaque to the kernel.
    #[doc(alias = "CTA_HELP_INFO")]
    pub info: Option<Cow<'a, [u8]>>,
}

impl<'a> Helper<'a> {
    pub(crate) fn parse(nest: &'a [u8]) -> Result<Self, WireError> {
        let [name, info] = Attributes::new(nest).by_kind()?;
        let name = name.ok_or(WireError::missing("CTA_HELP", "CTA_HELP_NAME"))?;
        let info = info.map(|info| Cow::Borrowed(info.payload));
        Ok(Self { name: String::from_utf8_lossy(name.text()), info })
    }

    /// The helper with its own memory.
    pub fn into_owned(self) -> Helper<'static> {
        Helper {
            name: Cow::Owned(self.name.into_owned()),
            info: self.info.map(|info| Cow::Owned(info.into_owned())),
        }
    }

    pub(crate) fn write(&self, writer: &mut Writer<'_>) {
        writer.nest(CTA_HELP, |writer| {
            writer.put_text(CTA_HELP_NAME, &self.name);
            writer.when(self.info.as_ref(), |writer, info| writer.put(CTA_HELP_INFO, info));
        });
    }
}

/// The labels of a flow: 128 bits that rules set and test.
///
/// The kernel keeps them as words of its host, so the host decides which byte a bit is in.
/// [`contains`](Self::contains) reads them as words of the host this runs on.
#[doc(alias = "CTA_LABELS")]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Labels(pub [u8; 16]);

impl Labels {
    /// Whether a label is set. Labels are numbered from 0 to 127.
    pub fn contains(&self, label: u8) -> bool {
        let (byte, bit) = place(label);
        self.0.get(byte).is_some_and(|byte| byte & bit != 0)
    }

    /// Sets a label. `false`, and nothing set, if there is no label of that number.
    ///
    /// ```
    /// let mut labels = ctnetlink::flow::Labels::default();
    /// assert!(labels.insert(127) && !labels.insert(128));
    /// assert_eq!(labels.iter().collect::<Vec<_>>(), [127]);
    /// ```
    pub fn insert(&mut self, label: u8) -> bool {
        let (byte, bit) = place(label);
        self.0.get_mut(byte).map(|byte| *byte |= bit).is_some()
    }

    /// The labels that are set, in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = u8> + '_ {
        (0..128).filter(|&label| self.contains(label))
    }

    /// Reads the payload. Kernels up to 4.7 sent only as many words as rules used.
    pub(crate) fn parse(payload: &[u8]) -> Result<Self, WireError> {
        let mut labels = [0; 16];
        let place = labels
            .get_mut(..payload.len())
            .ok_or(WireError::length("CTA_LABELS", payload.len()))?;
        place.copy_from_slice(payload);
        Ok(Self(labels))
    }
}

/// The byte of a label, which is beyond the last for one above 127, and its bit in that byte.
fn place(label: u8) -> (usize, u8) {
    const WORD: usize = size_of::<usize>();
    let byte = usize::from(label / 8);
    let byte = if cfg!(target_endian = "big") { byte ^ (WORD - 1) } else { byte };
    (byte, 1 << (label % 8))
}

/// How much a helper or SYN proxy shifts the TCP sequence numbers of one direction.
#[doc(alias = "CTA_SEQ_ADJ_ORIG")]
#[doc(alias = "CTA_SEQ_ADJ_REPLY")]
#[doc(alias = "nf_ct_seqadj")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct SequenceAdjustment {
    /// The sequence number of the last change.
    #[doc(alias = "CTA_SEQADJ_CORRECTION_POS")]
    pub correction_position: u32,
    /// The shift before it.
    #[doc(alias = "CTA_SEQADJ_OFFSET_BEFORE")]
    pub offset_before: i32,
    /// The shift after it.
    #[doc(alias = "CTA_SEQADJ_OFFSET_AFTER")]
    pub offset_after: i32,
}

impl SequenceAdjustment {
    pub(crate) fn parse(nest: &[u8]) -> Result<Self, WireError> {
        let [correction_position, before, after] = three_words(nest, "CTA_SEQ_ADJ")?;
        Ok(Self {
            correction_position,
            offset_before: i32::from_ne_bytes(before.to_ne_bytes()),
            offset_after: i32::from_ne_bytes(after.to_ne_bytes()),
        })
    }

    pub(crate) fn write(self, kind: u16, writer: &mut Writer<'_>) {
        writer.nest(kind, |writer| {
            writer.put_be32(CTA_SEQADJ_CORRECTION_POS, self.correction_position);
            writer.put(CTA_SEQADJ_OFFSET_BEFORE, &self.offset_before.to_be_bytes());
            writer.put(CTA_SEQADJ_OFFSET_AFTER, &self.offset_after.to_be_bytes());
        });
    }
}

/// What the SYN proxy keeps.
///
/// Where the kernel has the SYN proxy, entries made over netlink have it too, all zero.
#[doc(alias = "CTA_SYNPROXY")]
#[doc(alias = "nf_conn_synproxy")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Synproxy {
    /// Initial sequence number.
    #[doc(alias = "CTA_SYNPROXY_ISN")]
    pub initial_sequence: u32,
    /// Initial timestamp.
    #[doc(alias = "CTA_SYNPROXY_ITS")]
    pub initial_timestamp: u32,
    /// Timestamp offset.
    #[doc(alias = "CTA_SYNPROXY_TSOFF")]
    pub timestamp_offset: u32,
}

impl Synproxy {
    pub(crate) fn parse(nest: &[u8]) -> Result<Self, WireError> {
        let [initial_sequence, initial_timestamp, timestamp_offset] =
            three_words(nest, "CTA_SYNPROXY")?;
        Ok(Self { initial_sequence, initial_timestamp, timestamp_offset })
    }

    pub(crate) fn write(self, writer: &mut Writer<'_>) {
        writer.nest(CTA_SYNPROXY, |writer| {
            writer.put_be32(CTA_SYNPROXY_ISN, self.initial_sequence);
            writer.put_be32(CTA_SYNPROXY_ITS, self.initial_timestamp);
            writer.put_be32(CTA_SYNPROXY_TSOFF, self.timestamp_offset);
        });
    }
}

/// Sequence adjustment and SYN proxy are nests of the same shape: three words, kinds 1 to 3, all
/// of them always sent.
fn three_words(nest: &[u8], what: &'static str) -> Result<[u32; 3], WireError> {
    let [Some(first), Some(second), Some(third)] = Attributes::new(nest).by_kind()? else {
        return Err(WireError::missing(what, "one of its three words"));
    };
    Ok([first.be32(what)?, second.be32(what)?, third.be32(what)?])
}

/// Reads the name out of a `CTA_SECCTX` nest.
pub(crate) fn security_context(nest: &[u8]) -> Result<Cow<'_, str>, WireError> {
    let [name] = Attributes::new(nest).by_kind()?;
    let name = name.ok_or(WireError::missing("CTA_SECCTX", "CTA_SECCTX_NAME"))?;
    Ok(String::from_utf8_lossy(name.text()))
}

pub(crate) fn write_security_context(context: &str, writer: &mut Writer<'_>) {
    writer.nest(CTA_SECCTX, |writer| writer.put_text(CTA_SECCTX_NAME, context));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_labels_are_filled_up_and_long_ones_refused() {
        assert_eq!(Labels::parse(&[0; 8]), Ok(Labels::default()));
        assert!(Labels::parse(&[0; 17]).is_err());
    }
}
