//! A table that is full for real: packets are dropped, the kernel says so in its log.

use std::net::{Ipv4Addr, UdpSocket};
use std::time::Duration;

use ctnetlink::flow::{Flow, Protocol, Status};
use ctnetlink::kernel::Version;
use ctnetlink::kernel::stats::Counter;
use ctnetlink::testing::create;
use ctnetlink::{Conntrack, Namespace};
use serde_json::Value;

use crate::machine::{document, empty_table, output, setting, tracked, untracked};
use crate::support::{Skip, Test, flow, need_tool, ports, run, tuple};

pub const TESTS: &[(&str, Test)] = &[
    ("the_hosts_table_is_full_and_mended", the_hosts_table_is_full_and_mended),
    ("a_containers_table_is_full", a_containers_table_is_full),
];

/// Entries of a full table.
const MAX: i64 = 2_000;

/// Packets that find no room.
const PACKETS: u16 = 20;

fn flows(count: i64) -> impl Iterator<Item = Flow> {
    (0..count).map(|number| {
        let port = 1024 + u16::try_from(number).expect("a port");
        let mut flow = flow(tuple(Protocol::UDP, false, ports(port, 53)));
        flow.status |= Status::SEEN_REPLY | Status::ASSURED;
        flow
    })
}

/// Sends packets, each of a flow of its own.
fn send() {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a socket");
    for port in 0..PACKETS {
        // Dropped on its way out.
        let _ = socket.send_to(b"?", (Ipv4Addr::LOCALHOST, 2_000 + port));
    }
}

fn finding<'d>(document: &'d Value, id: &str) -> &'d Value {
    let findings = document["findings"].as_array().expect("findings");
    let found = findings.iter().find(|finding| finding["id"] == id);
    found.unwrap_or_else(|| panic!("no {id}: {document}"))
}

fn seen<'d>(document: &'d Value, id: &str) -> &'d str {
    finding(document, id)["seen"].as_str().expect("text")
}

/// What the doctor says; which rules there are is not the matter here.
fn doctor(arguments: &[&str]) -> (Option<i32>, Value) {
    document("doctor", &[&["--interval", "0", "--rules", "/dev/null"], arguments].concat())
}

fn names_namespaces() -> bool {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").expect("a file");
    release.parse::<Version>().expect("a version") >= Version::new(6, 17)
}

/// Limits the table, does the work, and takes the limit away.
fn limited<T>(work: impl FnOnce() -> T) -> T {
    let max = setting("max");
    output("tune", &["set", &format!("max={MAX}")]);
    let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
    output("tune", &["set", &format!("max={max}")]);
    empty_table();
    done.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

fn the_hosts_table_is_full_and_mended() -> Result<(), Skip> {
    need_tool("sysctl")?;
    let mut table = empty_table();
    tracked()?;
    limited(|| {
        create(&mut table, flows(MAX)).expect("room");
        let before = table.stats().expect("counters").sum();
        send();
        let after = table.stats().expect("counters").sum();
        let dropped =
            |counts: &ctnetlink::kernel::stats::Counts<Counter>| counts.get(Counter::DROP);
        let dropped = dropped(&after).zip(dropped(&before)).map(|(after, before)| after - before);
        assert_eq!(dropped, Some(PACKETS.into()));

        let (code, document) = doctor(&[]);
        assert_eq!(code, Some(2), "{document}");
        let full = seen(&document, "TABLE_FULL");
        assert!(full.contains(&format!("{MAX} of {MAX} entries (100 %)")), "{full}");
        let log = seen(&document, "LOG_TABLE_FULL");
        let whose = match names_namespaces() {
            true => "of the initial network namespace",
            false => "of a network namespace that the log does not name",
        };
        assert!(log.starts_with("the log has ") && log.ends_with(whose), "{log}");

        let commands = finding(&document, "TABLE_FULL")["commands"].as_array().expect("commands");
        let commands = commands.iter().map(|command| command.as_str().expect("text"));
        let raise = commands.into_iter().find(|command| command.starts_with("sysctl "));
        run(raise.expect("a command"));
        let (code, document) = doctor(&[]);
        assert_eq!(code, Some(0), "{document}");
        send();
        let now = table.count().expect("a count");
        assert!(i64::from(now) > MAX, "there is room again: {now}");
    });
    untracked();
    Ok(())
}

fn a_containers_table_is_full() -> Result<(), Skip> {
    need_tool("ip")?;
    run("ip netns add full");
    let namespace = Namespace::named("full").expect("a namespace");
    let inode = namespace.inode().expect("a number");
    let outcome = limited(|| {
        let mut table = Conntrack::open_in(&namespace).expect("a table");
        create(&mut table, flows(MAX)).expect("room");
        let inside = std::thread::spawn(move || {
            let kind = rustix::thread::LinkNameSpaceType::Network;
            rustix::thread::move_into_link_name_space(
                std::os::fd::AsFd::as_fd(&namespace),
                Some(kind),
            )
            .expect("entered");
            run("ip link set lo up");
            tracked()?;
            // The kernel limits how often it says so.
            std::thread::sleep(Duration::from_secs(5));
            send();
            Ok::<_, Skip>(())
        });
        inside.join().expect("its end")?;
        let dropped = table.stats().expect("counters").sum().get(Counter::DROP);
        assert_eq!(dropped, Some(PACKETS.into()));
        let (code, document) = doctor(&["--netns", "full"]);
        assert_eq!(code, Some(2), "{document}");
        assert!(seen(&document, "TABLE_FULL").contains("100 %"));
        assert!(seen(&document, "DROP").contains(&format!("in namespace {inode}")));
        // Seen from outside, where nothing is full.
        let (code, document) = doctor(&[]);
        assert_eq!(code, Some(0), "{document}");
        let log = seen(&document, "LOG_TABLE_FULL");
        match names_namespaces() {
            true => {
                let named = format!("netns {inode} (bind mount /run/netns/full)");
                assert!(log.contains(&named), "{log}");
            }
            false => assert!(!log.contains("initial") && !log.contains("this one"), "{log}"),
        }
        Ok(())
    });
    run("ip netns delete full");
    outcome
}
