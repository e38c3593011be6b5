//! Whether connection tracking is a module, and what loads it at boot.

use super::files::Root;
use super::script;

/// The kernel module the settings belong to.
const MODULE: &str = "nf_conntrack";

/// Whether connection tracking is built into the kernel, or a module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Module {
    /// Built in: its settings are there from the beginning.
    BuiltIn,
    /// A module that is loaded.
    Loaded,
    /// Not there now; a module, as far as is known.
    NotLoaded,
}

/// What loads the module at boot.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Loader {
    /// The file that says so.
    pub file: String,
    /// Whether it runs at all. A script has to be executable.
    pub runs: bool,
    /// Whether it is sure to run before the settings are made.
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

/// Whether a word names the module.
fn is_module(word: &str) -> bool {
    word.replace('-', "_") == MODULE
}

/// Everything that loads the module at boot.
pub(super) fn loaders(root: &Root) -> Vec<Loader> {
    let early = |file: String| Loader { file, runs: true, in_time: true };
    let lists = |text: &str| text.lines().any(|line| is_module(line.trim()));
    let files = root.configuration("modules-load.d").into_iter();
    let files = files.filter(|file| root.text(file).is_ok_and(|text| lists(&text)));
    let mut found: Vec<_> = files.map(early).collect();
    let read = |path: &str| root.text(path).unwrap_or_default();
    let command_line = read(COMMAND_LINE);
    let named = command_line.split_whitespace().filter_map(|word| {
        word.strip_prefix("modules_load=").or_else(|| word.strip_prefix("modules-load="))
    });
    if named.flat_map(|list| list.split(',')).any(is_module) {
        found.push(early(COMMAND_LINE.to_owned()));
    }
    // Debian has a link to it in modules-load.d. Without the link, systemd does not read it.
    let is_it = |path: &str| root.resolve(path).ok() == root.resolve(MODULES).ok();
    if lists(&read(MODULES)) && !found.iter().any(|loader| is_it(&loader.file)) {
        found.push(Loader { file: MODULES.to_owned(), runs: false, in_time: false });
    }
    let loads = |text: &str| {
        text.lines().any(|line| {
            let code = line.split('#').next().unwrap_or_default();
            code.contains("modprobe") && code.split_whitespace().any(is_module)
        })
    };
    for file in script::files(root).into_iter().filter(|file| loads(&read(file))) {
        let runs = root.is_executable(&file);
        found.push(Loader { file, runs, in_time: false });
    }
    found
}

const MODULES: &str = "/etc/modules";
const COMMAND_LINE: &str = "/proc/cmdline";

/// The `hashsize` that the module is given, and the file that says so. The last one counts.
pub(super) fn hashsize(root: &Root) -> Option<(String, u64)> {
    let mut found = None;
    for file in root.configuration("modprobe.d") {
        for line in root.text(&file).unwrap_or_default().lines() {
            let mut words = line.split_whitespace();
            if words.next() == Some("options") && words.next().is_some_and(is_module) {
                let size = words.find_map(|word| word.strip_prefix("hashsize=")?.parse().ok());
                found = size.map(|size| (file.clone(), size)).or(found);
            }
        }
    }
    let command_line = root.text(COMMAND_LINE).unwrap_or_default();
    let mut sizes = command_line.split_whitespace().filter_map(|word| {
        word.replace('-', "_").strip_prefix("nf_conntrack.hashsize=")?.parse().ok()
    });
    sizes.next_back().map(|size| (COMMAND_LINE.to_owned(), size)).or(found)
}
