//! Every command that is printed as a remedy is typed on a machine made for it, and the finding is
//! gone then; by a boot, too, where it is about one.

use std::collections::BTreeSet;
use std::path::Path;

use ctnetlink::flow::{Flow, Protocol, Status};
use ctnetlink::kernel::stats::{Counter, Counts};
use ctnetlink::operate::diagnose::{Facts, FlowFacts, LogFacts, PortUse, diagnose};
use ctnetlink::operate::finding::Finding;
use ctnetlink::testing::create;
use serde_json::Value;

use crate::findings::{NO_COMMAND, TYPED};
use crate::private_root::PrivateRoot;
use crate::support::{Skip, Test, flow, need_tool, ports, table, tuple};

pub const TESTS: &[(&str, Test)] = &[
    ("every_finding_has_its_test", every_finding_has_its_test),
    ("timeouts_that_harm", timeouts_that_harm),
    ("close_wait_below_kube_proxy", close_wait_below_kube_proxy),
    ("forwarding_is_off", forwarding_is_off),
    ("forwarding_is_lost_at_boot", forwarding_is_lost_at_boot),
    ("forwarding_is_not_persisted", forwarding_is_not_persisted),
    ("an_interface_does_not_forward", an_interface_does_not_forward),
    ("docker_lost_its_chains", docker_lost_its_chains),
    ("a_table_that_fills", a_table_that_fills),
    ("an_overlay_is_tracked", an_overlay_is_tracked),
    ("settings_before_their_module", settings_before_their_module),
    ("settings_drift", settings_drift),
    ("a_limit_without_buckets", a_limit_without_buckets),
    ("looks_at_what_there_is", looks_at_what_there_is),
    ("tunnels_without_an_answer", tunnels_without_an_answer),
    ("what_tune_advises", what_tune_advises),
];

/// Commands that only show something: they have to work, and mend nothing.
const LOOKS: &[&str] = &[
    "top_sources ",
    "tune advise",
    "nat_ports",
    "sysctl net.",
    "nft list ",
    "lsns ",
    "grep -rl ",
    "systemctl cat ",
    "wg show",
    "ip xfrm state",
    "# ",
];

/// Programs that not every machine has.
const MAY_BE_MISSING: &[&str] = &["ip", "iptables", "lsns", "nft", "sysctl", "wg"];

/// That the lists have every finding there is, the test of the architecture looks after.
fn every_finding_has_its_test() -> Result<(), Skip> {
    for (id, test) in TYPED {
        assert!(TESTS.iter().any(|(name, _)| name == test), "{id}: {test}");
        assert!(!NO_COMMAND.contains(id), "{id}");
    }
    Ok(())
}

/// The findings that a test of this name is to mend.
fn of_test(name: &str) -> Vec<&'static str> {
    let own: Vec<_> = TYPED.iter().filter(|(_, test)| *test == name).map(|(id, _)| *id).collect();
    assert!(!own.is_empty(), "{name}");
    own
}

/// What the doctor finds on that machine: names and commands.
fn findings(root: &PrivateRoot, doctor: &str) -> Vec<(String, Vec<String>)> {
    let line = format!("{doctor} --kmsg /dev/null --interval 0 --json");
    let output = root.run(&line);
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    let document: Value = serde_json::from_str(&text).unwrap_or_else(|_| panic!("{text}{errors}"));
    let words = |value: &Value| value.as_str().expect("text").to_owned();
    let of = |finding: &Value| {
        let commands = finding["commands"].as_array().expect("commands").iter().map(words);
        (words(&finding["id"]), commands.collect())
    };
    let found: Vec<(String, Vec<String>)> =
        document["findings"].as_array().expect("findings").iter().map(of).collect();
    for (id, commands) in &found {
        assert!(!NO_COMMAND.contains(&id.as_str()) || commands.is_empty(), "{id}: {commands:?}");
    }
    found
}

/// The unit of this name comes with it.
const SYSTEMD_SYSCTL: &str = "/usr/lib/systemd/systemd-sysctl";

/// Types commands; those whose program is not installed are the answer.
fn type_in(root: &PrivateRoot, commands: &[String]) -> Vec<String> {
    const NOT_FOUND: i32 = 127;
    let mut missing = Vec::new();
    for command in commands {
        let output = root.run(command);
        let program = command.split_whitespace().next().expect("a program");
        if output.status.code() == Some(NOT_FOUND) && MAY_BE_MISSING.contains(&program) {
            missing.push(program.to_owned());
            continue;
        }
        let errors = String::from_utf8_lossy(&output.stderr);
        if program == "systemctl" && !Path::new(SYSTEMD_SYSCTL).exists() {
            missing.push("systemd".to_owned());
            continue;
        }
        assert!(output.status.success(), "$ {command}\n{errors}");
    }
    missing
}

/// Types what the doctor prints; these findings, which have to be among what it finds, are gone then.
/// Boots the machine, if `boot` says how that begins, and they are still gone.
fn mend(root: &PrivateRoot, doctor: &str, ids: &[&str], boot: Option<&str>) -> Result<(), Skip> {
    let found = findings(root, doctor);
    let mut missing = Vec::new();
    for id in ids {
        let commands = found.iter().find(|(found, _)| found == id).map(|(_, commands)| commands);
        let commands = commands.unwrap_or_else(|| panic!("no {id}: {found:?}"));
        let mends = |command: &String| !LOOKS.iter().any(|look| command.starts_with(look));
        assert!(commands.iter().any(mends), "{id}: {commands:?}");
    }
    // All that is printed, in its order: no remedy undoes another one.
    for (_, commands) in &found {
        missing.extend(type_in(root, commands));
    }
    all_but(&missing)?;
    let gone = |when: &str, doctor: &str, ids: &[&str]| {
        let left = findings(root, doctor);
        let left: Vec<_> = left.iter().filter(|(id, _)| ids.contains(&id.as_str())).collect();
        assert!(left.is_empty(), "{when}: {left:?}");
    };
    gone("typed", doctor, ids);
    if let Some(first) = boot {
        if !Path::new(SYSTEMD_SYSCTL).exists() {
            return Err(Skip::Tool("there is no systemd-sysctl to boot with".to_owned()));
        }
        root.write(
            "/opt/boot",
            &format!("{first}\n/usr/lib/systemd/systemd-sysctl\nexec {doctor} \"$@\""),
        );
        // What a boot turns off is not lost by it any more, but off.
        let off = [ids, &of_test("forwarding_is_off")].concat();
        gone("booted", "unshare --net sh -e /opt/boot", &off);
    }
    Ok(())
}

const TIMEOUTS: [(&str, &str, u32); 5] = [
    ("ESTABLISHED_BELOW_KEEPALIVE", "tcp_timeout_established", 300),
    ("TIME_WAIT_SHORT", "tcp_timeout_time_wait", 5),
    ("UDP_SHORT", "udp_timeout", 3),
    ("UDP_STREAM_SHORT", "udp_timeout_stream", 30),
    ("GENERIC_SHORT", "generic_timeout", 10),
];

fn timeouts_that_harm() -> Result<(), Skip> {
    let root = PrivateRoot::new()?;
    need_tool("sysctl")?;
    let long = [("TIME_WAIT_LONG", "tcp_timeout_time_wait", 900), ("UDP_LONG", "udp_timeout", 900)];
    let mut seen = BTreeSet::new();
    for timeouts in [&TIMEOUTS[..], &long] {
        let mut text = String::new();
        for (_, name, value) in timeouts {
            text += &format!("net.netfilter.nf_conntrack_{name} = {value}\n");
        }
        // Without the end of its last line.
        root.write("/etc/sysctl.d/99-zz.conf", text.trim_end());
        let ids: Vec<_> = timeouts.iter().map(|(id, _, _)| *id).collect();
        // At the next boot, before it is so.
        mend(&root, "doctor", &ids, Some("true"))?;
        // And as it is.
        root.write("/etc/sysctl.d/99-zz.conf", "");
        for (_, name, value) in timeouts {
            root.sure(&format!("sysctl -w net.netfilter.nf_conntrack_{name}={value}"));
        }
        mend(&root, "doctor", &ids, None)?;
        seen.extend(ids);
    }
    assert_eq!(seen, of_test("timeouts_that_harm").into_iter().collect());
    Ok(())
}

/// A program that bears another one's name, on that machine alone.
fn running(root: &PrivateRoot, name: &str) -> String {
    root.sure(&format!("cp \"$(command -v sleep)\" /opt/stubs/{name}"));
    let script = format!("/opt/stubs/{name} 20 >/dev/null 2>&1 & exec doctor \"$@\"");
    root.write("/opt/doctor", &script);
    "sh /opt/doctor".to_owned()
}

fn close_wait_below_kube_proxy() -> Result<(), Skip> {
    let root = PrivateRoot::new()?;
    need_tool("sysctl")?;
    let doctor = running(&root, "kube-proxy");
    root.write("/etc/sysctl.d/k.conf", "net.netfilter.nf_conntrack_tcp_timeout_close_wait = 15\n");
    let ids = of_test("close_wait_below_kube_proxy");
    root.sure("sysctl -w net.netfilter.nf_conntrack_tcp_timeout_close_wait=15");
    mend(&root, &doctor, &ids, None)?;
    assert!(root.read("/etc/sysctl.d/k.conf").ends_with("close_wait = 3600\n"));
    Ok(())
}

/// NAT of both families.
const NAT: &str = "nft add table ip n
nft 'add chain ip n post { type nat hook postrouting priority 100; }'
nft add table ip6 n
nft 'add chain ip6 n post { type nat hook postrouting priority 100; }'
nft add rule ip6 n post ip6 saddr fd00::/64 masquerade
";

/// Forwarding as it is before anybody sets it, whatever the host's is.
const OFF: &str = "echo 0 >/proc/sys/net/ipv4/ip_forward
echo 0 >/proc/sys/net/ipv6/conf/all/forwarding
";

const ON: &str = "echo 1 >/proc/sys/net/ipv4/ip_forward
echo 1 >/proc/sys/net/ipv6/conf/all/forwarding
";

fn router() -> Result<PrivateRoot, Skip> {
    let root = PrivateRoot::new()?;
    for tool in ["sysctl", "nft"] {
        need_tool(tool)?;
    }
    if !Path::new("/proc/sys/net/ipv6").exists() {
        return Err(Skip::Kernel("this kernel has no IPv6".to_owned()));
    }
    root.sure(NAT);
    Ok(root)
}

fn forwarding_is_off() -> Result<(), Skip> {
    let root = router()?;
    let boot = format!("{NAT}{OFF}");
    // Nothing says anything; then the link that is read after 99-forward.conf says 0.
    root.sure(OFF);
    mend(&root, "doctor", &of_test("forwarding_is_off"), Some(&boot))?;
    root.sure(OFF);
    let text = "# net.ipv4.ip_forward=1\nnet.ipv4.ip_forward=0\nnet/ipv6/conf/all/forwarding = 0\n";
    root.write("/etc/sysctl.conf", text);
    root.link("../sysctl.conf", "/etc/sysctl.d/99-sysctl.conf");
    mend(&root, "doctor", &of_test("forwarding_is_off"), Some(&boot))
}

fn forwarding_is_lost_at_boot() -> Result<(), Skip> {
    let root = router()?;
    let boot = format!("{NAT}{OFF}");
    let ids = of_test("forwarding_is_lost_at_boot");
    root.sure(ON);
    let text = "net.ipv4.ip_forward_use_pmtu = 1\nnet.ipv4.ip_forward = 0\n\
                net.ipv6.conf.all.forwarding = 0";
    root.write("/etc/sysctl.conf", text);
    root.link("../sysctl.conf", "/etc/sysctl.d/99-sysctl.conf");
    mend(&root, "doctor", &ids, Some(&boot))?;
    assert!(root.is_link("/etc/sysctl.d/99-sysctl.conf"));
    let written = root.read("/etc/sysctl.conf");
    assert!(written.starts_with(text), "what was there stays: {written}");
    // `sysctl --system` of procps, which reads /etc/sysctl.conf last, agrees.
    root.sure(OFF);
    root.run("sysctl --system");
    assert_eq!(root.sure("cat /proc/sys/net/ipv4/ip_forward"), "1\n");

    // By the other name, and by a file of the administrator's that is read last.
    root.sure(ON);
    let text = "net.ipv4.conf.all.forwarding = 0\n-net.ipv6.conf.all.forwarding=0\n";
    root.write("/etc/sysctl.d/zzz it's.conf", text);
    mend(&root, "doctor", &ids, Some(&boot))?;
    // One that is not the administrator's.
    root.sure(ON);
    root.write(
        "/run/sysctl.d/zzzz.conf",
        "net.ipv4.ip_forward=0\nnet.ipv6.conf.all.forwarding=0\n",
    );
    mend(&root, "doctor", &ids, Some(&boot))?;
    assert!(root.read("/etc/sysctl.d/zzzz_forward.conf").contains("net.ipv4.ip_forward = 1"));
    Ok(())
}

fn forwarding_is_not_persisted() -> Result<(), Skip> {
    let root = router()?;
    root.sure(ON);
    let boot = format!("{NAT}{OFF}");
    mend(&root, "doctor", &of_test("forwarding_is_not_persisted"), Some(&boot))
}

fn an_interface_does_not_forward() -> Result<(), Skip> {
    let root = router()?;
    need_tool("ip")?;
    let made = "ip link add br-1 type bridge\nip link add eth0.7 type veth peer name peer0\n";
    if !root.run(made).status.success() {
        return Err(Skip::Kernel(
            "this kernel makes no bridge, or no pair of interfaces".to_owned(),
        ));
    }
    root.sure(ON);
    root.write("/etc/sysctl.d/5.conf", "net.ipv4.ip_forward=1\nnet.ipv6.conf.all.forwarding=1\n");
    root.write("/etc/sysctl.d/9.conf", "net.ipv4.conf.br-1.forwarding = 0\n");
    for place in ["br-1", "eth0.7", "default"] {
        root.sure(&format!("echo 0 >/proc/sys/net/ipv4/conf/{place}/forwarding"));
    }
    let boot = format!("{NAT}{OFF}{made}");
    mend(&root, "doctor", &of_test("an_interface_does_not_forward"), Some(&boot))
}

fn docker_lost_its_chains() -> Result<(), Skip> {
    let root = PrivateRoot::new()?;
    need_tool("nft")?;
    let doctor = running(&root, "dockerd");
    root.sure(
        "nft add table ip filter
nft 'add chain ip filter FORWARD { type filter hook forward priority 0; policy drop; }'",
    );
    // What docker does when it starts, with either backend.
    root.write(
        "/opt/docker",
        "nft add chain ip filter DOCKER\nnft add chain ip filter DOCKER-USER\n",
    );
    mend(&root, &doctor, &of_test("docker_lost_its_chains"), None)?;
    root.sure("nft delete chain ip filter DOCKER\nnft delete chain ip filter DOCKER-USER");
    root.write("/opt/docker", "nft add table ip docker-bridges\n");
    mend(&root, &doctor, &["DOCKER_CHAINS_MISSING"], None)?;
    let left = findings(&root, &doctor);
    let drops = left.iter().find(|(id, _)| id == "FORWARD_DROPS").expect("the policy is left");
    assert_eq!(type_in(&root, &drops.1), [""; 0]);
    Ok(())
}

/// The limit is one number for the host, which nobody may set in a namespace: a file stands in.
const LIMIT: &str = "/proc/sys/net/netfilter/nf_conntrack_max";
const COUNT: &str = "/proc/sys/net/netfilter/nf_conntrack_count";
const BUCKETS: &str = "/proc/sys/net/netfilter/nf_conntrack_buckets";

fn a_table_that_fills() -> Result<(), Skip> {
    let root = PrivateRoot::new()?;
    for tool in ["sysctl", "setpriv"] {
        need_tool(tool)?;
    }
    // Without privilege it reads the limit where `sysctl` writes it.
    let doctor = "setpriv --bounding-set=-all --inh-caps=-all doctor --rules /dev/null";
    let mut commands = Vec::new();
    for (count, id) in [("80000\n", "TABLE_FILLING"), ("99000\n", "TABLE_NEARLY_FULL")] {
        root.instead_of(BUCKETS, "131072\n");
        root.instead_of(COUNT, count);
        let limit = root.instead_of(LIMIT, "100000\n");
        commands = findings(&root, doctor).into_iter().find(|(found, _)| found == id).expect(id).1;
        mend(&root, doctor, &[id], None)?;
        assert_eq!(root.read(&limit).trim(), "200000");
    }
    // The others print the same commands.
    let mut facts = Facts::default();
    (facts.entries, facts.max, facts.buckets) = (Some(100_000), Some(100_000), Some(131_072));
    facts.recent = Some([(Counter::DROP, 1)].into_iter().collect::<Counts<Counter>>());
    assert_eq!(of(&facts, "TABLE_FULL").commands, commands);
    let mut flows = FlowFacts::default();
    flows.headroom.unassured = 100_000;
    facts.flows = Some(flows);
    assert_eq!(of(&facts, "FULL_BUT_EVICTING").commands, commands);
    assert_eq!(of_test("a_table_that_fills").len(), 4);
    Ok(())
}

fn of(facts: &Facts, id: &str) -> Finding {
    let found = diagnose(facts);
    found.iter().find(|finding| finding.id == id).cloned().unwrap_or_else(|| panic!("{found:?}"))
}

fn unanswered(count: u16, port: u16) -> impl Iterator<Item = Flow> {
    (0..count).map(move |number| flow(tuple(Protocol::UDP, false, ports(number + 1024, port))))
}

fn an_overlay_is_tracked() -> Result<(), Skip> {
    let root = PrivateRoot::new()?;
    for tool in ["nft", "iptables"] {
        need_tool(tool)?;
    }
    for port in [4789, 8472, 6081] {
        table().flush().expect("a flush");
        create(&mut table(), unanswered(800, port)).expect("room");
        mend(&root, "doctor", &of_test("an_overlay_is_tracked"), None)?;
    }
    Ok(())
}

/// A machine whose kernel has tracking as a module that is not loaded.
fn without_module() -> Result<PrivateRoot, Skip> {
    let root = PrivateRoot::new()?;
    root.hide("/sys/module");
    if let Ok(modules) = Path::new("/lib/modules").canonicalize() {
        root.hide(modules.to_str().expect("text"));
    }
    Ok(root)
}

fn settings_before_their_module() -> Result<(), Skip> {
    let setting = "net.netfilter.nf_conntrack_acct = 0\n";
    let doctor = "doctor --rules /dev/null";
    let other = "ip_tables";
    for id in of_test("settings_before_their_module") {
        let root = without_module()?;
        root.write("/etc/sysctl.d/9.conf", setting);
        // What is in there already, without the end of its last line, stays.
        root.write("/etc/modules-load.d/nf_conntrack.conf", other);
        match id {
            "UNORDERED_LOADER" => {
                root.write("/etc/rc.local", "#!/bin/sh\nmodprobe nf_conntrack\n");
                root.sure("chmod 755 /etc/rc.local");
            }
            // Nobody reads it.
            "LOADER_NEVER_RUNS" => root.write("/etc/modules", "nf_conntrack\n"),
            _ => {}
        }
        mend(&root, doctor, &[id], None)?;
        let list = root.read("/etc/modules-load.d/nf_conntrack.conf");
        // Two findings print the same line; twice does no harm.
        let mut lines: Vec<_> = list.lines().filter(|line| !line.is_empty()).collect();
        lines.dedup();
        assert_eq!(lines, [other, "nf_conntrack"], "{id}");
    }
    Ok(())
}

fn settings_drift() -> Result<(), Skip> {
    let root = PrivateRoot::new()?;
    need_tool("sysctl")?;
    root.write("/etc/sysctl.d/9.conf", "net.netfilter.nf_conntrack_acct = 1\n");
    root.sure("sysctl -w net.netfilter.nf_conntrack_acct=0");
    mend(&root, "doctor", &of_test("settings_drift"), None)
}

fn a_limit_without_buckets() -> Result<(), Skip> {
    let ids = of_test("a_limit_without_buckets");
    for built_in in [true, false] {
        let root = if built_in { PrivateRoot::new()? } else { without_module()? };
        need_tool("sysctl")?;
        root.instead_of(LIMIT, "2097152\n");
        let buckets = root.instead_of(BUCKETS, "16384\n");
        root.write("/etc/modprobe.d/nf_conntrack.conf", "options nf_conntrack_ftp ports=21");
        mend(&root, "doctor --rules /dev/null", &ids, None)?;
        assert_eq!(root.read(&buckets).trim(), "2097152");
        let options = root.read("/etc/modprobe.d/nf_conntrack.conf");
        assert!(options.starts_with("options nf_conntrack_ftp ports=21"), "{options}");
        if !built_in {
            assert!(options.ends_with("\noptions nf_conntrack hashsize=2097152\n"), "{options}");
        }
    }
    Ok(())
}

fn flows(change: impl FnOnce(&mut FlowFacts)) -> Facts {
    let mut flows = FlowFacts::default();
    flows.total = 5_000;
    change(&mut flows);
    let mut facts = Facts::default();
    facts.flows = Some(flows);
    facts
}

fn tunnels_without_an_answer() -> Result<(), Skip> {
    let root = PrivateRoot::new()?;
    let [id] = of_test("tunnels_without_an_answer")[..] else { panic!("one") };
    let mut missing = Vec::new();
    for port in [51_820, 4_500] {
        let facts = flows(|flows| flows.unanswered_udp = vec![(port, 5_000)]);
        missing.extend(type_in(&root, &of(&facts, id).commands));
    }
    all_but(&missing)
}

/// Nothing was missing, or this is why not all was typed.
fn all_but(missing: &[String]) -> Result<(), Skip> {
    match missing {
        [] => Ok(()),
        _ => Err(Skip::Tool(format!("all but these were typed: {}", missing.join(", ")))),
    }
}

/// What only shows something has to work.
fn looks_at_what_there_is() -> Result<(), Skip> {
    let root = PrivateRoot::new()?;
    need_tool("sysctl")?;
    root.write("/etc/systemd/system/x.service", "[Service]\nPrivateNetwork=yes\n");
    let counts = |counter| Some([(counter, 5)].into_iter().collect::<Counts<Counter>>());
    let mut missing = Vec::new();
    for id in of_test("looks_at_what_there_is") {
        let log = |text: String| {
            let mut facts = Facts::default();
            facts.log = Some(LogFacts::read(std::io::Cursor::new(text)).expect("a log"));
            facts
        };
        let facts = match id {
            "DNS_TABLE_FULL" => {
                let mut facts = flows(|flows| flows.unanswered_udp = vec![(53, 100)]);
                facts.recent = counts(Counter::DROP);
                facts
            }
            "FORWARDED_WITHOUT_ANSWER" => flows(|flows| {
                (flows.forwarded, flows.forwarded_unanswered) = (100, 100);
            }),
            "FULL_SOON" => {
                let mut facts = Facts::default();
                (facts.entries, facts.max) = (Some(10), Some(1_000));
                facts.growth = Some((100, std::time::Duration::from_secs(1)));
                facts
            }
            "LOG_TABLE_FULL" => {
                let inode = root.sure("stat -Lc %i /proc/self/ns/net");
                log(format!(
                    "nf_conntrack: table full in netns {}, dropping packet\n",
                    inode.trim()
                ))
            }
            "NAMESPACES_COME_AND_GO" => {
                let of = |minute: u32| {
                    format!(
                        "Jan 12 10:{minute:02}:01 node systemd[1]: Starting x.service\n\
                         Jan 12 10:{minute:02}:02 node kernel: IPVS: Creating netns size=2040 id=1\n"
                    )
                };
                log((0..8).map(of).collect())
            }
            "NAT_PORTS_EXHAUSTED" => exhausted(),
            "SYN_FLOOD" => flows(|flows| (flows.tcp, flows.half_open) = (5_000, 5_000)),
            _ => panic!("{id}: make it up here"),
        };
        let commands = of(&facts, id).commands;
        assert!(!commands.is_empty(), "{id}");
        missing.extend(type_in(&root, &commands));
    }
    let timeout = root.sure("cat /proc/sys/net/netfilter/nf_conntrack_tcp_timeout_syn_recv");
    assert_eq!(timeout, "30\n", "what the flood's remedy sets");
    all_but(&missing)
}

/// One NAT address with all of its ports in use, from real entries.
fn exhausted() -> Facts {
    let mut facts = Facts::default();
    let of = |number: u16| {
        let mut flow = flow(tuple(Protocol::TCP, false, ports(number, 443)));
        flow.reply.destination = [203, 0, 113, 1].into();
        flow.status |= Status::SRC_NAT;
        flow.to_bytes()
    };
    let bytes: Vec<_> = (1_024..=62_000).map(of).collect();
    let found = FlowFacts::of_entries(bytes.iter().map(|bytes| &bytes[..]));
    let most: Option<&PortUse> = found.ports.first();
    assert!(most.is_some_and(|most| most.used == 60_977), "{most:?}");
    facts.flows = Some(found);
    facts
}

fn what_tune_advises() -> Result<(), Skip> {
    let root = PrivateRoot::new()?;
    let limit = root.instead_of(LIMIT, "262144\n");
    let buckets = root.instead_of(BUCKETS, "262144\n");
    let advice = root.sure("tune advise --peak 400000 --ram 16GiB");
    for begin in ["for now ", "for good "] {
        let line = advice.lines().find_map(|line| line.strip_prefix(begin)).expect("a line").trim();
        let command = line.split("   (").next().expect("a command");
        assert_eq!(type_in(&root, &[command.to_owned()]), [""; 0]);
    }
    for file in [limit, buckets] {
        assert_eq!(root.read(&file).trim(), "1048576");
    }
    // What the plan shows is what apply writes, and then nothing is wrong any more.
    root.sure("persist apply --max 1048576 --buckets 1048576 --yes");
    let audit = root.sure("persist audit");
    assert!(audit.contains("nothing is wrong"), "{audit}");
    Ok(())
}
