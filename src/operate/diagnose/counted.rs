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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_by_their_names() {
        let text = "entries  clashres found new invalid ignore delete chainlength insert insert_failed drop early_drop icmp_error  expect_new expect_create expect_delete search_restart\n\
            000000ff  00000001 00000002 00000003 00000004 00000005 00000006 00000007 00000008 00000009 0000000a 0000000b 0000000c  0000000d 0000000e 0000000f 00000010\n\
            000000ff  00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 fffffff0 00000000 00000000  00000000 00000000 00000000 00000000\n";
        let stats = parse(text).unwrap();
        assert_eq!(stats.cpus.len(), 2);
        let first = &stats.cpus[0].counts;
        for (counter, value) in [
            (Counter::CLASH_RESOLVE, 1),
            (Counter::FOUND, 2),
            (Counter::INVALID, 4),
            (Counter::CHAIN_TOOLONG, 7),
            (Counter::INSERT_FAILED, 9),
            (Counter::DROP, 10),
            (Counter::EARLY_DROP, 11),
            (Counter::ERROR, 12),
            (Counter::SEARCH_RESTART, 16),
        ] {
            assert_eq!(first.get(counter), Some(value), "{counter}");
        }
        assert_eq!(stats.sum().get(Counter::DROP), Some(0xffff_fffa));
        let old = parse("entries searched found delete_list drop\n1 2 3 4 5\n").unwrap();
        assert_eq!(old.sum().get(Counter::CHAIN_TOOLONG), None, "it is another column there");
        assert_eq!(parse(""), None);
        assert_eq!(parse("entries drop\n"), None);
    }
}
