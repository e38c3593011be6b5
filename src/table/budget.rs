//! How much a look at the table may cost.

use std::fmt;
use std::time::Duration;

use super::DumpEnd;

/// What a scan may cost; whatever is used up first ends it, cleanly and with what was counted by
/// then. See [`Reader::scan_within`](crate::Reader::scan_within).
///
/// The budget is looked at after every datagram (150 entries or so, 0.15 ms or more), so it may be exceeded by one, and
/// by what ends the dump ([0.1 ms](crate::Reader#another-network-namespace), if another socket is all it takes). The
/// namespaces of a host share one table, and the kernel skips the entries of other namespaces without a pause: where a
/// namespace has few of the entries, one datagram takes up to 0.2 µs for each entry of the *host*.
///
/// ```
/// use std::time::Duration;
/// use ctnetlink::Budget;
/// let budget = Budget::new().entries(100_000).time(Duration::from_millis(50));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Budget {
    entries: Option<u64>,
    bytes: Option<u64>,
    time: Option<Duration>,
    memory: Option<usize>,
}

/// What of a [`Budget`] was used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Limit {
    /// Entries.
    Entries,
    /// Bytes received.
    Bytes,
    /// Time.
    Time,
    /// Memory.
    Memory,
}

impl Budget {
    /// No bound.
    pub const fn new() -> Self {
        Self { entries: None, bytes: None, time: None, memory: None }
    }

    /// Looks at about so many entries at most.
    #[must_use]
    pub const fn entries(mut self, entries: u64) -> Self {
        self.entries = Some(entries);
        self
    }

    /// Receives about so many bytes at most; an entry has 150 to 300.
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

    /// Ends once the groups take more than so many bytes. To go on with the largest groups instead,
    /// bound the query: [`Query::memory`](crate::Query::memory).
    #[must_use]
    pub const fn memory(mut self, bytes: usize) -> Self {
        self.memory = Some(bytes);
        self
    }

    /// Whether nothing is bounded.
    pub(super) fn is_unbounded(&self) -> bool {
        *self == Self::new()
    }

    /// What is used up, if anything is.
    pub(super) fn spent(&self, end: &DumpEnd, elapsed: Duration, memory: usize) -> Option<Limit> {
        let spent = [
            (self.entries.is_some_and(|most| end.entries >= most), Limit::Entries),
            (self.bytes.is_some_and(|most| end.bytes >= most), Limit::Bytes),
            (self.time.is_some_and(|most| elapsed >= most), Limit::Time),
            (self.memory.is_some_and(|most| memory > most), Limit::Memory),
        ];
        spent.into_iter().find_map(|(spent, limit)| spent.then_some(limit))
    }
}

/// `entries`, `bytes`, `time` or `memory`.
impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Entries => "entries",
            Self::Bytes => "bytes",
            Self::Time => "time",
            Self::Memory => "memory",
        })
    }
}

/// A part of one processor that may be used over time: for agents, which look again and again.
///
/// ```no_run
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
/// use ctnetlink::{DutyCycle, Query, Reader};
///
/// let duty = DutyCycle::percent(1.0).expect("a part");
/// let mut table = Reader::open()?;
/// loop {
///     // Every ten seconds, and never more than a tenth of a second at a time.
///     let interval = Duration::from_secs(10);
///     let work = table.scan_within(&Query::new(), &duty.budget(interval))?.work();
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
        let spent = |budget: Budget| budget.spent(&end, Duration::from_millis(5), 1000);
        assert_eq!(spent(Budget::new()), None);
        assert!(Budget::new().is_unbounded() && !Budget::new().memory(0).is_unbounded());
        let roomy =
            Budget::new().entries(101).bytes(20_001).time(Duration::from_millis(6)).memory(1000);
        assert_eq!(spent(roomy), None);
        assert_eq!(spent(roomy.entries(100)), Some(Limit::Entries));
        assert_eq!(spent(roomy.bytes(20_000)), Some(Limit::Bytes));
        assert_eq!(spent(roomy.time(Duration::from_millis(5))), Some(Limit::Time));
        assert_eq!(spent(roomy.memory(999)), Some(Limit::Memory));
    }

    #[test]
    fn work_and_pause_keep_to_the_part() {
        for percent in [0.1, 1.0, 25.0, 100.0] {
            let duty = DutyCycle::percent(percent).unwrap();
            let work = Duration::from_millis(300);
            let share = work.as_secs_f64() / (work + duty.pause_after(work)).as_secs_f64();
            assert!((share * 100.0 - percent).abs() < 1e-3, "{percent}: {share}");
            let interval = Duration::from_secs(10);
            let budget = Budget::new().time(interval.mul_f64(percent / 100.0));
            assert_eq!(duty.budget(interval), budget);
        }
        assert_eq!(DutyCycle::percent(100.0).unwrap().pause_after(Duration::MAX), Duration::ZERO);
        let least = DutyCycle::percent(f64::MIN_POSITIVE).unwrap();
        assert_eq!(least.pause_after(Duration::from_secs(1)), Duration::MAX);
        for wrong in [0.0, -1.0, 100.1, f64::NAN, f64::INFINITY] {
            assert_eq!(DutyCycle::percent(wrong), None);
        }
    }
}
