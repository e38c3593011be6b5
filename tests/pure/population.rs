//! Synthetic flows: no two alike, the same every time, and of every kind.

use std::collections::{HashMap, HashSet};

use ctnetlink::flow::{Endpoints, Family, Protocol, Status};
use ctnetlink::kernel::{Capabilities, Version};
use ctnetlink::testing::Population;

#[test]
fn no_two_flows_share_a_tuple() {
    let mut seen = HashSet::new();
    for flow in Population::new(300_000).flows() {
        // The zone is left out: tuples must differ even where zones are ignored.
        assert!(seen.insert(flow.original), "{}", flow.original);
        assert!(seen.insert(flow.reply), "{}", flow.reply);
    }
}

/// Kernels without a tracker of a protocol keep none of its ports or keys.
#[test]
fn no_two_flows_share_a_tuple_where_little_is_tracked() {
    let mut seen = HashSet::new();
    for mut flow in Population::new(300_000).flows() {
        if !Capabilities::UNKNOWN.tracks(flow.protocol()) {
            flow.original.endpoints = Endpoints::None;
            flow.reply.endpoints = Endpoints::None;
        }
        assert!(seen.insert(flow.original), "{}", flow.original);
        assert!(seen.insert(flow.reply), "{}", flow.reply);
    }
}

/// A made-up table reads back as it was made on every kernel that is built as usual.
#[test]
fn it_has_no_protocol_that_newer_kernels_do_not_track() {
    let kernel = Capabilities::of(Version::new(7, 2));
    for flow in Population::new(50_000).flows() {
        let bare = flow.original.endpoints == Endpoints::None;
        assert_ne!(bare, kernel.tracks(flow.protocol()), "{}", flow.original);
    }
}

#[test]
fn the_mix_has_everything_and_the_same_sources() {
    let sources = |flows| -> HashSet<_> {
        Population::new(flows).flows().map(|flow| flow.original.source).collect()
    };
    assert_eq!(sources(50_000).len(), 5_000);
    assert_eq!(sources(50_000), sources(250_000));
    let states: HashSet<_> = Population::new(50_000).flows().map(|flow| flow.state()).collect();
    assert!(states.len() >= 14, "{states:?}");
}

#[test]
fn a_flood_has_a_source_for_every_flow() {
    let sources: HashSet<_> =
        Population::flood(200_000).flows().map(|flow| flow.original.source).collect();
    assert_eq!(sources.len(), 200_000);
    assert!(Population::flood(1_000).flows().all(|flow| {
        flow.protocol() == Protocol::TCP && !flow.status.contains(Status::ASSURED)
    }));
}

#[test]
fn a_uniform_population_and_one_of_a_family() {
    let mut flows: HashMap<_, u64> = HashMap::new();
    for flow in Population::new(100_000).sources(100).uniform().only(Family::Ipv6).flows() {
        assert!(flow.original.source.is_ipv6() && flow.reply.destination.is_ipv6());
        *flows.entry(flow.original.source).or_default() += 1;
    }
    assert_eq!(flows.len(), 100);
    assert!(flows.values().all(|flows| (800..1200).contains(flows)), "{flows:?}");
    let all = Population::new(9_000).only(Family::Ipv4).flows();
    assert!(all.map(|flow| flow.original.source).all(|source| source.is_ipv4()));
    let many = Population::new(500_000).sources(1_000_000).flows();
    let many: HashSet<_> = many.map(|flow| flow.original.source).collect();
    assert!(many.len() > 200_000, "{}", many.len());
}

#[test]
fn equal_settings_give_equal_flows() {
    let flows = |seed| Population::new(500).seed(seed).flows().collect::<Vec<_>>();
    assert_eq!(flows(1), flows(1));
    assert_ne!(flows(1), flows(2));
}
