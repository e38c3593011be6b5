//! Units that get a network namespace of their own, read from their files as systemd reads them.

use std::collections::BTreeMap;
use std::path::Path;

use crate::operate::persist::{Entry, Root};

/// A unit that gets a network namespace each time it is started: `PrivateNetwork=yes`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct PrivateNetworkUnit {
    /// Its name, `systemd-hostnamed.service` for example.
    pub unit: String,
    /// Its description, by which logs name it, `Hostname Service`; empty if its files do not say.
    pub description: String,
    /// Other names of it, by links: `dbus-org.freedesktop.hostname1.service`.
    pub aliases: Vec<String>,
}

impl PrivateNetworkUnit {
    /// Whether a log calls this unit by that name.
    pub(super) fn is_called(&self, name: &str) -> bool {
        self.unit == name
            || self.aliases.iter().any(|alias| alias == name)
            || (!self.description.is_empty() && self.description == name)
    }
}

/// Those of systemd itself, for a log without the files of its machine.
pub(super) fn well_known() -> [PrivateNetworkUnit; 2] {
    [("hostname", "Hostname Service"), ("locale", "Locale Service")].map(|(name, description)| {
        PrivateNetworkUnit {
            unit: format!("systemd-{name}d.service"),
            description: description.to_owned(),
            aliases: vec![format!("dbus-org.freedesktop.{name}1.service")],
        }
    })
}

/// Where units are; a directory hides units of the same name in those after it: systemd.unit(5).
const DIRECTORIES: [&str; 13] = [
    "/etc/systemd/system.control",
    "/run/systemd/system.control",
    "/run/systemd/transient",
    "/run/systemd/generator.early",
    "/etc/systemd/system",
    "/etc/systemd/system.attached",
    "/run/systemd/system",
    "/run/systemd/system.attached",
    "/run/systemd/generator",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
    "/run/systemd/generator.late",
];

/// The services below a root that get a network namespace each time they are started
/// (`PrivateNetwork=yes`), by name.
///
/// Files are read as systemd reads them: drop-ins of all directories sorted by name, links as other names, masked units
/// not at all.
pub fn private_network_units(root: impl AsRef<Path>) -> Vec<PrivateNetworkUnit> {
    let root = Root::new(root.as_ref());
    // `None` is masked.
    let mut units: BTreeMap<String, Option<String>> = BTreeMap::new();
    let mut aliases: Vec<(String, String)> = Vec::new();
    let mut drop_ins: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for directory in DIRECTORIES {
        for name in root.names(directory) {
            if name == "service.d" || name.ends_with(".service.d") {
                drop_ins.entry(name).or_default().push(directory);
                continue;
            }
            let hidden = units.contains_key(&name) || aliases.iter().any(|(of, _)| *of == name);
            if hidden || !name.ends_with(".service") {
                continue;
            }
            match root.entry(directory, &name) {
                Entry::Masked => _ = units.insert(name, None),
                Entry::Link(other) if other != name => aliases.push((name, other)),
                Entry::File | Entry::Link(_) => {
                    let text = root.text(&format!("{directory}/{name}"));
                    // An empty file masks, too.
                    units.insert(name, text.ok().filter(|text| !text.is_empty()));
                }
            }
        }
    }
    let mut found = Vec::new();
    for (unit, text) in units {
        let Some(text) = text else { continue };
        let of_it = aliases.iter().filter(|(_, target)| *target == unit);
        let aliases: Vec<_> = of_it.map(|(alias, _)| alias.clone()).collect();
        let mut said = Said::default();
        said.read(&text);
        // All are read in the order of their names. Of one name the first directory counts.
        let mut files: BTreeMap<String, String> = BTreeMap::new();
        for of in names_of_drop_ins(&unit, &aliases) {
            for above in drop_ins.get(&of).into_iter().flatten() {
                for file in root.names(&format!("{above}/{of}")) {
                    let path = format!("{above}/{of}/{file}");
                    files.entry(file).or_insert(path);
                }
            }
        }
        for path in files.into_values().filter(|path| path.ends_with(".conf")) {
            said.read(&root.text(&path).unwrap_or_default());
        }
        if said.private {
            found.push(PrivateNetworkUnit { unit, description: said.description, aliases });
        }
    }
    found
}

/// `a-b.service` takes `a-b.service.d`, those of its other names, `a-.service.d` and `service.d`.
fn names_of_drop_ins(unit: &str, aliases: &[String]) -> Vec<String> {
    let own = [unit].into_iter().chain(aliases.iter().map(String::as_str));
    let mut names: Vec<_> = own.map(|name| format!("{name}.d")).collect();
    let stem = unit.strip_suffix(".service").unwrap_or(unit);
    let dashes = stem.rmatch_indices('-').filter_map(|(at, _)| stem.get(..=at));
    names.extend(
        dashes.filter(|prefix| *prefix != stem).map(|prefix| format!("{prefix}.service.d")),
    );
    names.push("service.d".to_owned());
    names
}

/// What the files of a unit say together.
#[derive(Debug, Default)]
struct Said {
    private: bool,
    description: String,
}

impl Said {
    /// Reads one more file, which overrides those before it.
    fn read(&mut self, text: &str) {
        let mut section = String::new();
        for line in lines(text) {
            let line = line.trim();
            if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
                section = name.to_owned();
                continue;
            }
            // Blanks around the sign do not count; quotes are part of the value.
            let Some((key, value)) = line.split_once('=') else { continue };
            match (section.as_str(), key.trim()) {
                // Anything but a boolean changes nothing.
                ("Service", "PrivateNetwork") => {
                    self.private = boolean(value.trim()).unwrap_or(self.private);
                }
                ("Unit", "Description") => value.trim().clone_into(&mut self.description),
                _ => {}
            }
        }
    }
}

/// The lines of a unit's file without comments. A line that ends with a backslash goes on in the next one, even across
/// comments: systemd.syntax(7).
fn lines(text: &str) -> Vec<String> {
    let (mut found, mut begun): (Vec<String>, Option<String>) = (Vec::new(), None);
    for line in text.lines() {
        let line = line.trim_start();
        if line.starts_with(['#', ';']) {
            continue;
        }
        let whole = begun.take().unwrap_or_default() + line;
        let backslashes = whole.len() - whole.trim_end_matches('\\').len();
        if backslashes % 2 == 1 {
            begun = whole.strip_suffix('\\').map(|rest| format!("{rest} "));
        } else {
            found.push(whole);
        }
    }
    found.extend(begun);
    found
}

/// A boolean of systemd; `None` for anything else.
fn boolean(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "1" | "yes" | "y" | "true" | "t" | "on" => Some(true),
        "0" | "no" | "n" | "false" | "f" | "off" => Some(false),
        _ => None,
    }
}
