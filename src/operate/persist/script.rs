//! Scripts that run at boot, and the settings that they set.

use super::files::Root;
use crate::operate::tune::bare_name;
use crate::operate::tune::sizing::HASHSIZE;

/// A setting of the table that a script sets.
#[derive(Debug)]
pub(super) struct ScriptSetting {
    pub(super) line: usize,
    /// Its name from behind `nf_conntrack_` on.
    pub(super) name: String,
    pub(super) value: String,
    /// Whether an earlier line of the script loads the module.
    pub(super) loaded: bool,
    /// Whether the line is not behind an `exit 0`.
    pub(super) reached: bool,
}

/// The paths of scripts that run at boot, if they exist and are executable.
pub(super) fn files(root: &Root) -> Vec<String> {
    const MODULES: &str = "/etc/sysconfig/modules";
    let others = root.names(MODULES).into_iter().filter(|name| name.ends_with(".modules"));
    let others = others.map(|name| format!("{MODULES}/{name}"));
    others.chain(["/etc/rc.local", "/etc/rc.d/rc.local"].map(str::to_owned)).collect()
}

/// What a script sets: with `sysctl`, or by writing to the setting's file.
pub(super) fn settings(script: &str) -> Vec<ScriptSetting> {
    let (mut found, mut loaded) = (Vec::new(), false);
    let end = script.lines().position(|line| line.trim_end() == "exit 0");
    for (line, command) in commands(script) {
        let words: Vec<&str> = command.iter().map(String::as_str).collect();
        let reached = end.is_none_or(|end| line <= end);
        let at = |name: &str| words.iter().position(|word| word.rsplit('/').next() == Some(name));
        let behind = |at: usize| words.iter().skip(at + 1).copied();
        let mut set = |name: &str, value: &str| {
            let (name, value) = (name.to_owned(), value.to_owned());
            found.push(ScriptSetting { line, name, value, loaded, reached });
        };
        if let (Some(sysctl), None) = (at("sysctl"), at("echo")) {
            for (key, value) in behind(sysctl).filter_map(|word| word.split_once('=')) {
                if let Some(name) = ours(key) {
                    set(name, value);
                }
            }
        }
        // `echo 5 > FILE`, and `echo 5 | tee FILE`.
        if let Some(to) = at(">").or_else(|| at("tee")) {
            let value =
                at("echo").and_then(|echo| behind(echo).find(|word| !word.starts_with('-')));
            for name in behind(to).filter_map(file) {
                set(name, value.unwrap_or("something"));
            }
        }
        if let Some(modprobe) = at("modprobe") {
            loaded |= behind(modprobe).any(|word| word.replace('-', "_") == "nf_conntrack");
        }
    }
    found
}

/// The setting of a key of `sysctl`.
fn ours(key: &str) -> Option<&str> {
    let key = key.trim_start_matches('-');
    let bare = bare_name(key);
    (key.starts_with("net") && bare != key && !bare.contains(['/', '.'])).then_some(bare)
}

/// The setting of a file.
fn file(path: &str) -> Option<&str> {
    if path == HASHSIZE {
        return Some("buckets");
    }
    path.strip_prefix("/proc/sys/").and_then(ours)
}

/// The commands of a script with the lines they begin in, as words without quotes and comments. `>` is a word; a pipe
/// does not end a command.
fn commands(script: &str) -> Vec<(usize, Vec<String>)> {
    let (mut found, mut words, mut word) = (Vec::new(), Vec::new(), None::<String>);
    let (mut line, mut begun, mut quote) = (1, 1, None);
    let mut rest = script.chars().peekable();
    let (mut comment, mut quoted) = (false, false);
    while let Some(c) = rest.next() {
        line += usize::from(c == '\n');
        if comment && c != '\n' {
            continue;
        }
        comment = false;
        match (c, quote) {
            (c, Some(open)) if c == open => quote = None,
            ('\\', None | Some('"')) => match rest.next() {
                Some('\n') => line += 1,
                Some(c) => word.get_or_insert_default().push(c),
                None => {}
            },
            (c, Some(_)) => word.get_or_insert_default().push(c),
            ('"' | '\'', None) => {
                (quote, quoted) = (Some(c), true);
                word.get_or_insert_default();
            }
            ('#', None) if word.is_none() => comment = true,
            (' ' | '\t' | '>' | '|' | '\r', None) => {
                // The number of a descriptor is no word: `2>/dev/null`.
                let of_it = |word: &String| {
                    c == '>' && !quoted && word.bytes().all(|byte| byte.is_ascii_digit())
                };
                words.extend(word.take().filter(|word| !word.is_empty() && !of_it(word)));
                words.extend((c == '>').then(|| c.to_string()));
                quoted = false;
            }
            ('\n' | ';' | '&' | '(' | ')' | '{' | '}' | '`', None) => {
                words.extend(word.take());
                quoted = false;
                let command = std::mem::take(&mut words);
                if !command.is_empty() {
                    found.push((begun, command));
                }
                begun = line;
            }
            (c, None) => {
                if words.is_empty() && word.is_none() {
                    begun = line;
                }
                word.get_or_insert_default().push(c);
            }
        }
    }
    words.extend(word);
    if !words.is_empty() {
        found.push((begun, words));
    }
    found
}
