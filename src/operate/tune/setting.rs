//! One setting: its value, and what is known about it.

use std::fmt;

use Unit::{Buckets, Bytes, Entries, Number, Seconds, Switch};

use super::bare_name;
use crate::kernel::Version;

/// What the number of a setting counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "lowercase"))]
#[non_exhaustive]
pub enum Unit {
    /// Seconds.
    Seconds,
    /// Entries of the table.
    Entries,
    /// Buckets of the hash table.
    Buckets,
    /// Bytes.
    Bytes,
    /// Off (0) or on (1; some have more levels).
    Switch,
    /// A plain number.
    Number,
}

/// What a setting applies to, and whether it can be set here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "lowercase"))]
#[non_exhaustive]
pub enum Scope {
    /// This network namespace; it can be set here.
    Namespace,
    /// The whole host; it can be set here.
    Host,
    /// It can only be read here: it is the host's and this is not the initial network namespace, or it is a count.
    ReadOnly,
}

/// A setting of the table with its present value.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Setting {
    /// Its name, `nf_conntrack_max` for example.
    pub name: String,
    /// Its value.
    pub value: i64,
    /// What the value counts.
    pub unit: Unit,
    /// What it applies to, and whether it can be set here, by the file's mode.
    pub scope: Scope,
    /// The value it has unless somebody sets it; `None` where that depends on the machine (see
    /// [`sizing::defaults`](super::sizing::defaults)) or is not known.
    pub default: Option<i64>,
    /// What it does; `(not known here)` for a setting of another kernel.
    pub about: &'static str,
}

/// A setting this crate knows: its name, what it counts, its default if that is the same on every machine, and
/// what it does.
type Known = (&'static str, Unit, Option<i64>, &'static str);

const fn seconds(name: &'static str, default: i64, about: &'static str) -> Known {
    (name, Seconds, Some(default), about)
}

const fn switch(name: &'static str, default: i64, about: &'static str) -> Known {
    (name, Switch, Some(default), about)
}

/// The defaults are those of Linux 5.10 to 7.2, apart from [`EARLIER`]. The scope is not in here: it has changed
/// between versions, and the file's mode says it.
const KNOWN: &[Known] = &[
    ("max", Entries, None, "the most entries a namespace may have; one number for the host"),
    ("count", Entries, None, "entries in this namespace"),
    (
        "buckets",
        Buckets,
        None,
        "buckets of the host's table; packets wait while a change rehashes it",
    ),
    ("expect_max", Entries, None, "the most expectations"),
    switch("acct", 0, "count packets and bytes of flows that begin from now on"),
    switch("timestamp", 0, "note when flows begin, of those that begin from now on"),
    switch(
        "events",
        2,
        "tell listeners of changes: 2 is while there is one (since 5.19, 1 before)",
    ),
    switch("checksum", 1, "do not track packets with a wrong checksum"),
    (
        "log_invalid",
        Number,
        Some(0),
        "log packets of this protocol that cannot be tracked; 255 is all",
    ),
    switch("helper", 0, "assign helpers by port number alone; gone since 5.19"),
    switch("tcp_loose", 1, "take up TCP connections in their middle"),
    switch("tcp_be_liberal", 0, "of TCP packets out of window, only resets are invalid"),
    switch("tcp_ignore_invalid_rst", 0, "do not mark resets out of window as invalid"),
    ("tcp_max_retrans", Number, Some(3), "unanswered retransmissions before the short timeout"),
    seconds("tcp_timeout_syn_sent", 120, "a SYN without an answer"),
    seconds("tcp_timeout_syn_recv", 60, "a SYN that was answered"),
    seconds(
        "tcp_timeout_established",
        432_000,
        "an idle connection; less than the peers' keepalive (7200) cuts them off",
    ),
    seconds("tcp_timeout_fin_wait", 120, "a FIN was seen"),
    seconds("tcp_timeout_close_wait", 60, "the other side has closed; kube-proxy sets 3600"),
    seconds("tcp_timeout_last_ack", 30, "both sides have closed"),
    seconds("tcp_timeout_time_wait", 120, "closed, and late packets may come"),
    seconds("tcp_timeout_close", 10, "reset"),
    seconds("tcp_timeout_max_retrans", 300, "retransmitted too often"),
    seconds("tcp_timeout_unacknowledged", 300, "data that nobody has acknowledged"),
    seconds("udp_timeout", 30, "UDP that is not a stream"),
    seconds("udp_timeout_stream", 120, "UDP that went both ways for a while (180 before 5.0)"),
    seconds("icmp_timeout", 30, "ICMP"),
    seconds("icmpv6_timeout", 30, "ICMPv6"),
    seconds("generic_timeout", 600, "protocols without a tracker"),
    seconds("gre_timeout", 30, "GRE that is not a stream"),
    seconds("gre_timeout_stream", 180, "GRE that went both ways"),
    seconds("sctp_timeout_closed", 10, "SCTP closed"),
    seconds("sctp_timeout_cookie_wait", 3, "SCTP INIT"),
    seconds("sctp_timeout_cookie_echoed", 3, "SCTP COOKIE ECHO"),
    seconds("sctp_timeout_established", 210, "SCTP open"),
    seconds("sctp_timeout_shutdown_sent", 3, "SCTP SHUTDOWN"),
    seconds("sctp_timeout_shutdown_recd", 3, "SCTP SHUTDOWN answered"),
    seconds("sctp_timeout_shutdown_ack_sent", 3, "SCTP SHUTDOWN ACK"),
    seconds("sctp_timeout_heartbeat_sent", 30, "SCTP HEARTBEAT"),
    ("sctp_timeout_heartbeat_acked", Seconds, None, "SCTP HEARTBEAT answered; gone since 6.2"),
    switch("dccp_loose", 1, "take up DCCP connections in their middle; DCCP is gone since 6.17"),
    seconds("dccp_timeout_request", 240, "DCCP REQUEST"),
    seconds("dccp_timeout_respond", 480, "DCCP RESPOND"),
    seconds("dccp_timeout_partopen", 480, "DCCP PARTOPEN"),
    seconds("dccp_timeout_open", 43_200, "DCCP open"),
    seconds("dccp_timeout_closereq", 64, "DCCP CLOSEREQ"),
    seconds("dccp_timeout_closing", 64, "DCCP CLOSING"),
    seconds("dccp_timeout_timewait", 240, "DCCP closed, and late packets may come"),
    seconds("frag6_timeout", 60, "fragments of an IPv6 packet that is not whole"),
    ("frag6_high_thresh", Bytes, None, "memory for IPv6 fragments, beyond which none are taken"),
    ("frag6_low_thresh", Bytes, None, "memory for IPv6 fragments"),
];

/// Defaults of kernels before a version.
const EARLIER: &[(&str, Version, i64)] = &[("events", Version::new(5, 19), 1)];

impl Setting {
    /// A setting by its name and what its file says; `writable` by its mode.
    pub(super) fn new(name: &str, value: i64, writable: bool, kernel: Option<Version>) -> Self {
        let bare = bare_name(name);
        let (_, unit, default, about) =
            KNOWN.iter().copied().find(|(known, ..)| *known == bare).unwrap_or_else(|| {
                // That of a tracker to come.
                let unit = if bare.contains("timeout") { Seconds } else { Number };
                ("", unit, None, "(not known here)")
            });
        let is_earlier = |until: &Version| kernel.is_some_and(|kernel| kernel < *until);
        let earlier = EARLIER.iter().find(|(name, until, _)| *name == bare && is_earlier(until));
        let scope = match (writable, bare) {
            (false, _) => Scope::ReadOnly,
            (true, "max" | "buckets" | "expect_max") => Scope::Host,
            (true, _) => Scope::Namespace,
        };
        let default = earlier.map(|(.., default)| *default).or(default);
        Self { name: name.to_owned(), value, unit, scope, default, about }
    }

    /// Whether it has its default value; `None` where that is not known.
    pub fn is_default(&self) -> Option<bool> {
        self.default.map(|default| default == self.value)
    }
}

/// `nf_conntrack_max = 262144`.
impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} = {}", self.name, self.value)
    }
}
