//! Expectations, made for flows with the helper of FTP.

use std::time::Duration;

use ctnetlink::flow::{
    Direction, Expectation, ExpectationFlags, ExpectationId, ExpectationKey, ExpectationNat, Flow,
    FlowKey, Helper, NewExpectation, Protocol, Tuple,
};
use ctnetlink::testing::create;
use ctnetlink::{Conntrack, Deleted};

use crate::support::{Skip, Test, entries, flow, need_tool, ports, run, table, tuple};

pub const TESTS: &[(&str, Test)] = &[
    ("what_is_made_is_there", what_is_made_is_there),
    ("one_goes_and_the_others_stay", one_goes_and_the_others_stay),
    ("a_flow_has_its_own", a_flow_has_its_own),
    ("a_zone_has_its_own", a_zone_has_its_own),
    ("refusals", refusals),
    ("conntrack_lists_the_same", conntrack_lists_the_same),
];

/// Control connections from these ports, with the helper.
fn masters(from: &[u16], v6: bool) -> Result<Vec<Flow>, Skip> {
    let masters: Vec<_> = from
        .iter()
        .map(|port| {
            let mut master = flow(tuple(Protocol::TCP, v6, ports(*port, 21)));
            master.helper = Some(Helper { name: "ftp".into(), info: None });
            master
        })
        .collect();
    create(&mut table(), masters.clone())
        .map_err(|error| Skip::Kernel(format!("no helper for FTP: {error}")))?;
    Ok(masters)
}

/// The data connection of a master: from any port of the server to one of the client.
fn data(master: &Flow) -> Tuple {
    let to = master.original.endpoints.source_port().expect("a port") + 1;
    Tuple { endpoints: ports(0, to), ..master.original.inverse() }
}

fn new(master: &Flow) -> NewExpectation {
    NewExpectation::new(FlowKey::new(master.original), data(master))
}

fn make(table: &mut Conntrack, masters: &[Flow]) -> Vec<Expectation> {
    for master in masters {
        table.create_expectation(&new(master)).expect("an expectation");
    }
    all(table)
}

fn all(table: &mut Conntrack) -> Vec<Expectation> {
    let mut all = table.expectations().expect("expectations");
    all.sort_by_key(|expectation| expectation.master.to_string());
    all
}

fn what_is_made_is_there() -> Result<(), Skip> {
    let mut table = table();
    for v6 in [false, true] {
        let [plain, dressed] = &masters(&[1000, 2000], v6)?[..] else { unreachable!() };
        table.create_expectation(&new(plain)).expect("an expectation");
        let nat = ExpectationNat {
            direction: Direction::Reply,
            tuple: Tuple { endpoints: ports(4444, 0), ..data(dressed) },
        };
        let new = new(dressed)
            .timeout(Duration::from_millis(59_500))
            .flags(ExpectationFlags::PERMANENT)
            .function("nat-follow-master")
            .nat(nat);
        table.create_expectation(&new).expect("an expectation");

        let found = table.expectation(ExpectationKey::new(data(plain))).expect("an answer");
        let found = found.expect("the plain one");
        assert_eq!((found.tuple, found.master), (data(plain), plain.original));
        assert_eq!(found.mask.endpoints, ports(0, u16::MAX));
        assert_eq!((found.flags, found.class), (ExpectationFlags::empty(), Some(0)));
        assert_eq!((found.helper.as_deref(), found.function.as_deref()), (Some("ftp"), None));
        assert!(found.nat.is_none() && found.id.is_some());
        assert!(found.timeout.expect("a timeout") > Duration::from_secs(200), "the helper's own");

        let found = table.expectation(new.expectation()).expect("an answer").expect("the other");
        let timeout = found.timeout.expect("a timeout").as_secs();
        assert!((55..=60).contains(&timeout), "set, though the kernel does not at once: {timeout}");
        assert_eq!(found.flags, ExpectationFlags::PERMANENT);
        assert_eq!(found.function.as_deref(), Some("nat-follow-master"));
        let translated = found.nat.expect("a translation");
        assert_eq!(translated.direction, Direction::Reply);
        assert_eq!(translated.tuple.source, nat.tuple.source);
        assert_eq!(translated.tuple.endpoints.source_port(), Some(4444));
        assert_eq!(table.expectations().expect("all").len(), 2);
        table.flush_expectations().expect("a flush");
        assert!(table.expectations().expect("none").is_empty());
        table.flush().expect("an empty table");
    }
    Ok(())
}

fn one_goes_and_the_others_stay() -> Result<(), Skip> {
    let mut table = table();
    let masters = [masters(&[1000, 2000, 3000], false)?, masters(&[1000, 2000], true)?].concat();
    let made = make(&mut table, &masters);
    assert_eq!(made.len(), 5);
    let flows = entries(&mut table).len();

    let gone = &made[1];
    let mut stale = ExpectationKey::from(gone);
    stale.id = stale.id.map(|id| ExpectationId(id.0 ^ 1));
    assert_eq!(table.expectation(stale).expect("an answer"), None);
    assert_eq!(table.delete_expectation(stale).expect("an answer"), Deleted::Replaced);
    assert_eq!(all(&mut table).len(), 5);
    assert_eq!(table.delete_expectation(gone).expect("an answer"), Deleted::Deleted);
    assert_eq!(table.delete_expectation(gone).expect("an answer"), Deleted::AlreadyGone);
    let ids = |all: &[Expectation]| all.iter().map(|one| one.id).collect::<Vec<_>>();
    let mut left = made.clone();
    left.remove(1);
    assert_eq!(ids(&all(&mut table)), ids(&left));

    // A tuple that names no port is no tuple to the kernel, and nothing goes.
    let half = Tuple { endpoints: ctnetlink::flow::Endpoints::None, ..made[0].tuple };
    table.delete_expectation(ExpectationKey::new(half)).expect_err("no ports");
    assert_eq!(all(&mut table).len(), 4);
    table.flush_expectations().expect("a flush");
    assert!(all(&mut table).is_empty());
    assert_eq!(entries(&mut table).len(), flows, "the flows stay");
    Ok(())
}

fn a_flow_has_its_own() -> Result<(), Skip> {
    let mut table = table();
    let masters = masters(&[1000, 2000], false)?;
    let made = make(&mut table, &masters);
    let own = table.expectations_of(FlowKey::new(masters[1].original)).expect("expectations");
    assert_eq!(own.len(), 1);
    assert_eq!(own[0].id, made[1].id);
    let plain = flow(tuple(Protocol::TCP, false, ports(5000, 80)));
    create(&mut table, [plain.clone()]).expect("an entry");
    let none = table.expectations_of(FlowKey::new(plain.original)).expect("an answer");
    assert!(none.is_empty(), "a flow without a helper");
    let error = table.expectations_of(FlowKey::new(data(&plain))).expect_err("no such flow");
    assert!(error.is_not_found(), "{error}");
    // The handle goes on.
    assert_eq!(table.expectations().expect("all").len(), 2);
    Ok(())
}

fn a_zone_has_its_own() -> Result<(), Skip> {
    let mut table = table();
    let [plain] = &masters(&[1000], false)?[..] else { unreachable!() };
    let mut zoned = plain.clone();
    zoned.zone = Some(5);
    create(&mut table, [zoned.clone()]).expect("an entry");
    let in_zone = FlowKey::new(zoned.original).zone(5);
    table.create_expectation(&NewExpectation::new(in_zone, data(&zoned))).expect("an expectation");
    let key = ExpectationKey::new(data(&zoned));
    assert_eq!(table.expectation(key).expect("an answer"), None);
    assert!(table.expectation(key.zone(5)).expect("an answer").is_some());
    assert_eq!(table.expectations_of(in_zone).expect("expectations").len(), 1);
    assert!(table.expectations_of(FlowKey::new(plain.original)).expect("none").is_empty());
    assert_eq!(table.delete_expectation(key).expect("an answer"), Deleted::AlreadyGone);
    assert_eq!(table.delete_expectation(key.zone(5)).expect("an answer"), Deleted::Deleted);
    Ok(())
}

fn refusals() -> Result<(), Skip> {
    let mut table = table();
    let [master] = &masters(&[1000], false)?[..] else { unreachable!() };
    let plain = flow(tuple(Protocol::TCP, false, ports(5000, 80)));
    create(&mut table, [plain.clone()]).expect("an entry");
    let missing = flow(tuple(Protocol::TCP, false, ports(6000, 80)));
    let errno = |table: &mut Conntrack, new: &NewExpectation| {
        let error = table.create_expectation(new).expect_err("a refusal");
        let ctnetlink::ErrorKind::Kernel { source, .. } = error.into_kind() else { panic!() };
        source.raw_os_error().expect("a number")
    };
    assert_eq!(errno(&mut table, &new(&plain)), 95, "no helper");
    assert_eq!(errno(&mut table, &new(&missing)), 2, "no flow");
    assert_eq!(errno(&mut table, &new(master).class(9)), 22, "no such class");
    assert!(table.expectations().expect("none").is_empty());
    Ok(())
}

fn conntrack_lists_the_same() -> Result<(), Skip> {
    need_tool("conntrack")?;
    let mut table = table();
    let masters = [masters(&[1000, 2000], false)?, masters(&[1000], true)?].concat();
    make(&mut table, &masters);
    let flags = ExpectationFlags::PERMANENT | ExpectationFlags::INACTIVE;
    table.delete_expectation(ExpectationKey::new(data(&masters[0]))).expect("an answer");
    table.create_expectation(&new(&masters[0]).flags(flags)).expect("an expectation");
    for _ in 0..20 {
        let lines = |table: &mut Conntrack| {
            let mut lines: Vec<_> = all(table).iter().map(ToString::to_string).collect();
            lines.sort();
            lines
        };
        let ours = lines(&mut table);
        // Without a family it lists those of IPv4.
        let listed = run("conntrack -L expect") + &run("conntrack -L expect -f ipv6");
        let mut theirs: Vec<_> = listed.lines().map(str::trim_end).collect();
        theirs.sort_unstable();
        if lines(&mut table) == ours {
            assert_eq!(ours, theirs);
            break; // else a second ended in between
        }
    }
    run("conntrack -F expect");
    assert!(all(&mut table).is_empty());
    make(&mut table, &masters);
    table.flush_expectations().expect("a flush");
    assert_eq!(run("conntrack -L expect"), "");
    assert_eq!(run("conntrack -L expect -f ipv6"), "");
    Ok(())
}
