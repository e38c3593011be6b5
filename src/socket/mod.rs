//! One netlink socket: the only place that talks to the kernel.
//!
//! Promises: a truncated datagram is an error, an interrupted call is made again, a lost reply
//! ends in [`ErrorKind::TimedOut`](crate::ErrorKind::TimedOut) and not in a hang, and only what
//! the kernel itself sent is handed out. It knows nothing of flows.

mod guard;
mod namespace;
mod request;

use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use netlink_sys::{Socket as Netlink, SocketAddr, protocols::NETLINK_NETFILTER};
use rustix::io::Errno;
use rustix::net::{RecvFlags, sockopt};

pub use self::namespace::Namespace;
pub(crate) use self::request::Request;
use crate::error::{Error, ErrorKind, Result};

/// The kernel packs a dump's datagrams as large as the largest buffer it has seen, up to 32 KiB
/// less its own bookkeeping; a larger buffer gains nothing, a smaller one costs more calls, and
/// shrinking it on a live socket loses data.
pub(crate) const BUFFER: usize = 32 * 1024;

/// The kernel answers before `send` returns, or fills the next datagram while the last one is
/// taken out. Waiting at all means that a reply was lost.
const PATIENCE: Duration = Duration::from_secs(30);

/// A netlink socket of the network namespace it was opened in, and its receive buffer.
///
/// Not `Clone`, and its descriptor stays inside: the wrapped type closes a copied descriptor
/// twice.
pub(crate) struct Socket {
    netlink: Netlink,
    port: u32,
    /// Where it is; `None` where `/proc` is not there to tell.
    namespace: Option<Namespace>,
    buffer: Box<[u8]>,
    patience: Duration,
}

impl Socket {
    /// Opens a socket in the calling thread's network namespace.
    pub(crate) fn open() -> Result<Self> {
        Self::open_with(BUFFER)
    }

    /// Opens a socket in another network namespace. The calling thread stays where it is.
    pub(crate) fn open_in(namespace: &Namespace) -> Result<Self> {
        let connection = namespace.enter(|| connect(PATIENCE))?;
        Ok(Self::of(connection, Some(namespace.share()), BUFFER, PATIENCE))
    }

    /// Opens another socket in the namespace of this one. Where the calling thread is in another, a
    /// thread goes there, if it may.
    pub(crate) fn sibling(&self) -> Result<Self> {
        let connection = self.connect_again()?;
        let namespace = self.namespace.as_ref().map(Namespace::share);
        Ok(Self::of(connection, namespace, BUFFER, self.patience))
    }

    /// Replaces the socket by a fresh one of the same namespace, and so ends whatever is under way on
    /// it.
    pub(crate) fn reopen(&mut self) -> Result<()> {
        (self.netlink, self.port) = self.connect_again()?;
        Ok(())
    }

    /// Waits this long for a datagram, and so do its siblings from now on.
    pub(crate) fn set_patience(&mut self, patience: Duration) -> Result<()> {
        // To the kernel zero is for ever.
        self.patience = patience.max(Duration::from_millis(1));
        wait_for(&self.netlink, self.patience)
    }

    /// The inode of its namespace.
    pub(crate) fn inode(&self) -> Option<u64> {
        self.namespace.as_ref().and_then(Namespace::inode)
    }

    fn open_with(capacity: usize) -> Result<Self> {
        Ok(Self::of(connect(PATIENCE)?, Namespace::current(), capacity, PATIENCE))
    }

    fn of(
        (netlink, port): (Netlink, u32),
        namespace: Option<Namespace>,
        capacity: usize,
        patience: Duration,
    ) -> Self {
        let buffer = vec![0; capacity].into_boxed_slice();
        Self { netlink, port, namespace, buffer, patience }
    }

    fn connect_again(&self) -> Result<(Netlink, u32)> {
        let Some(namespace) = &self.namespace else {
            let source = io::Error::new(io::ErrorKind::NotFound, "no /proc to tell which");
            return Err(ErrorKind::Io { operation: "find the network namespace", source }.into());
        };
        if namespace.is_of_this_thread() {
            return connect(self.patience);
        }
        namespace.enter(|| connect(self.patience))
    }

    /// The port id the kernel addresses replies to.
    pub(crate) fn port(&self) -> u32 {
        self.port
    }

    /// Sends one datagram of one or more requests, none of which deletes without naming what.
    pub(crate) fn send(&self, datagram: &[u8], operation: &'static str) -> Result<()> {
        if guard::flushes(datagram) {
            return Err(ErrorKind::Unguarded { operation }.into());
        }
        self.send_flush(datagram, operation)
    }

    /// As [`send`](Self::send), and may delete everything.
    pub(crate) fn send_flush(&self, datagram: &[u8], operation: &'static str) -> Result<()> {
        let kernel = SocketAddr::new(0, 0);
        loop {
            match self.netlink.send_to(datagram, &kernel, 0) {
                Ok(_) => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(source) => return Err(ErrorKind::Io { operation, source }.into()),
            }
        }
    }

    /// How many small answers the kernel can leave in the socket before it drops some.
    pub(crate) fn answers(&self) -> usize {
        // An answer without the request in it takes a page's part of about a kilobyte.
        const ANSWER: usize = 1_600;
        sockopt::socket_recv_buffer_size(self.netlink.as_fd())
            .map_or(1, |size| (size / ANSWER).max(1))
    }

    /// Waits for the next datagram and says how long it is; [`datagram`](Self::datagram) holds
    /// it. Two calls, since a borrow that lives on in one branch of a loop is one the compiler
    /// cannot follow yet.
    pub(crate) fn receive(&mut self, operation: &'static str) -> Result<usize> {
        let truncate = i32::from_ne_bytes(RecvFlags::TRUNC.bits().to_ne_bytes());
        loop {
            let mut buffer = &mut *self.buffer;
            match self.netlink.recv_from(&mut buffer, truncate) {
                Ok((length, _)) if length > self.buffer.len() => {
                    let capacity = self.buffer.len();
                    return Err(ErrorKind::Truncated { operation, length, capacity }.into());
                }
                // Others with the capability may send to this port, too; they are not the kernel.
                Ok((_, from)) if from.port_number() != 0 => {}
                Ok((length, _)) => return Ok(length),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(source) => return Err(receive_error(operation, source, self.patience)),
            }
        }
    }

    /// The first `length` bytes of the receive buffer.
    pub(crate) fn datagram(&self, length: usize) -> &[u8] {
        self.buffer.get(..length).unwrap_or_default()
    }
}

/// A socket of the calling thread's network namespace, and its port id.
fn connect(patience: Duration) -> Result<(Netlink, u32)> {
    const OPERATION: &str = "open a netlink socket";
    let io = |source| ErrorKind::Io { operation: OPERATION, source };
    let mut netlink =
        Netlink::new(NETLINK_NETFILTER).map_err(|source| match Errno::from_io_error(&source) {
            Some(Errno::PROTONOSUPPORT) => ErrorKind::NotSupported {
                operation: OPERATION,
                // It brings nfnetlink along, which alone would not do.
                remedy: "load the module: modprobe nf_conntrack_netlink",
            },
            _ => io(source),
        })?;
    let port = netlink.bind_auto().map_err(io)?.port_number();
    // Errors say more on kernels from 4.12 on; older ones do without.
    let _ = netlink.set_ext_ack(true);
    let _ = netlink.set_cap_ack(true);
    wait_for(&netlink, patience)?;
    Ok((netlink, port))
}

fn wait_for(netlink: &Netlink, patience: Duration) -> Result<()> {
    let operation = "set how long to wait for an answer";
    sockopt::set_socket_timeout(netlink.as_fd(), sockopt::Timeout::Recv, Some(patience))
        .map_err(|errno| ErrorKind::Io { operation, source: errno.into() }.into())
}

fn receive_error(operation: &'static str, source: io::Error, after: Duration) -> Error {
    match Errno::from_io_error(&source) {
        Some(Errno::NOBUFS) => ErrorKind::Overrun { operation }.into(),
        Some(Errno::AGAIN) => ErrorKind::TimedOut { operation, after }.into(),
        _ => ErrorKind::Io { operation, source }.into(),
    }
}

impl std::fmt::Debug for Socket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Socket").field("port", &self.port).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{KernelStatus, Messages};

    /// A request no kernel knows. It is refused with or without a privilege, and changes nothing.
    fn nonsense() -> Vec<u8> {
        let mut request = 20_u32.to_ne_bytes().to_vec();
        request.extend(0xff01_u16.to_ne_bytes());
        request.extend(0x0005_u16.to_ne_bytes()); // request, acknowledge
        request.resize(20, 0);
        request
    }

    #[test]
    fn an_answer_is_received_whole() {
        let mut socket = Socket::open().unwrap();
        socket.send(&nonsense(), "ask").unwrap();
        let length = socket.receive("ask").unwrap();
        let message = Messages::new(socket.datagram(length)).next().unwrap().unwrap();
        assert_eq!(message.port, socket.port());
        assert_ne!(KernelStatus::parse(&message).unwrap().errno, 0);
    }

    #[test]
    fn a_cut_datagram_is_an_error() {
        let mut socket = Socket::open_with(20).unwrap();
        socket.send(&nonsense(), "ask").unwrap();
        let error = socket.receive("ask").unwrap_err();
        assert!(
            matches!(*error.kind(), ErrorKind::Truncated { length: 36.., capacity: 20, .. }),
            "{error}"
        );
    }

    #[test]
    fn a_reply_that_does_not_come_is_not_waited_for_for_ever() {
        let mut socket = Socket::open().unwrap();
        // Another socket in its place is as patient, and zero is not for ever.
        for (patience, text) in [(20, "0.02"), (0, "0.001")] {
            socket.set_patience(Duration::from_millis(patience)).unwrap();
            socket.reopen().unwrap();
            for waiting in [&mut socket.sibling().unwrap(), &mut socket] {
                let error = waiting.receive("ask").unwrap_err();
                assert!(matches!(error.kind(), ErrorKind::TimedOut { .. }), "{error}");
                assert!(error.is_transient());
                assert_eq!(
                    error.to_string(),
                    format!("ask: no answer within {text} seconds; run it again")
                );
            }
        }
    }

    #[test]
    fn replies_that_do_not_fit_the_socket_are_an_error() {
        let mut socket = Socket::open().unwrap();
        sockopt::set_socket_recv_buffer_size(socket.netlink.as_fd(), 4096).unwrap();
        let errors: Vec<_> =
            (0..1_000).filter_map(|_| socket.send(&nonsense(), "ask").err()).collect();
        assert!(errors.is_empty(), "{errors:?}");
        let error = loop {
            if let Err(error) = socket.receive("ask") {
                break error;
            }
        };
        assert!(matches!(error.kind(), ErrorKind::Overrun { .. }), "{error}");
        assert!(error.is_transient());
        // What did fit is still there, and the socket goes on.
        assert!(socket.receive("ask").is_ok());
    }
}
