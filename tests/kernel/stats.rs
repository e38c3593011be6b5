//! The kernel's counters, against what was done to earn them and against `conntrack -S`.

use std::net::{Ipv4Addr, UdpSocket};

use ctnetlink::flow::{ProtoInfo, Protocol, Status, TcpInfo, TcpState};
use ctnetlink::kernel::stats::{Counter, ExpectationCounter};
use ctnetlink::testing::{Population, create, fill};

use crate::support::{Skip, Test, flow, need_tool, ports, run, table, tuple};
use crate::traffic::tracked_loopback;

pub const TESTS: &[(&str, Test)] = &[
    ("what_is_made_is_counted", what_is_made_is_counted),
    ("every_processor_and_counter_conntrack_shows", every_processor_and_counter_conntrack_shows),
    ("a_full_table_drops", a_full_table_drops),
];

fn what_is_made_is_counted() -> Result<(), Skip> {
    let mut table = table();
    let before = table.stats().expect("counters");
    assert!(!before.cpus.is_empty());
    fill(&mut table, &Population::new(300)).expect("room");
    let after = table.stats().expect("counters");
    assert_eq!(after.since(&before).get(Counter::INSERT), Some(300));
    assert_eq!(after.since(&before).get(Counter::DROP), Some(0));
    assert_eq!(after.sum().get(Counter::INSERT), Some(300), "a fresh namespace begins at 0");
    assert_eq!(after.since(&after).iter().map(|(_, value)| value).sum::<u64>(), 0);
    // Long gone from every kernel there is; absent, and not 0.
    assert_eq!(after.sum().get(Counter(1)), None);

    let expectations = table.expectation_stats().expect("counters");
    assert_eq!(expectations.cpus.len(), after.cpus.len());
    assert_eq!(expectations.sum().get(ExpectationCounter::CREATE), Some(0));
    // The handle goes on as before.
    assert_eq!(table.count().expect("a count"), 300);
    Ok(())
}

fn every_processor_and_counter_conntrack_shows() -> Result<(), Skip> {
    need_tool("conntrack")?;
    fill(&mut table(), &Population::new(50)).expect("room");
    let listed = run("conntrack -S");
    let ours = table().stats().expect("counters");
    assert_eq!(listed.lines().count(), ours.cpus.len());
    for (line, cpu) in listed.lines().zip(&ours.cpus) {
        let theirs: Vec<(String, u64)> = line
            .split_whitespace()
            .filter_map(|word| word.split_once('='))
            .map(|(name, value)| (name.to_owned(), value.parse().expect("a number")))
            .collect();
        let mut expected = vec![("cpu".to_owned(), u64::from(cpu.cpu))];
        // The same counters under the same names, but for one that it writes in one word.
        expected.extend(cpu.counts.iter().map(|(counter, value)| {
            (counter.to_string().replace("chain_toolong", "chaintoolong"), value)
        }));
        assert_eq!(theirs, expected);
    }
    Ok(())
}

/// A table full of assured entries evicts nothing: what comes next is dropped.
fn a_full_table_drops() -> Result<(), Skip> {
    tracked_loopback()?;
    let mut table = table();
    let max = table.limits().expect("limits").max.unwrap_or(0);
    if !(1..=300_000).contains(&max) {
        return Err(Skip::Kernel(format!("a limit of {max} is not one to fill in a test")));
    }
    let assured = Population::new(max.into()).flows().map(|mut flow| {
        flow.status = Status::CONFIRMED | Status::SEEN_REPLY | Status::ASSURED;
        // The collector takes even those, if they are about to end.
        let open = ProtoInfo::Tcp(TcpInfo::new(TcpState::ESTABLISHED));
        flow.protoinfo = (flow.protocol() == Protocol::TCP).then_some(open);
        flow
    });
    assert_eq!(create(&mut table, assured).expect("room"), u64::from(max));
    assert_eq!(table.limits().expect("limits").load(), Some(1.0));
    let before = table.stats().expect("counters");
    let more = flow(tuple(Protocol::UDP, true, ports(1, 2)));
    let error = create(&mut table, [more]).expect_err("a full table");
    assert!(error.to_string().contains("(os error 12)"), "ENOMEM: {error}");
    let since = table.stats().expect("counters").since(&before);
    assert_eq!(since.get(Counter::DROP), Some(0), "only packets are dropped");

    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a socket");
    for _ in 0..5 {
        socket.send_to(b"?", (Ipv4Addr::LOCALHOST, 9)).expect_err("dropped on its way out");
    }
    let since = table.stats().expect("counters").since(&before);
    assert_eq!(since.get(Counter::DROP), Some(5), "{since:?}");
    assert_eq!(since.get(Counter::EARLY_DROP), Some(0), "nothing could be evicted");
    Ok(())
}
