//! Every rule on facts that are made up. The numbers are those of the table in the guide.

use std::io::Cursor;
use std::time::Duration;

use ctnetlink::aggregate::Headroom;
use ctnetlink::flow::{Flow, ProtoInfo, Protocol, Status, TcpInfo, TcpState, Tuple};
use ctnetlink::kernel::Version;
use ctnetlink::kernel::stats::{Counter, Counts};
use ctnetlink::operate::diagnose::{
    Facts, FlowFacts, Interface, LogFacts, LogKind, Rules, diagnose, private_network_units,
};
use ctnetlink::operate::finding::{Finding, Severity, worst};
use ctnetlink::operate::persist::audit;

fn counters(counts: &[(Counter, u32)]) -> Counts<Counter> {
    let mut attributes = Vec::new();
    for (Counter(number), value) in counts {
        attributes.extend(8_u16.to_ne_bytes());
        attributes.extend(number.to_ne_bytes());
        attributes.extend(value.to_be_bytes());
    }
    Counts::parse(&attributes).expect("what we wrote")
}

fn found(facts: &Facts, id: &str) -> Option<Finding> {
    diagnose(facts).into_iter().find(|finding| finding.id == id)
}

#[track_caller]
fn expect(facts: &Facts, id: &str, severity: Severity) -> Finding {
    let ids: Vec<_> = diagnose(facts).into_iter().map(|finding| finding.id).collect();
    let finding = found(facts, id).unwrap_or_else(|| panic!("no {id} in {ids:?}"));
    assert_eq!(finding.severity, severity, "{finding:?}");
    assert!(!finding.why.is_empty() && !finding.remedy.is_empty());
    finding
}

fn level(entries: u64, max: u64) -> Facts {
    let mut facts = Facts::default();
    (facts.entries, facts.max, facts.buckets) = (Some(entries), Some(max), Some(max));
    facts
}

fn log(text: &str) -> Option<LogFacts> {
    Some(LogFacts::read(Cursor::new(text)).expect("a log"))
}

/// Flows of a protocol to a port, in this state.
fn flows(count: u16, protocol: Protocol, port: u16, state: Option<TcpState>) -> Vec<Flow> {
    let of = |number: u16| {
        let source = ([10, 1, (number >> 8) as u8, number as u8].into(), 4_000);
        let original = Tuple::with_ports(protocol, source, ([192, 0, 2, 1].into(), port));
        let mut flow = Flow::new(original, original.inverse());
        flow.protoinfo = state.map(|state| ProtoInfo::Tcp(TcpInfo::new(state)));
        flow.status = Status::CONFIRMED;
        flow
    };
    (0..count).map(of).collect()
}

fn facts_of(flows: &[Vec<Flow>]) -> Facts {
    let bytes: Vec<_> = flows.iter().flatten().map(Flow::to_bytes).collect();
    let mut facts = Facts::default();
    facts.flows = Some(FlowFacts::of_entries(bytes.iter().map(|bytes| &bytes[..])));
    facts
}

#[test]
fn nothing_known_is_nothing_found() {
    assert_eq!(diagnose(&Facts::default()), []);
    assert_eq!(worst(&[]), None);
    assert_eq!(diagnose(&level(1_000, 262_144)), []);
    assert_eq!(diagnose(&level(1_000_000, 0)), [], "no limit, never full");
}

#[test]
fn levels_of_a_table() {
    expect(&level(200_000, 262_144), "TABLE_FILLING", Severity::Warning);
    let nearly = expect(&level(255_000, 262_144), "TABLE_NEARLY_FULL", Severity::Warning);
    assert!(nearly.seen.contains("255000 of 262144 entries (97 %)"), "{}", nearly.seen);
    let mut full = level(262_144, 262_144);
    full.recent = Some(counters(&[(Counter::DROP, 50)]));
    expect(&full, "TABLE_FULL", Severity::Critical);
    expect(&full, "DROP", Severity::Critical);
    let mut flows = FlowFacts::default();
    flows.headroom = Headroom::default();
    flows.headroom.unassured = 262_144;
    full.flows = Some(flows);
    expect(&full, "FULL_BUT_EVICTING", Severity::Warning);

    let mut growing = level(100_000, 262_144);
    growing.growth = Some((1_000, Duration::from_secs(1)));
    let soon = expect(&growing, "FULL_SOON", Severity::Warning);
    assert!(
        soon.seen.contains("1000 entries a second") && soon.seen.contains("3 minutes"),
        "{soon:?}"
    );
    growing.growth = Some((1, Duration::from_secs(1)));
    assert_eq!(diagnose(&growing), [], "in two days");
    growing.growth = Some((-5_000, Duration::ZERO));
    assert_eq!(diagnose(&growing), []);
}

#[test]
fn each_counter_says_its_own() {
    for (counter, id, severity) in [
        (Counter::DROP, "DROP", Severity::Critical),
        (Counter::EARLY_DROP, "EARLY_DROP", Severity::Warning),
        (Counter::INSERT_FAILED, "INSERT_FAILED", Severity::Warning),
        (Counter::CHAIN_TOOLONG, "CHAIN_TOO_LONG", Severity::Critical),
    ] {
        let mut facts = level(10, 262_144);
        facts.counters = Some(counters(&[(counter, 70)]));
        let past = expect(&facts, id, Severity::Info);
        assert!(past.seen.contains("70 since boot"), "{}", past.seen);
        facts.recent = Some(counters(&[(counter, 7)]));
        assert!(expect(&facts, id, severity).seen.contains("+7 just now"));
        facts.counters = Some(counters(&[(counter, 0)]));
        facts.recent = Some(counters(&[(counter, 0)]));
        assert_eq!(found(&facts, id), None);
    }
}

#[test]
fn check_0_6_sizes_that_do_not_go_together() {
    let mut facts = level(10, 2_097_152);
    (facts.buckets, facts.kernel) = (Some(16_384), Some(Version::new(6, 1)));
    let finding = expect(&facts, "MAX_WITHOUT_BUCKETS", Severity::Critical);
    assert!(finding.seen.contains("256"), "{}", finding.seen);
}

#[test]
fn check_1_2_three_forms_of_a_full_table_in_the_log() {
    let mut facts = Facts::default();
    facts.namespace = Some(4_026_532_211);
    facts.log = log("[   12.500000] nf_conntrack: table full, dropping packet\n\
         6,813,13500000,-;nf_conntrack: nf_conntrack: table full in netns 4026532211, dropping packet\n\
         Nov 21 08:00:01 host kernel: nf_conntrack: table full in netns 4026532999, dropping packet\n\
         [   14.000000] eth0: link is up\n");
    let kinds: Vec<_> =
        facts.log.as_ref().expect("a log").events.iter().map(|event| event.kind.clone()).collect();
    let inodes = [None, Some(4_026_532_211), Some(4_026_532_999)];
    assert_eq!(kinds, inodes.map(LogKind::TableFull));
    let finding = expect(&facts, "LOG_TABLE_FULL", Severity::Info);
    assert!(
        finding.seen.contains("3 lines") && finding.seen.contains("this one, netns 4026532211")
    );
    assert!(finding.seen.contains("the initial network namespace"), "this kernel names the others");
    assert_eq!(finding.commands, ["netns list"]);
    facts.owners = vec![(4_026_532_999, "pid 77, nginx of web.service".to_owned())];
    let finding = expect(&facts, "LOG_TABLE_FULL", Severity::Info);
    assert!(finding.seen.contains("netns 4026532999 (pid 77, nginx of web.service)"));

    // Kernels before 6.17 name no namespace, so that it may be any.
    for (kernel, initial) in
        [(None, false), (Some((6, 1)), false), (Some((6, 16)), false), (Some((6, 17)), true)]
    {
        let mut facts = Facts::default();
        facts.kernel = kernel.map(|(major, minor)| Version::new(major, minor));
        facts.log = log("[   12.500000] nf_conntrack: table full, dropping packet\n");
        let finding = expect(&facts, "LOG_TABLE_FULL", Severity::Info);
        let of = if initial {
            "the initial network namespace"
        } else {
            "a network namespace that the log does not name"
        };
        assert_eq!(
            finding.seen,
            format!("the log has 1 line of a full table, of {of}"),
            "{kernel:?}"
        );
    }
}

#[test]
fn check_1_6_timeouts() {
    let mut facts = Facts::default();
    facts.settings = vec![("nf_conntrack_tcp_timeout_established".to_owned(), 300)];
    let finding = expect(&facts, "ESTABLISHED_BELOW_KEEPALIVE", Severity::Warning);
    assert!(finding.seen.contains("7200"));
    facts.keepalive = Some(200);
    assert_eq!(diagnose(&facts), []);
    facts.settings = vec![("nf_conntrack_tcp_timeout_close_wait".to_owned(), 15)];
    assert_eq!(diagnose(&facts), [], "elsewhere it is a matter of taste");
    facts.kube_proxy = Some(true);
    expect(&facts, "CLOSE_WAIT_BELOW_KUBE_PROXY", Severity::Warning);
}

#[test]
fn check_1_6_timeouts_of_each_kind() {
    for (name, harmful, harmless, id, severity) in [
        ("tcp_timeout_time_wait", 5, 30, "TIME_WAIT_SHORT", Severity::Warning),
        ("tcp_timeout_time_wait", 600, 120, "TIME_WAIT_LONG", Severity::Info),
        ("udp_timeout", 3, 30, "UDP_SHORT", Severity::Warning),
        ("udp_timeout", 300, 180, "UDP_LONG", Severity::Info),
        ("udp_timeout_stream", 60, 120, "UDP_STREAM_SHORT", Severity::Warning),
        ("generic_timeout", 30, 120, "GENERIC_SHORT", Severity::Warning),
    ] {
        let mut facts = Facts::default();
        let set = |facts: &mut Facts, value| {
            facts.settings = vec![(format!("nf_conntrack_{name}"), value)];
        };
        set(&mut facts, harmful);
        let finding = expect(&facts, id, severity);
        assert!(finding.seen.starts_with(&format!("nf_conntrack_{name} is {harmful} s")));
        // What it advises is no harm.
        let [command] = &finding.commands[..] else { panic!("{finding:?}") };
        let (_, good) = command.rsplit_once('=').expect("an assignment");
        set(&mut facts, good.parse().expect("a number"));
        assert_eq!(diagnose(&facts), []);
        set(&mut facts, harmless);
        assert_eq!(diagnose(&facts), []);
    }
}

#[test]
fn check_1_6_timeouts_of_the_next_boot() {
    let root = tempfile::tempdir().expect("a directory");
    let directory = root.path().join("etc/sysctl.d");
    std::fs::create_dir_all(&directory).expect("a directory");
    let line = "net.netfilter.nf_conntrack_tcp_timeout_established = 300\n";
    std::fs::write(directory.join("9.conf"), line).expect("a file");
    let mut facts = Facts::default();
    facts.audit = Some(audit(root.path()));
    let lasting = r"printf '\nnet.netfilter.nf_conntrack_tcp_timeout_established = 8400\n' >> /etc/sysctl.d/9.conf";
    let id = "ESTABLISHED_BELOW_KEEPALIVE";
    let finding = expect(&facts, id, Severity::Warning);
    assert!(finding.seen.contains("becomes 300 s at boot (/etc/sysctl.d/9.conf, line 1)"));
    assert_eq!(finding.commands, [lasting]);
    for (now, seen) in
        [(300, "is 300 s, set by /etc/"), (60, "is 60 s, and 300 s after a boot (/etc/")]
    {
        facts.settings = vec![("nf_conntrack_tcp_timeout_established".to_owned(), now)];
        let finding = expect(&facts, id, Severity::Warning);
        assert!(finding.seen.contains(seen), "{}", finding.seen);
        assert!(finding.commands[0].starts_with("sysctl -w") && finding.commands[1] == lasting);
    }
    facts.settings = vec![("nf_conntrack_tcp_timeout_established".to_owned(), 432_000)];
    assert_eq!(expect(&facts, id, Severity::Warning).commands, [lasting], "it is fine until then");
    // A later file that mends it is the one that counts.
    std::fs::write(directory.join("99.conf"), line.replace("300", "432000")).expect("a file");
    facts.audit = Some(audit(root.path()));
    assert_eq!(found(&facts, id), None);
}

#[test]
fn check_1_9_dns_that_races_and_dns_that_finds_no_room() {
    let mut facts = facts_of(&[flows(300, Protocol::UDP, 53, None)]);
    assert_eq!(diagnose(&facts), [], "questions alone are no finding");
    facts.recent = Some(counters(&[(Counter::INSERT_FAILED, 3)]));
    expect(&facts, "DNS_RACE", Severity::Warning);
    assert_eq!(found(&facts, "DNS_TABLE_FULL"), None);
    facts.recent = Some(counters(&[(Counter::INSERT_FAILED, 3), (Counter::DROP, 9)]));
    expect(&facts, "DNS_TABLE_FULL", Severity::Critical);
    assert_eq!(found(&facts, "DNS_RACE"), None);
}

/// The incident's log as it was shown: times without a date.
const INCIDENT: &str = "\
03:52:42 localhost kernel: nf_conntrack: falling back to vmalloc.
03:52:42 localhost kernel: nf_conntrack: falling back to vmalloc.
03:52:42 localhost kernel: IPVS: Creating netns size=2048 id=97719
03:52:42 localhost systemd[1]: Starting Hostname Service...
03:54:37 localhost kernel: nf_conntrack: falling back to vmalloc.
03:54:37 localhost kernel: IPVS: Creating netns size=2048 id=97720
03:54:37 localhost systemd[1]: Starting Hostname Service...
03:56:48 localhost kernel: nf_conntrack: falling back to vmalloc.
03:56:48 localhost kernel: nf_conntrack: falling back to vmalloc.
03:56:48 localhost kernel: IPVS: Creating netns size=2048 id=97721
03:56:48 localhost systemd[1]: Starting Hostname Service...
03:58:20 localhost kernel: nf_conntrack: falling back to vmalloc.
03:58:20 localhost kernel: IPVS: Creating netns size=2048 id=97722
03:58:20 localhost systemd[1]: Starting Hostname Service...
";

/// The same log with its times in another form.
fn incident(time: impl Fn(&str) -> String) -> String {
    let line = |line: &str| {
        let (clock, rest) = line.split_once(' ').expect("a time");
        format!("{}{rest}\n", time(clock))
    };
    INCIDENT.lines().map(line).collect()
}

/// Seconds of the day of a time.
fn seconds(clock: &str) -> u32 {
    clock.split(':').fold(0, |all, part| all * 60 + part.parse::<u32>().expect("a number"))
}

#[test]
fn check_2_3_who_makes_namespaces_and_how_often() {
    let mut facts = Facts::default();
    (facts.kernel, facts.log) = (Some(Version::new(3, 10)), log(INCIDENT));
    let finding = expect(&facts, "NAMESPACES_COME_AND_GO", Severity::Warning);
    let seen = "network namespaces are made again and again: in the log 4 times, about every 2 minutes \
                (115 s), each time when systemd-hostnamed.service (\"Hostname Service\" in the log), a \
                unit with PrivateNetwork=yes, was started";
    assert_eq!(finding.seen, seen);
    assert!(finding.why.contains("hash table of its own"));
    assert!(finding.remedy.contains("systemd-hostnamed.service"), "{}", finding.remedy);
    assert_eq!(finding.commands, ["netns units", "systemctl cat 'systemd-hostnamed.service'"]);
    facts.log = log(&INCIDENT.lines().take(4).collect::<Vec<_>>().join("\n"));
    assert_eq!(diagnose(&facts), [], "once is nothing");

    // Whatever prints the log.
    for (form, text) in [
        ("syslog", incident(|at| format!("Nov 21 {at} "))),
        ("short-precise", incident(|at| format!("Nov 21 {at}.000123 "))),
        ("short-iso", incident(|at| format!("2026-11-21T{at}+0100 "))),
        ("short-iso-precise", incident(|at| format!("2026-11-21T{at}.000123+01:00 "))),
        ("RFC 3339", incident(|at| format!("2026-11-21T{at}Z "))),
        ("RFC 5424", incident(|at| format!("<4>1 2026-11-21T{at}.5Z "))),
        ("short-full", incident(|at| format!("Sat 2026-11-21 {at} CET "))),
        ("short-unix", incident(|at| format!("{}.000123 ", 1_795_219_200 + seconds(at)))),
        ("short-monotonic", incident(|at| format!("[{}.000123] ", seconds(at)))),
        ("dmesg -T", incident(|at| format!("[Sat Nov 21 {at} 2026] "))),
        ("dmesg --time-format iso", incident(|at| format!("2026-11-21T{at},000123+01:00 "))),
        ("/dev/kmsg", incident(|at| format!("6,813,{}000000,-;", seconds(at)))),
        // An hour and 7 minutes later the third is of the next day.
        (
            "midnight",
            incident(|at| {
                let at = (seconds(at) + 72_300) % 86_400;
                format!("{:02}:{:02}:{:02} ", at / 3600, at / 60 % 60, at % 60)
            }),
        ),
    ] {
        facts.log = log(&text);
        assert_eq!(
            found(&facts, "NAMESPACES_COME_AND_GO").map(|it| it.seen),
            Some(seen.to_owned()),
            "{form}: {text}"
        );
    }

    // Whatever systemd says when it starts a unit.
    for (said, names) in [
        ("systemd[1]: Started Hostname Service.", "\"Hostname Service\""),
        ("systemd: Starting Hostname Service...", "\"Hostname Service\""),
        ("systemd[1]: Starting systemd-hostnamed.service - Hostname Service...", ""),
        (
            "systemd[1]: systemd-hostnamed.service: About to execute: /usr/lib/systemd/systemd-hostnamed",
            "",
        ),
        (
            "dbus-daemon[9]: [system] Activating via systemd: service name='org.freedesktop.hostname1' \
             unit='dbus-org.freedesktop.hostname1.service' requested by ':1.9'",
            "\"dbus-org.freedesktop.hostname1.service\"",
        ),
    ] {
        facts.log = log(&INCIDENT.replace("systemd[1]: Starting Hostname Service...", said));
        let seen = expect(&facts, "NAMESPACES_COME_AND_GO", Severity::Warning).seen;
        let names = if names.is_empty() { String::new() } else { format!(" ({names} in the log)") };
        let named = format!("each time when systemd-hostnamed.service{names}, a unit");
        assert!(seen.contains(&named), "{said}: {seen}");
    }
    // What ends is no culprit, nor is one that is started now and then, or elsewhere.
    for said in [
        "systemd[1]: systemd-hostnamed.service: Deactivated successfully.",
        "systemd[1]: Stopped Hostname Service.",
        "systemd-logind[9]: New session 7 of user root.",
    ] {
        facts.log = log(&INCIDENT.replace("systemd[1]: Starting Hostname Service...", said));
        let seen = expect(&facts, "NAMESPACES_COME_AND_GO", Severity::Warning).seen;
        assert!(seen.ends_with("about every 2 minutes (115 s)"), "{said}: {seen}");
    }
    // A unit that is not known is shown as the log has it.
    facts.log = log(&INCIDENT.replace("Hostname Service", "Paint \x1b[31m Service"));
    let finding = expect(&facts, "NAMESPACES_COME_AND_GO", Severity::Warning);
    assert!(
        finding.seen.contains("each time when \"Paint [31m Service\" was started"),
        "{}",
        finding.seen
    );
    assert_eq!(finding.commands, ["netns units"], "nothing of a log is typed");
    facts.log = log(&INCIDENT.replace("Hostname Service...", "$(reboot).service"));
    let finding = expect(&facts, "NAMESPACES_COME_AND_GO", Severity::Warning);
    assert_eq!(finding.commands, ["netns units"]);
}

/// Its files say which unit is meant, by a name of its own or of a link.
#[test]
fn check_2_3_units_are_known_by_what_their_files_call_them() {
    let root = tempfile::tempdir().expect("a directory");
    let system = root.path().join("usr/lib/systemd/system");
    std::fs::create_dir_all(&system).expect("a directory");
    let text = "[Unit]\nDescription=Paint\\\n Service\n[Service]\nPrivateNetwork = on\n";
    std::fs::write(system.join("paint.service"), text).expect("a file");
    let mut facts = Facts::default();
    facts.private_network_units = Some(private_network_units(root.path()));
    facts.log = log(&INCIDENT.replace("Hostname Service", "Paint Service"));
    let finding = expect(&facts, "NAMESPACES_COME_AND_GO", Severity::Warning);
    let named = "each time when paint.service (\"Paint Service\" in the log), a unit with PrivateNetwork=yes,";
    assert!(finding.seen.contains(named), "{}", finding.seen);
}

#[test]
fn a_time_that_is_no_number_is_no_time() {
    let mut facts = Facts::default();
    for time in ["[inf]", "[nan]", "[-inf]", "[1e300]"] {
        facts.log = log(&format!("{time} IPVS: Creating netns size=1 id=1\n").repeat(9));
        let finding = expect(&facts, "NAMESPACES_COME_AND_GO", Severity::Warning);
        let seen = "network namespaces are made again and again: in the log 9 lines that say so";
        assert_eq!(finding.seen, seen);
    }
}

/// Starts of units do not push out what the log says of a table.
#[test]
fn what_matters_is_kept() {
    let starts = "Nov 21 03:00:00 h systemd[1]: Started Session 9 of user root.\n".repeat(30_000);
    let facts = log(&format!(
        "Nov 21 02:59:59 h kernel: nf_conntrack: table full, dropping packet\n{starts}"
    ));
    assert_eq!(facts.expect("a log").events.len(), 1);
}

#[test]
fn check_2_4_a_line_that_this_kernel_does_not_write() {
    let mut facts = Facts::default();
    for (kernel, ours) in [((3, 10), true), ((4, 2), true), ((4, 3), false), ((6, 1), false)] {
        facts.kernel = Some(Version::new(kernel.0, kernel.1));
        facts.log = log(INCIDENT);
        assert_eq!(found(&facts, "VMALLOC_OF_ANOTHER_KERNEL").is_none(), ours, "{kernel:?}");
    }
}

#[test]
fn check_3_3_overlays_and_rules_for_them() {
    let mut facts = facts_of(&[
        flows(2_000, Protocol::UDP, 4_789, None),
        flows(1_000, Protocol::TCP, 443, Some(TcpState::ESTABLISHED)),
    ]);
    let finding = expect(&facts, "OVERLAY_TRACKED", Severity::Warning);
    assert!(finding.seen.contains("2000 entries (67 %) are VXLAN"), "{}", finding.seen);
    for word in ["nft add rule", "iptables -t raw", "--dport 4789"] {
        assert!(finding.commands.iter().any(|command| command.contains(word)), "{word}");
    }
    facts.rules = Some(Rules::parse("chain in {\n udp dport { 4789, 8472 } notrack\n}"));
    expect(&facts, "OVERLAY_TRACKED_BEFORE", Severity::Info);
    assert_eq!(found(&facts, "OVERLAY_TRACKED"), None);
    let few = facts_of(&[flows(400, Protocol::UDP, 4_789, None)]);
    assert_eq!(diagnose(&few), []);
}

#[test]
fn check_3_3_tunnels_that_keep_their_ports() {
    for (port, name) in [(51_820, "WireGuard"), (4_500, "IPsec through NAT")] {
        let facts = facts_of(&[flows(2_000, Protocol::UDP, port, None)]);
        assert_eq!(found(&facts, "OVERLAY_TRACKED"), None, "no other source port for each flow");
        let finding = expect(&facts, "TUNNEL_UNANSWERED", Severity::Warning);
        assert!(finding.seen.contains(&format!("2000 entries (100 %) are {name}")));
        assert!(finding.why.contains("one pair of ports for each peer"), "{}", finding.why);
        assert!(!finding.commands.iter().any(|command| command.contains("notrack")));
    }
}

#[test]
fn check_3_8_a_flood() {
    let facts = facts_of(&[
        flows(9_000, Protocol::TCP, 443, Some(TcpState::SYN_RECV)),
        flows(1_000, Protocol::TCP, 80, Some(TcpState::ESTABLISHED)),
    ]);
    let finding = expect(&facts, "SYN_FLOOD", Severity::Warning);
    assert!(finding.seen.contains("9000 TCP entries (90 %)"), "{}", finding.seen);
    assert!(finding.seen.contains("9000 are to 192.0.2.1"), "{}", finding.seen);
    let quiet = facts_of(&[
        flows(2_000, Protocol::TCP, 443, Some(TcpState::SYN_SENT)),
        flows(9_000, Protocol::TCP, 80, Some(TcpState::ESTABLISHED)),
    ]);
    assert_eq!(found(&quiet, "SYN_FLOOD"), None);
}

#[test]
fn nat_that_runs_out_of_ports() {
    let mut all = flows(60_000, Protocol::TCP, 443, Some(TcpState::ESTABLISHED));
    for (number, flow) in (0_u16..).zip(&mut all) {
        let nat = ([203, 0, 113, 1].into(), number.wrapping_add(1_024));
        flow.reply = Tuple::with_ports(Protocol::TCP, ([192, 0, 2, 1].into(), 443), nat);
        flow.status |= Status::SRC_NAT;
    }
    let finding = expect(&facts_of(&[all]), "NAT_PORTS_EXHAUSTED", Severity::Warning);
    assert!(
        finding.seen.contains("60000 of 64512 ports (93 %) of 203.0.113.1"),
        "{}",
        finding.seen
    );
    assert!(finding.seen.contains("192.0.2.1 port 443 (tcp)"), "{}", finding.seen);
}

#[test]
fn check_4_2_forwarding_that_does_not_last() {
    let root = tempfile::tempdir().expect("a directory");
    let mut facts = Facts::default();
    (facts.ip_forward, facts.docker) = (Some(1), Some(true));
    facts.audit = Some(audit(root.path()));
    expect(&facts, "IP_FORWARD_NOT_PERSISTED", Severity::Warning);
    let directory = root.path().join("etc/sysctl.d");
    std::fs::create_dir_all(&directory).expect("a directory");
    std::fs::write(directory.join("99.conf"), "net.ipv4.ip_forward = 0\n").expect("a file");
    facts.audit = Some(audit(root.path()));
    let finding = expect(&facts, "IP_FORWARD_LOST_AT_BOOT", Severity::Critical);
    assert!(finding.seen.contains("/etc/sysctl.d/99.conf, line 1"), "{}", finding.seen);
    std::fs::write(directory.join("99.conf"), "net.ipv4.ip_forward = 1\n").expect("a file");
    facts.audit = Some(audit(root.path()));
    assert_eq!(diagnose(&facts), []);
    facts.ip_forward = Some(0);
    expect(&facts, "IP_FORWARD_OFF", Severity::Critical);
    facts.docker = None;
    assert_eq!(found(&facts, "IP_FORWARD_OFF"), None, "nothing is forwarded here");
}

#[test]
fn check_4_2_a_remedy_that_has_the_last_word() {
    let root = tempfile::tempdir().expect("a directory");
    let mut facts = Facts::default();
    (facts.ip_forward, facts.docker) = (Some(1), Some(true));
    let write = |path: &str, text: &str| {
        let path = root.path().join(path);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        std::fs::write(path, text).expect("a file");
    };
    let mut remedy = |id: &str| {
        facts.audit = Some(audit(root.path()));
        found(&facts, id).map(|finding| finding.commands)
    };
    // A file of the distribution, and one that is read after 99-forward.conf.
    write("usr/lib/sysctl.d/50-default.conf", "net.ipv4.ip_forward = 0\n");
    let own = r"printf '\nnet.ipv4.ip_forward = 1\n' >> /etc/sysctl.d/99-forward.conf";
    assert_eq!(remedy("IP_FORWARD_LOST_AT_BOOT"), Some(vec![own.to_owned()]));
    write("usr/lib/sysctl.d/zz.conf", "net.ipv4.ip_forward = 0\n");
    let later = r"printf '\nnet.ipv4.ip_forward = 1\n' >> /etc/sysctl.d/zz_forward.conf";
    assert_eq!(remedy("IP_FORWARD_LOST_AT_BOOT"), Some(vec![later.to_owned()]));
    write("etc/sysctl.d/zzz it's.conf", "net.ipv4.ip_forward = 0\n");
    let same = r"printf '\nnet.ipv4.ip_forward = 1\n' >> '/etc/sysctl.d/zzz it'\''s.conf'";
    assert_eq!(remedy("IP_FORWARD_LOST_AT_BOOT"), Some(vec![same.to_owned()]));
    // The same setting by its other name: nothing is lost.
    write("etc/sysctl.d/zzzz.conf", "net.ipv4.conf.all.forwarding = 1\n");
    assert_eq!(remedy("IP_FORWARD_LOST_AT_BOOT"), None);
    assert_eq!(remedy("IP_FORWARD_NOT_PERSISTED"), None);
    facts.ip_forward = Some(0);
    let off = expect(&facts, "IP_FORWARD_OFF", Severity::Critical);
    assert_eq!(off.commands, ["sysctl -w net.ipv4.ip_forward=1"], "files say so already");
}

/// Where the line that makes forwarding last goes, if this file says 0.
fn mended_in(file: &str) -> String {
    let root = tempfile::tempdir().expect("a directory");
    let path = root.path().join(file);
    std::fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
    std::fs::write(path, "net.ipv4.ip_forward = 0\n").expect("a file");
    let mut facts = Facts::default();
    (facts.ip_forward, facts.docker) = (Some(1), Some(true));
    facts.audit = Some(audit(root.path()));
    let finding = expect(&facts, "IP_FORWARD_LOST_AT_BOOT", Severity::Critical);
    let [command] = &finding.commands[..] else { panic!("{finding:?}") };
    command.split_once(" >> ").expect("it appends").1.to_owned()
}

#[test]
fn a_later_name_is_later() {
    for name in ["10-a.conf", "99-sysctl.conf", "99-zz.conf", "zzzz.conf", "~.conf", "a.conf"] {
        let later = mended_in(&format!("usr/lib/sysctl.d/{name}"));
        let later = later.trim_matches('\'').strip_prefix("/etc/sysctl.d/").expect("a folder");
        assert!(later > name && later.ends_with(".conf"), "{later} {name}");
    }
    for (name, quoted) in [
        ("9.conf", "/etc/sysctl.d/9.conf"),
        ("it's here.conf", r"'/etc/sysctl.d/it'\''s here.conf'"),
        ("a$(id);b.conf", "'/etc/sysctl.d/a$(id);b.conf'"),
    ] {
        assert_eq!(mended_in(&format!("etc/sysctl.d/{name}")), quoted);
    }
}

fn interface(name: &str, forwards: i64) -> Interface {
    let mut interface = Interface::default();
    (interface.name, interface.forwards) = (name.to_owned(), Some(forwards));
    interface
}

#[test]
fn no_remedy_undoes_another_one() {
    let root = tempfile::tempdir().expect("a directory");
    let write = |path: &str, text: &str| {
        let path = root.path().join(path);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        std::fs::write(path, text).expect("a file");
    };
    let timeout = "nf_conntrack_tcp_timeout_established";
    write("etc/sysctl.d/9.conf", &format!("net.ipv4.ip_forward=0\nnet.netfilter.{timeout}=300\n"));
    write("proc/sys/net/ipv4/ip_forward", "1\n");
    write(&format!("proc/sys/net/netfilter/{timeout}"), "432000\n");
    let mut facts = Facts::default();
    facts.audit = Some(audit(root.path()));
    (facts.ip_forward, facts.docker) = (Some(1), Some(true));
    facts.settings = vec![(timeout.to_owned(), 432_000)];
    let commands: Vec<_> = diagnose(&facts).into_iter().flat_map(|one| one.commands).collect();
    assert!(commands.iter().any(|command| command.contains("ip_forward = 1")), "{commands:?}");
    for harm in ["ip_forward=0", "established=300"] {
        assert!(!commands.iter().any(|command| command.contains(harm)), "{commands:?}");
    }
    // Nor does the audit alone, which does not know what is forwarded here, turn it off.
    facts.docker = None;
    assert!(diagnose(&facts).iter().all(|one| one.commands.iter().all(|c| !c.contains("forward"))));
}

#[test]
fn check_4_1_forwarding_of_each_interface() {
    let mut facts = Facts::default();
    (facts.ip_forward, facts.default_forward, facts.docker) = (Some(1), Some(1), Some(true));
    let mut bridge = interface("docker0", 1);
    bridge.bridge = true;
    let others = [interface("lo", 0), interface("eth0.7", 1)];
    facts.interfaces = Some([&others[..], &[bridge]].concat());
    assert_eq!(diagnose(&facts), [], "nothing is forwarded from lo");
    let all = facts.interfaces.as_mut().expect("interfaces");
    all[1].forwards = Some(0);
    let quiet = expect(&facts, "INTERFACE_FORWARD_OFF", Severity::Info);
    assert_eq!(quiet.commands, ["sysctl -w net/ipv4/conf/eth0.7/forwarding=1"]);
    facts.interfaces.as_mut().expect("interfaces")[2].forwards = Some(0);
    let finding = expect(&facts, "INTERFACE_FORWARD_OFF", Severity::Warning);
    assert!(finding.seen.contains("off for eth0.7, docker0"), "{}", finding.seen);
    facts.ip_forward = Some(0);
    assert_eq!(found(&facts, "INTERFACE_FORWARD_OFF"), None, "it is off altogether");
    (facts.ip_forward, facts.default_forward, facts.interfaces) = (Some(1), Some(0), None);
    let later = expect(&facts, "INTERFACE_FORWARD_OFF", Severity::Warning);
    assert_eq!(later.commands, ["sysctl -w net.ipv4.conf.default.forwarding=1"]);
    facts.docker = None;
    assert_eq!(diagnose(&facts), [], "nothing is forwarded here");
}

#[test]
fn check_4_1_forwarding_of_ipv6() {
    let mut facts = Facts::default();
    (facts.ip_forward, facts.ipv6_forward, facts.docker) = (Some(1), Some(0), Some(true));
    // Docker makes these chains whether or not a container has IPv6.
    let chains = "table ip6 nat {\n\tchain P {\n\t\ttype nat hook postrouting priority 100;\n\t}\n}\n\
                  # Generated by ip6tables-save v1.8.9\n*nat\n:POSTROUTING ACCEPT [0:0]\n\
                  # Generated by iptables-save v1.8.9\n*nat\n:DOCKER - [0:0]\n-A POSTROUTING -j MASQUERADE\n";
    facts.rules = Some(Rules::parse(chains));
    assert_eq!(found(&facts, "IPV6_FORWARD_OFF"), None, "no rule translates IPv6");
    for rule in [
        "table ip6 nat {\n\tip6 saddr fd00::/64 masquerade\n}",
        "table inet nat {\n\tip6 saddr fd00::/64 masquerade\n}",
        "# Generated by ip6tables-save v1.8.9\n*nat\n-A POSTROUTING -s fd00::/64 -j MASQUERADE\n",
    ] {
        facts.rules = Some(Rules::parse(rule));
        expect(&facts, "IPV6_FORWARD_OFF", Severity::Critical);
    }
    facts.rules = None;
    let mut bridge = interface("br-1", 1);
    (bridge.bridge, bridge.global_ipv6) = (true, true);
    let mut uplink = interface("eth0", 1);
    uplink.advertised_route = true;
    facts.interfaces = Some(vec![bridge, uplink]);
    let finding = expect(&facts, "IPV6_FORWARD_OFF", Severity::Critical);
    let commands =
        ["sysctl -w net.ipv6.conf.eth0.accept_ra=2", "sysctl -w net.ipv6.conf.all.forwarding=1"];
    assert_eq!(finding.commands, commands, "first that it keeps its default route");

    let root = tempfile::tempdir().expect("a directory");
    facts.audit = Some(audit(root.path()));
    facts.ipv6_forward = Some(1);
    expect(&facts, "IPV6_FORWARD_NOT_PERSISTED", Severity::Warning);
    let directory = root.path().join("etc/sysctl.d");
    std::fs::create_dir_all(&directory).expect("a directory");
    std::fs::write(directory.join("6.conf"), "net.ipv6.conf.all.forwarding=0\n").expect("a file");
    facts.audit = Some(audit(root.path()));
    expect(&facts, "IPV6_FORWARD_LOST_AT_BOOT", Severity::Critical);
    // Nothing of IPv6 is forwarded here.
    facts.interfaces = None;
    assert_eq!(found(&facts, "IPV6_FORWARD_LOST_AT_BOOT"), None);
}

#[test]
fn check_4_3_docker_without_its_chains() {
    let mut facts = Facts::default();
    facts.docker = Some(true);
    facts.rules = Some(Rules::parse("*filter\n:FORWARD DROP [0:0]\n:INPUT ACCEPT [0:0]\n"));
    expect(&facts, "FORWARD_DROPS", Severity::Warning);
    expect(&facts, "DOCKER_CHAINS_MISSING", Severity::Warning);
    facts.rules = Some(Rules::parse("*filter\n:FORWARD DROP [0:0]\n:DOCKER - [0:0]\n"));
    assert_eq!(found(&facts, "FORWARD_DROPS"), None);
    expect(&facts, "IN_USE_BY", Severity::Info);
}

/// Who uses tracking, as the rules tell; empty if nobody does.
fn users(rules: &Rules) -> String {
    let mut facts = Facts::default();
    facts.rules = Some(rules.clone());
    let seen = found(&facts, "IN_USE_BY").map(|finding| finding.seen).unwrap_or_default();
    seen.replace("tracking is used here by ", "")
}

#[test]
fn check_3_7_rules_of_nft_and_of_iptables() {
    let nft = Rules::parse(
        "table inet notrack {\n\tchain in {\n\t\ttype filter hook prerouting priority raw;\n\
         \t\tudp dport 4789 notrack\n\t\tudp dport { 8472, 6081 } counter notrack\n\t}\n}\n\
         table ip n {\n\tchain post {\n\t\ttype nat hook postrouting priority 100;\n\t\tmasquerade\n}\n\
         table ip f {\n\tchain FORWARD {\n\t\ttype filter hook forward priority 0; policy drop;\n\
         \t\tct state established accept\n",
    );
    assert!(nft.nat && nft.stateful && nft.forward_drops);
    assert_eq!(nft.notrack, [4789, 8472, 6081]);
    assert_eq!(users(&nft), "NAT, rules by state");

    let iptables = Rules::parse(
        "*raw\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -p udp -m udp --dport 4789 -j CT --notrack\n\
         *nat\n:DOCKER - [0:0]\n*filter\n:FORWARD DROP [0:0]\n:KUBE-FORWARD - [0:0]\n\
         -A INPUT -m conntrack --ctstate NEW\n",
    );
    assert!(iptables.nat && iptables.stateful && iptables.forward_drops);
    assert_eq!(iptables.notrack, [4789]);
    assert_eq!(users(&iptables), "NAT, rules by state, docker, kube-proxy");

    let old = Rules::parse("*filter\n-A INPUT -m state --state RELATED,ESTABLISHED -j ACCEPT\n");
    assert_eq!(users(&old), "rules by state", "the match before -m conntrack");
    let other = Rules::parse("*filter\n-A INPUT -m comment --comment state -j ACCEPT\n");
    assert!(!other.stateful);

    let none =
        Rules::parse("table ip f {\n\tchain FORWARD {\n\t\ttype filter hook forward priority 0;\n");
    assert!(!none.nat && !none.stateful && !none.forward_drops && users(&none).is_empty());
}

/// What `nft list ruleset` prints under docker 29 with `"firewall-backend": "nftables"`, shortened.
const DOCKER_NFTABLES: &str = r#"table ip docker-bridges {
	map filter-forward-in-jumps {
		type ifname : verdict
		elements = { "docker0" : jump filter-forward-in__docker0 }
	}
	chain filter-FORWARD {
		type filter hook forward priority filter; policy drop;
		oifname vmap @filter-forward-in-jumps
	}
	chain nat-POSTROUTING {
		type nat hook postrouting priority srcnat; policy accept;
		iifname vmap @nat-postrouting-out-jumps
	}
	chain filter-forward-in__docker0 {
		ct state established,related counter packets 0 bytes 0 accept
	}
	chain nat-postrouting-out__docker0 {
		oifname != "docker0" ip saddr 172.17.0.0/16 counter packets 0 bytes 0 masquerade comment "MASQUERADE"
	}
}
table ip6 docker-bridges {
	chain nat-POSTROUTING {
		type nat hook postrouting priority srcnat; policy accept;
	}
}
"#;

#[test]
fn check_4_3_docker_with_nftables() {
    let mut facts = Facts::default();
    facts.docker = Some(true);
    facts.rules = Some(Rules::parse(DOCKER_NFTABLES));
    assert_eq!(found(&facts, "DOCKER_CHAINS_MISSING"), None, "its tables are there");
    assert_eq!(found(&facts, "FORWARD_DROPS"), None, "its own chain may drop");
    let users = expect(&facts, "IN_USE_BY", Severity::Info).seen;
    assert!(users.contains("NAT, rules by state, docker"), "{users}");
    let rules = facts.rules.as_ref().expect("rules");
    assert!(rules.nat_ipv4 && !rules.nat_ipv6, "no rule translates IPv6");

    // The policy that docker with iptables had set is left.
    let left = format!("{DOCKER_NFTABLES}\n*filter\n:FORWARD DROP [0:0]\n");
    facts.rules = Some(Rules::parse(&left));
    let drops = expect(&facts, "FORWARD_DROPS", Severity::Warning);
    assert!(drops.seen.contains("cannot overrule"), "{}", drops.seen);
    assert_eq!(drops.commands, ["nft list chains"], "a restart would change nothing");

    // Somebody flushed them.
    facts.rules = Some(Rules::parse("table inet filter {\n\tchain input {\n\t}\n}\n"));
    expect(&facts, "DOCKER_CHAINS_MISSING", Severity::Warning);
}

#[test]
fn check_4_4_published_ports_without_an_answer() {
    let mut all = flows(80, Protocol::TCP, 8_080, Some(TcpState::SYN_SENT));
    for flow in &mut all {
        flow.reply.source = [172, 17, 0, 2].into();
        flow.status |= Status::DST_NAT;
    }
    let finding = expect(&facts_of(&[all]), "FORWARDED_WITHOUT_ANSWER", Severity::Warning);
    assert!(finding.seen.contains("80 of 80 TCP flows"), "{}", finding.seen);
}

#[test]
fn a_table_that_is_not_the_one_that_matters() {
    let mut facts = level(3, 262_144);
    facts.sockets = Some(5_000);
    assert!(!expect(&facts, "NEARLY_EMPTY", Severity::Info).why.contains("eBPF"));
    facts.ebpf = Some(true);
    assert!(expect(&facts, "NEARLY_EMPTY", Severity::Info).why.contains("eBPF"));
    facts.sockets = Some(20);
    assert_eq!(diagnose(&facts), []);
}

#[test]
fn whatever_the_log_is() {
    let mut garbage: Vec<u8> = (0..=255).cycle().take(300_000).collect();
    garbage.extend(b"\n[nonsense] nf_conntrack: table full in netns , dropping\n;;;\n[]\n");
    garbage.extend(b"99999999999999999999,x,y;nf_conntrack: falling back to vmalloc\n");
    let facts = LogFacts::read(Cursor::new(garbage)).expect("a log");
    assert_eq!(facts.events.len(), 2);
    assert_eq!(facts.events[0].kind, LogKind::TableFull(None));
    // A gigabyte of one line, and as many events as would fill memory.
    let long = std::io::BufReader::new(std::io::Read::take(std::io::repeat(b'x'), 64 << 20));
    assert_eq!(LogFacts::read(long).expect("a log").events, []);
    let many = "nf_conntrack: table full, dropping packet\n".repeat(30_000);
    let facts = LogFacts::read(Cursor::new(many)).expect("a log");
    assert!(facts.lines == 30_000 && facts.events.len() <= 10_000);
}

#[test]
fn the_worst_comes_first() {
    let mut facts = level(200_000, 262_144);
    facts.recent = Some(counters(&[(Counter::DROP, 1)]));
    facts.log = log("nf_conntrack: table full, dropping packet\n");
    let findings = diagnose(&facts);
    let severities: Vec<_> = findings.iter().map(|finding| finding.severity).collect();
    assert_eq!(severities, [Severity::Critical, Severity::Warning, Severity::Info]);
    assert_eq!(worst(&findings), Some(Severity::Critical));
}
