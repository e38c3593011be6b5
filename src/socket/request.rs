//! The one place that puts a single request together.

use netlink_packet_core::{
    DefaultNla, NLA_F_NESTED, NLM_F_ACK, NLM_F_CREATE, NLM_F_DUMP, NLM_F_EXCL, NLM_F_REQUEST,
    NetlinkHeader, NetlinkMessage,
};
use netlink_packet_netfilter::conntrack::ConntrackMessage;
use netlink_packet_netfilter::{
    NetfilterHeader, NetfilterMessage, NetfilterMessageInner, NetfilterProtoFamily,
    NetfilterSubsystem,
};

use crate::flow::Family;
use crate::wire::Attributes;
use crate::wire::ctnetlink::NFNL_SUBSYS_CTNETLINK;

/// A request to the conntrack subsystem, or to a sibling of it.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    /// What the caller calls it, for errors.
    pub(crate) operation: &'static str,
    subsystem: u8,
    message: u8,
    flags: u16,
    version: u8,
    /// Whether it may delete without naming what.
    flush: bool,
    family: Option<Family>,
    // All attributes go as plain bytes: the typed ones of the packet crate lose the flag that
    // marks a nest.
    attributes: Vec<DefaultNla>,
}

impl Request {
    /// A request that is answered by a dump, which ends in `NLMSG_DONE`.
    pub(crate) fn dump(operation: &'static str, message: u8) -> Self {
        // No acknowledgement: the kernel sends none for a dump that started.
        Self::new(operation, message, NLM_F_REQUEST | NLM_F_DUMP)
    }

    /// A request that is answered by at most a few messages, and then by an acknowledgement: the
    /// replies themselves carry `NLM_F_MULTI` without a `NLMSG_DONE` ever following.
    pub(crate) fn once(operation: &'static str, message: u8) -> Self {
        Self::new(operation, message, NLM_F_REQUEST | NLM_F_ACK)
    }

    /// A delete of everything, or of all of one family. Only kernels from 5.2 on leave the other
    /// family alone, and only if the version of the netfilter header is not 0.
    pub(crate) fn flush(operation: &'static str, message: u8, family: Option<Family>) -> Self {
        let version = u8::from(family.is_some());
        Self { version, flush: true, ..Self::once(operation, message).family(family) }
    }

    /// Whether it may delete without naming what.
    pub(crate) fn is_flush(&self) -> bool {
        self.flush
    }

    fn new(operation: &'static str, message: u8, flags: u16) -> Self {
        let subsystem = NFNL_SUBSYS_CTNETLINK;
        let attributes = Vec::new();
        Self {
            operation,
            subsystem,
            message,
            flags,
            version: 0,
            flush: false,
            family: None,
            attributes,
        }
    }

    /// To make what must not be there yet.
    pub(crate) fn exclusive(mut self) -> Self {
        self.flags |= NLM_F_CREATE | NLM_F_EXCL;
        self
    }

    /// Asks for an acknowledgement even of a dump, which is not sent if a dump starts.
    pub(crate) fn acknowledged(mut self) -> Self {
        self.flags |= NLM_F_ACK;
        self
    }

    /// To another subsystem than conntrack's own.
    pub(crate) fn subsystem(mut self, subsystem: u8) -> Self {
        self.subsystem = subsystem;
        self
    }

    /// For one address family only; the default is all.
    pub(crate) fn family(mut self, family: Option<Family>) -> Self {
        self.family = family;
        self
    }

    /// The family it is for.
    pub(crate) fn of_family(&self) -> Option<Family> {
        self.family
    }

    /// With these attributes, as bytes.
    pub(crate) fn attributes(mut self, attributes: &[u8]) -> Self {
        self.attributes = Attributes::new(attributes)
            .map_while(Result::ok) // our own writing
            .map(|attribute| {
                let nested = if attribute.nested { NLA_F_NESTED } else { 0 };
                DefaultNla::new(attribute.kind | nested, attribute.payload.to_vec())
            })
            .collect();
        self
    }

    /// The bytes to send.
    pub(crate) fn to_bytes(&self, sequence: u32, port: u32) -> Vec<u8> {
        let family = match self.family {
            None => NetfilterProtoFamily::Unspec,
            Some(Family::Ipv4) => NetfilterProtoFamily::IPv4,
            Some(Family::Ipv6) => NetfilterProtoFamily::IPv6,
        };
        let (message_type, attributes) = (self.message, self.attributes.clone());
        let message = if self.subsystem == NFNL_SUBSYS_CTNETLINK {
            ConntrackMessage::Other { message_type, attributes }.into()
        } else {
            let subsys = NetfilterSubsystem::Other(self.subsystem);
            NetfilterMessageInner::Other { subsys, message_type, attributes }
        };
        let mut header = NetlinkHeader::default();
        header.flags = self.flags;
        header.sequence_number = sequence;
        header.port_number = port;
        let netfilter =
            NetfilterMessage::new(NetfilterHeader::new(family, self.version, 0), message);
        let mut message = NetlinkMessage::new(header, netfilter.into());
        message.finalize();
        let mut bytes = vec![0; message.buffer_len()];
        message.serialize(&mut bytes);
        bytes
    }
}
