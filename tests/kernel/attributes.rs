//! Every protocol and attribute, created and read back.

use std::time::{Duration, SystemTime};

use ctnetlink::flow::{
    Direction, Endpoints, Flow, FlowRef, Helper, Labels, ProtoInfo, Protocol, SctpInfo, SctpState,
    SequenceAdjustment, State, Status, TcpFlags, TcpInfo, TcpState, Tuple,
};
use ctnetlink::testing::create;
use ctnetlink::{Conntrack, DumpOptions};

use crate::support::{
    Skip, Test, entries, flow, need_tool, ports, round_trip, run, set, table, tuple,
};

pub const TESTS: &[(&str, Test)] = &[
    ("every_protocol_in_both_families", every_protocol_in_both_families),
    ("every_tcp_state", every_tcp_state),
    ("every_sctp_state", every_sctp_state),
    ("what_tcp_keeps", what_tcp_keeps),
    ("status_timeout_and_mark", status_timeout_and_mark),
    ("labels", labels),
    ("a_helper", a_helper),
    ("zones_of_both_directions_and_of_one", zones_of_both_directions_and_of_one),
    ("translations", translations),
    ("a_master", a_master),
    ("sequence_adjustment_and_synproxy", sequence_adjustment_and_synproxy),
    ("counters_only_with_accounting", counters_only_with_accounting),
    ("timestamps_only_where_they_are_kept", timestamps_only_where_they_are_kept),
    ("getters_agree_with_the_owned_flow", getters_agree_with_the_owned_flow),
];

const NEW: Status = Status::CONFIRMED;
const ASSURED: Status = NEW.union(Status::SEEN_REPLY).union(Status::ASSURED);

fn tcp(state: TcpState) -> Option<ProtoInfo> {
    Some(ProtoInfo::Tcp(TcpInfo::new(state)))
}

fn tcp_state(flow: &Flow) -> Option<TcpState> {
    match flow.protoinfo {
        Some(ProtoInfo::Tcp(tcp)) => Some(tcp.state),
        _ => None,
    }
}

/// What the flow was made with, what the kernel always adds, and nothing else.
fn assert_same(found: &Flow, made: &Flow) {
    let (left, given) = (found.timeout.expect("a timeout"), made.timeout.expect("a timeout"));
    assert!(left <= given && left + Duration::from_secs(25) >= given, "{left:?} of {given:?}");
    assert!(found.id.is_some());
    let mut expected = made.clone();
    expected.use_count = Some(1);
    (expected.id, expected.timeout) = (found.id, found.timeout);
    // The kernel fills in what was not said about TCP and SCTP, and adds its SYN proxy's zeroes;
    // these have tests of their own.
    (expected.protoinfo, expected.synproxy) = (found.protoinfo, found.synproxy);
    assert_eq!(found, &expected);
}

fn every_protocol_in_both_families() -> Result<(), Skip> {
    let echo = |icmp_type| Endpoints::Icmp { icmp_type, code: 0, id: 77 };
    let kernel = table().capabilities().expect("an answer");
    let if_tracked = |protocol, ends| if kernel.tracks(protocol) { ends } else { Endpoints::None };
    let cases = [
        (Protocol::TCP, false, ports(1000, 80)),
        (Protocol::TCP, true, ports(1000, 80)),
        (Protocol::UDP, false, ports(1000, 53)),
        (Protocol::UDP, true, ports(65535, 53)),
        (Protocol::UDPLITE, false, if_tracked(Protocol::UDPLITE, ports(1, 2))),
        (Protocol::UDPLITE, true, if_tracked(Protocol::UDPLITE, ports(1, 2))),
        (Protocol::DCCP, false, if_tracked(Protocol::DCCP, ports(1, 2))),
        (Protocol::DCCP, true, if_tracked(Protocol::DCCP, ports(1, 2))),
        (Protocol::SCTP, false, ports(3, 4)),
        (Protocol::SCTP, true, ports(3, 4)),
        (Protocol::GRE, false, Endpoints::GreKeys { source: 5, destination: 6 }),
        (Protocol::GRE, true, Endpoints::GreKeys { source: 5, destination: 6 }),
        (Protocol::ICMP, false, echo(8)),
        (Protocol::ICMP, false, echo(13)),
        (Protocol::ICMPV6, true, echo(128)),
        (Protocol(50), false, Endpoints::None),
        (Protocol(50), true, Endpoints::None),
        (Protocol(253), true, Endpoints::None),
    ];
    for (protocol, v6, endpoints) in cases {
        let mut made = flow(tuple(protocol, v6, endpoints));
        if protocol == Protocol::TCP {
            made.protoinfo = tcp(TcpState::ESTABLISHED);
            made.status = ASSURED;
        }
        let found = round_trip(&made);
        assert_same(&found, &made);
        let expected = match protocol {
            Protocol::TCP => State::ESTABLISHED,
            Protocol::SCTP => State::NONE,
            Protocol::DCCP if kernel.dccp_tracker => found.state(),
            _ => State::UNREPLIED,
        };
        assert_eq!(found.state(), expected, "{protocol}");
    }
    assert_eq!(table().count().expect("a count"), cases.len() as u32);
    Ok(())
}

fn every_tcp_state() -> Result<(), Skip> {
    for number in 0..=9 {
        let state = TcpState(number);
        let mut made =
            flow(tuple(Protocol::TCP, number % 2 == 0, ports(1000 + u16::from(number), 80)));
        made.protoinfo = tcp(state);
        let found = round_trip(&made);
        assert_same(&found, &made);
        assert_eq!(tcp_state(&found), Some(state));
        assert_eq!(found.state(), State::from(state));
        assert!(state.name().is_some());
    }
    Ok(())
}

fn every_sctp_state() -> Result<(), Skip> {
    for number in 0..=8 {
        let mut made = flow(tuple(Protocol::SCTP, number % 2 == 1, ports(u16::from(number), 9)));
        let sctp = SctpInfo {
            state: SctpState(number),
            vtag_original: Some(0x0102_0304),
            vtag_reply: Some(0xa0b0_c0d0),
        };
        made.protoinfo = Some(ProtoInfo::Sctp(sctp));
        let found = round_trip(&made);
        assert_same(&found, &made);
        assert_eq!(found.protoinfo, made.protoinfo);
    }
    Ok(())
}

fn what_tcp_keeps() -> Result<(), Skip> {
    let mut made = flow(tuple(Protocol::TCP, false, ports(1, 2)));
    let flags = |flags| Some(TcpFlags { flags, mask: flags });
    made.protoinfo = Some(ProtoInfo::Tcp(TcpInfo {
        state: TcpState::ESTABLISHED,
        window_scale_original: Some(7),
        window_scale_reply: Some(9),
        flags_original: flags(0x03), // window scale and SACK agreed on
        flags_reply: flags(0x0b),    // and liberal
    }));
    let Some(ProtoInfo::Tcp(kept)) = round_trip(&made).protoinfo else { panic!("no TCP") };
    assert_eq!((kept.window_scale_original, kept.window_scale_reply), (Some(7), Some(9)));
    // The kernel keeps the flags; what a mask was given it does not tell.
    assert_eq!(kept.flags_original.expect("flags").flags, 0x03);
    assert_eq!(kept.flags_reply.expect("flags").flags, 0x0b);
    Ok(())
}

fn status_timeout_and_mark() -> Result<(), Skip> {
    let cases = [
        (NEW, 0, 30),
        (NEW | Status::SEEN_REPLY, 1, 432_000),
        (ASSURED, u32::MAX, 120),
        (ASSURED | Status::FIXED_TIMEOUT, 7, 600),
        (NEW | Status::HELPER, 0x8000_0000, 60),
    ];
    for (index, (status, mark, seconds)) in (1..).zip(cases) {
        let mut made = flow(tuple(Protocol::UDP, index % 2 == 0, ports(index, 53)));
        made.status = status;
        made.mark = Some(mark);
        made.timeout = Some(Duration::from_secs(seconds));
        let found = round_trip(&made);
        assert_same(&found, &made);
        assert_eq!(found.labels, None);
    }
    Ok(())
}

/// The kernel keeps labels only while some rule of the network uses them.
fn labels() -> Result<(), Skip> {
    need_tool("nft")?;
    let mut unused = flow(tuple(Protocol::TCP, true, ports(4, 2)));
    unused.labels = Some(Labels([0xff; 16]));
    assert_eq!(round_trip(&unused).labels, None);

    run("nft add table inet t");
    run("nft add chain inet t c { type filter hook input priority 0 ; }");
    run("nft add rule inet t c ct label set 3");
    let mut labels = Labels::default();
    labels.0[0] = 0x81;
    labels.0[15] = 0x80;
    for (port, labels) in [(1, labels), (2, Labels([0xff; 16]))] {
        let mut made = flow(tuple(Protocol::TCP, true, ports(port, 2)));
        made.labels = Some(labels);
        assert_eq!(round_trip(&made).labels, Some(labels));
    }
    let plain = round_trip(&flow(tuple(Protocol::TCP, true, ports(3, 2))));
    assert_eq!(plain.labels, None);
    Ok(())
}

fn zones_of_both_directions_and_of_one() -> Result<(), Skip> {
    let original = tuple(Protocol::TCP, false, ports(1, 2));
    let mut both = flow(original);
    both.zone = Some(5);
    let mut other = both.clone();
    other.zone = Some(u16::MAX);
    let plain = flow(original);
    // One tuple in three zones is three entries.
    for made in [&both, &other, &plain] {
        assert_same(&round_trip(made), made);
    }

    let one = |original: Option<u16>, reply: Option<u16>, port| {
        let mut made = flow(tuple(Protocol::UDP, true, ports(port, 2)));
        made.original.zone = original;
        made.reply.zone = reply;
        made
    };
    for made in [one(Some(9), None, 1), one(None, Some(10), 2)] {
        let found = round_trip(&made);
        assert_eq!((found.original.zone, found.reply.zone), (made.original.zone, made.reply.zone));
        assert_eq!(found.zone, None);
    }
    Ok(())
}

fn translations() -> Result<(), Skip> {
    let original = tuple(Protocol::TCP, false, ports(1000, 80));
    let reply = |source: ([u8; 4], u16), destination: ([u8; 4], u16)| {
        let end = |(address, port): ([u8; 4], u16)| (address.into(), port);
        Tuple::with_ports(Protocol::TCP, end(source), end(destination))
    };
    let mut made = flow(original);
    made.reply = reply(([172, 16, 0, 1], 8080), ([203, 0, 113, 9], 2000));
    let found = round_trip(&made);
    assert_same(&found, &made);
    let (source, destination) =
        (found.source_nat().expect("SNAT"), found.destination_nat().expect("DNAT"));
    assert_eq!((source.address, source.port), ([203, 0, 113, 9].into(), Some(2000)));
    assert_eq!((destination.address, destination.port), ([172, 16, 0, 1].into(), Some(8080)));

    let plain = round_trip(&flow(tuple(Protocol::TCP, true, ports(1, 2))));
    assert_eq!((plain.source_nat(), plain.destination_nat()), (None, None));
    Ok(())
}

fn a_master() -> Result<(), Skip> {
    let control = flow(tuple(Protocol::TCP, false, ports(1000, 21)));
    let control = round_trip(&control);
    let mut data = flow(tuple(Protocol::TCP, false, ports(1001, 20)));
    data.master = Some(control.original);
    let found = round_trip(&data);
    assert_eq!(found.master, Some(control.original));
    assert_eq!(found.status, NEW | Status::EXPECTED, "the kernel's own doing");
    assert_eq!(control.master, None);
    Ok(())
}

/// Helpers come with modules of the kernel; where it has none built in, this cannot be made.
fn a_helper() -> Result<(), Skip> {
    let mut made = flow(tuple(Protocol::TCP, false, ports(1, 21)));
    made.helper = Some(Helper { name: "ftp".into(), info: None });
    let mut table = table();
    if let Err(error) = create(&mut table, [made.clone()]) {
        let text = error.to_string();
        assert!(text.contains("not supported"), "{text}");
        return Err(Skip::Kernel("this kernel has no helper for ftp".to_owned()));
    }
    assert_eq!(entries(&mut table)[0].helper, made.helper);
    Ok(())
}

fn sequence_adjustment_and_synproxy() -> Result<(), Skip> {
    let mut made = flow(tuple(Protocol::TCP, false, ports(1, 2)));
    made.protoinfo = tcp(TcpState::ESTABLISHED);
    made.status = ASSURED | Status::SEQ_ADJUST;
    made.sequence_adjustment_original = Some(SequenceAdjustment {
        correction_position: 0xfedc_ba98,
        offset_before: -3,
        offset_after: 12,
    });
    made.sequence_adjustment_reply = Some(SequenceAdjustment {
        correction_position: 1,
        offset_before: i32::MIN,
        offset_after: i32::MAX,
    });
    let found = round_trip(&made);
    assert_eq!(found.sequence_adjustment_original, made.sequence_adjustment_original);
    assert_eq!(found.sequence_adjustment_reply, made.sequence_adjustment_reply);
    assert!(found.status.contains(Status::SEQ_ADJUST));

    // The extension comes with every entry made this way, if the kernel has it at all.
    if let Some(synproxy) = found.synproxy {
        assert_eq!(synproxy.initial_sequence, 0);
        let mut made = flow(tuple(Protocol::TCP, true, ports(3, 4)));
        made.synproxy = Some(ctnetlink::flow::Synproxy {
            initial_sequence: 1,
            initial_timestamp: 0x0203_0405,
            timestamp_offset: u32::MAX,
        });
        assert_eq!(round_trip(&made).synproxy, made.synproxy);
    }
    Ok(())
}

fn counters_only_with_accounting() -> Result<(), Skip> {
    let without = round_trip(&flow(tuple(Protocol::UDP, false, ports(1, 2))));
    assert_eq!((without.counters_original, without.counters_reply), (None, None));
    set("nf_conntrack_acct", "1");
    let with = round_trip(&flow(tuple(Protocol::UDP, false, ports(3, 4))));
    for counters in [with.counters_original, with.counters_reply] {
        let counters = counters.expect("counters");
        assert_eq!((counters.packets, counters.bytes), (0, 0));
    }
    // The earlier one still has none: absent, and not zero.
    let all = entries(&mut table());
    assert_eq!(all.iter().filter(|flow| flow.counters_original.is_none()).count(), 1);
    Ok(())
}

fn timestamps_only_where_they_are_kept() -> Result<(), Skip> {
    let without = round_trip(&flow(tuple(Protocol::UDP, false, ports(1, 2))));
    assert_eq!(without.timestamps, None);
    set("nf_conntrack_timestamp", "1");
    let before = SystemTime::now();
    let with = round_trip(&flow(tuple(Protocol::UDP, false, ports(3, 4))));
    let timestamps = with.timestamps.expect("timestamps");
    let second = Duration::from_secs(1);
    assert!(before - second < timestamps.start && timestamps.start < SystemTime::now() + second);
    assert_eq!(timestamps.stop, None);
    Ok(())
}

fn getters_agree_with_the_owned_flow() -> Result<(), Skip> {
    set("nf_conntrack_acct", "1");
    let mut made = flow(tuple(Protocol::TCP, true, ports(1, 2)));
    made.protoinfo = tcp(TcpState::CLOSE_WAIT);
    made.zone = Some(3);
    made.reply.source = "2001:db8:2::3".parse().expect("an address");
    let found = round_trip(&made);
    assert!(found.destination_nat().is_some());

    let mut table: Conntrack = table();
    let mut dump = table.dump(DumpOptions::new()).expect("a dump");
    let batch = dump.next_batch().expect("a batch").expect("an entry");
    let looked: Vec<FlowRef<'_>> = batch.flows().collect::<Result<_, _>>().expect("entries");
    let [looked] = looked[..] else { panic!("one entry") };
    assert_eq!(looked.tuple(Direction::Original), &found.original);
    assert_eq!(looked.tuple(Direction::Reply), &found.reply);
    assert_eq!(looked.protocol(), Protocol::TCP);
    assert_eq!(looked.state(), State::CLOSE_WAIT);
    assert_eq!((looked.zone(), looked.mark(), looked.id()), (Some(3), Some(0), found.id));
    assert_eq!(looked.counters(Direction::Reply), found.counters_reply);
    assert_eq!(looked.unknown_attributes().count(), 0);
    assert!(looked.attributes().count() >= 10);
    assert!(looked.helper().is_none() && looked.security_context().is_none());
    assert_eq!(looked.source_nat(), None);
    assert_eq!(looked.destination_nat(), found.destination_nat());
    Ok(())
}
