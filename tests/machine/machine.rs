//! The machine: its programs, its modules, its table.

use std::path::Path;
use std::process::{Command, Output};

use ctnetlink::Conntrack;
use ctnetlink::operate::tune::Settings;
use serde_json::Value;

use crate::support::{Skip, has_tool, need_tool, run, table};

/// An example. They lie beside the tests.
pub fn command(example: &str) -> Command {
    let mut path = std::env::current_exe().expect("this program");
    path.pop();
    let path = path.join("../examples").join(example);
    assert!(path.exists(), "{} is not there", path.display());
    Command::new(path)
}

pub fn output(example: &str, arguments: &[&str]) -> Output {
    command(example).args(arguments).output().expect("a run")
}

/// What an example prints, errors included, and its exit code.
pub fn said(example: &str, arguments: &[&str]) -> (Option<i32>, String) {
    let output = output(example, arguments);
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(text).expect("text"))
}

/// What an example prints as JSON, and its exit code.
pub fn document(example: &str, arguments: &[&str]) -> (Option<i32>, Value) {
    let output = command(example).args(arguments).arg("--json").output().expect("a run");
    let document = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
        panic!("{example} {arguments:?}: {error}: {}", String::from_utf8_lossy(&output.stderr))
    });
    (output.status.code(), document)
}

/// The value of a setting of this namespace.
pub fn setting(name: &str) -> i64 {
    Settings::here().get(name).expect("a setting").value
}

/// Packets over loopback are tracked from here on, until [`untracked`].
pub fn tracked() -> Result<(), Skip> {
    if has_tool("nft") {
        for rule in [
            "add table inet machine",
            "add chain inet machine c { type filter hook input priority 0 ; }",
            "add rule inet machine c ct state new counter",
        ] {
            run(&format!("nft {rule}"));
        }
        return Ok(());
    }
    need_tool("iptables")
        .map_err(|_| Skip::Tool("neither nft nor iptables is installed".to_owned()))?;
    run("iptables -A INPUT -m conntrack --ctstate NEW");
    Ok(())
}

/// Takes the rule of [`tracked`] away again.
pub fn untracked() {
    match has_tool("nft") {
        true => run("nft delete table inet machine"),
        false => run("iptables -D INPUT -m conntrack --ctstate NEW"),
    };
}

/// The table of this machine, emptied.
pub fn empty_table() -> Conntrack {
    let mut table = table();
    table.flush().expect("a flush");
    table
}

/// Memory that programs and the kernel can still have, in bytes.
pub fn available_memory() -> u64 {
    memory("MemAvailable")
}

/// A line of `/proc/meminfo`, in bytes.
pub fn memory(name: &str) -> u64 {
    let text = std::fs::read_to_string("/proc/meminfo").expect("a file");
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let kibibytes = line.expect("a line").trim().trim_end_matches(" kB").trim();
    kibibytes.parse::<u64>().expect("a number") * 1024
}

/// The names of the modules that are loaded, and how many use each.
pub fn modules() -> Vec<(String, u32)> {
    let text = std::fs::read_to_string("/proc/modules").expect("a file");
    let line = |line: &str| {
        let mut words = line.split(' ');
        let (name, _, used) = (words.next()?, words.next()?, words.next()?);
        Some((name.to_owned(), used.parse().ok()?))
    };
    text.lines().filter_map(line).collect()
}

pub fn is_loaded(name: &str) -> bool {
    modules().iter().any(|(module, _)| module == name)
}

/// Takes connection tracking out of the kernel, and all that uses it.
pub fn unload() -> Result<(), Skip> {
    /// How the names of what may use it begin.
    const NAMES: [&str; 9] =
        ["nf_", "nfnetlink", "nft_", "xt_", "x_tables", "ip_", "ip6", "iptable", "ip6table"];
    if !is_loaded("nf_conntrack") && Path::new("/sys/module/nf_conntrack").exists() {
        return Err(Skip::Version("connection tracking is built in".to_owned()));
    }
    // A module's user is another module; and a namespace that was left goes when the kernel has time.
    for _ in 0..40 {
        let unused = modules()
            .into_iter()
            .filter(|(name, used)| *used == 0 && NAMES.iter().any(|start| name.starts_with(start)));
        let mut any = false;
        for (name, _) in unused {
            let name = std::ffi::CString::new(name).expect("a name");
            let nonblocking = rustix::fs::OFlags::NONBLOCK.bits();
            let flags = i32::from_ne_bytes(nonblocking.to_ne_bytes());
            any |= rustix::system::delete_module(&name, flags).is_ok();
        }
        if any {
            continue;
        }
        if !modules().iter().any(|(name, _)| name.starts_with("nf_conntrack")) {
            return Ok(());
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    Err(Skip::Kernel(format!("nf_conntrack cannot be unloaded: {:?}", modules())))
}

/// Loads connection tracking as the machine would.
pub fn load() {
    run("modprobe nf_conntrack");
    assert!(is_loaded("nf_conntrack"));
}
