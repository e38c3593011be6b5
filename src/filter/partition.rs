//! A table cut into parts that a kernel can dump one by one: together all of it, and no entry twice.
//!
//! Each part is a filter on the family, on status bits and on mark bits, since those can be split in
//! two for certain: whatever is not in the one half is in the other. Which of them cut evenly, a
//! sample of the table tells.

use super::condition::Masked;
use super::kernel_filter::KernelFilter;
use crate::flow::{Family, FlowRef, Status};
use crate::kernel::Capabilities;

/// What of an entry decides the part it is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Traits {
    family: Family,
    status: u32,
    mark: Option<u32>,
}

impl From<&FlowRef<'_>> for Traits {
    fn from(flow: &FlowRef<'_>) -> Self {
        let family = flow.original().family();
        Self { family, status: flow.status().bits(), mark: flow.mark() }
    }
}

/// One way to cut a part in two.
#[derive(Debug, Clone, Copy)]
enum Cut {
    Family,
    Status(u32),
    Mark(u32),
}

/// The larger half of an even cut is half of the part; of one that gains nothing, all of it. A cut
/// is worth another walk over the table up to here.
const UNEVEN: f64 = 0.8;

/// Bits that may be set while a dump goes on: an entry that gets one moves to another part, and may
/// be seen twice, or not at all. They are taken only if they cut that much more evenly.
const MOVING: Status = Status::SEEN_REPLY.union(Status::ASSURED);
const HANDICAP: f64 = 0.1;

impl Cut {
    fn all(kernel: &Capabilities, sample: &[Traits]) -> Vec<Self> {
        let mut cuts = vec![Self::Family];
        if kernel.status_filter {
            cuts.extend((0..16).map(|bit| Self::Status(1 << bit)));
        }
        if sample.iter().all(|entry| entry.mark.is_some()) {
            cuts.extend((0..32).map(|bit| Self::Mark(1 << bit)));
        }
        cuts
    }

    /// Which half an entry is in.
    fn is_second(self, entry: &Traits) -> bool {
        match self {
            Self::Family => entry.family == Family::Ipv6,
            Self::Status(bit) => entry.status & bit != 0,
            Self::Mark(bit) => entry.mark.unwrap_or_default() & bit != 0,
        }
    }

    fn is_moving(self) -> bool {
        match self {
            Self::Family => false,
            Self::Status(bit) => MOVING.bits() & bit != 0,
            Self::Mark(_) => true, // a rule may set it at any time
        }
    }

    /// The share of the larger half.
    fn larger(self, part: &[Traits]) -> f64 {
        let second = part.iter().filter(|entry| self.is_second(entry)).count();
        second.max(part.len() - second) as f64 / part.len().max(1) as f64
    }

    /// What counts against it besides.
    fn handicap(self) -> f64 {
        if self.is_moving() { HANDICAP } else { 0.0 }
    }

    fn apply(self, part: &KernelFilter, second: bool) -> KernelFilter {
        let mut part = *part;
        let with = |place: &mut Option<Masked>, bit: u32| {
            let masked = place.get_or_insert(Masked { value: 0, mask: 0 });
            masked.mask |= bit;
            masked.value |= if second { bit } else { 0 };
        };
        match self {
            Self::Family if second => part.family = Some(Family::Ipv6),
            Self::Family => part.family = Some(Family::Ipv4),
            Self::Status(bit) => with(&mut part.status, bit),
            Self::Mark(bit) => with(&mut part.mark, bit),
        }
        part
    }
}

/// Cuts the table into at most `parts` parts, as even as the sample allows; one part is the whole.
pub(crate) fn partition(
    sample: &[Traits],
    kernel: &Capabilities,
    parts: usize,
) -> Vec<KernelFilter> {
    let mut cut: Vec<(KernelFilter, Vec<Traits>)> =
        vec![(KernelFilter::default(), sample.to_vec())];
    while cut.len() < parts {
        let Some((largest, _)) = cut.iter().enumerate().max_by_key(|(_, (_, part))| part.len())
        else {
            break;
        };
        let (filter, part) = cut.swap_remove(largest);
        let best = Cut::all(kernel, &part)
            .into_iter()
            .map(|way| (way, way.larger(&part)))
            .filter(|(_, larger)| *larger <= UNEVEN && !part.is_empty())
            .min_by(|a, b| (a.1 + a.0.handicap()).total_cmp(&(b.1 + b.0.handicap())));
        let Some((way, _)) = best else {
            cut.push((filter, part));
            break;
        };
        let (second, first) = part.into_iter().partition(|entry| way.is_second(entry));
        cut.push((way.apply(&filter, false), first));
        cut.push((way.apply(&filter, true), second));
    }
    cut.into_iter().map(|(filter, _)| filter).collect()
}

impl KernelFilter {
    /// Whether an entry is in this part, by its status and mark. (That its family is the one asked
    /// for, the dump sees to.)
    #[inline]
    pub(crate) fn holds(&self, status: Status, mark: Option<u32>) -> bool {
        let is = |masked: Option<Masked>, value: u32| {
            masked.is_none_or(|masked| value & masked.mask == masked.value)
        };
        is(self.status, status.bits()) && is(self.mark, mark.unwrap_or_default())
    }

    /// Whether a part may lose entries to another while it is dumped.
    pub(crate) fn is_moving(&self) -> bool {
        self.mark.is_some() || self.status.is_some_and(|masked| masked.mask & MOVING.bits() != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::Version;

    fn traits(number: u32) -> Traits {
        Traits {
            family: if number % 3 == 0 { Family::Ipv6 } else { Family::Ipv4 },
            status: 0x8 | (number & 1) << 2 | (number >> 1 & 1) << 4,
            mark: Some(number >> 2 & 7),
        }
    }

    #[test]
    fn every_entry_is_in_exactly_one_part() {
        let sample: Vec<_> = (0..1000).map(traits).collect();
        for version in [Version::new(4, 18), Version::new(6, 18)] {
            for parts in 1..12 {
                let cut = partition(&sample, &Capabilities::of(version), parts);
                assert!(!cut.is_empty() && cut.len() <= parts);
                for entry in (0..5000).map(traits) {
                    let holds = |part: &&KernelFilter| {
                        part.holds(Status::from_bits_retain(entry.status), entry.mark)
                            && part.family.is_none_or(|family| family == entry.family)
                    };
                    assert_eq!(cut.iter().filter(holds).count(), 1, "{entry:?} {cut:?}");
                }
                let filtered = cut.iter().any(|part| part.status.is_some());
                assert!(!filtered || version > Version::new(5, 15), "ignored by the kernel");
            }
        }
    }

    #[test]
    fn even_cuts_that_stay_are_preferred() {
        let kernel = Capabilities::of(Version::new(6, 18));
        let sample: Vec<_> = (0..1000).map(traits).collect();
        let [first, second] = &partition(&sample, &kernel, 2)[..] else { panic!("two parts") };
        // ASSURED and SRC_NAT cut in half; only the latter stays as it is.
        assert_eq!(first.status, Some(Masked { value: 0, mask: 0x10 }));
        assert_eq!(second.status, Some(Masked { value: 0x10, mask: 0x10 }));
        assert!(!first.is_moving() && !second.is_moving());
        // Nothing to cut by, or nothing at all.
        let alike = vec![traits(4); 500];
        assert_eq!(partition(&alike, &kernel, 4), [KernelFilter::default()]);
        assert_eq!(partition(&[], &kernel, 4), [KernelFilter::default()]);
    }
}
