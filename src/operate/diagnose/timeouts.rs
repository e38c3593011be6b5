//! Timeouts that hurt, as they are and as files make them at the next boot.

use super::facts::Facts;
use crate::operate::finding::{Finding, Severity};

/// What TCP waits by itself before it asks whether the other side is there.
const KEEPALIVE: i64 = 7200;

/// What kube-proxy sets on purpose.
const CLOSE_WAIT: i64 = 3600;

/// What the name of a file that makes timeouts last ends with.
const STEM: &str = "nf_conntrack";

/// A timeout, the values of it that do no harm, and what happens beyond them.
struct Rule {
    id: &'static str,
    severity: Severity,
    /// Its name behind `nf_conntrack_`.
    name: &'static str,
    /// No less than this does no harm.
    least: i64,
    /// No more than this does no harm.
    most: i64,
    /// What to set.
    good: i64,
    /// What makes it matter, for the end of the sentence.
    beside: String,
    why: &'static str,
    remedy: String,
    source: &'static str,
}

pub(super) fn judge(facts: &Facts, findings: &mut Vec<Finding>) {
    for rule in rules(facts) {
        findings.extend(rule.judge(facts));
    }
}

/// The rules for this machine.
fn rules(facts: &Facts) -> Vec<Rule> {
    let keepalive = facts.keepalive.unwrap_or(KEEPALIVE);
    let any = i64::MAX;
    let mut rules = vec![
        Rule {
            id: "ESTABLISHED_BELOW_KEEPALIVE",
            severity: Severity::Warning,
            name: "tcp_timeout_established",
            least: keepalive,
            most: any,
            good: keepalive.saturating_add(1200),
            beside: format!(", and tcp_keepalive_time is {keepalive} s"),
            why: "an idle connection loses its entry before a keepalive is sent; behind NAT it then \
                  hangs or is reset",
            remedy: format!(
                "keep it above {keepalive} s, or make programs send keepalives more often"
            ),
            source: "RFC 5382, REQ-5: at least 2 hours 4 minutes",
        },
        Rule {
            id: "TIME_WAIT_SHORT",
            severity: Severity::Warning,
            name: "tcp_timeout_time_wait",
            least: 30,
            most: any,
            good: 30,
            beside: String::new(),
            why: "the hosts themselves hold a closed connection for 60 s: a FIN that is sent again finds \
                  no entry, and is not translated",
            remedy: "30 s is common and frees most of these entries early; the default is 120 s"
                .into(),
            source: "kernel: TCP_TIMEWAIT_LEN is 60 s",
        },
        Rule {
            id: "TIME_WAIT_LONG",
            severity: Severity::Info,
            name: "tcp_timeout_time_wait",
            least: 0,
            most: 120,
            good: 120,
            beside: String::new(),
            why: "a closed connection keeps its entry that long: many short connections fill the table",
            remedy:
                "120 s is the default, 30 s is common; RFC 5382 asks a public NAT for 4 minutes"
                    .into(),
            source: "kernel: nf_conntrack_proto_tcp; RFC 5382, REQ-5",
        },
        Rule {
            id: "UDP_SHORT",
            severity: Severity::Warning,
            name: "udp_timeout",
            least: 10,
            most: any,
            good: 30,
            beside: String::new(),
            why: "a resolver waits 5 s for an answer and asks twice: an answer that comes later than \
                  this finds no entry, and is dropped or not translated",
            remedy: "the default of 30 s is enough for DNS".into(),
            source: "resolv.conf(5): timeout and attempts; RFC 4787, REQ-5",
        },
        Rule {
            id: "UDP_LONG",
            severity: Severity::Info,
            name: "udp_timeout",
            least: 0,
            most: 180,
            good: 30,
            beside: String::new(),
            why: "each question to a DNS server makes an entry of its own, which stays that long",
            remedy:
                "30 s is the default; flows in both directions use nf_conntrack_udp_timeout_stream"
                    .into(),
            source: "kernel: nf_conntrack_proto_udp",
        },
        Rule {
            id: "UDP_STREAM_SHORT",
            severity: Severity::Warning,
            name: "udp_timeout_stream",
            least: 120,
            most: any,
            good: 120,
            beside: String::new(),
            why: "QUIC and tunnels that are quiet for that long lose their entry, and behind NAT their \
                  port: packets of the other side no longer come through",
            remedy: "no less than two minutes; the default is 120 s".into(),
            source: "RFC 4787, REQ-5: not less than two minutes",
        },
        Rule {
            id: "GENERIC_SHORT",
            severity: Severity::Warning,
            name: "generic_timeout",
            least: 120,
            most: any,
            good: 600,
            beside: String::new(),
            why: "protocols without a tracker (ESP, IPIP) lose their entry when they are quiet that long, \
                  and no rule then accepts the reply",
            remedy: "no less than two minutes, as for UDP; the default is 600 s".into(),
            source: "kernel: nf_conntrack_proto_generic",
        },
    ];
    if facts.kube_proxy == Some(true) {
        rules.push(Rule {
            id: "CLOSE_WAIT_BELOW_KUBE_PROXY",
            severity: Severity::Warning,
            name: "tcp_timeout_close_wait",
            least: CLOSE_WAIT,
            most: any,
            good: CLOSE_WAIT,
            beside: " on a node of kube-proxy".to_owned(),
            why: "kube-proxy sets 3600: a FIN that comes after the entry is gone is not translated, \
                  and later connections of the same port are reset",
            remedy: "leave it to kube-proxy, or set 3600".to_owned(),
            source: "kubernetes, pkg/proxy/apis/config/v1alpha1/defaults.go",
        });
    }
    rules
}

impl Rule {
    fn judge(&self, facts: &Facts) -> Option<Finding> {
        let Self { id, severity, name, good, beside, why, remedy, source, .. } = self;
        let harms = |value: &i64| *value < self.least || *value > self.most;
        let key = format!("net.netfilter.nf_conntrack_{name}");
        let now = facts.setting(name).filter(harms);
        let set = facts.audit.as_ref().and_then(|audit| {
            let set = audit.assigned(&key)?;
            let value = set.number.filter(harms)?;
            Some((value, set, audit))
        });
        let seen = match (now, &set) {
            (None, None) => return None,
            (Some(now), None) => format!("nf_conntrack_{name} is {now} s{beside}"),
            (now, Some((value, set, _))) => {
                let from = format!("{}, line {}", set.from.0, set.from.1);
                let becomes = match now {
                    Some(now) if now == *value => format!("is {now} s, set by {from}"),
                    Some(now) => format!("is {now} s, and {value} s after a boot ({from})"),
                    None => format!("becomes {value} s at boot ({from})"),
                };
                format!("nf_conntrack_{name} {becomes}{beside}")
            }
        };
        let mut finding = Finding::new(id, *severity, seen, why, remedy.clone());
        if now.is_some() {
            finding = finding.command(format!("sysctl -w {key}={good}"));
        }
        let lasting = set.map(|(_, _, audit)| audit.lasting(&key, &good.to_string(), STEM));
        finding.commands.extend(lasting);
        Some(finding.source(source))
    }
}
