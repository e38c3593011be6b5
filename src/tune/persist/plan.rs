//! The files that make settings last.

use std::fmt;
use std::path::{Path, PathBuf};

use super::audit::audit;
use super::files::Root;
use super::module::{Loader, Module};
use crate::escape::Escaped;
use crate::tune::sizing;

/// What is to last.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Want {
    max: Option<u64>,
    buckets: Option<u64>,
    others: Vec<(String, i64)>,
}

impl Want {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// So many entries at the most.
    #[must_use]
    pub fn max(mut self, max: u64) -> Self {
        self.max = Some(max);
        self
    }

    /// So many buckets; rounded up as the kernel does.
    #[must_use]
    pub fn buckets(mut self, buckets: u64) -> Self {
        self.buckets = Some(sizing::rounded(buckets));
        self
    }

    /// This setting, by its name in any spelling that [`bare_name`](crate::tune::bare_name) knows.
    #[must_use]
    pub fn setting(mut self, name: &str, value: i64) -> Self {
        let name = crate::tune::bare_name(name);
        self.others.push((format!("net.netfilter.nf_conntrack_{name}"), value));
        self
    }

    /// The lines for `sysctl.d`.
    fn lines(&self) -> Vec<(String, String)> {
        let max =
            self.max.map(|max| ("net.netfilter.nf_conntrack_max".to_owned(), max.to_string()));
        let others = self.others.iter().map(|(key, value)| (key.clone(), value.to_string()));
        max.into_iter().chain(others).collect()
    }
}

/// Files to write, and what cannot be done with a file.
///
/// Its text form shows each file with its content.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Plan {
    #[cfg_attr(feature = "serde", serde(skip))]
    pub(super) root: PathBuf,
    /// The files.
    pub files: Vec<Planned>,
    /// What has to go onto the kernel's command line, by whatever makes that (GRUB, for one).
    pub command_line: Option<String>,
}

/// A file to write.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Planned {
    /// Its path on the machine, whatever the root.
    pub path: String,
    /// Its content.
    pub content: String,
    /// Whether it is there already, just so.
    pub unchanged: bool,
}

impl Plan {
    /// The files that make it last, on the machine below this root.
    ///
    /// The module is loaded before settings are made (`modules-load.d`), unless it is built in; the
    /// buckets are made with it (`modprobe.d`, or the kernel's command line); and the rest is in
    /// `sysctl.d`, in a file that is read after all others that set the same. Of files that are there
    /// everything else stays as it is.
    pub fn new(root: impl AsRef<Path>, want: &Want) -> Self {
        let place = Root::new(root.as_ref());
        let found = audit(root.as_ref());
        let mut files = Vec::new();
        let mut command_line = None;
        let built_in = found.module == Module::BuiltIn;
        let early = |loader: &Loader| loader.in_time && loader.file != LOAD;
        if !built_in && !found.loaders.iter().any(early) {
            let text = place
                .read(LOAD)
                .unwrap_or_else(|_| format!("{HEAD}# So that settings have something to set.\n"));
            files.push((LOAD.to_owned(), with_module(&text)));
        }
        match want.buckets {
            Some(buckets) if built_in => {
                command_line = Some(format!("nf_conntrack.hashsize={buckets}"));
            }
            Some(buckets) => {
                let text = place.read(OPTIONS).unwrap_or_else(|_| {
                    format!("{HEAD}# This alone would make nf_conntrack_max eight times as many.\n")
                });
                files.push((OPTIONS.to_owned(), with_hashsize(&text, buckets)));
            }
            None => {}
        }
        let lines = want.lines();
        if !lines.is_empty() {
            let others = found
                .settings
                .iter()
                .filter(|setting| lines.iter().any(|(key, _)| *key == setting.key));
            let files_of = others.flat_map(|setting| {
                let before = setting.overridden.iter().map(|(file, _)| file);
                before.chain([&setting.from.0])
            });
            let last =
                files_of.filter_map(|file| file.rsplit('/').next()).max().unwrap_or_default();
            let name = NAMES.iter().find(|name| **name >= last).copied().unwrap_or(LAST);
            let path = format!("/etc/sysctl.d/{name}");
            let text = place.read(&path).unwrap_or_else(|_| HEAD.to_owned());
            files.push((path, with_settings(&text, &lines)));
        }
        let planned = |(path, content): (String, String)| {
            let unchanged = place.read(&path).is_ok_and(|text| text == content);
            Planned { path, content, unchanged }
        };
        let files = files.into_iter().map(planned).collect();
        Self { root: place.path().to_owned(), files, command_line }
    }
}

/// What a new file begins with.
const HEAD: &str = "# Connection tracking.\n";

const LOAD: &str = "/etc/modules-load.d/nf_conntrack.conf";
const OPTIONS: &str = "/etc/modprobe.d/nf_conntrack.conf";

/// Names for the file in `sysctl.d`: the first that comes after all that set the same.
const NAMES: [&str; 3] = ["99-nf_conntrack.conf", "zz-nf_conntrack.conf", "zzz-nf_conntrack.conf"];
const LAST: &str = "zzzz-nf_conntrack.conf";

/// A list of modules with this one on it.
fn with_module(text: &str) -> String {
    let listed = text.lines().any(|line| line.trim() == "nf_conntrack");
    if listed { text.to_owned() } else { ended(text) + "nf_conntrack\n" }
}

/// Options of modules with the number of buckets; whatever else is there stays.
fn with_hashsize(text: &str, buckets: u64) -> String {
    let hashsize = format!("hashsize={buckets}");
    let mut given = false;
    let mut changed = String::new();
    for line in text.lines() {
        let words: Vec<_> = line.split_whitespace().collect();
        if !matches!(words[..], ["options", "nf_conntrack" | "nf-conntrack", ..]) {
            changed += line;
        } else if given {
            // It is on an earlier line.
            let rest: Vec<_> =
                words.into_iter().filter(|word| !word.starts_with("hashsize=")).collect();
            changed += &rest.join(" ");
        } else {
            given = true;
            let rest = words.into_iter().filter(|word| !word.starts_with("hashsize="));
            changed += &rest.chain([&hashsize[..]]).collect::<Vec<_>>().join(" ");
        }
        changed.push('\n');
    }
    if !given {
        changed += &format!("options nf_conntrack {hashsize}\n");
    }
    changed
}

/// Settings with these among them, at the end; whatever else is there stays.
fn with_settings(text: &str, settings: &[(String, String)]) -> String {
    let (found, _) = super::conf::parse(text);
    let replaced = |line: usize| {
        let of_line = found.iter().find(|found| found.line == line);
        of_line.is_some_and(|found| {
            settings.iter().any(|(key, _)| *key == found.key.replace('/', "."))
        })
    };
    let kept = (1..).zip(text.lines()).filter(|(number, _)| !replaced(*number));
    let kept = kept.map(|(_, line)| format!("{line}\n"));
    kept.chain(settings.iter().map(|(key, value)| format!("{key} = {value}\n"))).collect()
}

/// The text with the end of its last line.
fn ended(text: &str) -> String {
    let end = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
    format!("{text}{end}")
}

/// The files with their contents.
impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for file in &self.files {
            let state = if file.unchanged { " (is so already)" } else { "" };
            writeln!(f, "{}{state}", Escaped(&file.path))?;
            for line in file.content.lines() {
                writeln!(f, "  {}", Escaped(line))?;
            }
        }
        if let Some(words) = &self.command_line {
            writeln!(f, "kernel command line")?;
            writeln!(f, "  {}", Escaped(words))?;
        }
        Ok(())
    }
}
