//! What `systemd-sysctl` writes at boot, and what the kernel makes of it.
//!
//! All files are read first. The last value of each key counts, after all spellings are made one; a key with a minus
//! before it and no value cancels it. Then the values are written in the order in which they were last changed.
//! Patterns set what no line names. A setting that has two names, or that two patterns match, is written twice. A value
//! that the kernel refuses changes nothing.

use std::collections::HashMap;
use std::fmt;
use std::io;

use super::conf;
use super::files::Root;
use super::number::{Refusal, Taken, taken};
use super::pattern::{Match, Pattern, is_pattern};
use crate::escape::Escaped;

/// A file and a line of it.
pub(super) type Place = (String, usize);

/// A setting that a file sets.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Assigned {
    /// Its name with dots, `net.netfilter.nf_conntrack_max`.
    pub key: String,
    /// The value that wins, as the file has it.
    pub value: String,
    /// The number that the kernel makes of it: 64 of `0x40`, 32 of `040`, 12 of `12 # comment`. `None` if the kernel
    /// refuses the value, or kernels differ: see [`note`](Self::note).
    pub number: Option<i64>,
    /// Why there is no number.
    pub note: Option<&'static str>,
    /// The file and line that set it.
    pub from: (String, usize),
    /// Files and lines that set it earlier, and are overridden.
    pub overridden: Vec<(String, usize)>,
    /// Its value now; `None` if that cannot be read.
    pub live: Option<i64>,
    /// The name by which the value that wins was set: some settings have two.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub(super) name: String,
    /// Its file below `/proc/sys`.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub(super) path: String,
    /// Whether its value takes effect, or may. It does not if the kernel refuses every value.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub(super) counts: bool,
}

/// `net.netfilter.nf_conntrack_max = 0x40   (/etc/sysctl.conf, line 3): 64 to the kernel`.
impl fmt::Display for Assigned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (file, line) = &self.from;
        let (key, value) = (Escaped(&self.key), Escaped(&self.value));
        write!(f, "{key} = {value}   ({}, line {line})", Escaped(file))?;
        match (self.number, self.note) {
            (Some(number), _) if number.to_string() == self.value => Ok(()),
            (Some(number), _) => write!(f, ": {number} to the kernel"),
            (None, why) => write!(f, ": {}", why.unwrap_or("not known")),
        }
    }
}

impl Assigned {
    /// The file and line that set it, in words.
    pub(crate) fn place(&self) -> String {
        shown(&self.from)
    }
}

/// `/etc/sysctl.conf, line 7`.
pub(super) fn shown((file, line): &Place) -> String {
    format!("{file}, line {line}")
}

/// What the files do at boot, and what is odd about them.
#[derive(Default)]
pub(super) struct Boot {
    pub(super) settings: Vec<Assigned>,
    /// Values that the kernel refuses.
    pub(super) refused: Vec<Refused>,
    /// Every line that names a setting, overridden or not: the key as a path, and its file.
    pub(super) named: Vec<(String, String)>,
    pub(super) notes: Vec<Note>,
}

/// A value that the kernel refuses.
pub(super) struct Refused {
    pub(super) path: String,
    pub(super) value: String,
    pub(super) from: Place,
    pub(super) why: Refusal,
}

/// Something about a file that is not as it should be, or not known.
pub(super) enum Note {
    /// A file or directory cannot be read.
    Unreadable(String, io::Error),
    /// A line is neither a comment nor an assignment.
    Malformed(Place),
    /// A line cancels what earlier lines say of a key.
    Canceled(String, Place),
    /// What a pattern sets is not known.
    Unresolved(String, Place),
}

/// The setting that a path leads to; some have two.
pub(super) fn setting_of(path: &str) -> &str {
    match path {
        "net/nf_conntrack_max" => "net/netfilter/nf_conntrack_max",
        "net/ipv4/conf/all/forwarding" => FORWARD,
        path => path,
    }
}

const FORWARD: &str = "net/ipv4/ip_forward";

/// Paths of interest besides those of the table and of interfaces.
const OTHERS: [&str; 3] = ["net/nf_conntrack_max", FORWARD, "net/ipv6/conf/all/forwarding"];

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

/// All lines of one key together.
struct Entry {
    order: usize,
    value: Option<Vec<u8>>,
    from: Place,
    /// Earlier lines of the key.
    earlier: Vec<Place>,
}

/// Reads all files below a root.
pub(super) fn boot(root: &Root) -> Boot {
    let mut boot = Boot::default();
    let unlisted = root.unlisted("sysctl.d").into_iter();
    boot.notes.extend(unlisted.map(|(directory, error)| Note::Unreadable(directory, error)));
    let mut entries: HashMap<String, Entry> = HashMap::new();
    let mut order = 0;
    for file in root.configuration("sysctl.d") {
        let text = match root.read(&file) {
            Ok(text) => text,
            Err(error) => {
                boot.notes.push(Note::Unreadable(file, error));
                continue;
            }
        };
        let (lines, unknown) = conf::parse(&text);
        boot.notes.extend(unknown.first().map(|line| Note::Malformed((file.clone(), *line))));
        for line in lines {
            if !is_pattern(&line.key) {
                if !is_ours(&line.key) {
                    continue;
                }
                boot.named.push((line.key.clone(), file.clone()));
            }
            order += 1;
            let from = (file.clone(), line.line);
            match entries.get_mut(&line.key) {
                Some(entry) => {
                    entry.earlier.push(std::mem::replace(&mut entry.from, from));
                    // The same value again does not change its place in the order.
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
    boot.write_all(&there(root), &entries);
    for setting in &mut boot.settings {
        let text = root.text(&format!("/proc/sys/{}", setting.path));
        setting.live = text.ok().and_then(|text| text.trim().parse().ok());
    }
    boot
}

/// The paths that patterns may match.
fn there(root: &Root) -> Vec<String> {
    let names = |folder: &str| root.names(&format!("/proc/sys/{folder}"));
    let of_the_table = names(FOLDER).into_iter().map(|name| format!("{FOLDER}/{name}"));
    let interfaces = names(INTERFACES).into_iter();
    let interfaces = interfaces.map(|name| format!("{INTERFACES}/{name}/forwarding"));
    let others = OTHERS.map(str::to_owned).into_iter().chain(interfaces);
    let others = others.filter(|path| root.has(&format!("/proc/sys/{path}")));
    of_the_table.filter(|path| is_ours(path)).chain(others).collect()
}

impl Boot {
    /// Writes the values in their order.
    fn write_all(&mut self, there: &[String], entries: &HashMap<String, Entry>) {
        let mut ordered: Vec<_> = entries.iter().collect();
        ordered.sort_by_key(|(_, entry)| entry.order);
        let table_is_there = there.iter().any(|path| is_of_the_table(path));
        for (key, entry) in ordered {
            let Some(value) = &entry.value else {
                if !entry.earlier.is_empty() && !is_pattern(key) {
                    self.notes.push(Note::Canceled(conf::dotted(key), entry.from.clone()));
                }
                continue;
            };
            if !is_pattern(key) {
                self.write(key, entry, taken(setting_of(key), value));
                continue;
            }
            let pattern = Pattern::of(key);
            // What a line names is left to that line.
            for path in there.iter().filter(|path| !entries.contains_key(*path)) {
                match pattern.as_ref().map_or_else(|why| Match::Perhaps(why), |is| is.matches(path))
                {
                    Match::Yes => self.write(path, entry, taken(setting_of(path), value)),
                    Match::Perhaps(why) => self.write(path, entry, Taken::Unsure(why)),
                    Match::No => {}
                }
            }
            if !table_is_there && pattern.map_or(true, |pattern| pattern.reaches(FOLDER)) {
                self.notes.push(Note::Unresolved(key.clone(), entry.from.clone()));
            }
        }
        // A setting for which every value is refused is shown all the same.
        for Refused { path, value, from, why } in &self.refused {
            if !self.settings.iter().any(|setting| setting.path == *path) {
                let key = conf::dotted(path);
                self.settings.push(Assigned {
                    name: key.clone(),
                    key,
                    value: value.clone(),
                    number: None,
                    note: Some(why.text()),
                    from: from.clone(),
                    overridden: Vec::new(),
                    live: None,
                    path: path.clone(),
                    counts: false,
                });
            }
        }
    }

    /// Writes one value, to a setting that may have been written before.
    fn write(&mut self, name: &str, entry: &Entry, taken: Taken) {
        let path = setting_of(name).to_owned();
        let value = entry.value.as_deref().map(String::from_utf8_lossy).unwrap_or_default();
        let (value, from) = (value.into_owned(), entry.from.clone());
        let (number, note) = match taken {
            Taken::Number(number) => (Some(number), None),
            Taken::Unsure(why) => (None, Some(why)),
            Taken::Refused(why) => {
                self.refused.push(Refused { path, value, from, why });
                return;
            }
        };
        if path == FORWARD {
            self.forward(&value, number, &from);
        }
        let mut overridden = entry.earlier.clone();
        if let Some(at) = self.settings.iter().position(|setting| setting.path == path) {
            let before = self.settings.remove(at);
            overridden = [before.overridden, vec![before.from], overridden].concat();
        }
        let (key, name) = (conf::dotted(&path), conf::dotted(name));
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

    /// Forwarding as a whole is about to be set. If that changes it, it sets that of every interface.
    fn forward(&mut self, value: &str, number: Option<i64>, from: &Place) {
        let now = self.settings.iter().find(|setting| setting.path == FORWARD);
        let now = now.map_or(Some(0), |setting| setting.number);
        if now == number && number.is_some() {
            return;
        }
        for setting in self.settings.iter_mut().filter(|setting| is_forwarding(&setting.path)) {
            value.clone_into(&mut setting.value);
            setting.number = number.filter(|_| now.is_some());
            setting.note = setting
                .number
                .is_none()
                .then_some("the value of ip_forward, which sets it, is not known");
            setting.overridden.push(std::mem::replace(&mut setting.from, from.clone()));
        }
    }
}
