//! Many entries out of the table: first a preview, then those very ones.

use std::io;
use std::net::IpAddr;
use std::time::SystemTime;

use super::delete_report::{DeleteReport, DeleteStep, Summary};
use super::execute::{Deleted, Entries, Fate};
use super::{Conntrack, DumpEnd, DumpOptions};
use crate::aggregate::{Aggregator, Query};
use crate::error::{Error, ErrorKind, Result};
use crate::field::Field;
use crate::filter::Filter;
use crate::flow::{FlowRef, Protocol, State, Tuple};

/// How many entries are announced to the journal at once, before any of them is deleted.
const GROUP: usize = 256;

/// What would be deleted. Made by [`Conntrack::delete_plan`]; nothing is deleted before
/// [`execute`](Self::execute).
///
/// It holds every entry it is about (some 250 bytes each) and the table they are in, so that it can
/// only be executed there.
///
/// # Later entries
///
/// Entries end all the time, and others take over their tuples. The kernel deletes by tuple, zone and id, and a later
/// entry that is given its predecessor's memory can have its id, too: 210 of 500 entries did that were deleted and made
/// anew one at a time. So each entry is looked at again right before it is deleted. It is left alone if it cannot be
/// the one of the plan (its id, tuple, zone, start or master differs, or it lacks a status bit that no entry loses), or
/// if the filter is no longer true of it. The delete asks the kernel for its event, which says what was deleted. If
/// that was a later entry, the report [says so](DeleteReport::later).
///
/// What remains:
///
/// - If a later entry has the same values in all of these, it is taken for the planned one. Where `nf_conntrack_timestamp` is
///   on, each entry has its own start.
/// - If an entry is replaced in the microseconds between its look and its delete (20 in the median, 60 at the 99th
///   percentile), and the new one gets its id, the new one is deleted. At most 0.4 per 10,000 entries of the plan were
///   lost so while a thread replaced entries at random as fast as it could (Linux 6.18, 2 busy processors,
///   `RACE_TIMESTAMP=1 RACE_EVENTS=1 cargo bench -p ctnetlink-benches --bench race`).
/// - The kernel reports the end of an entry only if it began while `nf_conntrack_events` was 1, or 2 (the default) with
///   a listener somewhere on the host. The loss of any other entry is not seen.
#[derive(Debug)]
#[must_use = "a plan deletes nothing until it is executed"]
pub struct DeletePlan<'t> {
    table: &'t mut Conntrack,
    filter: Filter,
    entries: Entries,
    max: u64,
    malformed: u64,
    end: DumpEnd,
}

impl Conntrack {
    /// Dumps the entries a filter matches, to be deleted.
    ///
    /// ```no_run
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let mut table = ctnetlink::Conntrack::open()?;
    /// let plan = table.delete_plan(&"proto=udp dport=53 unreplied".parse()?)?;
    /// println!("{} entries, such as", plan.summary().matched);
    /// for flow in plan.flows().take(5) {
    ///     println!("  {} {}", flow.protocol(), flow.original());
    /// }
    /// let report = plan.max(10_000).execute()?;
    /// println!("{} deleted, {} already gone", report.deleted, report.already_gone);
    /// # Ok(()) }
    /// ```
    ///
    /// Entries that lack the field the filter tests (see [`DumpEnd::undecided`]) are not in it.
    ///
    /// # Errors
    ///
    /// [`Everything`](ErrorKind::Everything) if the filter has no condition that leaves an entry out. One that
    /// happens to match all there is, such as `assured or !assured`, is no error: see
    /// [`DeletePlan::is_everything`]. And as [`dump`](super::Reader::dump).
    ///
    /// # Cost
    ///
    /// A dump, and memory for what matches.
    pub fn delete_plan(&mut self, filter: &Filter) -> Result<DeletePlan<'_>> {
        if filter.is_everything() {
            return Err(ErrorKind::Everything { operation: "delete entries" }.into());
        }
        let mut dump = self.dump(DumpOptions::new().filter(filter.clone()))?;
        let (mut entries, mut malformed) = (Entries::default(), 0);
        while let Some(batch) = dump.next_batch()? {
            for entry in batch.entries() {
                match FlowRef::parse(entry) {
                    Ok(_) => entries.push(entry),
                    Err(_) => malformed += 1,
                }
            }
        }
        let end = dump.end();
        let filter = filter.clone();
        Ok(DeletePlan { table: self, filter, entries, max: DeletePlan::MAX, malformed, end })
    }
}

impl DeletePlan<'_> {
    /// The most entries a plan deletes unless told otherwise.
    pub const MAX: u64 = 1000;

    /// Allows this many entries to be deleted. If more match, none is.
    pub fn max(mut self, max: u64) -> Self {
        self.max = max;
        self
    }

    /// The filter it was made from.
    pub fn filter(&self) -> &Filter {
        &self.filter
    }

    /// How the dump behind it went.
    pub fn end(&self) -> DumpEnd {
        self.end
    }

    /// Entries that could not be read, and so are not in it.
    pub fn malformed(&self) -> u64 {
        self.malformed
    }

    /// How many entries would be deleted.
    pub fn matched(&self) -> u64 {
        self.entries.len() as u64
    }

    /// The entries that would be deleted.
    pub fn flows(&self) -> impl Iterator<Item = FlowRef<'_>> {
        self.entries.iter()
    }

    /// Takes out the entries that `keep` is false of, and returns how many that were.
    pub fn retain(&mut self, mut keep: impl FnMut(&FlowRef<'_>) -> bool) -> u64 {
        let before = self.matched();
        let mut kept = Entries::default();
        for flow in self.entries.iter().filter(|flow| keep(flow)) {
            kept.push(flow.as_bytes());
        }
        self.entries = kept;
        before - self.matched()
    }

    /// Takes out the entries of these connections, and returns how many that were.
    ///
    /// A connection is given by its tuple at either end, from either side of any NAT; the zone is not
    /// looked at.
    ///
    /// ```no_run
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use ctnetlink::flow::{Protocol, Tuple};
    /// let mut table = ctnetlink::Conntrack::open()?;
    /// let (console, node) = (("10.0.0.1".parse()?, 50000), ("10.0.0.2".parse()?, 443));
    /// let mut plan = table.delete_plan(&"src=10.0.0.1".parse()?)?;
    /// plan.spare(&[Tuple::with_ports(Protocol::TCP, console, node)]);
    /// plan.spare_own_session();
    /// println!("{} deleted", plan.execute()?.deleted);
    /// # Ok(()) }
    /// ```
    pub fn spare(&mut self, connections: &[Tuple]) -> u64 {
        let bare = |tuple: &Tuple| Tuple { zone: None, ..*tuple };
        let both = |tuple: &Tuple| [bare(tuple), bare(tuple).inverse()];
        let spared: Vec<_> = connections.iter().flat_map(both).collect();
        let is_spared = |tuple: &Tuple| spared.contains(&bare(tuple));
        self.retain(|flow| !is_spared(flow.original()) && !is_spared(flow.reply()))
    }

    /// Takes out the SSH session that this process runs in, so as not to cut off whoever started it.
    /// Returns how many entries that were: none without a session.
    ///
    /// The session is what `sshd` has put into the environment (`SSH_CONNECTION`): of this process or,
    /// since `sudo` takes it out, of the nearest parent that has it and may be read.
    pub fn spare_own_session(&mut self) -> u64 {
        own_session().map_or(0, |session| self.spare(&[session]))
    }

    /// What it is about, in numbers.
    pub fn summary(&self) -> Summary {
        let query = Query::new().group_by([Field::Protocol, Field::State]).top(usize::MAX);
        let mut groups = Aggregator::new(&query);
        let (mut established, mut nated, mut both) = (0, 0, 0);
        for flow in self.flows() {
            groups.record(&flow);
            let talks = matches!(flow.state(), State::ESTABLISHED | State::ASSURED);
            let translated = flow.source_nat().is_some() || flow.destination_nat().is_some();
            established += u64::from(talks);
            nated += u64::from(translated);
            both += u64::from(talks && translated);
        }
        Summary {
            matched: self.matched(),
            groups: groups.finish(),
            established,
            nated,
            established_and_nated: both,
        }
    }

    /// Whether the filter matches every entry that is in the table at this moment, so that hardly anything would be
    /// left. Any filter can do that: `proto=udp` does where every entry is UDP.
    ///
    /// # Errors
    ///
    /// As [`dump`](super::Reader::dump).
    ///
    /// # Cost
    ///
    /// A dump up to the first entry that the filter is not true of, which usually comes early.
    pub fn is_everything(&mut self) -> Result<bool> {
        if self.matched() == 0 {
            return Ok(false);
        }
        let mut dump = self.table.dump(DumpOptions::new())?;
        while let Some(batch) = dump.next_batch()? {
            let now = SystemTime::now();
            let filter = &self.filter;
            let stays = |flow: Result<FlowRef<'_>, _>| {
                flow.map_or(true, |flow| filter.judge(&flow, now) != Some(true))
            };
            if batch.flows().any(stays) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Deletes the entries, each by tuple, zone and id, after a second look at it. An entry is left alone if it is
    /// found to be a [later one](Self#later-entries), or if the filter is no longer true of it.
    ///
    /// # Errors
    ///
    /// [`TooMany`](ErrorKind::TooMany), before anything is done, if there are more than
    /// [allowed](Self::max). What goes wrong later is in the report, which says how far it got.
    ///
    /// # Cost
    ///
    /// About 3 µs per entry.
    pub fn execute(self) -> Result<DeleteReport> {
        self.execute_with(|_| Ok(()))
    }

    /// As [`execute`](Self::execute), and tells `journal` which entries are next, and what became of each. An error of
    /// the journal ends the work. No entry is deleted before the journal was told of it. From what
    /// the journal keeps, deletes can be audited, and entries can be created again.
    ///
    /// If the journal ends with an entry that was next, and was then neither done nor untouched, it is not known whether
    /// that was deleted: the answer was lost, or the program ended first.
    ///
    /// ```no_run
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use ctnetlink::{Conntrack, DeleteStep};
    /// use std::io::Write;
    /// let mut journal = std::fs::File::create("journal")?;
    /// let mut table = Conntrack::open()?;
    /// let plan = table.delete_plan(&"proto=udp dport=53 unreplied".parse()?)?;
    /// let report = plan.execute_with(|step| match step {
    ///     DeleteStep::Next { flows, .. } => {
    ///         flows.iter().try_for_each(|flow| writeln!(journal, "next: {flow:?}"))
    ///     }
    ///     other => writeln!(journal, "{other:?}"),
    /// })?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`execute`](Self::execute). An error of the journal is in the report, as
    /// [`Io`](ErrorKind::Io).
    pub fn execute_with(
        self,
        mut journal: impl FnMut(DeleteStep<'_>) -> io::Result<()>,
    ) -> Result<DeleteReport> {
        let matched = self.matched();
        if matched > self.max {
            let operation = "delete entries";
            return Err(ErrorKind::TooMany { operation, matched, max: self.max }.into());
        }
        let mut report = DeleteReport { matched, untried: matched, ..DeleteReport::default() };
        let mut write = |step: DeleteStep<'_>| {
            let operation = "write the journal";
            journal(step).map_err(|source| Error::from(ErrorKind::Io { operation, source }))
        };
        let Self { table, entries, filter, .. } = self;
        let (mut flows, mut group) = (entries.iter(), Vec::with_capacity(GROUP));
        let (mut first, mut work) = (0, Ok(()));
        while work.is_ok() {
            group.clear();
            group.extend(flows.by_ref().take(GROUP));
            if group.is_empty() {
                break;
            }
            work = write(DeleteStep::Next { first, flows: &group });
            if work.is_err() {
                break;
            }
            let (fates, error) = table.delete_those(&group, &filter);
            for ((number, flow), fate) in (first..).zip(&group).zip(fates) {
                let done = |outcome| Some(DeleteStep::Done { number, flow, outcome });
                let step = match &fate {
                    Fate::Done(deleted) => done(Ok(deleted)),
                    Fate::Confirmed => done(Ok(&Deleted::Deleted)),
                    Fate::Failed(error) => done(Err(error)),
                    Fate::Untried => Some(DeleteStep::Untouched { number, flow }),
                    _ => None,
                };
                if let Some(step) = step {
                    work = work.and_then(|()| write(step));
                }
                report.add(fate);
            }
            work = error.map_or(work, Err);
            first += group.len() as u64;
        }
        report.error = work.err().or(report.error);
        Ok(report)
    }
}

/// The SSH session this process runs in, if it does.
fn own_session() -> Option<Tuple> {
    if let Some(own) = std::env::var("SSH_CONNECTION").ok().and_then(|text| session(&text)) {
        return Some(own);
    }
    let mut process = std::process::id();
    while process > 1 {
        let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
        process =
            status.lines().find_map(|line| line.strip_prefix("PPid:"))?.trim().parse().ok()?;
        // Not every parent may be looked into.
        let environment = std::fs::read(format!("/proc/{process}/environ")).unwrap_or_default();
        let mut variables = environment.split(|&byte| byte == 0);
        if let Some(found) = variables.find_map(|all| all.strip_prefix(b"SSH_CONNECTION=")) {
            return session(std::str::from_utf8(found).ok()?);
        }
    }
    None
}

/// `SSH_CONNECTION`: address and port of the client, and of the server.
fn session(text: &str) -> Option<Tuple> {
    let mut words = text.split_whitespace();
    let mut end = || {
        let address: IpAddr = words.next()?.parse().ok()?;
        Some((address.to_canonical(), words.next()?.parse().ok()?))
    };
    Some(Tuple::with_ports(Protocol::TCP, end()?, end()?))
}
