//! Dumps: whole, by family, empty, abandoned, and over and over.

use std::collections::HashSet;
use std::io::ErrorKind as IoErrorKind;
use std::ops::ControlFlow;
use std::time::Duration;

use ctnetlink::filter::{Filter, Placement};
use ctnetlink::flow::{Family, Flow, Helper, Protocol, Status, Tuple};
use ctnetlink::testing::{Population, create, enter_private_network, fill};
use ctnetlink::{Conntrack, DumpOptions, ErrorKind};

use crate::support::{Skip, Test, entries, flow, ports, table, tuple};

pub const TESTS: &[(&str, Test)] = &[
    ("an_empty_table", an_empty_table),
    ("both_families_in_one_pass_and_one_on_request", both_families_in_one_pass_and_one_on_request),
    ("limits_are_the_tables", limits_are_the_tables),
    ("a_dump_dropped_half_way", a_dump_dropped_half_way),
    ("a_dump_dropped_half_way_far_from_home", a_dump_dropped_half_way_far_from_home),
    ("an_early_break", an_early_break),
    ("two_handles_at_once", two_handles_at_once),
    ("one_handle_many_times", one_handle_many_times),
    ("expired_entries_are_counted_but_not_shown", expired_entries_are_counted_but_not_shown),
    ("too_many_for_the_table", too_many_for_the_table),
    ("a_refusal_names_its_reason", a_refusal_names_its_reason),
    ("what_the_kernel_does_not_take", what_the_kernel_does_not_take),
];

/// More than fits one datagram, several times over.
const MANY: u64 = 2_000;

fn filled() -> Conntrack {
    let mut table = table();
    fill(&mut table, &Population::new(MANY)).expect("room");
    table
}

fn an_empty_table() -> Result<(), Skip> {
    let mut table = table();
    assert_eq!(table.count().expect("a count"), 0);
    let mut dump = table.dump(DumpOptions::new()).expect("a dump");
    assert!(dump.next_batch().expect("the end").is_none());
    assert!(dump.next_batch().expect("the end, still").is_none());
    assert_eq!((dump.end().entries, dump.end().interrupted), (0, false));
    let scan = table.scan(&ctnetlink::Query::new()).expect("a scan");
    assert!(scan.is_complete());
    assert_eq!((scan.report.flows(), scan.report.distinct()), (0, 0));
    assert!(scan.report.rows().is_empty());
    Ok(())
}

fn both_families_in_one_pass_and_one_on_request() -> Result<(), Skip> {
    let mut table = filled();
    let count = |table: &mut Conntrack, options| {
        let mut seen = [0_u64; 2];
        let end = table.dump(options).expect("a dump").for_each(|flow| {
            seen[usize::from(flow.original().family() == Family::Ipv6)] += 1;
            ControlFlow::Continue(())
        });
        (seen, end.expect("the end"))
    };
    let ([v4, v6], end) = count(&mut table, DumpOptions::new());
    assert_eq!((v4 + v6, end.entries, end.kernel_filtered), (MANY, MANY, false));
    assert!(v4 > 0 && v6 > 0);
    assert!(end.datagrams > 2 && end.bytes > 100 * MANY);
    assert_eq!(end.foreign, 0);

    for (family, expected) in [(Family::Ipv4, [v4, 0]), (Family::Ipv6, [0, v6])] {
        let (seen, end) = count(
            &mut table,
            DumpOptions::new().filter(Filter::family(family)).placement(Placement::LeastCpu),
        );
        assert_eq!(seen, expected);
        assert!(end.kernel_filtered, "the kernel says that a family is a filter");
    }
    Ok(())
}

fn limits_are_the_tables() -> Result<(), Skip> {
    let mut table = filled();
    let setting = |name: &str| -> u32 {
        let path = format!("/proc/sys/net/netfilter/{name}");
        std::fs::read_to_string(path).expect("a setting").trim().parse().expect("a number")
    };
    let limits = table.limits().expect("limits");
    assert_eq!(u64::from(limits.entries), MANY);
    assert_eq!(limits.entries, setting("nf_conntrack_count"));
    assert_eq!(limits.max, Some(setting("nf_conntrack_max")));
    let load = limits.load().expect("a limit");
    assert!((load - MANY as f64 / f64::from(limits.max.expect("a limit"))).abs() < 1e-9);
    Ok(())
}

fn a_dump_dropped_half_way() -> Result<(), Skip> {
    let mut table = filled();
    for _ in 0..3 {
        let mut dump = table.dump(DumpOptions::new()).expect("a dump");
        assert!(dump.next_batch().expect("a batch").is_some());
        drop(dump);
        assert_eq!(u64::from(table.count().expect("a count")), MANY);
        drop(table.dump(DumpOptions::new()).expect("a dump nobody reads"));
        assert_eq!(entries(&mut table).len() as u64, MANY);
    }
    Ok(())
}

/// The handle goes on in a thread that is in another network. It still is about the first one.
fn a_dump_dropped_half_way_far_from_home() -> Result<(), Skip> {
    let tuples = |table: &mut Conntrack| -> HashSet<Tuple> {
        entries(table).iter().map(|flow| flow.original).collect()
    };
    let mut home = filled();
    let at_home = tuples(&mut home);
    assert_eq!(at_home.len() as u64, MANY);
    drop(home.dump(DumpOptions::new()).expect("a dump nobody reads"));
    let elsewhere = std::thread::spawn(move || {
        enter_private_network().expect("another network");
        create(&mut table(), [flow(tuple(Protocol::UDP, false, ports(1, 2)))]).expect("an entry");
        assert_eq!(u64::from(home.count().expect("a count")), MANY);
        let mut dump = home.dump(DumpOptions::new()).expect("a dump");
        assert!(dump.next_batch().expect("a batch").is_some());
        drop(dump);
        assert_eq!(tuples(&mut home), at_home);
        assert!(tuples(&mut table()).is_disjoint(&at_home));
    });
    elsewhere.join().expect("no panic in the other network");
    Ok(())
}

fn an_early_break() -> Result<(), Skip> {
    let mut table = filled();
    let mut seen = 0;
    let dump = table.dump(DumpOptions::new()).expect("a dump");
    let end = dump.for_each(|_| {
        seen += 1;
        if seen == 10 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    assert_eq!(seen, 10);
    assert!(end.expect("an end").entries < MANY);
    assert_eq!(table.dump(DumpOptions::new()).expect("a dump").flows().take(5).count(), 5);
    assert_eq!(entries(&mut table).len() as u64, MANY);
    Ok(())
}

fn two_handles_at_once() -> Result<(), Skip> {
    let (mut one, mut two) = (filled(), table());
    let (mut first, mut second) = (
        one.dump(DumpOptions::new()).expect("a dump"),
        two.dump(DumpOptions::new()).expect("another"),
    );
    // Turn by turn. They may end at different turns: where the table lies in datagrams differs.
    let (mut more_of_first, mut more_of_second) = (true, true);
    while more_of_first || more_of_second {
        more_of_first = first.next_batch().expect("a batch").is_some();
        more_of_second = second.next_batch().expect("a batch").is_some();
    }
    assert_eq!((first.end().entries, second.end().entries), (MANY, MANY));
    Ok(())
}

fn one_handle_many_times() -> Result<(), Skip> {
    let mut table = filled();
    for _ in 0..50 {
        let end =
            table.dump(DumpOptions::new()).expect("a dump").for_each(|_| ControlFlow::Continue(()));
        assert_eq!(end.expect("the end").entries, MANY);
        assert_eq!(u64::from(table.count().expect("a count")), MANY);
    }
    Ok(())
}

fn expired_entries_are_counted_but_not_shown() -> Result<(), Skip> {
    let mut table = table();
    let mut short = flow(tuple(Protocol::UDP, false, ports(1, 2)));
    short.timeout = Some(Duration::ZERO);
    let long = flow(tuple(Protocol::UDP, false, ports(3, 4)));
    create(&mut table, [long.clone()]).expect("an entry");
    // The kernel's collector may come in between, but hardly every time.
    let mut counted = false;
    for _ in 0..3 {
        create(&mut table, [short.clone()]).expect("another, with nothing left to live");
        counted |= table.count().expect("a count") == 2;
        let found = entries(&mut table);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].original, long.original);
        assert_eq!(table.count().expect("a count"), 1, "the dump collects what it skips");
    }
    assert!(counted);
    Ok(())
}

fn too_many_for_the_table() -> Result<(), Skip> {
    let mut table = table();
    create(&mut table, [flow(tuple(Protocol::UDP, false, ports(1, 2)))]).expect("an entry");
    let max = table.limits().expect("limits").max.unwrap_or(0);
    if max == 0 {
        return Err(Skip::Kernel("this kernel has no limit".to_owned()));
    }
    let error = fill(&mut table, &Population::new(max.into())).expect_err("one too many");
    assert!(matches!(*error.kind(), ErrorKind::TableFull { entries: 1, .. }));
    let text = error.to_string();
    let remedy = format!("sysctl -w net.netfilter.nf_conntrack_max={}", u64::from(max) + 1);
    assert!(text.ends_with(&remedy), "{text}");
    assert!(text.contains(&format!("ask for {} at most", max - 1)), "{text}");
    assert_eq!(table.count().expect("a count"), 1, "nothing was made");
    Ok(())
}

fn a_refusal_names_its_reason() -> Result<(), Skip> {
    let mut table = table();
    let made = flow(tuple(Protocol::UDP, false, ports(1, 2)));
    create(&mut table, [made.clone()]).expect("an entry");
    let error = create(&mut table, [made]).expect_err("it is there already");
    let ErrorKind::Kernel { source, .. } = error.kind() else { panic!("{error}") };
    assert_eq!(source.kind(), IoErrorKind::AlreadyExists);
    assert!(error.to_string().starts_with("create entries: the kernel refused it: File exists"));
    // The handle is fine.
    assert_eq!(entries(&mut table).len(), 1);
    Ok(())
}

/// What no kernel has ever taken, and what it says to it.
fn what_the_kernel_does_not_take() -> Result<(), Skip> {
    type Spoil = fn(&mut Flow);
    let cases: [(&str, Spoil, IoErrorKind); 7] = [
        ("no timeout", |flow| flow.timeout = None, IoErrorKind::InvalidInput),
        ("two protocols", |flow| flow.reply.protocol = Protocol::TCP, IoErrorKind::InvalidInput),
        ("not confirmed", |flow| flow.status = Status::empty(), IoErrorKind::ResourceBusy),
        ("expected", |flow| flow.status |= Status::EXPECTED, IoErrorKind::ResourceBusy),
        (
            "a master that is not there",
            |flow| flow.master = Some(tuple(Protocol::TCP, false, ports(7, 8))),
            IoErrorKind::NotFound,
        ),
        (
            "a zone for each direction, even the same",
            |flow| (flow.original.zone, flow.reply.zone) = (Some(9), Some(9)),
            IoErrorKind::InvalidInput,
        ),
        (
            "a helper nobody wrote",
            |flow| flow.helper = Some(Helper { name: "nobody".into(), info: None }),
            IoErrorKind::Unsupported,
        ),
    ];
    let mut table = table();
    for (what, spoil, expected) in cases {
        let mut spoilt = flow(tuple(Protocol::UDP, false, ports(1, 2)));
        spoil(&mut spoilt);
        let error = create(&mut table, [spoilt]).expect_err(what);
        let ErrorKind::Kernel { source, .. } = error.kind() else { panic!("{what}: {error}") };
        assert_eq!(source.kind(), expected, "{what}");
        assert_eq!(table.count().expect("a count"), 0, "{what}");
    }
    Ok(())
}
