//! What to read of the table, and how.

use std::fmt;
use std::ops::ControlFlow;

use super::Budget;
use crate::aggregate::{Measure, Query};
use crate::filter::{Filter, Placement};

/// How [`Reader::scan_with`](super::Reader::scan_with) reads the table: all that a [`Query`] does not
/// say. The default is the whole table, by one dump.
///
/// ```no_run
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
/// use ctnetlink::{Budget, Query, Reader, ScanOptions, field::Field};
///
/// let options = ScanOptions::new()
///     .filter("proto=tcp".parse()?)
///     .budget(Budget::new().time(Duration::from_millis(50)))
///     .memory(1 << 20);
/// let scan = Reader::open()?.scan_with(&Query::new().group_by([Field::Source]), &options)?;
/// println!("{:.0} % of the table seen", scan.coverage() * 100.0);
/// # Ok(()) }
/// ```
///
/// A scan with a [budget](Self::budget), a [sample](Self::sample) or [progress](Self::progress) may end
/// early. So that what it has seen by then is a random part of the table, it is one dump, and filters
/// are applied here.
#[derive(Clone, Default)]
pub struct ScanOptions<'p> {
    pub(super) filter: Filter,
    pub(super) placement: Option<Placement>,
    pub(super) threads: usize,
    pub(super) progress: Option<&'p dyn Fn(Progress) -> ControlFlow<()>>,
    budget: Budget,
    sample: Option<u64>,
    memory: Option<usize>,
}

impl<'p> ScanOptions<'p> {
    /// The whole table, by one dump.
    pub fn new() -> Self {
        Self::default()
    }

    /// Only entries this filter is true of, for all queries, beside the filter that each has. The
    /// kernel can apply it even if the filters of the queries differ.
    #[must_use]
    pub fn filter(mut self, filter: Filter) -> Self {
        self.filter = filter;
        self
    }

    /// Where filters are applied. The default is [`Placement::for_table`] of the table at hand.
    #[must_use]
    pub const fn placement(mut self, placement: Placement) -> Self {
        self.placement = Some(placement);
        self
    }

    /// Reads the table by up to this many dumps at a time, each on a thread of its own: on two
    /// processors in little more than half the time.
    ///
    /// Each dump is of a part of the table, by the family and single bits of status and mark, chosen
    /// from a sample of 2,000 entries so that the parts are even. What the kernel returns is checked:
    /// if an entry is not of the part it came with (a kernel that ignores the filter), or if nothing
    /// cuts evenly, or the table is small, it is read by one dump after all; [`Scan::dumps`] says by
    /// how many it was.
    ///
    /// On a table that holds still the answer is that of one dump. Where it does not, an entry that
    /// changes its part while the dumps run (it becomes assured, say) may be seen twice, or not at all;
    /// [`Scan::moving`] says whether the parts allow that. Nothing else is lost or counted twice that
    /// one dump would not.
    ///
    /// It costs a walk over the table (0.2 µs per entry) for each part but the first, and memory for
    /// the groups of every part; filters are applied here. Packets may wait for a processor about
    /// twice as long as with one dump: under a millisecond for even parts.
    ///
    /// [`Scan::dumps`]: crate::Scan::dumps
    /// [`Scan::moving`]: crate::Scan::moving
    #[must_use]
    pub const fn threads(mut self, threads: usize) -> Self {
        self.threads = threads;
        self
    }

    /// Ends when the budget is used up, with what was counted by then:
    /// [`Scan::stopped`](crate::Scan::stopped) says that, [`Scan::coverage`](crate::Scan::coverage) how
    /// much of the table it was, and [`Scan::estimate`](crate::Scan::estimate) what it means for the
    /// whole.
    #[must_use]
    pub fn budget(mut self, budget: Budget) -> Self {
        self.budget = budget;
        self
    }

    /// Looks at about so many entries, for an [estimate](crate::Scan::estimate) of all.
    ///
    /// The kernel sorts its table by a hash with a secret key, so the beginning of a dump is a
    /// random sample of it: of all families, protocols, states and ages alike. Entries that share a
    /// bucket are seen together, but what they have in common is only the hash. A table of no more
    /// entries than asked for is read to its end, and nothing is estimated. Groups are ranked by
    /// flows, whatever the query measures. Each sample begins at the same place: samples taken one
    /// after the other hold mostly the same entries, and their mean is no better than one of them.
    ///
    /// It costs about 1.5 µs per entry looked at, however large the table is, and never a long walk
    /// over it.
    ///
    /// ```no_run
    /// use ctnetlink::{Query, Reader, ScanOptions, field::Field};
    /// # fn main() -> ctnetlink::Result<()> {
    /// let options = ScanOptions::new().sample(10_000);
    /// let scan = Reader::open()?.scan_with(&Query::new().group_by([Field::Source]), &options)?;
    /// for row in scan.estimate().report.rows() {
    ///     println!("{} ({} to {}) {}", row.flows, row.interval.low, row.interval.high, row.key[0]);
    /// }
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub const fn sample(mut self, entries: u64) -> Self {
        self.sample = Some(entries);
        self
    }

    /// Bounds the memory for the groups of each query that has [no bound of its own](Query::memory).
    #[must_use]
    pub const fn memory(mut self, bytes: usize) -> Self {
        self.memory = Some(bytes);
        self
    }

    /// Tells `progress` after every datagram (150 entries or so) how far the scan is. If it breaks,
    /// the scan ends with what was counted by then, as with a [budget](Self::budget).
    ///
    /// ```no_run
    /// # fn main() -> ctnetlink::Result<()> {
    /// use std::ops::ControlFlow;
    /// use ctnetlink::{Progress, Query, Reader, ScanOptions};
    /// let show = |progress: Progress| {
    ///     println!("{} of about {}", progress.entries, progress.expected);
    ///     if progress.entries > 1_000_000 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    /// };
    /// let scan = Reader::open()?.scan_with(&Query::new(), &ScanOptions::new().progress(&show))?;
    /// println!("stopped: {:?}", scan.stopped);
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn progress(mut self, progress: &'p dyn Fn(Progress) -> ControlFlow<()>) -> Self {
        self.progress = Some(progress);
        self
    }

    /// Whether something may end the scan before it has seen all of the table.
    pub(super) fn may_end_early(&self) -> bool {
        self.progress.is_some() || !self.whole_budget().is_unbounded()
    }

    /// The budget, and the entries of a sample.
    pub(super) fn whole_budget(&self) -> Budget {
        let budget = self.budget.clone();
        self.sample.map_or(budget.clone(), |entries| budget.at_most(entries))
    }

    /// The query as it is asked with these options.
    pub(super) fn applied_to(&self, query: &Query) -> Query {
        let mut query = query.clone();
        if self.filter != Filter::new() {
            let both = self.filter.clone() & query.filter.clone();
            query = query.filter(both);
        }
        if let (Some(bytes), None) = (self.memory, query.memory) {
            query = query.memory(bytes);
        }
        // What a sample says of bytes depends on whether it has the few flows that carry most.
        if self.sample.is_some() { query.measure(Measure::Flows) } else { query }
    }
}

impl fmt::Debug for ScanOptions<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScanOptions")
            .field("filter", &self.filter)
            .field("placement", &self.placement)
            .field("threads", &self.threads)
            .field("budget", &self.whole_budget())
            .field("memory", &self.memory)
            .finish_non_exhaustive()
    }
}

/// How far a scan is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// Entries seen so far.
    pub entries: u64,
    /// Entries the table had at the start: about as many as there will be.
    pub expected: u64,
}

/// What to dump, and how. The default is the whole table.
///
/// ```
/// use ctnetlink::DumpOptions;
/// let options = DumpOptions::new().filter("proto=tcp state=TIME_WAIT".parse()?);
/// # Ok::<(), ctnetlink::filter::ParseFilterError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DumpOptions {
    pub(super) filter: Filter,
    pub(super) placement: Option<Placement>,
    pub(super) list: List,
}

impl DumpOptions {
    /// The whole table: both families in one pass.
    pub const fn new() -> Self {
        Self { filter: Filter::new(), placement: None, list: List::Table }
    }

    /// Only entries the filter is true of.
    #[must_use]
    pub fn filter(mut self, filter: Filter) -> Self {
        self.filter = filter;
        self
    }

    /// Where the filter is applied. The default is [`Placement::for_table`] of the table at hand.
    #[must_use]
    pub const fn placement(mut self, placement: Placement) -> Self {
        self.placement = Some(placement);
        self
    }

    /// Another list than the table.
    #[must_use]
    pub const fn list(mut self, list: List) -> Self {
        self.list = list;
        self
    }
}

/// Where the kernel keeps entries.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum List {
    /// The table.
    #[default]
    #[doc(alias = "IPCTNL_MSG_CT_GET")]
    Table,
    /// Entries that were removed, but whose end could not be told to a listener that insists on
    /// being told: a stuck one fills the table with them, since they still count. `conntrack -L
    /// dying`.
    #[doc(alias = "IPCTNL_MSG_CT_GET_DYING")]
    Dying,
    /// Entries of packets still on their way through the host. Kernels from 5.19 on keep no such
    /// list and answer with an empty one. `conntrack -L unconfirmed`.
    #[doc(alias = "IPCTNL_MSG_CT_GET_UNCONFIRMED")]
    Unconfirmed,
}
