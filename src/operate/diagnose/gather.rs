//! The facts of this machine.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::facts::{Facts, Unseen};
use super::flows::FlowFacts;
use super::log::LogFacts;
use super::namespaces::namespaces;
use super::proc;
use super::rules::Rules;
use super::units::private_network_units;
use crate::error;
use crate::kernel::stats::{Counter, Stats};
use crate::operate::persist;
use crate::operate::tune::Settings;
use crate::table::Reader;

/// Where facts are read from.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Sources {
    /// The root of the files: `/`, or that of a copy of a machine.
    pub root: PathBuf,
    /// The kernel's log; `/dev/kmsg` by default.
    pub log: PathBuf,
    /// The packet filter's rules as text, or why there are none. The caller may run programs to get them; this crate
    /// does not.
    pub rules: Result<String, String>,
    /// The time between the two looks at counters.
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
    /// What the files say, without a question to the kernel: the facts of a copy of a machine.
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
        let (before, first) = (number("count"), proc::counters(&sources.root));
        facts.read_files(sources);
        std::thread::sleep(sources.interval.saturating_sub(start.elapsed()));
        (facts.entries, facts.max) = (number("count"), number("max"));
        facts.buckets = number("buckets");
        facts.compare(before, first, proc::counters(&sources.root), start.elapsed());
        if facts.counters.is_none() {
            facts.unseen.push(Unseen::wanted("counters: this kernel does not show them", RIGHT));
        }
        facts.read_settings(settings);
        facts
    }

    /// Everything there is to know of this machine and the network namespace of `table`, whose
    /// settings are `settings`.
    ///
    /// What the caller may not see is listed in [`unseen`](Self::unseen), and is no error.
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
        let (before, first) = (table.limits()?, table.stats()?);
        if before.entries > 0 {
            let scans = table.scan(&FlowFacts::queries())?;
            let reports: Vec<_> = scans.into_iter().map(|scan| scan.report).collect();
            facts.flows = FlowFacts::of(&reports);
        }
        facts.read_files(sources);
        std::thread::sleep(sources.interval.saturating_sub(start.elapsed()));
        let (after, second) = (table.limits()?, table.stats()?);
        facts.entries = Some(after.entries.into());
        facts.max = after.max.map(u64::from);
        facts.buckets = Reader::buckets().map(u64::from);
        facts.compare(Some(before.entries.into()), Some(first), Some(second), start.elapsed());
        facts.read_settings(settings);
        Ok(facts)
    }

    /// What has changed between two looks.
    fn compare(
        &mut self,
        before: Option<u64>,
        first: Option<Stats<Counter>>,
        second: Option<Stats<Counter>>,
        elapsed: Duration,
    ) {
        let signed = |count: Option<u64>| count.and_then(|count| i64::try_from(count).ok());
        let counts = signed(before).zip(signed(self.entries));
        self.growth = counts.map(|(before, after)| (after - before, elapsed));
        self.recent = first.zip(second.as_ref()).map(|(first, second)| second.since(&first));
        self.counters = second.map(|counters| counters.sum());
    }

    fn read_settings(&mut self, settings: &Settings) {
        match settings.all() {
            Ok(all) => self.settings = all.into_iter().map(|it| (it.name, it.value)).collect(),
            Err(error) => self.unseen.push(Unseen::wanted("settings", error.to_string())),
        }
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
        self.namespace = fs::metadata(root.join("proc/thread-self/ns/net")).ok().map(|it| it.ino());
        self.sockets = proc::sockets(root);
        self.interfaces = proc::interfaces(root);
        self.bridges = self.interfaces.as_ref().map(|all| all.iter().any(|found| found.bridge));
        self.ebpf = Some(root.join("sys/class/net/cilium_host").exists());
        let programs = proc::programs(root);
        let runs = |name: &str| Some(programs.as_ref()?.iter().any(|program| program == name));
        (self.kube_proxy, self.docker) = (runs("kube-proxy"), runs("dockerd"));
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
                let units = || private_network_units(root);
                self.private_network_units = (!log.events.is_empty()).then(units);
                self.log = Some(log);
            }
            Err(error) => {
                let what = format!("the kernel's log, {}: {error}", sources.log.display());
                self.unseen.push(Unseen::wanted(what, LOG));
            }
        }
    }
}

fn read_log(path: &Path) -> io::Result<LogFacts> {
    // What is there, without waiting for more.
    let nonblocking = rustix::fs::OFlags::NONBLOCK.bits();
    let flags = i32::try_from(nonblocking).unwrap_or_default();
    let file = fs::OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    if file.metadata()?.is_dir() {
        return Err(io::Error::other("it is a directory"));
    }
    LogFacts::read(io::BufReader::with_capacity(64 * 1024, file))
}
