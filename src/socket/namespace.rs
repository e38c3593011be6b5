//! Another network namespace, entered only to open a socket there.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::io::Errno;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::error::{Error, ErrorKind, Result};

/// A network namespace, held open.
///
/// Any number of tables can be opened in it; it lives as long as this does, or one of them. They
/// share its descriptor.
///
/// ```no_run
/// use ctnetlink::{Conntrack, Namespace};
/// # fn main() -> ctnetlink::Result<()> {
/// let container = Namespace::of_process(4711)?;
/// println!("{} entries in there", Conntrack::open_in(&container)?.count()?);
/// # Ok(()) }
/// ```
#[doc(alias = "netns")]
#[derive(Debug)]
pub struct Namespace(Arc<OwnedFd>);

impl Namespace {
    /// The namespace of this file, such as `/proc/PID/ns/net` or `/run/netns/NAME`.
    ///
    /// # Errors
    ///
    /// [`Namespace`](ErrorKind::Namespace) if the file cannot be opened. That it is no network
    /// namespace shows when a table is opened in it.
    pub fn at(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        match File::open(path) {
            Ok(file) => Ok(OwnedFd::from(file).into()),
            Err(source) => {
                let step = format!("open the network namespace {}", path.display());
                Err(ErrorKind::Namespace { step: step.into(), source, remedy: REMEDY }.into())
            }
        }
    }

    /// The namespace a process is in.
    ///
    /// # Errors
    ///
    /// As [`at`](Self::at).
    pub fn of_process(pid: u32) -> Result<Self> {
        Self::at(format!("/proc/{pid}/ns/net"))
    }

    /// The namespace that `ip netns` knows by this name.
    ///
    /// # Errors
    ///
    /// As [`at`](Self::at).
    pub fn named(name: &str) -> Result<Self> {
        Self::at(PathBuf::from("/run/netns").join(name))
    }

    /// The namespace a person means: a path has a slash, a number is a process, and anything else
    /// is a name of `ip netns`.
    ///
    /// # Errors
    ///
    /// As [`at`](Self::at).
    pub fn find(text: &str) -> Result<Self> {
        if text.contains('/') {
            return Self::at(text);
        }
        match text.parse() {
            Ok(pid) => Self::of_process(pid),
            Err(_) => Self::named(text),
        }
    }

    /// Its inode, by which the kernel's log and `lsns` name it; `None` if that cannot be read.
    pub fn inode(&self) -> Option<u64> {
        rustix::fs::fstat(&self.0).ok().map(|file| file.st_ino)
    }

    /// The calling thread's; `None` where `/proc` is not there to tell.
    pub(super) fn current() -> Option<Self> {
        File::open(OF_THIS_THREAD).ok().map(|file| OwnedFd::from(file).into())
    }

    /// Whether the calling thread is (provably) in it.
    pub(super) fn is_of_this_thread(&self) -> bool {
        let files = (rustix::fs::fstat(&self.0), rustix::fs::stat(OF_THIS_THREAD));
        let (Ok(this), Ok(here)) = files else { return false };
        (this.st_dev, this.st_ino) == (here.st_dev, here.st_ino)
    }

    /// The same, by the same descriptor.
    pub(crate) fn share(&self) -> Self {
        Self(Arc::clone(&self.0))
    }

    /// Does something in this namespace, on a thread of its own: a namespace is the thread's, and
    /// the caller's must stay where it is.
    pub(crate) fn enter<T: Send>(&self, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        let namespace = self.0.as_fd();
        let enter = move || {
            move_into_link_name_space(namespace, Some(LinkNameSpaceType::Network))
                .map_err(refused)?;
            work()
        };
        std::thread::scope(|scope| {
            let thread = std::thread::Builder::new().name("ctnetlink-netns".to_owned());
            let operation = "start a thread to enter the network namespace";
            let thread = thread
                .spawn_scoped(scope, enter)
                .map_err(|source| ErrorKind::Io { operation, source })?;
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }
}

/// A descriptor of a namespace that somebody else has opened, such as a helper with more rights.
impl From<OwnedFd> for Namespace {
    fn from(descriptor: OwnedFd) -> Self {
        Self(Arc::new(descriptor))
    }
}

impl AsFd for Namespace {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

const OF_THIS_THREAD: &str = "/proc/thread-self/ns/net";

const REMEDY: &str = "name an existing one: a file such as /run/netns/NAME or /proc/PID/ns/net, \
    which may take root to open";

fn refused(errno: Errno) -> Error {
    let remedy = match errno {
        Errno::INVAL => "it is not a network namespace",
        _ => {
            "entering one needs CAP_SYS_ADMIN, here and in the user namespace that owns it: run \
              it as root"
        }
    };
    let step = "enter the network namespace".into();
    ErrorKind::Namespace { step, source: errno.into(), remedy }.into()
}
