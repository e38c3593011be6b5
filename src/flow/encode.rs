//! A flow as attributes, in the order Linux 6.18 dumps them.

use super::extension::write_security_context;
use crate::flow::Flow;
use crate::wire::ctnetlink::*;
use crate::wire::writer::Writer;

/// What the attributes are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// All that a dump of the entry holds.
    Dump,
    /// What the kernel takes with `IPCTNL_MSG_CT_NEW`: not what it makes itself (id, use count,
    /// counters, timestamps, security context), nor attributes we do not know.
    #[allow(dead_code)] // Only where there is a kernel to create entries in.
    Create,
}

/// Writes the attributes of `flow`.
pub(crate) fn encode(flow: &Flow, purpose: Purpose, writer: &mut Writer<'_>) {
    flow.original.write(CTA_TUPLE_ORIG, writer);
    flow.reply.write(CTA_TUPLE_REPLY, writer);
    if let Some(zone) = flow.zone {
        writer.put_be16(CTA_ZONE, zone);
    }
    writer.put_be32(CTA_STATUS, flow.status.bits());
    if let Some(mark) = flow.mark {
        writer.put_be32(CTA_MARK, mark);
    }
    if purpose == Purpose::Dump {
        write_kernels_own(flow, writer);
    }
    if let Some(timeout) = flow.timeout {
        writer.put_be32(CTA_TIMEOUT, u32::try_from(timeout.as_secs()).unwrap_or(u32::MAX));
    }
    if let Some(protoinfo) = &flow.protoinfo {
        protoinfo.write(writer);
    }
    if let Some(master) = &flow.master {
        master.write(CTA_TUPLE_MASTER, writer);
    }
    if let Some(helper) = &flow.helper {
        helper.write(writer);
    }
    if let Some(labels) = flow.labels {
        writer.put(CTA_LABELS, &labels.0);
    }
    if let Some(adjustment) = flow.sequence_adjustment_original {
        adjustment.write(CTA_SEQ_ADJ_ORIG, writer);
    }
    if let Some(adjustment) = flow.sequence_adjustment_reply {
        adjustment.write(CTA_SEQ_ADJ_REPLY, writer);
    }
    if let Some(synproxy) = flow.synproxy {
        synproxy.write(writer);
    }
    if purpose == Purpose::Dump {
        for unknown in &flow.unknown {
            writer.put(unknown.kind, &unknown.payload);
        }
    }
}

fn write_kernels_own(flow: &Flow, writer: &mut Writer<'_>) {
    if let Some(context) = &flow.security_context {
        write_security_context(context, writer);
    }
    if let Some(id) = flow.id {
        writer.put_be32(CTA_ID, id.0);
    }
    if let Some(count) = flow.use_count {
        writer.put_be32(CTA_USE, count);
    }
    if let Some(counters) = flow.counters_original {
        counters.write(CTA_COUNTERS_ORIG, writer);
    }
    if let Some(counters) = flow.counters_reply {
        counters.write(CTA_COUNTERS_REPLY, writer);
    }
    if let Some(timestamps) = flow.timestamps {
        timestamps.write(writer);
    }
}
