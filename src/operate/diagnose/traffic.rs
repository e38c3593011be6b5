//! What the entries are a sign of.

use super::facts::Facts;
use super::flows::{FlowFacts, PortUse};
use crate::kernel::stats::Counter;
use crate::operate::finding::Finding;
use crate::operate::finding::Severity::{Critical, Warning};

/// Ports of tunnels whose every flow is a question without an answer: the source port is made of the
/// packet inside, and the way back has one of its own.
const OVERLAYS: [(u16, &str); 3] =
    [(4789, "VXLAN"), (8472, "VXLAN of Linux's own port (flannel)"), (6081, "Geneve")];

/// Ports of tunnels that keep one pair of ports for each peer, whatever is inside, and answer on it; and the command
/// that shows the peers.
const PAIRS: [(u16, &str, &str); 2] =
    [(51820, "WireGuard", "wg show"), (4500, "IPsec through NAT", "ip xfrm state")];

/// Ports that NAT may use without a range: 1024 to 65535.
const PORTS: u64 = 64_512;

pub(super) fn judge(facts: &Facts, findings: &mut Vec<Finding>) {
    if let Some(flows) = &facts.flows {
        findings.extend(OVERLAYS.iter().filter_map(|overlay| tracked(facts, flows, *overlay)));
        findings.extend(PAIRS.iter().filter_map(|pair| unanswered_peers(flows, *pair)));
        findings.extend(dns(facts, flows));
        findings.extend(syn_flood(flows));
        findings.extend(flows.ports.iter().filter_map(port_pressure));
        findings.extend(forwarded_without_answer(flows));
    }
    findings.extend(nearly_empty(facts));
}

/// Whether a part of the entries matters: at least this many, and this share.
fn matters(part: u64, all: u64, least: u64, share: f64) -> bool {
    part >= least && part as f64 >= all as f64 * share
}

/// What was seen of a tunnel, if UDP to its port without an answer matters.
fn tunnel(flows: &FlowFacts, port: u16, name: &str) -> Option<String> {
    let (_, entries) = flows.unanswered_udp.iter().find(|(found, _)| *found == port)?;
    let share = *entries as f64 * 100.0 / flows.total as f64;
    matters(*entries, flows.total, 500, 0.05).then(|| {
        format!(
            "{entries} entries ({share:.0} %) are {name}, UDP to port {port}, without an answer"
        )
    })
}

fn tracked(facts: &Facts, flows: &FlowFacts, (port, name): (u16, &str)) -> Option<Finding> {
    let seen = tunnel(flows, port, name)?;
    if facts.rules.as_ref().is_some_and(|rules| rules.notrack.contains(&port)) {
        return Some(Finding::info(
            "OVERLAY_TRACKED_BEFORE",
            seen,
            "a rule takes this traffic out of tracking by now; these are from before it",
            "nothing: they time out",
        ));
    }
    let finding = Finding::warning(
        "OVERLAY_TRACKED",
        seen,
        "each flow in the tunnel gets its own source port, which nothing answers: a useless entry",
        "take it out of tracking, unless a rule accepts it as ESTABLISHED or NAT applies to it",
    )
    .command("nft add table inet overlay")
    .command("nft 'add chain inet overlay in { type filter hook prerouting priority raw; }'")
    .command("nft 'add chain inet overlay out { type filter hook output priority raw; }'")
    .command(format!("nft add rule inet overlay in udp dport {port} notrack"))
    .command(format!("nft add rule inet overlay out udp dport {port} notrack"))
    .command(format!("iptables -t raw -A PREROUTING -p udp --dport {port} -j CT --notrack"))
    .command(format!("iptables -t raw -A OUTPUT -p udp --dport {port} -j CT --notrack"))
    .source("openshift/sdn#324; projectcalico/calico#8934: 46 % of a node's entries");
    Some(finding)
}

/// Many entries of such a tunnel mean many peers, and not many flows, so there is nothing to exempt from tracking.
fn unanswered_peers(flows: &FlowFacts, (port, name, show): (u16, &str, &str)) -> Option<Finding> {
    let finding = Finding::warning(
        "TUNNEL_UNANSWERED",
        tunnel(flows, port, name)?,
        "such a tunnel keeps one pair of ports for each peer: these are peers that get no answer \
         (a wrong key, a tunnel that is down), or senders that are not peers",
        "see who they are, and whether the tunnel knows them",
    )
    .command(format!("top_sources 'proto=udp dport={port} unreplied'"))
    .command(show)
    .source("wireguard.com/protocol: no answer to a sender without a known key; RFC 3948");
    Some(finding)
}

fn dns(facts: &Facts, flows: &FlowFacts) -> Option<Finding> {
    let (_, unanswered) = flows.unanswered_udp.iter().find(|(port, _)| *port == 53)?;
    let (drops, races) = (facts.grown(Counter::DROP), facts.grown(Counter::INSERT_FAILED));
    let questions = format!("{unanswered} DNS questions without an answer");
    if *unanswered < 50 || (drops == 0 && races == 0) {
        return None;
    }
    if drops > 0 {
        let finding = Finding::critical(
            "DNS_TABLE_FULL",
            format!("{questions}, and {drops} packets dropped just now"),
            "the table is full: questions or answers are dropped, and resolvers wait five seconds",
            "raise the limit; the resolver is not to blame",
        );
        return Some(finding.command("tune advise"));
    }
    let finding = Finding::warning(
        "DNS_RACE",
        format!("{questions}, and {races} entries lost a race just now (insert_failed)"),
        "A and AAAA queries from one socket make the same entry at once: one is dropped",
        "a DNS cache on the node, single-request-reopen, or --random-fully for source NAT",
    );
    Some(finding.source("lambda.lt, racy conntrack and DNS lookup timeouts, 2018"))
}

fn syn_flood(flows: &FlowFacts) -> Option<Finding> {
    let FlowFacts { half_open, tcp, half_open_top, .. } = flows;
    if !matters(*half_open, *tcp, 1000, 0.5) {
        return None;
    }
    let share = *half_open as f64 * 100.0 / (*tcp).max(1) as f64;
    let most = half_open_top.as_ref().map(|(to, entries)| format!("; {entries} are to {to}"));
    let most = most.unwrap_or_default();
    let finding = Finding::warning(
        "SYN_FLOOD",
        format!("{half_open} TCP entries ({share:.0} %) are not open yet{most}"),
        "a flood of SYNs, or a service that does not answer; SYN cookies come after the entry",
        "see whether the sources are real; shorten the timeout, or put SYNPROXY before the service",
    )
    .command("top_sources --unique source --by destination,dport 'state=SYN_SENT,SYN_RECV'")
    .command("sysctl -w net.netfilter.nf_conntrack_tcp_timeout_syn_recv=30")
    .source("cloudflare-blog, 2020-04-conntrack-syn");
    Some(finding)
}

fn port_pressure(pressed: &PortUse) -> Option<Finding> {
    let PortUse { nat, protocol, destination, port, used } = pressed;
    if *used < PORTS * 8 / 10 {
        return None;
    }
    let share = *used as f64 * 100.0 / PORTS as f64;
    let finding = Finding::new(
        "NAT_PORTS_EXHAUSTED",
        if share >= 95.0 { Critical } else { Warning },
        format!(
            "{used} of {PORTS} ports ({share:.0} %) of {nat} are in use towards {destination} port \
             {port} ({protocol})"
        ),
        "new flows there find no port and are dropped (insert_failed, drop), table full or not",
        "more NAT addresses, or fewer and longer connections to that destination",
    )
    .command("nat_ports");
    Some(finding)
}

fn forwarded_without_answer(flows: &FlowFacts) -> Option<Finding> {
    let FlowFacts { forwarded, forwarded_unanswered: unanswered, .. } = flows;
    if !matters(*unanswered, *forwarded, 50, 0.5) {
        return None;
    }
    let flows = format!("{unanswered} of {forwarded} TCP flows that destination NAT sends on");
    let finding = Finding::warning(
        "FORWARDED_WITHOUT_ANSWER",
        format!("{flows} have no answer (SYN_SENT)"),
        "forwarding is off, the FORWARD chain drops what is published, or nobody listens",
        "check net.ipv4.ip_forward and the FORWARD chain",
    )
    .command("sysctl net.ipv4.ip_forward")
    .command("top_sources --by reply-source 'dnat state=SYN_SENT'");
    Some(finding)
}

/// A table that is nearly empty on a busy machine is not the one that matters.
fn nearly_empty(facts: &Facts) -> Option<Finding> {
    let (entries, sockets) = (facts.entries?, facts.sockets?);
    if entries > 50 || sockets < 500 {
        return None;
    }
    Some(Finding::info(
        "NEARLY_EMPTY",
        format!("{entries} entries, and {sockets} sockets in use"),
        if facts.ebpf == Some(true) {
            "an eBPF dataplane is at work, which has a table of its own: this one is not of the pods"
        } else {
            "no rule of this namespace asks for tracking, or the traffic is in another namespace"
        },
        "look where the traffic is: --netns, or `cilium bpf ct list global`",
    ))
}
