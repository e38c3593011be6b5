//! Timeouts that hurt.

use super::facts::Facts;
use crate::finding::{Finding, Severity};

/// What TCP waits by itself before it asks whether the other side is there.
const KEEPALIVE: i64 = 7200;

/// What kube-proxy sets on purpose.
const CLOSE_WAIT: i64 = 3600;

pub(super) fn judge(facts: &Facts, findings: &mut Vec<Finding>) {
    let keepalive = facts.keepalive.unwrap_or(KEEPALIVE);
    let established = facts.setting("tcp_timeout_established");
    if let Some(established) = established.filter(|established| *established < keepalive) {
        findings.push(
            Finding::new(
                "ESTABLISHED_BELOW_KEEPALIVE",
                Severity::Warning,
                format!(
                    "nf_conntrack_tcp_timeout_established is {established} s, and \
                     tcp_keepalive_time {keepalive} s"
                ),
                "an idle connection is forgotten before anybody asks for it; behind NAT it then hangs \
                 or is reset",
                format!("keep it above {keepalive} s, or make programs send keepalives more often"),
            )
            .command(format!("sysctl -w net.netfilter.nf_conntrack_tcp_timeout_established={}", keepalive + 1200))
            .source("RFC 5382, REQ-5: at least 2 hours 4 minutes"),
        );
    }
    let close_wait = facts.setting("tcp_timeout_close_wait");
    let is_short = |close_wait: &i64| facts.kube_proxy == Some(true) && *close_wait < CLOSE_WAIT;
    if let Some(close_wait) = close_wait.filter(is_short) {
        findings.push(
            Finding::new(
                "CLOSE_WAIT_BELOW_KUBE_PROXY",
                Severity::Warning,
                format!("nf_conntrack_tcp_timeout_close_wait is {close_wait} s on a node of kube-proxy"),
                "kube-proxy sets 3600: a FIN that comes after the entry has gone is not translated, \
                 and later connections of the same port are reset",
                "leave it to kube-proxy, or set 3600",
            )
            .command("sysctl -w net.netfilter.nf_conntrack_tcp_timeout_close_wait=3600")
            .source("kubernetes, pkg/proxy/apis/config/v1alpha1/defaults.go"),
        );
    }
}
