//! The facts of this machine.

use std::fs;
use std::io::BufReader;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::counted::counters;
use super::facts::{Facts, Interface, Unseen};
use super::flows::FlowFacts;
use super::interfaces::interfaces;
use super::log::LogFacts;
use super::namespaces::namespaces;
use super::rules::Rules;
use super::units::creators;
use crate::error;
use crate::operate::persist;
use crate::operate::tune::Settings;
use crate::table::Reader;

/// Where facts are from.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Sources {
    /// The root of the files: `/`, or a copy of a machine.
    pub root: PathBuf,
    /// The kernel's log; `/dev/kmsg` by default.
    pub log: PathBuf,
    /// The packet filter's rules as text, or why there are none. The caller may run other programs to get them; this
    /// crate does not.
    pub rules: Result<String, String>,
    /// Between the two looks at counters.
    pub interval: Duration,
}

impl Default for Sources {
    fn default() -> Self {
        Self {
            root: "/".into(),
            log: "/dev/kmsg".into(),
            rules: Err("none were given".to_owned()),
            interval: Duration::from_secs(1),
        }
    }
}

const RIGHT: &str = "run it as root";
const RULES: &str = "run it as root in that namespace, or give what `nft list ruleset` prints";
const LOG: &str = "run it as root, or give what `journalctl -k` prints";

impl Facts {
    /// What the files say, without asking the kernel for its table: the facts of a copy of a machine.
    pub fn of_files(sources: &Sources) -> Self {
        let mut facts = Self::default();
        facts.read_files(sources);
        for unseen in &mut facts.unseen {
            *unseen = Unseen::absent(std::mem::take(&mut unseen.what));
        }
        facts
    }

    /// What everybody may see of this machine and the caller's network namespace, whose settings are `settings`: how
    /// many entries there are and may be, the counters, settings and files, but no entry. What is missing is in
    /// [`unseen`](Self::unseen).
    ///
    /// # Cost
    ///
    /// The interval, and some files.
    pub fn gather_unprivileged(settings: &Settings, sources: &Sources) -> Self {
        let mut facts = Self::default();
        let number = |name: &str| u64::try_from(settings.get(name).ok()?.value).ok();
        let start = Instant::now();
        let (before, first) = (number("count"), counters(&sources.root));
        facts.read_files(sources);
        std::thread::sleep(sources.interval.saturating_sub(start.elapsed()));
        let (after, second) = (number("count"), counters(&sources.root));
        let signed = |count: Option<u64>| count.and_then(|count| i64::try_from(count).ok());
        facts.growth = signed(before)
            .zip(signed(after))
            .map(|(before, after)| (after - before, start.elapsed()));
        facts.recent = first.zip(second.as_ref()).map(|(first, second)| second.since(&first));
        facts.counters = second.map(|counters| counters.sum());
        if facts.counters.is_none() {
            facts.unseen.push(Unseen::wanted("counters: this kernel does not show them", RIGHT));
        }
        (facts.entries, facts.max) = (after, number("max"));
        facts.buckets = number("buckets");
        facts.read_settings(settings);
        facts
    }

    fn read_settings(&mut self, settings: &Settings) {
        match settings.all() {
            Ok(all) => {
                self.settings =
                    all.into_iter().map(|setting| (setting.name, setting.value)).collect();
            }
            Err(error) => self.unseen.push(Unseen::wanted("settings", error.to_string())),
        }
    }

    /// Everything there is to know of this machine and the network namespace of `table`, whose
    /// settings are `settings`.
    ///
    /// What the caller may not see is told in [`unseen`](Self::unseen), and is no error.
    ///
    /// # Errors
    ///
    /// Those of the table's own requests.
    ///
    /// # Cost
    ///
    /// One dump, the interval, and some files. A table that is empty is not dumped.
    pub fn gather(
        table: &mut Reader,
        settings: &Settings,
        sources: &Sources,
    ) -> error::Result<Self> {
        let mut facts = Self::default();
        let start = Instant::now();
        let (before, counters) = (table.limits()?, table.stats()?);
        if before.entries > 0 {
            let scans = table.scan_all(&FlowFacts::queries())?;
            let reports: Vec<_> = scans.into_iter().map(|scan| scan.report).collect();
            facts.flows = FlowFacts::of(&reports);
        }
        facts.read_files(sources);
        std::thread::sleep(sources.interval.saturating_sub(start.elapsed()));
        let (after, later) = (table.limits()?, table.stats()?);
        facts.entries = Some(after.entries.into());
        facts.max = after.max.map(u64::from);
        facts.growth =
            Some((i64::from(after.entries) - i64::from(before.entries), start.elapsed()));
        facts.recent = Some(later.since(&counters));
        facts.counters = Some(later.sum());
        facts.buckets = Reader::buckets().map(u64::from);
        facts.read_settings(settings);
        Ok(facts)
    }

    fn read_files(&mut self, sources: &Sources) {
        let root = &sources.root;
        let text = |path: &str| fs::read_to_string(root.join(path)).ok();
        let number = |path: &str| text(path).and_then(|text| text.trim().parse().ok());
        self.kernel = text("proc/sys/kernel/osrelease").and_then(|text| text.trim().parse().ok());
        self.keepalive = number("proc/sys/net/ipv4/tcp_keepalive_time");
        self.ip_forward = number("proc/sys/net/ipv4/ip_forward");
        self.default_forward = number("proc/sys/net/ipv4/conf/default/forwarding");
        self.ipv6_forward = number("proc/sys/net/ipv6/conf/all/forwarding");
        self.interfaces = interfaces(root);
        self.namespace =
            fs::metadata(root.join("proc/thread-self/ns/net")).ok().map(|file| file.ino());
        self.sockets = text("proc/net/sockstat").as_deref().and_then(sockets);
        let bridges = |all: &Vec<Interface>| all.iter().any(|interface| interface.bridge);
        self.bridges = self.interfaces.as_ref().map(bridges);
        self.ebpf = Some(root.join("sys/class/net/cilium_host").exists());
        let programs = programs(&root.join("proc"));
        self.kube_proxy =
            programs.as_ref().map(|names| names.iter().any(|name| name == "kube-proxy"));
        self.docker = programs.as_ref().map(|names| names.iter().any(|name| name == "dockerd"));
        self.audit = Some(persist::audit(root));
        match &sources.rules {
            Ok(text) => self.rules = Some(Rules::parse(text)),
            Err(why) => {
                let what = format!("the packet filter's rules: {why}");
                self.unseen.push(Unseen::wanted(what, RULES));
            }
        }
        let found = namespaces(root.join("proc")).found;
        self.owners = found.into_iter().map(|found| (found.inode, found.owner())).collect();
        match read_log(&sources.log) {
            Ok(log) => {
                self.creators = (!log.events.is_empty()).then(|| creators(root));
                self.log = Some(log);
            }
            Err(error) => {
                let what = format!("the kernel's log, {}: {error}", sources.log.display());
                self.unseen.push(Unseen::wanted(what, LOG));
            }
        }
    }
}

/// Sockets in use.
fn sockets(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("sockets: used "))?;
    line.trim().parse().ok()
}

fn entries(directory: &Path) -> Option<Vec<String>> {
    let files = fs::read_dir(directory).ok()?;
    Some(files.filter_map(|file| file.ok()?.file_name().into_string().ok()).collect())
}

/// The names of all programs that run.
fn programs(proc: &Path) -> Option<Vec<String>> {
    let numbers = entries(proc)?.into_iter().filter(|name| name.parse::<u32>().is_ok());
    let name = |number: String| fs::read_to_string(proc.join(number).join("comm")).ok();
    Some(numbers.filter_map(name).map(|name| name.trim().to_owned()).collect())
}

fn read_log(path: &Path) -> std::io::Result<LogFacts> {
    // What is there, without waiting for more.
    let nonblocking = rustix::fs::OFlags::NONBLOCK.bits();
    let flags = i32::try_from(nonblocking).unwrap_or_default();
    let file = fs::OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    if file.metadata()?.is_dir() {
        return Err(std::io::Error::other("it is a directory"));
    }
    LogFacts::read(BufReader::with_capacity(64 * 1024, file))
}
