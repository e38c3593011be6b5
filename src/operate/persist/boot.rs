//! What `systemd-sysctl` writes at boot, and what the kernel makes of it.
//!
//! All files are read first. The last value of each key counts, after all spellings are made one; a key with a minus
//! before it and no value cancels it. Then the values are written in the order in which they were last changed;
//! patterns set what no line names. A setting that has two names, or that two patterns match, is written twice. A value
//! that the kernel refuses changes nothing.

use std::collections::HashMap;

use super::audit::Assigned;
use super::conf;
use super::files::Root;
use super::number::{Refusal, Taken, taken};
use super::pattern::{Match, Pattern, is_pattern};
use crate::operate::finding::{Finding, Severity};

/// A file and a line of it.
pub(super) type Place = (String, usize);

/// What the files do at boot.
pub(super) struct Boot {
    pub(super) settings: Vec<Assigned>,
    /// Values that the kernel refuses.
    pub(super) refused: Vec<Refused>,
    /// Every line that names a setting, whatever becomes of it: the key as a path, and its file.
    pub(super) named: Vec<(String, String)>,
}

/// A value that the kernel refuses.
pub(super) struct Refused {
    pub(super) path: String,
    pub(super) key: String,
    pub(super) value: String,
    pub(super) from: Place,
    pub(super) why: Refusal,
}

/// The setting that a path leads to; some have two.
pub(super) fn setting_of(path: &str) -> &str {
    match path {
        "net/nf_conntrack_max" => "net/netfilter/nf_conntrack_max",
        "net/ipv4/conf/all/forwarding" => "net/ipv4/ip_forward",
        path => path,
    }
}

/// Paths of interest besides those of the table and of interfaces.
const OTHERS: [&str; 3] =
    ["net/nf_conntrack_max", "net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding"];

const FOLDER: &str = "net/netfilter";
const INTERFACES: &str = "net/ipv4/conf";

/// Whether a path is of interest here.
pub(super) fn is_ours(path: &str) -> bool {
    is_of_the_table(path) || OTHERS.contains(&path) || is_forwarding(path)
}

fn is_of_the_table(path: &str) -> bool {
    path.starts_with("net/netfilter/nf_conntrack_")
}

/// Whether a path says if IPv4 is forwarded: from all interfaces, from those to come, or from one.
pub(super) fn is_forwarding(path: &str) -> bool {
    let interface = path.strip_prefix("net/ipv4/conf/");
    let interface = interface.and_then(|rest| rest.strip_suffix("/forwarding"));
    interface.is_some_and(|name| !name.contains('/'))
}

/// What all lines of one key come to.
struct Entry<'a> {
    order: usize,
    value: Option<Vec<u8>>,
    from: (&'a str, usize),
    /// Lines of it that came before.
    earlier: Vec<(&'a str, usize)>,
}

fn place((file, line): (&str, usize)) -> Place {
    (file.to_owned(), line)
}

/// Reads all files below a root.
pub(super) fn boot(root: &Root, findings: &mut Vec<Finding>) -> Boot {
    let files = root.configuration("sysctl.d");
    let mut entries: HashMap<String, Entry<'_>> = HashMap::new();
    let mut named = Vec::new();
    let mut order = 0;
    for file in files.iter().filter(|file| !file.masked) {
        let text = match root.read(&file.path) {
            Ok(text) => text,
            Err(error) => {
                findings.push(unreadable(&file.path, &error));
                continue;
            }
        };
        let (lines, unknown) = conf::parse(&text);
        findings.extend(unknown.first().map(|line| malformed(&file.path, *line)));
        for line in lines {
            let is_pattern = is_pattern(&line.key);
            if !is_pattern && !is_ours(&line.key) {
                continue;
            }
            if !is_pattern {
                named.push((line.key.clone(), file.path.clone()));
            }
            order += 1;
            let from = (file.path.as_str(), line.line);
            match entries.get_mut(&line.key) {
                Some(entry) => {
                    entry.earlier.push(std::mem::replace(&mut entry.from, from));
                    // The same again stays where it was.
                    if entry.value != line.value {
                        (entry.value, entry.order) = (line.value, order);
                    }
                }
                None => {
                    let entry = Entry { order, value: line.value, from, earlier: Vec::new() };
                    entries.insert(line.key, entry);
                }
            }
        }
    }
    let mut outcome = Outcome::default();
    outcome.write_all(&there(root), &entries, findings);
    let Outcome { settings, refused } = outcome;
    Boot { settings, refused, named }
}

/// The paths that patterns may be true of.
fn there(root: &Root) -> Vec<String> {
    let names = |folder: &str| root.names(&format!("/proc/sys/{folder}"));
    let of_the_table = names(FOLDER).into_iter().map(|name| format!("{FOLDER}/{name}"));
    let interfaces = names(INTERFACES).into_iter();
    let interfaces = interfaces.map(|name| format!("{INTERFACES}/{name}/forwarding"));
    let others = OTHERS.map(str::to_owned).into_iter().chain(interfaces);
    let others = others.filter(|path| root.has(&format!("/proc/sys/{path}")));
    of_the_table.filter(|path| is_ours(path)).chain(others).collect()
}

/// What the writes come to.
#[derive(Default)]
struct Outcome {
    settings: Vec<Assigned>,
    refused: Vec<Refused>,
}

impl Outcome {
    /// Writes the values in their order.
    fn write_all(
        &mut self,
        there: &[String],
        entries: &HashMap<String, Entry<'_>>,
        findings: &mut Vec<Finding>,
    ) {
        let mut ordered: Vec<_> = entries.iter().collect();
        ordered.sort_by_key(|(_, entry)| entry.order);
        let table_is_there = there.iter().any(|path| is_of_the_table(path));
        for (key, entry) in ordered {
            let Some(value) = &entry.value else {
                if !entry.earlier.is_empty() && !is_pattern(key) {
                    findings.push(taken_back(key, place(entry.from)));
                }
                continue;
            };
            if !is_pattern(key) {
                self.write(key, entry, taken(setting_of(key), value));
                continue;
            }
            let pattern = Pattern::of(key);
            // What a line names is left to that.
            for path in there.iter().filter(|path| !entries.contains_key(*path)) {
                match pattern.as_ref().map_or_else(|why| Match::Perhaps(why), |is| is.matches(path))
                {
                    Match::Yes => self.write(path, entry, taken(setting_of(path), value)),
                    Match::Perhaps(why) => self.write(path, entry, Taken::Unsure(why)),
                    Match::No => {}
                }
            }
            if !table_is_there && pattern.map_or(true, |pattern| pattern.reaches(FOLDER)) {
                findings.push(unmatched(key, place(entry.from)));
            }
        }
        // One that nothing sets in the end is shown all the same.
        for Refused { path, key, value, from, why } in &self.refused {
            if !self.settings.iter().any(|setting| setting.path == *path) {
                self.settings.push(Assigned {
                    key: key.clone(),
                    value: value.clone(),
                    number: None,
                    note: Some(why.text()),
                    from: from.clone(),
                    overridden: Vec::new(),
                    live: None,
                    name: key.clone(),
                    path: path.clone(),
                    counts: false,
                });
            }
        }
    }

    /// Writes one value, to a setting that may have been written before.
    fn write(&mut self, path: &str, entry: &Entry<'_>, taken: Taken) {
        let name = conf::dotted(path);
        let path = setting_of(path).to_owned();
        let key = conf::dotted(&path);
        let value = entry.value.as_deref().map(String::from_utf8_lossy).unwrap_or_default();
        let (value, from) = (value.into_owned(), place(entry.from));
        let (number, note) = match taken {
            Taken::Number(number) => (Some(number), None),
            Taken::Unsure(why) => (None, Some(why)),
            Taken::Refused(why) => {
                self.refused.push(Refused { path, key, value, from, why });
                return;
            }
        };
        if path == "net/ipv4/ip_forward" {
            self.forward(&value, number, &from);
        }
        let mut overridden: Vec<_> = entry.earlier.iter().map(|from| place(*from)).collect();
        if let Some(at) = self.settings.iter().position(|setting| setting.path == path) {
            let before = self.settings.remove(at);
            overridden = [before.overridden, vec![before.from], overridden].concat();
        }
        let (live, counts) = (None, true);
        self.settings.push(Assigned {
            key,
            value,
            number,
            note,
            from,
            overridden,
            live,
            name,
            path,
            counts,
        });
    }

    /// Forwarding as a whole is about to be changed, which sets that of every interface; the same again
    /// sets nothing.
    fn forward(&mut self, value: &str, number: Option<i64>, from: &Place) {
        let now = self.settings.iter().find(|setting| setting.path == "net/ipv4/ip_forward");
        let now = now.map_or(Some(0), |setting| setting.number);
        if now == number && number.is_some() {
            return;
        }
        for setting in self.settings.iter_mut().filter(|setting| is_forwarding(&setting.path)) {
            value.clone_into(&mut setting.value);
            setting.number = number.filter(|_| now.is_some());
            setting.note =
                setting.number.is_none().then_some("ip_forward, which sets it, cannot be said");
            setting.overridden.push(std::mem::replace(&mut setting.from, from.clone()));
        }
    }
}

impl Refusal {
    pub(super) fn text(self) -> &'static str {
        match self {
            Self::NoNumber => "the kernel reads no number in it",
            Self::OutOfRange => "the kernel refuses a number like this",
            Self::ReadOnly => "it can only be read",
        }
    }
}

pub(super) fn unreadable(file: &str, error: &std::io::Error) -> Finding {
    Finding::new(
        "UNREADABLE",
        Severity::Warning,
        format!("{file} cannot be read: {error}"),
        "what it sets is not known, and may not be set at boot either",
        "look at the file; run this as root if you may not read it",
    )
}

fn malformed(file: &str, line: usize) -> Finding {
    Finding::new(
        "MALFORMED_LINE",
        Severity::Warning,
        format!("{file}, line {line}: neither a comment nor key = value"),
        "a line that is not a setting sets nothing",
        "write it as key = value, or take it out",
    )
    .source("sysctl.d(5)")
}

fn taken_back(key: &str, (file, line): Place) -> Finding {
    let key = conf::dotted(key);
    Finding::new(
        "TAKEN_BACK",
        Severity::Info,
        format!("{file}, line {line}: -{key} cancels what lines before it say of {key}"),
        "where a key has a minus and no value, no line before it sets it, and no pattern does",
        "do nothing if it is intended; otherwise take the line out",
    )
    .source("sysctl.d(5)")
}

fn unmatched(key: &str, (file, line): Place) -> Finding {
    Finding::new(
        "PATTERN_UNRESOLVED",
        Severity::Info,
        format!("{file}, line {line}: what the pattern {key} sets is not known"),
        "a pattern sets what is in /proc/sys at that time, and no nf_conntrack setting is there now",
        "look again while nf_conntrack is loaded",
    )
    .source("sysctl.d(5)")
}
