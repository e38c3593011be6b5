//! Tables of other networks, from a thread that stays in its own.

use std::process::Command;
use std::sync::mpsc;

use ctnetlink::flow::Protocol;
use ctnetlink::operate::diagnose::private_network_units;
use ctnetlink::testing::{Population, create, enter_private_network, fill};
use ctnetlink::{Conntrack, DumpOptions, ErrorKind, Namespace};
use serde_json::Value;

use crate::support::{Skip, Test, entries, flow, need_tool, ports, table, tuple};

pub const TESTS: &[(&str, Test)] = &[
    ("three_networks_side_by_side", three_networks_side_by_side),
    ("a_process_and_its_network", a_process_and_its_network),
    ("what_is_no_namespace", what_is_no_namespace),
    ("check_2_1_units_as_systemd_reads_them", check_2_1_units_as_systemd_reads_them),
];

/// A network with that many entries, held by a thread until the sender is dropped.
pub fn network(count: u64) -> (Namespace, mpsc::Sender<()>) {
    let (ready, path) = mpsc::channel();
    let (done, wait) = mpsc::channel();
    std::thread::spawn(move || {
        enter_private_network().expect("a network");
        fill(&mut table(), &Population::new(count)).expect("room");
        let task = std::fs::read_link("/proc/thread-self").expect("this thread");
        ready.send(task).expect("somebody listens");
        let _ = wait.recv();
    });
    let task = path.recv().expect("a network");
    let path = std::path::Path::new("/proc").join(task).join("ns/net");
    (Namespace::at(path).expect("its file"), done)
}

fn three_networks_side_by_side() -> Result<(), Skip> {
    create(&mut table(), [flow(tuple(Protocol::UDP, false, ports(1, 2)))]).expect("an entry");
    let (first, first_lives) = network(100);
    let (second, _second_lives) = network(2_000);
    let mut tables = [
        Conntrack::open_in(&first).expect("the first"),
        table(),
        Conntrack::open_in(&second).expect("the second"),
        Conntrack::open_in(&second).expect("the second again"),
    ];
    let expected = [100, 1, 2_000, 2_000];
    // The file keeps the network even when its thread has gone.
    drop(first_lives);
    for (table, count) in tables.iter_mut().zip(expected) {
        assert_eq!(table.count().expect("a count"), count);
        // A dump nobody reads to its end leaves the handle in its network.
        let mut dump = table.dump(DumpOptions::new()).expect("a dump");
        assert!(dump.next_batch().expect("a batch").is_some());
        drop(dump);
        assert_eq!(entries(table).len(), count as usize);
    }
    assert_eq!(table().count().expect("a count"), 1, "this thread has not moved");
    Ok(())
}

fn a_process_and_its_network() -> Result<(), Skip> {
    create(&mut table(), [flow(tuple(Protocol::UDP, false, ports(1, 2)))]).expect("an entry");
    // The first thread of this process is in the network it began with; nothing is in there.
    let process = Namespace::of_process(std::process::id()).expect("its file");
    assert_eq!(Conntrack::open_in(&process).expect("a table").count().expect("a count"), 0);
    let own = std::fs::File::open("/proc/thread-self/ns/net").expect("its file");
    let own = Namespace::from(std::os::fd::OwnedFd::from(own));
    assert_eq!(Conntrack::open_in(&own).expect("a table").count().expect("a count"), 1);
    Ok(())
}

fn what_is_no_namespace() -> Result<(), Skip> {
    let error = Namespace::named("no-such-network").expect_err("there is none");
    assert!(matches!(error.kind(), ErrorKind::Namespace { .. }));
    let text = error.to_string();
    assert!(text.contains("/run/netns/no-such-network: No such file"), "{text}");
    for path in ["/proc/self/ns/uts", "/dev/null"] {
        let namespace = Namespace::at(path).expect("a file");
        let error = Conntrack::open_in(&namespace).expect_err("not a network");
        assert!(error.to_string().contains("it is not a network namespace"), "{error}");
    }
    Ok(())
}

/// What systemd's own program says of the same files.
fn check_2_1_units_as_systemd_reads_them() -> Result<(), Skip> {
    need_tool("systemd-analyze")?;
    let root = tempfile::tempdir().expect("a directory");
    let system = root.path().join("usr/lib/systemd/system");
    std::fs::create_dir_all(system.join("a-b.service.d")).expect("a directory");
    let mut seen = [0; 2];
    for said in [
        "PrivateNetwork=yes",
        "PrivateNetwork = yes",
        "  PrivateNetwork\t=\tON  ",
        "PrivateNetwork=T",
        "PrivateNetwork=y",
        "PrivateNetwork=1",
        "PrivateNetwork=enabled",
        "PrivateNetwork=yes # why",
        "PrivateNetwork=\"yes\"",
        "privatenetwork=yes",
        "#PrivateNetwork=yes",
        " ; PrivateNetwork=yes",
        "PrivateNetwork=yes\nPrivateNetwork=",
        "PrivateNetwork=yes\nPrivateNetwork=perhaps",
        "PrivateNetwork=yes\nPrivateNetwork=off",
        "PrivateNetwork=\\\n  yes",
        "PrivateNetwork=\\\n# a comment\n  yes",
        "PrivateNetwork=ye\\\ns",
        "Environment=A=\\\nPrivateNetwork=yes",
        "Environment=A=\\\\\nPrivateNetwork=yes",
        "[Unit]\nPrivateNetwork=yes",
        "[Unit]\n[Service]\nPrivateNetwork=yes",
    ] {
        let (bare, said) = ("[Service]\nExecStart=/bin/true\n", format!("{said}\n"));
        // In the unit itself, and in a drop-in.
        for (unit, drop_in) in
            [(format!("{bare}{said}"), ""), (bare.to_owned(), &*format!("[Service]\n{said}"))]
        {
            std::fs::write(system.join("a-b.service"), &unit).expect("a file");
            std::fs::write(system.join("a-b.service.d/x.conf"), drop_in).expect("a file");
            let output = Command::new("systemd-analyze")
                .args(["security", "--offline=yes", "--json=short", "--no-pager"])
                .arg(format!("--root={}", root.path().display()))
                .arg("a-b.service")
                .output()
                .expect("a run");
            let Ok(Value::Array(checks)) = serde_json::from_slice(&output.stdout) else {
                let errors = String::from_utf8_lossy(&output.stderr);
                return Err(Skip::Tool(format!("systemd-analyze cannot do it: {errors}")));
            };
            let check = checks.iter().find(|check| check["json_field"] == "PrivateNetwork");
            let theirs = check.expect("what we asked for")["set"] == true;
            let ours = private_network_units(root.path())
                .iter()
                .any(|creator| creator.unit == "a-b.service");
            assert_eq!(ours, theirs, "{unit} and {drop_in}");
            seen[usize::from(theirs)] += 1;
        }
    }
    assert!(seen[0] > 10 && seen[1] > 10, "{seen:?}");
    Ok(())
}
