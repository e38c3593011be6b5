//! What the kernel's log says about tracking.

use std::collections::VecDeque;
use std::io::{self, BufRead, Read};

use super::clock::Clock;

/// What a line of the log is about.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum LogKind {
    /// `nf_conntrack: table full, dropping packet`, in the network namespace with this inode, if the line names one.
    /// Since Linux 6.17 it names every namespace except the initial one. Earlier kernels name none.
    TableFull(Option<u64>),
    /// `nf_conntrack: falling back to vmalloc`: a namespace was made on a kernel up to 4.2.
    Vmalloc,
    /// `IPVS: Creating netns`: a namespace was made.
    NamespaceMade,
    /// A unit was started at about the time that a namespace was made: its name, or its description where the log has
    /// that alone.
    UnitStarted(String),
}

/// A line of the log that is about tracking.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct LogEvent {
    /// Its time, in seconds since a moment that is the same for all lines of a log; `None` where the line does not say.
    /// The text forms of `dmesg`, `journalctl` and syslog are read, even a time without a date.
    pub at: Option<f64>,
    /// What it says.
    pub kind: LogKind,
}

/// What a log says about tracking.
#[derive(Debug, Clone, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct LogFacts {
    /// Lines that were read.
    pub lines: u64,
    /// The last events, at most 10,000.
    pub events: Vec<LogEvent>,
}

/// Bytes of a line that are looked at.
const LINE: u64 = 4096;

/// Events that are kept.
const EVENTS: usize = 10_000;

/// Starts of units that are remembered until a namespace is made.
const STARTS: usize = 64;

/// Seconds at most between the start of a unit and of a namespace that it makes.
const NEAR: f64 = 5.0;

/// Characters of a description.
const DESCRIPTION: usize = 80;

impl LogFacts {
    /// Reads a log: what `dmesg` or `journalctl` prints, a syslog file, or `/dev/kmsg`.
    ///
    /// Its size does not matter, since no more than a line is kept. Bytes that are not UTF-8 do no harm.
    ///
    /// # Errors
    ///
    /// That of the reader. `WouldBlock` is no error: it is the end.
    pub fn read(mut log: impl BufRead) -> io::Result<Self> {
        let mut facts = Self::default();
        let (mut line, mut clock) = (Vec::new(), Clock::default());
        // Most starts have nothing to do with a namespace, and would push out what has.
        let mut starts: VecDeque<LogEvent> = VecDeque::new();
        let mut made: Option<f64> = None;
        loop {
            line.clear();
            match (&mut log).take(LINE).read_until(b'\n', &mut line) {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                // Some lines were overwritten meanwhile.
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => continue,
                Err(error) => return Err(error),
            }
            facts.lines += 1;
            let text = String::from_utf8_lossy(&line);
            // Of every line, since a date that is left out is that of the lines before.
            let at = clock.read(&text);
            let Some(kind) = kind(&text) else { continue };
            let event = LogEvent { at, kind };
            let near = |other: Option<f64>| {
                at.zip(other).is_some_and(|(at, other)| (at - other).abs() <= NEAR)
            };
            match &event.kind {
                LogKind::UnitStarted(_) if !near(made) => {
                    starts.truncate(STARTS - 1);
                    starts.push_front(event);
                }
                LogKind::NamespaceMade | LogKind::Vmalloc => {
                    made = at;
                    let before = std::mem::take(&mut starts).into_iter().rev();
                    before.filter(|start| near(start.at)).for_each(|start| facts.push(start));
                    facts.push(event);
                }
                _ => facts.push(event),
            }
        }
        Ok(facts)
    }

    fn push(&mut self, event: LogEvent) {
        if self.events.len() == EVENTS {
            self.events.drain(..EVENTS / 2);
        }
        self.events.push(event);
    }
}

fn kind(line: &str) -> Option<LogKind> {
    if let Some((_, rest)) = line.split_once("nf_conntrack: table full") {
        let inode = rest
            .split_once("in netns ")
            .and_then(|(_, rest)| rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok());
        Some(LogKind::TableFull(inode))
    } else if line.contains("nf_conntrack: falling back to vmalloc") {
        Some(LogKind::Vmalloc)
    } else if line.contains("IPVS: Creating netns") {
        Some(LogKind::NamespaceMade)
    } else {
        unit(line).map(LogKind::UnitStarted)
    }
}

/// The unit that a line of the journal says is started: by name, or else by description.
fn unit(line: &str) -> Option<String> {
    /// What systemd says of a unit, behind its name, when it starts it; most of it to who asks for more.
    const STARTS: [&str; 5] =
        ["Scheduled restart", "About to execute", "Forked ", "-> start", "/start"];
    if let Some((before, rest)) = line.split_once("unit='") {
        return named(rest).filter(|_| before.contains("Activating"));
    }
    let (_, said) = line.split_once("systemd[1]: ").or_else(|| line.split_once(" systemd: "))?;
    let begun = said.strip_prefix("Starting ").or_else(|| said.strip_prefix("Started "));
    let Some(begun) = begun else {
        let (_, about) = said.split_once(": ")?;
        return named(said).filter(|_| STARTS.iter().any(|start| about.contains(start)));
    };
    // `Hostname Service...`, and since systemd 252 `systemd-hostnamed.service - Hostname Service...`.
    if let Some(unit) = named(begun) {
        return Some(unit);
    }
    let description = begun.trim().trim_end_matches('.').trim_end();
    let plain = description.chars().filter(|c| !c.is_control()).take(DESCRIPTION);
    let plain: String = plain.collect();
    (!plain.is_empty()).then_some(plain)
}

/// The name of a service that a text begins with.
pub(super) fn named(text: &str) -> Option<String> {
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && !"-_.@:\\".contains(c));
    let name = text.get(..end.unwrap_or(text.len()))?.trim_end_matches(['.', ':']);
    let plain = name.starts_with(|c: char| c.is_ascii_alphanumeric());
    (plain && name.ends_with(".service")).then(|| name.to_owned())
}
