//! Settings of the host, set for real.

use std::fs;

use ctnetlink::flow::{NewFlow, Protocol};
use ctnetlink::operate::tune::{Scope, Setting, Settings};
use serde_json::Value;

use crate::machine::{command, empty_table, setting};
use crate::support::{Skip, Test, flow, ports, tuple};

pub const TESTS: &[(&str, Test)] = &[
    ("every_setting_is_set_and_put_back", every_setting_is_set_and_put_back),
    ("a_limit_that_is_set_limits", a_limit_that_is_set_limits),
];

/// Sets settings, and returns what `tune` says of each.
fn tune(assignments: &[String]) -> Vec<Value> {
    let output =
        command("tune").arg("set").args(assignments).arg("--json").output().expect("a run");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{assignments:?}: {errors}");
    let document: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    document.as_array().expect("a list").clone()
}

/// Another value that the kernel takes.
fn other(value: i64) -> i64 {
    if value > 0 { value - 1 } else { 1 }
}

/// Puts settings back, whatever becomes of the test.
struct PutBack<'s>(&'s [Setting]);

impl Drop for PutBack<'_> {
    fn drop(&mut self) {
        for setting in self.0.iter().filter(|setting| setting.scope != Scope::ReadOnly) {
            let _ = Settings::here().set(&setting.name, setting.value);
        }
    }
}

/// Whether a setting can be put back: Linux 5.10 does not let this one be raised.
fn can_be_raised(setting: &Setting) -> bool {
    setting.name != "nf_conntrack_frag6_high_thresh"
        || Settings::here().set_for_now(&setting.name, setting.value + 1).is_ok()
}

fn every_setting_is_set_and_put_back() -> Result<(), Skip> {
    // So that there is something to set.
    drop(empty_table());
    let before = Settings::here().all().expect("settings");
    for name in ["max", "buckets", "expect_max"] {
        let setting = Settings::here().get(name).expect("a setting");
        assert_eq!(setting.scope, Scope::Host, "{name}");
    }
    let raised: Vec<_> = before.iter().filter(|setting| can_be_raised(setting)).collect();
    let _put_back = PutBack(&before);
    let can_be_set = || raised.iter().filter(|setting| setting.scope != Scope::ReadOnly);
    assert!(can_be_set().count() > 30 && raised.len() - can_be_set().count() == 1, "the count");
    let assignments = |value: fn(i64) -> i64| -> Vec<String> {
        let each = |setting: &&Setting| format!("{}={}", setting.name, value(setting.value));
        can_be_set().map(each).collect()
    };
    let there = tune(&assignments(other));
    let read = |name: &str| -> i64 {
        let text = fs::read_to_string(format!("/proc/sys/net/netfilter/{name}")).expect("a file");
        text.trim().parse().expect("a number")
    };
    let now: Vec<_> = can_be_set().map(|setting| read(&setting.name)).collect();
    let back = tune(&assignments(|value| value));
    for ((setting, said), now) in can_be_set().zip(&there).zip(now) {
        let name = &setting.name;
        // Whole pages of buckets.
        let rounded =
            if name == "nf_conntrack_buckets" { setting.value } else { other(setting.value) };
        assert_eq!((&said["name"], &said["old"]), (&name.as_str().into(), &setting.value.into()));
        assert_eq!((&said["new"], now), (&rounded.into(), rounded), "{name}");
    }
    assert_eq!(back.len(), there.len());
    assert_eq!(Settings::here().all().expect("settings"), before);
    Ok(())
}

fn a_limit_that_is_set_limits() -> Result<(), Skip> {
    let mut table = empty_table();
    let max = setting("max");
    tune(&["max=100".to_owned()]);
    let mut refused = None;
    for port in 0..200 {
        let mut new = flow(tuple(Protocol::UDP, false, ports(1024 + port, 53)));
        new.status |= ctnetlink::flow::Status::SEEN_REPLY | ctnetlink::flow::Status::ASSURED;
        if let Err(error) = table.create(&NewFlow::from(&new)) {
            refused = Some((port, error.to_string()));
            break;
        }
    }
    tune(&[format!("max={max}")]);
    let limits = table.limits().expect("limits");
    table.flush().expect("a flush");
    let (made, why) = refused.expect("a refusal");
    assert_eq!((made, limits.entries), (100, 100));
    assert!(why.contains("the table is full"), "{why}");
    Ok(())
}
