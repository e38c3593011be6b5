//! A change to an existing entry.

use std::time::Duration;

use bytes::BytesMut;

use super::invalid::{
    InvalidFlow, check_protoinfo, check_scaling, check_timeout, refuse_if, whole_seconds,
};
use crate::flow::{Direction, Flow, FlowKey, Labels, ProtoInfo, SequenceAdjustment, Status};
use crate::wire::ctnetlink::*;
use crate::wire::writer::Writer;

/// What to change in an existing entry; the rest of it stays.
///
/// `Conntrack::update` applies it. Tuples, zone, NAT, helper and master are fixed when an entry is
/// made, and no status bit can be removed. To change those, delete the entry and make another.
///
/// ```
/// use ctnetlink::flow::Change;
/// use std::time::Duration;
/// let change = Change::new().timeout(Duration::from_secs(60)).mark_masked(0x10, 0xf0);
/// ```
#[doc(alias = "IPCTNL_MSG_CT_NEW")]
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Change {
    timeout: Option<Duration>,
    status: Status,
    protoinfo: Option<ProtoInfo>,
    mark: Option<(u32, Option<u32>)>,
    sequence_adjustment_original: Option<SequenceAdjustment>,
    sequence_adjustment_reply: Option<SequenceAdjustment>,
    labels: Option<(Labels, Option<Labels>)>,
}

impl Change {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Ends after this time from now, unless packets renew it. Rounded up to whole seconds; 1 to
    /// 2,147,483 of them are possible. Zero is refused, since it would end the entry: delete it
    /// instead. `conntrack -U --timeout`
    #[doc(alias = "CTA_TIMEOUT")]
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(whole_seconds(timeout));
        self
    }

    /// As if packets had been seen in both directions. `conntrack -U --status SEEN_REPLY`
    #[doc(alias = "IPS_SEEN_REPLY")]
    #[must_use]
    pub fn seen_reply(mut self) -> Self {
        self.status |= Status::SEEN_REPLY;
        self
    }

    /// Not to be evicted early when the table is full. `conntrack -U --status ASSURED`
    #[doc(alias = "IPS_ASSURED")]
    #[must_use]
    pub fn assured(mut self) -> Self {
        self.status |= Status::ASSURED;
        self
    }

    /// Neither packets nor requests change the timeout any more. A timeout in the same change is the
    /// last. `conntrack -U --status FIXED_TIMEOUT`
    #[doc(alias = "IPS_FIXED_TIMEOUT")]
    #[must_use]
    pub fn fixed_timeout(mut self) -> Self {
        self.status |= Status::FIXED_TIMEOUT;
        self
    }

    /// Sets the whole mark. `conntrack -U --mark`
    #[doc(alias = "CTA_MARK")]
    #[must_use]
    pub fn mark(mut self, mark: u32) -> Self {
        self.mark = Some((mark, None));
        self
    }

    /// Sets the bits of the mark that are in `mask`. Bits of `mark` outside of it are refused, since
    /// the kernel would flip them. `conntrack -U --mark …/…`
    #[doc(alias = "CTA_MARK_MASK")]
    #[must_use]
    pub fn mark_masked(mut self, mark: u32, mask: u32) -> Self {
        self.mark = Some((mark, Some(mask)));
        self
    }

    /// Sets all of the labels.
    ///
    /// An entry has room for labels if some rule of the network namespace used them when it was
    /// made.
    #[doc(alias = "CTA_LABELS")]
    #[must_use]
    pub fn labels(mut self, labels: Labels) -> Self {
        self.labels = Some((labels, None));
        self
    }

    /// Sets the labels that are in `mask`. Others in `labels` are refused, since the kernel would flip
    /// them. `conntrack -U --label-add`, `--label-del`
    #[doc(alias = "CTA_LABELS_MASK")]
    #[must_use]
    pub fn labels_masked(mut self, labels: Labels, mask: Labels) -> Self {
        self.labels = Some((labels, Some(mask)));
        self
    }

    /// Sets what the protocol's tracker keeps. Parts of TCP's that are `None` stay. The kernel takes
    /// window scales of both directions together, and only where both have the flag 0x01 or get it.
    /// An SCTP state needs both tags. `conntrack -U --state`
    #[doc(alias = "CTA_PROTOINFO")]
    #[must_use]
    pub fn protoinfo(mut self, protoinfo: impl Into<ProtoInfo>) -> Self {
        self.protoinfo = Some(protoinfo.into());
        self
    }

    /// Shifts the sequence numbers of this direction.
    ///
    /// An entry has room for it if it was made by hand, or with NAT and a helper, or by the SYN
    /// proxy.
    #[doc(alias = "CTA_SEQ_ADJ_ORIG")]
    #[doc(alias = "CTA_SEQ_ADJ_REPLY")]
    #[must_use]
    pub fn sequence_adjustment(
        mut self,
        direction: Direction,
        adjustment: SequenceAdjustment,
    ) -> Self {
        *direction
            .pick(&mut self.sequence_adjustment_original, &mut self.sequence_adjustment_reply) =
            Some(adjustment);
        self
    }

    pub(crate) fn sets_timeout(&self) -> bool {
        self.timeout.is_some()
    }

    pub(crate) fn sets_labels(&self) -> bool {
        self.labels.is_some()
    }

    pub(crate) fn sets_sequence_adjustment(&self) -> bool {
        self.sequence_adjustment_original.is_some() || self.sequence_adjustment_reply.is_some()
    }

    pub(crate) fn sets_status(&self) -> bool {
        !self.status.is_empty()
    }

    /// Whether the entry as it is decides what is sent, or whether anything may be sent.
    pub(crate) fn depends_on_entry(&self) -> bool {
        let scales = matches!(self.protoinfo, Some(ProtoInfo::Tcp(tcp))
            if tcp.window_scale_original.is_some());
        self.sets_status() || self.sets_sequence_adjustment() || scales
    }

    /// Finds what kernels refuse, ignore or misunderstand.
    pub(crate) fn check(&self, key: &FlowKey) -> Result<(), InvalidFlow> {
        refuse_if(*self == Self::default(), "nothing to change", "say what is to change")?;
        if let Some(timeout) = self.timeout {
            refuse_if(
                timeout.is_zero(),
                "a timeout of zero, which would end the entry",
                "delete it if that is meant, or give a second or more",
            )?;
            check_timeout(timeout)?;
        }
        let mark_outside =
            self.mark.is_some_and(|(mark, mask)| mark & !mask.unwrap_or(u32::MAX) != 0);
        let labels_outside = self.labels.is_some_and(|(labels, mask)| {
            let mask = mask.unwrap_or(Labels([u8::MAX; 16]));
            labels.0.iter().zip(mask.0).any(|(label, mask)| label & !mask != 0)
        });
        refuse_if(
            mark_outside || labels_outside,
            "bits of a mark, or labels, that are outside of their mask",
            "clear them, or set them in the mask as well",
        )?;
        if let Some(protoinfo) = &self.protoinfo {
            check_protoinfo(protoinfo, key.tuple.protocol)?;
        }
        Ok(())
    }

    /// Finds what the kernel would ignore, with the entry as it is.
    pub(crate) fn check_against(&self, entry: &Flow) -> Result<(), InvalidFlow> {
        match &self.protoinfo {
            Some(protoinfo) => check_scaling(protoinfo, entry.protoinfo.as_ref()),
            None => Ok(()),
        }
    }

    /// Appends the change, to an entry whose status is `status` now.
    pub(crate) fn write(&self, status: Status, attributes: &mut BytesMut) {
        let writer = &mut Writer::new(attributes);
        writer.when(self.timeout, |writer, timeout| {
            writer.put_be32(CTA_TIMEOUT, u32::try_from(timeout.as_secs()).unwrap_or(u32::MAX));
        });
        if self.sets_status() {
            // The kernel takes only all the bits that are there and more.
            writer.put_be32(CTA_STATUS, (status | self.status).bits());
        }
        writer.when(self.protoinfo, |writer, protoinfo| protoinfo.write(writer));
        writer.when(self.mark, |writer, (mark, mask)| {
            writer.put_be32(CTA_MARK, mark);
            writer.when(mask, |writer, mask| writer.put_be32(CTA_MARK_MASK, mask));
        });
        for (kind, adjustment) in [
            (CTA_SEQ_ADJ_ORIG, self.sequence_adjustment_original),
            (CTA_SEQ_ADJ_REPLY, self.sequence_adjustment_reply),
        ] {
            writer.when(adjustment, |writer, adjustment| adjustment.write(kind, writer));
        }
        writer.when(self.labels, |writer, (labels, mask)| {
            writer.put(CTA_LABELS, &labels.0);
            writer.when(mask, |writer, mask| writer.put(CTA_LABELS_MASK, &mask.0));
        });
    }
}
