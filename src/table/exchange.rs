//! Requests and their answers: the conversation on a reader's socket.

use rustix::io::Errno;

use super::Reader;
use crate::error::{Error, ErrorKind, Result};
use crate::flow::Family;
use crate::socket::Request;
use crate::wire::ctnetlink::{
    IPCTNL_MSG_CT_NEW, NFNL_SUBSYS_CTNETLINK, NFNL_SUBSYS_CTNETLINK_EXP,
    NFNL_SUBSYS_CTNETLINK_TIMEOUT,
};
use crate::wire::{KernelStatus, Message, Messages, NetfilterHeader, WireError};

/// A request under way: what its replies are recognised by, and what its errors are told with.
#[derive(Debug)]
pub(super) struct PendingRequest {
    pub(super) operation: &'static str,
    pub(super) sequence: u32,
    pub(super) port: u32,
    pub(super) bytes: Vec<u8>,
    /// The family that was asked for, of entries.
    pub(super) family: Option<u8>,
}

impl PendingRequest {
    /// No request at all, which nothing is a reply to.
    pub(super) const fn nothing() -> Self {
        Self { operation: "ask nothing", sequence: 0, port: 0, bytes: Vec::new(), family: None }
    }

    /// The one of a datagram of several that has this number, to tell its error.
    pub(super) fn one_of(datagram: &[u8], sequence: u32, operation: &'static str) -> Self {
        let (mut rest, mut bytes) = (datagram, Vec::new());
        for message in Messages::new(datagram).map_while(std::result::Result::ok) {
            let length = crate::wire::align(Messages::HEADER + message.payload.len());
            if message.sequence == sequence {
                bytes = rest.get(..length).unwrap_or(rest).to_vec();
                break;
            }
            rest = rest.get(length..).unwrap_or_default();
        }
        Self { operation, sequence, bytes, ..Self::nothing() }
    }

    /// Whether the message answers this request. Anything else on the socket is left over from an
    /// earlier one.
    pub(super) fn is_reply(&self, message: &Message<'_>) -> bool {
        message.sequence == self.sequence && message.port == self.port
    }

    /// Whether the message is an entry, of the family that was asked for.
    pub(super) fn is_entry(&self, message: &Message<'_>) -> bool {
        is_entry(message)
            && (self.family.is_none() || self.family == message.payload.first().copied())
    }

    pub(super) fn malformed(&self, source: WireError) -> Error {
        ErrorKind::Malformed { operation: self.operation, source }.into()
    }

    /// Success, or the error that a `NLMSG_ERROR` or `NLMSG_DONE` message carries.
    pub(super) fn outcome(&self, message: &Message<'_>) -> Result<()> {
        let status = KernelStatus::parse(message).map_err(|source| self.malformed(source))?;
        let operation = self.operation;
        let source = std::io::Error::from_raw_os_error(status.errno);
        // Without attributes nothing in a request can be invalid.
        let bare = self.bytes.len() == Messages::HEADER + 4;
        // Compared as numbers: the number comes from a message, and `Errno` takes only real ones.
        Err(match status.errno {
            0 => return Ok(()),
            errno if errno == Errno::PERM.raw_os_error() => {
                ErrorKind::PermissionDenied { operation }
            }
            errno if errno == Errno::NOBUFS.raw_os_error() => ErrorKind::Overrun { operation },
            // An unknown subsystem is all that such a request is refused for.
            errno if errno == Errno::INVAL.raw_os_error() && bare => ErrorKind::NotSupported {
                operation,
                remedy: "load the module: modprobe nf_conntrack_netlink",
            },
            _ => ErrorKind::Kernel {
                operation,
                source,
                message: status
                    .extended
                    .message
                    .map(|text| String::from_utf8_lossy(text).into_owned()),
                attribute: status.extended.attribute(&self.bytes),
                explanation: None,
            },
        }
        .into())
    }
}

/// Whether the message is an entry.
pub(super) fn is_entry(message: &Message<'_>) -> bool {
    message.kind == u16::from_be_bytes([NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_NEW])
}

/// Whether a reply is of conntrack, of its expectations or of its timeouts. The counters of
/// expectations come as conntrack's own (as `IPCTNL_MSG_CT_GET_CTRZERO`, in all kernels up to 6.18
/// at least), so the subsystems are not told apart here; the sequence number does that.
fn is_of_conntrack(message: &Message<'_>) -> bool {
    [NFNL_SUBSYS_CTNETLINK, NFNL_SUBSYS_CTNETLINK_EXP, NFNL_SUBSYS_CTNETLINK_TIMEOUT]
        .contains(&message.subsystem())
}

impl Reader {
    /// Sends a request.
    pub(super) fn send(&mut self, request: &Request) -> Result<PendingRequest> {
        self.settle()?;
        let (sequence, port) = (self.next_sequence(), self.socket.port());
        let bytes = request.to_bytes(sequence, port);
        if request.is_flush() {
            self.socket.send_flush(&bytes, request.operation)?;
        } else {
            self.socket.send(&bytes, request.operation)?;
        }
        let family = request.of_family().map(Family::number);
        Ok(PendingRequest { operation: request.operation, sequence, port, bytes, family })
    }

    /// Sends a request whose answer is small, and shows header and attributes of every reply to
    /// `read`, up to the acknowledgement or the end of the dump.
    pub(super) fn request(
        &mut self,
        request: &Request,
        mut read: impl FnMut(NetfilterHeader, &[u8]) -> Result<(), WireError>,
    ) -> Result<()> {
        let pending = self.send(request)?;
        self.abandoned = true; // until the end was read
        loop {
            let length = self.socket.receive(pending.operation)?;
            for message in Messages::new(self.socket.datagram(length)) {
                let message = message.map_err(|source| pending.malformed(source))?;
                if !pending.is_reply(&message) {
                    continue;
                }
                if message.is_error() || message.is_done() {
                    self.abandoned = false;
                    return pending.outcome(&message);
                }
                if is_of_conntrack(&message) {
                    let parts = message.netfilter();
                    parts
                        .and_then(|(header, attributes)| read(header, attributes))
                        .map_err(|source| pending.malformed(source))?;
                }
            }
        }
    }

    /// Sends a request that is answered by nothing but whether it was done.
    pub(super) fn submit(&mut self, request: &Request) -> Result<()> {
        self.request(request, |_, _| Ok(()))
    }

    pub(super) fn next_sequence(&mut self) -> u32 {
        // 0 is what events carry.
        self.sequence = self.sequence.checked_add(1).unwrap_or(1);
        self.sequence
    }

    /// Gets rid of a dump nobody reads any more, so that the next request finds a quiet socket.
    ///
    /// A fresh socket ends the dump at once. Where none can be had, the rest is read and thrown away.
    pub(super) fn settle(&mut self) -> Result<()> {
        if self.abandoned && self.socket.reopen().is_err() {
            self.read_to_the_end()?;
        }
        self.abandoned = false;
        Ok(())
    }

    fn read_to_the_end(&mut self) -> Result<()> {
        const OPERATION: &str = "end an earlier dump";
        loop {
            let length = match self.socket.receive(OPERATION) {
                Ok(length) => length,
                // Replies were lost; the dump goes on.
                Err(error) if matches!(error.kind(), ErrorKind::Overrun { .. }) => continue,
                // The dump had ended after all: with an error nobody is interested in.
                Err(error) if error.is_transient() => return Ok(()),
                Err(error) => return Err(error),
            };
            let mut messages = Messages::new(self.socket.datagram(length)).map_while(Result::ok);
            if messages.any(|message| message.is_done() || message.is_error()) {
                return Ok(());
            }
        }
    }
}
