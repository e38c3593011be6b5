//! What follows from the kernel's log.

use super::facts::Facts;
use super::log::{LogEvent, LogFacts, LogKind, named};
use super::units::{Creator, well_known};
use crate::kernel::Version;
use crate::operate::finding::{Finding, Severity};

/// Namespaces that a finding names.
const NAMED: usize = 3;

/// Kernels from this one on name the namespace, but for the initial one: commit aa5840167780.
const NAMES: Version = Version::new(6, 17);

/// Seconds within which lines are of one namespace.
const TOGETHER: f64 = 5.0;

/// Times that make a habit.
const HABIT: usize = 3;

/// Seconds beyond which it is a habit that hurts nobody.
const SELDOM: f64 = 3600.0;

pub(super) fn judge(facts: &Facts, findings: &mut Vec<Finding>) {
    let Some(log) = &facts.log else { return };
    full(facts, log, findings);
    churn(facts, log, findings);
}

/// `1 line`, `3 lines`.
fn lines(count: usize) -> String {
    format!("{count} line{}", if count == 1 { "" } else { "s" })
}

fn full(facts: &Facts, log: &LogFacts, findings: &mut Vec<Finding>) {
    let inode = |event: &LogEvent| match event.kind {
        LogKind::TableFull(inode) => Some(inode),
        _ => None,
    };
    let found: Vec<_> = log.events.iter().filter_map(inode).collect();
    if found.is_empty() {
        return;
    }
    // A kernel that names others leaves out the initial one alone.
    let names_others =
        found.iter().any(Option::is_some) || facts.kernel.is_some_and(|kernel| kernel >= NAMES);
    let mut names: Vec<_> = found
        .iter()
        .map(|inode| match inode {
            None if names_others => "the initial network namespace".to_owned(),
            None => "a network namespace that the log does not name".to_owned(),
            Some(inode) if facts.namespace == Some(*inode) => format!("this one, netns {inode}"),
            Some(inode) => {
                let owner = facts.owners.iter().find(|(of, _)| of == inode);
                let owner = owner.map(|(_, owner)| format!(" ({owner})"));
                format!("netns {inode}{}", owner.unwrap_or_default())
            }
        })
        .collect();
    names.sort();
    names.dedup();
    if names.len() > NAMED {
        let more = names.len() - NAMED;
        names.truncate(NAMED);
        names.push(format!("{more} more"));
    }
    let elsewhere = found.iter().flatten().any(|inode| facts.namespace != Some(*inode));
    let mut finding = Finding::new(
        "LOG_TABLE_FULL",
        Severity::Info,
        format!("the log has {} of a full table, of {}", lines(found.len()), names.join(", ")),
        "each line may stand for many packets: the kernel limits how often it logs them",
        if names_others {
            "see whether it is full now; the inode says which namespace it is"
        } else {
            "see whether one is full now: kernels before 6.17 do not say which, and containers have their own"
        },
    );
    if elsewhere || !names_others {
        finding = finding.command("netns list");
    }
    findings.push(
        finding.source("commit aa5840167780 (6.17): the log names the namespace by its inode"),
    );
}

/// Namespaces that are made again and again.
fn churn(facts: &Facts, log: &LogFacts, findings: &mut Vec<Finding>) {
    let is_made = |kind: &LogKind| matches!(kind, LogKind::Vmalloc | LogKind::NamespaceMade);
    let vmalloc = log.count(|kind| *kind == LogKind::Vmalloc);
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
    let creators = match &facts.creators {
        Some(creators) if !creators.is_empty() => creators.clone(),
        _ => well_known().to_vec(),
    };
    let culprit = culprit(log, &moments, &creators);
    let by = culprit.as_ref().map(|culprit| culprit.describe(moments.len())).unwrap_or_default();
    let old = facts.kernel.is_none_or(|kernel| kernel < Version::new(4, 3));
    let why = if vmalloc > 0 && old {
        "up to Linux 4.2 every namespace has a hash table of its own, and says so when its memory is \
         in pieces; the noise pushes other lines out of the log"
    } else {
        "every namespace that goes away walks the whole hash table; with many buckets that costs"
    };
    let severity = match gap {
        Some(gap) if gap > SELDOM => Severity::Info,
        _ => Severity::Warning,
    };
    let mut finding = Finding::new(
        "NAMESPACES_COME_AND_GO",
        severity,
        format!("network namespaces are made again and again: in the log {how_often}{by}"),
        why,
        match culprit.as_ref().and_then(|culprit| Some((culprit.unit.as_ref()?, culprit.private))) {
            Some((unit, true)) => {
                format!(
                    "find out who starts {unit} again and again: often hostnamectl in a cron job"
                )
            }
            Some((unit, false)) => format!(
                "find out who starts {unit} again and again, and whether it makes them \
                 (PrivateNetwork=yes)"
            ),
            None => {
                "find out who makes them: a unit with PrivateNetwork=yes that is started again and \
                     again, often by hostnamectl in a cron job"
                    .to_owned()
            }
        },
    )
    .command("netns units");
    if let Some(unit) = culprit.and_then(|culprit| culprit.unit) {
        // A backslash stands for itself.
        finding = finding.command(format!("systemctl cat '{unit}'"));
    }
    findings.push(finding.source("commits f0ad462189cc (4.3) and 56d52d4892d0 (4.7)"));
    if vmalloc > 0 && !old {
        findings.push(Finding::new(
            "VMALLOC_OF_ANOTHER_KERNEL",
            Severity::Info,
            "the log has lines of vmalloc that this kernel does not write",
            "since Linux 4.3 the message is gone: the log is of another kernel or machine",
            "look at the log of this boot",
        ));
    }
}

/// When namespaces were made; lines of one moment are of one namespace.
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

/// Who is started when namespaces are made.
struct Culprit {
    /// Its name, as one may type it.
    unit: Option<String>,
    /// What the log calls it.
    names: Vec<String>,
    /// Whether its files, or systemd's own, say `PrivateNetwork=yes`.
    private: bool,
    /// So many times.
    times: usize,
}

impl Culprit {
    fn describe(&self, of: usize) -> String {
        let Self { unit, names, private, times } = self;
        let quoted = |names: &[&String]| {
            let quoted: Vec<_> = names.iter().map(|name| format!("\"{name}\"")).collect();
            quoted.join(", ")
        };
        let who = match unit {
            Some(unit) => {
                let others: Vec<_> = names.iter().filter(|name| *name != unit).collect();
                let others = if others.is_empty() {
                    String::new()
                } else {
                    format!(" ({} in the log)", quoted(&others))
                };
                let private = if *private { ", a unit with PrivateNetwork=yes," } else { "" };
                format!("{unit}{others}{private}")
            }
            None => quoted(&names.iter().collect::<Vec<_>>()),
        };
        let times = if *times == of { "each time".to_owned() } else { format!("{times} times") };
        format!(", {times} when {who} was started")
    }
}

/// The unit that was started at most of these moments: in the second of each, or the two before.
fn culprit(log: &LogFacts, moments: &[f64], creators: &[Creator]) -> Option<Culprit> {
    let mut found: Vec<Culprit> = Vec::new();
    for moment in moments {
        let mut counted: Vec<usize> = Vec::new();
        for event in &log.events {
            let LogKind::UnitStarted(name) = &event.kind else { continue };
            if event.at.is_none_or(|at| at > moment + 1.0 || moment - at > 2.0) {
                continue;
            }
            let creator = creators.iter().find(|creator| creator.is_called(name));
            // Nothing else that a log says is typed.
            let named = Some(name).filter(|name| named(name).as_ref() == Some(name));
            let unit = creator.map(|creator| &creator.unit).or(named);
            let is_it = |of: &Culprit| match unit {
                Some(unit) => of.unit.as_ref() == Some(unit),
                None => of.unit.is_none() && of.names.contains(name),
            };
            let place = found.iter().position(is_it).unwrap_or_else(|| {
                let (unit, private) = (unit.cloned(), creator.is_some());
                found.push(Culprit { unit, names: Vec::new(), private, times: 0 });
                found.len() - 1
            });
            let Some(of) = found.get_mut(place) else { continue };
            if !of.names.contains(name) {
                of.names.push(name.clone());
            }
            if !counted.contains(&place) {
                counted.push(place);
                of.times += 1;
            }
        }
    }
    let most = found.into_iter().max_by_key(|of| (of.times, of.private, of.unit.is_some()))?;
    (most.times * 2 > moments.len()).then_some(most)
}
