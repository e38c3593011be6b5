//! A million entries, or as many as this machine has memory for.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use ctnetlink::Query;
use ctnetlink::testing::{Population, fill};
use serde_json::Value;

use crate::machine::{available_memory, command, empty_table, setting};
use crate::support::{Skip, Test, set};

pub const TESTS: &[(&str, Test)] =
    &[("a_million_entries_are_counted_exactly", a_million_entries_are_counted_exactly)];

/// The most entries; a kernel in QEMU without KVM makes some 20,000 a second.
const MOST: u64 = 1_000_000;

/// Bytes of memory for each entry: far more than it takes, since a small machine is a slow one, too.
const EACH: u64 = 3_500;

/// Entries of a small table, which is read by two dumps nevertheless.
const FEW: u64 = 25_000;

/// What a program may take more: pages of its own code, and not three bytes for each entry.
const SLACK: u64 = 512 * 1024;

/// The most memory a program has taken when it has looked at the table, and what it says.
fn look() -> (u64, Value) {
    let mut child = command("top_sources")
        .args(["--by", "state,protocol", "--threads", "2", "--json", "--watch", "60"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("a run");
    let mut line = String::new();
    let mut pipe = BufReader::new(child.stdout.take().expect("a pipe"));
    pipe.read_line(&mut line).expect("a look");
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).expect("a file");
    child.kill().expect("ended");
    child.wait().expect("its end");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a line");
    let peak = peak.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") * 1024;
    (peak, serde_json::from_str(&line).expect("JSON"))
}

fn a_million_entries_are_counted_exactly() -> Result<(), Skip> {
    let (max, buckets) = (setting("max"), setting("buckets"));
    let mut table = empty_table();
    let kernel = table.capabilities().expect("an answer");
    let entries = (available_memory() / EACH).min(MOST);
    // As many buckets, as there should be. Near the limit the kernel would evict what is not assured.
    set("nf_conntrack_max", &(entries * 2).to_string());
    set("nf_conntrack_buckets", &entries.to_string());
    fill(&mut table, &Population::new(FEW)).expect("room");
    let (few, first) = look();
    table.flush().expect("a flush");
    fill(&mut table, &Population::new(entries)).expect("room");
    let scan = table.scan(&Query::new()).expect("a scan");
    let (many, second) = look();
    table.flush().expect("a flush");
    set("nf_conntrack_buckets", &buckets.to_string());
    set("nf_conntrack_max", &max.to_string());
    assert_eq!((scan.report.flows(), scan.is_complete()), (entries, true));
    assert_eq!(u64::from(scan.after.entries), entries);
    for (document, entries) in [(first, FEW), (second, entries)] {
        assert_eq!((&document["flows"], &document["complete"]), (&entries.into(), &true.into()));
        // Without filters by status there may be nothing to cut such a table by.
        let parallel = !kernel.status_filter || document["mode"] == "parallel";
        assert!(parallel, "{document}");
    }
    assert!(many < few + SLACK, "{few} bytes for {FEW} entries, {many} for {entries}");
    Ok(())
}
