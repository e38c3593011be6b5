//! A flow as attributes, in the order Linux 6.18 dumps them.

use bytes::BytesMut;

use super::attached::write_security_context;
use crate::flow::Flow;
use crate::wire::ctnetlink::*;
use crate::wire::writer::Writer;

/// What the attributes are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// All that a dump of the entry holds.
    Dump,
    /// What the kernel takes with `IPCTNL_MSG_CT_NEW`. It makes id, use count, counters, timestamps
    /// and security context itself, and attributes without a name here are not for it.
    #[allow(dead_code)] // Only where there is a kernel to create entries in.
    Create,
}

impl Flow {
    /// The flow as attributes, laid out as Linux 6.18 dumps them.
    /// [`FlowRef::parse`](crate::flow::FlowRef::parse) reads them.
    ///
    /// ```
    /// use ctnetlink::flow::{Flow, FlowRef, Protocol, Tuple};
    /// let client = ("192.0.2.1".parse()?, 40000);
    /// let server = ("198.51.100.7".parse()?, 443);
    /// let original = Tuple::with_ports(Protocol::TCP, client, server);
    /// let flow = Flow::new(original, original.inverse());
    ///
    /// let bytes = flow.to_bytes();
    /// assert_eq!(FlowRef::parse(&bytes).map(|read| read.to_owned()), Ok(flow));
    /// # Ok::<(), std::net::AddrParseError>(())
    /// ```
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = BytesMut::new();
        encode(self, Purpose::Dump, &mut Writer::new(&mut bytes));
        bytes.into()
    }
}

/// Writes the attributes of `flow`.
pub(crate) fn encode(flow: &Flow, purpose: Purpose, writer: &mut Writer<'_>) {
    flow.original.write(CTA_TUPLE_ORIG, writer);
    flow.reply.write(CTA_TUPLE_REPLY, writer);
    writer.when(flow.zone, |writer, zone| writer.put_be16(CTA_ZONE, zone));
    writer.put_be32(CTA_STATUS, flow.status.bits());
    writer.when(flow.mark, |writer, mark| writer.put_be32(CTA_MARK, mark));
    if purpose == Purpose::Dump {
        let context = flow.security_context.as_deref();
        writer.when(context, |writer, context| write_security_context(context, writer));
        writer.when(flow.id, |writer, id| writer.put_be32(CTA_ID, id.0));
        writer.when(flow.use_count, |writer, count| writer.put_be32(CTA_USE, count));
        writer.when(flow.counters_original, |writer, it| it.write(CTA_COUNTERS_ORIG, writer));
        writer.when(flow.counters_reply, |writer, it| it.write(CTA_COUNTERS_REPLY, writer));
        writer.when(flow.timestamps, |writer, it| it.write(writer));
    }
    writer.when(flow.timeout, |writer, timeout| {
        writer.put_be32(CTA_TIMEOUT, u32::try_from(timeout.as_secs()).unwrap_or(u32::MAX));
    });
    writer.when(flow.protoinfo, |writer, protoinfo| protoinfo.write(writer));
    writer.when(flow.master, |writer, master| master.write(CTA_TUPLE_MASTER, writer));
    writer.when(flow.helper.as_ref(), |writer, helper| helper.write(writer));
    writer.when(flow.labels, |writer, labels| writer.put(CTA_LABELS, &labels.0));
    writer.when(flow.sequence_adjustment_original, |writer, it| it.write(CTA_SEQ_ADJ_ORIG, writer));
    writer.when(flow.sequence_adjustment_reply, |writer, it| it.write(CTA_SEQ_ADJ_REPLY, writer));
    writer.when(flow.synproxy, |writer, synproxy| synproxy.write(writer));
    if purpose == Purpose::Dump {
        flow.unknown.iter().for_each(|unknown| writer.put(unknown.kind, &unknown.payload));
    }
}
