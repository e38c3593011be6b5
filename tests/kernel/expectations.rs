//! Expectations: made, found, listed as `conntrack` does, and gone one by one.

use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::time::Duration;

use ctnetlink::flow::{
    Direction, Endpoints, Expectation, ExpectationFlags, ExpectationId, ExpectationKey, Flow,
    FlowKey, Helper, NewExpectation, Protocol, Status, Tuple,
};
use ctnetlink::kernel::Version;
use ctnetlink::testing::create;
use ctnetlink::{Conntrack, Deleted, Error, ErrorKind};

use crate::support::{Skip, Test, entries, flow, need_kernel, need_tool, ports, run, table, tuple};
use crate::traffic::tracked_loopback;
use crate::unknown::release;

pub const TESTS: &[(&str, Test)] = &[
    ("every_kind_comes_back_as_it_was_made", every_kind_comes_back),
    ("its_own_timeout_and_no_other", its_own_timeout),
    ("that_very_one_and_no_other", that_very_one_and_no_other),
    ("a_later_one_with_the_tuple_lives", a_later_one_lives),
    ("one_zone_and_not_the_other", one_zone_and_not_the_other),
    ("a_wider_one_is_not_deleted_by_a_packet_it_fits", a_wider_one_is_not_deleted),
    ("those_of_one_flow", those_of_one_flow),
    ("those_of_one_helper", those_of_one_helper),
    ("all_of_them", all_of_them),
    ("refusals", refusals),
    ("the_oldest_makes_room", the_oldest_makes_room),
    ("a_packet_that_fits_uses_it_up", a_packet_uses_it_up),
    ("conntrack_sees_the_same", conntrack_sees_the_same),
];

const IRC: u16 = 6667;
const FTP: u16 = 21;

/// A flow with a helper, by the port that goes with it.
fn master(port: u16, v6: bool, zone: Option<u16>) -> Flow {
    let name = if port == FTP { "ftp" } else { "irc" };
    let mut master = flow(tuple(Protocol::TCP, v6, ports(40000, port)));
    master.helper = Some(Helper { name: name.into(), info: None });
    master.zone = zone;
    master
}

/// Flows with helpers: two of IPv4, one of IPv6, one in a zone.
fn masters(table: &mut Conntrack) -> Result<[Flow; 4], Skip> {
    let masters = [
        master(IRC, false, None),
        master(FTP, false, None),
        master(FTP, true, None),
        master(FTP, false, Some(7)),
    ];
    match create(table, masters.clone()) {
        Err(error) if error_number(&error) == Some(EOPNOTSUPP) => {
            Err(Skip::Kernel("this kernel has no helpers for irc and ftp".to_owned()))
        }
        made => {
            assert_eq!(made.expect("four flows"), 4);
            Ok(masters)
        }
    }
}

const ENOENT: i32 = 2;
const EEXIST: i32 = 17;
const EINVAL: i32 = 22;
const EOPNOTSUPP: i32 = 95;

fn error_number(error: &Error) -> Option<i32> {
    match error.kind() {
        ErrorKind::Kernel { source, .. } => source.raw_os_error(),
        _ => None,
    }
}

/// What the server of a flow opens towards the client.
fn back(master: &Flow, port: u16) -> Tuple {
    let mut back = master.original.inverse();
    back.endpoints = ports(0, port);
    back
}

fn expect(master: &Flow, port: u16) -> NewExpectation {
    NewExpectation::new(master, back(master, port)).any_source_port()
}

/// Some for each of the flows. The one in a zone expects the same as the first of FTP.
fn bystanders(table: &mut Conntrack) -> Result<[Flow; 4], Skip> {
    let masters = masters(table)?;
    let [irc, ftp, ftp_v6, ftp_zoned] = &masters;
    for port in 50_000..50_004 {
        table.create_expectation(&expect(irc, port)).expect("one of irc");
    }
    for master in [ftp, ftp_v6, ftp_zoned] {
        table.create_expectation(&expect(master, 51_000)).expect("one of ftp");
    }
    assert_eq!(list(table).len(), 7);
    Ok(masters)
}

/// Whether this kernel deletes an expectation by the id that it shows. Where it does not, the delete is
/// an error, and nothing is deleted.
pub fn deletes_by_id() -> Result<bool, Skip> {
    let mut table = table();
    let [irc, ..] = &masters(&mut table)?;
    table.create_expectation(&expect(irc, 60_001)).expect("one of irc");
    let one = list(&mut table).remove(0);
    let outcome = table.delete_expectation(&one);
    if let Err(error) = &outcome {
        assert!(matches!(error.kind(), ErrorKind::NotSupported { .. }), "{error}");
        assert_eq!(list(&mut table), [one]);
    }
    table.flush_expectations().expect("a flush");
    table.flush().expect("a flush");
    Ok(outcome.is_ok())
}

fn need_deletes() -> Result<(), Skip> {
    need_kernel(deletes_by_id()?, "delete of an expectation by the id that it shows (since 6.11)")
}

fn list(table: &mut Conntrack) -> Vec<Expectation> {
    table.expectations().expect("a list")
}

fn ids(table: &mut Conntrack) -> HashSet<ExpectationId> {
    list(table).into_iter().map(|one| one.id.expect("an id")).collect()
}

/// What does not change from one second to the next.
fn lasting(mut expectation: Expectation) -> Expectation {
    expectation.timeout = None;
    expectation
}

fn find(table: &mut Conntrack, key: impl Into<ExpectationKey>) -> Option<Expectation> {
    table.expectation(key).expect("an answer")
}

fn every_kind_comes_back() -> Result<(), Skip> {
    need_deletes()?;
    let mut table = table();
    let [irc, _, ftp_v6, _] = &masters(&mut table)?;
    let hour = Duration::from_secs(3600);
    let tcp = |port| back(irc, port);
    let other = |protocol, endpoints| tuple(protocol, false, endpoints);
    let echo = Endpoints::Icmp { icmp_type: 8, code: 0, id: 9 };
    let news = [
        NewExpectation::new(irc, tcp(1)),
        NewExpectation::new(irc, tcp(2)).any_source_port().class(0),
        NewExpectation::new(irc, tcp(3)).source_prefix(24),
        NewExpectation::new(irc, tcp(4)).source_prefix(0).any_source_port(),
        NewExpectation::new(irc, tcp(5)).flags(ExpectationFlags::PERMANENT),
        NewExpectation::new(irc, tcp(6))
            .flags(ExpectationFlags::PERMANENT | ExpectationFlags::INACTIVE),
        NewExpectation::new(irc, tcp(7)).nat(Direction::Original, [10, 0, 0, 9].into(), 99),
        NewExpectation::new(irc, tcp(8)).nat(Direction::Reply, [10, 0, 0, 9].into(), 0),
        NewExpectation::new(irc, other(Protocol::UDP, ports(1, 2))),
        NewExpectation::new(irc, other(Protocol::ICMP, echo)),
        NewExpectation::new(irc, other(Protocol::ICMP, echo)).any_source_port(),
        NewExpectation::new(irc, other(Protocol(50), Endpoints::None)),
        NewExpectation::new(
            irc,
            other(Protocol::GRE, Endpoints::GreKeys { source: 1, destination: 2 }),
        ),
        NewExpectation::new(ftp_v6, back(ftp_v6, 1)).source_prefix(33),
        NewExpectation::new(ftp_v6, back(ftp_v6, 2)).nat(
            Direction::Reply,
            "2001:db8::9".parse().expect("an address"),
            7,
        ),
    ];
    for new in news {
        let new = new.timeout(hour);
        table.create_expectation(&new).unwrap_or_else(|error| panic!("{error}: {new:?}"));
        let [mut found] = <[_; 1]>::try_from(list(&mut table)).expect("one");
        // It may have ticked.
        assert!(found.timeout > Some(hour - Duration::from_secs(60)), "{found:?}");
        found.timeout = Some(hour);
        let id = found.id.expect("an id");
        // The kernel says these of every expectation.
        let made_of = NewExpectation::from(&found);
        let spelled = new.clone().class(0).flags(found.flags.expect("flags"));
        assert!(made_of == new || made_of == spelled, "{made_of:?} is not {new:?}");
        assert!(found.helper.as_deref() == Some("irc") || found.helper.as_deref() == Some("ftp"));
        assert_eq!(found.zone, None);

        let mut alone = find(&mut table, &found).expect("itself");
        alone.timeout = Some(hour);
        assert_eq!(alone, found);
        let forged = ExpectationKey::from(&found).id(ExpectationId(id.0 ^ 1));
        assert_eq!(find(&mut table, forged), None);
        assert_eq!(table.delete_expectation(&found).expect("an answer"), Deleted::Deleted);
        assert_eq!(find(&mut table, ExpectationKey::new(found.tuple)), None);
        // What was read can be made again.
        table.create_expectation(&made_of).expect("again");
        table.flush_expectations().expect("an answer");
    }
    Ok(())
}

fn its_own_timeout() -> Result<(), Skip> {
    let mut table = table();
    let [irc, ..] = &masters(&mut table)?;
    let mut seconds = |new: NewExpectation| {
        table.create_expectation(&new).expect("an expectation");
        let found = list(&mut table);
        table.flush_expectations().expect("an answer");
        found.first().and_then(|one| one.timeout).map(|timeout| timeout.as_secs())
    };
    let ours = seconds(expect(irc, 1).timeout(Duration::from_secs(9_000)));
    assert!((8_990..=9_000).contains(&ours.expect("a timeout")));
    let part = seconds(expect(irc, 1).timeout(Duration::from_millis(9_000_001)));
    assert!((8_990..=9_001).contains(&part.expect("a timeout")));
    let helpers = seconds(expect(irc, 1)).expect("the helper's");
    assert!((1..=600).contains(&helpers), "{helpers}");
    // None at all ends at the next tick.
    table.create_expectation(&expect(irc, 1).timeout(Duration::ZERO)).expect("an expectation");
    for _ in 0..100 {
        if list(&mut table).is_empty() {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("still there: {:?}", list(&mut table));
}

fn that_very_one_and_no_other() -> Result<(), Skip> {
    need_deletes()?;
    let mut table = table();
    let [irc, ftp, ..] = &bystanders(&mut table)?;
    let flows = entries(&mut table).len();
    let mut expected = ids(&mut table);
    // By what a list says, and by the tuple alone.
    let one = find(&mut table, ExpectationKey::new(back(irc, 50_002))).expect("one");
    let keys = [ExpectationKey::from(&one), ExpectationKey::new(back(ftp, 51_000))];
    for key in keys {
        let id = find(&mut table, key).and_then(|one| one.id).expect("an id");
        assert_eq!(table.delete_expectation(key).expect("an answer"), Deleted::Deleted);
        assert!(expected.remove(&id));
        assert_eq!(ids(&mut table), expected);
        assert_eq!(table.delete_expectation(key).expect("an answer"), Deleted::AlreadyGone);
        assert_eq!(ids(&mut table), expected);
    }
    assert_eq!(entries(&mut table).len(), flows);
    // An incomplete tuple deletes nothing.
    let without_ports = Tuple { endpoints: Endpoints::None, ..back(irc, 1) };
    for key in [
        ExpectationKey::new(without_ports),
        ExpectationKey::new(without_ports).id(ExpectationId(1)),
        ExpectationKey::new(without_ports).zone(7),
    ] {
        let error = table.delete_expectation(key).expect_err("no ports");
        assert_eq!(error_number(&error), Some(EINVAL), "{error}");
    }
    assert_eq!(ids(&mut table), expected);
    Ok(())
}

fn a_later_one_lives() -> Result<(), Skip> {
    need_deletes()?;
    let mut table = table();
    let [irc, ..] = &bystanders(&mut table)?;
    let key = ExpectationKey::new(back(irc, 50_000));
    let old = find(&mut table, key).expect("one");
    // As with flows: whoever comes next may get its memory, and with the tuple its id.
    let mut others = 0;
    let new = loop {
        assert_eq!(table.delete_expectation(key).expect("an answer"), Deleted::Deleted);
        others += 1;
        // Long-lived ones of another flow take the memory that was freed.
        let mut other = master(IRC, false, None);
        other.original.endpoints = ports(others, IRC);
        other.reply = other.original.inverse();
        create(&mut table, [other.clone()]).expect("a flow");
        table.create_expectation(&expect(&other, 60_000 + others)).expect("one of its own");
        table.create_expectation(&expect(irc, 50_000)).expect("another with the tuple");
        let new = find(&mut table, key).expect("the new one");
        if new.id != old.id {
            break new;
        }
        assert!(others < 100, "the id is of no use here");
    };
    let before = ids(&mut table);
    assert_eq!(table.delete_expectation(&old).expect("an answer"), Deleted::Replaced);
    assert_eq!(ids(&mut table), before);
    assert_eq!(table.delete_expectation(&new).expect("an answer"), Deleted::Deleted);
    Ok(())
}

fn one_zone_and_not_the_other() -> Result<(), Skip> {
    need_deletes()?;
    let mut table = table();
    let [_, ftp, _, zoned] = &bystanders(&mut table)?;
    let key = ExpectationKey::new(back(ftp, 51_000));
    let [of_zone] = <[_; 1]>::try_from(table.expectations_of(zoned).expect("a list")).expect("one");
    assert_eq!(of_zone.zone, Some(7), "filled in");
    assert_eq!(find(&mut table, key.zone(7)).map(lasting), Some(lasting(of_zone.clone())));
    assert_ne!(find(&mut table, key).expect("the other").id, of_zone.id);
    assert_eq!(find(&mut table, key.zone(9)), None);
    assert_eq!(table.delete_expectation(key.zone(9)).expect("an answer"), Deleted::AlreadyGone);

    // A list does not say the zone. That must not end in the other one, nor in "it is gone".
    let before = ids(&mut table);
    let listed = list(&mut table).into_iter().find(|one| one.id == of_zone.id).expect("listed");
    assert_eq!(listed.zone, None);
    let error = table.delete_expectation(&listed).expect_err("no zone");
    assert!(matches!(error.kind(), ErrorKind::Invalid { .. }), "{error}");
    assert_eq!(ids(&mut table), before);
    let named = ExpectationKey::from(&listed).zone(7);
    assert_eq!(table.delete_expectation(named).expect("an answer"), Deleted::Deleted);
    assert_eq!(ids(&mut table).len(), before.len() - 1);
    assert!(find(&mut table, key).is_some());

    // A zone of one direction only is named in the tuple, and found as if it were of both.
    let mut one_way = master(FTP, false, None);
    one_way.original.endpoints = ports(7, FTP);
    one_way.reply = one_way.original.inverse();
    one_way.original.zone = Some(8);
    create(&mut table, [one_way.clone()]).expect("a flow");
    table.create_expectation(&expect(&one_way, 52_000)).expect("an expectation");
    let [found] =
        <[_; 1]>::try_from(table.expectations_of(&one_way).expect("a list")).expect("one");
    assert_eq!(found.zone, Some(8));
    let mut tuple = found.tuple;
    tuple.zone = Some(8);
    let key = ExpectationKey::new(tuple);
    assert_eq!(find(&mut table, key).map(lasting), Some(lasting(found)));
    assert_eq!(table.delete_expectation(key).expect("an answer"), Deleted::Deleted);
    Ok(())
}

fn a_wider_one_is_not_deleted() -> Result<(), Skip> {
    let mut table = table();
    let [irc, ..] = &bystanders(&mut table)?;
    table.create_expectation(&expect(irc, 53_000).source_prefix(24)).expect("one");
    let before = ids(&mut table);
    let mut packet = back(irc, 53_000);
    packet.source = [192, 0, 2, 77].into();
    packet.endpoints = ports(12_345, 53_000);
    let met = find(&mut table, ExpectationKey::new(packet)).expect("what the packet would meet");
    assert_eq!(met.tuple, back(irc, 53_000));
    let key = ExpectationKey::new(packet);
    assert_eq!(table.delete_expectation(key).expect("an answer"), Deleted::AlreadyGone);
    let other = key.id(ExpectationId(met.id.expect("an id").0 ^ 1));
    assert_eq!(table.delete_expectation(other).expect("an answer"), Deleted::AlreadyGone);
    assert_eq!(ids(&mut table), before);
    Ok(())
}

fn those_of_one_flow() -> Result<(), Skip> {
    let mut table = table();
    let [irc, ftp, ftp_v6, zoned] = &bystanders(&mut table)?;
    let mut count = |key: FlowKey| table.expectations_of(key).expect("a list").len();
    let of = [irc, ftp, ftp_v6, zoned].map(|flow| count(FlowKey::from(flow)));
    assert_eq!(of, [4, 1, 1, 1]);
    assert_eq!(count(FlowKey::new(irc.reply)), 4, "by the way back");
    // Neither answer must keep anyone waiting.
    let plain = flow(tuple(Protocol::TCP, false, ports(1, 2)));
    assert_eq!(count(FlowKey::new(plain.original)), 0, "no flow");
    create(&mut crate::support::table(), [plain.clone()]).expect("a flow");
    assert_eq!(count(FlowKey::new(plain.original)), 0, "no helper");

    // Those of a flow end with it.
    assert_eq!(table.delete(FlowKey::new(irc.original)).expect("an answer"), Deleted::Deleted);
    assert_eq!(list(&mut table).len(), 3);
    assert_eq!(table.expectations_of(irc).expect("a list"), []);
    Ok(())
}

fn those_of_one_helper() -> Result<(), Skip> {
    let mut table = table();
    bystanders(&mut table)?;
    let before = ids(&mut table);
    for name in ["", "f", "ft", "ftp2", "FTP", "tftp", "nonesuch"] {
        let outcome = table.delete_expectations_of_helper(name);
        assert_eq!(outcome.is_err(), name.is_empty(), "{name}");
    }
    assert_eq!(ids(&mut table), before);
    for name in ["ftp\0", "\0", "irc\0x", &"x".repeat(16), &"x".repeat(70_000)] {
        let error = table.delete_expectations_of_helper(name).expect_err("no name");
        assert!(matches!(error.kind(), ErrorKind::Invalid { .. }), "{error}");
    }
    assert_eq!(ids(&mut table), before);
    table.delete_expectations_of_helper("ftp").expect("an answer");
    let left = list(&mut table);
    assert_eq!(left.len(), 4);
    assert!(left.iter().all(|one| one.helper.as_deref() == Some("irc")));
    Ok(())
}

fn all_of_them() -> Result<(), Skip> {
    let mut table = table();
    let masters = bystanders(&mut table)?;
    table.flush_expectations().expect("an answer");
    assert_eq!(list(&mut table), []);
    assert_eq!(entries(&mut table).len(), masters.len(), "flows stay");
    table.flush_expectations().expect("nothing to do");
    Ok(())
}

fn refusals() -> Result<(), Skip> {
    let mut table = table();
    let [irc, ..] = &bystanders(&mut table)?;
    let before = ids(&mut table);
    let plain = flow(tuple(Protocol::TCP, false, ports(1, 2)));
    create(&mut table, [plain.clone()]).expect("a flow");
    let nobody = flow(tuple(Protocol::TCP, false, ports(3, 4)));
    let incomplete =
        NewExpectation::new(irc, Tuple { endpoints: Endpoints::None, ..back(irc, 54_000) });
    let version: Version = release().parse().expect("a version");
    // 5.10 does not look at the class.
    let odd_class =
        (version >= Version::new(6, 1)).then(|| (expect(irc, 54_000).class(99), EINVAL));
    let refused = [
        (expect(irc, 50_000), EEXIST),
        (expect(irc, 50_000).source_prefix(8).timeout(Duration::from_secs(1)), EEXIST),
        (expect(&nobody, 54_000), ENOENT),
        (expect(&plain, 54_000), EOPNOTSUPP),
        (expect(irc, 54_000).function("nonesuch"), EINVAL),
        (incomplete, EINVAL),
    ];
    for (new, number) in refused.into_iter().chain(odd_class) {
        let outcome = table.create_expectation(&new);
        let error = outcome.err().unwrap_or_else(|| panic!("no refusal: {new:?}"));
        assert_eq!(error_number(&error), Some(number), "{error}: {new:?}");
    }
    for name in ["", "a\0b"] {
        let error = table.create_expectation(&expect(irc, 54_000).function(name)).expect_err("no");
        assert!(matches!(error.kind(), ErrorKind::Invalid { .. }), "{error}");
    }
    assert_eq!(ids(&mut table), before);

    // What the kernel takes offence at goes by its own name.
    let odd = expect(irc, 54_000).flags(ExpectationFlags::from_bits_retain(0x40));
    if let Err(error) = table.create_expectation(&odd) {
        assert!(error.to_string().ends_with("(CTA_EXPECT_FLAGS)"), "{error}");
    }
    Ok(())
}

fn the_oldest_makes_room() -> Result<(), Skip> {
    let mut table = table();
    let [irc, ftp, ..] = &bystanders(&mut table)?;
    table.create_expectation(&expect(ftp, 51_001)).expect("another of ftp");
    let [left] = <[_; 1]>::try_from(table.expectations_of(ftp).expect("a list")).expect("one");
    assert_eq!(left.tuple, back(ftp, 51_001));
    for port in 55_000..55_020 {
        table.create_expectation(&expect(irc, port)).expect("another of irc");
    }
    let of_irc = table.expectations_of(irc).expect("a list");
    assert!(of_irc.len() < 20 && of_irc.iter().any(|one| one.tuple == back(irc, 55_019)));
    Ok(())
}

fn a_packet_uses_it_up() -> Result<(), Skip> {
    tracked_loopback()?;
    let mut table = table();
    let [irc, ..] = &masters(&mut table)?;
    for (flags, stays) in [(ExpectationFlags::empty(), false), (ExpectationFlags::PERMANENT, true)]
    {
        let bind = || UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a socket");
        let (client, server) = (bind(), bind());
        let port = |socket: &UdpSocket| socket.local_addr().expect("an address").port();
        let end = |port| (Ipv4Addr::LOCALHOST.into(), port);
        let expected = Tuple::with_ports(Protocol::UDP, end(0), end(port(&server)));
        let new = NewExpectation::new(irc, expected).any_source_port().flags(flags);
        table.create_expectation(&new).expect("an expectation");
        client.send_to(&[1], server.local_addr().expect("an address")).expect("sent");
        server.recv(&mut [0]).expect("received");

        let tuple = Tuple::with_ports(Protocol::UDP, end(port(&client)), end(port(&server)));
        let came = table.get(FlowKey::new(tuple)).expect("an answer").expect("a flow");
        assert!(came.status.contains(Status::EXPECTED), "{}", came.status);
        assert_eq!(came.master, Some(irc.original));
        assert_eq!(find(&mut table, ExpectationKey::new(expected)).is_some(), stays);
    }
    Ok(())
}

fn conntrack_sees_the_same() -> Result<(), Skip> {
    need_deletes()?;
    need_tool("conntrack")?;
    let mut table = table();
    let [irc, _, ftp_v6, _] = &bystanders(&mut table)?;
    let hour = Duration::from_secs(3600);
    let gre = tuple(Protocol::GRE, false, Endpoints::GreKeys { source: 1, destination: 2 });
    let echo = Endpoints::Icmp { icmp_type: 8, code: 0, id: 9 };
    for new in [
        NewExpectation::new(irc, gre).any_source_port(),
        NewExpectation::new(irc, tuple(Protocol::ICMP, false, echo)),
        expect(irc, 51_001)
            .source_prefix(9)
            .flags(ExpectationFlags::PERMANENT | ExpectationFlags::INACTIVE),
        expect(ftp_v6, 50_000).source_prefix(100),
    ] {
        table.create_expectation(&new.timeout(hour)).expect("an expectation");
    }
    let listed = || run("conntrack -L expect") + &run("conntrack -L expect -f ipv6");
    // The seconds left may tick between the two.
    let rest = |line: &str| line.split_once(' ').expect("a timeout").1.trim_end().to_owned();
    let mut theirs: Vec<String> = listed().lines().map(rest).collect();
    let mut ours: Vec<String> = list(&mut table).iter().map(|one| rest(&one.to_string())).collect();
    theirs.sort_unstable();
    ours.sort_unstable();
    assert_eq!(ours, theirs);

    // One that `conntrack` makes. Version 1.4.7 loses the protocol and the ports.
    run(
        "conntrack -I expect -p tcp --orig-src 10.0.0.1 --orig-dst 192.0.2.2 --orig-port-src 40000 \
         --orig-port-dst 6667 -t 200 --tuple-src 10.1.1.1 --tuple-dst 10.2.2.2 \
         --tuple-port-src 10 --tuple-port-dst 20 --mask-src 255.255.255.0 \
         --mask-dst 255.255.255.255 --mask-port-src 0 --mask-port-dst 65535",
    );
    let source: IpAddr = [10, 1, 1, 1].into();
    let made = list(&mut table).into_iter().find(|one| one.tuple.source == source).expect("theirs");
    assert_eq!(made.mask.source.to_string(), "255.255.255.0");
    assert_eq!(made.master, irc.original);
    let before = listed();
    assert_eq!(table.delete_expectation(&made).expect("an answer"), Deleted::Deleted);
    let after = listed();
    let left: HashSet<String> = after.lines().map(rest).collect();
    let gone: Vec<String> = before.lines().map(rest).filter(|line| !left.contains(line)).collect();
    assert_eq!(gone, [rest(&made.to_string())]);
    assert_eq!(after.lines().count() + 1, before.lines().count());
    run("conntrack -F expect");
    assert_eq!(list(&mut table), []);
    Ok(())
}
