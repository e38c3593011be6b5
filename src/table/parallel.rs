//! A scan by several dumps at once, each of a part of the table, on a thread of its own.

use std::time::{Duration, Instant};

use super::dump::Kind;
use super::scan::Scan;
use super::{DumpEnd, List, Reader};
use crate::aggregate::{Aggregator, Query};
use crate::error::Result;
use crate::filter::{Filter, KernelFilter, Placement, Plan, Traits, partition};
use crate::flow::FlowRef;
use crate::kernel::Capabilities;

/// Entries looked at to choose the parts.
const SAMPLE: u64 = 2_000;

/// A table of fewer entries is read faster than threads are started.
const WORTH_IT: u32 = 20_000;

/// What one dump found.
struct Share {
    aggregator: Aggregator,
    end: DumpEnd,
    malformed: u64,
    /// Entries that are of another part: the kernel has ignored the filter.
    misplaced: bool,
}

impl Reader {
    /// Reads the table once, by up to `threads` dumps at a time, and answers `query` from it: on two
    /// processors in little more than half the time of [`scan`](Self::scan).
    ///
    /// Each dump is of a part of the table, by the family and single bits of status and mark, chosen
    /// from a sample of 2,000 entries so that the parts are even. What the kernel returns is checked:
    /// if an entry is not of the part it came with (a kernel that ignores the filter), or if nothing
    /// cuts evenly, or the table is small, it is read by one dump after all; [`Scan::dumps`] says by
    /// how many it was.
    ///
    /// On a table that holds still the answer is that of [`scan`](Self::scan). Where it does not, an
    /// entry that changes its part while the dumps run (it becomes assured, say) may be seen twice,
    /// or not at all; [`Scan::moving`] says whether the parts allow that. Nothing else is lost or
    /// counted twice that one dump would not.
    ///
    /// # Errors
    ///
    /// As [`scan`](Self::scan).
    ///
    /// # Cost
    ///
    /// A dump, and a walk over the table (0.2 µs per entry) for each part but the first; a filter is
    /// applied here. Memory for the groups of every part. Packets may wait for a processor about
    /// twice as long as with one dump: under a millisecond for even parts.
    pub fn scan_parallel(&mut self, query: &Query, threads: usize) -> Result<Scan> {
        let start = Instant::now();
        let before = self.limits()?;
        if threads < 2 || before.entries < WORTH_IT {
            return self.scan(query);
        }
        let parts = self.parts(threads)?;
        if parts.len() < 2 {
            return self.scan_since(query, start, Duration::ZERO);
        }
        // A socket each, in the namespace of this one; where that cannot be had, one has to do.
        let readers: Result<Vec<_>> = parts.iter().map(|_| self.sibling()).collect();
        let Ok(readers) = readers else {
            return self.scan_since(query, start, Duration::ZERO);
        };
        let forked = Instant::now();
        let kernel = self.capabilities()?;
        let shares: Vec<Result<Share>> = std::thread::scope(|scope| {
            let workers: Vec<_> = readers
                .into_iter()
                .zip(&parts)
                .map(|(mut reader, part)| scope.spawn(move || reader.share(query, part, kernel)))
                .collect();
            let joined = workers.into_iter().map(std::thread::ScopedJoinHandle::join);
            joined
                .map(|share| share.unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
                .collect()
        });
        // Beside this thread's time, that of the others.
        let others = u32::try_from(parts.len() - 1).unwrap_or(u32::MAX);
        let beside = forked.elapsed().saturating_mul(others);
        let mut whole = Aggregator::new(query);
        let (mut end, mut malformed) = (DumpEnd::default(), 0);
        for share in shares {
            let share = share?;
            if share.misplaced || share.end.refused || whole.merge(share.aggregator).is_err() {
                return self.scan_since(query, start, beside);
            }
            end.add(share.end);
            malformed += share.malformed;
        }
        let after = self.limits()?;
        let report = whole.finish();
        let elapsed = start.elapsed();
        (end.matched, end.undecided) = (report.flows(), report.undecided());
        Ok(Scan {
            report,
            filter: query.filter().clone(),
            before,
            after,
            end,
            malformed,
            elapsed,
            beside,
            dumps: parts.len(),
            moving: parts.iter().any(KernelFilter::is_moving),
            stopped: None,
        })
    }

    /// By one dump after all, and what went before is part of the work.
    fn scan_since(&mut self, query: &Query, start: Instant, beside: Duration) -> Result<Scan> {
        let scan = self.scan(query)?;
        Ok(Scan { elapsed: start.elapsed(), beside, ..scan })
    }

    /// The parts to dump the table in.
    fn parts(&mut self, threads: usize) -> Result<Vec<KernelFilter>> {
        let kernel = self.capabilities()?;
        let plan = Filter::new().plan(&Capabilities::UNKNOWN, Placement::LeastLatency);
        let mut sample = Vec::new();
        let mut dump = self.dump_planned(Kind::Read(List::Table), &plan, None)?;
        while dump.end().entries < SAMPLE {
            let Some(batch) = dump.next_batch()? else { break };
            sample.extend(batch.flows().flatten().map(|flow: FlowRef<'_>| Traits::from(&flow)));
        }
        Ok(partition(&sample, &kernel, threads))
    }

    /// Dumps one part and counts it.
    fn share(&mut self, query: &Query, part: &KernelFilter, kernel: Capabilities) -> Result<Share> {
        let plan = Plan::of_part(*part, kernel);
        let (mut aggregator, mut malformed) = (Aggregator::of_part(query), 0);
        let mut misplaced = false;
        let mut dump = self.dump_planned(Kind::Read(List::Table), &plan, None)?;
        'dump: while let Some(batch) = dump.next_batch()? {
            for entry in batch.entries() {
                match aggregator.record_in(entry, part) {
                    Ok(true) => {}
                    Ok(false) => {
                        misplaced = true;
                        break 'dump;
                    }
                    Err(_) => malformed += 1,
                }
            }
        }
        let end = dump.end();
        Ok(Share { aggregator, end, malformed, misplaced })
    }
}
