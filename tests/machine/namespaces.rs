//! Networks that others have made, looked into from the initial one.

use std::process::{Child, Command, Stdio};

use ctnetlink::testing::{Population, fill};
use ctnetlink::{Conntrack, Namespace};
use serde_json::Value;

use crate::machine::{document, empty_table};
use crate::support::{Skip, Test, need_tool, run};

pub const TESTS: &[(&str, Test)] = &[
    ("a_network_of_ip_netns", a_network_of_ip_netns),
    ("a_network_of_a_process", a_network_of_a_process),
];

/// What `netns list` says of a namespace.
fn listed(inode: u64) -> Value {
    let (code, all) = document("netns", &["list"]);
    assert_eq!(code, Some(0));
    let found = all.as_array().expect("a list").iter().find(|one| one["inode"] == inode);
    found.unwrap_or_else(|| panic!("no {inode}: {all}")).clone()
}

/// Fills the table of a namespace, and looks at it by every name it has.
fn look(namespace: &Namespace, names: &[&str], entries: u64) {
    drop(empty_table());
    let mut table = Conntrack::open_in(namespace).expect("a table");
    fill(&mut table, &Population::new(entries)).expect("room");
    for name in names {
        let (code, stats) = document("table_stats", &["--netns", name]);
        assert_eq!((code, &stats["entries"]), (Some(0), &entries.into()), "{name}");
    }
    let (code, top) = document("top_sources", &["--netns", names[0]]);
    assert_eq!((code, &top["flows"]), (Some(0), &entries.into()));
    let (_, own) = document("table_stats", &[]);
    assert_eq!(own["entries"], 0, "another one");
}

fn a_network_of_ip_netns() -> Result<(), Skip> {
    need_tool("ip")?;
    run("ip netns add blue");
    let namespace = Namespace::named("blue").expect("a namespace");
    look(&namespace, &["blue", "/run/netns/blue"], 321);
    let found = listed(namespace.inode().expect("a number"));
    run("ip netns delete blue");
    assert_eq!((&found["entries"], &found["pid"]), (&321.into(), &Value::Null), "{found}");
    assert_eq!(found["mounts"][0], "/run/netns/blue", "{found}");
    Ok(())
}

/// A process that is ended.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn a_network_of_a_process() -> Result<(), Skip> {
    need_tool("unshare")?;
    let mut command = Command::new("unshare");
    command.args(["-n", "sh", "-c", "echo ready; exec sleep 1000"]).stdout(Stdio::piped());
    let mut process = Ended(command.spawn().expect("a process"));
    let mut ready = [0; 6];
    let pipe = process.0.stdout.as_mut().expect("a pipe");
    std::io::Read::read_exact(pipe, &mut ready).expect("it is in there");
    let pid = process.0.id();
    let namespace = Namespace::of_process(pid).expect("a namespace");
    look(&namespace, &[&pid.to_string(), &format!("/proc/{pid}/ns/net")], 123);
    let found = listed(namespace.inode().expect("a number"));
    assert_eq!((&found["entries"], &found["pid"]), (&123.into(), &pid.into()), "{found}");
    Ok(())
}
