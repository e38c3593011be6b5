//! What the kernel's log says about tracking.

use std::io::{self, BufRead, Read};

use super::facts::Facts;
use crate::finding::{Finding, Severity};
use crate::kernel::Version;

/// What a line of the log is about.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum LogKind {
    /// `nf_conntrack: table full, dropping packet`; in the network namespace with this inode, if it
    /// is not the initial one.
    TableFull(Option<u64>),
    /// `nf_conntrack: falling back to vmalloc`: a namespace was made on a kernel up to 4.2.
    Vmalloc,
    /// `IPVS: Creating netns`: a namespace was made.
    NamespaceMade,
    /// A unit was started, in a log that has such lines.
    UnitStarted(String),
}

/// A line of the log that is about tracking.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct LogEvent {
    /// When, in seconds from some moment that is the same for all lines of a log; `None` where the
    /// line does not say.
    pub at: Option<f64>,
    /// What.
    pub kind: LogKind,
}

/// What the log says, and how many lines there were.
#[derive(Debug, Clone, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct LogFacts {
    /// Lines looked at.
    pub lines: u64,
    /// The last events, at most 10,000.
    pub events: Vec<LogEvent>,
}

/// Bytes of a line that are looked at.
const LINE: u64 = 4096;

/// Namespaces that a finding names.
const NAMED: usize = 3;

/// Events that are kept.
const EVENTS: usize = 10_000;

impl LogFacts {
    /// Reads a log: what `dmesg` or `journalctl` prints, a syslog file, or `/dev/kmsg`.
    ///
    /// Takes it as it comes, so that its size does not matter; bytes that are no text are passed over.
    ///
    /// # Errors
    ///
    /// That of the reader, but for one that has no more for now, which is its end.
    pub fn read(mut log: impl BufRead) -> io::Result<Self> {
        let mut facts = Self::default();
        let mut line = Vec::new();
        loop {
            line.clear();
            match (&mut log).take(LINE).read_until(b'\n', &mut line) {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                // Lines that were overwritten meanwhile.
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => continue,
                Err(error) => return Err(error),
            }
            facts.lines += 1;
            if let Some(event) = event(&String::from_utf8_lossy(&line)) {
                if facts.events.len() == EVENTS {
                    facts.events.drain(..EVENTS / 2);
                }
                facts.events.push(event);
            }
        }
        Ok(facts)
    }

    fn count(&self, is: impl Fn(&LogKind) -> bool) -> usize {
        self.events.iter().filter(|event| is(&event.kind)).count()
    }
}

fn event(line: &str) -> Option<LogEvent> {
    let kind = if let Some((_, rest)) = line.split_once("nf_conntrack: table full") {
        let inode = rest
            .split_once("in netns ")
            .and_then(|(_, rest)| rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok());
        LogKind::TableFull(inode)
    } else if line.contains("nf_conntrack: falling back to vmalloc") {
        LogKind::Vmalloc
    } else if line.contains("IPVS: Creating netns") {
        LogKind::NamespaceMade
    } else {
        LogKind::UnitStarted(unit(line)?)
    };
    Some(LogEvent { at: moment(line), kind })
}

/// The unit that a line of the journal says was started.
fn unit(line: &str) -> Option<String> {
    let named = |rest: &str| {
        let name: String =
            rest.chars().take_while(|c| c.is_alphanumeric() || "-_.@:\\".contains(*c)).collect();
        name.ends_with(".service").then_some(name)
    };
    if let Some((_, rest)) = line.split_once("unit='") {
        return named(rest);
    }
    let (_, rest) = line.split_once("systemd[1]: Start")?;
    rest.split_whitespace().find_map(named)
}

/// The moment of a line: `[12.5]` of `dmesg`, `6,1,12500000,-;` of `/dev/kmsg`, or `Nov 21 08:00:00`
/// of a syslog, whose months are left out.
fn moment(line: &str) -> Option<f64> {
    if let Some(rest) = line.strip_prefix('[') {
        return rest.split(']').next()?.trim().parse().ok();
    }
    let head = line.split_once(';').map(|(head, _)| head);
    let microseconds = head.and_then(|head| head.split(',').nth(2)?.parse::<f64>().ok());
    if let Some(microseconds) = microseconds {
        return Some(microseconds / 1e6);
    }
    let mut words = line.split_whitespace().skip(1);
    let day: f64 = words.next()?.parse().ok()?;
    let mut clock = words.next()?.split(':').map(|part| part.parse::<f64>().ok());
    let (hours, minutes, seconds) = (clock.next()??, clock.next()??, clock.next()??);
    Some(day * 86_400.0 + hours * 3600.0 + minutes * 60.0 + seconds)
}

pub(super) fn judge(facts: &Facts, findings: &mut Vec<Finding>) {
    let Some(log) = &facts.log else { return };
    full(facts, log, findings);
    churn(facts, log, findings);
}

fn full(facts: &Facts, log: &LogFacts, findings: &mut Vec<Finding>) {
    let inode = |event: &LogEvent| match event.kind {
        LogKind::TableFull(inode) => Some(inode),
        _ => None,
    };
    let lines: Vec<_> = log.events.iter().filter_map(inode).collect();
    if lines.is_empty() {
        return;
    }
    let mut names: Vec<_> = lines
        .iter()
        .map(|inode| match inode {
            None => "the initial network namespace".to_owned(),
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
    let elsewhere = lines.iter().flatten().find(|inode| facts.namespace != Some(**inode));
    let mut finding = Finding::new(
        "LOG_TABLE_FULL",
        Severity::Info,
        format!("the log has {} lines of a full table, of {}", lines.len(), names.join(", ")),
        "each line may stand for many packets: they are rate limited",
        "see whether it is full now; a namespace is found by its inode",
    );
    if let Some(inode) = elsewhere {
        finding = finding.command(format!("lsns -t net | grep {inode}"));
    }
    findings
        .push(finding.source("commit aa5840167780: newer kernels name the namespace by its inode"));
}

/// Namespaces that are made again and again.
fn churn(facts: &Facts, log: &LogFacts, findings: &mut Vec<Finding>) {
    let made = log.count(|kind| matches!(kind, LogKind::Vmalloc | LogKind::NamespaceMade));
    let vmalloc = log.count(|kind| *kind == LogKind::Vmalloc);
    if made < 4 {
        return;
    }
    // Lines of one moment are one namespace.
    let mut moments: Vec<f64> = Vec::new();
    for event in &log.events {
        let is_it = matches!(event.kind, LogKind::Vmalloc | LogKind::NamespaceMade);
        let later = |at: &f64| moments.last().is_none_or(|last| at - last > 5.0);
        moments.extend(event.at.filter(|at| is_it && later(at)));
    }
    let mut gaps: Vec<f64> =
        moments.windows(2).filter_map(|pair| Some(pair.get(1)? - pair.first()?)).collect();
    gaps.sort_by(f64::total_cmp);
    let period = gaps.get(gaps.len() / 2).map(|gap| format!(", about every {gap:.0} s"));
    let culprit = culprit(log, &moments);
    let by = culprit.as_ref().map(|unit| format!(", each time after {unit} was started"));
    let old = facts.kernel.is_none_or(|kernel| kernel < Version::new(4, 3));
    let why = if vmalloc > 0 && old {
        "up to Linux 4.2 every namespace has a hash table of its own, and says so when its memory is \
         in pieces; the noise pushes other lines out of the log"
    } else {
        "every namespace that goes away walks the whole hash table; with many buckets that costs"
    };
    let mut finding = Finding::new(
        "NAMESPACES_COME_AND_GO",
        Severity::Warning,
        format!(
            "the log has {made} lines of network namespaces being made{}{}",
            period.unwrap_or_default(),
            by.unwrap_or_default()
        ),
        why,
        "find out who makes them: a unit with PrivateNetwork=yes that is started again and again, \
         often by hostnamectl in a cron job",
    )
    .command("grep -rl PrivateNetwork=yes /usr/lib/systemd/system /etc/systemd/system");
    if let Some(unit) = culprit {
        finding = finding.command(format!("systemctl cat {unit}"));
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

/// The unit that was started within two seconds before most of these moments.
fn culprit(log: &LogFacts, moments: &[f64]) -> Option<String> {
    let mut starts: Vec<(&str, usize)> = Vec::new();
    for moment in moments {
        let near =
            |event: &&LogEvent| event.at.is_some_and(|at| at <= moment + 1.0 && moment - at <= 2.0);
        let mut units: Vec<&str> = log
            .events
            .iter()
            .filter(near)
            .filter_map(|event| match &event.kind {
                LogKind::UnitStarted(unit) => Some(unit.as_str()),
                _ => None,
            })
            .collect();
        units.sort_unstable();
        units.dedup();
        for unit in units {
            match starts.iter_mut().find(|(name, _)| *name == unit) {
                Some((_, count)) => *count += 1,
                None => starts.push((unit, 1)),
            }
        }
    }
    let (unit, count) = starts.into_iter().max_by_key(|(_, count)| *count)?;
    (count * 2 > moments.len()).then(|| unit.to_owned())
}
