//! The handle that reads: a socket, and the conversation on it.

use std::time::SystemTime;

use crate::error::{ErrorKind, Result};
use crate::flow::Family;
use crate::kernel::Capabilities;
use crate::origin::Origin;
use crate::socket::{Namespace, Request, Socket};
use crate::wire::{Message, Messages};

use super::sent::{Sent, is_of_conntrack};

/// The connection-tracking table of one network namespace, to look at.
///
/// A `Reader` has no method that changes the table; what takes a `&mut Reader` can be given the
/// one inside a [`Conntrack`](crate::Conntrack), which is a `Reader` that also writes. The kernel
/// knows no such difference: reading takes `CAP_NET_ADMIN`, too.
///
/// ```compile_fail,E0599
/// fn look(table: &mut ctnetlink::Reader, key: ctnetlink::flow::FlowKey) {
///     table.delete(key); // no such method
/// }
/// ```
///
/// The handle owns one netlink socket, its receive buffer (32 KiB) and a descriptor of its network
/// namespace: the one the opening thread was in, or the one it was [opened in](Self::open_in). It may
/// move between threads.
///
/// | you want | you write | it costs |
/// |---|---|---|
/// | how full the table is | [`limits`](Self::limits) | one round trip, whatever the size |
/// | what it lost, and why | [`stats`](Self::stats) | one request |
/// | who fills it | [`scan`](Self::scan) with a [`Query`](crate::Query) | a dump; memory by groups |
/// | one entry you know | [`get`](Self::get) | one round trip |
/// | to look at every entry | [`dump`](Self::dump), then [`Dump::next_batch`](crate::Dump::next_batch) | a dump; no memory |
/// | to keep some entries | [`dump`](Self::dump), then [`Dump::flows`](crate::Dump::flows) | a dump; memory by what you keep |
///
/// A dump costs the kernel about 2 µs per entry, in the reader's own thread; what this crate adds
/// is a few per cent of it. Packets on other processors are not held up; on the same one, for at
/// most a third of a millisecond at a time.
///
/// # Another network namespace
///
/// A dump that is left half-way, by a [`Budget`](crate::Budget), a [`sample`](Self::sample) or by dropping it, ends
/// with its socket: before the next request the handle opens another one, which takes some 10 µs. If the calling thread
/// is in another namespace than the handle, a helper thread enters the handle's: that takes 0.1 ms, and the same right
/// as [`open_in`](Self::open_in). If no socket can be opened (`CAP_SYS_ADMIN` was given up, no `/proc`, no descriptor
/// left), the rest of the dump is read and thrown away, at 2 µs per entry of the table.
/// [`Scan::work`](crate::Scan::work) counts that, too.
///
/// # Privileges
///
/// Every request, reading included, needs `CAP_NET_ADMIN` in the user namespace that owns the
/// network namespace, at the time of the request.
#[derive(Debug)]
pub struct Reader {
    pub(super) socket: Socket,
    pub(super) sequence: u32,
    /// A dump is (or may be) under way on the socket that nobody reads any more.
    pub(super) abandoned: bool,
    pub(super) capabilities: Option<Capabilities>,
}

impl Reader {
    /// Opens the table of the calling thread's network namespace.
    ///
    /// # Errors
    ///
    /// [`NotSupported`](ErrorKind::NotSupported) without the module `nfnetlink`, which the kernel loads
    /// by itself if it can. A missing privilege shows at the first request, not here.
    pub fn open() -> Result<Self> {
        Ok(Self::on(Socket::open()?))
    }

    /// Opens the table of another network namespace. The calling thread stays where it is; one of
    /// its own goes there for a moment.
    ///
    /// # Errors
    ///
    /// [`Namespace`](ErrorKind::Namespace) if it is not one, or without the right to enter it:
    /// `CAP_SYS_ADMIN` in the caller's user namespace and in the one that owns it.
    #[doc(alias = "setns")]
    pub fn open_in(namespace: &Namespace) -> Result<Self> {
        Ok(Self::on(Socket::open_in(namespace)?))
    }

    fn on(socket: Socket) -> Self {
        Self { socket, sequence: 0, abandoned: false, capabilities: None }
    }

    /// Where and when this is: the origin of what is read now.
    pub fn observe(&self) -> Origin {
        let system = rustix::system::uname();
        Origin {
            time: Some(SystemTime::now().into()),
            node: Some(system.nodename().to_string_lossy().into_owned()),
            kernel: Some(system.release().to_string_lossy().into_owned()),
            netns_inode: self.inode().and_then(|inode| inode.try_into().ok()),
        }
    }

    /// The inode of its network namespace.
    pub(crate) fn inode(&self) -> Option<u64> {
        self.socket.inode()
    }

    /// Another reader of the same table, unless its namespace cannot be entered from here.
    pub(super) fn sibling(&self) -> Result<Self> {
        Ok(Self::on(self.socket.sibling()?))
    }

    /// Sends a request, and returns the sequence number its replies carry.
    pub(super) fn send(&mut self, request: &Request) -> Result<Sent> {
        self.settle()?;
        let sequence = self.next_sequence();
        let bytes = request.to_bytes(sequence, self.socket.port());
        if request.is_flush() {
            self.socket.send_flush(&bytes, request.operation)?;
        } else {
            self.socket.send(&bytes, request.operation)?;
        }
        Ok(Sent {
            operation: request.operation,
            sequence,
            port: self.socket.port(),
            family: request.of_family().map(Family::number),
            bytes,
        })
    }

    /// Sends a request whose answer is small, and shows every reply to `reply`, up to the
    /// acknowledgement or the end of the dump.
    pub(super) fn request(
        &mut self,
        request: &Request,
        mut reply: impl FnMut(&Message<'_>) -> Result<()>,
    ) -> Result<()> {
        let sent = self.send(request)?;
        self.abandoned = true; // until the end was read
        loop {
            let length = self.socket.receive(sent.operation)?;
            for message in Messages::new(self.socket.datagram(length)) {
                let message = message.map_err(|source| sent.malformed(source))?;
                if !sent.is_reply(&message) {
                    continue;
                }
                if message.is_error() || message.is_done() {
                    self.abandoned = false;
                    return sent.outcome(&message);
                }
                if is_of_conntrack(&message) {
                    reply(&message)?;
                }
            }
        }
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
