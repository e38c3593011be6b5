//! What operators need, row by row of a list that people keep (`docs/guide.md`): the rows that no other
//! file has.

use std::collections::BTreeMap;
use std::io::{Read, Seek, SeekFrom};
use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::os::unix::fs::MetadataExt;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;

use ctnetlink::aggregate::Report;
use ctnetlink::field::{Field, Key, Keys};
use ctnetlink::files::snapshot::Snapshot;
use ctnetlink::files::text::parse_line;
use ctnetlink::flow::{Flow, ProtoInfo, Protocol, Status, TcpInfo, TcpState, Tuple};
use ctnetlink::testing::{Population, create, enter_private_network, fill};
use ctnetlink::{Conntrack, DumpOptions, Namespace, Query, Reader};
use serde_json::Value;

use crate::budget::many;
use crate::doctor::{doctor, finding, full, seen, send};
use crate::privilege::give_away_the_capability;
use crate::programs::command;
use crate::support::{
    KMSG, Skip, Test, flow, may_lose_its_place, menagerie, need_tool, processor_time, run, table,
};
use crate::text::lines;
use crate::traffic::tracked_loopback;

pub const TESTS: &[(&str, Test)] = &[
    ("check_1_1_usage_takes_no_dump", check_1_1_usage_takes_no_dump),
    ("check_1_2_the_line_that_the_kernel_writes", check_1_2_the_line_that_the_kernel_writes),
    ("check_1_3_services_of_both_families", check_1_3_services_of_both_families),
    ("check_1_4_and_3_1_states_of_every_protocol", check_1_4_and_3_1_states_of_every_protocol),
    ("check_1_8_rules_that_do_not_ask_for_it", check_1_8_rules_that_do_not_ask_for_it),
    ("check_2_6_no_table_is_dumped_to_list_it", check_2_6_no_table_is_dumped_to_list_it),
    ("check_3_1_states_as_awk_counts_them", check_3_1_states_as_awk_counts_them),
    ("check_3_2_sources_and_no_destination", check_3_2_sources_and_no_destination),
    ("check_3_2_sources_as_the_kernel_lists_them", check_3_2_sources_as_the_kernel_lists_them),
    ("check_3_3_the_rules_of_iptables", check_3_3_the_rules_of_iptables),
    ("check_3_4_a_capture_takes_no_privilege", check_3_4_a_capture_takes_no_privilege),
    ("check_3_6_what_has_grown_comes_first", check_3_6_what_has_grown_comes_first),
    ("check_4_1_forwarding_is_this_networks_own", check_4_1_forwarding_is_this_networks_own),
];

fn query(keys: &str) -> Query {
    Query::new().group_by(keys.parse::<Keys>().expect("keys")).top(usize::MAX)
}

/// Groups as text, and how many flows each has, in their order.
fn groups(report: &Report) -> Vec<(String, u64)> {
    let key = |row: &ctnetlink::aggregate::Row| {
        let words: Vec<_> = row.key.iter().map(ToString::to_string).collect();
        words.join(" ")
    };
    report.rows().iter().map(|row| (key(row), row.flows)).collect()
}

fn json(program: &str, arguments: &[&str]) -> Value {
    let output = command(program).args(arguments).arg("--json").output().expect("a run");
    let errors = String::from_utf8_lossy(&output.stderr);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {errors}"))
}

/// So many flows from ports of `from`, one after the other, to `port` of `to`.
fn flows(count: u16, protocol: Protocol, from: &str, to: &str, port: u16) -> Vec<Flow> {
    let [from, to]: [IpAddr; 2] = [from, to].map(|text| text.parse().expect("an address"));
    (0..count).map(|n| flow(Tuple::with_ports(protocol, (from, 1_024 + n), (to, port)))).collect()
}

fn check_1_1_usage_takes_no_dump() -> Result<(), Skip> {
    let entries = many();
    fill(&mut table(), &Population::new(entries)).expect("room");
    let mut reader = Reader::open().expect("a table");
    let start = processor_time();
    let limits = reader.limits().expect("limits");
    let stats = reader.stats().expect("counters");
    let buckets = Reader::buckets().expect("buckets");
    let usage = processor_time() - start;
    assert!(stats.sum().get(ctnetlink::kernel::stats::Counter::INSERT).is_some());
    let said = std::fs::read_to_string("/proc/sys/net/netfilter/nf_conntrack_count");
    assert_eq!(said.expect("a count").trim(), limits.entries.to_string());
    assert_eq!(u64::from(limits.entries), entries);
    let load = ctnetlink::operate::tune::sizing::load(entries, buckets.into());
    assert!((load - 2.0 * entries as f64 / f64::from(buckets)).abs() < 1e-9);
    let start = processor_time();
    let dump = reader.dump(DumpOptions::new()).expect("a dump");
    dump.for_each(|_| std::ops::ControlFlow::Continue(())).expect("all of it");
    let dumped = processor_time() - start;
    assert!(usage < dumped / 5, "{usage:?} against {dumped:?}");
    Ok(())
}

fn check_1_2_the_line_that_the_kernel_writes() -> Result<(), Skip> {
    let none = |why: &str| Skip::Chance(format!("the kernel's log cannot be read: {why}"));
    let mut log = KMSG.get().ok_or_else(|| none("no right to open /dev/kmsg"))?;
    log.seek(SeekFrom::End(0)).map_err(|error| none(&error.to_string()))?;
    let (_table, _) = full(true)?;
    send(50);
    let inode = std::fs::metadata("/proc/thread-self/ns/net").expect("a namespace").ino();
    let mut record = vec![0; 32 * 1024];
    let mut lines = String::new();
    loop {
        match log.read(&mut record) {
            Ok(0) => break,
            Ok(length) => {
                let text = String::from_utf8_lossy(&record[..length]);
                if text.contains("table full") && text.contains(&inode.to_string()) {
                    lines.push_str(&text);
                }
            }
            // Some were overwritten before they were read.
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => {}
            Err(_) => break,
        }
    }
    if lines.is_empty() {
        let why = "it writes few lines at a time, and until 2025 not of which network they are";
        return Err(Skip::Chance(format!("no line of this network in the kernel's log: {why}")));
    }
    let place = tempfile::tempdir().expect("a directory");
    let file = place.path().join("kmsg");
    std::fs::write(&file, &lines).expect("a file");
    let output = command("doctor").args(["--interval", "0", "--json", "--kmsg"]).arg(file).output();
    let document: Value = serde_json::from_slice(&output.expect("a run").stdout).expect("JSON");
    let told = seen(&document, "LOG_TABLE_FULL");
    assert!(told.contains(&inode.to_string()), "{told}");
    Ok(())
}

fn check_1_3_services_of_both_families() -> Result<(), Skip> {
    let services = [
        flows(300, Protocol::UDP, "2001:db8::1", "2001:db8:1::53", 53),
        flows(200, Protocol::TCP, "10.0.0.1", "192.0.2.2", 443),
        flows(500, Protocol::UDP, "10.0.0.1", "192.0.2.53", 53),
    ];
    create(&mut table(), services.concat()).expect("room");
    let document = json("top_sources", &["--by", "destination,dport"]);
    let groups: Vec<_> = document["groups"].as_array().expect("groups").iter().collect();
    let found: Vec<_> = groups
        .iter()
        .map(|group| (&group["key"]["destination"], &group["key"]["dport"], &group["flows"]))
        .collect();
    let expected = [("192.0.2.53", 53, 500), ("2001:db8:1::53", 53, 300), ("192.0.2.2", 443, 200)]
        .map(|(address, port, flows)| (address.into(), port.into(), flows.into()));
    assert_eq!(found, expected.each_ref().map(|(a, b, c)| (a, b, c)));
    Ok(())
}

/// Flows in every state that matters, and how many of each: protocol, state, flows and assured ones.
fn states() -> (Vec<Flow>, Vec<(&'static str, u64, u64)>) {
    let replied = Status::CONFIRMED | Status::SEEN_REPLY;
    let cases = [
        ("tcp ESTABLISHED", Some(TcpState::ESTABLISHED), replied | Status::ASSURED, 70),
        ("tcp SYN_SENT", Some(TcpState::SYN_SENT), Status::CONFIRMED, 60),
        ("udp UNREPLIED", None, Status::CONFIRMED, 50),
        ("tcp TIME_WAIT", Some(TcpState::TIME_WAIT), replied | Status::ASSURED, 40),
        ("udp ASSURED", None, replied | Status::ASSURED, 30),
        ("udp REPLIED", None, replied, 20),
    ];
    let mut all = Vec::new();
    for (number, (_, state, status, count)) in (1_u16..).zip(cases) {
        let protocol = if state.is_some() { Protocol::TCP } else { Protocol::UDP };
        let (half, port) = (count as u16 / 2, 8_000 + number);
        let mut flows = flows(half, protocol, "10.0.0.1", "192.0.2.2", port);
        flows.extend(self::flows(half, protocol, "2001:db8::1", "2001:db8:1::2", port));
        for flow in &mut flows {
            flow.status = status;
            flow.protoinfo = state.map(|state| ProtoInfo::Tcp(TcpInfo::new(state)));
        }
        all.extend(flows);
    }
    // What has no state but these.
    let mut ping = flows(1, Protocol::UDP, "10.0.0.9", "192.0.2.9", 1).remove(0);
    let endpoints = ctnetlink::flow::Endpoints::Icmp { icmp_type: 8, code: 0, id: 1 };
    (ping.original.protocol, ping.original.endpoints) = (Protocol::ICMP, endpoints);
    ping.reply = ping.original.inverse();
    all.push(ping);
    let assured = |status: Status, count| if status.contains(Status::ASSURED) { count } else { 0 };
    let mut expected: Vec<_> = cases
        .iter()
        .map(|(name, _, status, count)| (*name, *count, assured(*status, *count)))
        .collect();
    expected.push(("icmp UNREPLIED", 1, 0));
    (all, expected)
}

fn check_1_4_and_3_1_states_of_every_protocol() -> Result<(), Skip> {
    let (all, expected) = states();
    let mut table = table();
    create(&mut table, all).expect("room");
    let every = table.scan(&query("protocol,state")).expect("a scan").report;
    let assured = query("protocol,state").filter("assured".parse().expect("a filter"));
    let assured: BTreeMap<_, _> =
        groups(&table.scan(&assured).expect("a scan").report).into_iter().collect();
    let found: Vec<_> = groups(&every)
        .into_iter()
        .map(|(key, flows)| {
            let assured = assured.get(&key).copied().unwrap_or(0);
            (key, flows, assured)
        })
        .collect();
    let expected: Vec<_> = expected
        .into_iter()
        .map(|(key, flows, assured)| (key.to_owned(), flows, assured))
        .collect();
    assert_eq!(found, expected);
    // The program that shows them.
    let document = json("states", &[]);
    let flows: u64 = expected.iter().map(|(_, flows, _)| flows).sum();
    assert_eq!(document["flows"], flows);
    assert_eq!(document["headroom"]["held"], 30 + 70, "TIME_WAIT is closing: {document}");
    Ok(())
}

/// The word of a line that awk calls by this number.
fn word(line: &str, number: usize) -> &str {
    line.split_whitespace().nth(number - 1).unwrap_or_default()
}

fn count<'l>(words: impl Iterator<Item = &'l str>) -> BTreeMap<String, u64> {
    words.fold(BTreeMap::new(), |mut counts, word| {
        *counts.entry(word.to_owned()).or_default() += 1;
        counts
    })
}

/// What `conntrack -L -o extended | awk '/tcp/ {print $6}' | sort | uniq -c`, as people count states.
fn check_3_1_states_as_awk_counts_them() -> Result<(), Skip> {
    menagerie(2_000);
    let lines = lines(true, false);
    let tcp = lines.iter().filter(|line| word(line, 3) == "tcp");
    let awk = count(tcp.map(|line| word(line, 6)));
    let tcp = query("state").filter("proto=tcp".parse().expect("a filter"));
    let ours = groups(&table().scan(&tcp).expect("a scan").report);
    assert_eq!(ours.into_iter().collect::<BTreeMap<_, _>>(), awk);
    assert!(awk.len() > 5, "{awk:?}");
    Ok(())
}

/// `awk '{print $7}'` prints destinations where a protocol has no state.
fn check_3_2_sources_and_no_destination() -> Result<(), Skip> {
    let mut all = flows(40, Protocol::TCP, "10.0.0.1", "192.0.2.1", 443);
    all.extend(flows(30, Protocol::TCP, "2001:db8::1", "2001:db8:1::1", 443));
    for flow in &mut all {
        flow.protoinfo = Some(ProtoInfo::Tcp(TcpInfo::new(TcpState::ESTABLISHED)));
    }
    all.extend(flows(20, Protocol::UDP, "10.0.0.2", "192.0.2.2", 53));
    all.extend(flows(10, Protocol::UDP, "2001:db8::2", "2001:db8:1::2", 53));
    create(&mut table(), all).expect("room");
    let document = json("top_sources", &["-n", "10"]);
    let groups = document["groups"].as_array().expect("groups");
    let found: Vec<_> = groups
        .iter()
        .map(|group| (group["key"]["source"].as_str().expect("text"), group["flows"].as_u64()))
        .collect();
    let expected = [("10.0.0.1", 40), ("2001:db8::1", 30), ("10.0.0.2", 20), ("2001:db8::2", 10)];
    assert_eq!(found, expected.map(|(source, flows)| (source, Some(flows))));
    // The two lists differ in the lines of UDP, and in those alone.
    let lines = lines(true, false);
    let awk = count(lines.iter().map(|line| word(line, 7)));
    let wrong = [("dst=192.0.2.2", 20), ("dst=2001:db8:1::2", 10)];
    let right = [("src=10.0.0.1", 40), ("src=2001:db8::1", 30)];
    let both = wrong.into_iter().chain(right).map(|(word, flows)| (word.to_owned(), flows));
    assert_eq!(awk, both.collect());
    Ok(())
}

/// `/proc/net/nf_conntrack` has the same sources, in a form of its own.
fn check_3_2_sources_as_the_kernel_lists_them() -> Result<(), Skip> {
    menagerie(2_000);
    let file = "/proc/thread-self/net/nf_conntrack";
    let ours: BTreeMap<_, _> =
        groups(&table().scan(&query("source")).expect("a scan").report).into_iter().collect();
    // The kernel reads on by counting the places of its table, which tests beside this one fill: it
    // may leave out an entry, or list one twice.
    let mut listed = BTreeMap::new();
    for _ in 0..20 {
        let text = std::fs::read_to_string(file)
            .map_err(|error| Skip::Kernel(format!("no list of the kernel's in {file}: {error}")))?;
        assert!(text.contains("src=2001:0db8:"), "IPv6 in full");
        let flows: Vec<_> = text.lines().map(|line| parse_line(line).expect("an entry")).collect();
        let sources: Vec<_> = flows.iter().map(|flow| flow.original.source.to_string()).collect();
        listed = count(sources.iter().map(String::as_str));
        if listed == ours {
            break;
        }
    }
    if ours != listed {
        may_lose_its_place("the kernel's list was never whole")?;
    }
    assert_eq!(ours, listed);
    Ok(())
}

/// Rules there are, and they are read; none of them asks for tracking.
fn check_1_8_rules_that_do_not_ask_for_it() -> Result<(), Skip> {
    need_tool("nft")?;
    run("nft add table ip f");
    run("nft add chain ip f in { type filter hook input priority 0 ; }");
    run("nft add rule ip f in udp dport 9 drop");
    let (_, document) = doctor(&["--interval", "0"]);
    assert!(finding(&document, "IN_USE_BY").is_none(), "{document}");
    let unseen = document["unseen"].as_array().expect("a list");
    assert!(!unseen.iter().any(|what| what.as_str().is_some_and(|what| what.contains("rules"))));
    // One rule that does, in the same table.
    run("nft add rule ip f in ct state new counter");
    let (_, document) = doctor(&["--interval", "0"]);
    assert!(finding(&document, "IN_USE_BY").is_some(), "{document}");
    Ok(())
}

/// A process in a network of its own, with so many entries in its table.
fn process(count: u64) -> Result<(Child, Namespace), Skip> {
    need_tool("unshare")?;
    let own = std::fs::metadata("/proc/thread-self/ns/net").expect("a namespace").ino();
    let mut unshare = Command::new("unshare");
    let child = unshare.args(["--net", "sleep", "60"]).stdout(Stdio::null()).spawn();
    let child = child.expect("a process");
    let namespace = loop {
        let namespace = Namespace::of_process(child.id()).expect("its file");
        if namespace.inode() != Some(own) {
            break namespace;
        }
        std::thread::yield_now();
    };
    let mut table = Conntrack::open_in(&namespace).expect("its table");
    fill(&mut table, &Population::new(count)).expect("room");
    Ok((child, namespace))
}

fn check_2_6_no_table_is_dumped_to_list_it() -> Result<(), Skip> {
    need_tool("strace")?;
    let allowed = Command::new("strace").args(["-o", "/dev/null", "true"]).status();
    if !allowed.is_ok_and(|status| status.success()) {
        return Err(Skip::Kernel("strace may not trace here".to_owned()));
    }
    let expected = [0, 10, 1_000];
    let others = expected.into_iter().map(process).collect::<Result<Vec<_>, _>>()?;
    let place = tempfile::tempdir().expect("a directory");
    // The type of every request, as a number, and its flags.
    let trace = |program: &str, arguments: &[&str]| {
        let file = place.path().join(program);
        let mut strace = Command::new("strace");
        strace.args(["-f", "-X", "raw", "-e", "trace=sendto", "-o"]).arg(&file);
        let output = strace.arg(command(program).get_program()).args(arguments).arg("--json");
        let output = output.output().expect("a run");
        assert!(output.status.success(), "{output:?}");
        let calls = std::fs::read_to_string(file).expect("a trace");
        let of = |kind: &str| calls.matches(&format!("nlmsg_type={kind}, ")).count();
        let document: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        (document, of("0x101"), of("0x105"))
    };
    let (_, dumps, _) = trace("top_sources", &[]);
    assert_eq!(dumps, 0, "an empty one is not dumped to scan it, either");
    let name = format!("/proc/{}/ns/net", others[2].0.id());
    let (_, dumps, _) = trace("top_sources", &["--netns", &name]);
    assert_eq!(dumps, 1, "what a dump looks like");
    let (listed, dumps, counts) = trace("netns", &["list"]);
    for ((_, namespace), entries) in others.iter().zip(expected) {
        let inode = namespace.inode().expect("an inode");
        let listed = listed.as_array().expect("namespaces");
        let one = listed.iter().find(|one| one["inode"] == inode).expect("it is listed");
        assert_eq!(one["entries"], entries);
    }
    assert_eq!(dumps, 0);
    assert!(counts >= others.len(), "{counts} requests for a count");
    for (mut child, _) in others {
        child.kill().expect("stopped");
        child.wait().expect("its end");
    }
    Ok(())
}

fn check_3_3_the_rules_of_iptables() -> Result<(), Skip> {
    need_tool("iptables")?;
    tracked_loopback()?;
    let _sink = UdpSocket::bind((Ipv4Addr::LOCALHOST, 4_789)).expect("a socket");
    let send = || {
        for port in 0..2_000 {
            let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 20_000 + port)).expect("a socket");
            socket.send_to(b"vxlan", (Ipv4Addr::LOCALHOST, 4_789)).expect("sent");
        }
    };
    send();
    assert_eq!(table().count().expect("a count"), 2_000);
    let (_, document) = doctor(&["--interval", "0"]);
    let commands = finding(&document, "OVERLAY_TRACKED").expect("one")["commands"].clone();
    let commands = commands.as_array().expect("commands").iter();
    let rules: Vec<_> =
        commands.filter_map(Value::as_str).filter(|line| line.starts_with("iptables ")).collect();
    assert_eq!(rules.len(), 2, "for what comes in, and for what goes out");
    for rule in rules {
        run(rule);
    }
    table().flush().expect("a flush");
    send();
    assert_eq!(table().count().expect("a count"), 0, "taken out of tracking");
    Ok(())
}

/// Every aggregate of a capture is that of the table, for a reader that may not ask the kernel.
fn check_3_4_a_capture_takes_no_privilege() -> Result<(), Skip> {
    menagerie(1_000);
    let place = tempfile::tempdir().expect("a directory");
    let file = place.path().join("t.pcapng");
    let saved = command("snapshot").arg("save").arg(&file).output().expect("a run");
    assert!(saved.status.success(), "{saved:?}");
    // What runs with the clock is another by now.
    let clock = [Field::Timeout, Field::Age].map(|field| Key::from(field).to_string());
    let words = Key::words().map(|(word, _)| word);
    let keys: Vec<_> = words.filter(|word| !clock.contains(&(*word).to_owned())).collect();
    let queries: Vec<_> = keys.iter().map(|keys| query(keys).in_key_order()).collect();
    let live = table().scan(&queries).expect("a scan");
    let read = std::thread::spawn(move || {
        give_away_the_capability();
        let denied = Reader::open().expect("a socket").limits().expect_err("no privilege");
        assert!(denied.is_permission_denied(), "{denied}");
        let mut snapshot = Snapshot::open(file).expect("a capture");
        snapshot.scan_all(&queries).expect("all of it")
    });
    let read = read.join().expect("no panic without the privilege");
    for ((live, read), keys) in live.iter().zip(&read).zip(keys) {
        assert_eq!(groups(&live.report), groups(read), "{keys}");
    }
    Ok(())
}

fn check_3_6_what_has_grown_comes_first() -> Result<(), Skip> {
    let mut table = table();
    fill(&mut table, &Population::new(2_000)).expect("room");
    let place = tempfile::tempdir().expect("a directory");
    let [before, after] = ["before.pcapng", "after.pcapng"].map(|name| place.path().join(name));
    let save = |file| command("snapshot").arg("save").arg(file).output().expect("a run");
    assert!(save(&before).status.success());
    // One source has opened most by far, and is the one that begins now by far.
    create(&mut table, flows(500, Protocol::UDP, "10.9.9.9", "192.0.2.99", 9)).expect("room");
    create(&mut table, flows(20, Protocol::UDP, "10.8.8.8", "192.0.2.99", 9)).expect("room");
    assert!(save(&after).status.success());
    let paths = [&before, &after].map(|path| path.to_str().expect("a path"));
    let document = json("snapshot", &["diff", paths[0], paths[1], "--by", "source"]);
    let first = &document["groups"][0];
    assert_eq!(first["key"]["source"], "10.9.9.9", "{document}");
    assert_eq!((&document["born"], &document["died"]), (&520.into(), &0.into()));
    assert_eq!(document["groups"][1]["key"]["source"], "10.8.8.8");
    Ok(())
}

/// `sysctl -w`, as the remedy says it, in this network and no other.
fn check_4_1_forwarding_is_this_networks_own() -> Result<(), Skip> {
    need_tool("nft")?;
    need_tool("sysctl")?;
    let read = || std::fs::read_to_string("/proc/sys/net/ipv4/ip_forward").expect("a setting");
    // Another network, where a thread reads the same file.
    let (ask, asked) = mpsc::channel();
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        enter_private_network().expect("a network");
        while let Ok(()) = asked.recv() {
            tell.send(std::fs::read_to_string("/proc/sys/net/ipv4/ip_forward")).expect("a reader");
        }
    });
    let elsewhere = || {
        ask.send(()).expect("a thread");
        told.recv().expect("an answer").expect("a setting")
    };
    let there = elsewhere();
    run("nft add table ip n");
    run("nft add chain ip n post { type nat hook postrouting priority 100 ; }");
    run("sysctl -w net.ipv4.ip_forward=0");
    assert_eq!((read().trim(), elsewhere()), ("0", there.clone()));
    let (code, document) = doctor(&["--interval", "0"]);
    assert_eq!(code, Some(2), "{document}");
    assert!(finding(&document, "IP_FORWARD_OFF").is_some());
    run("sysctl -w net.ipv4.ip_forward=1");
    assert_eq!((read().trim(), elsewhere()), ("1", there.clone()));
    let (_, document) = doctor(&["--interval", "0"]);
    assert!(finding(&document, "IP_FORWARD_OFF").is_none(), "{document}");
    Ok(())
}
