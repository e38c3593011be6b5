//! One setting, and what it is about.

use std::fmt;

use super::name::bare_name;
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
    /// Off (0) or on (1; some know more levels).
    Switch,
    /// A plain number.
    Number,
}

/// Whose a setting is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "lowercase"))]
#[non_exhaustive]
pub enum Scope {
    /// Of this network namespace; it can be set here.
    Namespace,
    /// Of the whole host, and it can be set here.
    Host,
    /// It can only be read here: because it is the host's and this is not the initial network
    /// namespace, or because it is a count.
    ReadOnly,
}

/// A setting of the table, as it is now.
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
    /// Whose it is, and whether it can be set here, as the file's mode says.
    pub scope: Scope,
    /// The value it has unless somebody sets it; `None` where that depends on the machine (see
    /// [`sizing::defaults`](super::sizing::defaults)) or is not known.
    pub default: Option<i64>,
    /// What it does; `(not known here)` for a setting of another kernel.
    pub about: &'static str,
}

/// A setting this crate knows.
pub(super) struct Known {
    name: &'static str,
    unit: Unit,
    default: Option<i64>,
    pub(super) about: &'static str,
}

const fn known(name: &'static str, unit: Unit, default: Option<i64>, about: &'static str) -> Known {
    Known { name, unit, default, about }
}

/// What is known of each; defaults are those of Linux 5.10 to 7.2, but for [`EARLIER`]. The scope is
/// not in here: it changed before, and the file says it.
const KNOWN: &[Known] = &[
    known(
        "max",
        Unit::Entries,
        None,
        "the most entries a namespace may have; one number for the host",
    ),
    known("count", Unit::Entries, None, "entries there are in this namespace"),
    known(
        "buckets",
        Unit::Buckets,
        None,
        "buckets of the host's table; a change rehashes every entry while packets wait",
    ),
    known("expect_max", Unit::Entries, None, "the most expectations"),
    known("acct", Unit::Switch, Some(0), "count packets and bytes of flows that begin from now on"),
    known(
        "timestamp",
        Unit::Switch,
        Some(0),
        "note when flows begin, of those that begin from now on",
    ),
    known(
        "events",
        Unit::Switch,
        Some(2),
        "tell listeners of changes: 2 is while there is one (since 5.19, 1 before)",
    ),
    known("checksum", Unit::Switch, Some(1), "packets with a wrong checksum are not tracked"),
    known(
        "log_invalid",
        Unit::Number,
        Some(0),
        "log packets that cannot be tracked, of this protocol; 255 is all",
    ),
    known("helper", Unit::Switch, Some(0), "helpers by port number alone; gone since 5.19"),
    known("tcp_loose", Unit::Switch, Some(1), "take up TCP connections in their middle"),
    known(
        "tcp_be_liberal",
        Unit::Switch,
        Some(0),
        "of TCP packets out of window only resets are invalid",
    ),
    known(
        "tcp_ignore_invalid_rst",
        Unit::Switch,
        Some(0),
        "resets out of window are not marked invalid",
    ),
    known(
        "tcp_max_retrans",
        Unit::Number,
        Some(3),
        "retransmissions without an answer before the short timeout",
    ),
    known("tcp_timeout_syn_sent", Unit::Seconds, Some(120), "a SYN without an answer"),
    known("tcp_timeout_syn_recv", Unit::Seconds, Some(60), "a SYN that was answered"),
    known(
        "tcp_timeout_established",
        Unit::Seconds,
        Some(432_000),
        "an idle connection; less than the peers' keepalive (7200) cuts them off",
    ),
    known("tcp_timeout_fin_wait", Unit::Seconds, Some(120), "a FIN was seen"),
    known(
        "tcp_timeout_close_wait",
        Unit::Seconds,
        Some(60),
        "the other side has closed; kube-proxy sets 3600",
    ),
    known("tcp_timeout_last_ack", Unit::Seconds, Some(30), "both sides have closed"),
    known("tcp_timeout_time_wait", Unit::Seconds, Some(120), "closed, and late packets may come"),
    known("tcp_timeout_close", Unit::Seconds, Some(10), "reset"),
    known("tcp_timeout_max_retrans", Unit::Seconds, Some(300), "retransmitted too often"),
    known(
        "tcp_timeout_unacknowledged",
        Unit::Seconds,
        Some(300),
        "data that nobody has acknowledged",
    ),
    known("udp_timeout", Unit::Seconds, Some(30), "UDP that is not a stream"),
    known(
        "udp_timeout_stream",
        Unit::Seconds,
        Some(120),
        "UDP that went both ways for a while (180 before 5.0)",
    ),
    known("icmp_timeout", Unit::Seconds, Some(30), "ICMP"),
    known("icmpv6_timeout", Unit::Seconds, Some(30), "ICMPv6"),
    known("generic_timeout", Unit::Seconds, Some(600), "protocols without a tracker"),
    known("gre_timeout", Unit::Seconds, Some(30), "GRE that is not a stream"),
    known("gre_timeout_stream", Unit::Seconds, Some(180), "GRE that went both ways"),
    known("sctp_timeout_closed", Unit::Seconds, Some(10), "SCTP closed"),
    known("sctp_timeout_cookie_wait", Unit::Seconds, Some(3), "SCTP INIT"),
    known("sctp_timeout_cookie_echoed", Unit::Seconds, Some(3), "SCTP COOKIE ECHO"),
    known("sctp_timeout_established", Unit::Seconds, Some(210), "SCTP open"),
    known("sctp_timeout_shutdown_sent", Unit::Seconds, Some(3), "SCTP SHUTDOWN"),
    known("sctp_timeout_shutdown_recd", Unit::Seconds, Some(3), "SCTP SHUTDOWN answered"),
    known("sctp_timeout_shutdown_ack_sent", Unit::Seconds, Some(3), "SCTP SHUTDOWN ACK"),
    known("sctp_timeout_heartbeat_sent", Unit::Seconds, Some(30), "SCTP HEARTBEAT"),
    known(
        "sctp_timeout_heartbeat_acked",
        Unit::Seconds,
        None,
        "SCTP HEARTBEAT answered; gone since 6.2",
    ),
    known(
        "dccp_loose",
        Unit::Switch,
        Some(1),
        "take up DCCP connections in their middle; DCCP is gone since 6.17",
    ),
    known("dccp_timeout_request", Unit::Seconds, Some(240), "DCCP REQUEST"),
    known("dccp_timeout_respond", Unit::Seconds, Some(480), "DCCP RESPOND"),
    known("dccp_timeout_partopen", Unit::Seconds, Some(480), "DCCP PARTOPEN"),
    known("dccp_timeout_open", Unit::Seconds, Some(43_200), "DCCP open"),
    known("dccp_timeout_closereq", Unit::Seconds, Some(64), "DCCP CLOSEREQ"),
    known("dccp_timeout_closing", Unit::Seconds, Some(64), "DCCP CLOSING"),
    known(
        "dccp_timeout_timewait",
        Unit::Seconds,
        Some(240),
        "DCCP closed, and late packets may come",
    ),
    known(
        "frag6_timeout",
        Unit::Seconds,
        Some(60),
        "fragments of an IPv6 packet that is not whole",
    ),
    known(
        "frag6_high_thresh",
        Unit::Bytes,
        None,
        "memory for IPv6 fragments, beyond which none are taken",
    ),
    known("frag6_low_thresh", Unit::Bytes, None, "memory for IPv6 fragments"),
];

/// Defaults of kernels before a version.
const EARLIER: &[(&str, Version, i64)] = &[("events", Version::new(5, 19), 1)];

impl Setting {
    /// A setting by its name and what its file says; `writable` by its mode.
    pub(super) fn new(name: &str, value: i64, writable: bool, kernel: Option<Version>) -> Self {
        let bare = bare_name(name);
        let earlier = EARLIER
            .iter()
            .find(|(name, until, _)| *name == bare && kernel.is_some_and(|kernel| kernel < *until));
        let known = KNOWN.iter().find(|known| known.name == bare);
        let unit = match known {
            Some(known) => known.unit,
            // Those of trackers to come.
            None if bare.contains("timeout") => Unit::Seconds,
            None => Unit::Number,
        };
        let scope = match (writable, bare) {
            (false, _) => Scope::ReadOnly,
            (true, "max" | "buckets" | "expect_max") => Scope::Host,
            (true, _) => Scope::Namespace,
        };
        Self {
            name: name.to_owned(),
            value,
            unit,
            scope,
            default: match earlier {
                Some((.., default)) => Some(*default),
                None => known.and_then(|known| known.default),
            },
            about: known.map_or("(not known here)", |known| known.about),
        }
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
