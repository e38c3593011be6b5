//! One netlink socket: the only place that talks to the kernel.
//!
//! Promises: a truncated datagram is an error, an interrupted call is made again, a lost reply
//! ends in [`ErrorKind::TimedOut`](crate::ErrorKind::TimedOut) and not in a hang, and only what
//! the kernel itself sent is handed out. It knows nothing of flows.

mod request;

use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use netlink_sys::{Socket as Netlink, SocketAddr, protocols::NETLINK_NETFILTER};
use rustix::io::Errno;
use rustix::net::{RecvFlags, sockopt};

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
    namespace: Option<NamespaceId>,
    buffer: Box<[u8]>,
}

/// What tells network namespaces apart: device and inode of the namespace's file.
type NamespaceId = (u64, u64);

impl Socket {
    /// Opens a socket in the calling thread's network namespace.
    pub(crate) fn open() -> Result<Self> {
        const OPERATION: &str = "open a netlink socket";
        let io = |source| ErrorKind::Io { operation: OPERATION, source };
        let mut netlink = Netlink::new(NETLINK_NETFILTER).map_err(|source| {
            match Errno::from_io_error(&source) {
                Some(Errno::PROTONOSUPPORT) => ErrorKind::NotSupported {
                    operation: OPERATION,
                    remedy: "load the module: modprobe nfnetlink",
                },
                _ => io(source),
            }
        })?;
        let port = netlink.bind_auto().map_err(io)?.port_number();
        // Errors say more on kernels from 4.12 on; older ones do without.
        let _ = netlink.set_ext_ack(true);
        let _ = netlink.set_cap_ack(true);
        sockopt::set_socket_timeout(netlink.as_fd(), sockopt::Timeout::Recv, Some(PATIENCE))
            .map_err(|errno| io(errno.into()))?;
        let buffer = vec![0; BUFFER].into_boxed_slice();
        Ok(Self { netlink, port, namespace: current_namespace(), buffer })
    }

    /// Replaces the socket by a fresh one, and so ends whatever is under way on it, if the calling
    /// thread is (provably) still in the namespace the socket belongs to. Says whether it did.
    pub(crate) fn reopen(&mut self) -> Result<bool> {
        if self.namespace.is_none() || self.namespace != current_namespace() {
            return Ok(false);
        }
        *self = Self::open()?;
        Ok(true)
    }

    /// The port id the kernel addresses replies to.
    pub(crate) fn port(&self) -> u32 {
        self.port
    }

    /// Sends one datagram of one or more requests.
    pub(crate) fn send(&self, datagram: &[u8], operation: &'static str) -> Result<()> {
        let kernel = SocketAddr::new(0, 0);
        loop {
            match self.netlink.send_to(datagram, &kernel, 0) {
                Ok(_) => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(source) => return Err(ErrorKind::Io { operation, source }.into()),
            }
        }
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
                Err(source) => return Err(receive_error(operation, source)),
            }
        }
    }

    /// The first `length` bytes of the receive buffer.
    pub(crate) fn datagram(&self, length: usize) -> &[u8] {
        self.buffer.get(..length).unwrap_or_default()
    }
}

fn receive_error(operation: &'static str, source: io::Error) -> Error {
    match Errno::from_io_error(&source) {
        Some(Errno::NOBUFS) => ErrorKind::Overrun { operation }.into(),
        Some(Errno::AGAIN) => ErrorKind::TimedOut { operation, after: PATIENCE }.into(),
        _ => ErrorKind::Io { operation, source }.into(),
    }
}

/// The network namespace of the calling thread; `None` where `/proc` is not there to tell.
fn current_namespace() -> Option<NamespaceId> {
    use std::os::unix::fs::MetadataExt;
    let metadata = std::fs::metadata("/proc/thread-self/ns/net").ok()?;
    Some((metadata.dev(), metadata.ino()))
}

impl std::fmt::Debug for Socket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Socket").field("port", &self.port).finish_non_exhaustive()
    }
}
