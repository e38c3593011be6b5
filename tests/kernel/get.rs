//! One entry by its key: the right one or none.

use std::time::Duration;

use ctnetlink::flow::{Endpoints, FlowId, FlowKey, NewFlow, Protocol, Tuple};
use ctnetlink::testing::{Population, create, fill};
use ctnetlink::{DumpOptions, ErrorKind};

use crate::support::{Skip, Test, entries, flow, need_tool, ports, run, table, tuple};

pub const TESTS: &[(&str, Test)] = &[
    ("every_entry_is_found_by_either_tuple", every_entry_is_found_by_either_tuple),
    ("the_zone_is_part_of_the_key", the_zone_is_part_of_the_key),
    ("an_id_tells_a_later_entry_from_an_earlier_one", an_id_tells_a_later_entry),
    ("an_incomplete_tuple_is_refused", an_incomplete_tuple_is_refused),
    ("what_it_was_before_nat", what_it_was_before_nat),
    ("conntrack_finds_the_same", conntrack_finds_the_same),
];

fn every_entry_is_found_by_either_tuple() -> Result<(), Skip> {
    fill(&mut table(), &Population::new(500)).expect("room");
    let mut table = table();
    for flow in entries(&mut table) {
        let mut found = table.get(&flow).expect("an answer").expect("an entry");
        assert_eq!(found.use_count, Some(2), "the lookup is a user");
        found.use_count = flow.use_count;
        found.timeout = flow.timeout; // it may have ticked
        assert_eq!(found, flow);

        let mut back = FlowKey::new(flow.reply);
        back.zone = flow.zone;
        assert_eq!(table.get(back).expect("an answer").expect("an entry").id, flow.id);
    }
    let mut dump = table.dump(DumpOptions::new()).expect("a dump");
    let key = {
        let batch = dump.next_batch().expect("a batch").expect("entries");
        let first = batch.flows().next().expect("an entry").expect("a whole one");
        FlowKey::from(&first)
    };
    drop(dump);
    assert!(table.get(key).expect("an answer").is_some());
    let absent = tuple(Protocol::UDP, false, ports(9, 9));
    assert_eq!(table.get(FlowKey::new(absent)).expect("an answer"), None);
    Ok(())
}

fn the_zone_is_part_of_the_key() -> Result<(), Skip> {
    let plain = flow(tuple(Protocol::UDP, true, ports(1, 2)));
    let mut zoned = plain.clone();
    (zoned.zone, zoned.mark) = (Some(7), Some(7));
    let mut one_way = flow(tuple(Protocol::UDP, true, ports(3, 4)));
    one_way.original.zone = Some(8);
    let mut table = table();
    create(&mut table, [plain.clone(), zoned.clone(), one_way.clone()]).expect("three entries");

    let mut mark = |key: FlowKey| table.get(key).expect("an answer").map(|flow| flow.mark);
    let key = FlowKey::new(plain.original);
    assert_eq!(mark(key), Some(Some(0)));
    assert_eq!(mark(key.zone(7)), Some(Some(7)));
    assert_eq!(mark(key.zone(6)), None);
    assert_eq!(mark((&one_way).into()), Some(Some(0)));
    let mut elsewhere = one_way.original;
    elsewhere.zone = None;
    assert_eq!(mark(FlowKey::new(elsewhere)), None);
    Ok(())
}

fn an_id_tells_a_later_entry() -> Result<(), Skip> {
    let made = flow(tuple(Protocol::TCP, false, ports(1, 2)));
    let mut table = table();
    create(&mut table, [made]).expect("an entry");
    let [entry] = <[_; 1]>::try_from(entries(&mut table)).expect("one entry");
    let id = entry.id.expect("an id");
    let key = FlowKey::new(entry.original);
    assert!(table.get(key.id(id)).expect("an answer").is_some());
    assert_eq!(table.get(key.id(FlowId(id.0 ^ 1))).expect("an answer"), None);
    Ok(())
}

fn an_incomplete_tuple_is_refused() -> Result<(), Skip> {
    let mut table = table();
    let without_ports = tuple(Protocol::TCP, false, Endpoints::None);
    let error = table.get(FlowKey::new(without_ports)).expect_err("no ports");
    let ErrorKind::Kernel { source, .. } = error.kind() else { panic!("{error}") };
    assert_eq!(source.kind(), std::io::ErrorKind::InvalidInput);
    assert!(error.to_string().starts_with("get an entry: the kernel refused it: "), "{error}");
    assert_eq!(table.count().expect("a count"), 0);
    Ok(())
}

/// What the other side of NAT sees is neither of the kernel's tuples.
fn what_it_was_before_nat() -> Result<(), Skip> {
    let mut table = table();
    for (v6, protocol) in [(false, Protocol::TCP), (true, Protocol::UDP)] {
        let original = tuple(protocol, v6, ports(4_000, 443));
        let (gateway, backend) = match v6 {
            false => ([203, 0, 113, 1].into(), [10, 9, 9, 9].into()),
            true => ("2001:db8:f::1".parse().expect("v6"), "2001:db8:e::9".parse().expect("v6")),
        };
        // Source and destination NAT, and the ports of both.
        let new = NewFlow::new(original, Duration::from_secs(600))
            .source_nat((gateway, 61_000))
            .destination_nat((backend, 8_443));
        table.create(&new.zone(3)).expect("an entry");
        let seen = Tuple::with_ports(protocol, (gateway, 61_000), (backend, 8_443));
        let key = FlowKey::new(seen).zone(3);
        assert_eq!(table.get(key).expect("an answer"), None, "no tuple of the kernel's");
        let found = table.get_translated(key).expect("an answer").expect("an entry");
        assert_eq!((found.original, found.reply), (original, seen.inverse()));
        assert_eq!(table.get_translated(FlowKey::new(seen)).expect("an answer"), None, "its zone");
        let later = FlowId(found.id.expect("an id").0 ^ 1);
        assert_eq!(table.get_translated(key.id(later)).expect("an answer"), None);
    }
    // Without NAT both sides see the same.
    let plain = flow(tuple(Protocol::UDP, false, ports(5, 6)));
    create(&mut table, [plain.clone()]).expect("an entry");
    let found = table.get_translated(FlowKey::new(plain.original)).expect("an answer");
    assert_eq!(found.expect("an entry").original, plain.original);
    Ok(())
}

fn conntrack_finds_the_same() -> Result<(), Skip> {
    need_tool("conntrack")?;
    run(
        "conntrack -I -p tcp -s 10.0.0.1 -d 192.0.2.2 --sport 1 --dport 2 --state SYN_SENT -t 99 -m 5",
    );
    let listed = run("conntrack -G -p tcp -s 10.0.0.1 -d 192.0.2.2 --sport 1 --dport 2 -o id");
    let key = FlowKey::new(tuple(Protocol::TCP, false, ports(1, 2)));
    let found = table().get(key).expect("an answer").expect("an entry");
    assert!(listed.contains(&format!("mark=5 use=2 id={}", found.id.expect("an id"))), "{listed}");
    assert!(listed.contains(&format!(" {} {} ", found.state(), found.original)), "{listed}");
    Ok(())
}
