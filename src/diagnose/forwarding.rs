//! Containers that lost the network, and who uses tracking here.

use super::facts::Facts;
use crate::finding::{Finding, Severity};

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
            "a packet goes through every forward chain; one that drops it is enough, so published \
             ports do not work unless that chain lets them pass",
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
        "what is forwarded to containers is dropped; firewalld restarted after docker takes \
         docker's chains away",
        "restart docker, which makes its chains again; or let pass what should",
    )
    .command("systemctl restart docker")
    .source("moby/libnetwork#1526")
}

fn forwarding(facts: &Facts, findings: &mut Vec<Finding>) {
    let nat = facts.rules.as_ref().is_some_and(|rules| rules.nat);
    let needed = nat || facts.docker == Some(true) || facts.bridges == Some(true);
    let set = facts.audit.as_ref().and_then(|audit| audit.setting("ip_forward"));
    match (facts.ip_forward, set) {
        (Some(0), _) if needed => findings.push(
            Finding::new(
                "IP_FORWARD_OFF",
                Severity::Critical,
                "net.ipv4.ip_forward is 0, and there are NAT rules, bridges or docker",
                "containers reach nothing and nobody reaches them; a network restart sets it back to \
                 what files say",
                "turn it on, and make it last",
            )
            .command("sysctl -w net.ipv4.ip_forward=1")
            .command("echo net.ipv4.ip_forward = 1 > /etc/sysctl.d/99-forward.conf"),
        ),
        (Some(1), Some(set)) if set.value == "0" && needed => findings.push(
            Finding::new(
                "IP_FORWARD_LOST_AT_BOOT",
                Severity::Critical,
                format!("net.ipv4.ip_forward is 1, and {}, line {}, says 0", set.from.0, set.from.1),
                "docker turns it on when it starts; the next restart of the network, or boot, turns it off",
                "write 1 into that file",
            )
            .command(format!("sed -i 's/ip_forward.*/ip_forward = 1/' {}", set.from.0)),
        ),
        (Some(1), None) if needed && facts.audit.is_some() => findings.push(
            Finding::new(
                "IP_FORWARD_NOT_PERSISTED",
                Severity::Warning,
                "net.ipv4.ip_forward is 1, and no file sets it",
                "docker turns it on when it starts, and it is lost whenever the network is restarted",
                "make it last",
            )
            .command("echo net.ipv4.ip_forward = 1 > /etc/sysctl.d/99-forward.conf")
            .source("sysctl.d(5); flatcar#297"),
        ),
        _ => {}
    }
}
