//! Messages (`struct nlmsghdr`) of one datagram, and the four bytes of `struct nfgenmsg` that
//! every netfilter message starts with.

use netlink_packet_core::{NLMSG_DONE, NLMSG_ERROR, NLMSG_NOOP, NLMSG_OVERRUN, NetlinkBuffer};

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
}

impl<'a> Iterator for Messages<'a> {
    type Item = Result<Message<'a>, WireError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        // The checked constructor knows the header and its length field; its error is text, so
        // ours is made from the numbers.
        let Ok(message) = NetlinkBuffer::new_checked(self.rest) else {
            let have = self.rest.len();
            let need = self.rest.first_chunk().map_or(Self::HEADER, |length| {
                (u32::from_ne_bytes(*length) as usize).max(Self::HEADER)
            });
            self.rest = &[];
            return Some(Err(WireError::truncated("nlmsghdr", need, have)));
        };
        let length = message.length() as usize;
        // Conntrack's messages are not padded at the end of a datagram.
        self.rest = self.rest.get(align(length)..).unwrap_or_default();
        Some(Ok(Message {
            kind: message.message_type(),
            flags: message.flags(),
            sequence: message.sequence_number(),
            port: message.port_number(),
            payload: message.payload(),
        }))
    }
}

impl std::iter::FusedIterator for Messages<'_> {}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(length: u32) -> Vec<u8> {
        let mut bytes = length.to_ne_bytes().to_vec();
        bytes.extend(0x0100_u16.to_ne_bytes());
        bytes.extend([2, 0, 7, 0, 0, 0, 9, 0, 0, 0]);
        bytes
    }

    #[test]
    fn an_unaligned_last_message_is_read() {
        let mut datagram = header(22);
        datagram.extend([2, 0, 0, 3, 0xaa, 0xbb]);
        let [message] = Messages::new(&datagram).collect::<Vec<_>>()[..] else { panic!() };
        let message = message.unwrap();
        assert_eq!((message.subsystem(), message.message()), (1, 0));
        let (netfilter, attributes) = message.netfilter().unwrap();
        assert_eq!(netfilter, NetfilterHeader { family: 2, version: 0, resource: 3 });
        assert_eq!(attributes, [0xaa, 0xbb]);
    }

    #[test]
    fn a_length_that_cannot_be_ends_the_datagram() {
        for (length, need) in [(0, 16), (15, 16), (17, 17), (u32::MAX, u32::MAX as usize)] {
            let datagram = header(length);
            let mut messages = Messages::new(&datagram);
            let error = messages.next().unwrap().unwrap_err();
            assert_eq!(error, WireError::truncated("nlmsghdr", need, 16));
            assert_eq!(messages.next(), None);
        }
    }
}
