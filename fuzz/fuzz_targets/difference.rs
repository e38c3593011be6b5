//! A file against itself, and against its own beginning: what two tables differ in is counted once each.

#![no_main]

use std::sync::LazyLock;

use ctnetlink::Query;
use ctnetlink::field::Keys;
use ctnetlink::files::Format;
use ctnetlink::files::snapshot::{Difference, Snapshot};
use libfuzzer_sys::fuzz_target;

static QUERY: LazyLock<Query> = LazyLock::new(|| {
    Query::new().group_by("source".parse::<Keys>().expect("keys")).memory(1 << 20)
});

fuzz_target!(|bytes: &[u8]| {
    // The last byte says how much of the file there is the second time.
    let Some(part) = bytes.last() else { return };
    let whole = part % 2 == 1;
    let cut = if whole { bytes.len() } else { bytes.len() * usize::from(*part) / 256 };
    let second = bytes.get(..cut).unwrap_or_default();
    let open = |bytes| move || Snapshot::new(bytes);
    let Ok(difference) = Difference::of(open(bytes), open(second), &QUERY) else { return };
    let Difference { born, died, stayed, .. } = difference;
    let (before, after) = (&difference.first, &difference.second);
    assert!(born + stayed <= after.entries && died <= before.entries);
    assert!(born + stayed + after.malformed >= after.entries, "an entry is new, or it stayed");
    if whole {
        assert_eq!((born, died), (0, 0), "nothing differs from itself");
    } else if before.format == Format::Capture {
        assert_eq!(born, 0, "what is cut off leaves nothing new");
    }
});
