//! What this kernel has and the crate does not know: settings, attributes, counters.
//!
//! A kernel newer than `KNOWN_UP_TO` may have more. The test then prints a finding and does not fail, so
//! that a new kernel shows what there is to add. On all other kernels something unknown is a failure.

use std::collections::BTreeSet;

use ctnetlink::kernel::Version;
use ctnetlink::kernel::stats::{Counter, ExpectationCounter};
use ctnetlink::operate::tune::Settings;
use ctnetlink::{DumpOptions, Reader};

use crate::support::{Skip, Test, menagerie, set, table};

pub const TESTS: &[(&str, Test)] = &[
    ("settings", settings),
    ("attributes_of_entries", attributes_of_entries),
    ("counters", counters),
];

/// The newest kernel whose settings, attributes and counters were all looked at.
const KNOWN_UP_TO: Version = Version::new(7, 2);

/// The release of this kernel.
pub fn release() -> String {
    rustix::system::uname().release().to_string_lossy().into_owned()
}

/// Tells that there is something of this kernel to be looked into.
pub fn finding(what: &str) {
    let release = release();
    let version: Option<Version> = release.parse().ok();
    let name = version.map_or(release, |version| version.to_string());
    eprintln!("finding: linux {name} {what}");
}

/// Tells what is unknown, which there must not be on a kernel that was looked at.
fn told(unknown: &BTreeSet<String>) {
    for what in unknown {
        finding(&format!("has {what}, which is not known"));
    }
    let version: Version = release().parse().expect("a version");
    assert!(version > KNOWN_UP_TO || unknown.is_empty(), "{unknown:?}");
}

/// Those of the table; `nf_flowtable_*`, `nf_log*` and others beside them are not.
fn settings() -> Result<(), Skip> {
    let all = Settings::here().all().expect("settings");
    let unknown = all.iter().filter(|setting| setting.about == "(not known here)");
    told(&unknown.map(|setting| format!("the setting {}", setting.name)).collect());
    Ok(())
}

fn attributes_of_entries() -> Result<(), Skip> {
    set("nf_conntrack_acct", "1");
    set("nf_conntrack_timestamp", "1");
    menagerie(1_000);
    let mut unknown = BTreeSet::new();
    let mut reader = Reader::open().expect("a table");
    let mut dump = reader.dump(DumpOptions::new()).expect("a dump");
    while let Some(batch) = dump.next_batch().expect("entries") {
        for flow in batch.flows() {
            let flow = flow.expect("an entry");
            let kinds = flow.unknown_attributes().map(|attribute| attribute.kind);
            unknown.extend(kinds.map(|kind| format!("attribute {kind} of entries")));
        }
    }
    told(&unknown);
    Ok(())
}

fn counters() -> Result<(), Skip> {
    let mut table = table();
    let sum = table.stats().expect("counters").sum();
    let unnamed = sum.iter().filter(|(counter, _): &(Counter, u64)| counter.name().is_none());
    let mut unknown: BTreeSet<String> =
        unnamed.map(|(counter, _)| format!("counter {}", counter.0)).collect();
    let sum = table.expectation_stats().expect("counters").sum();
    let unnamed =
        sum.iter().filter(|(counter, _): &(ExpectationCounter, u64)| counter.name().is_none());
    unknown.extend(unnamed.map(|(counter, _)| format!("counter {} of expectations", counter.0)));
    told(&unknown);
    Ok(())
}
