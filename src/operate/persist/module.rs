//! Whether the module is there before settings are made.

use super::files::Root;

/// The kernel module the settings belong to.
const MODULE: &str = "nf_conntrack";

/// How the kernel has connection tracking.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Module {
    /// Built in: its settings are there from the beginning.
    BuiltIn,
    /// As a module, which is loaded.
    Loaded,
    /// Not there now; as a module, for all that is known.
    NotLoaded,
}

/// What loads the module at boot.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Loader {
    /// The file that says so.
    pub file: String,
    /// Whether it runs at all: a script has to be executable.
    pub runs: bool,
    /// Whether it surely comes before the settings are made.
    pub in_time: bool,
}

impl Module {
    pub(super) fn of(root: &Root) -> Self {
        let loaded = root.has(&format!("/sys/module/{MODULE}"));
        if loaded && root.has(&format!("/sys/module/{MODULE}/initstate")) {
            return Self::Loaded;
        }
        let listed = |kernel: &String| {
            let list = root.text(&format!("/lib/modules/{kernel}/modules.builtin"));
            list.is_ok_and(|list| list.lines().any(|line| names(line) == MODULE))
        };
        if loaded || root.names("/lib/modules").iter().any(listed) {
            return Self::BuiltIn;
        }
        Self::NotLoaded
    }
}

/// The name of a module's file: `kernel/net/netfilter/nf_conntrack.ko` is `nf_conntrack`.
fn names(path: &str) -> String {
    let file = path.rsplit('/').next().unwrap_or_default();
    file.split('.').next().unwrap_or_default().replace('-', "_")
}

/// Everything that loads the module at boot.
pub(super) fn loaders(root: &Root) -> Vec<Loader> {
    let mut found = Vec::new();
    let lists =
        |text: &str| text.lines().map(str::trim).any(|line| line.replace('-', "_") == MODULE);
    for file in root.configuration("modules-load.d").iter().filter(|file| !file.masked) {
        if root.text(&file.path).is_ok_and(|text| lists(&text)) {
            found.push(Loader { file: file.path.clone(), runs: true, in_time: true });
        }
    }
    let read = |path: &str| root.text(path).unwrap_or_default();
    let command_line = read("/proc/cmdline");
    let early = command_line.split_whitespace().filter_map(|word| {
        word.strip_prefix("modules_load=").or_else(|| word.strip_prefix("modules-load="))
    });
    if early.flat_map(|list| list.split(',')).any(|name| name.replace('-', "_") == MODULE) {
        found.push(Loader { file: "/proc/cmdline".to_owned(), runs: true, in_time: true });
    }
    // Debian has a link to it in modules-load.d; without that nobody reads it under systemd.
    let is_linked = found
        .iter()
        .any(|loader| root.resolve(&loader.file).ok() == root.resolve("/etc/modules").ok());
    if lists(&read("/etc/modules")) && !is_linked {
        found.push(Loader { file: "/etc/modules".to_owned(), runs: false, in_time: false });
    }
    let loads = |text: &str| {
        let code = text.lines().map(|line| line.split('#').next().unwrap_or_default());
        code.into_iter().any(|line| {
            let line = line.replace('-', "_");
            line.contains("modprobe") && line.split_whitespace().any(|word| word == MODULE)
        })
    };
    let scripts = root.names("/etc/sysconfig/modules");
    let scripts = scripts.iter().filter(|name| name.ends_with(".modules"));
    let scripts = scripts.map(|name| format!("/etc/sysconfig/modules/{name}"));
    let late = ["/etc/rc.local", "/etc/rc.d/rc.local"].map(str::to_owned);
    for file in scripts.chain(late) {
        if loads(&read(&file)) {
            let runs = is_executable(root, &file);
            found.push(Loader { file, runs, in_time: false });
        }
    }
    found
}

#[cfg(unix)]
pub(super) fn is_executable(root: &Root, path: &str) -> bool {
    use std::os::unix::fs::PermissionsExt;
    let metadata = root.resolve(path).and_then(std::fs::metadata);
    metadata.is_ok_and(|metadata| metadata.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
pub(super) fn is_executable(_: &Root, _: &str) -> bool {
    true // Nothing there says otherwise.
}

/// The `hashsize` that the module is given, and the file that says so; the last one counts.
pub(super) fn hashsize(root: &Root) -> Option<(String, u64)> {
    let mut found = None;
    for file in root.configuration("modprobe.d").into_iter().filter(|file| !file.masked) {
        for line in root.text(&file.path).unwrap_or_default().lines() {
            let mut words = line.split_whitespace();
            if words.next() == Some("options")
                && words.next().map(|name| name.replace('-', "_")).as_deref() == Some(MODULE)
            {
                let size = words.find_map(|word| word.strip_prefix("hashsize=")?.parse().ok());
                found = size.map(|size| (file.path.clone(), size)).or(found);
            }
        }
    }
    let command_line = root.text("/proc/cmdline").unwrap_or_default();
    let mut sizes = command_line.split_whitespace().filter_map(|word| {
        word.replace('-', "_").strip_prefix("nf_conntrack.hashsize=")?.parse().ok()
    });
    sizes.next_back().map(|size| ("/proc/cmdline".to_owned(), size)).or(found)
}
