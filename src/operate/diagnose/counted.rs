//! The kernel's counters as everybody may read them.

use std::fs;
use std::path::Path;

use crate::kernel::stats::{Counter, Counts, CpuStats, Stats};

/// Names of columns that differ from those of netlink. The one for chains is `delete_list` on kernels
/// that do not count them.
const NAMES: [(&str, Counter); 3] = [
    ("icmp_error", Counter::ERROR),
    ("clashres", Counter::CLASH_RESOLVE),
    ("chainlength", Counter::CHAIN_TOOLONG),
];

/// The same name in both.
const SAME: [Counter; 8] = [
    Counter::FOUND,
    Counter::INVALID,
    Counter::IGNORE,
    Counter::INSERT,
    Counter::INSERT_FAILED,
    Counter::DROP,
    Counter::EARLY_DROP,
    Counter::SEARCH_RESTART,
];

/// The counters of the namespace, without privilege; `None` where this kernel does not show them.
pub(super) fn counters(root: &Path) -> Option<Stats<Counter>> {
    let of = |place: &str| fs::read_to_string(root.join(place).join("stat/nf_conntrack"));
    parse(&of("proc/thread-self/net").or_else(|_| of("proc/net")).ok()?)
}

/// A line of names, and one of hexadecimal numbers for each processor.
fn parse(text: &str) -> Option<Stats<Counter>> {
    let mut lines = text.lines();
    let columns: Vec<_> = lines.next()?.split_whitespace().map(counter).collect();
    let mut cpus = Vec::new();
    for (cpu, line) in (0..).zip(lines) {
        let numbers = line.split_whitespace().map(|word| u64::from_str_radix(word, 16));
        let named = columns.iter().zip(numbers);
        let counts: Counts<Counter> =
            named.filter_map(|(column, number)| Some(((*column)?, number.ok()?))).collect();
        cpus.push(CpuStats { cpu, counts });
    }
    (!cpus.is_empty()).then_some(Stats { cpus })
}

fn counter(name: &str) -> Option<Counter> {
    let other = NAMES.iter().find(|(column, _)| *column == name).map(|(_, counter)| *counter);
    other.or_else(|| SAME.into_iter().find(|counter| counter.name() == Some(name)))
}
