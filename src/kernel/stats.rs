//! Counters of the kernel's tracking, kept per processor and network namespace.
//!
//! They are 32 bits wide, only ever grow, wrap, and cannot be reset: read them twice and look at
//! the difference, [`Stats::since`]. What the kernel does not send is absent and not zero, and a
//! counter this crate has no name for is kept by its number.

use std::collections::BTreeMap;
use std::fmt;

use crate::wire::{Attribute, Attributes, WireError};

/// Which counter: one of tracking ([`Counter`]) or of expectations ([`ExpectationCounter`]).
pub trait Kind: Copy + Ord + fmt::Debug + fmt::Display + From<u16> + sealed::Sealed {}

mod sealed {
    pub trait Sealed {}
}

macro_rules! counters {
    ($(#[$doc:meta])* $kind:ident { $($(#[$counter_doc:meta])* $counter:ident = $number:literal $name:literal $meaning:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $kind(pub u16);

        impl $kind {
            $($(#[$counter_doc])* pub const $counter: Self = Self($number);)*

            /// The kernel's name in lower case, for the counters that have one here.
            pub const fn name(self) -> Option<&'static str> {
                match self.0 {
                    $($number => Some($name),)*
                    _ => None,
                }
            }

            /// What it counts, in a few words.
            pub const fn meaning(self) -> &'static str {
                match self.0 {
                    $($number => $meaning,)*
                    _ => "a counter of a later or much earlier kernel",
                }
            }
        }

        impl sealed::Sealed for $kind {}
        impl Kind for $kind {}

        impl From<u16> for $kind {
            fn from(number: u16) -> Self {
                Self(number)
            }
        }

        /// The name, or `unknown` and the number.
        impl fmt::Display for $kind {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self.name() {
                    Some(name) => f.pad(name),
                    None => f.pad(&format!("unknown{}", self.0)),
                }
            }
        }
    };
}

counters! {
    /// A counter of tracking (`enum ctattr_stats_cpu`).
    #[doc(alias = "ctattr_stats_cpu")]
    Counter {
        /// How often NAT found a tuple taken and had to look for another. It does not count lookups. It
        /// is harmless, but a high number means that source ports run short.
        #[doc(alias = "CTA_STATS_FOUND")]
        FOUND = 2 "found" "NAT found a tuple taken and tried another",
        /// Packets that could not be tracked. With a rule that drops what is invalid, they are
        /// lost: look at `nf_conntrack_tcp_be_liberal` and at asymmetric routes.
        #[doc(alias = "CTA_STATS_INVALID")]
        INVALID = 4 "invalid" "packets that could not be tracked",
        /// Packets left alone on purpose. Linux 5.10 and later do not count them.
        #[doc(alias = "CTA_STATS_IGNORE")]
        IGNORE = 5 "ignore" "packets left alone (up to Linux 5.9)",
        /// Entries made over netlink. Flows that packets open are not in it.
        #[doc(alias = "CTA_STATS_INSERT")]
        INSERT = 8 "insert" "entries made over netlink",
        /// Packets dropped because their new entry lost a race for its tuple, or met a chain that
        /// is too long. With UDP to port 53 it is the race of two queries from one socket: a DNS
        /// time-out of five seconds. Use a resolver on the node, or `--random-fully` for NAT.
        #[doc(alias = "CTA_STATS_INSERT_FAILED")]
        INSERT_FAILED = 9 "insert_failed" "new entries that lost a race; the packet was dropped",
        /// Packets dropped because the table was full and nothing could be evicted, or for want
        /// of memory. Find who fills the table, and raise `nf_conntrack_max` and the buckets.
        #[doc(alias = "CTA_STATS_DROP")]
        DROP = 10 "drop" "packets dropped: the table was full",
        /// Entries that were not assured and were evicted for new ones: the table was full,
        /// though nothing was logged and no packet lost.
        #[doc(alias = "CTA_STATS_EARLY_DROP")]
        EARLY_DROP = 11 "early_drop" "entries evicted early: the table was full",
        /// ICMP packets that are too short or whose checksum is wrong.
        #[doc(alias = "CTA_STATS_ERROR")]
        ERROR = 12 "error" "broken ICMP packets",
        /// Lookups that had to start again since the table changed under them. A high number means
        /// heavy churn.
        #[doc(alias = "CTA_STATS_SEARCH_RESTART")]
        SEARCH_RESTART = 13 "search_restart" "lookups begun anew under churn",
        /// Races for a tuple that ended well, since Linux 5.10: the good half of
        /// [`INSERT_FAILED`](Self::INSERT_FAILED).
        #[doc(alias = "CTA_STATS_CLASH_RESOLVE")]
        CLASH_RESOLVE = 14 "clash_resolve" "races for a tuple that ended well",
        /// Entries refused because their hash chain was too long, since Linux 5.15. Raise the
        /// buckets, not the maximum.
        #[doc(alias = "CTA_STATS_CHAIN_TOOLONG")]
        CHAIN_TOOLONG = 15 "chain_toolong" "entries refused: too few buckets",
    }
}

counters! {
    /// A counter of expectations (`enum ctattr_expect_stats`).
    #[doc(alias = "ctattr_expect_stats")]
    ExpectationCounter {
        /// Flows that had been expected and came.
        #[doc(alias = "CTA_STATS_EXP_NEW")]
        NEW = 1 "new" "expected flows that came",
        /// Expectations that helpers made.
        #[doc(alias = "CTA_STATS_EXP_CREATE")]
        CREATE = 2 "create" "expectations made",
        /// Expectations that were removed.
        #[doc(alias = "CTA_STATS_EXP_DELETE")]
        DELETE = 3 "delete" "expectations removed",
    }
}

/// Counters with their values, in the order of their numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counts<C> {
    values: BTreeMap<C, u64>,
}

/// The counters of one processor. They serialize beside its number.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(bound = "C: Kind"))]
#[non_exhaustive]
pub struct CpuStats<C> {
    /// The processor's number.
    pub cpu: u16,
    /// Its counters; each is 32 bits wide in the kernel.
    #[cfg_attr(feature = "serde", serde(flatten))]
    pub counts: Counts<C>,
}

/// The counters of all processors, as they were at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(transparent, bound = "C: Kind"))]
#[non_exhaustive]
pub struct Stats<C> {
    /// Processor by processor: every one the host could have, present or not.
    pub cpus: Vec<CpuStats<C>>,
}

impl<C: Kind> Counts<C> {
    /// The value of a counter; `None` where the kernel did not send it.
    pub fn get(&self, counter: C) -> Option<u64> {
        self.values.get(&counter).copied()
    }

    /// Every counter the kernel sent.
    pub fn iter(&self) -> impl Iterator<Item = (C, u64)> + '_ {
        self.values.iter().map(|(counter, value)| (*counter, *value))
    }

    /// Reads the attributes of a processor's message, what stands behind its netfilter header.
    ///
    /// # Errors
    ///
    /// An attribute is malformed, or is not a number of 32 bits.
    pub fn parse(attributes: &[u8]) -> Result<Self, WireError> {
        let number = |attribute: Result<Attribute<'_>, WireError>| {
            let attribute = attribute?;
            Ok((C::from(attribute.kind), attribute.be32("CTA_STATS")?.into()))
        };
        Attributes::new(attributes).map(number).collect()
    }
}

/// Values of one counter are added.
impl<C: Kind> FromIterator<(C, u64)> for Counts<C> {
    fn from_iter<T: IntoIterator<Item = (C, u64)>>(counts: T) -> Self {
        let mut values = BTreeMap::new();
        for (counter, value) in counts {
            *values.entry(counter).or_default() += value;
        }
        Self { values }
    }
}

impl<C: Kind> Stats<C> {
    /// All processors together. The sum of counters that may have wrapped says little by itself;
    /// the difference of two readings does.
    pub fn sum(&self) -> Counts<C> {
        self.cpus.iter().flat_map(|cpu| cpu.counts.iter()).collect()
    }

    /// What was counted since an earlier reading of the same network namespace, all processors
    /// together. Right as long as no counter of a processor grew by 2³² in between. A counter or
    /// processor the earlier reading lacks is left out.
    pub fn since(&self, earlier: &Self) -> Counts<C> {
        let since = |now: &CpuStats<C>| {
            let then = earlier.cpus.iter().find(|then| then.cpu == now.cpu)?;
            let grown = |(counter, value): (C, u64)| {
                let before = then.counts.get(counter)?;
                // Both are 32 bits wide, and so is their distance.
                Some((counter, value.wrapping_sub(before) & u64::from(u32::MAX)))
            };
            Some(now.counts.iter().filter_map(grown).collect::<Vec<_>>())
        };
        self.cpus.iter().filter_map(since).flatten().collect()
    }
}

/// The names of the counters, and their values.
#[cfg(feature = "serde")]
impl<C: Kind> serde::Serialize for Counts<C> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter().map(|(counter, value)| (counter.to_string(), value)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stats(cpus: &[(u16, &[(u16, u32)])]) -> Stats<Counter> {
        let cpus = cpus.iter().map(|(cpu, values)| {
            let mut bytes = Vec::new();
            for (kind, value) in *values {
                bytes.extend(8_u16.to_ne_bytes());
                bytes.extend(kind.to_ne_bytes());
                bytes.extend(value.to_be_bytes());
            }
            CpuStats { cpu: *cpu, counts: Counts::parse(&bytes).unwrap() }
        });
        Stats { cpus: cpus.collect() }
    }

    #[test]
    fn a_difference_survives_the_wrap() {
        let then = stats(&[(0, &[(10, u32::MAX - 1), (11, 5)]), (1, &[(10, 7)])]);
        let now = stats(&[(1, &[(10, 9)]), (0, &[(10, 3), (11, 5), (15, 1)]), (2, &[(10, 100)])]);
        let since = now.since(&then);
        assert_eq!(since.get(Counter::DROP), Some(5 + 2));
        assert_eq!(since.get(Counter::EARLY_DROP), Some(0));
        assert_eq!(since.get(Counter::CHAIN_TOOLONG), None, "not known before, so not known");
    }

    #[test]
    fn sums_run_over_all_processors() {
        let now = stats(&[(0, &[(10, u32::MAX), (99, 1)]), (1, &[(10, u32::MAX)])]);
        assert_eq!(now.sum().get(Counter::DROP), Some(2 * u64::from(u32::MAX)));
        let names: Vec<_> = now.sum().iter().map(|(counter, _)| counter.to_string()).collect();
        assert_eq!(names, ["drop", "unknown99"]);
        assert_eq!(now.sum().get(Counter::INVALID), None);
    }

    #[test]
    fn a_counter_of_another_size_is_malformed() {
        assert!(Counts::<Counter>::parse(&[6, 0, 10, 0, 1, 1]).is_err());
    }

    #[cfg(feature = "json")]
    #[test]
    fn counters_serialize_beside_their_processor() {
        let stats = stats(&[(1, &[(11, 5), (10, 7)])]);
        assert_eq!(
            serde_json::to_string(&stats).unwrap(),
            r#"[{"cpu":1,"drop":7,"early_drop":5}]"#
        );
        assert_eq!(serde_json::to_string(&stats.sum()).unwrap(), r#"{"drop":7,"early_drop":5}"#);
    }
}
