//! What the kernel's log shows: full tables, and namespaces that are made again and again.

use std::collections::BTreeSet;

use super::facts::Facts;
use super::log::{LogFacts, LogKind, named};
use super::units::{PrivateNetworkUnit, well_known};
use crate::kernel::Version;
use crate::operate::finding::Finding;
use crate::operate::finding::Severity::{Info, Warning};

/// Namespaces that a finding names.
const NAMED: usize = 3;

/// Kernels from this one on name the namespace, unless it is the initial one: commit aa5840167780.
const NAMES: Version = Version::new(6, 17);

/// Seconds within which lines are about one namespace.
const TOGETHER: f64 = 5.0;

/// How often makes a habit.
const HABIT: usize = 3;

/// Seconds between two of them beyond which it does no harm.
const SELDOM: f64 = 3600.0;

pub(super) fn judge(facts: &Facts, findings: &mut Vec<Finding>) {
    if let Some(log) = &facts.log {
        findings.extend(table_full(facts, log));
        churn(facts, log, findings);
    }
}

/// `1 line`, `3 lines`.
fn lines(count: usize) -> String {
    format!("{count} line{}", if count == 1 { "" } else { "s" })
}

fn table_full(facts: &Facts, log: &LogFacts) -> Option<Finding> {
    let inodes = log.events.iter().filter_map(|event| match event.kind {
        LogKind::TableFull(inode) => Some(inode),
        _ => None,
    });
    let found: Vec<_> = inodes.collect();
    if found.is_empty() {
        return None;
    }
    // A kernel that names namespaces leaves out the initial one alone.
    let names_others =
        found.iter().any(Option::is_some) || facts.kernel.is_some_and(|kernel| kernel >= NAMES);
    let name = |inode: &Option<u64>| match inode {
        None if names_others => "the initial network namespace".to_owned(),
        None => "a network namespace that the log does not name".to_owned(),
        Some(inode) if facts.namespace == Some(*inode) => format!("this one, netns {inode}"),
        Some(inode) => {
            let owner = facts.owners.iter().find(|(of, _)| of == inode);
            let owner = owner.map(|(_, owner)| format!(" ({owner})"));
            format!("netns {inode}{}", owner.unwrap_or_default())
        }
    };
    let names: BTreeSet<_> = found.iter().map(name).collect();
    let more = names.len().saturating_sub(NAMED);
    let more = (more > 0).then(|| format!("{more} more"));
    let names: Vec<_> = names.into_iter().take(NAMED).chain(more).collect();
    let finding = Finding::info(
        "LOG_TABLE_FULL",
        format!("the log has {} of a full table, of {}", lines(found.len()), names.join(", ")),
        "each line may stand for many packets: the kernel limits how often it logs them",
        if names_others {
            "see whether it is full now; the inode says which namespace it is"
        } else {
            "see whether one is full now: kernels before 6.17 do not say which, and containers have their own"
        },
    );
    let elsewhere = found.iter().flatten().any(|inode| facts.namespace != Some(*inode));
    let list = (elsewhere || !names_others).then(|| "netns list".to_owned());
    let source = "commit aa5840167780 (6.17): the log names the namespace by its inode";
    Some(finding.commands(list).source(source))
}

/// Namespaces that are made again and again.
fn churn(facts: &Facts, log: &LogFacts, findings: &mut Vec<Finding>) {
    let is_made = |kind: &LogKind| matches!(kind, LogKind::Vmalloc | LogKind::NamespaceMade);
    let made = log.events.iter().filter(|event| is_made(&event.kind));
    let (timed, untimed): (Vec<_>, Vec<_>) = made.partition(|event| event.at.is_some());
    let moments = moments(timed.iter().filter_map(|event| event.at).collect());
    if moments.len() < HABIT && untimed.len() <= HABIT {
        return;
    }
    let mut gaps: Vec<f64> =
        moments.windows(2).filter_map(|pair| Some(pair.get(1)? - pair.first()?)).collect();
    gaps.sort_by(f64::total_cmp);
    let gap = gaps.get(gaps.len() / 2).copied();
    let how_often = match gap {
        Some(gap) => format!("{} times, about every {}", moments.len(), period(gap)),
        None => format!("{} that say so", lines(untimed.len())),
    };
    let known = well_known();
    let units = facts.private_network_units.as_deref().filter(|units| !units.is_empty());
    let culprit = culprit(log, &moments, units.unwrap_or(&known));
    let by = culprit.as_ref().map(|culprit| culprit.describe(moments.len())).unwrap_or_default();
    let vmalloc = log.events.iter().any(|event| event.kind == LogKind::Vmalloc);
    let old = facts.kernel.is_none_or(|kernel| kernel < Version::new(4, 3));
    let why = if vmalloc && old {
        "up to Linux 4.2 every namespace has a hash table of its own, and says so when its memory is \
         in pieces; the noise pushes other lines out of the log"
    } else {
        "every namespace that goes away walks the whole hash table; with many buckets that costs"
    };
    let unit = culprit.as_ref().and_then(|culprit| culprit.unit.as_deref());
    let remedy = match (unit, culprit.as_ref().is_some_and(|culprit| culprit.private)) {
        (Some(unit), true) => {
            format!("find out who starts {unit} again and again: often hostnamectl in a cron job")
        }
        (Some(unit), false) => format!(
            "find out who starts {unit} again and again, and whether it makes them \
             (PrivateNetwork=yes)"
        ),
        (None, _) => {
            "find out who makes them: a unit with PrivateNetwork=yes that is started again and \
                      again, often by hostnamectl in a cron job"
                .to_owned()
        }
    };
    let finding = Finding::new(
        "NAMESPACES_COME_AND_GO",
        if gap.is_some_and(|gap| gap > SELDOM) { Info } else { Warning },
        format!("network namespaces are made again and again: in the log {how_often}{by}"),
        why,
        remedy,
    );
    findings.push(
        finding
            .command("netns units")
            // In quotes, since a backslash stands for itself.
            .commands(unit.map(|unit| format!("systemctl cat '{unit}'")))
            .source("commits f0ad462189cc (4.3) and 56d52d4892d0 (4.7)"),
    );
    if vmalloc && !old {
        findings.push(Finding::info(
            "VMALLOC_OF_ANOTHER_KERNEL",
            "the log has lines of vmalloc that this kernel does not write",
            "since Linux 4.3 the message is gone: the log is of another kernel or machine",
            "look at the log of this boot",
        ));
    }
}

/// When namespaces were made. Lines that are close together are about one namespace.
fn moments(mut all: Vec<f64>) -> Vec<f64> {
    all.sort_by(f64::total_cmp);
    let mut moments: Vec<f64> = Vec::new();
    for at in all {
        if moments.last().is_none_or(|last| at - last > TOGETHER) {
            moments.push(at);
        }
    }
    moments
}

/// `30 s`, `2 minutes (115 s)`, `3 hours`.
fn period(seconds: f64) -> String {
    match seconds {
        seconds if seconds < 90.0 => format!("{seconds:.0} s"),
        seconds if seconds < 5400.0 => format!("{:.0} minutes ({seconds:.0} s)", seconds / 60.0),
        seconds if seconds < 172_800.0 => format!("{:.0} hours", seconds / 3600.0),
        seconds => format!("{:.0} days", seconds / 86_400.0),
    }
}

/// A unit that is started when namespaces are made.
struct Culprit<'l> {
    /// Its name, if it is one that can be typed.
    unit: Option<String>,
    /// What the log calls it.
    names: Vec<&'l String>,
    /// Whether its files, or systemd's own, say `PrivateNetwork=yes`.
    private: bool,
    /// The moments at which it was started.
    moments: BTreeSet<usize>,
}

impl Culprit<'_> {
    fn describe(&self, of: usize) -> String {
        let Self { unit, names, private, moments } = self;
        let others = names.iter().filter(|name| unit.as_ref() != Some(**name));
        let others: Vec<_> = others.map(|name| format!("\"{name}\"")).collect();
        let others = others.join(", ");
        let private = if *private { ", a unit with PrivateNetwork=yes," } else { "" };
        let who = match unit {
            None => others,
            Some(unit) if others.is_empty() => format!("{unit}{private}"),
            Some(unit) => format!("{unit} ({others} in the log){private}"),
        };
        let times = match moments.len() {
            times if times == of => "each time".to_owned(),
            times => format!("{times} times"),
        };
        format!(", {times} when {who} was started")
    }
}

/// The unit that was started at most of these moments: in the second of each, or the two before.
fn culprit<'l>(
    log: &'l LogFacts,
    moments: &[f64],
    units: &[PrivateNetworkUnit],
) -> Option<Culprit<'l>> {
    let mut found: Vec<Culprit<'_>> = Vec::new();
    for event in &log.events {
        let (LogKind::UnitStarted(name), Some(at)) = (&event.kind, event.at) else { continue };
        let is_near = |moment: f64| at <= moment + 1.0 && moment - at <= 2.0;
        let near = moments.iter().enumerate().filter(|(_, moment)| is_near(**moment));
        let near: Vec<_> = near.map(|(number, _)| number).collect();
        if near.is_empty() {
            continue;
        }
        let known = units.iter().find(|unit| unit.is_called(name));
        // No other text of a log goes into a command.
        let typed = || Some(name.clone()).filter(|name| named(name).as_ref() == Some(name));
        let unit = known.map(|known| known.unit.clone()).or_else(typed);
        let is_it =
            |of: &Culprit<'_>| of.unit == unit && (unit.is_some() || of.names.contains(&name));
        let place = found.iter().position(is_it).unwrap_or_else(|| {
            let (names, moments) = (Vec::new(), BTreeSet::new());
            found.push(Culprit { unit, names, private: known.is_some(), moments });
            found.len() - 1
        });
        let Some(of) = found.get_mut(place) else { continue };
        if !of.names.contains(&name) {
            of.names.push(name);
        }
        of.moments.extend(near);
    }
    let rank = |of: &Culprit<'_>| (of.moments.len(), of.private, of.unit.is_some());
    found.into_iter().max_by_key(rank).filter(|most| most.moments.len() * 2 > moments.len())
}
