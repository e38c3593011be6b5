//! What the entries are a sign of.

use super::facts::Facts;
use super::flows::FlowFacts;
use crate::kernel::stats::Counter;
use crate::operate::finding::{Finding, Severity};

/// Ports of tunnels whose every flow is a question without an answer: the source port is made of the
/// packet inside, and the way back has one of its own.
const OVERLAYS: [(u16, &str); 3] =
    [(4789, "VXLAN"), (8472, "VXLAN of Linux's own port (flannel)"), (6081, "Geneve")];

/// Ports of tunnels that keep one pair of ports for each peer, whatever is inside, and answer on it.
const PAIRS: [(u16, &str, &str); 2] =
    [(51820, "WireGuard", "wg show"), (4500, "IPsec through NAT", "ip xfrm state")];

/// Ports that NAT may use without a range: 1024 to 65535.
const PORTS: u64 = 64_512;

pub(super) fn judge(facts: &Facts, findings: &mut Vec<Finding>) {
    if let Some(flows) = &facts.flows {
        overlays(facts, flows, findings);
        pairs(flows, findings);
        dns(facts, flows, findings);
        flood(flows, findings);
        ports(flows, findings);
        stuck(flows, findings);
    }
    dataplane(facts, findings);
}

/// A part of all that matters: this many, and this share.
fn matters(part: u64, all: u64, least: u64, share: f64) -> bool {
    part >= least && part as f64 >= all as f64 * share
}

fn overlays(facts: &Facts, flows: &FlowFacts, findings: &mut Vec<Finding>) {
    for (port, name) in OVERLAYS {
        let of_it = flows.unanswered_udp.iter().find(|(found, _)| *found == port);
        let Some(&(_, entries)) = of_it.filter(|(_, n)| matters(*n, flows.total, 500, 0.05)) else {
            continue;
        };
        let share = entries as f64 * 100.0 / flows.total as f64;
        let seen = format!(
            "{entries} entries ({share:.0} %) are {name}, UDP to port {port}, without an answer"
        );
        if facts.rules.as_ref().is_some_and(|rules| rules.untracked(port)) {
            findings.push(Finding::new(
                "OVERLAY_TRACKED_BEFORE",
                Severity::Info,
                seen,
                "a rule takes this traffic out of tracking by now; these are from before it",
                "nothing: they time out",
            ));
            continue;
        }
        findings.push(
            Finding::new(
                "OVERLAY_TRACKED",
                Severity::Warning,
                seen,
                "a tunnel takes another source port for every flow inside, and no packet comes back to \
                 it: each is an entry that is of no use",
                "take it out of tracking; not where a rule lets it pass for being ESTABLISHED, or where \
                 NAT is to apply to it",
            )
            .command("nft add table inet overlay")
            .command("nft 'add chain inet overlay in { type filter hook prerouting priority raw; }'")
            .command("nft 'add chain inet overlay out { type filter hook output priority raw; }'")
            .command(format!("nft add rule inet overlay in udp dport {port} notrack"))
            .command(format!("nft add rule inet overlay out udp dport {port} notrack"))
            .command(format!("iptables -t raw -A PREROUTING -p udp --dport {port} -j CT --notrack"))
            .command(format!("iptables -t raw -A OUTPUT -p udp --dport {port} -j CT --notrack"))
            .source("openshift/sdn#324; projectcalico/calico#8934: 46 % of a node's entries"),
        );
    }
}

/// Many entries of such a tunnel mean many peers, and not many flows, so there is nothing to exempt from tracking.
fn pairs(flows: &FlowFacts, findings: &mut Vec<Finding>) {
    for (port, name, show) in PAIRS {
        let of_it = flows.unanswered_udp.iter().find(|(found, _)| *found == port);
        let Some(&(_, entries)) = of_it.filter(|(_, n)| matters(*n, flows.total, 500, 0.05)) else {
            continue;
        };
        let share = entries as f64 * 100.0 / flows.total as f64;
        findings.push(
            Finding::new(
                "TUNNEL_UNANSWERED",
                Severity::Warning,
                format!(
                    "{entries} entries ({share:.0} %) are {name}, UDP to port {port}, without an answer"
                ),
                "such a tunnel keeps one pair of ports for each peer: these are peers that get no answer \
                 (a wrong key, a tunnel that is down), or senders that are not peers",
                "see who they are, and whether the tunnel knows them",
            )
            .command(format!("top_sources 'proto=udp dport={port} unreplied'"))
            .command(show)
            .source("wireguard.com/protocol: no answer to a sender without a known key; RFC 3948"),
        );
    }
}

fn dns(facts: &Facts, flows: &FlowFacts, findings: &mut Vec<Finding>) {
    let unanswered = flows.unanswered_udp.iter().find(|(port, _)| *port == 53);
    let Some(&(_, unanswered)) = unanswered.filter(|(_, n)| *n >= 50) else { return };
    let (drops, races) = (facts.grown(Counter::DROP), facts.grown(Counter::INSERT_FAILED));
    if drops > 0 {
        findings.push(
            Finding::new(
                "DNS_TABLE_FULL",
                Severity::Critical,
                format!("{unanswered} DNS questions without an answer, and {drops} packets dropped just now"),
                "the table is full: questions or answers are dropped, and resolvers wait five seconds",
                "raise the limit; the resolver is not to blame",
            )
            .command("tune advise"),
        );
    } else if races > 0 {
        findings.push(
            Finding::new(
                "DNS_RACE",
                Severity::Warning,
                format!(
                    "{unanswered} DNS questions without an answer, and {races} entries lost a race just now \
                     (insert_failed)"
                ),
                "A and AAAA are asked at once from one socket: both make the same entry, and one question \
                 is dropped",
                "a DNS cache on the node (NodeLocal DNSCache), options single-request-reopen, or \
                 --random-fully where it is source NAT",
            )
            .source("lambda.lt, racy conntrack and DNS lookup timeouts, 2018"),
        );
    }
}

fn flood(flows: &FlowFacts, findings: &mut Vec<Finding>) {
    if !matters(flows.half_open, flows.tcp, 1000, 0.5) {
        return;
    }
    let share = flows.half_open as f64 * 100.0 / flows.tcp.max(1) as f64;
    let most = flows.half_open_top.as_ref();
    let most = most.map(|(to, n)| format!("; {n} are to {to}")).unwrap_or_default();
    findings.push(
        Finding::new(
            "SYN_FLOOD",
            Severity::Warning,
            format!("{} TCP entries ({share:.0} %) are not open yet{most}", flows.half_open),
            "a flood of SYNs, or a service that does not answer; an entry is made before SYN cookies \
             can help",
            "see whether the sources are real; shorter timeouts for it, or SYNPROXY in front of a \
             service that is forwarded to",
        )
        .command("top_sources --unique source --by destination,dport 'state=SYN_SENT,SYN_RECV'")
        .command("sysctl -w net.netfilter.nf_conntrack_tcp_timeout_syn_recv=30")
        .source("cloudflare-blog, 2020-04-conntrack-syn"),
    );
}

fn ports(flows: &FlowFacts, findings: &mut Vec<Finding>) {
    for pressed in flows.ports.iter().filter(|pressed| pressed.used >= PORTS * 8 / 10) {
        let share = pressed.used as f64 * 100.0 / PORTS as f64;
        let severity = if share >= 95.0 { Severity::Critical } else { Severity::Warning };
        findings.push(
            Finding::new(
                "NAT_PORTS_EXHAUSTED",
                severity,
                format!(
                    "{} of {PORTS} ports ({share:.0} %) of {} are in use towards {} port {} ({})",
                    pressed.used, pressed.nat, pressed.destination, pressed.port, pressed.protocol
                ),
                "a new flow to that destination finds no port, and is dropped (insert_failed or drop) \
                 though the table has room",
                "more NAT addresses, or fewer and longer connections to that destination",
            )
            .command("nat_ports"),
        );
    }
}

fn stuck(flows: &FlowFacts, findings: &mut Vec<Finding>) {
    if !matters(flows.forwarded_unanswered, flows.forwarded, 50, 0.5) {
        return;
    }
    findings.push(
        Finding::new(
            "FORWARDED_WITHOUT_ANSWER",
            Severity::Warning,
            format!(
                "{} of {} TCP flows that destination NAT sends on have no answer (SYN_SENT)",
                flows.forwarded_unanswered, flows.forwarded
            ),
            "what is published does not reach its container: forwarding is off, the FORWARD chain drops \
             it, or nobody listens",
            "check net.ipv4.ip_forward and the FORWARD chain",
        )
        .command("sysctl net.ipv4.ip_forward")
        .command("top_sources --by reply-source 'dnat state=SYN_SENT'"),
    );
}

/// A table that is nearly empty on a busy machine is not the one that matters.
fn dataplane(facts: &Facts, findings: &mut Vec<Finding>) {
    let (Some(entries), Some(sockets)) = (facts.entries, facts.sockets) else { return };
    if entries > 50 || sockets < 500 {
        return;
    }
    let why = if facts.ebpf == Some(true) {
        "an eBPF dataplane is at work, which has a table of its own: this one is not of the pods"
    } else {
        "no rule of this namespace asks for tracking, or the traffic is in another namespace"
    };
    findings.push(Finding::new(
        "NEARLY_EMPTY",
        Severity::Info,
        format!("{entries} entries, and {sockets} sockets in use"),
        why,
        "look where the traffic is: --netns, or `cilium bpf ct list global`",
    ));
}
