//! Timeouts: how long entries stay, by protocol and state.

use std::time::Duration;

use super::{Family, Protocol};

/// One timeout of a protocol: its number in messages, its name, and that of its setting.
type Slot = (u16, &'static str, Option<&'static str>);

const TCP: &[Slot] = &[
    (1, "syn_sent", Some("tcp_timeout_syn_sent")),
    (2, "syn_recv", Some("tcp_timeout_syn_recv")),
    (3, "established", Some("tcp_timeout_established")),
    (4, "fin_wait", Some("tcp_timeout_fin_wait")),
    (5, "close_wait", Some("tcp_timeout_close_wait")),
    (6, "last_ack", Some("tcp_timeout_last_ack")),
    (7, "time_wait", Some("tcp_timeout_time_wait")),
    (8, "close", Some("tcp_timeout_close")),
    (9, "syn_sent2", None),
    (10, "max_retrans", Some("tcp_timeout_max_retrans")),
    (11, "unacknowledged", Some("tcp_timeout_unacknowledged")),
];
const UDP: &[Slot] =
    &[(1, "unreplied", Some("udp_timeout")), (2, "replied", Some("udp_timeout_stream"))];
const GRE: &[Slot] =
    &[(1, "unreplied", Some("gre_timeout")), (2, "replied", Some("gre_timeout_stream"))];
const ICMP: &[Slot] = &[(1, "timeout", Some("icmp_timeout"))];
const ICMPV6: &[Slot] = &[(1, "timeout", Some("icmpv6_timeout"))];
const OTHER: &[Slot] = &[(1, "timeout", Some("generic_timeout"))];
const SCTP: &[Slot] = &[
    (1, "closed", Some("sctp_timeout_closed")),
    (2, "cookie_wait", Some("sctp_timeout_cookie_wait")),
    (3, "cookie_echoed", Some("sctp_timeout_cookie_echoed")),
    (4, "established", Some("sctp_timeout_established")),
    (5, "shutdown_sent", Some("sctp_timeout_shutdown_sent")),
    (6, "shutdown_recd", Some("sctp_timeout_shutdown_recd")),
    (7, "shutdown_ack_sent", Some("sctp_timeout_shutdown_ack_sent")),
    (8, "heartbeat_sent", Some("sctp_timeout_heartbeat_sent")),
];
const DCCP: &[Slot] = &[
    (1, "request", None),
    (2, "respond", None),
    (3, "partopen", None),
    (4, "open", None),
    (5, "closereq", None),
    (6, "closing", None),
    (7, "timewait", None),
];

/// The timeouts of one protocol, some or all of them.
///
/// ```
/// use std::time::Duration;
/// use ctnetlink::flow::{Protocol, Timeouts};
///
/// let mut timeouts = Timeouts::of(Protocol::TCP);
/// assert!(timeouts.set("time_wait", Duration::from_secs(30)));
/// assert!(!timeouts.set("time_wayt", Duration::from_secs(30)), "no such state");
/// assert_eq!(timeouts.get("established"), None, "not set, so left alone");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timeouts {
    protocol: Protocol,
    /// By number.
    values: Vec<(u16, Duration)>,
}

impl Timeouts {
    /// Protocols without a tracker of their own share the timeouts of this one.
    pub const GENERIC: Protocol = Protocol(255);

    /// The longest timeout that can be set: 24 days. The kernel does not check, and makes much longer
    /// ones much shorter.
    pub const LONGEST: Duration = Duration::from_secs(2_147_483);

    /// None set yet, for this protocol; [`GENERIC`](Self::GENERIC) for those without a tracker.
    pub const fn of(protocol: Protocol) -> Self {
        Self { protocol, values: Vec::new() }
    }

    /// The protocol.
    pub const fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// The names there are for this protocol.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        slots(self.protocol).iter().map(|(_, name, _)| *name)
    }

    /// The sysctl of the same value, such as `nf_conntrack_tcp_timeout_established`; `None` for those
    /// that only netlink has.
    pub fn setting(&self, name: &str) -> Option<String> {
        let (_, _, setting) = self.slot(name)?;
        setting.map(|setting| format!("nf_conntrack_{setting}"))
    }

    /// The timeout of this name, if it is among these.
    pub fn get(&self, name: &str) -> Option<Duration> {
        let (number, ..) = self.slot(name)?;
        self.values.iter().find(|(kind, _)| kind == number).map(|(_, timeout)| *timeout)
    }

    /// Sets one. `false`, and nothing set, if the protocol has none of this name, or if the time is
    /// not in whole seconds from one up to [`LONGEST`](Self::LONGEST).
    pub fn set(&mut self, name: &str, timeout: Duration) -> bool {
        let possible = (1..=Self::LONGEST.as_secs()).contains(&timeout.as_secs())
            && timeout.subsec_nanos() == 0;
        match self.slot(name) {
            Some(&(number, ..)) if possible => {
                self.put(number, timeout);
                true
            }
            _ => false,
        }
    }

    /// Sets what the kernel reports, unchecked.
    pub(crate) fn put(&mut self, number: u16, timeout: Duration) {
        match self.values.iter_mut().find(|(kind, _)| *kind == number) {
            Some((_, value)) => *value = timeout,
            None => self.values.push((number, timeout)),
        }
    }

    /// Names and values, in the order of the states.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, Duration)> + '_ {
        self.names().filter_map(|name| Some((name, self.get(name)?)))
    }

    /// Numbers and seconds, as they are sent.
    #[cfg(all(target_os = "linux", not(ctnetlink_pure)))]
    pub(crate) fn seconds(&self) -> impl Iterator<Item = (u16, u32)> + '_ {
        let seconds = |timeout: Duration| u32::try_from(timeout.as_secs()).unwrap_or(u32::MAX);
        self.values.iter().map(move |(number, timeout)| (*number, seconds(*timeout)))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    fn slot(&self, name: &str) -> Option<&'static Slot> {
        slots(self.protocol).iter().find(|(_, known, _)| *known == name)
    }
}

fn slots(protocol: Protocol) -> &'static [Slot] {
    match protocol {
        Protocol::TCP => TCP,
        Protocol::UDP | Protocol::UDPLITE => UDP,
        Protocol::GRE => GRE,
        Protocol::ICMP => ICMP,
        Protocol::ICMPV6 => ICMPV6,
        Protocol::SCTP => SCTP,
        Protocol::DCCP => DCCP,
        _ => OTHER,
    }
}

/// Timeouts under a name, which rules can give to flows in place of the defaults
/// (`iptables -j CT --timeout NAME`; those of `nft` are others).
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct TimeoutPolicy {
    /// Its name, at most 31 bytes.
    pub name: String,
    /// The family of the flows it is for.
    pub family: Family,
    /// The timeouts; those that are not set are as the defaults were when it was made.
    pub timeouts: Timeouts,
    /// References to it: 1, and one for each rule and template that uses it. It is not sent.
    pub uses: u32,
}

impl TimeoutPolicy {
    /// A policy to make.
    pub fn new(name: impl Into<String>, family: Family, timeouts: Timeouts) -> Self {
        Self { name: name.into(), family, timeouts, uses: 0 }
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for Timeouts {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter().map(|(name, timeout)| (name, timeout.as_secs())))
    }
}
