//! The entries of the table, as a stream.

use std::ops::{ControlFlow, Range};
use std::time::SystemTime;

use rustix::io::Errno;

use super::dump_end::DumpEnd;
use super::exchange::PendingRequest;
use super::options::{DumpOptions, List};
use super::reader::Reader;
use crate::error::{Error, ErrorKind, Result};
use crate::filter::{Filter, KernelFilter, Placement, Plan};
use crate::flow::{Flow, FlowRef};
use crate::kernel::Capabilities;
use crate::socket::Request;
use crate::wire::WireError;
use crate::wire::ctnetlink::{
    IPCTNL_MSG_CT_GET, IPCTNL_MSG_CT_GET_CTRZERO, IPCTNL_MSG_CT_GET_DYING,
    IPCTNL_MSG_CT_GET_UNCONFIRMED,
};

/// A dump under way. Made by [`Reader::dump`].
///
/// Read it to the end with [`next_batch`](Self::next_batch), [`for_each`](Self::for_each) or
/// [`flows`](Self::flows). Dropping it half-way is fine: the next request on the handle starts
/// clean.
#[derive(Debug)]
#[must_use = "a dump does nothing until it is read"]
pub struct Dump<'t> {
    table: &'t mut Reader,
    kind: Kind,
    /// What entries are judged by; `None` if all are wanted, or somebody else judges them.
    filter: Option<Filter>,
    now: SystemTime,
    /// The request under way, and those to come.
    part: KernelFilter,
    parts: std::vec::IntoIter<KernelFilter>,
    pending: PendingRequest,
    /// Where in the datagram at hand the entries are, those that the filter keeps.
    entries: Vec<Range<usize>>,
    /// Entries before the request under way.
    earlier: u64,
    /// How many the host's table had at the start.
    buckets: Option<u32>,
    end: DumpEnd,
    /// How the request under way ended, once it has.
    ended: Option<Result<()>>,
    done: bool,
}

/// What to dump, and how much may go wrong with it.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    Read(List),
    /// Zeroes what it reads, so a filter that the kernel refuses must not be left out.
    Zero,
}

impl Kind {
    fn request(self, part: &KernelFilter) -> Request {
        let (operation, message) = match self {
            Self::Read(List::Table) => ("dump the table", IPCTNL_MSG_CT_GET),
            Self::Read(List::Dying) => ("dump the dying entries", IPCTNL_MSG_CT_GET_DYING),
            Self::Read(List::Unconfirmed) => {
                ("dump the unconfirmed entries", IPCTNL_MSG_CT_GET_UNCONFIRMED)
            }
            Self::Zero => ("zero the counters", IPCTNL_MSG_CT_GET_CTRZERO),
        };
        Request::dump(operation, message).family(part.family()).attributes(&part.to_bytes())
    }
}

impl Reader {
    /// Starts a dump of the table, or of the entries that a [filter](DumpOptions::filter) is true
    /// of.
    ///
    /// The kernel applies what it applies correctly, if that does not hold up packets for long
    /// ([`Placement`]). Every entry is checked again here.
    ///
    /// # Errors
    ///
    /// [`PermissionDenied`](ErrorKind::PermissionDenied) and other refusals show when the dump is
    /// read.
    ///
    /// # Cost
    ///
    /// About 2 µs of kernel time per entry it sends, spent inside the calls that read it, and a
    /// walk over the table of the whole host, other namespaces' entries included (0.2 µs each).
    /// With a filter, about 100 ns per entry here, and small requests before it: one, and six more the
    /// first time, for the [capabilities](Self::capabilities). The number of buckets is read before and
    /// after, since a dump of a table that is resized is not complete ([`DumpEnd::interrupted`]).
    ///
    /// ```no_run
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use ctnetlink::DumpOptions;
    /// let mut table = ctnetlink::Reader::open()?;
    /// let options = DumpOptions::new().filter("proto=tcp unreplied".parse()?);
    /// let mut dump = table.dump(options)?;
    /// while let Some(batch) = dump.next_batch()? {
    ///     for flow in batch.flows().flatten() {
    ///         println!("{} {}", flow.protocol(), flow.original());
    ///     }
    /// }
    /// # Ok(()) }
    /// ```
    #[doc(alias = "IPCTNL_MSG_CT_GET")]
    pub fn dump(&mut self, options: DumpOptions) -> Result<Dump<'_>> {
        let DumpOptions { filter, placement, list } = options;
        let plan = match list {
            List::Table => self.plan(&filter, placement)?,
            // The kernel knows no filters for the others, but for the family.
            _ => Filter::new().plan(&self.capabilities()?, Placement::LeastLatency),
        };
        self.dump_planned(Kind::Read(list), &plan, Some(filter))
    }

    /// What of a filter this kernel would apply, and what is left to be done here.
    ///
    /// # Errors
    ///
    /// [`PermissionDenied`](ErrorKind::PermissionDenied) without `CAP_NET_ADMIN`.
    pub fn plan(&mut self, filter: &Filter, placement: Option<Placement>) -> Result<Plan> {
        if *filter == Filter::new() {
            return Ok(filter.plan(&Capabilities::UNKNOWN, Placement::LeastLatency));
        }
        let placement = match placement {
            Some(placement) => placement,
            None => Placement::for_table(self.count()?, Self::buckets()),
        };
        Ok(filter.plan(&self.capabilities()?, placement))
    }

    /// Shows the attributes of every entry of a plan to `see`, until that returns false. Says how the
    /// dump went, and how many entries `see` could not read.
    pub(super) fn each_entry(
        &mut self,
        plan: &Plan,
        mut see: impl FnMut(&[u8]) -> Result<bool, WireError>,
    ) -> Result<(DumpEnd, u64)> {
        let mut malformed = 0;
        let mut dump = self.dump_planned(Kind::Read(List::Table), plan, None)?;
        'dump: while let Some(batch) = dump.next_batch()? {
            for entry in batch.entries() {
                match see(entry) {
                    Ok(true) => {}
                    Ok(false) => break 'dump,
                    Err(_) => malformed += 1,
                }
            }
        }
        Ok((dump.end(), malformed))
    }

    /// Starts the dumps of a plan. Without a filter here, whoever reads it judges what comes.
    pub(super) fn dump_planned(
        &mut self,
        kind: Kind,
        plan: &Plan,
        filter: Option<Filter>,
    ) -> Result<Dump<'_>> {
        let mut parts = plan.requests().to_vec().into_iter();
        let first = parts.next();
        let part = first.unwrap_or_default();
        let pending = match first {
            Some(part) => self.send(&kind.request(&part))?,
            // Nothing can match, so nothing is asked.
            None => PendingRequest::nothing(),
        };
        self.abandoned |= first.is_some(); // until its end was read
        Ok(Dump {
            table: self,
            kind,
            filter: filter.filter(|filter| *filter != Filter::new()),
            now: SystemTime::now(),
            part,
            parts,
            pending,
            entries: Vec::new(),
            earlier: 0,
            buckets: Self::buckets(),
            end: DumpEnd::default(),
            ended: None,
            done: first.is_none(),
        })
    }
}

/// The entries of one datagram, borrowed from the receive buffer.
#[derive(Debug, Clone, Copy)]
pub struct Batch<'b> {
    pub(crate) datagram: &'b [u8],
    /// Where in the datagram the entries are, as the attributes behind the netfilter header.
    pub(super) entries: &'b [Range<usize>],
}

impl<'b> Batch<'b> {
    /// The entries, each checked as it is taken. One that cannot be read is an error of its own, and
    /// the next one follows.
    pub fn flows(&self) -> impl Iterator<Item = Result<FlowRef<'b>, WireError>> + use<'b> {
        self.entries().map(FlowRef::parse)
    }

    /// The entries, as the attributes behind the netfilter header.
    pub(crate) fn entries(&self) -> impl Iterator<Item = &'b [u8]> + use<'b> {
        let Self { datagram, entries } = *self;
        // Only what was in it can have been noted.
        entries.iter().filter_map(|entry| datagram.get(entry.clone()))
    }
}

impl Dump<'_> {
    /// The next entries, or `None` at the end.
    ///
    /// # Errors
    ///
    /// Any error ends the dump. [`Overrun`](ErrorKind::Overrun) means: start it again.
    pub fn next_batch(&mut self) -> Result<Option<Batch<'_>>> {
        let length = match self.advance() {
            Ok(Some(length)) => length,
            Ok(None) => return Ok(None),
            Err(error) => {
                self.done = true;
                return Err(error);
            }
        };
        Ok(Some(Batch { datagram: self.table.socket.datagram(length), entries: &self.entries }))
    }

    /// Receives until a datagram holds entries that are wanted, and says how long that one is.
    fn advance(&mut self) -> Result<Option<usize>> {
        while !self.done {
            if let Some(outcome) = self.ended.take() {
                self.go_on(outcome)?;
                continue;
            }
            let length = self.table.socket.receive(self.pending.operation)?;
            let datagram = self.table.socket.datagram(length);
            self.ended = self.end.note(datagram, &self.pending, &mut self.entries)?;
            self.table.abandoned = self.ended.is_none();
            self.judge(length);
            if !self.entries.is_empty() {
                return Ok(Some(length));
            }
        }
        Ok(None)
    }

    /// Keeps the entries of a datagram that the filter is true of.
    fn judge(&mut self, length: usize) {
        if let Some(filter) = &self.filter {
            let datagram = self.table.socket.datagram(length);
            self.entries.retain(|entry| {
                let entry = datagram.get(entry.clone()).unwrap_or_default();
                let verdict = match FlowRef::parse(entry) {
                    Ok(flow) => filter.judge(&flow, self.now),
                    // Handed on, so that whoever reads it learns of it.
                    Err(_) => Some(true),
                };
                self.end.undecided += u64::from(verdict.is_none());
                verdict == Some(true)
            });
        }
        self.end.matched += self.entries.len() as u64;
    }

    /// What follows the end of a request: the next, or the same without what the kernel refused.
    fn go_on(&mut self, outcome: Result<()>) -> Result<()> {
        if let Err(error) = outcome {
            let can_do_without = matches!(self.kind, Kind::Read(_))
                && self.part.has_attributes()
                && self.end.entries == self.earlier
                && is_refusal(&error);
            if !can_do_without {
                return Err(error);
            }
            self.end.refused = true;
            self.part = self.part.without_attributes();
        } else if let Some(next) = self.parts.next() {
            self.part = next;
            self.earlier = self.end.entries;
        } else {
            self.end.interrupted |= self.is_resized();
            self.done = true;
            return Ok(());
        }
        self.pending = self.table.send(&self.kind.request(&self.part))?;
        self.table.abandoned = true;
        Ok(())
    }

    /// Whether the hash table has got another size meanwhile. The kernel does not say so: it goes on at
    /// the bucket of the same number, where other entries are now.
    fn is_resized(&self) -> bool {
        // Nothing was there to compare if the first request has loaded the module.
        self.buckets.zip(Reader::buckets()).is_some_and(|(before, after)| before != after)
    }

    /// How it went so far; complete once [`next_batch`](Self::next_batch) has returned `None`.
    pub fn end(&self) -> DumpEnd {
        self.end
    }

    /// Shows every entry to `look`, until it breaks.
    ///
    /// # Errors
    ///
    /// As [`next_batch`](Self::next_batch), and
    /// [`Malformed`](ErrorKind::Malformed) for an entry that cannot be read.
    pub fn for_each(
        mut self,
        mut look: impl FnMut(FlowRef<'_>) -> ControlFlow<()>,
    ) -> Result<DumpEnd> {
        let operation = self.pending.operation;
        'dump: while let Some(batch) = self.next_batch()? {
            for flow in batch.flows() {
                let flow = flow.map_err(|source| ErrorKind::Malformed { operation, source })?;
                if look(flow).is_break() {
                    break 'dump;
                }
            }
        }
        Ok(self.end)
    }
}

/// Whether the kernel says that it cannot do what it is asked, as it does for filters it has not.
fn is_refusal(error: &Error) -> bool {
    let ErrorKind::Kernel { source, .. } = error.kind() else { return false };
    [Errno::OPNOTSUPP, Errno::INVAL]
        .map(|errno| Some(errno.raw_os_error()))
        .contains(&source.raw_os_error())
}

impl<'t> Dump<'t> {
    /// The entries as an ordinary iterator of owned flows: the easy way, for tables that fit in
    /// memory or entries that a filter leaves few of.
    pub fn flows(self) -> Flows<'t> {
        Flows { dump: self, ready: Vec::new().into_iter() }
    }
}

/// The entries of a [`Dump`] as owned [`Flow`]s. Made by [`Dump::flows`].
#[derive(Debug)]
pub struct Flows<'t> {
    dump: Dump<'t>,
    ready: std::vec::IntoIter<Result<Flow, WireError>>,
}

impl Flows<'_> {
    /// How the dump went so far; complete once the iterator has ended.
    pub fn end(&self) -> DumpEnd {
        self.dump.end()
    }
}

impl Iterator for Flows<'_> {
    type Item = Result<Flow>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(flow) = self.ready.next() {
                return Some(flow.map_err(|source| self.dump.pending.malformed(source)));
            }
            match self.dump.next_batch() {
                Ok(Some(batch)) => {
                    let flows: Vec<_> =
                        batch.flows().map(|flow| flow.map(|flow| flow.to_owned())).collect();
                    self.ready = flows.into_iter();
                }
                Ok(None) => return None,
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

impl std::iter::FusedIterator for Flows<'_> {}
