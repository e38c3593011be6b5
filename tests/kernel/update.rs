//! One entry changed, and every other as it was; compared with what `conntrack` makes of it.

use std::net::{Ipv4Addr, UdpSocket};
use std::time::Duration;

use ctnetlink::flow::{
    Change, Direction, Endpoints, Flow, FlowId, FlowKey, Labels, NewFlow, ProtoInfo, Protocol,
    SctpInfo, SctpState, SequenceAdjustment, Status, TcpFlags, TcpInfo, TcpState, Tuple,
};
use ctnetlink::{Conntrack, Deleted, ErrorKind, Updated};

use crate::create::{as_conntrack, assert_alike, made};
use crate::delete::bystanders;
use crate::support::{Skip, Test, entries, need_kernel, need_tool, ports, run, table, tuple};
use crate::traffic::tracked_loopback;

pub const TESTS: &[(&str, Test)] = &[
    ("every_change_and_nothing_else", every_change_and_nothing_else),
    ("bits_of_the_status_only_come", bits_of_the_status_only_come),
    ("labels_under_a_mask", labels_under_a_mask),
    ("an_entry_without_room_for_labels", an_entry_without_room_for_labels),
    ("a_sequence_adjustment_needs_room", a_sequence_adjustment_needs_room),
    ("that_very_entry_or_none", that_very_entry_or_none),
    ("a_fixed_timeout_is_no_missing_privilege", a_fixed_timeout_is_no_missing_privilege),
    ("what_is_refused_changes_nothing", what_is_refused_changes_nothing),
    ("status_under_traffic", status_under_traffic),
    ("two_who_set_bits_at_once", two_who_set_bits_at_once),
    ("the_same_as_conntrack_makes_of_it", the_same_as_conntrack_makes_of_it),
];

const HOUR: Duration = Duration::from_secs(3600);

fn tcp(port: u16) -> NewFlow {
    NewFlow::new(tuple(Protocol::TCP, false, ports(port, 80)), HOUR)
}

fn updated(table: &mut Conntrack, key: impl Into<FlowKey>, change: &Change) {
    assert_eq!(table.update(key, change).expect("an answer"), Updated::Updated, "{change:?}");
}

/// Changes a new entry among others, and returns it as it was and as it is. The others must not
/// change at all.
fn changed(new: &NewFlow, change: &Change) -> (Flow, Flow) {
    let mut table = table();
    let was = made(new);
    let others = |table: &mut Conntrack| {
        let mut all = entries(table);
        all.retain(|flow| flow.original != was.original || flow.zone != was.zone);
        all
    };
    let before = others(&mut table);
    updated(&mut table, &was, change);
    let after = others(&mut table);
    assert_eq!(before.len(), after.len());
    before.iter().zip(&after).for_each(|(before, after)| assert_alike(before, after));
    let is = table.get(&was).expect("an answer").expect("the same entry");
    (was, is)
}

fn every_change_and_nothing_else() -> Result<(), Skip> {
    bystanders();
    let (mut expected, is) = changed(&tcp(1).mark(5).assured(), &Change::new().timeout(HOUR * 2));
    expected.timeout = Some(HOUR * 2);
    assert_alike(&expected, &is);

    // Long enough for it to be there until the end, on a slow machine, too.
    let half = Change::new().timeout(Duration::from_millis(599_500));
    let (_, is) = changed(&tcp(2), &half);
    let left = is.timeout.expect("a timeout").as_secs();
    assert!((540..=600).contains(&left), "{left}");
    assert_eq!(
        Change::new().timeout(Duration::from_millis(1)),
        Change::new().timeout(Duration::from_secs(1))
    );

    for (port, change, mark) in [
        (3, Change::new().mark(7), 7),
        (4, Change::new().mark(0), 0),
        (5, Change::new().mark_masked(0x10, 0xf0), 0xff1f),
        (6, Change::new().mark_masked(0, 0), 0xffff),
        (7, Change::new().mark_masked(u32::MAX, u32::MAX), u32::MAX),
    ] {
        let (mut expected, is) = changed(&tcp(port).mark(0xffff), &change);
        expected.mark = Some(mark);
        assert_alike(&expected, &is);
    }

    let flags = |flags, mask| Some(TcpFlags { flags, mask });
    let told = TcpInfo {
        window_scale_original: Some(3),
        window_scale_reply: Some(4),
        flags_original: flags(0x0b, 0xff),
        flags_reply: flags(0x01, 0xff),
        ..TcpInfo::new(TcpState::ESTABLISHED)
    };
    // Only a part of it; the scales since both directions agreed on scaling before.
    let part = TcpInfo {
        window_scale_original: Some(14),
        window_scale_reply: Some(0),
        flags_original: flags(0x00, 0x08),
        flags_reply: None,
        ..TcpInfo::new(TcpState::LAST_ACK)
    };
    let (mut expected, is) = changed(&tcp(8).protoinfo(told), &Change::new().protoinfo(part));
    let kept = TcpInfo { flags_original: flags(0x03, 0), flags_reply: flags(0x01, 0), ..part };
    expected.protoinfo = Some(kept.into());
    assert_alike(&expected, &is);

    let sctp = SctpInfo {
        state: SctpState::SHUTDOWN_SENT,
        vtag_original: Some(0x0102_0304),
        vtag_reply: Some(0),
    };
    let association = NewFlow::new(tuple(Protocol::SCTP, true, ports(1, 2)), HOUR);
    let (mut expected, is) = changed(&association, &Change::new().protoinfo(sctp));
    expected.protoinfo = Some(sctp.into());
    assert_alike(&expected, &is);

    let shift = SequenceAdjustment { correction_position: 9, offset_before: 0, offset_after: -1 };
    let change = Change::new().sequence_adjustment(Direction::Reply, shift);
    let (mut expected, is) = changed(&tcp(9), &change);
    assert_eq!(is.sequence_adjustment_reply, Some(shift));
    // The kernel shows both once there is one.
    expected.sequence_adjustment_original = is.sequence_adjustment_original;
    expected.sequence_adjustment_reply = Some(shift);
    expected.status |= Status::SEQ_ADJUST;
    assert_alike(&expected, &is);
    Ok(())
}

fn bits_of_the_status_only_come() -> Result<(), Skip> {
    bystanders();
    let master = made(&tcp(1));
    let translated = tcp(2).source_nat(std::net::IpAddr::from([203, 0, 113, 5])).seen_reply();
    for (new, change, more) in [
        (tcp(3), Change::new().seen_reply(), Status::SEEN_REPLY),
        (tcp(4).seen_reply(), Change::new().assured(), Status::ASSURED),
        (tcp(5).seen_reply().assured(), Change::new().fixed_timeout(), Status::FIXED_TIMEOUT),
        (translated, Change::new().assured(), Status::ASSURED),
        // Announced: a bit that must be there as well.
        (tcp(6).master(master.original), Change::new().seen_reply(), Status::SEEN_REPLY),
        (tcp(7).seen_reply(), Change::new().seen_reply(), Status::SEEN_REPLY),
    ] {
        let (mut expected, is) = changed(&new, &change);
        expected.status |= more;
        assert_alike(&expected, &is);
    }
    // Together with the last timeout it will get.
    let last = Change::new().fixed_timeout().timeout(HOUR * 2);
    let (mut expected, is) = changed(&tcp(8), &last);
    expected.status |= Status::FIXED_TIMEOUT;
    expected.timeout = Some(HOUR * 2);
    assert_alike(&expected, &is);
    Ok(())
}

fn labels_of(numbers: &[u8]) -> Labels {
    let mut labels = Labels::default();
    assert!(numbers.iter().all(|&number| labels.insert(number)));
    labels
}

fn a_rule_with_labels() {
    run("nft add table inet t");
    run("nft add chain inet t c { type filter hook input priority 0 ; }");
    run("nft add rule inet t c ct label set 3");
}

fn labels_under_a_mask() -> Result<(), Skip> {
    need_tool("nft")?;
    a_rule_with_labels();
    let masked = |labels, mask| Change::new().labels_masked(labels_of(labels), labels_of(mask));
    for (port, change, labels) in [
        (1, Change::new().labels(labels_of(&[7, 99])), &[7, 99][..]),
        (2, Change::new().labels(labels_of(&[])), &[]),
        (3, masked(&[5], &[5, 64]), &[0, 5, 127]),
        (4, masked(&[], &[]), &[0, 64, 127]),
    ] {
        let (mut expected, is) = changed(&tcp(port).labels(labels_of(&[0, 64, 127])), &change);
        expected.labels = (!labels.is_empty()).then(|| labels_of(labels));
        assert_alike(&expected, &is);
    }
    Ok(())
}

fn an_entry_without_room_for_labels() -> Result<(), Skip> {
    need_tool("nft")?;
    let old = made(&tcp(1));
    a_rule_with_labels();
    let change = Change::new().labels(labels_of(&[1])).mark(5);
    let mut table = table();
    let text = table.update(&old, &change).expect_err("no room").to_string();
    assert!(text.contains("no room for labels") && text.contains("ct label set"), "{text}");
    // As the error says, the mark comes before the labels.
    assert_eq!(table.get(&old).expect("an answer").expect("an entry").mark, Some(5));
    Ok(())
}

/// A UDP exchange over loopback that is tracked: its sockets, and its entry so far.
fn real_flow() -> Result<(UdpSocket, UdpSocket, Flow), Skip> {
    tracked_loopback()?;
    let bind = || UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a socket");
    let (client, server) = (bind(), bind());
    client.connect(server.local_addr().expect("an address")).expect("an address");
    server.connect(client.local_addr().expect("an address")).expect("an address");
    client.send(&[0; 10]).expect("sent");
    server.recv(&mut [0; 10]).expect("received");
    let [flow] = <[Flow; 1]>::try_from(entries(&mut table())).expect("one flow");
    Ok((client, server, flow))
}

fn a_sequence_adjustment_needs_room() -> Result<(), Skip> {
    let (_client, _server, flow) = real_flow()?;
    let shift = SequenceAdjustment { correction_position: 9, offset_before: 0, offset_after: -1 };
    let change = Change::new().sequence_adjustment(Direction::Original, shift).mark(4);
    let error = table().update(&flow, &change).expect_err("no room");
    assert!(matches!(error.kind(), ErrorKind::Ignored { .. }), "{error}");
    assert!(error.to_string().contains("without the sequence adjustment"), "{error}");
    assert_eq!(entries(&mut table())[0].mark, Some(4), "and the rest was done");
    Ok(())
}

/// Packets set bits while the status is updated; none of them is ever lost, nor in the way.
fn status_under_traffic() -> Result<(), Skip> {
    let (client, server, flow) = real_flow()?;
    let answers = std::thread::spawn(move || {
        server.send(&[0; 10]).expect("sent");
        client.recv(&mut [0; 10]).expect("received");
    });
    let mut table = table();
    updated(&mut table, &flow, &Change::new().fixed_timeout());
    updated(&mut table, &flow, &Change::new().assured());
    answers.join().expect("answered");
    let status = table.get(&flow).expect("an answer").expect("an entry").status;
    let all = Status::SEEN_REPLY | Status::ASSURED | Status::FIXED_TIMEOUT | Status::CONFIRMED;
    assert!(status.contains(all), "{status}");
    Ok(())
}

/// The bits one reads are often no longer all when its update comes: the kernel refuses it then.
fn two_who_set_bits_at_once() -> Result<(), Skip> {
    const MANY: u16 = 2_000;
    let mut table = table();
    for port in 1..=MANY {
        table.create(&tcp(port)).expect("an entry");
    }
    let all = |change: Change| {
        let mut table = crate::support::table();
        (1..=MANY).for_each(|port| updated(&mut table, FlowKey::from(&tcp(port)), &change));
    };
    std::thread::scope(|scope| {
        scope.spawn(|| all(Change::new().seen_reply().assured()));
        all(Change::new().fixed_timeout());
    });
    let expected = tcp(1).seen_reply().assured().fixed_timeout();
    assert_eq!(table.delete(&expected).expect("an answer"), Deleted::Deleted);
    let status = made(&expected).status;
    assert!(entries(&mut table).iter().all(|flow| flow.status == status));
    Ok(())
}

fn that_very_entry_or_none() -> Result<(), Skip> {
    let before = bystanders();
    let mut table = table();
    let change = Change::new().mark(0xdead);
    let old = made(&tcp(1));
    let key = FlowKey::new(old.original);
    // By the tuple of the way back, and by the tuple alone.
    updated(&mut table, FlowKey::new(old.reply), &Change::new().mark(1));
    updated(&mut table, key, &Change::new().mark(2));
    assert_eq!(table.get(key).expect("an answer").expect("an entry").mark, Some(2));

    assert_eq!(table.update(key.zone(7), &change).expect("an answer"), Updated::Gone);
    let other = FlowId(old.id.expect("an id").0.wrapping_add(1));
    assert_eq!(table.update(key.id(other), &change).expect("an answer"), Updated::Replaced);
    let status = Change::new().assured();
    assert_eq!(table.update(key.id(other), &status).expect("an answer"), Updated::Replaced);
    assert_eq!(table.get(key).expect("an answer").expect("an entry").mark, Some(2));

    assert_eq!(table.delete(&old).expect("an answer"), Deleted::Deleted);
    assert_eq!(table.update(&old, &change).expect("an answer"), Updated::Gone);
    assert_eq!(table.update(key, &change).expect("an answer"), Updated::Gone);
    assert_eq!(table.update(key, &status).expect("an answer"), Updated::Gone);
    let left = entries(&mut table);
    assert_eq!(left.len(), before.len(), "no update makes an entry");
    before.iter().zip(&left).for_each(|(before, after)| assert_alike(before, after));
    Ok(())
}

fn a_fixed_timeout_is_no_missing_privilege() -> Result<(), Skip> {
    let mut table = table();
    let fixed = made(&tcp(1).fixed_timeout());
    let change = Change::new().timeout(HOUR * 2).mark(9);
    // Whoever changes it may do so there, and only packets may not.
    let first = table.update(&fixed, &Change::new().timeout(HOUR * 2));
    need_kernel(first.is_err(), "timeout that cannot be changed by hand (6.1 has)")?;
    for key in [FlowKey::from(&fixed), FlowKey::new(fixed.original)] {
        let error = table.update(key, &change).expect_err("fixed");
        assert!(!error.is_permission_denied(), "{error}");
        assert!(error.to_string().contains("FIXED_TIMEOUT"), "{error}");
    }
    let now = table.get(&fixed).expect("an answer").expect("an entry");
    assert_alike(&fixed, &now);
    updated(&mut table, &fixed, &Change::new().mark(9));
    Ok(())
}

fn what_is_refused_changes_nothing() -> Result<(), Skip> {
    let mut table = table();
    let flow = made(&tcp(1));
    let scales = TcpInfo {
        window_scale_original: Some(3),
        window_scale_reply: Some(4),
        ..TcpInfo::new(TcpState::ESTABLISHED)
    };
    for (change, words) in [
        (Change::new(), "nothing to change"),
        (Change::new().mark(3).timeout(Duration::ZERO), "delete it if that is meant"),
        (Change::new().timeout(Duration::MAX), "at most 2147483 seconds"),
        (Change::new().mark_masked(2, 1), "outside of their mask"),
        (Change::new().mark(1).protoinfo(ProtoInfo::Other(7)), "another protocol"),
        (Change::new().mark(1).protoinfo(scales), "not agreed on"),
    ] {
        let error = table.update(&flow, &change).expect_err("refused");
        assert!(matches!(error.kind(), ErrorKind::Invalid { .. }), "{error}");
        assert!(error.to_string().contains(words), "{error}");
    }
    let incomplete = Tuple { endpoints: Endpoints::None, ..flow.original };
    let error =
        table.update(FlowKey::new(incomplete), &Change::new().mark(1)).expect_err("no ports");
    assert!(error.to_string().contains("lacks what its protocol needs, such as ports"), "{error}");
    assert_alike(&flow, &table.get(&flow).expect("an answer").expect("an entry"));
    Ok(())
}

fn the_same_as_conntrack_makes_of_it() -> Result<(), Skip> {
    need_tool("conntrack")?;
    need_tool("nft")?;
    a_rule_with_labels();
    let make = "conntrack -I -p tcp -s 10.0.0.1 -d 192.0.2.2 --sport 1 --dport 80 -t 3600 \
                --state SYN_SENT -m 0xff";
    let tcp_closed = Change::new().protoinfo(as_conntrack(TcpState::CLOSE, 0x0e));
    for (flags, change) in [
        ("-t 7200", Change::new().timeout(HOUR * 2)),
        ("-m 5", Change::new().mark(5)),
        ("-m 0x10/0xf0", Change::new().mark_masked(0x10, 0xf0)),
        ("-u SEEN_REPLY", Change::new().seen_reply()),
        ("-u SEEN_REPLY,ASSURED", Change::new().seen_reply().assured()),
        ("-u FIXED_TIMEOUT", Change::new().fixed_timeout()),
        ("--state CLOSE", tcp_closed),
    ] {
        let mut table = table();
        let only = |table: &mut Conntrack| {
            <[Flow; 1]>::try_from(entries(table)).map(|[only]| only).expect("one entry")
        };
        run(make);
        run(&format!("conntrack -U -p tcp -s 10.0.0.1 -d 192.0.2.2 --sport 1 --dport 80 {flags}"));
        let theirs = only(&mut table);
        assert_eq!(table.delete(&theirs).expect("an answer"), Deleted::Deleted);
        run(make);
        updated(&mut table, FlowKey::new(*tcp(1).original()), &change);
        let ours = only(&mut table);
        assert_eq!(table.delete(&ours).expect("an answer"), Deleted::Deleted);
        assert_alike(&theirs, &ours);
    }
    Ok(())
}
