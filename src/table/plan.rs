//! Many entries out of the table: first a look at which, then those very ones.

use std::ops::ControlFlow;

use super::delete::Deletion;
use super::{Conntrack, Deleted, DumpEnd, DumpOptions};
use crate::aggregate::{Aggregator, Field, Query, Report};
use crate::error::{Error, ErrorKind, Result};
use crate::filter::Filter;
use crate::flow::{FlowKey, FlowRef, State};

/// What would be deleted. Made by [`Conntrack::delete_plan`]; nothing is deleted before
/// [`execute`](Self::execute).
///
/// It holds every entry it is about (some 250 bytes each) and the table they are in, so that it can
/// only be executed there.
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

/// Entries kept as they came, one behind the other.
#[derive(Debug, Default)]
struct Entries {
    bytes: Vec<u8>,
    /// Where each ends.
    ends: Vec<usize>,
}

impl Entries {
    fn push(&mut self, entry: &[u8]) {
        self.bytes.extend_from_slice(entry);
        self.ends.push(self.bytes.len());
    }

    fn iter(&self) -> impl Iterator<Item = FlowRef<'_>> {
        let starts = [0].into_iter().chain(self.ends.iter().copied());
        let entries = starts.zip(&self.ends).filter_map(|(start, &end)| self.bytes.get(start..end));
        entries.filter_map(|entry| FlowRef::parse(entry).ok()) // read before it was kept
    }
}

/// What a plan is about, in numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Summary {
    /// Entries that would be deleted.
    pub matched: u64,
    /// The same by protocol and state, all groups.
    pub groups: Report,
    /// Of these, those with a conversation in them: TCP and SCTP in `ESTABLISHED`, and flows of
    /// other protocols that are assured.
    pub established: u64,
    /// Of these, those that NAT changed. Deleted while they go on, they may get another
    /// translation, or none.
    pub nated: u64,
    /// Those that are both: conversations that deleting may well cut.
    pub established_and_nated: u64,
}

/// What became of the entries of a plan. The numbers add up to `matched`.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct DeleteReport {
    /// Entries of the plan.
    pub matched: u64,
    /// Deleted.
    pub deleted: u64,
    /// Gone before it was their turn.
    pub already_gone: u64,
    /// Gone before it was their turn, and a later entry has the tuple. It was left alone.
    pub replaced: u64,
    /// Refused by the kernel.
    pub failed: u64,
    /// Not tried, since something went wrong before; or tried (128 of them at most) without an
    /// answer.
    pub unanswered: u64,
    /// The first thing that went wrong.
    pub error: Option<Error>,
}

impl Conntrack {
    /// Dumps the entries a filter is true of, to be deleted.
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
    /// Entries that lack what the filter is about (see [`DumpEnd::undecided`]) are not in it.
    ///
    /// # Errors
    ///
    /// [`Everything`](ErrorKind::Everything) if the filter leaves nothing out; and as
    /// [`dump`](super::Reader::dump).
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
        self.entries.ends.len() as u64
    }

    /// The entries that would be deleted.
    pub fn flows(&self) -> impl Iterator<Item = FlowRef<'_>> {
        self.entries.iter()
    }

    /// Takes out the entries that `keep` is false of, and returns how many that were.
    pub fn retain(&mut self, mut keep: impl FnMut(&FlowRef<'_>) -> bool) -> u64 {
        let before = self.matched();
        let mut kept = Entries::default();
        let mut start = 0;
        for &end in &self.entries.ends {
            let entry = self.entries.bytes.get(start..end).unwrap_or_default();
            if FlowRef::parse(entry).is_ok_and(|flow| keep(&flow)) {
                kept.push(entry);
            }
            start = end;
        }
        self.entries = kept;
        before - self.matched()
    }

    /// What it is about, in numbers.
    pub fn summary(&self) -> Summary {
        let query = Query::new().by([Field::Protocol, Field::State]).top(usize::MAX);
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

    /// Deletes the entries, each by tuple, zone and id, so that none that came later goes in their
    /// stead (see [`Conntrack::delete`]).
    ///
    /// # Errors
    ///
    /// [`TooMany`](ErrorKind::TooMany), before anything is done, if there are more than
    /// [allowed](Self::max). What goes wrong later is in the report, which says how far it got.
    ///
    /// # Cost
    ///
    /// About 2 µs per entry, in batches of 128.
    pub fn execute(self) -> Result<DeleteReport> {
        self.execute_with(|_, _| {})
    }

    /// As [`execute`](Self::execute), and tells `journal` of every entry what became of it: what is
    /// noted there can be audited, and be created again.
    ///
    /// # Errors
    ///
    /// As [`execute`](Self::execute).
    pub fn execute_with(
        self,
        mut journal: impl FnMut(&FlowRef<'_>, Result<Deleted, &Error>),
    ) -> Result<DeleteReport> {
        let matched = self.matched();
        if matched > self.max {
            let operation = "delete entries";
            return Err(ErrorKind::TooMany { operation, matched, max: self.max }.into());
        }
        let mut report = DeleteReport { matched, ..DeleteReport::default() };
        let Self { table, entries, .. } = self;
        // The kernel gives every entry an id; one without is none that it sent.
        let (mut gone, mut nameless) = (Vec::new(), 0);
        let items = entries.iter().filter_map(|flow| match flow.id() {
            Some(id) => Some((flow, FlowKey::from(&flow), id)),
            None => {
                nameless += 1;
                None
            }
        });
        let outcome = table.pipeline::<_, Deletion>(items, |(flow, key, _), answer| {
            match answer {
                Ok(()) => {
                    report.deleted += 1;
                    journal(&flow, Ok(Deleted::Deleted));
                }
                Err(error) if error.is_not_found() => gone.push((flow, key)),
                Err(error) => {
                    report.failed += 1;
                    journal(&flow, Err(&error));
                    report.error.get_or_insert(error);
                }
            }
            ControlFlow::Continue(())
        });
        if let Err(error) = outcome {
            report.error.get_or_insert(error);
        }
        report.failed += nameless;
        // Few as a rule, so that one request each does not matter.
        for (flow, key) in gone {
            match table.get(FlowKey { id: None, ..key }) {
                Ok(Some(_)) => {
                    report.replaced += 1;
                    journal(&flow, Ok(Deleted::Replaced));
                }
                Ok(None) => {
                    report.already_gone += 1;
                    journal(&flow, Ok(Deleted::AlreadyGone));
                }
                Err(error) => {
                    report.already_gone += 1;
                    report.error.get_or_insert(error);
                }
            }
        }
        let told = report.deleted + report.already_gone + report.replaced + report.failed;
        report.unanswered = matched - told;
        Ok(report)
    }
}
