//! Network namespaces: whose they are, how many entries each has, and who makes them.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::Namespace;
use crate::error::Result;
use crate::table::{Limits, Reader};

/// A network namespace that a process is in.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct FoundNamespace {
    /// Its inode, which the kernel's log names it by.
    pub inode: u64,
    /// The process of it with the lowest number.
    pub pid: u32,
    /// That process's name.
    pub program: String,
    /// The unit, scope or container of that process, as its control group says; empty for none.
    pub unit: String,
    /// How many of its processes were found.
    pub processes: usize,
}

impl FoundNamespace {
    /// How full its table is: one request, and never a dump.
    ///
    /// # Errors
    ///
    /// As [`Reader::open_in`] and [`Reader::limits`].
    pub fn limits(&self) -> Result<Limits> {
        Reader::open_in(&Namespace::of_process(self.pid)?)?.limits()
    }
}

/// Every network namespace that a process is in, by inode. Those that are only held by a file
/// (`ip netns`) or a socket are not among them; nor are those of processes the caller may not look at.
///
/// `proc` is `/proc`, or that of another mount.
///
/// # Cost
///
/// Three small files for each process.
pub fn namespaces(proc: impl AsRef<Path>) -> Vec<FoundNamespace> {
    let proc = proc.as_ref();
    let mut found: BTreeMap<u64, FoundNamespace> = BTreeMap::new();
    let names = fs::read_dir(proc).into_iter().flatten();
    let mut numbers: Vec<u32> =
        names.filter_map(|name| name.ok()?.file_name().to_str()?.parse().ok()).collect();
    numbers.sort_unstable();
    for pid in numbers {
        let process = proc.join(pid.to_string());
        let Ok(file) = fs::metadata(process.join("ns/net")) else { continue };
        let text = |name: &str| fs::read_to_string(process.join(name)).unwrap_or_default();
        let inode = file.ino();
        let first = || FoundNamespace {
            inode,
            pid,
            program: text("comm").trim().to_owned(),
            unit: unit(&text("cgroup")),
            processes: 0,
        };
        found.entry(inode).or_insert_with(first).processes += 1;
    }
    found.into_values().collect()
}

/// The last part of a control group that is one.
fn unit(cgroup: &str) -> String {
    let path =
        cgroup.lines().filter_map(|line| line.splitn(3, ':').nth(2)).max_by_key(|path| path.len());
    let parts = path.unwrap_or_default().rsplit('/');
    parts.into_iter().find(|part| !part.is_empty()).unwrap_or_default().to_owned()
}

/// The units below a root that get a network namespace each time they are started
/// (`PrivateNetwork=yes`), with what drop-ins say, under their own names and not those of links.
pub fn creators(root: impl AsRef<Path>) -> Vec<String> {
    const DIRECTORIES: [&str; 5] = [
        "usr/lib/systemd/system",
        "lib/systemd/system",
        "usr/local/lib/systemd/system",
        "run/systemd/system",
        "etc/systemd/system",
    ];
    let root = root.as_ref();
    // Later directories hide earlier ones.
    let mut units: BTreeMap<String, bool> = BTreeMap::new();
    let mut drop_ins: Vec<(String, bool)> = Vec::new();
    for directory in DIRECTORIES {
        let files = fs::read_dir(root.join(directory)).into_iter().flatten().flatten();
        for file in files {
            let Ok(name) = file.file_name().into_string() else { continue };
            let path = file.path();
            if let Some(unit) = name.strip_suffix(".d") {
                drop_ins.extend(says_in(&path).map(|says| (unit.to_owned(), says)));
            } else if name.ends_with(".service") && !path.is_symlink() {
                let text = fs::read_to_string(&path).unwrap_or_default();
                units.insert(name, says(&text).unwrap_or(false));
            }
        }
    }
    for (unit, says) in drop_ins {
        if let Some(private) = units.get_mut(&unit) {
            *private = says;
        }
    }
    units.into_iter().filter_map(|(unit, private)| private.then_some(unit)).collect()
}

/// What the files of a drop-in directory say last.
fn says_in(directory: &Path) -> Option<bool> {
    let files = fs::read_dir(directory).ok()?;
    let mut paths: Vec<_> = files.filter_map(|file| Some(file.ok()?.path())).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "conf"));
    paths.sort();
    paths.iter().rev().find_map(|path| says(&fs::read_to_string(path).ok()?))
}

/// What a unit file says last of a private network, if it says anything.
fn says(text: &str) -> Option<bool> {
    let mut values = text.lines().filter_map(|line| line.trim().strip_prefix("PrivateNetwork="));
    let yes =
        |value: &str| ["yes", "true", "on", "1"].contains(&value.trim().to_lowercase().as_str());
    values.next_back().map(yes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn check_2_1_units_with_a_private_network() {
        let root = tempfile::tempdir().unwrap();
        let file = |path: &str, text: &str| {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        let system = "usr/lib/systemd/system";
        file(&format!("{system}/a.service"), "[Service]\nPrivateNetwork=yes\n");
        file(&format!("{system}/b.service"), "[Service]\nPrivateNetwork=no\n");
        file(&format!("{system}/c.service"), "[Service]\n");
        file(&format!("{system}/d.service"), "[Service]\nPrivateNetwork = yes\n");
        symlink("a.service", root.path().join(system).join("dbus-a.service")).unwrap();
        assert_eq!(creators(root.path()), ["a.service"], "and not under the name of the link");
        file("etc/systemd/system/c.service.d/net.conf", "[Service]\nPrivateNetwork=true\n");
        file("etc/systemd/system/a.service.d/10.conf", "[Service]\nPrivateNetwork=yes\n");
        file("etc/systemd/system/a.service.d/20.conf", "[Service]\nPrivateNetwork=no\n");
        assert_eq!(creators(root.path()), ["c.service"]);
        file("etc/systemd/system/c.service", "[Service]\n# its own\n");
        file("etc/systemd/system/c.service.d/net.conf", "");
        assert_eq!(creators(root.path()), [""; 0]);
        assert_eq!(creators("/no/such/place"), [""; 0]);
    }

    #[test]
    fn control_groups_name_units() {
        assert_eq!(unit("0::/system.slice/cron.service\n"), "cron.service");
        assert_eq!(
            unit("12:cpu:/\n1:name=systemd:/user.slice/session-1.scope\n"),
            "session-1.scope"
        );
        assert_eq!(unit("0::/\n"), "");
        assert_eq!(unit(""), "");
    }
}
