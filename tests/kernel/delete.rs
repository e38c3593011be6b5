//! One entry goes, and every other stays: both families, all protocols, zone 0 and zone 7.

use std::collections::HashSet;

use ctnetlink::flow::{Endpoints, Flow, FlowId, FlowKey, Protocol, Tuple};
use ctnetlink::testing::{Population, create, fill};
use ctnetlink::{Deleted, ErrorKind};

use crate::support::{Skip, Test, entries, flow, need_tool, ports, run, table, tuple};

pub const TESTS: &[(&str, Test)] = &[
    ("that_very_entry_and_no_other", that_very_entry_and_no_other),
    ("a_later_entry_with_the_tuple_lives", a_later_entry_with_the_tuple_lives),
    ("one_zone_and_not_the_other", one_zone_and_not_the_other),
    ("an_incomplete_key_deletes_nothing", an_incomplete_key_deletes_nothing),
    ("a_plan_spares_connections", a_plan_spares_connections),
    ("conntrack_sees_it_go", conntrack_sees_it_go),
];

/// Bystanders of every kind.
pub fn bystanders() -> Vec<Flow> {
    fill(&mut table(), &Population::new(600)).expect("room");
    let all = entries(&mut table());
    assert!(all.iter().any(|flow| flow.zone == Some(7)));
    assert!(all.iter().any(|flow| flow.original.source.is_ipv6()));
    all
}

pub fn keys(flows: &[Flow]) -> HashSet<FlowKey> {
    flows.iter().map(FlowKey::from).collect()
}

fn that_very_entry_and_no_other() -> Result<(), Skip> {
    let mut expected = keys(&bystanders());
    let mut table = table();
    for flow in entries(&mut table).iter().step_by(40) {
        assert_eq!(table.delete(flow).expect("an answer"), Deleted::Deleted);
        assert!(expected.remove(&FlowKey::from(flow)));
        assert_eq!(keys(&entries(&mut table)), expected);
        assert_eq!(table.delete(flow).expect("an answer"), Deleted::AlreadyGone);
    }
    // By a tuple alone, of the way back; it is looked up first.
    let flow = entries(&mut table).into_iter().find(|flow| flow.zone.is_none()).expect("one");
    let key = FlowKey::new(flow.reply);
    assert_eq!(table.delete(key).expect("an answer"), Deleted::Deleted);
    assert!(expected.remove(&FlowKey::from(&flow)));
    assert_eq!(table.delete(key).expect("an answer"), Deleted::AlreadyGone);
    assert_eq!(keys(&entries(&mut table)), expected);
    Ok(())
}

fn a_later_entry_with_the_tuple_lives() -> Result<(), Skip> {
    let before = bystanders();
    let mut table = table();
    let made = flow(tuple(Protocol::TCP, false, ports(1, 2)));
    let find = |table: &mut ctnetlink::Conntrack| {
        table.get(FlowKey::new(made.original)).expect("an answer").expect("an entry")
    };
    create(&mut table, [made.clone()]).expect("an entry");
    let old = find(&mut table);
    assert_eq!(table.delete(&old).expect("an answer"), Deleted::Deleted);
    // Whoever comes next on that processor gets its memory, and with the tuple its id as well.
    // That is the kernel's limit; here others come between until the memory is another.
    let mut others = 0;
    let new = loop {
        others += 1;
        let other = flow(tuple(Protocol::TCP, false, ports(3, others)));
        create(&mut table, [other]).expect("an entry");
        create(&mut table, [made.clone()]).expect("another with its tuple");
        let new = find(&mut table);
        if new.id != old.id {
            break new;
        }
        assert!(others < 100, "the id is of no use here");
        assert_eq!(table.delete(&new).expect("an answer"), Deleted::Deleted);
    };

    assert_eq!(table.delete(&old).expect("an answer"), Deleted::Replaced);
    assert_eq!(find(&mut table).id, new.id, "the new one lives");
    let forged = FlowKey::from(&new).id(FlowId(new.id.expect("an id").0.wrapping_add(1)));
    assert_eq!(table.delete(forged).expect("an answer"), Deleted::Replaced);
    assert_eq!(entries(&mut table).len(), before.len() + usize::from(others) + 1);
    Ok(())
}

fn one_zone_and_not_the_other() -> Result<(), Skip> {
    let before = keys(&bystanders());
    let mut table = table();
    let plain = flow(tuple(Protocol::UDP, true, ports(1, 2)));
    let mut zoned = plain.clone();
    zoned.zone = Some(7);
    create(&mut table, [plain.clone(), zoned.clone()]).expect("two entries");
    let key = FlowKey::new(plain.original);
    assert_eq!(table.delete(key.zone(9)).expect("an answer"), Deleted::AlreadyGone);
    assert_eq!(table.delete(key).expect("an answer"), Deleted::Deleted);
    let left = entries(&mut table);
    assert_eq!(left.len(), before.len() + 1);
    assert!(left.iter().any(|flow| flow.original == zoned.original && flow.zone == Some(7)));
    assert_eq!(table.delete(key.zone(7)).expect("an answer"), Deleted::Deleted);
    assert_eq!(keys(&entries(&mut table)), before);
    Ok(())
}

fn an_incomplete_key_deletes_nothing() -> Result<(), Skip> {
    let before = keys(&bystanders());
    let mut table = table();
    let without_ports = FlowKey::new(tuple(Protocol::TCP, false, Endpoints::None));
    for key in [without_ports, without_ports.id(FlowId(1)), without_ports.zone(7)] {
        let error = table.delete(key).expect_err("no ports");
        assert!(matches!(error.kind(), ErrorKind::Kernel { .. }), "{error}");
    }
    assert_eq!(keys(&entries(&mut table)), before);
    Ok(())
}

/// A connection is given from either end, on either side of NAT.
fn a_plan_spares_connections() -> Result<(), Skip> {
    let mut spared = flow(tuple(Protocol::TCP, false, ports(50_000, 22)));
    spared.reply.source = [10, 99, 99, 99].into();
    spared.zone = Some(7);
    let other = flow(tuple(Protocol::TCP, false, ports(50_001, 22)));
    let mut table = table();
    create(&mut table, [spared.clone(), other]).expect("two entries");
    let filter = "dport=22".parse().expect("a filter");
    let [client, server] = [spared.original, spared.reply.inverse()];
    for tuple in [client, client.inverse(), server, server.inverse()] {
        let mut plan = table.delete_plan(&filter).expect("a plan");
        assert_eq!((plan.matched(), plan.spare(&[])), (2, 0));
        assert_eq!((plan.spare(&[tuple]), plan.matched()), (1, 1), "{tuple}");
        assert_eq!(plan.spare(&[tuple]), 0, "once");
    }
    let udp = Tuple { protocol: Protocol::UDP, ..client };
    let mut plan = table.delete_plan(&filter).expect("a plan");
    assert_eq!(plan.spare(&[udp]), 0, "another protocol");
    assert_eq!(plan.spare(&[udp, server]), 1);
    assert_eq!(plan.execute().expect("a report").deleted, 1);
    let left: Vec<_> = entries(&mut table).iter().map(|flow| flow.original).collect();
    assert_eq!(left, [client]);
    Ok(())
}

fn conntrack_sees_it_go() -> Result<(), Skip> {
    need_tool("conntrack")?;
    let before = bystanders().len();
    run("conntrack -I -p udp -s 10.9.9.9 -d 192.0.2.2 --sport 1 --dport 2 -t 99");
    let listed = || run("conntrack -L -s 10.9.9.9").lines().count();
    assert_eq!(listed(), 1);
    let mut original = tuple(Protocol::UDP, false, ports(1, 2));
    original.source = [10, 9, 9, 9].into();
    assert_eq!(table().delete(FlowKey::new(original)).expect("an answer"), Deleted::Deleted);
    assert_eq!(listed(), 0);
    assert_eq!(run("conntrack -L").lines().count(), before);
    Ok(())
}
