//! A hash table that gets another size while it is dumped: what the kernel does, and that we say so.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use ctnetlink::testing::{Population, fill};
use ctnetlink::{Conntrack, DumpEnd, DumpOptions, Query, ScanOptions};

use crate::machine::{empty_table, setting};
use crate::support::{Skip, Test, set};

pub const TESTS: &[(&str, Test)] = &[
    ("a_table_that_grows_under_a_dump", a_table_that_grows_under_a_dump),
    ("a_table_that_shrinks_under_a_dump", a_table_that_shrinks_under_a_dump),
    ("a_table_that_is_resized_under_a_scan", a_table_that_is_resized_under_a_scan),
];

const ENTRIES: usize = 6_000;

/// A table of so many buckets while something is done with it.
fn with_buckets<T>(buckets: i64, work: impl FnOnce(&mut Conntrack) -> T) -> T {
    let mut table = empty_table();
    let before = setting("buckets");
    set("nf_conntrack_buckets", &buckets.to_string());
    fill(&mut table, &Population::new(ENTRIES as u64)).expect("room");
    let done = work(&mut table);
    // Afterwards it is as good as new.
    let scan = table.scan(&Query::new()).expect("a scan");
    table.flush().expect("a flush");
    set("nf_conntrack_buckets", &before.to_string());
    assert_eq!((scan.report.flows(), scan.is_complete()), (ENTRIES as u64, true));
    done
}

/// Dumps a table of `from` buckets that has `to` of them once a third was seen; returns how many
/// entries were seen, and how many of them twice.
fn resized(from: i64, to: i64) -> (usize, usize, DumpEnd) {
    with_buckets(from, |table| {
        let mut seen: BTreeMap<String, usize> = BTreeMap::new();
        let mut dump = table.dump(DumpOptions::new()).expect("a dump");
        let mut pending = true;
        while let Some(batch) = dump.next_batch().expect("a batch") {
            for flow in batch.flows() {
                let flow = flow.expect("an entry").to_owned();
                *seen.entry(format!("{:?} {:?}", flow.zone, flow.original)).or_default() += 1;
            }
            if pending && seen.len() > ENTRIES / 3 {
                set("nf_conntrack_buckets", &to.to_string());
                pending = false;
            }
        }
        let twice = seen.values().filter(|&&times| times == 2).count();
        assert_eq!(seen.values().sum::<usize>(), seen.len() + twice, "none was seen thrice");
        (seen.len(), twice, dump.end())
    })
}

fn a_table_that_grows_under_a_dump() -> Result<(), Skip> {
    let (seen, twice, end) = resized(1024, 4096);
    assert_eq!(seen, ENTRIES, "none is left out");
    // All that was seen but for a quarter, which stands in the buckets before that.
    assert!((ENTRIES / 5..ENTRIES / 2).contains(&twice), "{twice} were seen twice");
    assert!(end.interrupted);
    Ok(())
}

fn a_table_that_shrinks_under_a_dump() -> Result<(), Skip> {
    let (seen, twice, end) = resized(4096, 1024);
    // The third was beyond all the buckets there are now.
    assert!(seen < ENTRIES / 2, "{seen} were seen");
    assert_eq!((twice, end.interrupted), (0, true));
    Ok(())
}

fn a_table_that_is_resized_under_a_scan() -> Result<(), Skip> {
    let scan = with_buckets(4096, |table| {
        let pending = std::cell::Cell::new(true);
        let resize = |progress: ctnetlink::Progress| {
            if pending.get() && progress.entries > ENTRIES as u64 / 3 {
                set("nf_conntrack_buckets", "1024");
                pending.set(false);
            }
            ControlFlow::Continue(())
        };
        let options = ScanOptions::new().progress(&resize);
        table.scan_with(&Query::new(), &options).expect("a scan")
    });
    assert!(scan.report.flows() < ENTRIES as u64 / 2 && !scan.is_complete());
    let entries = [scan.before.entries, scan.after.entries].map(|entries| entries as usize);
    assert_eq!(entries, [ENTRIES; 2], "which tells, too");
    Ok(())
}
