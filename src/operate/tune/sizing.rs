//! How large a kernel makes the table, and how large it should be: arithmetic alone.
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

/// The two sizes of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Sizes {
    /// `nf_conntrack_max`.
    pub max: u64,
    /// `nf_conntrack_buckets`.
    pub buckets: u64,
}

/// The sizes that a 64-bit kernel of this version chooses on a machine with this much memory, if no
/// `hashsize` is given.
///
/// Source: `nf_conntrack_init_start` of each version; since 5.15 there are at least as many buckets as
/// entries (commit d532bcd0b269).
pub fn defaults(kernel: Version, ram: u64) -> Sizes {
    const GIB: u64 = 1 << 30;
    // Above 4 GiB, above 1 GiB, and the least and the most below that; entries for each bucket.
    let (large, medium, least, most, factor) = if kernel >= Version::new(5, 15) {
        (262_144, 65_536, 1024, 262_144, 1)
    } else if kernel >= Version::new(3, 19) {
        (65_536, 16_384, 32, 16_384, 4)
    } else {
        (16_384, 16_384, 32, 16_384, 4)
    };
    let buckets = match ram {
        ram if ram > 4 * GIB => large,
        ram if ram > GIB => medium,
        ram => (ram / 16_384 / BUCKET).clamp(least, most),
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

/// The number of buckets that the kernel makes when it is given this one: whole pages of them.
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

/// How many entries fit, whatever the limit says: since 5.15 an entry whose chain is too long is refused
/// (`chaintoolong`). A limit of 0 means no limit.
pub fn capacity(kernel: Version, sizes: Sizes) -> u64 {
    let limit = if sizes.max == 0 { u64::MAX } else { sizes.max };
    match kernel >= Version::new(5, 15) {
        true => limit.min(sizes.buckets.saturating_mul(CAPACITY_PER_BUCKET)),
        false => limit,
    }
}

/// The mean length of a chain: every entry stands in two.
pub fn load(entries: u64, buckets: u64) -> f64 {
    2.0 * entries as f64 / buckets.max(1) as f64
}

/// The bytes that an entry takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct PerEntry {
    /// Those of the entry itself.
    pub object: u64,
    /// Those of its extensions, which are allocated apart.
    pub extensions: u64,
}

impl PerEntry {
    /// Measured on 6.18: an entry without extensions.
    pub const BARE: Self = Self { object: 256, extensions: 0 };
    /// Measured on 6.1, 6.18 and 7.2: with any of accounting, NAT, labels and events, in the smallest piece of memory
    /// there is for extensions. On 5.10 it is 470 bytes in all.
    pub const EXTENDED: Self = Self { object: 256, extensions: 128 };
    /// Measured on 6.18: with accounting, timestamps and events together.
    pub const EVERYTHING: Self = Self { object: 256, extensions: 192 };

    /// The same with the size of the object from the text of `/proc/slabinfo`, which only root may read.
    #[must_use]
    pub fn with_slabinfo(self, text: &str) -> Self {
        let line = text.lines().find(|line| line.starts_with("nf_conntrack "));
        let size = line.and_then(|line| line.split_whitespace().nth(3)?.parse().ok());
        Self { object: size.filter(|&size| size > 0).unwrap_or(self.object), ..self }
    }

    /// The sum of both.
    pub const fn bytes(self) -> u64 {
        self.object + self.extensions
    }
}

/// The bytes of a table with these entries and buckets. Before 4.7 every network namespace had buckets of its own.
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

/// What the table is needed for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Need {
    /// The kernel.
    pub kernel: Version,
    /// Bytes of memory the machine has.
    pub ram: u64,
    /// The most entries there were at a time.
    pub peak: u64,
    /// Room for how many times the peak; less than 1.0 counts as 1.0.
    pub growth: f64,
    /// Network namespaces that use the table, this one included. Each may have as many entries as the limit.
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
    /// Entries that fit into a table of these sizes.
    pub capacity: u64,
    /// The mean length of a chain when this namespace's table is full.
    pub load: f64,
    /// Bytes when this namespace's table is full.
    pub memory: u64,
    /// Bytes when the tables of all namespaces are full.
    pub memory_at_worst: u64,
    /// Why these sizes.
    pub reasons: Vec<AdviceReason>,
}

/// A rule that decided something about an advice.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct AdviceReason {
    /// What was decided, and why.
    pub text: String,
    /// Where the rule is from.
    pub source: &'static str,
}

/// The table may take an eighth of the machine's memory.
const SHARE_OF_RAM: u64 = 8;

/// The sizes for a need: room for the peak times the growth, rounded up to a power of two, with as many buckets as
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
    let Need { kernel, ram, peak, growth, namespaces, per_entry } = *need;
    let growth = growth.max(1.0);
    let mut reasons = Vec::new();
    let mut reason = |text: String, source| reasons.push(AdviceReason { text, source });
    let least = defaults(kernel, ram).max;
    let wanted = (peak as f64 * growth).min(1e12) as u64;
    let mut max = wanted.max(1).next_power_of_two();
    reason(
        format!("max {max}: room for {wanted}, the peak of {peak} times {growth:.1}"),
        "the caller's numbers, rounded up to a power of two",
    );
    if max < least {
        max = least;
        reason(format!("max {max}: no less than what this kernel takes by itself"), DEFAULTS);
    }
    let each = memory(kernel, 1, per_entry, 1, namespaces);
    let affordable = ram / SHARE_OF_RAM / each;
    let affordable = affordable - affordable % (PAGE / BUCKET);
    if max > affordable {
        max = affordable.max(least);
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
    if kernel >= Version::new(5, 15) {
        let fewest = max.div_ceil(CAPACITY_PER_BUCKET);
        reason(
            format!("fewer than {fewest} buckets would refuse entries before the limit"),
            "commits d7e7747ac5c2 and c77737b736ce: chains of 50 to 79 are refused; measured on 6.18",
        );
    }
    if namespaces > 1 {
        reason(
            format!(
                "each of {namespaces} network namespaces may have as many: all share the buckets and the memory"
            ),
            "commit 56d52d4892d0 (Linux 4.7): one hash table; the limit is compared with each namespace's own count",
        );
    }
    let sizes = Sizes { max, buckets };
    let of =
        |tables: u64| memory(kernel, max.saturating_mul(tables), per_entry, buckets, namespaces);
    Advice {
        sizes,
        capacity: capacity(kernel, sizes),
        load: load(max, buckets),
        memory: of(1),
        memory_at_worst: of(namespaces.max(1)),
        reasons,
    }
}

const DEFAULTS: &str = "nf_conntrack_init_start of this version; see defaults()";
