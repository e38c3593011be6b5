//! A request under way, and what becomes of it.

use rustix::io::Errno;

use crate::error::{Error, ErrorKind, Result};
use crate::wire::ctnetlink::{
    IPCTNL_MSG_CT_NEW, NFNL_SUBSYS_CTNETLINK, NFNL_SUBSYS_CTNETLINK_EXP,
    NFNL_SUBSYS_CTNETLINK_TIMEOUT,
};
use crate::wire::{KernelStatus, Message, Messages, WireError};

/// Whether a request has no attributes, so that nothing in it can be invalid.
fn request_is_bare(request: &[u8]) -> bool {
    request.len() == Messages::HEADER + 4
}

/// Whether a reply is of conntrack, of its expectations or of its timeouts. The counters of
/// expectations come as conntrack's own (as `IPCTNL_MSG_CT_GET_CTRZERO`, in all kernels up to 6.18
/// at least), so the subsystems are not told apart here; the sequence number does that.
pub(super) fn is_of_conntrack(message: &Message<'_>) -> bool {
    [NFNL_SUBSYS_CTNETLINK, NFNL_SUBSYS_CTNETLINK_EXP, NFNL_SUBSYS_CTNETLINK_TIMEOUT]
        .contains(&message.subsystem())
}

/// A request under way: what its replies are recognised by, and what its errors are told with.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) operation: &'static str,
    pub(super) sequence: u32,
    pub(super) port: u32,
    pub(super) bytes: Vec<u8>,
    /// The family that was asked for, of entries.
    pub(super) family: Option<u8>,
}

impl Sent {
    /// Whether the message answers this request. Anything else on the socket is left over from an
    /// earlier one.
    pub(super) fn is_reply(&self, message: &Message<'_>) -> bool {
        message.sequence == self.sequence && message.port == self.port
    }

    /// No request at all, which nothing is a reply to.
    pub(super) const fn nothing() -> Self {
        Self { operation: "ask nothing", sequence: 0, port: 0, bytes: Vec::new(), family: None }
    }

    /// Whether the message is an entry, of the family that was asked for.
    pub(super) fn is_entry(&self, message: &Message<'_>) -> bool {
        message.kind == u16::from_be_bytes([NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_NEW])
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
        // Compared as numbers: the number comes from a message, and `Errno` takes only real ones.
        Err(match status.errno {
            0 => return Ok(()),
            errno if errno == Errno::PERM.raw_os_error() => {
                ErrorKind::PermissionDenied { operation }
            }
            errno if errno == Errno::NOBUFS.raw_os_error() => ErrorKind::Overrun { operation },
            // An unknown subsystem is all that the requests we make are refused with so.
            errno if errno == Errno::INVAL.raw_os_error() && request_is_bare(&self.bytes) => {
                ErrorKind::NotSupported {
                    operation,
                    remedy: "load the module: modprobe nf_conntrack_netlink",
                }
            }
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

/// The request of a batch that has this number, which an error is told with.
pub(super) fn request_of(batch: &[u8], sequence: u32) -> Vec<u8> {
    let mut rest = batch;
    for message in Messages::new(batch).map_while(std::result::Result::ok) {
        let length = crate::wire::align(Messages::HEADER + message.payload.len());
        if message.sequence == sequence {
            return rest.get(..length).unwrap_or(rest).to_vec();
        }
        rest = rest.get(length..).unwrap_or_default();
    }
    Vec::new()
}
