//! The incident's whole path: a table that is full, what the doctor says, and the repair.

use std::net::{Ipv4Addr, UdpSocket};
use std::os::unix::fs::MetadataExt;
use std::time::Duration;

use ctnetlink::Conntrack;
use ctnetlink::flow::{Flow, Protocol, Status};
use ctnetlink::kernel::stats::Counter;
use ctnetlink::operate::diagnose::{Facts, Sources};
use ctnetlink::operate::tune::Settings;
use ctnetlink::testing::create;
use serde_json::Value;

use crate::programs::command;
use crate::support::{Skip, Test, flow, need_tool, ports, run, set, table, tuple};
use crate::traffic::tracked_loopback;

pub const TESTS: &[(&str, Test)] = &[
    ("check_1_2_a_full_table_and_its_repair", check_1_2_a_full_table_and_its_repair),
    ("check_1_1_usage_in_one_look", check_1_1_usage_in_one_look),
    ("check_1_6_timeouts_below_keepalive", check_1_6_timeouts_below_keepalive),
    ("check_1_8_who_uses_it", check_1_8_who_uses_it),
    ("check_3_3_an_overlay_and_its_rule", check_3_3_an_overlay_and_its_rule),
    ("check_4_1_forwarding_is_off", check_4_1_forwarding_is_off),
    ("what_everybody_may_read_is_judged", what_everybody_may_read_is_judged),
];

/// So many UDP flows of one source; `held` of them assured.
fn flows(count: u32, held: u32) -> impl Iterator<Item = Flow> {
    (0..count).map(move |number| {
        let mut flow =
            flow(tuple(Protocol::UDP, false, ports((number % 60_000) as u16 + 1024, 53)));
        let host = (number / 60_000) as u8 + 1;
        flow.original.destination = [192, 0, 2, host].into();
        flow.reply = flow.original.inverse();
        flow.status |= Status::SEEN_REPLY;
        flow.status.set(Status::ASSURED, number < held);
        flow
    })
}

/// What the doctor says, with its exit code; nothing of the host's log or files is in it.
pub fn doctor(arguments: &[&str]) -> (Option<i32>, Value) {
    let output = command("doctor")
        .args(["--kmsg", "/dev/null", "--json"])
        .args(arguments)
        .output()
        .expect("a run");
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    let document = serde_json::from_str(&text).unwrap_or_else(|_| panic!("{text}{errors}"));
    (output.status.code(), document)
}

pub fn finding<'d>(document: &'d Value, id: &str) -> Option<&'d Value> {
    document["findings"].as_array().expect("findings").iter().find(|finding| finding["id"] == id)
}

pub fn seen(document: &Value, id: &str) -> String {
    let found = finding(document, id).unwrap_or_else(|| panic!("no {id}: {document}"));
    found["seen"].as_str().expect("text").to_owned()
}

pub fn send(packets: u16) {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a socket");
    for port in 0..packets {
        // Dropped on its way out, where the table is full.
        let _ = socket.send_to(b"?", (Ipv4Addr::LOCALHOST, 2_000 + port));
    }
}

pub fn full(held: bool) -> Result<(Conntrack, u32), Skip> {
    tracked_loopback()?;
    let mut table = table();
    let max = table.limits().expect("limits").max.unwrap_or(0);
    if !(1..=300_000).contains(&max) {
        return Err(Skip::Kernel(format!("a limit of {max} is not one to fill in a test")));
    }
    create(&mut table, flows(max, if held { max } else { 0 })).expect("room");
    Ok((table, max))
}

fn check_1_2_a_full_table_and_its_repair() -> Result<(), Skip> {
    let (mut table, max) = full(true)?;
    let mut watching = command("doctor");
    watching.args(["--kmsg", "/dev/null", "--json", "--interval", "4"]);
    let mut watching = watching.stdout(std::process::Stdio::piped()).spawn().expect("a run");
    // Between its two looks, whenever those are.
    while watching.try_wait().expect("a child").is_none() {
        send(5);
        std::thread::sleep(Duration::from_millis(50));
    }
    let output = watching.wait_with_output().expect("its end");
    assert_eq!(output.status.code(), Some(2));
    let document: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let full = seen(&document, "TABLE_FULL");
    assert!(full.contains(&format!("{max} of {max} entries (100 %)")), "{full}");
    assert!(full.contains("largest source: 10.0.0.1 (100 %)"), "{full}");
    let drops = seen(&document, "DROP");
    let inode = std::fs::metadata("/proc/thread-self/ns/net").expect("a namespace").ino();
    let (_, more) = drops.split_once("drop +").expect("more than before");
    let more = more.split_once(" just now").and_then(|(more, _)| more.parse::<u64>().ok());
    assert!(more.is_some_and(|more| more > 0), "{drops}");
    assert!(drops.contains(&format!("in namespace {inode}")), "{drops}");
    let remedy = finding(&document, "TABLE_FULL").expect("one")["remedy"].as_str();
    assert!(remedy.expect("text").contains("raise the limit"));

    // Entries that can be evicted alone: full, and yet nothing is lost.
    // The kernel's collector evicts them, too, above 95 %: on a slow machine, before the doctor looks.
    let attempts = (0..5).map(|_| {
        table.flush().expect("a flush");
        create(&mut table, flows(max, 0)).expect("room");
        send(50);
        doctor(&["--interval", "0"])
    });
    let mut seen_full =
        attempts.filter(|(_, document)| finding(document, "FULL_BUT_EVICTING").is_some());
    let (code, document) = seen_full.next().expect("FULL_BUT_EVICTING in one of five attempts");
    assert_eq!(code, Some(1), "{document}");
    assert!(seen(&document, "FULL_BUT_EVICTING").contains("full but evicting"));
    assert!(finding(&document, "TABLE_FULL").is_none());

    // Repaired: what has been is only worth knowing.
    table.flush().expect("a flush");
    let (code, document) = doctor(&["--interval", "0", "--rules", "/dev/null"]);
    assert_eq!((code, &document["severity"]), (Some(0), &"info".into()), "{document}");
    assert!(seen(&document, "DROP").contains(" since boot"));
    Ok(())
}

fn check_1_1_usage_in_one_look() -> Result<(), Skip> {
    let mut table = table();
    create(&mut table, flows(1_000, 400)).expect("room");
    let mut sources = Sources::default();
    (sources.interval, sources.log) = (Duration::ZERO, "/dev/null".into());
    let facts = Facts::gather(&mut table, &Settings::here(), &sources).expect("facts");
    assert_eq!(
        (facts.entries, facts.flows.as_ref().map(|flows| flows.total)),
        (Some(1_000), Some(1_000))
    );
    let headroom = facts.flows.expect("flows").headroom;
    assert_eq!((headroom.held, headroom.evictable()), (400, 600));
    let buckets = facts.buckets.expect("buckets");
    let load = ctnetlink::operate::tune::sizing::load(1_000, buckets);
    assert!((load - 2_000.0 / buckets as f64).abs() < 1e-12);
    assert!(facts.counters.expect("counters").get(Counter::INSERT).is_some());
    assert_eq!(facts.unseen.len(), 1, "the rules, which nobody gave: {:?}", facts.unseen);
    Ok(())
}

fn check_1_6_timeouts_below_keepalive() -> Result<(), Skip> {
    // No packet filter's program has to be there.
    let doctor = || doctor(&["--interval", "0", "--rules", "/dev/null"]);
    let (code, _) = doctor();
    assert_eq!(code, Some(0), "a fresh network is fine");
    set("nf_conntrack_tcp_timeout_established", "300");
    let (code, document) = doctor();
    assert_eq!(code, Some(1));
    let text = seen(&document, "ESTABLISHED_BELOW_KEEPALIVE");
    assert!(text.contains("is 300 s") && text.contains("7200 s"), "{text}");
    set("nf_conntrack_tcp_timeout_established", "432000");
    assert_eq!(doctor().0, Some(0));
    Ok(())
}

fn check_1_8_who_uses_it() -> Result<(), Skip> {
    need_tool("nft")?;
    let (_, document) = doctor(&["--interval", "0"]);
    assert!(finding(&document, "IN_USE_BY").is_none(), "no rule asks for it");
    run("nft add table ip n");
    run("nft add chain ip n post { type nat hook postrouting priority 100 ; }");
    let (_, document) = doctor(&["--interval", "0"]);
    assert!(seen(&document, "IN_USE_BY").contains("NAT"));
    Ok(())
}

fn check_3_3_an_overlay_and_its_rule() -> Result<(), Skip> {
    need_tool("nft")?;
    tracked_loopback()?;
    let send = || {
        for port in 0..2_000 {
            let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 20_000 + port)).expect("a socket");
            socket.send_to(b"vxlan", (Ipv4Addr::LOCALHOST, 4_789)).expect("sent");
        }
    };
    // Somebody listens, so that nobody answers that there is no one.
    let _sink = UdpSocket::bind((Ipv4Addr::LOCALHOST, 4_789)).expect("a socket");
    send();
    assert_eq!(table().count().expect("a count"), 2_000);
    let (code, document) = doctor(&["--interval", "0"]);
    assert_eq!(code, Some(1));
    assert!(seen(&document, "OVERLAY_TRACKED").contains("2000 entries (100 %) are VXLAN"));
    // The very rules it prints.
    let commands = finding(&document, "OVERLAY_TRACKED").expect("one")["commands"].clone();
    for command in commands.as_array().expect("commands") {
        let command = command.as_str().expect("text");
        if command.starts_with("nft ") {
            run(&command.replace('\'', ""));
        }
    }
    let (code, document) = doctor(&["--interval", "0"]);
    assert_eq!(code, Some(0), "{document}");
    assert!(finding(&document, "OVERLAY_TRACKED_BEFORE").is_some());
    table().flush().expect("a flush");
    send();
    assert_eq!(table().count().expect("a count"), 0, "taken out of tracking");
    Ok(())
}

fn check_4_1_forwarding_is_off() -> Result<(), Skip> {
    need_tool("nft")?;
    run("nft add table ip n");
    run("nft add chain ip n post { type nat hook postrouting priority 100 ; }");
    let forward = |value: &str| {
        std::fs::write("/proc/sys/net/ipv4/ip_forward", value).expect("a setting");
    };
    forward("0");
    let (code, document) = doctor(&["--interval", "0"]);
    assert_eq!(code, Some(2), "{document}");
    assert!(seen(&document, "IP_FORWARD_OFF").contains("ip_forward is 0"));
    forward("1");
    let (_, document) = doctor(&["--interval", "0"]);
    assert!(finding(&document, "IP_FORWARD_OFF").is_none());

    // The chain that drops, and the chain that explains it.
    run("nft add table ip filter");
    run("nft add chain ip filter FORWARD { type filter hook forward priority 0 ; policy drop ; }");
    let (_, document) = doctor(&["--interval", "0"]);
    assert!(finding(&document, "FORWARD_DROPS").is_some());
    run("nft add chain ip filter DOCKER");
    let (_, document) = doctor(&["--interval", "0"]);
    assert!(finding(&document, "FORWARD_DROPS").is_none());
    Ok(())
}

/// The table's entries take a privilege; its size, its counters and the settings do not.
fn what_everybody_may_read_is_judged() -> Result<(), Skip> {
    let (mut table, max) = full(true)?;
    send(50);
    set("nf_conntrack_udp_timeout_stream", "30");
    let mut sources = Sources::default();
    (sources.interval, sources.log) = (Duration::ZERO, "/dev/null".into());
    let facts = Facts::gather_unprivileged(&Settings::here(), &sources);
    assert_eq!((facts.entries, facts.max), (Some(max.into()), Some(max.into())));
    assert!(facts.buckets.is_some() && facts.flows.is_none());
    let Some(counters) = &facts.counters else {
        return Err(Skip::Kernel("this kernel shows no counters in /proc".to_owned()));
    };
    let own = table.stats().expect("counters").sum();
    for (counter, value) in own.iter() {
        // Of some a kernel tells by one way alone.
        let read = counters.get(counter).unwrap_or(value);
        assert_eq!(read, value, "{counter}");
    }
    assert_eq!(counters.get(Counter::DROP), Some(50));
    let ids: Vec<_> = ctnetlink::operate::diagnose::diagnose(&facts)
        .into_iter()
        .map(|finding| finding.id)
        .collect();
    for id in ["TABLE_FULL", "DROP", "UDP_STREAM_SHORT"] {
        assert!(ids.contains(&id), "{ids:?}");
    }
    assert!(!facts.is_complete(), "the rules, at least");
    table.flush().expect("a flush");
    Ok(())
}
