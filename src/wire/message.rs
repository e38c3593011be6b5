//! Messages (`struct nlmsghdr`) of one datagram, and the four bytes of `struct nfgenmsg` that
//! every netfilter message starts with.

use netlink_packet_core::{NLMSG_DONE, NLMSG_ERROR, NLMSG_NOOP, NLMSG_OVERRUN};

use super::{WireError, align};

/// One netlink message, borrowed from the datagram it came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Message<'a> {
    /// `nlmsg_type`: a control message below 16, else subsystem and message.
    pub kind: u16,
    /// `nlmsg_flags`, the `NLM_F_…` bits.
    pub flags: u16,
    /// `nlmsg_seq`, echoed from the request. 0 in events.
    pub sequence: u32,
    /// `nlmsg_pid`, the port id of the socket that asked.
    pub port: u32,
    /// What follows the header, without padding.
    pub payload: &'a [u8],
}

impl<'a> Message<'a> {
    /// The netfilter subsystem (`NFNL_SUBSYS_…`). Meaningless for control messages.
    pub fn subsystem(&self) -> u8 {
        self.kind.to_be_bytes()[0]
    }

    /// The message of the subsystem (`IPCTNL_MSG_…`). Meaningless for control messages.
    pub fn message(&self) -> u8 {
        self.kind.to_be_bytes()[1]
    }

    /// Whether this ends a dump.
    pub fn is_done(&self) -> bool {
        self.kind == NLMSG_DONE
    }

    /// Whether this is an error, or with code 0 an acknowledgement.
    pub fn is_error(&self) -> bool {
        self.kind == NLMSG_ERROR
    }

    /// Whether the kernel says that it lost data.
    pub fn is_overrun(&self) -> bool {
        self.kind == NLMSG_OVERRUN
    }

    /// Whether this carries nothing.
    pub fn is_noop(&self) -> bool {
        self.kind == NLMSG_NOOP
    }

    /// The netfilter header and the attributes behind it.
    pub fn netfilter(&self) -> Result<(NetfilterHeader, &'a [u8]), WireError> {
        let Some((&[family, version, r0, r1], attributes)) = self.payload.split_first_chunk()
        else {
            return Err(WireError::truncated("nfgenmsg", 4, self.payload.len()));
        };
        let resource = u16::from_be_bytes([r0, r1]);
        Ok((NetfilterHeader { family, version, resource }, attributes))
    }
}

/// The header of every netfilter message (`struct nfgenmsg`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NetfilterHeader {
    /// `nfgen_family`: `AF_INET` (2), `AF_INET6` (10) or `AF_UNSPEC` (0).
    pub family: u8,
    /// `version`: 0, except where a flush names a family.
    pub version: u8,
    /// `res_id`: 0, except for the processor's number in per-processor statistics.
    pub resource: u16,
}

/// The messages of one datagram.
///
/// Ends after the first malformed one, which it reports once.
#[derive(Debug, Clone)]
pub struct Messages<'a> {
    rest: &'a [u8],
}

impl<'a> Messages<'a> {
    /// Bytes of a message's header.
    pub const HEADER: usize = 16;

    /// Reads `datagram` as messages.
    pub fn new(datagram: &'a [u8]) -> Self {
        Self { rest: datagram }
    }

    /// Bytes that are left to read.
    #[cfg(all(target_os = "linux", not(ctnetlink_pure)))]
    pub(crate) fn left(&self) -> usize {
        self.rest.len()
    }

    /// Ends the iterator at a message that claims this length, or has none.
    #[cold]
    fn broken(&mut self, length: Option<usize>) -> Option<Result<Message<'a>, WireError>> {
        const WHAT: &str = "nlmsghdr";
        let have = std::mem::take(&mut self.rest).len();
        Some(Err(match length {
            None => WireError::truncated(WHAT, Self::HEADER, have),
            Some(length) if length < Self::HEADER => WireError::length(WHAT, length),
            Some(length) => WireError::truncated(WHAT, length, have),
        }))
    }
}

impl<'a> Iterator for Messages<'a> {
    type Item = Result<Message<'a>, WireError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let Some(header) = self.rest.first_chunk() else {
            return self.broken(None);
        };
        let &[l0, l1, l2, l3, t0, t1, f0, f1, s0, s1, s2, s3, p0, p1, p2, p3] = header;
        let length = u32::from_ne_bytes([l0, l1, l2, l3]) as usize;
        let Some(payload) = self.rest.get(Self::HEADER..length) else {
            return self.broken(Some(length));
        };
        // Conntrack's messages are not padded at the end of a datagram.
        self.rest = self.rest.get(align(length)..).unwrap_or_default();
        Some(Ok(Message {
            kind: u16::from_ne_bytes([t0, t1]),
            flags: u16::from_ne_bytes([f0, f1]),
            sequence: u32::from_ne_bytes([s0, s1, s2, s3]),
            port: u32::from_ne_bytes([p0, p1, p2, p3]),
            payload,
        }))
    }
}

impl std::iter::FusedIterator for Messages<'_> {}
