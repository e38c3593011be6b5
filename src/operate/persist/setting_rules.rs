//! What is wrong with the settings in files: values without effect, values that are not so, sizes that do not fit.

use std::io;

use super::boot::{Assigned, Boot, Note, Refused, is_forwarding, is_ours, setting_of, shown};
use super::conf;
use super::files::Root;
use super::module::{self, Module};
use super::number::Refusal;
use crate::kernel::Version;
use crate::operate::finding::Severity::{Critical, Warning};
use crate::operate::finding::{Finding, quoted};
use crate::operate::tune::sizing::{self, Sizes};

pub(super) fn judge(root: &Root, boot: &Boot, module: Module, findings: &mut Vec<Finding>) {
    findings.extend(boot.notes.iter().map(note));
    findings.extend(boot.refused.iter().map(|refused| refusal(refused, boot)));
    findings.extend(boot.settings.iter().filter_map(uncertain));
    findings.extend(boot.settings.iter().filter_map(drift));
    unread(root, &boot.settings, findings);
    sizes(root, &boot.settings, module, findings);
}

pub(super) fn unreadable(file: &str, error: &io::Error) -> Finding {
    Finding::warning(
        "UNREADABLE",
        format!("{file} cannot be read: {error}"),
        "what it sets is not known, and may not be set at boot either",
        "look at the file; run this as root if you may not read it",
    )
}

fn note(note: &Note) -> Finding {
    let finding = match note {
        Note::Unreadable(file, error) => return unreadable(file, error),
        Note::Malformed(place) => Finding::warning(
            "MALFORMED_LINE",
            format!("{}: neither a comment nor key = value", shown(place)),
            "a line that is not a setting sets nothing",
            "write it as key = value, or take it out",
        ),
        Note::Canceled(key, place) => Finding::info(
            "TAKEN_BACK",
            format!("{}: -{key} cancels what lines before it say of {key}", shown(place)),
            "where a key has a minus and no value, no line before it sets it, and no pattern does",
            "do nothing if it is intended; otherwise take the line out",
        ),
        Note::Unresolved(key, place) => Finding::info(
            "PATTERN_UNRESOLVED",
            format!("{}: what the pattern {key} sets is not known", shown(place)),
            "a pattern sets what is in /proc/sys at that time, and no nf_conntrack setting is there now",
            "look again while nf_conntrack is loaded",
        ),
    };
    finding.source("sysctl.d(5)")
}

fn refusal(refused: &Refused, boot: &Boot) -> Finding {
    let Refused { path, value, from, why } = refused;
    let kept = boot.settings.iter().find(|setting| setting.path == *path && setting.counts);
    let kept = match kept {
        Some(kept) => format!("{:?} of {}", kept.value, kept.place()),
        None if is_forwarding(path) => "what ip_forward is".to_owned(),
        None => "its default".to_owned(),
    };
    let (id, remedy) = match why {
        Refusal::NoNumber => ("NOT_A_NUMBER", "write a number"),
        Refusal::OutOfRange => ("VALUE_REFUSED", "write a number that the kernel accepts"),
        Refusal::ReadOnly => ("VALUE_REFUSED", "take the line out"),
    };
    let (place, key, why) = (shown(from), conf::dotted(path), why.text());
    Finding::new(
        id,
        Critical,
        format!("{place}: {key} = {value:?}: {why}; it keeps {kept}"),
        "a value that the kernel refuses changes nothing",
        remedy,
    )
}

fn uncertain(setting: &Assigned) -> Option<Finding> {
    let Assigned { key, value, note: Some(why), counts: true, .. } = setting else { return None };
    Some(Finding::info(
        "VALUE_UNCERTAIN",
        format!("{}: what {key} = {value:?} does is not known", setting.place()),
        why,
        "write a number that every kernel accepts, and the name of the setting, not a pattern",
    ))
}

/// Whether a setting has the value that a file says.
fn drift(setting: &Assigned) -> Option<Finding> {
    let Assigned { key, live, number, from: (file, _), .. } = setting;
    let (live, wanted) = ((*live)?, (*number)?);
    // Forwarding as a whole, whenever it changes, sets that of each interface.
    if live == wanted || key.starts_with("net.ipv4.conf.") {
        return None;
    }
    if live > wanted && (key.ends_with("nf_conntrack_max") || key.ends_with("nf_conntrack_buckets"))
    {
        let finding = Finding::info(
            "RAISED",
            format!("{key} is {live}, more than the {wanted} of {file}"),
            "somebody raises it after boot: kube-proxy does, and never lowers it",
            "nothing, or write into the file what you want it to be",
        );
        return Some(finding.source("kubernetes, cmd/kube-proxy/app/conntrack.go"));
    }
    let forwarding = key.ends_with("forward") || key.ends_with("forwarding");
    let (why, remedy) = if forwarding {
        (
            "the file was not applied, or somebody has set it since: docker turns it on when it starts",
            "make the file say what this machine needs: the next boot applies it",
        )
    } else {
        (
            "the file was not applied, or somebody has set it since",
            "apply the files again, and see whether it lasts until the next boot",
        )
    };
    let seen = format!("{key} is {live}, and {file} says {wanted}");
    // To turn forwarding off because a file says so may cut containers off.
    let command =
        (!forwarding || wanted != 0).then(|| format!("sysctl -w {}={wanted}", quoted(key)));
    Some(Finding::warning("DRIFT", seen, why, remedy).commands(command))
}

/// `/etc/sysctl.conf` is read at boot only through a link.
fn unread(root: &Root, settings: &[Assigned], findings: &mut Vec<Finding>) {
    const FILE: &str = "/etc/sysctl.conf";
    let own = root.resolve(FILE).ok();
    if root.configuration("sysctl.d").iter().any(|file| root.resolve(file).ok() == own) {
        return;
    }
    let (lines, _) = conf::parse(&root.read(FILE).unwrap_or_default());
    for line in lines.iter().filter(|line| line.value.is_some() && is_ours(&line.key)) {
        let path = setting_of(&line.key);
        if settings.iter().any(|setting| setting.path == path) {
            continue;
        }
        let (line, key) = (line.line, conf::dotted(path));
        let finding = Finding::critical(
            "NOT_READ_AT_BOOT",
            format!("{FILE}, line {line}, sets {key}; systemd does not read that file"),
            "it works with sysctl -p, and is gone after a boot",
            "move it to /etc/sysctl.d",
        );
        findings
            .push(finding.source(
                "sysctl.d(5); Debian 13 has no link /etc/sysctl.d/99-sysctl.conf any more",
            ));
    }
}

/// Whether there are buckets for as many entries as the limit allows.
fn sizes(root: &Root, settings: &[Assigned], module: Module, findings: &mut Vec<Finding>) {
    let live = |name: &str| -> Option<u64> {
        root.text(&format!("/proc/sys/net/netfilter/{name}")).ok()?.trim().parse().ok()
    };
    let set = |name: &str| -> Option<u64> {
        let setting = settings.iter().find(|setting| setting.key.ends_with(name))?;
        setting.number.and_then(|number| u64::try_from(number).ok())
    };
    let given = module::hashsize(root);
    let max = set("nf_conntrack_max");
    if let (Some((file, hashsize)), None) = (&given, max) {
        let max = sizing::with_hashsize(*hashsize).max;
        let finding = Finding::info(
            "HASHSIZE_SETS_MAX",
            format!("{file} says hashsize={hashsize}, which makes nf_conntrack_max {max} at boot"),
            "a hashsize that is given makes the limit eight times as many entries",
            "set nf_conntrack_max in sysctl.d, too, if that is not what you want",
        );
        findings.push(finding.source("nf_conntrack_init_start: max_factor = 8"));
    }
    let buckets = set("nf_conntrack_buckets").or(given.map(|(_, size)| size));
    let buckets = buckets.or_else(|| live("nf_conntrack_buckets"));
    let max = max.or_else(|| live("nf_conntrack_max"));
    // Without a release nothing newer can be presumed than what everybody has by now.
    let release = root.text("/proc/sys/kernel/osrelease").unwrap_or_default();
    let kernel = release.trim().parse().unwrap_or(Version::new(5, 15));
    let sizes = max.zip(buckets).map(|(max, buckets)| Sizes { max, buckets });
    findings.extend(sizes.and_then(|sizes| too_few_buckets(kernel, sizes, module)));
}

/// What is wrong with these sizes together, if anything is.
pub(crate) fn too_few_buckets(kernel: Version, sizes: Sizes, module: Module) -> Option<Finding> {
    let Sizes { max, buckets } = sizes;
    let (load, capacity) = (sizing::load(max, buckets), sizing::capacity(kernel, sizes));
    if max == 0 || load <= 8.0 {
        return None;
    }
    let (severity, limited) = if capacity < max {
        (Critical, format!("; entries are refused from about {capacity} on"))
    } else {
        (Warning, String::new())
    };
    let (least, good) = (sizing::rounded(max.div_ceil(12)), sizing::rounded(max));
    let lasting = match module {
        Module::BuiltIn => format!("# kernel command line: nf_conntrack.hashsize={good}"),
        _ => format!(
            "printf '\\noptions nf_conntrack hashsize={good}\\n' >> /etc/modprobe.d/nf_conntrack.conf"
        ),
    };
    let finding = Finding::new(
        "MAX_WITHOUT_BUCKETS",
        severity,
        format!(
            "nf_conntrack_max is {max} with {buckets} buckets: chains of {load:.0} when it is full{limited}"
        ),
        if kernel >= Version::new(5, 15) {
            "every packet searches a chain, and since Linux 5.15 an entry is refused when its chain \
             is too long (chaintoolong), long before the limit"
        } else {
            "every packet searches a chain: a long one makes all of them slow"
        },
        format!(
            "{good} buckets make chains of 2; {least} are the least that hold {max} entries. A change at \
             run time makes packets wait: do it off-peak"
        ),
    )
    .commands([sizing::set_buckets(kernel, good), lasting])
    .source("commits d532bcd0b269, d7e7747ac5c2 and c77737b736ce; measured on Linux 6.18");
    Some(finding)
}
