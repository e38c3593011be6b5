//! What came later stays: entries that took over a tuple between the plan and its execution.

use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};

use ctnetlink::flow::{Change, Flow, FlowKey, NewFlow, Protocol, Status, Tuple};
use ctnetlink::testing::create;
use ctnetlink::{Conntrack, DeleteReport, Deleted};

use crate::support::{Skip, Test, entries, flow, ports, set, table, tuple};

pub const TESTS: &[(&str, Test)] = &[
    ("later_entries_with_another_mark_stay", later_entries_with_another_mark_stay),
    ("later_entries_alike_stay_if_they_began_later", later_entries_alike_stay_if_they_began_later),
    ("what_an_entry_cannot_lose_tells_too", what_an_entry_cannot_lose_tells_too),
    ("what_changed_meanwhile_stays", what_changed_meanwhile_stays),
    ("one_flow_is_looked_at_before_it_goes", one_flow_is_looked_at_before_it_goes),
    ("the_kernel_confirms_what_went", the_kernel_confirms_what_went),
    ("what_is_lost_in_a_race_is_reported", what_is_lost_in_a_race_is_reported),
    ("pairs_in_directional_zones_go_one_by_one", pairs_in_directional_zones_go_one_by_one),
];

/// How many entries are made anew. The more there are, the more get their predecessor's memory,
/// and with it the id.
const CHURNED: u16 = 500;
const ALL: u64 = CHURNED as u64;
/// How often that is tried until an id comes back: beside a busy machine it may not at first.
const ATTEMPTS: u32 = 20;

fn marked(number: u16, mark: u32) -> Flow {
    let mut flow = flow(tuple(Protocol::UDP, false, ports(number, 9)));
    flow.mark = Some(mark);
    flow
}

/// Makes entries of mark 1 and a plan for them; somebody else deletes each and makes it anew, one
/// at a time, by `anew`; then the plan is executed.
fn churned(anew: impl Fn(u16) -> Flow) -> Result<(DeleteReport, Vec<Flow>), Skip> {
    churned_from(|number| marked(number, 1), anew)
}

fn churned_from(
    made: impl Fn(u16) -> Flow,
    anew: impl Fn(u16) -> Flow,
) -> Result<(DeleteReport, Vec<Flow>), Skip> {
    let (mut table, mut other) = (table(), Conntrack::open().expect("a table"));
    let ids = |flows: &[Flow]| flows.iter().map(|flow| (flow.original, flow.id)).collect();
    for _ in 0..ATTEMPTS {
        create(&mut table, (1..=CHURNED).map(&made)).expect("new entries");
        let before: HashSet<_> = ids(&entries(&mut table));
        let plan = table.delete_plan(&"mark=1".parse().expect("a filter")).expect("a plan");
        assert_eq!(plan.matched(), ALL);
        for number in 1..=CHURNED {
            let key = FlowKey::new(marked(number, 1).original);
            assert_eq!(other.delete(key).expect("an answer"), Deleted::Deleted);
            create(&mut other, [anew(number)]).expect("a new entry");
        }
        if !ids(&entries(&mut other)).is_disjoint(&before) {
            let report = plan.execute().expect("a report");
            return Ok((report, entries(&mut table)));
        }
        other.flush().expect("an empty table");
    }
    Err(Skip::Chance(format!("no entry got its predecessor's id in {ATTEMPTS} attempts")))
}

fn later_entries_with_another_mark_stay() -> Result<(), Skip> {
    let (report, left) = churned(|number| marked(number, 2))?;
    assert_eq!((left.len(), report.deleted), (usize::from(CHURNED), 0), "{report:?}");
    // But for the mark nothing tells those with their predecessor's id from it.
    assert_eq!(report.replaced + report.changed, ALL, "{report:?}");
    Ok(())
}

fn later_entries_alike_stay_if_they_began_later() -> Result<(), Skip> {
    set("nf_conntrack_timestamp", "1");
    let (report, left) = churned(|number| marked(number, 1))?;
    assert_eq!((left.len(), report.replaced), (usize::from(CHURNED), ALL), "{report:?}");
    Ok(())
}

/// Where nothing tells the two apart, those that got their predecessor's id go; the others stay.
/// Here they differ in a bit of the status that no entry ever loses.
fn what_an_entry_cannot_lose_tells_too() -> Result<(), Skip> {
    let (report, left) = churned(|number| marked(number, 1))?;
    assert!(report.deleted > 0 && report.deleted + report.replaced == ALL, "{report:?}");
    assert_eq!(left.len() as u64, ALL - report.deleted);
    table().flush().expect("room");
    let replied = |number| {
        let mut flow = marked(number, 1);
        flow.status |= Status::SEEN_REPLY | Status::ASSURED;
        flow
    };
    let (report, left) = churned_from(replied, |number| marked(number, 1))?;
    assert_eq!((left.len(), report.replaced), (usize::from(CHURNED), ALL), "{report:?}");
    Ok(())
}

fn what_changed_meanwhile_stays() -> Result<(), Skip> {
    let mut table = table();
    create(&mut table, (1..=100).map(|number| marked(number, 1))).expect("new entries");
    let plan = table.delete_plan(&"mark=1".parse().expect("a filter")).expect("a plan");
    let mut other = Conntrack::open().expect("a table");
    for number in 1..=40 {
        let key = FlowKey::new(marked(number, 1).original);
        other.update(key, &Change::new().mark(3)).expect("an answer");
    }
    let report = plan.execute().expect("a report");
    assert_eq!((report.deleted, report.changed, report.replaced), (60, 40, 0), "{report:?}");
    assert!(entries(&mut table).iter().all(|flow| flow.mark == Some(3)));
    Ok(())
}

fn one_flow_is_looked_at_before_it_goes() -> Result<(), Skip> {
    set("nf_conntrack_timestamp", "1");
    let (mut table, mut again) = (table(), 0);
    for _ in 0..100 {
        create(&mut table, [marked(1, 1)]).expect("a new entry");
        let [before] = &entries(&mut table)[..] else { panic!("one entry") };
        assert_eq!(table.delete(before).expect("an answer"), Deleted::Deleted);
        create(&mut table, [marked(1, 1)]).expect("another");
        let [now] = &entries(&mut table)[..] else { panic!("one entry") };
        again += u32::from(now.id == before.id);
        assert_eq!(table.delete(before).expect("an answer"), Deleted::Replaced);
        assert_eq!(table.delete(FlowKey::from(now)).expect("an answer"), Deleted::Deleted);
    }
    assert!(again > 0, "no id came back, so nothing is shown here");
    Ok(())
}

fn the_kernel_confirms_what_went() -> Result<(), Skip> {
    let mut table = table();
    for (events, told) in [("1", 300), ("0", 0)] {
        set("nf_conntrack_events", events);
        create(&mut table, (1..=300).map(|number| marked(number, 1 + u32::from(number & 1))))
            .expect("new entries");
        let plan =
            table.delete_plan(&"mark=1 or mark=2".parse().expect("a filter")).expect("a plan");
        let report = plan.execute().expect("a report");
        assert_eq!((report.deleted, report.confirmed), (300, told), "{report:?}");
        assert_eq!((report.deleted_later, table.count().expect("a count")), (0, 0));
    }
    Ok(())
}

/// Somebody replaces entries all the time while plans are executed. Whether one is lost is chance;
/// that it is reported is not.
fn what_is_lost_in_a_race_is_reported() -> Result<(), Skip> {
    set("nf_conntrack_timestamp", "1");
    set("nf_conntrack_events", "1");
    let mut table = table();
    let (mut spared, mut raced) = (0, 0);
    while spared == 0 && raced < 50 {
        raced += 1;
        table.flush().expect("room");
        create(&mut table, (1..=3_000).map(|number| marked(number, 1))).expect("new entries");
        let mut other = Conntrack::open().expect("a table");
        let (stop, started) = (AtomicBool::new(false), AtomicBool::new(false));
        let plan = table.delete_plan(&"mark=1".parse().expect("a filter")).expect("a plan");
        let (report, made) = std::thread::scope(|scope| {
            let replacer = scope.spawn(|| {
                let (mut made, mut number) = (HashSet::new(), 0_u16);
                while !stop.load(Ordering::Relaxed) {
                    number = (number + 1_009) % 3_000;
                    let new = marked(number + 1, 2);
                    let key = FlowKey::new(new.original);
                    if other.delete(key).expect("an answer") == Deleted::Deleted {
                        made.extend(create(&mut other, [new.clone()]).map(|_| new.original).ok());
                    }
                    started.store(true, Ordering::Relaxed);
                }
                made
            });
            while !started.load(Ordering::Relaxed) {
                std::thread::yield_now();
            }
            let report = plan.max(u64::MAX).execute().expect("a report");
            stop.store(true, Ordering::Relaxed);
            (report, replacer.join().expect("an end"))
        });
        let left: HashSet<_> = entries(&mut table).iter().map(|flow| flow.original).collect();
        let told: HashSet<_> = report.later.iter().map(|flow| flow.original).collect();
        let lost: HashSet<_> = made.difference(&left).copied().collect();
        assert!(lost.is_subset(&told), "lost without a word: {lost:?} {report:?}");
        assert_eq!((told.len() as u64, report.error.is_none()), (report.deleted_later, true));
        // What was lost can be put back.
        for flow in report.later.iter().filter(|flow| lost.contains(&flow.original)) {
            assert_eq!(flow.mark, Some(2));
            let mut again = NewFlow::from(flow);
            // Before 5.12 the event of an end does not say how long the entry would have lived.
            if flow.timeout.is_none() {
                again = again.timeout(std::time::Duration::from_secs(3600));
            }
            table.create(&again).expect("what was there");
        }
        spared += report.replaced;
    }
    assert!(spared > 0, "nothing was replaced in {raced} races");
    Ok(())
}

/// The reply tuple of B is the original tuple of A, and the kernel finds B by it.
fn pairs_in_directional_zones_go_one_by_one() -> Result<(), Skip> {
    let ends = |number: u8| {
        let ends: [IpAddr; 2] = [[10, 0, 0, number].into(), [10, 0, 1, number].into()];
        ((ends[0], 1), (ends[1], 2))
    };
    let pair = |number| {
        let (one, other) = ends(number);
        let mut a = flow(Tuple::with_ports(Protocol::UDP, one, other));
        let mut b = flow(Tuple::with_ports(Protocol::UDP, other, one));
        (a.reply.zone, a.mark) = (Some(7), Some(1));
        (b.original.zone, b.mark) = (Some(7), Some(5));
        [a, b]
    };
    let mut table = table();
    // In either order: the kernel finds first what came last.
    create(&mut table, (1..=20).flat_map(pair)).expect("new entries");
    create(
        &mut table,
        (21..=40).flat_map(|n| {
            let [a, b] = pair(n);
            [b, a]
        }),
    )
    .expect("new entries");
    for mark in [1, 5] {
        let filter = format!("mark={mark}").parse().expect("a filter");
        let report = table.delete_plan(&filter).expect("a plan").execute().expect("a report");
        assert_eq!((report.matched, report.deleted), (40, 40), "{report:?}");
        assert!(entries(&mut table).iter().all(|flow| flow.mark != Some(mark)));
    }
    // One at a time, too.
    create(&mut table, (1..=20).flat_map(pair)).expect("new entries");
    for flow in entries(&mut table) {
        assert_eq!(table.delete(&flow).expect("an answer"), Deleted::Deleted);
    }
    assert_eq!(table.count().expect("a count"), 0);
    Ok(())
}
