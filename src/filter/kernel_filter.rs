//! The filter of one request, as the kernel takes it.

use std::net::Ipv4Addr;

use bytes::BytesMut;

use super::condition::Masked;
use crate::flow::{Family, Protocol};
use crate::wire::ctnetlink::*;
use crate::wire::writer::Writer;

/// What one dump request asks the kernel to leave out. Made by [`Filter::plan`](super::Filter::plan).
///
/// All of it has to hold for an entry, and every part is one value: the kernel knows no networks,
/// ranges or alternatives.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct KernelFilter {
    pub(crate) family: Option<Family>,
    pub(crate) mark: Option<Masked>,
    pub(crate) status: Option<Masked>,
    pub(crate) zone: Option<u16>,
    pub(crate) original: TupleFilter,
    pub(crate) reply: TupleFilter,
}

/// The parts of a tuple that have to be equal.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct TupleFilter {
    pub(crate) source: Option<Ipv4Addr>,
    pub(crate) destination: Option<Ipv4Addr>,
    pub(crate) protocol: Option<Protocol>,
    pub(crate) source_port: Option<u16>,
    pub(crate) destination_port: Option<u16>,
    pub(crate) icmp_type: Option<u8>,
    pub(crate) icmp_code: Option<u8>,
    pub(crate) icmp_id: Option<u16>,
}

impl KernelFilter {
    /// The family that stands in the request's header; `None` for all.
    pub fn family(&self) -> Option<Family> {
        self.family
    }

    /// Whether it leaves nothing out.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether it has attributes, which a kernel may refuse or ignore; the family stands in the
    /// header and is honoured by all.
    pub fn has_attributes(&self) -> bool {
        *self != self.without_attributes()
    }

    /// The family alone.
    pub(crate) fn without_attributes(&self) -> Self {
        Self { family: self.family, ..Self::default() }
    }

    /// Whether it has parts that the kernel takes only with a family.
    pub(crate) fn needs_family(&self) -> bool {
        self.original != TupleFilter::default() || self.reply != TupleFilter::default()
    }

    /// The attributes of the request.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = BytesMut::new();
        self.write(&mut Writer::new(&mut bytes));
        bytes.into()
    }

    fn write(&self, writer: &mut Writer<'_>) {
        // Kernels before 5.8 take a mark only together with its mask.
        if let Some(mark) = self.mark {
            writer.put_be32(CTA_MARK, mark.value);
            writer.put_be32(CTA_MARK_MASK, mark.mask);
        }
        if let Some(status) = self.status {
            writer.put_be32(CTA_STATUS, status.value);
            writer.put_be32(CTA_STATUS_MASK, status.mask);
        }
        if let Some(zone) = self.zone {
            writer.put_be16(CTA_ZONE, zone);
        }
        if !self.needs_family() {
            return;
        }
        let icmpv6 = self.family == Some(Family::Ipv6);
        for (tuple, kind) in [(self.original, CTA_TUPLE_ORIG), (self.reply, CTA_TUPLE_REPLY)] {
            if tuple != TupleFilter::default() {
                tuple.write(kind, icmpv6, writer);
            }
        }
        writer.nest(CTA_FILTER, |writer| {
            for (tuple, kind) in
                [(self.original, CTA_FILTER_ORIG_FLAGS), (self.reply, CTA_FILTER_REPLY_FLAGS)]
            {
                if tuple != TupleFilter::default() {
                    // The one number in all of this that is in the host's order.
                    writer.put(kind, &tuple.flags(icmpv6).to_ne_bytes());
                }
            }
        });
    }
}

impl TupleFilter {
    fn write(&self, kind: u16, icmpv6: bool, writer: &mut Writer<'_>) {
        writer.nest(kind, |writer| {
            if self.source.is_some() || self.destination.is_some() {
                writer.nest(CTA_TUPLE_IP, |writer| {
                    for (address, kind) in
                        [(self.source, CTA_IP_V4_SRC), (self.destination, CTA_IP_V4_DST)]
                    {
                        if let Some(address) = address {
                            writer.put(kind, &address.octets());
                        }
                    }
                });
            }
            let Some(protocol) = self.protocol else { return };
            let [icmp_type, icmp_code, icmp_id] = if icmpv6 {
                [CTA_PROTO_ICMPV6_TYPE, CTA_PROTO_ICMPV6_CODE, CTA_PROTO_ICMPV6_ID]
            } else {
                [CTA_PROTO_ICMP_TYPE, CTA_PROTO_ICMP_CODE, CTA_PROTO_ICMP_ID]
            };
            writer.nest(CTA_TUPLE_PROTO, |writer| {
                writer.put_u8(CTA_PROTO_NUM, protocol.0);
                for (number, kind) in [
                    (self.source_port, CTA_PROTO_SRC_PORT),
                    (self.destination_port, CTA_PROTO_DST_PORT),
                    (self.icmp_id, icmp_id),
                ] {
                    if let Some(number) = number {
                        writer.put_be16(kind, number);
                    }
                }
                for (number, kind) in [(self.icmp_type, icmp_type), (self.icmp_code, icmp_code)] {
                    if let Some(number) = number {
                        writer.put_u8(kind, number);
                    }
                }
            });
        });
    }

    /// Which parts count: the `CTA_FILTER_F_…` bits of the kernel's `nf_internals.h`.
    fn flags(&self, icmpv6: bool) -> u32 {
        let icmp = if icmpv6 { 9 } else { 6 };
        [
            (self.source.is_some(), 0),
            (self.destination.is_some(), 1),
            (self.protocol.is_some(), 3),
            (self.source_port.is_some(), 4),
            (self.destination_port.is_some(), 5),
            (self.icmp_type.is_some(), icmp),
            (self.icmp_code.is_some(), icmp + 1),
            (self.icmp_id.is_some(), icmp + 2),
        ]
        .into_iter()
        .filter(|(there, _)| *there)
        .fold(0, |flags, (_, bit)| flags | 1 << bit)
    }
}
