//! How many later entries a plan deletes while another thread replaces entries all the time.
//!
//! A table of entries with mark 1, and a plan for them. Another thread deletes entries at random and
//! makes each anew with mark 2, as fast as it can, while the plan is executed. Every mark-2 entry
//! that it made and that is not there in the end was lost.
//!
//! `cargo bench -p ctnetlink-benches --bench race` runs it; `RACE_ENTRIES`, `RACE_ROUNDS`,
//! `RACE_TIMESTAMP` (0) and `RACE_EVENTS` (2) are settings. With both of the latter 1 it fails if a loss was not reported.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use ctnetlink::flow::{Flow, Protocol, Status, Tuple};
use ctnetlink::testing::{create, enter_private_namespace};
use ctnetlink::{Conntrack, DeleteReport, DumpOptions};
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_NETFILTER};

fn main() {
    let testing = std::env::args().any(|arg| arg == "--test");
    let setting = |name: &str, default| {
        std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
    };
    let entries: u64 = setting("RACE_ENTRIES", if testing { 500 } else { 20_000 });
    let rounds = setting("RACE_ROUNDS", if testing { 1 } else { 10 });
    if let Err(error) = enter_private_namespace() {
        println!("race: not run: {error}");
        return;
    }
    for (name, value) in [
        ("nf_conntrack_timestamp", setting("RACE_TIMESTAMP", 0)),
        ("nf_conntrack_events", setting("RACE_EVENTS", 2)),
    ] {
        let path = format!("/proc/sys/net/netfilter/{name}");
        if let Err(error) = std::fs::write(&path, value.to_string()) {
            println!("race: not run: {path}: {error}");
            return;
        }
    }
    let honest = setting("RACE_TIMESTAMP", 0) == 1 && setting("RACE_EVENTS", 2) == 1;
    let mut sums = [0_u64; 7];
    for _ in 0..rounds {
        let round = race(entries, honest);
        sums.iter_mut().zip(round).for_each(|(sum, number)| *sum += number);
    }
    let [planned, deleted, replaced, changed, reported, lost, made] = sums;
    println!("{planned} planned in {rounds} rounds, {made} replaced meanwhile");
    println!("{deleted} deleted, {replaced} replaced and {changed} changed ones left alone");
    println!(
        "{lost} later entries lost ({:.2} in 10,000 planned), {reported} of them reported",
        lost as f64 * 1e4 / planned as f64
    );
}

fn doomed(number: u64) -> Flow {
    let source = ([172, 16, 0, (number / 50_000) as u8].into(), (1024 + number % 50_000) as u16);
    let original = Tuple::with_ports(Protocol::UDP, source, ([192, 0, 2, 1].into(), 9999));
    let mut flow = Flow::new(original, original.inverse());
    flow.status = Status::CONFIRMED;
    flow.timeout = Some(std::time::Duration::from_secs(3600));
    flow.mark = Some(1);
    flow
}

/// Planned, deleted, replaced, changed, reported as lost, lost, made.
fn race(entries: u64, honest: bool) -> [u64; 7] {
    let mut table = Conntrack::open().expect("a table");
    table.flush().expect("room");
    create(&mut table, (0..entries).map(doomed)).expect("room");
    let replacements: Vec<(Tuple, Vec<u8>)> = (0..entries)
        .map(|number| (doomed(number).original, replacement(&doomed(number))))
        .collect();
    let (stop, count) = (AtomicBool::new(false), AtomicU64::new(0));
    let (report, made) = std::thread::scope(|scope| {
        let replacer = scope.spawn(|| replace(&replacements, &stop, &count));
        while count.load(Ordering::Relaxed) == 0 {
            std::thread::yield_now();
        }
        let plan = table.delete_plan(&"mark=1".parse().expect("a filter")).expect("a plan");
        let report = plan.max(u64::MAX).execute().expect("a report");
        stop.store(true, Ordering::Relaxed);
        (report, replacer.join().expect("an end"))
    });
    assert!(report.error.is_none(), "{report:?}");
    let dump = table.dump(DumpOptions::new()).expect("a dump");
    let left: HashSet<Tuple> = dump
        .flows()
        .map(|flow| flow.expect("an entry"))
        .filter(|flow| flow.mark == Some(2))
        .map(|flow| flow.original)
        .collect();
    let lost: HashSet<Tuple> = made.difference(&left).copied().collect();
    let reported: HashSet<Tuple> = report.later.iter().map(|flow| flow.original).collect();
    if honest {
        assert!(lost.is_subset(&reported), "lost without a word: {:?}", lost.difference(&reported));
    }
    let DeleteReport { matched, deleted, replaced, changed, deleted_later, .. } = report;
    let lost = lost.len() as u64;
    [matched, deleted, replaced, changed, deleted_later, lost, count.load(Ordering::Relaxed)]
}

/// Replaces entries at random until it is stopped, and returns the tuples of what it has made.
fn replace(
    replacements: &[(Tuple, Vec<u8>)],
    stop: &AtomicBool,
    count: &AtomicU64,
) -> HashSet<Tuple> {
    let mut socket = Socket::new(NETLINK_NETFILTER).expect("a socket");
    socket.bind_auto().expect("an address");
    let kernel = SocketAddr::new(0, 0);
    let (mut made, mut dice, mut answer) = (HashSet::new(), 1_u64, Vec::with_capacity(4096));
    while !stop.load(Ordering::Relaxed) {
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let (tuple, requests) = &replacements[(dice >> 33) as usize % replacements.len()];
        socket.send_to(requests, &kernel, 0).expect("sent");
        let codes = [(); 2].map(|()| {
            answer.clear();
            socket.recv_from(&mut answer, 0).expect("an answer");
            i32::from_ne_bytes(answer[16..20].try_into().expect("four bytes"))
        });
        if codes[1] == 0 {
            made.insert(*tuple);
            count.fetch_add(1, Ordering::Relaxed);
        }
    }
    made
}

/// A delete by tuple of whatever is there, and a new entry with mark 2: two requests in a send.
fn replacement(flow: &Flow) -> Vec<u8> {
    let mut flow = flow.clone();
    flow.mark = Some(2);
    let new = flow.to_bytes();
    let tuple_length = usize::from(u16::from_ne_bytes([new[0], new[1]]));
    let mut requests = Vec::new();
    for (message, flags, attributes) in [(2, 0x5_u16, &new[..tuple_length]), (0, 0x605, &new)] {
        let length = (20 + attributes.len()) as u32;
        requests.extend(length.to_ne_bytes());
        requests.extend([message, 1]);
        requests.extend(flags.to_ne_bytes());
        requests.extend([0; 8]);
        requests.extend([2, 0, 0, 0]);
        requests.extend(attributes);
    }
    requests
}
