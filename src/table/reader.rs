//! The handle that reads, and the questions that one small request answers.

use std::fmt;
use std::time::{Duration, SystemTime};

use crate::error::{ErrorKind, Result};
use crate::kernel::Capabilities;
use crate::kernel::stats::{Counter, Counts, CpuStats, ExpectationCounter, Kind, Stats};
use crate::origin::Origin;
use crate::socket::{Namespace, Request, Socket};
use crate::wire::ctnetlink::*;
use crate::wire::{Attributes, WireError};

/// The connection-tracking table of one network namespace, to look at.
///
/// ```no_run
/// use ctnetlink::{Query, Reader, field::Field};
/// # fn main() -> ctnetlink::Result<()> {
/// let mut table = Reader::open()?;
/// println!("{} entries", table.count()?);
/// for row in table.scan(&Query::new().group_by([Field::Source]).top(10))?.report.rows() {
///     println!("{:>8} {row}", row.flows);
/// }
/// # Ok(()) }
/// ```
///
/// | you want | you write | it costs |
/// |---|---|---|
/// | how full the table is | [`limits`](Self::limits) | one round trip, whatever the size |
/// | what it lost, and why | [`stats`](Self::stats) | one request |
/// | who fills it | [`scan`](Self::scan) with a [`Query`](crate::Query) | a dump; memory by groups |
/// | the same, bounded, sampled or in parallel | [`scan_with`](Self::scan_with) | what the [options](crate::ScanOptions) allow |
/// | what is new, and how fast it comes | [`rates`](Self::rates) | a dump; memory by entries |
/// | one entry you know | [`get`](Self::get), [`get_translated`](Self::get_translated) | one round trip |
/// | to look at every entry | [`dump`](Self::dump), then [`Dump::next_batch`](crate::Dump::next_batch) | a dump; no memory |
/// | to keep some entries | [`dump`](Self::dump), then [`Dump::flows`](crate::Dump::flows) | a dump; memory by what you keep |
///
/// A dump costs the kernel about 2 µs per entry, in the reader's own thread; what this crate adds
/// is a few per cent of it. Packets on other processors are not held up; on the same one, for at
/// most a third of a millisecond at a time.
///
/// # It cannot write
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
/// # Another network namespace
///
/// A dump that is left half-way, by a [`Budget`](crate::Budget), a
/// [sample](crate::ScanOptions::sample) or by dropping it, ends with its socket: before the next
/// request the handle opens another one, which takes some 10 µs. If the calling thread is in another
/// namespace than the handle, a helper thread enters the handle's: that takes 0.1 ms, and the same
/// right as [`open_in`](Self::open_in). If no socket can be opened (`CAP_SYS_ADMIN` was given up, no
/// `/proc`, no descriptor left), the rest of the dump is read and thrown away, at 2 µs per entry of
/// the table. [`Scan::work`](crate::Scan::work) counts that, too.
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

    /// Waits this long for an answer, and at least a millisecond. The default is 30 seconds.
    ///
    /// The kernel answers while the request is sent, so waiting at all means that an answer was lost.
    /// This is how long that takes to show, as [`TimedOut`](ErrorKind::TimedOut). What a whole scan may
    /// take is said by [`Budget::time`](crate::Budget::time).
    ///
    /// ```no_run
    /// # fn main() -> ctnetlink::Result<()> {
    /// let mut table = ctnetlink::Reader::open()?;
    /// table.set_patience(std::time::Duration::from_secs(2))?;
    /// match table.count() {
    ///     Err(error) if error.is_transient() => println!("later, then"),
    ///     count => println!("{} entries", count?),
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Io`](ErrorKind::Io) if the socket does not take it, which none is known to do.
    pub fn set_patience(&mut self, patience: Duration) -> Result<()> {
        self.socket.set_patience(patience)
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

    /// How many buckets the host's table has, which all namespaces share; `None` where that cannot
    /// be read. No request: it is a setting, and the same in every namespace.
    #[doc(alias = "nf_conntrack_buckets")]
    pub fn buckets() -> Option<u32> {
        let text = std::fs::read_to_string("/proc/sys/net/netfilter/nf_conntrack_buckets").ok()?;
        text.trim().parse().ok()
    }

    /// How many entries the table has and may have.
    ///
    /// # Errors
    ///
    /// [`PermissionDenied`](ErrorKind::PermissionDenied) without `CAP_NET_ADMIN`.
    ///
    /// # Cost
    ///
    /// One request and its answer, some microseconds whatever the size of the table. The kernel
    /// serves one conntrack request at a time for the whole host, so it may have to wait for
    /// another program's flush or filtered dump.
    #[doc(alias = "IPCTNL_MSG_CT_GET_STATS")]
    pub fn limits(&mut self) -> Result<Limits> {
        let request = Request::once("read the size of the table", IPCTNL_MSG_CT_GET_STATS);
        let (mut entries, mut max) = (None, None);
        self.request(&request, |_, attributes| {
            for attribute in Attributes::new(attributes) {
                let attribute = attribute?;
                let place = match attribute.kind {
                    CTA_STATS_GLOBAL_ENTRIES => &mut entries,
                    CTA_STATS_GLOBAL_MAX_ENTRIES => &mut max,
                    _ => continue,
                };
                *place = Some(attribute.be32("CTA_STATS_GLOBAL")?);
            }
            Ok(())
        })?;
        let source = WireError::missing("CTA_STATS_GLOBAL", "CTA_STATS_GLOBAL_ENTRIES");
        let missing = ErrorKind::Malformed { operation: request.operation, source };
        Ok(Limits { entries: entries.ok_or(missing)?, max })
    }

    /// How many entries the table has: the first half of [`limits`](Self::limits).
    ///
    /// # Errors
    ///
    /// As [`limits`](Self::limits).
    #[doc(alias = "nf_conntrack_count")]
    pub fn count(&mut self) -> Result<u32> {
        Ok(self.limits()?.entries)
    }

    /// The counters of tracking in this network namespace, processor by processor.
    ///
    /// # Errors
    ///
    /// [`PermissionDenied`](ErrorKind::PermissionDenied) without `CAP_NET_ADMIN`.
    ///
    /// # Cost
    ///
    /// One request; a message for every processor the host could have.
    #[doc(alias = "IPCTNL_MSG_CT_GET_STATS_CPU")]
    pub fn stats(&mut self) -> Result<Stats<Counter>> {
        self.read_stats(Request::dump("read the counters", IPCTNL_MSG_CT_GET_STATS_CPU))
    }

    /// The counters of expectations in this network namespace, processor by processor.
    ///
    /// # Errors
    ///
    /// As [`stats`](Self::stats).
    #[doc(alias = "IPCTNL_MSG_EXP_GET_STATS_CPU")]
    pub fn expectation_stats(&mut self) -> Result<Stats<ExpectationCounter>> {
        let operation = "read the counters of expectations";
        let request = Request::dump(operation, IPCTNL_MSG_EXP_GET_STATS_CPU);
        self.read_stats(request.subsystem(NFNL_SUBSYS_CTNETLINK_EXP))
    }

    fn on(socket: Socket) -> Self {
        Self { socket, sequence: 0, abandoned: false, capabilities: None }
    }

    /// Another reader of the same table, unless its namespace cannot be entered from here.
    pub(super) fn sibling(&self) -> Result<Self> {
        Ok(Self::on(self.socket.sibling()?))
    }

    /// The inode of its network namespace.
    pub(crate) fn inode(&self) -> Option<u64> {
        self.socket.inode()
    }

    fn read_stats<C: Kind>(&mut self, request: Request) -> Result<Stats<C>> {
        let mut cpus = Vec::new();
        self.request(&request, |header, attributes| {
            cpus.push(CpuStats { cpu: header.resource, counts: Counts::parse(attributes)? });
            Ok(())
        })?;
        Ok(Stats { cpus })
    }
}

/// How many entries a table has, and how many it may have.
#[doc(alias = "CTA_STATS_GLOBAL")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Limits {
    /// Entries of this network namespace. Counts entries a dump does not show: expired ones that
    /// were not collected yet, and those of packets still on their way through.
    #[doc(alias = "nf_conntrack_count")]
    #[doc(alias = "CTA_STATS_GLOBAL_ENTRIES")]
    pub entries: u32,
    /// The most entries this namespace may have. One number for the whole host, compared with
    /// each namespace's own entries; 0 means no limit. `None` before Linux 4.18 or so, which do
    /// not send it.
    #[doc(alias = "nf_conntrack_max")]
    #[doc(alias = "CTA_STATS_GLOBAL_MAX_ENTRIES")]
    pub max: Option<u32>,
}

impl Limits {
    /// Entries as a part of the limit, from 0 to 1 (and above, where the limit was lowered).
    /// `None` where there is no limit or none is known.
    pub fn load(&self) -> Option<f64> {
        let max = self.max.filter(|&max| max != 0)?;
        Some(f64::from(self.entries) / f64::from(max))
    }
}

/// `123 of 262144 entries (0.05 %)`.
impl fmt::Display for Limits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let entries = self.entries;
        match (self.max, self.load()) {
            (Some(max), Some(load)) => {
                write!(f, "{entries} of {max} entries ({:.2} %)", load * 100.0)
            }
            (Some(_), None) => write!(f, "{entries} entries, no limit"),
            (None, _) => write!(f, "{entries} entries, limit unknown"),
        }
    }
}
