//! A scan by several dumps at once, each of a part of the table, on a thread of its own.

use std::time::{Duration, Instant};

use super::scan::{Counted, everything};
use super::{DumpEnd, Limits, Reader};
use crate::aggregate::{Aggregator, Query};
use crate::error::Result;
use crate::filter::{KernelFilter, Plan, Traits, partition};
use crate::flow::FlowRef;
use crate::kernel::Capabilities;

/// Entries looked at to choose the parts.
const SAMPLE: usize = 2_000;

/// A table of fewer entries is read faster than threads are started.
const WORTH_IT: u32 = 20_000;

impl Reader {
    /// Counts by up to so many dumps at a time; `None` where one has to do after all. Says also how
    /// long other threads have worked.
    pub(super) fn count_parts(
        &mut self,
        queries: &[Query],
        threads: usize,
        before: Limits,
        beside: &mut Duration,
    ) -> Result<Option<Counted>> {
        if threads < 2 || before.entries < WORTH_IT {
            return Ok(None);
        }
        let parts = self.parts(threads)?;
        if parts.len() < 2 {
            return Ok(None);
        }
        // A socket each, in the namespace of this one; where that cannot be had, one has to do.
        let readers: Result<Vec<_>> = parts.iter().map(|_| self.sibling()).collect();
        let Ok(readers) = readers else { return Ok(None) };
        let forked = Instant::now();
        let kernel = self.capabilities()?;
        let shares: Vec<Result<_>> = std::thread::scope(|scope| {
            let workers: Vec<_> = readers
                .into_iter()
                .zip(&parts)
                .map(|(mut reader, part)| scope.spawn(move || reader.share(queries, part, kernel)))
                .collect();
            let joined = workers.into_iter().map(std::thread::ScopedJoinHandle::join);
            joined
                .map(|share| share.unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
                .collect()
        });
        // Beside this thread's time, that of the others.
        let others = u32::try_from(parts.len() - 1).unwrap_or(u32::MAX);
        *beside = forked.elapsed().saturating_mul(others);
        let mut whole = Counted {
            aggregator: Aggregator::of(queries),
            end: DumpEnd::default(),
            malformed: 0,
            dumps: parts.len(),
            moving: parts.iter().any(KernelFilter::is_moving),
            stopped: None,
        };
        for share in shares {
            let Some((aggregator, end, malformed)) = share? else { return Ok(None) };
            if end.refused || whole.aggregator.merge(aggregator).is_err() {
                return Ok(None);
            }
            whole.end.add(end);
            whole.malformed += malformed;
        }
        Ok(Some(whole))
    }

    /// The parts to dump the table in.
    fn parts(&mut self, threads: usize) -> Result<Vec<KernelFilter>> {
        let mut sample = Vec::with_capacity(SAMPLE);
        self.each_entry(&everything(), |entry| {
            sample.push(Traits::from(&FlowRef::parse(entry)?));
            Ok(sample.len() < SAMPLE)
        })?;
        Ok(partition(&sample, &self.capabilities()?, threads))
    }

    /// Dumps one part and counts it; `None` if there are entries of another part in it, since the kernel
    /// ignores the filter.
    fn share(
        &mut self,
        queries: &[Query],
        part: &KernelFilter,
        kernel: Capabilities,
    ) -> Result<Option<(Aggregator, DumpEnd, u64)>> {
        let plan = Plan::of_part(*part, kernel);
        let (mut aggregator, mut all_inside) = (Aggregator::of_part(queries), true);
        let (end, malformed) = self.each_entry(&plan, |entry| {
            all_inside &= aggregator.record_in(entry, part)?;
            Ok(all_inside)
        })?;
        Ok(all_inside.then_some((aggregator, end, malformed)))
    }
}
