//! What `tcpdump -i nlmon0` has seen of a dump, against our own capture of the same table.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use ctnetlink::testing::{Population, fill};
use serde_json::Value;

use crate::machine::{document, empty_table, output};
use crate::support::{Skip, Test, need_tool, run};

pub const TESTS: &[(&str, Test)] = &[("tcpdump_sees_what_we_record", tcpdump_sees_what_we_record)];

/// Entries of the table; more than one datagram has, and few enough for tcpdump on a slow machine.
const ENTRIES: u64 = 3_000;

/// Captures all netlink of the machine while something runs.
fn capture(file: &Path, run: impl FnOnce()) {
    // Half of it for a dump; what is not written at once would be lost with the program.
    let mut tcpdump = Command::new("tcpdump")
        .args(["-i", "nlmon0", "-s", "0", "-B", "32768", "-U", "-Z", "root", "-w"])
        .arg(file)
        .stderr(Stdio::piped())
        .spawn()
        .expect("a run");
    let mut errors = BufReader::new(tcpdump.stderr.take().expect("a pipe"));
    let mut said = String::new();
    while !said.contains("listening on") {
        assert_ne!(errors.read_line(&mut said).expect("text"), 0, "{said}");
    }
    run();
    // It looks into its buffer once a second.
    std::thread::sleep(Duration::from_millis(1_500));
    let pid = rustix::process::Pid::from_child(&tcpdump);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).expect("asked to end");
    errors.read_to_string(&mut said).expect("text");
    assert!(tcpdump.wait().expect("its end").success(), "{said}");
    assert!(said.contains("\n0 packets dropped by kernel"), "{said}");
}

/// The groups of a capture.
fn groups(file: &Path, by: &str) -> Value {
    let file = file.to_str().expect("text");
    let (code, document) = document("top_sources", &["--from", file, "--by", by, "-n", "10000"]);
    assert_eq!((code, &document["flows"]), (Some(0), &ENTRIES.into()), "{document}");
    document["groups"].clone()
}

fn tcpdump_sees_what_we_record() -> Result<(), Skip> {
    need_tool("tcpdump")?;
    need_tool("ip")?;
    let made = Command::new("ip").args(["link", "add", "nlmon0", "type", "nlmon"]).output();
    if !made.expect("a run").status.success() {
        return Err(Skip::Version("this kernel has no nlmon".to_owned()));
    }
    run("ip link set nlmon0 up");
    let mut table = empty_table();
    fill(&mut table, &Population::new(ENTRIES)).expect("room");
    let folder = tempfile::tempdir().expect("a folder");
    let own = folder.path().join("own.pcapng");
    assert!(output("snapshot", &["save", own.to_str().expect("text")]).status.success());
    let by = ["source", "state,protocol"];
    let recorded = by.map(|by| groups(&own, by));
    assert!(recorded.iter().all(|groups| groups.as_array().is_some_and(|all| all.len() > 10)));
    for (program, arguments) in [("list_flows", &[][..]), ("top_sources", &["--json"])] {
        let theirs = folder.path().join(format!("{program}.pcap"));
        capture(&theirs, || assert!(output(program, arguments).status.success()));
        for (by, recorded) in by.iter().zip(&recorded) {
            assert_eq!(&groups(&theirs, by), recorded, "{program}, by {by}");
        }
    }
    run("ip link delete nlmon0");
    drop(empty_table());
    Ok(())
}
