//! Scripts that set settings while the system boots, in no fixed order with the rest.

use super::boot::unreadable;
use super::module::{Loader, Module};
use super::tree::Tree;
use crate::operate::finding::{Finding, Severity};

/// Scripts that run at boot, if they are executable.
const SCRIPTS: [&str; 2] = ["/etc/rc.local", "/etc/rc.d/rc.local"];

/// Where further ones are.
const MODULES: &str = "/etc/sysconfig/modules";

/// A setting of the table that a script sets.
#[derive(Debug, PartialEq, Eq)]
struct Set {
    line: usize,
    /// Without `nf_conntrack_` and what comes before.
    name: String,
    value: String,
    /// Whether the script loads the module before.
    loaded: bool,
    /// Whether the script has not ended before, with an `exit 0` of its own.
    reached: bool,
}

/// Finds settings of the table that a script sets. Whether it runs at the right moment is chance.
pub(super) fn judge(tree: &Tree, module: Module, loaders: &[Loader], findings: &mut Vec<Finding>) {
    let mut scripts = SCRIPTS.map(str::to_owned).to_vec();
    let others = tree.names(MODULES).into_iter().filter(|name| name.ends_with(".modules"));
    scripts.extend(others.map(|name| format!("{MODULES}/{name}")));
    let mut seen: Vec<String> = Vec::new();
    for file in scripts {
        findings.extend(tree.refused(&file).map(|error| unreadable(&file, &error)));
        // One of the two is often a link to the other.
        let Some(text) = tree.text(&file).filter(|text| !seen.contains(text)) else { continue };
        let early = module == Module::BuiltIn || loaders.iter().any(|loader| loader.in_time);
        for set in sets(&text) {
            let runs = tree.is_executable(&file);
            findings.push(found(&file, &set, runs, early || set.loaded));
        }
        seen.push(text);
    }
}

fn found(file: &str, set: &Set, runs: bool, loaded: bool) -> Finding {
    let Set { line, name, value, .. } = set;
    let what = format!("{file}, line {line}, sets nf_conntrack_{name} to {value}");
    let finding = if !runs || !set.reached {
        let reason = if runs { "ends before that" } else { "is not executable" };
        Finding::new(
            "LOADER_NEVER_RUNS",
            Severity::Warning,
            format!("{what}, but never does so: the script {reason}"),
            "a script has to be executable to be run at boot, and what comes after its exit 0 is not run",
            "set it in /etc/sysctl.d and load the module in /etc/modules-load.d; take the line out",
        )
    } else if loaded {
        Finding::new(
            "SET_BY_SCRIPT",
            Severity::Info,
            format!("{what}, late in the boot"),
            "until then, and whenever files are applied again, another value holds",
            "set it in /etc/sysctl.d, and take the line out",
        )
    } else {
        Finding::new(
            "UNORDERED_LOADER",
            Severity::Warning,
            format!("{what}, in no order with whatever loads nf_conntrack"),
            "if the script runs before a firewall or docker has loaded the module, there is nothing to \
             set yet, and the setting is lost",
            "set it in /etc/sysctl.d and load the module in /etc/modules-load.d, which comes before; \
             take the line out",
        )
    };
    let finding = finding.source("sysctl.d(5); systemd-rc-local-generator(8)");
    // What is not a number, as a variable, is for the reader to look up.
    match value.parse::<u32>() {
        Ok(value) => finding.command(match name.as_str() {
            "max" | "buckets" => format!("persist apply --{name} {value} --yes"),
            name => format!("persist apply {name}={value} --yes"),
        }),
        Err(_) => finding,
    }
}

/// What a script sets: with `sysctl`, or by writing to the setting's file.
fn sets(script: &str) -> Vec<Set> {
    let (mut found, mut loaded) = (Vec::new(), false);
    let end = script.lines().position(|line| line.trim_end() == "exit 0");
    for (line, command) in commands(script) {
        let words: Vec<&str> = command.iter().map(String::as_str).collect();
        let reached = end.is_none_or(|end| line <= end);
        let at = |name: &str| words.iter().position(|word| word.rsplit('/').next() == Some(name));
        let behind = |at: usize| words.iter().skip(at + 1).copied();
        let mut set = |name: &str, value: &str| {
            let (name, value) = (name.to_owned(), value.to_owned());
            found.push(Set { line, name, value, loaded, reached });
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
    let bare = crate::operate::tune::bare_name(key);
    (key.starts_with("net") && bare != key && !bare.contains(['/', '.'])).then_some(bare)
}

/// The setting of a file.
fn file(path: &str) -> Option<&str> {
    if path == crate::operate::tune::sizing::HASHSIZE {
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
                // A descriptor that is redirected is no word: `2>/dev/null`.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ways_to_set_a_setting_in_a_script() {
        let one = |script: &str| match &sets(script)[..] {
            [] => None,
            [set] => Some((set.line, format!("{}={}", set.name, set.value))),
            more => panic!("{script}: {more:?}"),
        };
        for script in [
            "sysctl -w net.netfilter.nf_conntrack_max=65537",
            "sysctl -q -w net.netfilter.nf_conntrack_max=65537 >/dev/null 2>&1",
            "/sbin/sysctl -qw net/netfilter/nf_conntrack_max=65537",
            "sysctl net.netfilter.nf_conntrack_max=65537",
            "sysctl -w 'net.netfilter.nf_conntrack_max=65537' # why",
            "sysctl -w net.netfilter.nf_conntrack_max=\"65537\"",
            "sysctl -w net.nf_conntrack_max=65537 vm.swappiness=1",
            "sysctl \\\n  -w net.netfilter.nf_conntrack_max=65537",
            "sleep 5; sysctl -w net.netfilter.nf_conntrack_max=65537",
            "(sleep 5 && sysctl -w net.netfilter.nf_conntrack_max=65537) &",
            "if true; then sysctl -w net.netfilter.nf_conntrack_max=65537; fi",
            "echo 65537 > /proc/sys/net/netfilter/nf_conntrack_max",
            "echo 65537 >/proc/sys/net/nf_conntrack_max",
            "echo -n \"65537\">/proc/sys/net/netfilter/nf_conntrack_max",
            "echo 65537 | sudo tee /proc/sys/net/netfilter/nf_conntrack_max",
        ] {
            assert_eq!(one(script), Some((1, "max=65537".to_owned())), "{script}");
        }
        let hashsize = "#!/bin/sh\n\necho 512 > /sys/module/nf_conntrack/parameters/hashsize\n";
        assert_eq!(one(hashsize), Some((3, "buckets=512".to_owned())));
        for nothing in [
            "# sysctl -w net.netfilter.nf_conntrack_max=65537",
            "true # sysctl -w net.netfilter.nf_conntrack_max=65537",
            "sysctl -w vm.swappiness=1",
            "sysctl net.netfilter.nf_conntrack_max",
            "sysctl -p",
            "echo net.netfilter.nf_conntrack_max=65537",
            "echo sysctl -w net.netfilter.nf_conntrack_max=65537",
            "cat /proc/sys/net/netfilter/nf_conntrack_max > /dev/null",
            "echo 1 > /proc/sys/net/ipv4/ip_forward",
            "'",
            "\\",
            "",
        ] {
            let found = one(nothing).filter(|(_, set)| set.starts_with("max"));
            assert_eq!(found, None, "{nothing}");
        }
        let both = "modprobe nf_conntrack\nsysctl -w net.netfilter.nf_conntrack_acct=1";
        assert!(sets(both)[0].loaded && sets(both)[0].reached);
        let behind = "exit 0\nsysctl -w net.netfilter.nf_conntrack_max=65537";
        assert!(!sets(behind)[0].reached);
    }
}
