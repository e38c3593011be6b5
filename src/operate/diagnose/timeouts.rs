//! Timeouts that hurt, as they are and as files make them at the next boot.

use std::ops::RangeInclusive;

use super::facts::Facts;
use crate::operate::finding::Severity::{Info, Warning};
use crate::operate::finding::{Finding, Severity};

/// What the name of a file that makes timeouts last ends with.
const STEM: &str = "nf_conntrack";

/// A timeout, its values that do no harm, and what the others do.
struct Rule {
    id: &'static str,
    severity: Severity,
    /// Its name without `nf_conntrack_`.
    name: &'static str,
    /// Seconds that do no harm.
    safe: RangeInclusive<i64>,
    /// What to set.
    good: i64,
    why: &'static str,
    remedy: &'static str,
    source: &'static str,
}

const RULES: &[Rule] = &[
    Rule {
        id: "TIME_WAIT_SHORT",
        severity: Warning,
        name: "tcp_timeout_time_wait",
        safe: 30..=i64::MAX,
        good: 30,
        why: "hosts may resend a FIN for 60 s: without an entry it is not translated",
        remedy: "30 s is common and frees most of these entries early; the default is 120 s",
        source: "kernel: TCP_TIMEWAIT_LEN is 60 s",
    },
    Rule {
        id: "TIME_WAIT_LONG",
        severity: Info,
        name: "tcp_timeout_time_wait",
        safe: 0..=120,
        good: 120,
        why: "a closed connection keeps its entry that long: many short connections fill the table",
        remedy: "120 s is the default, 30 s is common; RFC 5382 asks a public NAT for 4 minutes",
        source: "kernel: nf_conntrack_proto_tcp; RFC 5382, REQ-5",
    },
    Rule {
        id: "UDP_SHORT",
        severity: Warning,
        name: "udp_timeout",
        safe: 10..=i64::MAX,
        good: 30,
        why: "resolvers wait 5 s and ask twice: a later answer finds no entry, and is lost",
        remedy: "the default of 30 s is enough for DNS",
        source: "resolv.conf(5): timeout and attempts; RFC 4787, REQ-5",
    },
    Rule {
        id: "UDP_LONG",
        severity: Info,
        name: "udp_timeout",
        safe: 0..=180,
        good: 30,
        why: "each question to a DNS server makes an entry of its own, which stays that long",
        remedy: "30 s is the default; flows in both directions use nf_conntrack_udp_timeout_stream",
        source: "kernel: nf_conntrack_proto_udp",
    },
    Rule {
        id: "UDP_STREAM_SHORT",
        severity: Warning,
        name: "udp_timeout_stream",
        safe: 120..=i64::MAX,
        good: 120,
        why: "quiet QUIC connections and tunnels lose their entry, and behind NAT their port",
        remedy: "no less than two minutes; the default is 120 s",
        source: "RFC 4787, REQ-5: not less than two minutes",
    },
    Rule {
        id: "GENERIC_SHORT",
        severity: Warning,
        name: "generic_timeout",
        safe: 120..=i64::MAX,
        good: 600,
        why: "protocols without a tracker (ESP, IPIP) lose quiet flows: no rule accepts the reply",
        remedy: "no less than two minutes, as for UDP; the default is 600 s",
        source: "kernel: nf_conntrack_proto_generic",
    },
];

/// On a node of kube-proxy alone.
const CLOSE_WAIT: Rule = Rule {
    id: "CLOSE_WAIT_BELOW_KUBE_PROXY",
    severity: Warning,
    name: "tcp_timeout_close_wait",
    safe: 3600..=i64::MAX,
    good: 3600,
    why: "a later FIN is not translated, and the next connection of that port is reset",
    remedy: "leave it to kube-proxy, or set 3600",
    source: "kubernetes, pkg/proxy/apis/config/v1alpha1/defaults.go",
};

/// A connection has to outlive the time after which TCP asks whether the other side is there.
fn established(keepalive: i64) -> Rule {
    Rule {
        id: "ESTABLISHED_BELOW_KEEPALIVE",
        severity: Warning,
        name: "tcp_timeout_established",
        safe: keepalive..=i64::MAX,
        good: keepalive.saturating_add(1200),
        why: "idle connections lose their entry before a keepalive, and hang or are reset",
        remedy: "keep it above tcp_keepalive_time, or make programs send keepalives more often",
        source: "RFC 5382, REQ-5: at least 2 hours 4 minutes",
    }
}

pub(super) fn judge(facts: &Facts, findings: &mut Vec<Finding>) {
    // The kernel's default.
    let keepalive = facts.keepalive.unwrap_or(7200);
    let beside = format!(", and tcp_keepalive_time is {keepalive} s");
    findings.extend(established(keepalive).judge(facts, &beside));
    findings.extend(RULES.iter().filter_map(|rule| rule.judge(facts, "")));
    if facts.kube_proxy == Some(true) {
        findings.extend(CLOSE_WAIT.judge(facts, " on a node of kube-proxy"));
    }
}

impl Rule {
    /// `beside` is what else makes it matter, for the end of the sentence.
    fn judge(&self, facts: &Facts, beside: &str) -> Option<Finding> {
        let Self { id, severity, name, safe, good, why, remedy, source } = self;
        let key = format!("net.netfilter.nf_conntrack_{name}");
        let now = facts.setting(name).filter(|now| !safe.contains(now));
        let set = facts.audit.as_ref().and_then(|audit| {
            let set = audit.assigned(&key)?;
            let value = set.number.filter(|value| !safe.contains(value))?;
            Some((value, set.place(), audit.lasting(&key, &good.to_string(), STEM)))
        });
        let becomes = match (now, &set) {
            (None, None) => return None,
            (Some(now), None) => format!("is {now} s"),
            (Some(now), Some((value, place, _))) if now == *value => {
                format!("is {now} s, set by {place}")
            }
            (Some(now), Some((value, place, _))) => {
                format!("is {now} s, and {value} s after a boot ({place})")
            }
            (None, Some((value, place, _))) => format!("becomes {value} s at boot ({place})"),
        };
        let seen = format!("nf_conntrack_{name} {becomes}{beside}");
        let for_now = now.map(|_| format!("sysctl -w {key}={good}"));
        let lasting = set.map(|(_, _, lasting)| lasting);
        let commands = for_now.into_iter().chain(lasting);
        Some(Finding::new(id, *severity, seen, why, *remedy).commands(commands).source(source))
    }
}
