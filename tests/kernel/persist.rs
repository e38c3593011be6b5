//! What the audit says of files, against the programs that read them: random trees of settings, in a
//! private mount and network namespace.
//!
//! `CTNETLINK_TREES` says how many trees (100 by default, 50 for procps), `CTNETLINK_SEED` where to begin.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use ctnetlink::operate::persist::{Audit, audit};
use ctnetlink::testing::enter_private_network;
use nix::sched::{CloneFlags, unshare};
use rustix::thread::{CapabilitySet, capabilities, set_capabilities};

use crate::support::{Skip, Test};
use crate::trees::{self, Style};

pub const TESTS: &[(&str, Test)] = &[
    ("files_are_read_as_systemd_sysctl_reads_them", files_are_read_as_systemd_sysctl_reads_them),
    ("plain_files_are_read_as_procps_reads_them", plain_files_are_read_as_procps_reads_them),
    ("what_may_not_be_read_is_said", what_may_not_be_read_is_said),
];

/// Settings that are read back, besides those of the table.
const OTHERS: [&str; 4] = [
    "net/ipv4/ip_forward",
    "net/ipv4/conf/default/forwarding",
    "net/ipv4/conf/lo/forwarding",
    "net/ipv6/conf/all/forwarding",
];

const FOLDERS: [&str; 4] =
    ["etc/sysctl.d", "run/sysctl.d", "usr/local/lib/sysctl.d", "usr/lib/sysctl.d"];

/// A place where the machine's settings files are ours, and nothing but this network can be set.
struct Stage {
    tree: tempfile::TempDir,
    /// Paths of settings that can be written, with what they are when nothing has set them.
    settings: BTreeMap<String, String>,
}

impl Stage {
    /// On a thread of its own, which nobody uses afterwards.
    fn build() -> Result<Self, Skip> {
        for folder in ["/etc/sysctl.d", "/usr/lib/sysctl.d", "/usr/local/lib"] {
            if !Path::new(folder).is_dir() {
                return Err(Skip::Tool(format!("there is no {folder} to put files over")));
            }
        }
        let refused =
            |what: &str, error: &dyn std::fmt::Display| Skip::Kernel(format!("{what}: {error}"));
        let tree = tempfile::tempdir().expect("a directory");
        unshare(CloneFlags::CLONE_NEWNS).map_err(|error| refused("a mount namespace", &error))?;
        enter_private_network().map_err(|error| refused("a network", &error))?;
        let mount = |words: &[&str]| {
            let output = Command::new("mount").args(words).output();
            let output = output.map_err(|error| refused("mount", &error))?;
            let errors = String::from_utf8_lossy(&output.stderr);
            if output.status.success() { Ok(()) } else { Err(refused("mount", &errors)) }
        };
        mount(&["--make-rprivate", "/"])?;
        // Patterns may reach far; all that is not of this network is out of reach.
        for entry in fs::read_dir("/proc/sys").expect("settings") {
            let path = entry.expect("an entry").path();
            if path.is_dir() && !path.ends_with("net") {
                mount(&["-t", "tmpfs", "none", path.to_str().expect("text")])?;
            }
        }
        for folder in FOLDERS {
            fs::create_dir_all(tree.path().join(folder)).expect("a directory");
        }
        mount(&["-t", "tmpfs", "none", "/run"])?;
        fs::create_dir("/run/sysctl.d").expect("a directory");
        let from = |folder: &str| tree.path().join(folder).to_str().expect("text").to_owned();
        for folder in ["etc/sysctl.d", "run/sysctl.d", "usr/lib/sysctl.d", "usr/local/lib"] {
            mount(&["--bind", &from(folder), &format!("/{folder}")])?;
        }
        if Path::new("/lib/sysctl.d").is_dir() && !Path::new("/lib").is_symlink() {
            mount(&["-t", "tmpfs", "none", "/lib/sysctl.d"])?;
        }
        if Path::new("/etc/sysctl.conf").exists() {
            fs::write(tree.path().join("sysctl.conf"), "").expect("a file");
            mount(&["--bind", &from("sysctl.conf"), "/etc/sysctl.conf"])?;
        }
        let mut settings = BTreeMap::new();
        let table = fs::read_dir("/proc/sys/net/netfilter").expect("settings");
        let table = table.map(|entry| entry.expect("an entry").file_name());
        let table = table.map(|name| format!("net/netfilter/{}", name.to_str().expect("text")));
        let table = table.filter(|path| path.starts_with("net/netfilter/nf_conntrack_"));
        for path in table.chain(OTHERS.map(str::to_owned)) {
            let Ok(data) = fs::metadata(format!("/proc/sys/{path}")) else { continue };
            if data.permissions().mode() & 0o200 != 0 {
                let value = if path.ends_with("forward") || path.ends_with("forwarding") {
                    "0".to_owned()
                } else {
                    live(&path)
                };
                settings.insert(path, value);
            }
        }
        assert!(settings.len() > 20, "{settings:?}");
        Ok(Self { tree, settings })
    }

    /// Everything as if nothing had been set, and no files.
    fn clear(&self) {
        for folder in FOLDERS {
            for entry in fs::read_dir(self.tree.path().join(folder)).expect("a folder") {
                let path = entry.expect("an entry").path();
                match path.symlink_metadata().expect("a file").is_dir() {
                    true => fs::remove_dir(&path).expect("an empty directory"),
                    false => fs::remove_file(&path).expect("a file"),
                }
            }
        }
        let forwarding = |path: &&String| path.ends_with("ip_forward");
        // It sets that of the interfaces, so it comes first.
        let first = self.settings.keys().filter(forwarding);
        for path in first.chain(self.settings.keys().filter(|path| !forwarding(path))) {
            if live(path) != self.settings[path] {
                fs::write(format!("/proc/sys/{path}"), &self.settings[path]).expect("set back");
            }
        }
        for (path, value) in &self.settings {
            assert_eq!(live(path), *value, "{path}");
        }
    }

    fn fill(&self, files: &[trees::File]) {
        for file in files {
            let path: PathBuf = self.tree.path().join(&file.path);
            match &file.content {
                trees::Content::Text(text) => fs::write(&path, text).expect("a file"),
                trees::Content::Link(target) => symlink(target, &path).expect("a link"),
                trees::Content::Folder => fs::create_dir(&path).expect("a folder"),
            }
        }
    }
}

fn live(path: &str) -> String {
    let text = fs::read_to_string(format!("/proc/sys/{path}")).expect(path);
    text.trim().to_owned()
}

/// What is counted.
#[derive(Debug, Default)]
struct Counts {
    set: usize,
    untouched: usize,
    refused: usize,
    announced: usize,
    reasons: BTreeMap<&'static str, usize>,
    trees_announced: usize,
}

/// Compares what is now with what the audit said before; a difference that nobody announced is returned.
fn compare(stage: &Stage, found: &Audit, counts: &mut Counts) -> Result<(), String> {
    // What is in a file that cannot be read is not known.
    if found.findings.iter().any(|finding| finding.id == "UNREADABLE") {
        counts.trees_announced += 1;
        return Ok(());
    }
    for (path, default) in &stage.settings {
        let said = found.settings.iter().find(|setting| setting.key.replace('.', "/") == *path);
        let is_refused = |note: &str| note.starts_with("the kernel re");
        let expected = match said {
            // Then it is that of all interfaces.
            None if path.starts_with("net/ipv4/conf/") => continue,
            Some(setting) if path.starts_with("net/ipv4/conf/") && setting.number.is_none() => {
                continue;
            }
            None => {
                counts.untouched += 1;
                default.clone()
            }
            Some(setting) => match (setting.number, setting.note) {
                (Some(number), _) => {
                    counts.set += 1;
                    number.to_string()
                }
                (None, Some(note)) if is_refused(note) => {
                    counts.refused += 1;
                    default.clone()
                }
                (None, note) => {
                    *counts.reasons.entry(note.expect("a reason")).or_default() += 1;
                    counts.announced += 1;
                    continue;
                }
            },
        };
        if live(path) != expected {
            return Err(format!("{path} is {}, not {expected}: {said:#?}", live(path)));
        }
    }
    Ok(())
}

/// Runs a program over random trees.
fn over_trees(
    style: Style,
    usual: u64,
    program: fn() -> String,
    check: fn(&Audit, &str) -> Result<(), String>,
) -> Result<(), Skip> {
    let number = |name, usual| match std::env::var(name) {
        Ok(text) => text.parse().expect("a number"),
        Err(_) => usual,
    };
    let (trees, first) = (number("CTNETLINK_TREES", usual), number("CTNETLINK_SEED", 1));
    let task = move || {
        let stage = Stage::build()?;
        let mut counts = Counts::default();
        for seed in first..first + trees {
            stage.clear();
            let files = trees::tree(seed, style);
            stage.fill(&files);
            let found = audit("/");
            let printed = program();
            let same = compare(&stage, &found, &mut counts).and_then(|()| check(&found, &printed));
            if let Err(difference) = same {
                let short = |line: &str| line.chars().take(200).collect::<String>() + "\n";
                let printed: String = printed.lines().map(short).collect();
                panic!("CTNETLINK_SEED={seed}: {difference}\n{files:#?}\nit printed:\n{printed}");
            }
        }
        eprintln!("{trees} trees: {counts:?}");
        // Neither a model that announces everything, nor trees that set nothing. A few say nothing of that.
        if trees < usual {
            return Ok(());
        }
        assert!(counts.set + counts.refused > 2 * counts.announced, "{counts:?}");
        assert!(counts.set > trees as usize && counts.trees_announced < trees as usize / 2);
        Ok(())
    };
    std::thread::spawn(task).join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

const SYSTEMD: &str = "/usr/lib/systemd/systemd-sysctl";

fn files_are_read_as_systemd_sysctl_reads_them() -> Result<(), Skip> {
    if !Path::new(SYSTEMD).exists() {
        return Err(Skip::Tool(format!("{SYSTEMD} is not installed")));
    }
    let program = || {
        let output = Command::new(SYSTEMD)
            .env("SYSTEMD_LOG_LEVEL", "debug")
            .env("SYSTEMD_LOG_TARGET", "console")
            .output()
            .expect("systemd-sysctl");
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    over_trees(Style::Any, 100, program, check_limit)
}

/// The limit cannot be set in this network, but that it was tried is printed.
fn check_limit(found: &Audit, printed: &str) -> Result<(), String> {
    let names = ["net/nf_conntrack_max'", "net/netfilter/nf_conntrack_max'"];
    let tried = printed
        .lines()
        .filter_map(|line| line.strip_prefix("Setting '/proc/sys/")?.split_once(" to '"))
        .filter(|(name, _)| names.contains(name))
        .map(|(_, value)| value.trim_end_matches('\''));
    let tried: Vec<_> = tried.collect();
    let is_plain = |value: &&str| {
        matches!(value.parse::<u32>(), Ok(2..=0x7fff_ffff)) && !value.starts_with(['0', '+'])
    };
    let unread = found.findings.iter().any(|finding| finding.id == "UNREADABLE");
    let said = found.setting("net.netfilter.nf_conntrack_max");
    let unsure = said.is_some_and(|setting| setting.number.is_none());
    if unread || unsure || !tried.iter().all(is_plain) {
        return Ok(());
    }
    if tried.last().copied() == said.map(|setting| setting.value.as_str()) {
        return Ok(());
    }
    Err(format!("nf_conntrack_max: {tried:?}, not {said:?}"))
}

fn plain_files_are_read_as_procps_reads_them() -> Result<(), Skip> {
    // Others are called so, too, and some of them do not know the option.
    let version = Command::new("sysctl").arg("--version").output();
    if !version.is_ok_and(|version| String::from_utf8_lossy(&version.stdout).contains("procps")) {
        return Err(Skip::Tool("sysctl, of procps, is not installed".to_owned()));
    }
    let program = || {
        let output = Command::new("sysctl").arg("--system").output().expect("sysctl");
        let text = [output.stdout, output.stderr].concat();
        String::from_utf8_lossy(&text).into_owned()
    };
    over_trees(Style::Plain, 50, program, |_, _| Ok(()))
}

/// Folders and scripts that are closed to whoever asks are no empty ones.
fn what_may_not_be_read_is_said() -> Result<(), Skip> {
    let tree = tempfile::tempdir().expect("a folder");
    let write = |file: &str, text: &str| {
        let file = tree.path().join(file);
        fs::create_dir_all(file.parent().expect("a folder")).expect("made");
        fs::write(file, text).expect("written");
    };
    write("etc/modules-load.d/a.conf", "nf_conntrack\n");
    write("etc/sysctl.d/9.conf", "net.netfilter.nf_conntrack_max = 100000\n");
    write("etc/rc.local", "#!/bin/sh\n");
    let unread = || {
        let task = {
            let root = tree.path().to_owned();
            move || {
                let mut sets = capabilities(None).expect("the capabilities");
                let all = CapabilitySet::DAC_OVERRIDE | CapabilitySet::DAC_READ_SEARCH;
                sets.effective.remove(all);
                set_capabilities(None, sets).expect("fewer capabilities");
                let found = audit(root).findings;
                found.iter().map(|found| (found.id, found.seen.clone())).collect::<Vec<_>>()
            }
        };
        std::thread::spawn(task).join().expect("an audit")
    };
    assert_eq!(unread(), []);
    for path in ["etc/modules-load.d", "etc/sysctl.d", "etc/rc.local"] {
        let path = tree.path().join(path);
        let mode =
            |mode| fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("set");
        mode(0);
        let found = unread();
        mode(0o700);
        let shown = path.strip_prefix(&tree).expect("below").display().to_string();
        let [("UNREADABLE", seen)] = &found[..] else { panic!("{shown}: {found:?}") };
        assert!(seen.contains(&shown), "{seen}");
    }
    Ok(())
}
