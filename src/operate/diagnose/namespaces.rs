//! Network namespaces: whose they are, and how many entries each has.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::Namespace;
use crate::error::Result;
use crate::table::{Limits, Reader};

/// A network namespace that a process is in, or that is mounted somewhere. It can be [opened](Self::open).
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct FoundNamespace {
    /// Its inode, by which the kernel's log names it.
    pub inode: u64,
    /// The process in it with the lowest number; `None` if there is none.
    pub pid: Option<u32>,
    /// That process's name; empty without a process.
    pub program: String,
    /// The unit, scope or container of that process, by its control group; empty if that names none.
    pub unit: String,
    /// How many processes were found in it.
    pub processes: usize,
    /// Where it is mounted, which is how `ip netns` and container runtimes keep it.
    pub mounts: Vec<PathBuf>,
    /// The file it is opened by.
    #[cfg_attr(feature = "serde", serde(skip))]
    file: PathBuf,
}

impl FoundNamespace {
    /// Who keeps it: `pid 77, nginx of web.service`, or `bind mount /run/netns/blue`.
    pub fn owner(&self) -> String {
        let Self { program, unit, .. } = self;
        match (self.pid, self.mounts.first()) {
            (Some(pid), _) if unit.is_empty() => format!("pid {pid}, {program}"),
            (Some(pid), _) => format!("pid {pid}, {program} of {unit}"),
            (None, Some(mount)) => format!("bind mount {}", mount.display()),
            (None, None) => String::new(),
        }
    }

    /// Opens it, to look into its table: [`Reader::open_in`], [`Settings::of`](crate::operate::tune::Settings::of). The
    /// namespace then stays, even when its last process ends.
    ///
    /// # Errors
    ///
    /// As [`Namespace::at`].
    pub fn open(&self) -> Result<Namespace> {
        Namespace::at(&self.file)
    }

    /// How full its table is, by one request and without a dump.
    ///
    /// # Errors
    ///
    /// As [`Reader::open_in`] and [`Reader::limits`].
    pub fn limits(&self) -> Result<Limits> {
        Reader::open_in(&self.open()?)?.limits()
    }
}

/// The network namespaces of a host that the caller can see.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Namespaces {
    /// The namespaces, sorted by inode.
    pub found: Vec<FoundNamespace>,
    /// Where there may be more, and why they were not seen. It is never empty: nothing lists a namespace that only an
    /// open file or a socket keeps.
    pub unseen: Vec<String>,
}

/// Every network namespace that a process is in, or that is mounted in the mount namespace of one
/// (`ip netns add`, CNI, docker).
///
/// `proc` is `/proc`, or another mount of it. Only root sees the namespaces of other users' processes.
///
/// ```no_run
/// use ctnetlink::Reader;
/// use ctnetlink::operate::diagnose::namespaces;
/// # fn main() -> ctnetlink::Result<()> {
/// for found in namespaces("/proc").found {
///     let mut table = Reader::open_in(&found.open()?)?;
///     println!("{}: {} entries, kept by {}", found.inode, table.count()?, found.owner());
/// }
/// # Ok(()) }
/// ```
///
/// # Cost
///
/// Four small files for each process, and the list of mounts for each mount namespace.
pub fn namespaces(proc: impl AsRef<Path>) -> Namespaces {
    let proc = proc.as_ref();
    let mut all: BTreeMap<u64, FoundNamespace> = BTreeMap::new();
    let mut mounts = BTreeSet::new();
    let mut denied = 0_usize;
    for pid in processes(proc) {
        let process = proc.join(pid.to_string());
        let file = process.join("ns/net");
        let inode = match fs::metadata(&file) {
            Ok(metadata) => metadata.ino(),
            Err(error) => {
                denied += usize::from(error.kind() == io::ErrorKind::PermissionDenied);
                continue;
            }
        };
        let text = |name: &str| fs::read_to_string(process.join(name)).unwrap_or_default();
        let first = || FoundNamespace {
            pid: Some(pid),
            program: text("comm").trim().to_owned(),
            unit: unit(&text("cgroup")),
            ..nobodys(inode, file)
        };
        all.entry(inode).or_insert_with(first).processes += 1;
        if let Ok(of) = fs::metadata(process.join("ns/mnt")) {
            mounts.insert((of.ino(), pid));
        }
    }
    mounts.insert((0, 0)); // That of the caller, which may have no process that is seen.
    let mut looked: BTreeSet<u64> = BTreeSet::new();
    for (of, pid) in mounts.into_iter().rev() {
        if !looked.insert(of) {
            continue;
        }
        let process = proc.join(if pid == 0 { "self".to_owned() } else { pid.to_string() });
        for (inode, place) in mounted(&process) {
            let inside = place.strip_prefix("/").unwrap_or(&place);
            let file = process.join("root").join(inside);
            let found = all.entry(inode).or_insert_with(|| nobodys(inode, file));
            if !found.mounts.contains(&place) {
                found.mounts.push(place);
            }
        }
    }
    let mut unseen = Vec::new();
    if denied > 0 {
        let many = if denied == 1 { "" } else { "es" };
        unseen.push(format!(
            "namespaces of {denied} process{many} that may not be looked at: it takes root on the host"
        ));
    }
    unseen.push("namespaces that only a thread, an open file or a socket keeps".to_owned());
    Namespaces { found: all.into_values().collect(), unseen }
}

fn nobodys(inode: u64, file: PathBuf) -> FoundNamespace {
    let (program, unit) = (String::new(), String::new());
    FoundNamespace { inode, pid: None, program, unit, processes: 0, mounts: Vec::new(), file }
}

/// The numbers of all processes.
fn processes(proc: &Path) -> Vec<u32> {
    let names = fs::read_dir(proc).into_iter().flatten();
    let mut numbers: Vec<u32> =
        names.filter_map(|name| name.ok()?.file_name().to_str()?.parse().ok()).collect();
    numbers.sort_unstable();
    numbers
}

/// The network namespaces that are mounted where this process is, and where.
fn mounted(process: &Path) -> Vec<(u64, PathBuf)> {
    /// Where they are kept; old kernels do not say in the list of mounts which one is mounted.
    const KEPT: [&str; 2] = ["run/netns", "run/docker/netns"];
    let text = fs::read(process.join("mountinfo")).unwrap_or_default();
    let mut found: Vec<_> = String::from_utf8_lossy(&text).lines().filter_map(mount).collect();
    let Ok(own) = fs::metadata(process.join("ns/net")) else { return found };
    for directory in KEPT {
        let files = fs::read_dir(process.join("root").join(directory)).into_iter().flatten();
        for file in files.flatten() {
            let place = Path::new("/").join(directory).join(file.file_name());
            // A name that nothing is mounted on is an ordinary file.
            let metadata = fs::metadata(file.path()).ok().filter(|it| it.dev() == own.dev());
            let Some(metadata) = metadata else { continue };
            if !found.iter().any(|(inode, _)| *inode == metadata.ino()) {
                found.push((metadata.ino(), place));
            }
        }
    }
    found
}

/// A line of `mountinfo`, if it is of a network namespace: its inode, and where.
fn mount(line: &str) -> Option<(u64, PathBuf)> {
    let mut words = line.split(' ').skip(3);
    let inode = words.next()?.strip_prefix("net:[")?.strip_suffix(']')?.parse().ok()?;
    Some((inode, unescaped(words.next()?).into()))
}

/// A path without the escapes of `mountinfo`. That of the backslash comes last, since it may make others.
fn unescaped(path: &str) -> String {
    let escapes =
        [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\043", "#"), ("\\134", "\\")];
    escapes.iter().fold(path.to_owned(), |path, (code, c)| path.replace(code, c))
}

/// The last part of a control group that is one.
fn unit(cgroup: &str) -> String {
    let path =
        cgroup.lines().filter_map(|line| line.splitn(3, ':').nth(2)).max_by_key(|path| path.len());
    let parts = path.unwrap_or_default().rsplit('/');
    parts.into_iter().find(|part| !part.is_empty()).unwrap_or_default().to_owned()
}
