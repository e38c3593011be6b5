//! The one place that puts requests together, alone or many to a datagram.

use bytes::{BufMut, BytesMut};
use netlink_packet_core::{
    Emitable, NLM_F_ACK, NLM_F_CREATE, NLM_F_DUMP, NLM_F_ECHO, NLM_F_EXCL, NLM_F_REQUEST,
    NetlinkHeader,
};
use netlink_packet_netfilter::NetfilterHeader;

use crate::flow::Family;
use crate::wire::Messages;
use crate::wire::ctnetlink::NFNL_SUBSYS_CTNETLINK;
use crate::wire::writer::Writer;

/// A request to the conntrack subsystem, or to a sibling of it.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    /// What the caller calls it, for errors.
    pub(crate) operation: &'static str,
    subsystem: u8,
    message: u8,
    flags: u16,
    version: u8,
    flush: bool,
    family: Option<Family>,
    attributes: BytesMut,
}

impl Request {
    /// A request that is answered by a dump, which ends in `NLMSG_DONE`.
    pub(crate) fn dump(operation: &'static str, message: u8) -> Self {
        // No acknowledgement: the kernel sends none for a dump that started.
        Self { flags: NLM_F_REQUEST | NLM_F_DUMP, ..Self::one_of_many(operation, message) }
    }

    /// A request that is answered by at most a few messages, and then by an acknowledgement: the
    /// replies themselves carry `NLM_F_MULTI` without a `NLMSG_DONE` ever following.
    pub(crate) fn once(operation: &'static str, message: u8) -> Self {
        Self::one_of_many(operation, message).acknowledged()
    }

    /// A request that is answered by an error, if there is one: one of several in a datagram, of
    /// which the last asks for an acknowledgement.
    pub(crate) fn one_of_many(operation: &'static str, message: u8) -> Self {
        Self {
            operation,
            subsystem: NFNL_SUBSYS_CTNETLINK,
            message,
            flags: NLM_F_REQUEST,
            version: 0,
            flush: false,
            family: None,
            attributes: BytesMut::new(),
        }
    }

    /// A delete of everything, or of all of one family. Only kernels from 5.2 on leave the other
    /// family alone, and only if the version of the netfilter header is not 0.
    pub(crate) fn flush(operation: &'static str, message: u8, family: Option<Family>) -> Self {
        let version = u8::from(family.is_some());
        Self { version, flush: true, family, ..Self::once(operation, message) }
    }

    /// Whether it may delete without naming what.
    pub(crate) fn is_flush(&self) -> bool {
        self.flush
    }

    /// To make what must not be there yet.
    pub(crate) fn exclusive(mut self) -> Self {
        self.flags |= NLM_F_CREATE | NLM_F_EXCL;
        self
    }

    /// Asks for an acknowledgement. A dump that starts sends none.
    pub(crate) fn acknowledged(mut self) -> Self {
        self.flags |= NLM_F_ACK;
        self
    }

    /// Asks for the event of what it does.
    pub(crate) fn echoed(mut self) -> Self {
        self.flags |= NLM_F_ECHO;
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

    /// With these attributes, put together already.
    pub(crate) fn attributes(mut self, attributes: &[u8]) -> Self {
        self.attributes.extend_from_slice(attributes);
        self
    }

    /// With the attributes that `write` writes.
    pub(crate) fn with(mut self, write: impl FnOnce(&mut Writer<'_>)) -> Self {
        write(&mut Writer::new(&mut self.attributes));
        self
    }

    /// The datagram to send, with this request alone.
    pub(crate) fn to_bytes(&self, sequence: u32, port: u32) -> Vec<u8> {
        let mut datagram = BytesMut::new();
        self.append(&mut datagram, sequence, port, |_| {});
        datagram.into()
    }

    /// Appends it to a datagram. What `more` writes comes behind its attributes: to write one's
    /// attributes there takes no memory for each request.
    pub(crate) fn append(
        &self,
        datagram: &mut BytesMut,
        sequence: u32,
        port: u32,
        more: impl FnOnce(&mut Writer<'_>),
    ) {
        let start = datagram.len();
        let family = self.family.map_or(0, Family::number).into();
        let netfilter = NetfilterHeader::new(family, self.version, 0);
        datagram.put_bytes(0, Messages::HEADER + netfilter.buffer_len());
        datagram.extend_from_slice(&self.attributes);
        more(&mut Writer::new(datagram));

        let mut header = NetlinkHeader::default();
        header.message_type = u16::from_be_bytes([self.subsystem, self.message]);
        header.flags = self.flags;
        header.sequence_number = sequence;
        header.port_number = port;
        header.length = u32::try_from(datagram.len() - start).unwrap_or(u32::MAX);
        if let Some((head, rest)) =
            datagram.get_mut(start..).and_then(|all| all.split_at_mut_checked(Messages::HEADER))
        {
            header.emit(head);
            netfilter.emit(rest);
        }
    }
}
