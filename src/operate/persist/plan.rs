//! The files that make settings last.

use std::fmt;
use std::path::{Path, PathBuf};

use super::boot::{boot, setting_of};
use super::conf;
use super::files::Root;
use super::module::{self, Loader, Module};
use crate::escape::Escaped;
use crate::operate::tune::{bare_name, sizing};

/// The settings that are to last.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Want {
    max: Option<u64>,
    buckets: Option<u64>,
    others: Vec<(String, i64)>,
}

impl Want {
    /// No settings yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The most entries.
    #[must_use]
    pub fn max(mut self, max: u64) -> Self {
        self.max = Some(max);
        self
    }

    /// The number of buckets, which is rounded up as the kernel does.
    #[must_use]
    pub fn buckets(mut self, buckets: u64) -> Self {
        self.buckets = Some(sizing::rounded(buckets));
        self
    }

    /// Another setting, by its name in any spelling that [`bare_name`] knows.
    #[must_use]
    pub fn setting(mut self, name: &str, value: i64) -> Self {
        let name = bare_name(name);
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

/// Files to write, and what cannot be done by a file.
///
/// Its `Display` shows each file with its content.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct FilePlan {
    #[cfg_attr(feature = "serde", serde(skip))]
    pub(super) root: PathBuf,
    /// The files.
    pub files: Vec<PlannedFile>,
    /// What has to be added to the kernel's command line, by whatever makes it (GRUB, for example).
    pub command_line: Option<String>,
}

/// A file to write.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct PlannedFile {
    /// Its path on the machine, without the root.
    pub path: String,
    /// Its content.
    pub content: String,
    /// Whether the file has this content already.
    pub unchanged: bool,
    /// What is in the file now; `None` if there is none, or it cannot be read.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub(super) before: Option<String>,
}

impl FilePlan {
    /// The files that make the settings last, on the machine below this root.
    ///
    /// `modules-load.d` loads the module before settings are made, unless it is built in. The buckets are an option of
    /// the module (`modprobe.d`), or of the kernel's command line. The rest is in `sysctl.d`, in a file that is read
    /// after all others that set the same. Everything else in these files stays.
    pub fn new(root: impl AsRef<Path>, want: &Want) -> Self {
        let place = Root::new(root.as_ref());
        let boot = boot(&place);
        let (module, loaders) = (Module::of(&place), module::loaders(&place));
        let mut files = Vec::new();
        let mut command_line = None;
        let built_in = module == Module::BuiltIn;
        let early = |loader: &Loader| loader.in_time && loader.file != LOAD;
        if !built_in && !loaders.iter().any(early) {
            let head = format!("{HEAD}# So that settings have something to set.\n");
            files.push(planned(&place, LOAD.to_owned(), &head, with_module));
        }
        match want.buckets {
            Some(buckets) if built_in => {
                command_line = Some(format!("nf_conntrack.hashsize={buckets}"));
            }
            Some(buckets) => {
                let head = format!(
                    "{HEAD}# This alone would make nf_conntrack_max eight times as many.\n"
                );
                let with = |text: &str| with_hashsize(text, buckets);
                files.push(planned(&place, OPTIONS.to_owned(), &head, with));
            }
            None => {}
        }
        let mut lines = want.lines();
        // Where a file sets the limit by its old name, too, the last of both counts.
        if let (Some(max), true) = (want.max, boot.named.iter().any(|(path, _)| path == OLD_MAX)) {
            lines.push((conf::dotted(OLD_MAX), max.to_string()));
        }
        if !lines.is_empty() {
            let path = file_after(&place, &boot.named, &lines);
            files.push(planned(&place, path, HEAD, |text| with_settings(text, &lines)));
        }
        Self { root: place.path().to_owned(), files, command_line }
    }
}

/// A file with what is wanted in it, or a new one that begins with `head`. It is read once, so that a change after that
/// is found when the plan is carried out.
fn planned(place: &Root, path: String, head: &str, with: impl Fn(&str) -> String) -> PlannedFile {
    let before = place.exact_text(&path).ok();
    let content = with(before.as_deref().unwrap_or(head));
    let unchanged = before.as_ref() == Some(&content);
    PlannedFile { path, content, unchanged, before }
}

/// What a new file begins with.
const HEAD: &str = "# Connection tracking.\n";

const LOAD: &str = "/etc/modules-load.d/nf_conntrack.conf";
const OPTIONS: &str = "/etc/modprobe.d/nf_conntrack.conf";

/// The old name of `net/netfilter/nf_conntrack_max`.
const OLD_MAX: &str = "net/nf_conntrack_max";

/// What the name of the file in `sysctl.d` begins with.
const STARTS: [&str; 4] = ["99", "zz", "zzz", "zzzz"];

/// The file in `sysctl.d` for these lines: it is read after all others that set the same, and hides no file of another
/// directory.
fn file_after(place: &Root, named: &[(String, String)], lines: &[(String, String)]) -> String {
    let files = named.iter().filter(|(path, _)| is_set(lines, path)).map(|(_, file)| file.as_str());
    let name_of = |file: &str| file.rsplit('/').next().unwrap_or_default().to_owned();
    let last = files.max_by_key(|file| name_of(file)).unwrap_or_default();
    let last_name = name_of(last);
    let others = place.configuration("sysctl.d");
    let hides = |name: &str| {
        let found = others.iter().find(|file| name_of(file) == name);
        found.is_some_and(|file| !file.starts_with("/etc/"))
    };
    let names = STARTS.map(|start| format!("{start}-nf_conntrack.conf"));
    match names.into_iter().find(|name| *name >= last_name && !hides(name)) {
        Some(name) => format!("/etc/sysctl.d/{name}"),
        // An earlier plan found no other name either.
        None if last.starts_with("/etc/") && last.ends_with(ADDED) => last.to_owned(),
        // In the order of bytes the underscore comes after the dot.
        None => format!("/etc/sysctl.d/{}{ADDED}", last_name.trim_end_matches(".conf")),
    }
}

const ADDED: &str = "_nf_conntrack.conf";

/// Whether these lines set the setting of this path.
fn is_set(lines: &[(String, String)], path: &str) -> bool {
    lines.iter().any(|(key, _)| setting_of(&conf::normal(key)) == setting_of(path))
}

/// A text of `modules-load.d` with the module in it.
fn with_module(text: &str) -> String {
    let listed = text.lines().any(|line| line.trim() == "nf_conntrack");
    if listed { text.to_owned() } else { ended(text) + "nf_conntrack\n" }
}

/// A text of `modprobe.d` with the number of buckets. Everything else stays.
fn with_hashsize(text: &str, buckets: u64) -> String {
    let hashsize = format!("hashsize={buckets}");
    let mut given = false;
    let mut changed = String::new();
    for line in text.lines() {
        let words: Vec<_> = line.split_whitespace().collect();
        if !matches!(words[..], ["options", "nf_conntrack" | "nf-conntrack", ..]) {
            changed += line;
        } else {
            let rest = words.into_iter().filter(|word| !word.starts_with("hashsize="));
            // Only on the first of such lines.
            let size = (!given).then_some(&hashsize[..]);
            changed += &rest.chain(size).collect::<Vec<_>>().join(" ");
            given = true;
        }
        changed.push('\n');
    }
    if !given {
        changed += &format!("options nf_conntrack {hashsize}\n");
    }
    changed
}

/// A text of `sysctl.d` with these settings at its end. Everything else stays.
fn with_settings(text: &str, settings: &[(String, String)]) -> String {
    let (found, _) = conf::parse(text.as_bytes());
    let replaced = |line: usize| {
        let of_line = found.iter().find(|found| found.line == line);
        of_line.is_some_and(|found| is_set(settings, &found.key))
    };
    let kept = (1..).zip(conf::lines(text.as_bytes())).filter(|(number, _)| !replaced(*number));
    let kept: Vec<u8> = kept.flat_map(|(_, line)| line).copied().collect();
    let set = settings.iter().map(|(key, value)| format!("{key} = {value}\n"));
    // Lines end in ASCII, so the rest is UTF-8 still.
    ended(&String::from_utf8_lossy(&kept)) + &set.collect::<String>()
}

/// The text, with an end of its last line.
fn ended(text: &str) -> String {
    let end = if text.is_empty() || text.ends_with(['\n', '\r', '\0']) { "" } else { "\n" };
    format!("{text}{end}")
}

/// The files with their contents.
impl fmt::Display for FilePlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for file in &self.files {
            let state = if file.unchanged { " (unchanged)" } else { "" };
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
