//! A file of whatever form: it is read up to where it is damaged, and never a panic, in bounded memory.

#![no_main]

use std::sync::LazyLock;

use ctnetlink::Query;
use ctnetlink::field::Keys;
use ctnetlink::files::snapshot::Snapshot;
use libfuzzer_sys::fuzz_target;

static QUERIES: LazyLock<[Query; 3]> = LazyLock::new(|| {
    ["source/24,state,protocol", "destination,dport,zone,mark,status,age", "source"]
        .map(|keys| Query::new().group_by(keys.parse::<Keys>().expect("keys")).memory(1 << 20))
});

fuzz_target!(|bytes: &[u8]| {
    let Ok(mut snapshot) = Snapshot::new(bytes) else { return };
    let reports = snapshot.scan_all(&*QUERIES).expect("memory does not fail to be read");
    let end = snapshot.end();
    // Every entry is counted, or said not to be.
    for report in &reports {
        assert!(report.flows() <= end.entries);
        assert!(report.flows() + end.malformed * 3 >= end.entries);
    }
    if let Some(damage) = &end.damage {
        assert!(!damage.what.is_empty());
    }
});
