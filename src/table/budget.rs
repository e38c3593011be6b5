//! How much a scan may cost.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::DumpEnd;

/// What a scan may cost. Whatever is used up first ends it, with what was counted by then. See
/// [`ScanOptions::budget`](crate::ScanOptions::budget).
///
/// The budget is checked after every datagram (150 entries or so, 0.15 ms or more), so it may be exceeded by one, and
/// by what ends the dump ([0.1 ms](crate::Reader#another-network-namespace), if another socket is all it takes). The
/// namespaces of a host share one table, and the kernel skips the entries of other namespaces without a pause: where a
/// namespace has few of the entries, one datagram takes up to 0.2 µs for each entry of the *host*.
///
/// ```
/// use std::time::Duration;
/// use ctnetlink::Budget;
/// let budget = Budget::new().entries(100_000).time(Duration::from_millis(50));
/// ```
#[derive(Debug, Clone, Default)]
pub struct Budget {
    entries: Option<u64>,
    bytes: Option<u64>,
    time: Option<Duration>,
    deadline: Option<Instant>,
    memory: Option<usize>,
    stop: Option<Arc<AtomicBool>>,
}

/// What of a [`Budget`] was used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Limit {
    /// Entries.
    Entries,
    /// Bytes received.
    Bytes,
    /// Time: what was allowed is over, or the deadline is reached.
    Time,
    /// Memory.
    Memory,
    /// The caller has stopped the scan, by a [flag](Budget::stop_flag) or by its
    /// [progress](crate::ScanOptions::progress).
    Caller,
}

impl Budget {
    /// No bound.
    pub const fn new() -> Self {
        Self { entries: None, bytes: None, time: None, deadline: None, memory: None, stop: None }
    }

    /// Reads about this many entries at most.
    #[must_use]
    pub const fn entries(mut self, entries: u64) -> Self {
        self.entries = Some(entries);
        self
    }

    /// As many entries, unless fewer are allowed already.
    pub(super) fn at_most(self, entries: u64) -> Self {
        let most = self.entries.map_or(entries, |most| most.min(entries));
        self.entries(most)
    }

    /// Receives about this many bytes at most; an entry has 150 to 300.
    #[must_use]
    pub const fn bytes(mut self, bytes: u64) -> Self {
        self.bytes = Some(bytes);
        self
    }

    /// Takes about this long at most, by the clock: no less than the processor's time.
    #[must_use]
    pub const fn time(mut self, time: Duration) -> Self {
        self.time = Some(time);
        self
    }

    /// Ends at this moment: for work of several steps that has to be done by then.
    ///
    /// ```no_run
    /// use std::time::{Duration, Instant};
    /// use ctnetlink::{Budget, Query, Reader, ScanOptions};
    /// # fn main() -> ctnetlink::Result<()> {
    /// let deadline = Instant::now() + Duration::from_secs(1);
    /// let mut table = Reader::open()?;
    /// let options = ScanOptions::new().budget(Budget::new().deadline(deadline));
    /// println!("{:.0} %", table.scan_with(&Query::new(), &options)?.coverage() * 100.0);
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub const fn deadline(mut self, deadline: Instant) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// Ends once the flag is true. Another thread can set it, or what handles a signal.
    ///
    /// ```
    /// use std::sync::{Arc, atomic::{AtomicBool, Ordering}};
    /// use ctnetlink::Budget;
    /// let stop = Arc::new(AtomicBool::new(false));
    /// let budget = Budget::new().stop_flag(Arc::clone(&stop));
    /// // Later, on another thread:
    /// stop.store(true, Ordering::Relaxed);
    /// ```
    #[must_use]
    pub fn stop_flag(mut self, stop: Arc<AtomicBool>) -> Self {
        self.stop = Some(stop);
        self
    }

    /// Ends once the groups take more than this many bytes. To go on with the largest groups instead,
    /// bound the query: [`Query::memory`](crate::Query::memory).
    #[must_use]
    pub const fn memory(mut self, bytes: usize) -> Self {
        self.memory = Some(bytes);
        self
    }

    /// Whether nothing is bounded.
    pub(super) fn is_unbounded(&self) -> bool {
        let Self { entries, bytes, time, deadline, memory, stop } = self;
        (entries.is_none() && bytes.is_none() && memory.is_none())
            && (time.is_none() && deadline.is_none() && stop.is_none())
    }

    /// What is used up, if anything is.
    pub(super) fn spent(&self, end: &DumpEnd, elapsed: Duration, memory: usize) -> Option<Limit> {
        let is_set = |stop: &Arc<AtomicBool>| stop.load(Ordering::Relaxed);
        let late = |deadline: Instant| Instant::now() >= deadline;
        let spent = [
            (self.stop.as_ref().is_some_and(is_set), Limit::Caller),
            (self.entries.is_some_and(|most| end.entries >= most), Limit::Entries),
            (self.bytes.is_some_and(|most| end.bytes >= most), Limit::Bytes),
            (self.time.is_some_and(|most| elapsed >= most), Limit::Time),
            (self.deadline.is_some_and(late), Limit::Time),
            (self.memory.is_some_and(|most| memory > most), Limit::Memory),
        ];
        spent.into_iter().find_map(|(spent, limit)| spent.then_some(limit))
    }
}

/// `entries`, `bytes`, `time`, `memory` or `caller`.
impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Entries => "entries",
            Self::Bytes => "bytes",
            Self::Time => "time",
            Self::Memory => "memory",
            Self::Caller => "caller",
        })
    }
}

/// A part of one processor that may be used over time: for agents, which look again and again.
///
/// ```no_run
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
/// use ctnetlink::{DutyCycle, Query, Reader, ScanOptions};
///
/// let duty = DutyCycle::percent(1.0).expect("a part");
/// let mut table = Reader::open()?;
/// loop {
///     // Every ten seconds, and never more than a tenth of a second at a time.
///     let interval = Duration::from_secs(10);
///     let options = ScanOptions::new().budget(duty.budget(interval));
///     let work = table.scan_with(&Query::new(), &options)?.work();
///     std::thread::sleep(interval.saturating_sub(work).max(duty.pause_after(work)));
/// }
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DutyCycle {
    /// Above 0, and 1 at most.
    share: f64,
}

impl DutyCycle {
    /// This many percent of one processor; `None` unless it is more than 0 and 100 at most.
    pub fn percent(percent: f64) -> Option<Self> {
        (percent > 0.0 && percent <= 100.0).then_some(Self { share: percent / 100.0 })
    }

    /// How long to do nothing after this much work, so that work is no more than the part.
    pub fn pause_after(&self, work: Duration) -> Duration {
        let pause = work.as_secs_f64() * (1.0 - self.share) / self.share;
        Duration::try_from_secs_f64(pause).unwrap_or(Duration::MAX)
    }

    /// How much work is the part of this interval.
    pub fn work_in(&self, interval: Duration) -> Duration {
        interval.mul_f64(self.share)
    }

    /// What may be used once in every interval. Only the time is bounded, to [`work_in`](Self::work_in) it.
    pub fn budget(&self, interval: Duration) -> Budget {
        Budget::new().time(self.work_in(interval))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_used_up_first_is_told() {
        let end = DumpEnd { entries: 100, bytes: 20_000, ..DumpEnd::default() };
        let spent = |budget: &Budget| budget.spent(&end, Duration::from_millis(5), 1000);
        assert_eq!(spent(&Budget::new()), None);
        assert!(Budget::new().is_unbounded() && !Budget::new().memory(0).is_unbounded());
        let (stop, now) = (Arc::new(AtomicBool::new(false)), Instant::now());
        let roomy = || {
            let budget = Budget::new().entries(101).bytes(20_001).memory(1000);
            let budget = budget.time(Duration::from_millis(6)).stop_flag(Arc::clone(&stop));
            budget.deadline(now + Duration::from_secs(3600))
        };
        assert_eq!(spent(&roomy()), None);
        assert_eq!(spent(&roomy().at_most(100)), Some(Limit::Entries));
        assert_eq!(spent(&roomy().at_most(102)), None);
        assert_eq!(spent(&roomy().bytes(20_000)), Some(Limit::Bytes));
        assert_eq!(spent(&roomy().time(Duration::from_millis(5))), Some(Limit::Time));
        assert_eq!(spent(&roomy().deadline(now)), Some(Limit::Time));
        assert_eq!(spent(&roomy().memory(999)), Some(Limit::Memory));
        stop.store(true, Ordering::Relaxed);
        assert_eq!(spent(&roomy()), Some(Limit::Caller));
    }
}
