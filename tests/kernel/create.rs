//! Entries made one by one, read back, and compared with those that `conntrack` makes.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use ctnetlink::flow::{
    Change, Direction, Endpoints, Flow, FlowKey, Helper, Labels, NatRange, NewFlow, Protocol,
    SctpInfo, SctpState, SequenceAdjustment, Status, Synproxy, TcpFlags, TcpInfo, TcpState, Tuple,
};
use ctnetlink::{Deleted, ErrorKind, Updated};

use crate::delete::{bystanders, keys};
use crate::support::{Skip, Test, entries, need_kernel, need_tool, ports, run, set, table, tuple};

pub const TESTS: &[(&str, Test)] = &[
    ("everything_said_is_read_back", everything_said_is_read_back),
    ("labels_or_a_word_about_them", labels_or_a_word_about_them),
    ("what_nat_makes_of_it", what_nat_makes_of_it),
    ("nat_translates_packets_and_again_when_put_back", nat_translates_packets),
    ("a_flow_read_can_be_put_back", a_flow_read_can_be_put_back),
    ("no_entry_is_made_twice_or_changed", no_entry_is_made_twice_or_changed),
    ("refusals_say_what_to_do", refusals_say_what_to_do),
    ("ports_that_no_kernel_keeps", ports_that_no_kernel_keeps),
    ("a_full_table_says_so", a_full_table_says_so),
    ("the_same_as_conntrack_makes", the_same_as_conntrack_makes),
];

const HOUR: Duration = Duration::from_secs(3600);

fn tcp(port: u16) -> NewFlow {
    NewFlow::new(tuple(Protocol::TCP, false, ports(port, 80)), HOUR)
}

fn udp(port: u16) -> NewFlow {
    NewFlow::new(tuple(Protocol::UDP, true, ports(port, 53)), HOUR)
}

/// Creates an entry in a table with others, which must not change, and reads it back.
pub fn made(new: &NewFlow) -> Flow {
    let mut table = table();
    let before = keys(&entries(&mut table));
    table.create(new).unwrap_or_else(|error| panic!("{error}: {new:?}"));
    let (old, mut found): (Vec<_>, Vec<_>) =
        entries(&mut table).into_iter().partition(|flow| before.contains(&FlowKey::from(flow)));
    assert_eq!(keys(&old), before);
    assert_eq!(found.len(), 1);
    found.pop().expect("the new entry")
}

fn everything_said_is_read_back() -> Result<(), Skip> {
    bystanders();
    let plain = made(&udp(1));
    assert_eq!(plain.reply, plain.original.inverse());
    assert_eq!(plain.status, Status::CONFIRMED);
    assert_eq!((plain.mark, plain.zone, plain.labels), (Some(0), None, None));

    for (milliseconds, seconds) in [(1, 1), (999, 1), (5000, 5), (59_001, 60)] {
        let new = udp(2).timeout(Duration::from_millis(milliseconds));
        // On a slow machine the shortest may end before it is looked at, and others be a second older.
        let as_made = (0..20).any(|_| {
            let mut table = table();
            table.create(&new).expect("an entry");
            let left = table.get(&new).expect("an answer").and_then(|made| made.timeout);
            table.delete(&new).expect("an answer");
            left.is_some_and(|left| [seconds, seconds - 1].contains(&left.as_secs()))
        });
        assert!(as_made, "{milliseconds}");
    }

    let seen = made(&udp(3).seen_reply());
    assert_eq!(seen.status, Status::CONFIRMED | Status::SEEN_REPLY);
    let all = made(&udp(4).seen_reply().assured().fixed_timeout().mark(u32::MAX).zone(u16::MAX));
    let bits = Status::SEEN_REPLY | Status::ASSURED | Status::FIXED_TIMEOUT | Status::CONFIRMED;
    assert_eq!((all.status, all.mark, all.zone), (bits, Some(u32::MAX), Some(u16::MAX)));

    let way_back = Tuple { endpoints: ports(9, 9), ..udp(5).original().inverse() };
    assert_eq!(made(&udp(5).reply(way_back)).reply, way_back);
    let one_way = Tuple { zone: Some(7), ..*udp(6).original() };
    assert_eq!(made(&NewFlow::new(one_way, HOUR)).original, one_way);

    let flags = |bits| Some(TcpFlags { flags: bits, mask: 0xff });
    let told = TcpInfo {
        window_scale_original: Some(14),
        window_scale_reply: Some(0),
        flags_original: flags(0x03),
        flags_reply: flags(0x09),
        ..TcpInfo::new(TcpState::CLOSE_WAIT)
    };
    let shift = SequenceAdjustment { correction_position: 1, offset_before: -2, offset_after: 3 };
    let proxy = Synproxy { initial_sequence: 4, initial_timestamp: 5, timestamp_offset: 6 };
    let new = tcp(1)
        .protoinfo(told)
        .sequence_adjustment(Direction::Original, shift)
        .sequence_adjustment(Direction::Reply, SequenceAdjustment { offset_after: 9, ..shift })
        .synproxy(proxy);
    let found = made(&new);
    let unmasked = |flags: Option<TcpFlags>| flags.map(|flags| TcpFlags { mask: 0, ..flags });
    let kept = TcpInfo {
        flags_original: unmasked(told.flags_original),
        flags_reply: unmasked(told.flags_reply),
        ..told
    };
    assert_eq!(found.protoinfo, Some(kept.into()));
    assert_eq!(found.sequence_adjustment_original, Some(shift));
    assert_eq!(found.sequence_adjustment_reply.map(|shift| shift.offset_after), Some(9));
    assert!(found.synproxy.is_none_or(|kept| kept == proxy), "where the kernel has one");

    let sctp = SctpInfo {
        state: SctpState::ESTABLISHED,
        vtag_original: Some(0),
        vtag_reply: Some(u32::MAX),
    };
    let associated = NewFlow::new(tuple(Protocol::SCTP, true, ports(1, 2)), HOUR);
    assert_eq!(made(&associated.protoinfo(sctp)).protoinfo, Some(sctp.into()));

    let child = made(&tcp(2).master(*tcp(1).original()));
    assert_eq!(child.master, Some(*tcp(1).original()));
    assert!(child.status.contains(Status::EXPECTED));
    let unported = NewFlow::new(tuple(Protocol(50), false, Endpoints::None), HOUR);
    made(&unported);
    let echo = Endpoints::Icmp { icmp_type: 8, code: 0, id: 3 };
    made(&NewFlow::new(tuple(Protocol::ICMP, false, echo), HOUR));
    a_helper()
}

fn a_helper() -> Result<(), Skip> {
    let ftp = Helper { name: "ftp".into(), info: None };
    let control = NewFlow::new(tuple(Protocol::TCP, false, ports(3, 21)), HOUR).helper(ftp.clone());
    match table().create(&control) {
        Ok(()) => {
            let found = table().get(&control).expect("an answer").expect("an entry");
            assert_eq!(found.helper, Some(ftp));
            Ok(())
        }
        Err(error) => {
            assert!(error.to_string().contains("modprobe nf_conntrack_ftp"), "{error}");
            Err(Skip::Kernel("this kernel has no helper for ftp".to_owned()))
        }
    }
}

fn labels_or_a_word_about_them() -> Result<(), Skip> {
    need_tool("nft")?;
    let mut labels = Labels::default();
    assert!(labels.insert(0) && labels.insert(127));
    let error = table().create(&udp(1).labels(labels)).expect_err("nobody uses labels here");
    assert!(matches!(error.kind(), ErrorKind::Ignored { what: "labels", .. }), "{error}");
    assert!(error.to_string().contains("ct label set"), "{error}");
    assert!(table().get(&udp(1)).expect("an answer").is_some(), "but it is there");
    table().create(&udp(2).labels(Labels::default())).expect("none are none");

    run("nft add table inet t");
    run("nft add chain inet t c { type filter hook input priority 0 ; }");
    run("nft add rule inet t c ct label set 3");
    assert_eq!(made(&udp(3).labels(labels)).labels, Some(labels));
    Ok(())
}

fn what_nat_makes_of_it() -> Result<(), Skip> {
    bystanders();
    let far: IpAddr = [203, 0, 113, 5].into();
    let near: IpAddr = [172, 16, 0, 9].into();
    let end = |address, port| (address, port);
    let (client, server) = (end([10, 0, 0, 1].into(), 1000), end([192, 0, 2, 2].into(), 80));
    let new = |port| {
        let original = Tuple::with_ports(Protocol::TCP, (client.0, port), server);
        NewFlow::new(original, HOUR)
    };
    let reply = |source, destination| Tuple::with_ports(Protocol::TCP, source, destination);

    let found = made(&new(1000).source_nat((far, 6000)));
    assert_eq!(found.reply, reply(server, (far, 6000)));
    assert!(found.status.contains(Status::SRC_NAT | Status::SRC_NAT_DONE | Status::DST_NAT_DONE));
    assert!(!found.status.contains(Status::DST_NAT));

    let found = made(&new(1001).destination_nat((near, 8080)));
    assert_eq!(found.reply, reply((near, 8080), (client.0, 1001)));
    assert!(found.status.contains(Status::DST_NAT) && !found.status.contains(Status::SRC_NAT));

    let found = made(&new(1002).source_nat(far).destination_nat(near));
    assert_eq!(found.reply, reply((near, 80), (far, 1002)), "ports stay where they can");
    assert!(found.status.contains(Status::SRC_NAT | Status::DST_NAT));

    let last: IpAddr = [203, 0, 113, 20].into();
    let range = NatRange::addresses(far..=last).ports(7000..=7009);
    for port in 2000..2010 {
        let seen = made(&new(port).source_nat(range.clone())).source_nat().expect("SNAT");
        assert!((far..=last).contains(&seen.address), "{seen:?}");
        assert!((7000..=7009).contains(&seen.port.expect("a port")), "{seen:?}");
    }

    let v6: IpAddr = "2001:db8:9::9".parse().expect("an address");
    let found = made(&udp(1).destination_nat((v6, 5353)));
    assert_eq!((found.reply.source, found.reply.endpoints), (v6, ports(5353, 1)));

    let echo = Endpoints::Icmp { icmp_type: 8, code: 0, id: 3 };
    let ping = NewFlow::new(tuple(Protocol::ICMP, false, echo), HOUR);
    let found = made(&ping.source_nat(NatRange::address(far).ports(77..=77)));
    assert_eq!(found.reply.endpoints, Endpoints::Icmp { icmp_type: 0, code: 0, id: 77 });

    // The very port of another entry, to the same server: there is none left.
    let error = table().create(&new(1003).source_nat((far, 6000))).expect_err("taken");
    assert!(error.is_already_there(), "{error}");
    assert!(error.to_string().contains("give NAT more addresses or ports"), "{error}");
    Ok(())
}

/// An entry made by hand translates packets as one that a rule made would.
fn nat_translates_packets() -> Result<(), Skip> {
    need_tool("nft")?;
    need_tool("ip")?;
    run("ip link set lo up");
    run("nft add table ip t");
    run("nft add chain ip t c { type nat hook output priority -100 ; }");
    run("nft add chain ip t d { type filter hook output priority 0 ; }");
    run("nft add rule ip t d ct state new counter");
    let bind = || UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a socket");
    let (client, server) = (bind(), bind());
    let local = |socket: &UdpSocket| socket.local_addr().expect("an address");
    let (from, behind) = (local(&client), local(&server));
    server.set_read_timeout(Some(Duration::from_secs(5))).expect("a time limit");
    let front = SocketAddr::from((Ipv4Addr::new(127, 0, 0, 9), 53));
    let end = |address: SocketAddr| (address.ip(), address.port());
    let new = NewFlow::new(Tuple::with_ports(Protocol::UDP, end(from), end(front)), HOUR)
        .destination_nat(end(behind));
    let arrives = || {
        client.send_to(&[1; 10], front).expect("sent");
        let (length, sender) = server.recv_from(&mut [0; 20]).expect("received");
        assert_eq!((length, sender), (10, from));
    };
    let found = made(&new);
    arrives();

    let mut table = table();
    assert_eq!(table.delete(&found).expect("an answer"), Deleted::Deleted);
    table.create(&NewFlow::from(&found)).expect("the same again");
    arrives();
    let again = table.get(&new).expect("an answer").expect("an entry");
    assert_eq!((again.reply, again.status), (found.reply, found.status));
    Ok(())
}

/// All that a flow says but what the kernel alone decides, and the seconds that ran.
pub fn assert_alike(one: &Flow, other: &Flow) {
    let (left, right) = (one.timeout.expect("a timeout"), other.timeout.expect("a timeout"));
    assert!(left.abs_diff(right) <= Duration::from_secs(60), "{left:?} {right:?}");
    let mut other = other.clone();
    (other.id, other.timeout, other.timestamps) = (one.id, one.timeout, one.timestamps);
    other.use_count = one.use_count;
    assert_eq!(one, &other);
}

fn a_flow_read_can_be_put_back() -> Result<(), Skip> {
    let before = bystanders();
    let to: IpAddr = [203, 0, 113, 5].into();
    let echo = Endpoints::Icmp { icmp_type: 8, code: 0, id: 3 };
    let ping = NewFlow::new(tuple(Protocol::ICMP, false, echo), HOUR);
    for new in [
        tcp(7001).source_nat((to, 1)).mark(9),
        tcp(7002).destination_nat(to).source_nat((to, 2)),
        ping.source_nat(NatRange::address(to).ports(70..=80)),
    ] {
        table().create(&new).expect("an entry");
    }
    let mut table = table();
    let all = entries(&mut table);
    for flow in &all {
        assert_eq!(table.delete(flow).expect("an answer"), Deleted::Deleted);
    }
    assert_eq!(table.count().expect("a count"), 0);
    for flow in &all {
        table.create(&NewFlow::from(flow)).unwrap_or_else(|error| panic!("{error}: {flow:?}"));
        let again = table.get(&NewFlow::from(flow)).expect("an answer").expect("an entry");
        assert_alike(flow, &again);
    }
    assert_eq!(entries(&mut table).len(), before.len() + 3);
    Ok(())
}

fn no_entry_is_made_twice_or_changed() -> Result<(), Skip> {
    let first = made(&tcp(1));
    let mut table = table();
    // As it is, otherwise, from the other side, and with nothing but the way back in common.
    let inverse = NewFlow::new(tcp(1).original().inverse(), HOUR);
    let same_way_back = tcp(2).reply(first.reply);
    for new in [tcp(1), tcp(1).mark(9).assured(), inverse, same_way_back] {
        let error = table.create(&new).expect_err("there is one");
        assert!(error.is_already_there(), "{error}");
        assert!(error.to_string().contains("get or update that one"), "{error}");
    }
    table.create(&tcp(1).zone(3)).expect("another zone is another entry");
    assert_eq!(entries(&mut table).len(), 2);
    assert_alike(&first, &table.get(&tcp(1)).expect("an answer").expect("an entry"));
    Ok(())
}

fn refusals_say_what_to_do() -> Result<(), Skip> {
    let mut table = table();
    let helper = |name: &'static str| Helper { name: name.into(), info: None };
    let unreachable = Endpoints::Icmp { icmp_type: 3, code: 1, id: 0 };
    for (new, words) in [
        (tcp(1).helper(helper("no-such-helper")), "modprobe nf_conntrack_no-such-helper"),
        (tcp(1).master(*tcp(2).original()), "create the master first"),
        (
            NewFlow::new(tuple(Protocol::TCP, false, Endpoints::None), HOUR),
            "lacks what its protocol needs, such as ports",
        ),
        (NewFlow::new(tuple(Protocol::ICMP, false, unreachable), HOUR), "an ICMP type"),
    ] {
        let error = table.create(&new).expect_err("nothing the kernel takes");
        assert!(matches!(error.kind(), ErrorKind::Kernel { .. }), "{error}");
        let text = error.to_string();
        assert!(text.starts_with("create an entry: ") && text.contains(words), "{text}");
    }
    // And what is not even sent.
    let error = table.create(&tcp(1).timeout(Duration::ZERO)).expect_err("no time at all");
    assert!(matches!(error.kind(), ErrorKind::Invalid { .. }), "{error}");
    assert!(error.to_string().contains("give one of a second or more"), "{error}");
    assert_eq!(table.count().expect("a count"), 0);
    Ok(())
}

/// Its ports would be passed over in silence, and so would those of a question or a change.
fn ports_that_no_kernel_keeps() -> Result<(), Skip> {
    let mut table = table();
    let kernel = table.capabilities().expect("an answer");
    let all = [Protocol::GRE, Protocol::SCTP, Protocol::UDPLITE, Protocol::DCCP];
    let untracked: Vec<_> = all.into_iter().filter(|one| !kernel.tracks(*one)).collect();
    need_kernel(!untracked.is_empty(), "protocol that lost its tracker (DCCP did in 6.17)")?;
    for protocol in untracked {
        let ends = match protocol {
            Protocol::GRE => Endpoints::GreKeys { source: 1, destination: 2 },
            _ => ports(1, 2),
        };
        let with_ports = tuple(protocol, false, ends);
        let error = table.create(&NewFlow::new(with_ports, HOUR)).expect_err("no ports");
        assert!(matches!(error.kind(), ErrorKind::NotSupported { .. }), "{error}");
        assert!(error.to_string().contains("Endpoints::None"), "{error}");
        assert_eq!(table.count().expect("a count"), 0, "nothing was made");

        let bare = NewFlow::new(tuple(protocol, false, Endpoints::None), HOUR).mark(5);
        let made = made(&bare);
        assert_eq!(made.original, *bare.original());
        // The kernel would find it by any ports. It is not what was asked for.
        let key = FlowKey::new(with_ports);
        assert_eq!(table.get(key).expect("an answer"), None);
        let change = Change::new().mark(6);
        assert_eq!(table.update(key, &change).expect("an answer"), Updated::Gone);
        assert_eq!(table.delete(key).expect("an answer"), Deleted::AlreadyGone);
        let left = table.get(&bare).expect("an answer").expect("it is there");
        assert_eq!(left.mark, Some(5));
        assert_eq!(table.delete(&bare).expect("an answer"), Deleted::Deleted);
    }
    Ok(())
}

/// Assured entries are not evicted early, so that the table is really full.
fn a_full_table_says_so() -> Result<(), Skip> {
    let mut table = table();
    let max = table.limits().expect("limits").max.unwrap_or(0);
    if !(1..=300_000).contains(&max) {
        return Err(Skip::Kernel(format!("a table of {max} entries is too large to fill")));
    }
    let many = (0..max).map(|number| {
        let mut tuple = tuple(Protocol::UDP, false, ports(1, 2));
        tuple.source = Ipv4Addr::from(0x0a00_0000 | number).into();
        let mut flow = crate::support::flow(tuple);
        flow.status |= Status::SEEN_REPLY | Status::ASSURED;
        flow
    });
    ctnetlink::testing::create(&mut table, many).expect("room");
    let error = table.create(&udp(1)).expect_err("no room");
    let text = error.to_string();
    assert!(text.contains("the table is full") && text.contains("nf_conntrack_max"), "{text}");
    Ok(())
}

/// Along with a state, conntrack sets flags: SACK (0x02) and "be liberal" (0x08), and for one that
/// ends "closed first" (0x04).
pub fn as_conntrack(state: TcpState, flags: u8) -> TcpInfo {
    let flags = Some(TcpFlags { flags, mask: flags });
    TcpInfo { flags_original: flags, flags_reply: flags, ..TcpInfo::new(state) }
}

fn the_same_as_conntrack_makes() -> Result<(), Skip> {
    need_tool("conntrack")?;
    set("nf_conntrack_acct", "1");
    let v4 = "-s 10.0.0.1 -d 192.0.2.2 -t 3600";
    let v6 = "-s 2001:db8::1 -d 2001:db8:1::2 -t 3600";
    let (far, near): (IpAddr, IpAddr) = ([203, 0, 113, 5].into(), [172, 16, 0, 9].into());
    // conntrack 1.4.7 sends tags as words of the host.
    let tag = |number: u32| Some(number.to_be());
    let sctp = |state| SctpInfo { state, vtag_original: tag(1), vtag_reply: tag(2) };
    let association = NewFlow::new(tuple(Protocol::SCTP, false, ports(1, 2)), HOUR);
    let tunnel = Endpoints::GreKeys { source: 1, destination: 2 };
    let echo = Endpoints::Icmp { icmp_type: 8, code: 0, id: 99 };
    let established = |port| tcp(port).protoinfo(as_conntrack(TcpState::ESTABLISHED, 0x0a));
    for (line, new) in [
        (format!("-p udp {v6} --sport 1 --dport 53"), udp(1)),
        (format!("-p udp {v6} --sport 2 --dport 53 -u SEEN_REPLY"), udp(2).seen_reply()),
        (
            format!("-p udp {v6} --sport 3 --dport 53 -u SEEN_REPLY,ASSURED,FIXED_TIMEOUT"),
            udp(3).seen_reply().assured().fixed_timeout(),
        ),
        (format!("-p udp {v6} --sport 4 --dport 53 -m 7 -w 5"), udp(4).mark(7).zone(5)),
        (
            format!("-p udp {v6} --sport 5 --dport 53 --orig-zone 8"),
            NewFlow::new(Tuple { zone: Some(8), ..*udp(5).original() }, HOUR),
        ),
        (
            format!(
                "-p sctp {v4} --sport 1 --dport 2 --state ESTABLISHED --orig-vtag 1 --reply-vtag 2"
            ),
            association.protoinfo(sctp(SctpState::ESTABLISHED)),
        ),
        (
            format!("-p gre {v4} --srckey 1 --dstkey 2"),
            NewFlow::new(tuple(Protocol::GRE, false, tunnel), HOUR),
        ),
        (
            format!("-p icmp {v4} --icmp-type 8 --icmp-code 0 --icmp-id 99"),
            NewFlow::new(tuple(Protocol::ICMP, false, echo), HOUR),
        ),
        (format!("-p 50 {v4}"), NewFlow::new(tuple(Protocol(50), false, Endpoints::None), HOUR)),
        (format!("-p tcp {v4} --sport 1 --dport 80 --state ESTABLISHED"), established(1)),
        (
            format!("-p tcp {v4} --sport 2 --dport 80 --state ESTABLISHED -n 203.0.113.5:6000"),
            established(2).source_nat((far, 6000)),
        ),
        (
            format!("-p tcp {v4} --sport 3 --dport 80 --state ESTABLISHED -g 172.16.0.9:8080"),
            established(3).destination_nat((near, 8080)),
        ),
    ] {
        run(&format!("conntrack -I {line}"));
        let mut table = table();
        let [theirs] = <[Flow; 1]>::try_from(entries(&mut table)).expect("one entry");
        assert_eq!(table.delete(&theirs).expect("an answer"), Deleted::Deleted);
        let ours = made(&new);
        assert_eq!(table.delete(&ours).expect("an answer"), Deleted::Deleted);
        assert_alike(&theirs, &ours);
    }
    Ok(())
}
