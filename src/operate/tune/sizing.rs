//! How large the table is by itself, and how large it should be: arithmetic, no machine.
//!
//! Every number has a source: the kernel's own code and commits, or a measurement on Linux 6.18.

use crate::kernel::Version;

/// Bytes of a page, which decides how buckets are rounded; that of nearly all machines.
const PAGE: u64 = 4096;

/// Bytes of a bucket.
const BUCKET: u64 = 8;

/// Entries per bucket beyond which inserting begins to fail, since 5.15: every entry stands in two
/// chains, which may be 50 to 79 long at random. Measured: none failed up to 13 entries per bucket
/// (load 26), 1 of 262,000 at 14.
const CAPACITY_PER_BUCKET: u64 = 12;

/// What a kernel makes of a machine, unless it is told otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Sizes {
    /// `nf_conntrack_max`.
    pub max: u64,
    /// `nf_conntrack_buckets`.
    pub buckets: u64,
}

/// The sizes a 64-bit kernel of this version takes on a machine with so much memory, if no
/// `hashsize` is given.
///
/// Source: `nf_conntrack_init_start` of each version; since 5.15 buckets are at least as many as the
/// most entries (commit d532bcd0b269).
pub fn defaults(kernel: Version, ram: u64) -> Sizes {
    const GIB: u64 = 1 << 30;
    let computed = |least: u64, most: u64| (ram / 16_384 / BUCKET).clamp(least, most);
    let (buckets, factor) = if kernel >= Version::new(5, 15) {
        let buckets = match ram {
            ram if ram > 4 * GIB => 262_144,
            ram if ram > GIB => 65_536,
            _ => computed(1024, 262_144),
        };
        (buckets, 1)
    } else if kernel >= Version::new(3, 19) {
        let buckets = match ram {
            ram if ram > 4 * GIB => 65_536,
            ram if ram > GIB => 16_384,
            _ => computed(32, 16_384),
        };
        (buckets, 4)
    } else {
        (if ram > GIB { 16_384 } else { computed(32, 16_384) }, 4)
    };
    let buckets = rounded(buckets);
    Sizes { max: buckets * factor, buckets }
}

/// The sizes after `options nf_conntrack hashsize=N`, or `nf_conntrack.hashsize=N` on the kernel's
/// command line: the most entries become eight times the buckets, in every version.
pub fn with_hashsize(hashsize: u64) -> Sizes {
    let buckets = rounded(hashsize.max(1));
    Sizes { max: buckets.saturating_mul(8), buckets }
}

/// What the kernel makes of a number of buckets: whole pages of them.
pub fn rounded(buckets: u64) -> u64 {
    buckets.checked_next_multiple_of(PAGE / BUCKET).unwrap_or(u64::MAX - u64::MAX % (PAGE / BUCKET))
}

/// The file that changes the number of buckets on every kernel; since 4.8 `nf_conntrack_buckets` does, too.
pub const HASHSIZE: &str = "/sys/module/nf_conntrack/parameters/hashsize";

/// Whether `nf_conntrack_buckets` can only be read on a kernel of this version, even in the initial network namespace.
/// There, [`HASHSIZE`] sets the buckets.
pub fn buckets_are_read_only(kernel: Version) -> bool {
    kernel < Version::new(4, 8)
}

/// The command that sets this many buckets until the next boot, on a kernel of this version. It needs root and the
/// initial network namespace.
///
/// ```
/// use ctnetlink::kernel::Version;
/// use ctnetlink::operate::tune::sizing::set_buckets;
/// let centos_7 = Version::new(3, 10);
/// assert_eq!(set_buckets(centos_7, 512), "echo 512 > /sys/module/nf_conntrack/parameters/hashsize");
/// let debian_12 = Version::new(6, 1);
/// assert_eq!(set_buckets(debian_12, 512), "sysctl -w net.netfilter.nf_conntrack_buckets=512");
/// ```
pub fn set_buckets(kernel: Version, buckets: u64) -> String {
    match buckets_are_read_only(kernel) {
        true => format!("echo {buckets} > {HASHSIZE}"),
        false => format!("sysctl -w net.netfilter.nf_conntrack_buckets={buckets}"),
    }
}

/// How many entries really fit, whatever the limit says: since 5.15 an entry whose chain is too long
/// is refused (`chaintoolong`). 0 as a limit means none.
pub fn capacity(kernel: Version, sizes: Sizes) -> u64 {
    let limit = if sizes.max == 0 { u64::MAX } else { sizes.max };
    match kernel >= Version::new(5, 15) {
        true => limit.min(sizes.buckets.saturating_mul(CAPACITY_PER_BUCKET)),
        false => limit,
    }
}

/// The mean length of a chain with so many entries: every one stands in two.
pub fn load(entries: u64, buckets: u64) -> f64 {
    2.0 * entries as f64 / buckets.max(1) as f64
}

/// Bytes an entry takes, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct PerEntry {
    /// Of the entry itself.
    pub object: u64,
    /// Of its extensions, which are allocated apart.
    pub extensions: u64,
}

impl PerEntry {
    /// Measured on 6.18: an entry without extensions.
    pub const BARE: Self = Self { object: 256, extensions: 0 };
    /// Measured on 6.1, 6.18 and 7.2: with accounting, NAT, labels or events: any of them, in the
    /// smallest piece of memory there is for extensions. On 5.10 it is 470 bytes in all.
    pub const EXTENDED: Self = Self { object: 256, extensions: 128 };
    /// Measured on 6.18: with accounting, timestamps and events together.
    pub const EVERYTHING: Self = Self { object: 256, extensions: 192 };

    /// With the size of the object that `/proc/slabinfo` says, which only root may read; `text` is
    /// that file.
    #[must_use]
    pub fn with_slabinfo(self, text: &str) -> Self {
        let line = text.lines().find(|line| line.starts_with("nf_conntrack "));
        let size = line.and_then(|line| line.split_whitespace().nth(3)?.parse().ok());
        Self { object: size.filter(|&size| size > 0).unwrap_or(self.object), ..self }
    }

    /// Both together.
    pub const fn bytes(self) -> u64 {
        self.object + self.extensions
    }
}

/// Bytes of a table of so many entries and buckets. Before 4.7 every network namespace had buckets
/// of its own.
pub fn memory(
    kernel: Version,
    entries: u64,
    per_entry: PerEntry,
    buckets: u64,
    namespaces: u64,
) -> u64 {
    let tables = if kernel < Version::new(4, 7) { namespaces.max(1) } else { 1 };
    let hash = buckets.saturating_mul(BUCKET).saturating_mul(tables);
    entries.saturating_mul(per_entry.bytes()).saturating_add(hash)
}

/// What advice is about.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Need {
    /// The kernel.
    pub kernel: Version,
    /// Bytes of memory the machine has.
    pub ram: u64,
    /// The most entries there were at a time.
    pub peak: u64,
    /// How much more is to fit: 2.0 is twice the peak.
    pub growth: f64,
    /// Network namespaces that use the table, this one included; each may have as many.
    pub namespaces: u64,
    /// Bytes an entry takes.
    pub per_entry: PerEntry,
}

/// Sizes to set, and why.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Advice {
    /// The sizes.
    pub sizes: Sizes,
    /// Entries that really fit then.
    pub capacity: u64,
    /// The mean length of a chain when this namespace's table is full.
    pub load: f64,
    /// Bytes when this namespace's table is full.
    pub memory: u64,
    /// The same, if all namespaces' were.
    pub memory_at_worst: u64,
    /// What was considered, with where it is from.
    pub reasons: Vec<Reason>,
}

/// A rule that was applied.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Reason {
    /// What was decided, and why.
    pub text: String,
    /// Where the rule is from.
    pub source: &'static str,
}

/// Memory that the table may take at the most: an eighth of the machine's.
const SHARE_OF_RAM: u64 = 8;

/// Sizes for a need: room for the peak times the growth, in powers of two, as many buckets as
/// entries, within an eighth of the memory.
///
/// ```
/// use ctnetlink::kernel::Version;
/// use ctnetlink::operate::tune::sizing::{Need, PerEntry, advise};
/// let advice = advise(&Need {
///     kernel: Version::new(6, 1),
///     ram: 16 << 30,
///     peak: 250_000,
///     growth: 2.0,
///     namespaces: 1,
///     per_entry: PerEntry::EXTENDED,
/// });
/// assert_eq!((advice.sizes.max, advice.sizes.buckets), (524_288, 524_288));
/// ```
pub fn advise(need: &Need) -> Advice {
    let mut reasons = Vec::new();
    let mut reason = |text: String, source| reasons.push(Reason { text, source });
    let least = defaults(need.kernel, need.ram);
    let wanted = (need.peak as f64 * need.growth.max(1.0)).min(1e12) as u64;
    let mut max = wanted.max(1).next_power_of_two();
    reason(
        format!(
            "max {max}: room for {wanted}, the peak of {} times {:.1}",
            need.peak,
            need.growth.max(1.0)
        ),
        "the caller's numbers, rounded up to a power of two",
    );
    if max < least.max {
        max = least.max;
        reason(format!("max {max}: no less than what this kernel takes by itself"), DEFAULTS);
    }
    let each = memory(need.kernel, 1, need.per_entry, 1, need.namespaces);
    let affordable = need.ram / SHARE_OF_RAM / each;
    let affordable = affordable - affordable % (PAGE / BUCKET);
    if max > affordable {
        max = affordable.max(least.max);
        reason(
            format!(
                "max {max}: more would take over an eighth of the memory at {each} bytes an entry; \
                 find out who fills the table instead"
            ),
            "256 bytes an entry and 128 or more of extensions, measured on Linux 6.18",
        );
    }
    let buckets = rounded(max);
    reason(
        format!(
            "buckets {buckets}: as many as entries, so that chains are two long when it is full"
        ),
        "commit d532bcd0b269 (Linux 5.15): at least as many buckets as entries; 8 bytes each",
    );
    if need.kernel >= Version::new(5, 15) {
        reason(
            format!(
                "fewer than {} buckets would refuse entries before the limit",
                max.div_ceil(CAPACITY_PER_BUCKET)
            ),
            "commits d7e7747ac5c2 and c77737b736ce: chains of 50 to 79 are refused; measured on 6.18",
        );
    }
    if need.namespaces > 1 {
        reason(
            format!(
                "each of {} network namespaces may have as many: all share the buckets and the memory",
                need.namespaces
            ),
            "commit 56d52d4892d0 (Linux 4.7): one hash table; the limit is compared with each namespace's own count",
        );
    }
    let sizes = Sizes { max, buckets };
    let of = |tables: u64| {
        memory(need.kernel, max.saturating_mul(tables), need.per_entry, buckets, need.namespaces)
    };
    Advice {
        sizes,
        capacity: capacity(need.kernel, sizes),
        load: load(max, buckets),
        memory: of(1),
        memory_at_worst: of(need.namespaces.max(1)),
        reasons,
    }
}

const DEFAULTS: &str = "nf_conntrack_init_start of this version; see defaults()";

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;

    #[test]
    fn check_0_7_defaults_by_kernel_and_memory() {
        // Buckets with 1, 4, 8 and 64 GiB, and how many entries each is for.
        let until_3_18 = [8_192, 16_384, 16_384, 16_384];
        let until_5_14 = [8_192, 16_384, 65_536, 65_536];
        let since_5_15 = [8_192, 65_536, 262_144, 262_144];
        for (kernel, buckets, entries) in [
            ((3, 10), until_3_18, 4),
            ((4, 18), until_5_14, 4),
            ((5, 10), until_5_14, 4),
            ((5, 15), since_5_15, 1),
            ((6, 18), since_5_15, 1),
        ] {
            for (gib, buckets) in [1, 4, 8, 64].into_iter().zip(buckets) {
                let found = defaults(Version::new(kernel.0, kernel.1), gib * GIB);
                let expected = Sizes { max: buckets * entries, buckets };
                assert_eq!(found, expected, "{kernel:?} with {gib} GiB");
            }
        }
    }

    #[test]
    fn a_hashsize_makes_eight_times_as_many_entries() {
        assert_eq!(with_hashsize(262_144), Sizes { max: 2_097_152, buckets: 262_144 });
        assert_eq!(with_hashsize(1000).buckets, 1024, "whole pages");
        assert_eq!(with_hashsize(0).buckets, 512);
    }

    #[test]
    fn few_buckets_are_the_limit_since_5_15() {
        let sizes = Sizes { max: 2_097_152, buckets: 16_384 };
        assert_eq!(capacity(Version::new(6, 1), sizes), 196_608);
        assert_eq!(capacity(Version::new(3, 10), sizes), 2_097_152);
        assert_eq!(capacity(Version::new(6, 1), Sizes { max: 0, buckets: 512 }), 6_144, "no limit");
        assert_eq!(load(2_097_152, 16_384), 256.0);
        assert_eq!(load(1, 0), 2.0);
    }

    #[test]
    fn check_2_5_memory_is_entries_and_buckets() {
        let modern = Version::new(6, 18);
        assert_eq!(memory(modern, 1_000_000, PerEntry::EXTENDED, 0, 1), 384_000_000);
        assert_eq!(memory(modern, 0, PerEntry::BARE, 262_144, 50), 2 << 20);
        assert_eq!(memory(Version::new(3, 10), 0, PerEntry::BARE, 16_384, 96), 96 * (128 << 10));
        let slabinfo = "slabinfo - version: 2.1\n# name <active> <num> <objsize>\n\
                        nf_conntrack 12 48 320 12 1 : tunables 0 0 0\n";
        assert_eq!(PerEntry::EXTENDED.with_slabinfo(slabinfo).bytes(), 448);
        assert_eq!(PerEntry::EXTENDED.with_slabinfo("nf_conntrack a b c"), PerEntry::EXTENDED);
    }

    #[test]
    fn check_1_5_advice_for_known_machines() {
        // Entries and buckets; MiB when it is full, 384 bytes an entry and 8 a bucket; reasons.
        for (kernel, gib, peak, growth, namespaces, max, mib, reasons) in [
            // A small machine of today: what the kernel takes by itself is enough.
            ((6, 18), 8, 20_000, 2.0, 1, 262_144, 98, 4),
            ((6, 18), 64, 250_000, 2.0, 1, 524_288, 196, 3),
            // A node with a namespace for every pod.
            ((5, 15), 16, 600_000, 1.5, 50, 1_048_576, 392, 4),
            // No chain is refused before 5.15.
            ((4, 18), 16, 600_000, 1.5, 1, 1_048_576, 392, 2),
            ((3, 10), 4, 60_000, 1.0, 1, 65_536, 24, 2),
            // More than an eighth of 2 GiB: no more than that, in whole pages of buckets.
            ((6, 1), 2, 5_000_000, 2.0, 1, 684_544, 255, 4),
        ] {
            let advice = advise(&Need {
                kernel: Version::new(kernel.0, kernel.1),
                ram: gib * GIB,
                peak,
                growth,
                namespaces,
                per_entry: PerEntry::EXTENDED,
            });
            let found = (advice.sizes.max, advice.sizes.buckets, advice.memory >> 20);
            assert_eq!(found, (max, max, mib), "{kernel:?} with {gib} GiB for {peak}");
            assert_eq!((advice.capacity, advice.load), (max, 2.0));
            assert_eq!(advice.memory_at_worst >> 20, {
                let entries = 384 * max * namespaces;
                (entries + 8 * max) >> 20
            });
            assert_eq!(advice.reasons.len(), reasons, "{:#?}", advice.reasons);
            assert!(advice.reasons.iter().all(|reason| !reason.source.is_empty()));
        }
    }

    #[test]
    fn check_1_5_advice_keeps_its_own_rules() {
        for (major, minor) in [(3, 10), (4, 18), (5, 10), (5, 15), (6, 1), (6, 18)] {
            for gib in [1, 2, 8, 64, 256] {
                for peak in [0, 1, 100_000, 1_000_000, 50_000_000, u64::MAX] {
                    for (growth, namespaces) in [(0.0, 0), (1.5, 1), (4.0, 300), (f64::NAN, 2)] {
                        let kernel = Version::new(major, minor);
                        let need = Need {
                            kernel,
                            ram: gib * GIB,
                            peak,
                            growth,
                            namespaces,
                            per_entry: PerEntry::EXTENDED,
                        };
                        let advice = advise(&need);
                        let Sizes { max, buckets } = advice.sizes;
                        assert!(buckets >= max && advice.load <= 2.0, "{need:?}: {advice:?}");
                        assert_eq!(advice.capacity, max, "buckets are no limit");
                        assert!(max >= defaults(kernel, need.ram).max);
                        let within = advice.memory <= need.ram / 8;
                        assert!(within || max == defaults(kernel, need.ram).max, "{need:?}");
                        assert!(advice.memory_at_worst >= advice.memory);
                        assert!(!advice.reasons.is_empty());
                    }
                }
            }
        }
    }
}
