//! What `docs/deploy.md` says: one capability is enough, and the unit in it is valid.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::programs::command;
use crate::support::{Skip, Test, menagerie, need_tool};

pub const TESTS: &[(&str, Test)] = &[
    ("one_capability_is_enough", one_capability_is_enough),
    ("without_the_capability_programs_say_so", without_the_capability_programs_say_so),
    ("the_unit_needs_one_capability", the_unit_needs_one_capability),
    ("systemd_has_nothing_to_say_about_the_unit", systemd_has_nothing_to_say_about_the_unit),
];

/// A program that has only these of the capabilities of this namespace's root; being root gives it none.
fn with_capabilities(which: &str, program: &mut Command) -> Result<Command, Skip> {
    need_tool("setpriv")?;
    let mut command = Command::new("setpriv");
    command.args(["--no-new-privs", "--securebits=+noroot,+noroot_locked"]);
    for set in ["inh-caps", "ambient-caps", "bounding-set"] {
        command.arg(format!("--{set}={which}"));
    }
    command.arg(program.get_program()).args(program.get_args());
    command.env_remove("SSH_CONNECTION").stdin(Stdio::null());
    Ok(command)
}

const ONE: &str = "-all,+net_admin";

fn one_capability_is_enough() -> Result<(), Skip> {
    let flows = menagerie(300).len();
    let mut status = Command::new("grep");
    let status = with_capabilities(ONE, status.args(["CapEff", "/proc/self/status"]))?.output();
    let status = String::from_utf8(status.expect("a run").stdout).expect("text");
    assert_eq!(status, "CapEff:\t0000000000001000\n", "CAP_NET_ADMIN is bit 12");

    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("table.pcapng");
    let file = file.to_str().expect("text");
    for (example, arguments) in [
        ("top_sources", &["--json"][..]),
        ("states", &[]),
        ("table_stats", &[]),
        ("list_flows", &["src=10.0.0.0/8"]),
        ("nat_ports", &[]),
        ("snapshot", &["save", file]),
        ("tune", &["set", "tcp_timeout_time_wait=31"]),
        ("delete_flows", &["proto=udp", "--yes"]),
        ("flush_table", &["--yes-flush-everything"]),
    ] {
        let output = with_capabilities(ONE, command(example).args(arguments))?.output();
        let output = output.expect("a run");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{example}: {errors}");
        if example == "top_sources" {
            let document: Value = serde_json::from_slice(&output.stdout).expect("JSON");
            assert_eq!(document["flows"], flows);
        }
    }
    assert_eq!(
        crate::support::entries(&mut crate::support::table()).len(),
        0,
        "the last one flushed it"
    );
    Ok(())
}

fn without_the_capability_programs_say_so() -> Result<(), Skip> {
    for example in ["top_sources", "states", "table_stats", "list_flows", "nat_ports"] {
        let output = with_capabilities("-all", &mut command(example))?.output().expect("a run");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{example}: {errors}");
        assert!(errors.contains("it needs CAP_NET_ADMIN"), "{example}: {errors}");
    }
    Ok(())
}

/// The unit of the documentation.
fn unit() -> &'static str {
    let page = include_str!("../../docs/deploy.md");
    let unit = page.split("```ini\n").nth(1).and_then(|rest| rest.split("```").next());
    unit.expect("a unit")
}

/// What a setting of the unit is.
fn setting(name: &str) -> &'static str {
    let mut lines = unit().lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix('='));
    lines.next().unwrap_or_else(|| panic!("{name} is not in the unit"))
}

fn the_unit_needs_one_capability() -> Result<(), Skip> {
    menagerie(300);
    for name in ["AmbientCapabilities", "CapabilityBoundingSet"] {
        assert_eq!(setting(name), "CAP_NET_ADMIN");
    }
    let words = setting("ExecStart").replace("%%", "%");
    let mut words = words.split(' ');
    let program = words.next().and_then(|path| path.strip_prefix("/usr/local/bin/"));
    let mut program = command(program.expect("one of ours"));
    let mut service = with_capabilities(ONE, program.args(words))?;
    let mut service = service.stdout(Stdio::piped()).spawn().expect("a service");
    let mut line = String::new();
    let output = service.stdout.take().expect("its output");
    BufReader::new(output).read_line(&mut line).expect("a look");
    service.kill().and_then(|()| service.wait()).expect("stopped");
    let look: Value = serde_json::from_str(&line).expect("a line of JSON");
    assert!(look["flows"].as_u64().is_some_and(|flows| flows > 0), "{look}");
    Ok(())
}

fn systemd_has_nothing_to_say_about_the_unit() -> Result<(), Skip> {
    need_tool("systemd-analyze")?;
    let folder = tempfile::tempdir().expect("a folder");
    let said_of = |unit: &str| {
        let path = folder.path().join("ctnetlink-top.service");
        // A program that is there, with the same arguments.
        let unit = unit.replace("/usr/local/bin/top_sources", "/bin/true");
        std::fs::write(&path, unit).expect("a file");
        let mut verify = Command::new("systemd-analyze");
        let output = verify.args(["verify", "--man=no"]).arg(&path).output().expect("a run");
        // It also looks at the units of this machine that this one wants.
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        said.lines().filter(|line| line.contains("ctnetlink-top")).collect::<Vec<_>>().join("\n")
    };
    let wrong = said_of(&unit().replace("DynamicUser=", "DynamicUsers="));
    if wrong.is_empty() {
        return Err(Skip::Tool(
            "systemd-analyze verify finds nothing wrong in anything".to_owned(),
        ));
    }
    assert!(wrong.contains("DynamicUsers"), "{wrong}");
    assert_eq!(said_of(unit()), "");
    Ok(())
}
