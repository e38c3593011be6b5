//! Settings and timeouts: what one way sets, the other shows, and only in this network.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::time::Duration;

use ctnetlink::flow::{Family, Protocol, TimeoutPolicy, Timeouts};
use ctnetlink::kernel::Version;
use ctnetlink::operate::finding::Severity;
use ctnetlink::operate::persist::audit;
use ctnetlink::operate::tune::{Scope, Settings, Unit, sizing};
use ctnetlink::testing::enter_private_network;
use ctnetlink::{Conntrack, ErrorKind, Namespace};

use crate::programs::command;
use crate::support::{Skip, Test, need_tool, table};

pub const TESTS: &[(&str, Test)] = &[
    ("settings_say_whose_they_are", settings_say_whose_they_are),
    ("check_1_7_what_is_set_is_set_here_alone", check_1_7_what_is_set_is_set_here_alone),
    ("set_for_now_is_set_back", set_for_now_is_set_back),
    ("timeouts_and_settings_are_the_same", timeouts_and_settings_are_the_same),
    ("what_timeouts_are_refused", what_timeouts_are_refused),
    ("policies_come_and_go", policies_come_and_go),
    ("what_sets_the_buckets_is_typed", what_sets_the_buckets_is_typed),
    ("check_0_3_the_remedy_for_a_script_is_typed", check_0_3_the_remedy_for_a_script_is_typed),
];

const PROTOCOLS: [Protocol; 7] = [
    Protocol::TCP,
    Protocol::UDP,
    Protocol::SCTP,
    Protocol::ICMP,
    Protocol::ICMPV6,
    Protocol::GRE,
    Timeouts::GENERIC,
];

fn settings_say_whose_they_are() -> Result<(), Skip> {
    let settings = Settings::here();
    let all = settings.all().expect("settings");
    assert!(all.len() > 30 && all.is_sorted_by_key(|setting| setting.name.clone()));
    let mut odd = Vec::new();
    for setting in &all {
        assert_eq!(settings.get(&setting.name).expect("a setting"), *setting);
        let host = ["max", "buckets", "expect_max", "count"];
        let host = host.iter().any(|name| setting.name == format!("nf_conntrack_{name}"));
        assert_eq!(setting.scope == Scope::ReadOnly, host, "{}", setting.name);
        // A fresh network has the defaults.
        if setting.is_default() == Some(false) {
            odd.push(setting.to_string());
        }
    }
    assert!(odd.is_empty(), "not the defaults that are said: {odd:?}");
    let max = settings.get("max").expect("short for nf_conntrack_max");
    assert_eq!((max.name.as_str(), max.unit), ("nf_conntrack_max", Unit::Entries));
    assert_eq!(table().limits().expect("limits").max.map(i64::from), Some(max.value));
    Ok(())
}

fn check_1_7_what_is_set_is_set_here_alone() -> Result<(), Skip> {
    let here = Settings::here();
    let elsewhere = std::thread::spawn(|| {
        enter_private_network().expect("a network");
        Namespace::at("/proc/thread-self/ns/net").expect("a namespace")
    });
    let elsewhere = Settings::of(&elsewhere.join().expect("a network")).expect("its settings");
    let established = |settings: &Settings| {
        settings.get("nf_conntrack_tcp_timeout_established").expect("a setting").value
    };
    let changed = here.set("tcp_timeout_established", 86_400).expect("set");
    assert_eq!((changed.old, changed.new), (432_000, 86_400));
    assert_eq!((established(&here), established(&elsewhere)), (86_400, 432_000));
    elsewhere.set("tcp_timeout_established", 300).expect("set");
    assert_eq!((established(&here), established(&elsewhere)), (86_400, 300));

    for (name, value, word) in [
        ("max", 5, "initial network namespace"),
        ("buckets", 5, "initial network namespace"),
        ("count", 5, "not a setting"),
        ("maximum", 5, "none of this name"),
        ("net.netfilter.nf_conntrack_max", 5, "initial network namespace"),
        ("/proc/sys/net/ipv4/ip_forward", 5, "not the name of a setting"),
        ("../../ipv4/ip_forward", 1, "not the name of a setting"),
        ("acct", 7, "does not take this value"),
    ] {
        let error = here.set(name, value).expect_err("refused");
        assert!(matches!(error.kind(), ErrorKind::Setting { .. }), "{error}");
        assert!(error.to_string().contains(word), "{error}");
    }
    Ok(())
}

fn set_for_now_is_set_back() -> Result<(), Skip> {
    let settings = Settings::here();
    let value = || settings.get("acct").expect("a setting").value;
    let guard = settings.set_for_now("acct", 1).expect("set");
    assert_eq!((guard.changed().old, guard.changed().new, value()), (0, 1, 1));
    drop(guard);
    assert_eq!(value(), 0);

    let timeout = || settings.get("udp_timeout").expect("a setting").value;
    let guard = settings.set_for_now("udp_timeout", 99).expect("set");
    settings.set("udp_timeout", 77).expect("set by somebody else");
    drop(guard);
    assert_eq!(timeout(), 77, "what somebody else has set stays");
    let kept = settings.set_for_now("udp_timeout", 55).expect("set").keep();
    assert_eq!((kept.new, timeout()), (55, 55));
    Ok(())
}

/// A table, and the module for timeouts loaded: where many ask for it first and at once, some are told
/// that it is not there.
fn table_with_timeouts() -> Conntrack {
    let mut table = table();
    let asked = (0..100).any(|_| {
        let found = table.default_timeouts(Protocol::UDP).is_ok();
        if !found {
            std::thread::sleep(Duration::from_millis(50));
        }
        found
    });
    assert!(asked, "{:?}", table.default_timeouts(Protocol::UDP));
    table
}

fn timeouts_and_settings_are_the_same() -> Result<(), Skip> {
    let settings = Settings::here();
    let mut table = table_with_timeouts();
    for protocol in PROTOCOLS {
        let before = table.default_timeouts(protocol).expect("timeouts");
        assert_eq!(before.protocol(), protocol);
        assert!(before.iter().count() >= before.names().count(), "{protocol}: all of them");
        for (index, name) in (1..).zip(before.names().collect::<Vec<_>>()) {
            // What netlink sets, the file shows, and what is not set stays.
            let mut timeouts = Timeouts::of(protocol);
            assert!(timeouts.set(name, Duration::from_secs(1_000 + index)));
            table.set_default_timeouts(&timeouts).expect("set");
            let after = table.default_timeouts(protocol).expect("timeouts");
            assert_eq!(after.get(name), Some(Duration::from_secs(1_000 + index)), "{name}");
            let Some(setting) = after.setting(name) else { continue };
            let file = settings.get(&setting).expect("a setting");
            assert_eq!(file.value, i64::try_from(1_000 + index).expect("a number"), "{setting}");
            // And the other way.
            settings.set(&setting, 2_000).expect("set");
            let after = table.default_timeouts(protocol).expect("timeouts");
            assert_eq!(after.get(name), Some(Duration::from_secs(2_000)), "{name}");
        }
    }
    Ok(())
}

fn what_timeouts_are_refused() -> Result<(), Skip> {
    let mut timeouts = Timeouts::of(Protocol::UDP);
    for wrong in [Duration::ZERO, Duration::from_millis(1_500), Duration::from_secs(2_147_484)] {
        assert!(!timeouts.set("replied", wrong), "{wrong:?}");
    }
    assert!(!timeouts.set("established", Duration::from_secs(1)), "UDP has none of that name");
    let mut table = table_with_timeouts();
    let error = table.set_default_timeouts(&timeouts).expect_err("nothing to set");
    assert!(matches!(error.kind(), ErrorKind::Invalid { .. }), "{error}");
    assert!(timeouts.set("replied", Timeouts::LONGEST));
    table.set_default_timeouts(&timeouts).expect("set");
    let stream = Settings::here().get("udp_timeout_stream").expect("a setting");
    assert_eq!(stream.value, 2_147_483, "the longest is read back whole");
    // ESP has no tracker, and what it shares is asked for by another number.
    let error = table.default_timeouts(Protocol(50)).expect_err("none of its own");
    assert!(matches!(error.kind(), ErrorKind::NotSupported { .. }), "{error}");
    assert!(error.to_string().contains("generic"), "{error}");
    Ok(())
}

fn policies_come_and_go() -> Result<(), Skip> {
    let mut table = table_with_timeouts();
    assert_eq!(table.timeout_policies().expect("a list"), []);
    let mut timeouts = Timeouts::of(Protocol::TCP);
    assert!(timeouts.set("established", Duration::from_secs(600)));
    let short = TimeoutPolicy::new("short", Family::Ipv4, timeouts.clone());
    table.create_timeout_policy(&short).expect("made");
    let udp = TimeoutPolicy::new("x".repeat(31), Family::Ipv6, Timeouts::of(Protocol::UDP));
    table.create_timeout_policy(&udp).expect("made");

    let found = table.timeout_policy("short").expect("an answer").expect("a policy");
    assert_eq!(found.timeouts.get("established"), Some(Duration::from_secs(600)));
    assert_eq!(found.timeouts.get("syn_sent"), Some(Duration::from_secs(120)), "the default");
    assert_eq!((found.family, found.uses), (Family::Ipv4, 1));
    let mut names: Vec<_> = table.timeout_policies().expect("a list").into_iter().collect();
    names.sort_by_key(|policy| policy.name.len());
    assert_eq!(names.iter().map(|policy| &policy.name[..1]).collect::<Vec<_>>(), ["s", "x"]);
    assert_eq!(names[1].family, Family::Ipv6);
    assert_eq!(names[1].timeouts.protocol(), Protocol::UDP);

    let error = table.create_timeout_policy(&short).expect_err("there is one");
    assert!(error.is_already_there(), "{error}");
    assert!(table.delete_timeout_policy("short").expect("an answer"));
    assert!(!table.delete_timeout_policy("short").expect("an answer"), "gone already");
    assert_eq!(table.timeout_policy("short").expect("an answer"), None);
    for name in ["", "a\0b", &"x".repeat(32)] {
        let error = table.delete_timeout_policy(name).expect_err("no name");
        assert!(matches!(error.kind(), ErrorKind::Invalid { .. }), "{error}");
    }
    // A delete without a name would have taken it, too.
    assert_eq!(table.timeout_policies().expect("a list").len(), 1);
    Ok(())
}

/// The command for old kernels, with a file of our own in the kernel's place.
fn what_sets_the_buckets_is_typed() -> Result<(), Skip> {
    need_tool("unshare")?;
    let place = std::path::Path::new(sizing::HASHSIZE).parent().expect("a directory");
    if !place.exists() {
        return Err(Skip::Kernel(
            "there is no nf_conntrack/parameters below /sys/module".to_owned(),
        ));
    }
    let before = std::fs::read_to_string(sizing::HASHSIZE).ok();
    let command = sizing::set_buckets(Version::new(3, 10), 65_536);
    let (place, file) = (place.display(), sizing::HASHSIZE);
    let script = format!("mount -t tmpfs none {place} && echo 1 > {file} && {command}; cat {file}");
    let output = Command::new("unshare")
        .args(["--map-root-user", "--net", "--mount", "sh", "-c", &script])
        .output()
        .expect("a run");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "65536\n", "{errors}");
    assert_eq!(std::fs::read_to_string(sizing::HASHSIZE).ok(), before, "the host's is as it was");
    Ok(())
}

/// The very command that the audit prints, below a root of our own.
fn check_0_3_the_remedy_for_a_script_is_typed() -> Result<(), Skip> {
    for line in [
        "sysctl -w net.netfilter.nf_conntrack_max=2097152",
        "sysctl -w net.netfilter.nf_conntrack_tcp_timeout_time_wait=30",
        "echo 65536 > /sys/module/nf_conntrack/parameters/hashsize",
    ] {
        let root = tempfile::tempdir().expect("a directory");
        let script = root.path().join("etc/rc.local");
        std::fs::create_dir(root.path().join("etc")).expect("a directory");
        std::fs::write(&script, format!("#!/bin/sh\n{line}\n")).expect("a file");
        std::fs::set_permissions(&script, Permissions::from_mode(0o755)).expect("a mode");
        let found = audit(root.path()).findings;
        assert_eq!((found.len(), found[0].id), (1, "UNORDERED_LOADER"), "{found:?}");
        let words: Vec<_> = found[0].commands[0].split(' ').collect();
        let mut typed = command(words[0]);
        let output =
            typed.arg("--root").arg(root.path()).args(&words[1..]).output().expect("a run");
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        std::fs::remove_file(&script).expect("the line taken out");
        let after = audit(root.path());
        assert!(
            after.findings.iter().all(|finding| finding.severity == Severity::Info),
            "{after:?}"
        );
        assert!(after.loaders.iter().any(|loader| loader.in_time), "{after:?}");
    }
    Ok(())
}
