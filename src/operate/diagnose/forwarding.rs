//! Containers that lost the network, and who uses tracking here.

use super::facts::{Facts, Interface};
use crate::operate::finding::quoted;
use crate::operate::finding::{Finding, Severity};

pub(super) fn judge(facts: &Facts, findings: &mut Vec<Finding>) {
    forwarding(facts, findings);
    if let Some(rules) = &facts.rules {
        let bridges = rules.has_docker_bridges();
        if rules.forward_drops && !rules.has_chain("DOCKER") && !rules.has_chain("KUBE-FORWARD") {
            findings.push(forward_drops(bridges));
        }
        if facts.docker == Some(true) && rules.known && !rules.has_chain("DOCKER") && !bridges {
            findings.push(
                Finding::new(
                    "DOCKER_CHAINS_MISSING",
                    Severity::Warning,
                    "docker runs, and neither its chains (iptables) nor its tables (nftables) are there",
                    "published ports and containers' NAT are gone; firewalld was restarted after docker",
                    "restart docker",
                )
                .command("systemctl restart docker")
                .source("docs.docker.com, engine/network: firewall-iptables, firewall-nftables"),
            );
        }
        let users = rules.users();
        if !users.is_empty() {
            findings.push(Finding::new(
                "IN_USE_BY",
                Severity::Info,
                format!("tracking is used here by {}", users.join(", ")),
                "taking the module away would break it: NAT stops, and stateful rules match nothing",
                "take single traffic out of tracking (notrack) instead of the module",
            ));
        }
    }
}

/// `bridges`: docker has tables of its own, and so no chains in this one.
fn forward_drops(bridges: bool) -> Finding {
    if bridges {
        return Finding::new(
            "FORWARD_DROPS",
            Severity::Warning,
            "a FORWARD chain drops what no rule lets pass, and docker's tables (nftables) cannot \
             overrule it",
            "a packet goes through every forward chain, and one that drops it is enough: published \
             ports do not work unless that chain accepts their packets",
            "let docker's bridges pass in that chain, or make its policy accept (docker with iptables \
             had set it to drop)",
        )
        .command("nft list chains")
        .source("docs.docker.com, engine/network/firewall-nftables: FORWARD policy in iptables");
    }
    Finding::new(
        "FORWARD_DROPS",
        Severity::Warning,
        "the FORWARD chain drops what no rule lets pass, and has no chains of docker or Kubernetes",
        "packets forwarded to containers are dropped; a restart of firewalld removes the chains \
         that docker made",
        "restart docker, which makes its chains again; or add rules that accept what should pass",
    )
    .command("systemctl restart docker")
    .source("moby/libnetwork#1526")
}

/// What turns forwarding on as a whole, of one family.
struct Knob {
    key: &'static str,
    off: &'static str,
    lost: &'static str,
    not_persisted: &'static str,
    /// What needs it, if anything does.
    needed: &'static str,
    why_off: &'static str,
    why_lost: &'static str,
    source: &'static str,
}

const IPV4: Knob = Knob {
    key: "net.ipv4.ip_forward",
    off: "IP_FORWARD_OFF",
    lost: "IP_FORWARD_LOST_AT_BOOT",
    not_persisted: "IP_FORWARD_NOT_PERSISTED",
    needed: "there are NAT rules, bridges or docker",
    why_off: "containers reach nothing and nobody reaches them; a network restart sets it back to what \
              files say",
    why_lost: "docker with iptables turns it on when it starts; the next restart of the network, or the \
               next boot, turns it off",
    source: "sysctl.d(5); flatcar#297",
};

const IPV6: Knob = Knob {
    key: "net.ipv6.conf.all.forwarding",
    off: "IPV6_FORWARD_OFF",
    lost: "IPV6_FORWARD_LOST_AT_BOOT",
    not_persisted: "IPV6_FORWARD_NOT_PERSISTED",
    needed: "there are NAT rules for IPv6, or bridges with IPv6 addresses",
    why_off: "containers reach nothing over IPv6, and nobody reaches them over it; docker with nftables \
              does not turn it on by itself",
    why_lost: "whoever turned it on did not make it last; the next restart of the network, or the next \
               boot, turns it off",
    source: "sysctl.d(5); docs.docker.com, engine/network/firewall-nftables: IP forwarding",
};

/// What the name of a file that makes forwarding last ends with.
const STEM: &str = "forward";

fn forwarding(facts: &Facts, findings: &mut Vec<Finding>) {
    let rules = facts.rules.as_ref();
    let interfaces = facts.interfaces.as_deref().unwrap_or_default();
    let nat = rules.is_some_and(|rules| rules.nat_ipv4);
    if nat || facts.docker == Some(true) || facts.bridges == Some(true) {
        knob(&IPV4, facts, facts.ip_forward, findings);
        each_interface(facts, interfaces, findings);
    }
    let nat = rules.is_some_and(|rules| rules.nat_ipv6);
    if nat || interfaces.iter().any(|interface| interface.bridge && interface.global_ipv6) {
        knob(&IPV6, facts, facts.ipv6_forward, findings);
    }
}

fn knob(knob: &Knob, facts: &Facts, now: Option<i64>, findings: &mut Vec<Finding>) {
    let Some(now) = now else { return };
    let (key, audit) = (knob.key, facts.audit.as_ref());
    let set = audit.and_then(|audit| audit.assigned(key));
    let lasts = set.and_then(|set| set.number).is_some_and(|number| number != 0);
    let lasting = audit.filter(|_| !lasts).map(|audit| audit.lasting(key, "1", STEM));
    let mut finding = match (now, set) {
        (0, _) => Finding::new(
            knob.off,
            Severity::Critical,
            format!("{key} is 0, and {}", knob.needed),
            knob.why_off,
            if lasts {
                "turn it on: the files already say so"
            } else {
                "turn it on, and make it last"
            },
        ),
        (_, Some(set)) if !lasts => Finding::new(
            knob.lost,
            Severity::Critical,
            format!("{key} is {now}, and {}, line {}, says 0", set.from.0, set.from.1),
            knob.why_lost,
            "set it to 1 after that line",
        ),
        (_, None) if audit.is_some() => Finding::new(
            knob.not_persisted,
            Severity::Warning,
            format!("{key} is {now}, and no file sets it"),
            knob.why_lost,
            "make it last",
        ),
        _ => return,
    };
    if key == IPV6.key {
        let listens = facts.interfaces.iter().flatten().filter(|found| found.advertised_route);
        for Interface { name, .. } in listens {
            // Or the machine itself loses its way out.
            let key = setting("ipv6", name, "accept_ra");
            finding.remedy +=
                &format!("; before that, let {name} go on accepting router advertisements");
            finding = finding.command(format!("sysctl -w {}=2", quoted(&key)));
            let lasting = audit.map(|audit| audit.lasting(&key, "2", STEM));
            finding.commands.extend(lasting);
        }
    }
    if now == 0 {
        finding = finding.command(format!("sysctl -w {key}=1"));
    }
    finding.commands.extend(lasting);
    findings.push(finding.source(knob.source));
}

/// Packets that come in by an interface that does not forward are not forwarded, whatever `all`
/// says.
fn each_interface(facts: &Facts, interfaces: &[Interface], findings: &mut Vec<Finding>) {
    if facts.ip_forward.is_none_or(|now| now == 0) {
        return;
    }
    let (mut names, mut severity) = (Vec::new(), Severity::Info);
    if facts.default_forward == Some(0) {
        // Docker makes its bridges when it wants them.
        severity = if facts.docker == Some(true) { Severity::Warning } else { severity };
        names.push("default");
    }
    let matters = |found: &&Interface| found.name != "lo" && !found.port;
    for found in interfaces.iter().filter(matters).filter(|found| found.forwards == Some(0)) {
        if found.bridge || found.default_route {
            severity = Severity::Warning;
        }
        names.push(&found.name);
    }
    if names.is_empty() {
        return;
    }
    let mut finding = Finding::new(
        "INTERFACE_FORWARD_OFF",
        severity,
        format!("forwarding is on, but off for {}", names.join(", ")),
        "packets that come in there are not forwarded, replies included; new interfaces begin with \
         the value of default",
        "turn it on there, unless it is off on purpose",
    );
    for name in names {
        let key = setting("ipv4", name, "forwarding");
        finding = finding.command(format!("sysctl -w {}=1", quoted(&key)));
        let assigned = facts
            .audit
            .as_ref()
            .filter(|audit| audit.assigned(&key).is_some_and(|set| set.number == Some(0)));
        finding.commands.extend(assigned.map(|audit| audit.lasting(&key, "1", STEM)));
    }
    findings.push(finding.source("kernel: ip_route_input_slow, IN_DEV_FORWARD"));
}

/// The setting of an interface. A dot in its name is part of the name, and not a separator.
fn setting(family: &str, interface: &str, name: &str) -> String {
    if interface.contains('.') {
        return format!("net/{family}/conf/{interface}/{name}");
    }
    format!("net.{family}.conf.{interface}.{name}")
}
