//! What is known of a machine.

use std::fmt;
#[cfg(feature = "files")]
use std::io;
use std::time::Duration;

use super::flows::FlowFacts;
use super::log::LogFacts;
use super::rules::Rules;
use super::units::PrivateNetworkUnit;
#[cfg(feature = "files")]
use crate::files::snapshot::Snapshot;
use crate::kernel::Version;
use crate::kernel::stats::{Counter, Counts};
use crate::operate::persist::Audit;

/// What is known of a machine and one of its network namespaces; what is not known is `None`.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Facts {
    /// The kernel.
    pub kernel: Option<Version>,
    /// Entries in the table.
    pub entries: Option<u64>,
    /// The most entries the table may have; 0 for no limit.
    pub max: Option<u64>,
    /// Buckets of the host's table.
    pub buckets: Option<u64>,
    /// By how many entries the table has grown between two looks, and the time between them.
    pub growth: Option<(i64, Duration)>,
    /// The kernel's counters since the namespace was made.
    pub counters: Option<Counts<Counter>>,
    /// How much the counters have grown between two looks.
    pub recent: Option<Counts<Counter>>,
    /// What the entries are.
    pub flows: Option<FlowFacts>,
    /// The inode of the network namespace, by which the kernel's log names it.
    pub namespace: Option<u64>,
    /// Who keeps each network namespace of the host, by its inode: a process and its unit, or a mount.
    pub owners: Vec<(u64, String)>,
    /// Units that get a network namespace each time they are started.
    pub private_network_units: Option<Vec<PrivateNetworkUnit>>,
    /// What the kernel has logged.
    pub log: Option<LogFacts>,
    /// Settings of the namespace, by name.
    pub settings: Vec<(String, i64)>,
    /// `net.ipv4.tcp_keepalive_time`, in seconds.
    pub keepalive: Option<i64>,
    /// `net.ipv4.ip_forward`; `net.ipv4.conf.all.forwarding` is another name of it.
    pub ip_forward: Option<i64>,
    /// `net.ipv4.conf.default.forwarding`, which new interfaces begin with.
    pub default_forward: Option<i64>,
    /// `net.ipv6.conf.all.forwarding`.
    pub ipv6_forward: Option<i64>,
    /// The interfaces of the namespace.
    pub interfaces: Option<Vec<Interface>>,
    /// Whether kube-proxy runs.
    pub kube_proxy: Option<bool>,
    /// Whether docker runs.
    pub docker: Option<bool>,
    /// Whether there are network bridges.
    pub bridges: Option<bool>,
    /// Sockets in use: on the host, or at least in the namespace.
    pub sockets: Option<u64>,
    /// Whether an eBPF dataplane (cilium) is there.
    pub ebpf: Option<bool>,
    /// The packet filter's rules.
    pub rules: Option<Rules>,
    /// What files set at boot.
    pub audit: Option<Audit>,
    /// What could not be looked at, and why.
    pub unseen: Vec<Unseen>,
}

/// Something that was not looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Unseen {
    /// What, and why.
    pub what: String,
    /// What would show it; empty where nothing would.
    pub remedy: String,
    /// Whether it should have been looked at, so that something may be wrong unseen. False if the source cannot have it:
    /// there are no counters in a file.
    pub wanted: bool,
}

impl Unseen {
    /// Something that should have been looked at.
    pub fn wanted(what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { what: what.into(), remedy: remedy.into(), wanted: true }
    }

    /// Something that the source cannot have.
    pub fn absent(what: impl Into<String>) -> Self {
        Self { what: what.into(), remedy: String::new(), wanted: false }
    }
}

/// What it is and the remedy, if there is one: `WHAT: REMEDY`.
impl fmt::Display for Unseen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        if self.remedy.is_empty() { Ok(()) } else { write!(f, ": {}", self.remedy) }
    }
}

/// An interface, as far as forwarding is concerned.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Interface {
    /// Its name.
    pub name: String,
    /// `net.ipv4.conf.NAME.forwarding`: whether IPv4 packets that come in here are forwarded. For IPv6 only `all`
    /// decides.
    pub forwards: Option<i64>,
    /// Whether it is a bridge.
    pub bridge: bool,
    /// Whether it is a port of a bridge.
    pub port: bool,
    /// Whether the default route of IPv4 uses it.
    pub default_route: bool,
    /// Whether it has an IPv6 address that others can reach.
    pub global_ipv6: bool,
    /// Whether the default route of IPv6 uses it and comes from a router advertisement.
    pub advertised_route: bool,
}

impl Facts {
    /// Whether everything was looked at that should have been. If not, something may be wrong even without a finding.
    pub fn is_complete(&self) -> bool {
        !self.unseen.iter().any(|unseen| unseen.wanted)
    }

    /// Takes over what a snapshot says: its entries, and how many there may be, of which machine. What no
    /// snapshot has, counters and settings, is listed in [`unseen`](Self::unseen).
    ///
    /// # Errors
    ///
    /// As [`Snapshot::scan_all`].
    #[cfg(feature = "files")]
    pub fn read_snapshot(&mut self, snapshot: &mut Snapshot<'_>) -> io::Result<()> {
        let reports = snapshot.scan_all(&FlowFacts::queries())?;
        self.flows = FlowFacts::of(&reports);
        let (facts, end) = (snapshot.facts(), snapshot.end());
        self.entries = facts.after.or(facts.before).or(Some(end.entries));
        self.max = facts.max.or(self.max);
        self.buckets = facts.buckets.or(self.buckets);
        self.namespace = facts.origin.netns_inode.map(u64::from).or(self.namespace);
        let release = facts.origin.kernel.as_ref().and_then(|release| release.parse().ok());
        self.kernel = release.or(self.kernel);
        self.unseen.push(Unseen::absent("counters and settings: a snapshot has none"));
        if self.max.is_none() {
            self.unseen.push(Unseen::absent("the limit: the snapshot does not say it"));
        }
        if end.entries == 0 {
            self.unseen.push(Unseen::absent("entries: there are none in the snapshot"));
        }
        let cut_off = match &end.damage {
            Some(damage) => Some(format!("entries behind the damage: {}", damage.what)),
            None if end.cut > 0 => Some(format!(
                "entries behind the cut: {} packets of the capture were cut (snaplen)",
                end.cut
            )),
            None => (end.complete == Some(false))
                .then(|| "entries: not all of one table are in the snapshot".to_owned()),
        };
        let malformed = (end.malformed > 0)
            .then(|| format!("{} entries, which could not be read", end.malformed));
        let wanted = cut_off.into_iter().chain(malformed);
        self.unseen.extend(wanted.map(|what| Unseen::wanted(what, "take another one")));
        Ok(())
    }

    /// A setting of the namespace, by its name without `nf_conntrack_`.
    pub(super) fn setting(&self, name: &str) -> Option<i64> {
        let is_it = |full: &str| full.strip_prefix("nf_conntrack_") == Some(name);
        self.settings.iter().find(|(full, _)| is_it(full)).map(|(_, value)| *value)
    }

    /// A counter since the namespace was made.
    pub(super) fn counted(&self, counter: Counter) -> u64 {
        self.counters.as_ref().and_then(|counters| counters.get(counter)).unwrap_or_default()
    }

    /// How much a counter has grown between two looks.
    pub(super) fn grown(&self, counter: Counter) -> u64 {
        self.recent.as_ref().and_then(|counters| counters.get(counter)).unwrap_or_default()
    }
}
