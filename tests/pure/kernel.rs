//! What kernels can do by version, and what they do wrong.

use ctnetlink::flow::Protocol;
use ctnetlink::kernel::{Capabilities, ERRATA, Version};

#[test]
fn releases_of_distributions_are_read() {
    let read = |release: &str| release.parse::<Version>().ok();
    assert_eq!(read("4.18.0-553.el8_10.x86_64"), Some(Version::new(4, 18)));
    assert_eq!(read("6.1-rc3"), Some(Version::new(6, 1)));
    assert_eq!(read("6.6+"), Some(Version::new(6, 6)));
    for nonsense in ["", "6", "six.one", ".1", "6.", "99999999.1"] {
        assert_eq!(read(nonsense), None, "{nonsense}");
    }
}

#[test]
fn later_kernels_can_do_all_that_earlier_ones_can() {
    let count = |(major, minor)| {
        let kernel = Capabilities::of(Version::new(major, minor));
        [kernel.family_flush, kernel.tuple_filter, kernel.status_filter, kernel.zone_filter]
            .map(usize::from)
            .iter()
            .sum::<usize>()
    };
    let ladder = [(4, 18), (5, 2), (5, 8), (5, 15), (6, 8)];
    assert_eq!(ladder.map(count), [0, 1, 2, 3, 4]);
    assert_eq!([(3, 10), (5, 1), (5, 10), (6, 1), (6, 18)].map(count), [0, 0, 2, 3, 4]);
}

#[test]
fn newer_kernels_track_fewer_protocols() {
    let tracked = |(major, minor)| {
        let kernel = Capabilities::of(Version::new(major, minor));
        [Protocol::TCP, Protocol::SCTP, Protocol::UDPLITE, Protocol::DCCP, Protocol(50)]
            .map(|protocol| kernel.tracks(protocol))
    };
    assert_eq!(tracked((6, 16)), [true, true, true, true, false]);
    assert_eq!(tracked((6, 17)), [true, true, true, false, false]);
    assert_eq!(tracked((7, 0)), [true, true, true, false, false]);
    assert_eq!(tracked((7, 1)), [true, true, false, false, false]);
}

#[test]
fn an_erratum_affects_the_kernels_between() {
    let affected =
        |version: Version| ERRATA.iter().filter(|erratum| erratum.affects(version)).count();
    assert_eq!(affected(Version::new(4, 18)), ERRATA.len() - 3);
    assert_eq!(affected(Version::new(6, 1)), ERRATA.len());
    assert_eq!(affected(Version::new(6, 18)), ERRATA.len() - 2);
}
