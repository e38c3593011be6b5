//! What is known of a machine.

use std::fmt;
use std::time::Duration;

use super::flows::FlowFacts;
use super::log::LogFacts;
use super::rules::Rules;
use super::units::Creator;
use crate::kernel::Version;
use crate::kernel::stats::{Counter, Counts};
use crate::operate::persist::Audit;

/// What is known of a machine and one network namespace of it; `None` is what is not.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Facts {
    /// The kernel.
    pub kernel: Option<Version>,
    /// Entries of the table.
    pub entries: Option<u64>,
    /// The most it may have; 0 for no limit.
    pub max: Option<u64>,
    /// Buckets of the host's table.
    pub buckets: Option<u64>,
    /// How many entries more there were after how long.
    pub growth: Option<(i64, Duration)>,
    /// The kernel's counters since the namespace was made.
    pub counters: Option<Counts<Counter>>,
    /// How much they have grown between two looks.
    pub recent: Option<Counts<Counter>>,
    /// What the entries are.
    pub flows: Option<FlowFacts>,
    /// The network namespace: its inode, which the kernel's log names it by.
    pub namespace: Option<u64>,
    /// Who is in the network namespaces of the host, by inode: a process, and its unit.
    pub owners: Vec<(u64, String)>,
    /// Units that get a network namespace each time they are started.
    pub creators: Option<Vec<Creator>>,
    /// What the kernel has logged.
    pub log: Option<LogFacts>,
    /// Settings of the namespace, by name.
    pub settings: Vec<(String, i64)>,
    /// `net.ipv4.tcp_keepalive_time`, in seconds.
    pub keepalive: Option<i64>,
    /// `net.ipv4.ip_forward`; `net.ipv4.conf.all.forwarding` is another name of it.
    pub ip_forward: Option<i64>,
    /// `net.ipv4.conf.default.forwarding`: what new interfaces begin with.
    pub default_forward: Option<i64>,
    /// `net.ipv6.conf.all.forwarding`.
    pub ipv6_forward: Option<i64>,
    /// The interfaces of the namespace.
    pub interfaces: Option<Vec<Interface>>,
    /// Whether kube-proxy is at work, or docker.
    pub kube_proxy: Option<bool>,
    /// Whether docker is at work.
    pub docker: Option<bool>,
    /// Whether there are network bridges.
    pub bridges: Option<bool>,
    /// Sockets in use on the host, or at least in the namespace.
    pub sockets: Option<u64>,
    /// Whether an eBPF dataplane (cilium) is at work.
    pub ebpf: Option<bool>,
    /// The packet filter's rules.
    pub rules: Option<Rules>,
    /// What files set at boot.
    pub audit: Option<Audit>,
    /// What was not looked at, and why.
    pub unseen: Vec<Unseen>,
}

/// What was not looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Unseen {
    /// What, and why.
    pub what: String,
    /// What would make it seen; empty where nothing would.
    pub remedy: String,
    /// Whether it was to be looked at and could not be, so that nothing can be said about it. False if the source has
    /// no such thing: there are no counters in a file.
    pub wanted: bool,
}

impl Unseen {
    /// It was to be looked at.
    pub fn wanted(what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { what: what.into(), remedy: remedy.into(), wanted: true }
    }

    /// The source has no such thing.
    pub fn absent(what: impl Into<String>) -> Self {
        Self { what: what.into(), remedy: String::new(), wanted: false }
    }
}

/// `WHAT: REMEDY`.
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
    /// `net.ipv4.conf.NAME.forwarding`: whether IPv4 packets that come in here are forwarded. (For IPv6 only `all`
    /// decides.)
    pub forwards: Option<i64>,
    /// Whether it is a bridge.
    pub bridge: bool,
    /// Whether it is a port of one.
    pub port: bool,
    /// Whether the default route of IPv4 leads there.
    pub default_route: bool,
    /// Whether it has an IPv6 address that others can reach.
    pub global_ipv6: bool,
    /// Whether a router advertisement made the default route of IPv6 that leads there.
    pub advertised_route: bool,
}

impl Facts {
    /// Whether everything was seen that was to be looked at. If not, something may be wrong even without a finding.
    pub fn is_complete(&self) -> bool {
        !self.unseen.iter().any(|unseen| unseen.wanted)
    }

    /// A setting of the namespace, by its name without `nf_conntrack_`.
    pub(super) fn setting(&self, name: &str) -> Option<i64> {
        let full = format!("nf_conntrack_{name}");
        self.settings.iter().find(|(setting, _)| *setting == full).map(|(_, value)| *value)
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
