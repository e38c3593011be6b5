//! What is read of machines that are made up: files of units, of the kernel, and lines of its log.

use std::time::Duration;

use ctnetlink::kernel::stats::{Counter, Counts};
use ctnetlink::operate::diagnose::{Facts, LogFacts, Sources, namespaces, private_network_units};
use ctnetlink::operate::tune::Settings;

use crate::persist::Machine;

fn units(root: &Machine) -> Vec<String> {
    private_network_units(root.path()).into_iter().map(|creator| creator.unit).collect()
}

const SYSTEM: &str = "usr/lib/systemd/system";

#[test]
fn check_2_1_units_with_a_private_network() {
    let root = Machine::new();
    root.file(
        &format!("{SYSTEM}/a.service"),
        "[Unit]\nDescription = A Service\n[Service]\nPrivateNetwork=yes\n",
    );
    root.file(&format!("{SYSTEM}/b.service"), "[Service]\nPrivateNetwork=no\n");
    root.file(&format!("{SYSTEM}/c.service"), "[Service]\n");
    root.file(&format!("{SYSTEM}/d.service"), "[Service]\nPrivateNetwork = yes\n");
    root.link(&format!("{SYSTEM}/dbus-a.service"), "a.service");
    assert_eq!(units(&root), ["a.service", "d.service"], "blanks do not count, nor do links");
    let all = private_network_units(root.path());
    assert_eq!(
        (all[0].description.as_str(), &all[0].aliases[..]),
        ("A Service", &["dbus-a.service".to_owned()][..])
    );
    root.file("etc/systemd/system/c.service.d/net.conf", "[Service]\nPrivateNetwork=true\n");
    root.file("etc/systemd/system/a.service.d/10.conf", "[Service]\nPrivateNetwork=yes\n");
    root.file("etc/systemd/system/a.service.d/20.conf", "[Service]\nPrivateNetwork=no\n");
    assert_eq!(units(&root), ["c.service", "d.service"]);
    root.file("etc/systemd/system/c.service", "[Service]\n# its own\n");
    root.file("etc/systemd/system/c.service.d/net.conf", "");
    root.link("etc/systemd/system/d.service", "/dev/null");
    assert_eq!(units(&root), [""; 0], "masked is not started");
    assert_eq!(private_network_units("/no/such/place"), []);
}

#[test]
fn drop_ins_are_read_by_name_over_all_directories() {
    let root = Machine::new();
    root.file(&format!("{SYSTEM}/a-b.service"), "[Service]\nPrivateNetwork=no\n");
    let yes = "[Service]\nPrivateNetwork=on\n";
    root.file(&format!("{SYSTEM}/a-b.service.d/50.conf"), yes);
    assert_eq!(units(&root), ["a-b.service"]);
    root.file("etc/systemd/system/a-b.service.d/10.conf", "[Service]\nPrivateNetwork=off\n");
    assert_eq!(units(&root), ["a-b.service"], "50 comes after 10, wherever they are");
    root.link("etc/systemd/system/a-b.service.d/50.conf", "/dev/null");
    assert_eq!(units(&root), [""; 0], "50 is masked");
    root.file("etc/systemd/system/a-.service.d/60.conf", yes);
    assert_eq!(units(&root), ["a-b.service"], "of all that begin so");
    root.file("etc/systemd/system/service.d/70.conf", "[Service]\nPrivateNetwork=0\n");
    assert_eq!(units(&root), [""; 0], "of all services");
    // A unit that is elsewhere, by a link of its own name.
    root.file("opt/own.service", yes).link("etc/systemd/system/own.service", "/opt/own.service");
    root.file("etc/systemd/system/service.d/70.conf", "");
    assert_eq!(units(&root), ["a-b.service", "own.service"]);
}

/// The times of lines that say the table is full; `None` where a line says no time.
fn times(lines: &[&str]) -> Vec<Option<f64>> {
    let text: String =
        lines.iter().map(|line| format!("{line} nf_conntrack: table full\n")).collect();
    let log = LogFacts::read(text.as_bytes()).expect("a log");
    assert_eq!(log.events.len(), lines.len());
    log.events.iter().map(|event| event.at).collect()
}

#[test]
fn every_form_of_a_time() {
    let time = |line: &str| times(&[line])[0];
    // 2026-11-21T03:52:42Z.
    const AT: f64 = 1_795_233_162.0;
    for (line, at) in [
        ("[   12.500000] text", 12.5),
        ("[12.5 <    0.000012>] text", 12.5),
        ("<4>[   12.5] text", 12.5),
        ("kern  :warn  : [   12.5] text", 12.5),
        ("6,813,12500000,-;text", 12.5),
        ("6,813,12500000,-,caller=T1;text", 12.5),
        ("[Sat Nov 21 03:52:42 2026] text", AT),
        ("2026-11-21T03:52:42+0000 host kernel: text", AT),
        ("2026-11-21T03:52:42.500000+00:00 host kernel: text", AT + 0.5),
        ("2026-11-21T03:52:42,500000+00:00 text", AT + 0.5),
        ("2026-11-21T04:52:42+01:00 host", AT),
        ("2026-11-20T22:22:42-0530 host", AT),
        ("2026-11-21T03:52:42Z host", AT),
        ("<4>1 2026-11-21T03:52:42.003Z host kernel - - - text", AT + 0.003),
        ("2026-11-21 03:52:42 text", AT),
        ("Sat 2026-11-21 03:52:42 UTC host kernel: text", AT),
        ("Sat 2026-11-21 03:52:42.25 CET host kernel: text", AT + 0.25),
        ("1795233162.250000 host kernel: text", AT + 0.25),
        ("03:52:42 localhost kernel: text", 13_962.0),
        ("03:52:42.5 text", 13_962.5),
        ("Jan  1 00:00:10 host", 10.0),
        ("Jan 02 00:00:10.5 host", 86_410.5),
        ("[Jan 2 00:01] text", 86_460.0),
        ("[Jan02 00:01] text", 86_460.0),
    ] {
        assert_eq!(time(line), Some(at), "{line}");
    }
    for line in [
        "",
        "[inf] x",
        "[nan] x",
        "[-1] x",
        "[1e300] x",
        "[] x",
        "[nonsense] x",
        "inf",
        "a,b,inf;x",
        "Nov",
        "Nov 21",
        "Nov inf 03:52:42",
        "25:00:00 x",
        "03:61:00 x",
        "1:2:3:4 x",
        "2026-13-41T00:00:00Z x",
        "2026-11-21",
        "12 monkeys",
        "1.5 x",
        "<x>[1.0]",
        ";;;",
        "[99999999999999999999999999.0] x",
    ] {
        assert_eq!(time(line), None, "{line}");
    }
}

#[test]
fn days_and_years_that_end() {
    let gaps = |lines: &[&str]| {
        let at: Vec<_> = times(lines).into_iter().map(|at| at.expect("a time")).collect();
        at.windows(2).map(|pair| pair[1] - pair[0]).collect::<Vec<_>>()
    };
    assert_eq!(
        gaps(&["23:59:00 x", "00:01:00 x", "23:59:00 x", "00:01:00 x"]),
        [120.0, 86_280.0, 120.0]
    );
    assert_eq!(gaps(&["10:00:05 x", "10:00:04 x"]), [-1.0], "not quite in order");
    assert_eq!(gaps(&["Dec 31 23:59:00 h", "Jan  1 00:01:00 h"]), [120.0]);
    assert_eq!(gaps(&["[Nov21 03:52] x", "[  +2.5] x", "[  +0.5] x"]), [2.5, 0.5]);
}

fn sources(machine: &Machine) -> Sources {
    let mut sources = Sources::default();
    (sources.root, sources.interval) = (machine.path().to_owned(), Duration::ZERO);
    sources.log = "/dev/null".into();
    sources
}

#[test]
fn interfaces_that_a_machine_shows() {
    let machine = Machine::new();
    assert_eq!(Facts::of_files(&sources(&machine)).interfaces, None);
    for (name, value) in [("all", "1"), ("default", "1"), ("lo", "1"), ("eth0", "0"), ("br-1", "1")]
    {
        machine.file(&format!("proc/sys/net/ipv4/conf/{name}/forwarding"), &format!("{value}\n"));
    }
    machine.file("sys/class/net/br-1/bridge/stp_state", "0\n");
    machine.file("sys/class/net/other/bridge/stp_state", "0\n");
    machine.file(
        "proc/net/route",
        "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\n\
         eth0\t00000000\t0102000A\t0003\t0\t0\t0\t00000000\t0\t0\t0\n\
         br-1\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n",
    );
    machine.file(
        "proc/net/if_inet6",
        "fd000000000000000000000000000001 05 40 00 80     br-1\n\
         fe800000000000000000000000000001 02 40 20 80     eth0\n",
    );
    let none = "00000000000000000000000000000000";
    machine.file(
        "proc/net/ipv6_route",
        &format!(
            "{none} 00 {none} 00 fe800000000000000000000000000009 00000400 00000001 00000000 00450003     eth0\n\
             {none} 00 {none} 00 {none} ffffffff 00000001 00000000 00200200       lo\n"
        ),
    );
    let found = Facts::of_files(&sources(&machine)).interfaces.expect("interfaces");
    let named = |name: &str| found.iter().find(|found| found.name == name).expect("one");
    assert_eq!(found.len(), 3, "{found:?}");
    let (eth0, bridge) = (named("eth0"), named("br-1"));
    assert!(eth0.default_route && eth0.advertised_route && !eth0.global_ipv6 && !eth0.bridge);
    assert!(bridge.bridge && bridge.global_ipv6 && !bridge.default_route);
    assert_eq!((eth0.forwards, bridge.forwards), (Some(0), Some(1)));
    assert!(!named("lo").advertised_route);
}

/// The kernel's counters, as text that everybody may read.
fn counters(text: &str) -> Option<Counts<Counter>> {
    let machine = Machine::new();
    machine.file("proc/net/stat/nf_conntrack", text);
    Facts::gather_unprivileged(&Settings::at(machine.path()), &sources(&machine)).counters
}

#[test]
fn counters_by_the_names_of_their_columns() {
    let text = "entries  clashres found new invalid ignore delete chainlength insert insert_failed drop early_drop icmp_error  expect_new expect_create expect_delete search_restart\n\
        000000ff  00000001 00000002 00000003 00000004 00000005 00000006 00000007 00000008 00000009 0000000a 0000000b 0000000c  0000000d 0000000e 0000000f 00000010\n\
        000000ff  00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 fffffff0 00000000 00000000  00000000 00000000 00000000 00000000\n";
    let sum = counters(text).expect("two processors");
    for (counter, value) in [
        (Counter::CLASH_RESOLVE, 1),
        (Counter::FOUND, 2),
        (Counter::INVALID, 4),
        (Counter::CHAIN_TOOLONG, 7),
        (Counter::INSERT_FAILED, 9),
        (Counter::DROP, 0xffff_fffa),
        (Counter::EARLY_DROP, 11),
        (Counter::ERROR, 12),
        (Counter::SEARCH_RESTART, 16),
    ] {
        assert_eq!(sum.get(counter), Some(value), "{counter}");
    }
    let old = counters("entries searched found delete_list drop\n1 2 3 4 5\n").expect("one");
    assert_eq!(old.get(Counter::DROP), Some(5));
    assert_eq!(old.get(Counter::CHAIN_TOOLONG), None, "it is another column there");
    assert_eq!(counters(""), None);
    assert_eq!(counters("entries drop\n"), None);
}

#[test]
fn mounts_of_network_namespaces() {
    let machine = Machine::new();
    let lines = [
        "612 27 0:4 net:[4026532211] /run/netns/my\\040net rw shared:9 - nsfs nsfs rw",
        "612 27 0:4 mnt:[4026532211] /run/ns/a rw - nsfs nsfs rw",
        "25 30 0:23 / /sys rw,nosuid shared:7 - sysfs sysfs rw",
        "612 27 0:4 net:[x] /a rw",
        "612 27 0:4 net:[1]",
        "",
        "612 27 0:4 net:[5] a\\134b\\ rw",
        "612 27 0:4 net:[6] \\999ü\\0 rw",
    ];
    machine.file("proc/self/mountinfo", &lines.join("\n"));
    let found = namespaces(machine.path().join("proc")).found;
    let found: Vec<_> = found.iter().map(|one| (one.inode, one.owner())).collect();
    let expected = [
        (5, "bind mount a\\b\\"),
        (6, "bind mount \\999ü\\0"),
        (4_026_532_211, "bind mount /run/netns/my net"),
    ];
    assert_eq!(found, expected.map(|(inode, owner)| (inode, owner.to_owned())));
}

/// Who keeps the network namespace of a process called nginx, which is in this control group.
fn owner(cgroup: &str) -> String {
    let machine = Machine::new();
    machine
        .file("proc/77/ns/net", "")
        .file("proc/77/comm", "nginx\n")
        .file("proc/77/cgroup", cgroup);
    let found = namespaces(machine.path().join("proc")).found;
    let one = found.iter().find(|one| one.pid == Some(77)).expect("a namespace");
    assert_eq!(one.processes, 1);
    one.owner()
}

#[test]
fn control_groups_name_units() {
    assert_eq!(owner("0::/system.slice/web.service\n"), "pid 77, nginx of web.service");
    let old = "12:cpu:/\n1:name=systemd:/user.slice/session-1.scope\n";
    assert_eq!(owner(old), "pid 77, nginx of session-1.scope");
}

#[test]
fn an_owner_may_have_no_unit() {
    for nothing in ["0::/\n", ""] {
        assert_eq!(owner(nothing), "pid 77, nginx", "{nothing}");
    }
}
