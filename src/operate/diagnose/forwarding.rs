//! Forwarding that is off or does not last, chains that drop what is forwarded, and who uses tracking here.

use super::facts::{Facts, Interface};
use super::rules::Rules;
use crate::operate::finding::Severity::{Critical, Info, Warning};
use crate::operate::finding::{Finding, quoted};

pub(super) fn judge(facts: &Facts, findings: &mut Vec<Finding>) {
    let rules = facts.rules.as_ref();
    let interfaces = facts.interfaces.as_deref().unwrap_or_default();
    let nat = rules.is_some_and(|rules| rules.nat_ipv4);
    if nat || facts.docker == Some(true) || facts.bridges == Some(true) {
        findings.extend(knob(&IPV4, facts, facts.ip_forward));
        findings.extend(each_interface(facts, interfaces));
    }
    let nat = rules.is_some_and(|rules| rules.nat_ipv6);
    if nat || interfaces.iter().any(|interface| interface.bridge && interface.global_ipv6) {
        findings.extend(knob(&IPV6, facts, facts.ipv6_forward));
    }
    if let Some(rules) = rules {
        findings.extend(forward_drops(rules));
        findings.extend(docker_chains(facts, rules));
        findings.extend(users(rules));
    }
}

fn forward_drops(rules: &Rules) -> Option<Finding> {
    if !rules.forward_drops || rules.has_chain("DOCKER") || rules.has_chain("KUBE-FORWARD") {
        return None;
    }
    // Docker has tables of its own then, and so no chains in this one.
    if rules.has_docker_bridges() {
        let finding = Finding::warning(
            "FORWARD_DROPS",
            "a FORWARD chain drops by policy, which docker's nftables tables cannot overrule",
            "every forward chain sees a packet, and any can drop it: published ports do not work",
            "let docker's bridges pass in that chain, or set its policy to accept",
        );
        return Some(finding.command("nft list chains").source(
            "docs.docker.com, engine/network/firewall-nftables: FORWARD policy in iptables",
        ));
    }
    let finding = Finding::warning(
        "FORWARD_DROPS",
        "the FORWARD chain drops what no rule lets pass, and has no chains of docker or Kubernetes",
        "packets to containers are dropped; a restart of firewalld removes docker's chains",
        "restart docker, which makes its chains again; or add rules that accept what should pass",
    )
    .command("systemctl restart docker")
    .source("moby/libnetwork#1526");
    Some(finding)
}

fn docker_chains(facts: &Facts, rules: &Rules) -> Option<Finding> {
    let there = rules.has_chain("DOCKER") || rules.has_docker_bridges();
    if facts.docker != Some(true) || !rules.known || there {
        return None;
    }
    let finding = Finding::warning(
        "DOCKER_CHAINS_MISSING",
        "docker runs, and neither its chains (iptables) nor its tables (nftables) are there",
        "published ports and containers' NAT are gone; firewalld was restarted after docker",
        "restart docker",
    )
    .command("systemctl restart docker")
    .source("docs.docker.com, engine/network: firewall-iptables, firewall-nftables");
    Some(finding)
}

fn users(rules: &Rules) -> Option<Finding> {
    let users = rules.users();
    (!users.is_empty()).then(|| {
        Finding::info(
            "IN_USE_BY",
            format!("tracking is used here by {}", users.join(", ")),
            "taking the module away would break it: NAT stops, and stateful rules match nothing",
            "take single traffic out of tracking (notrack) instead of the module",
        )
    })
}

/// The setting that turns forwarding on for one family, and what its findings say.
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
    why_off: "containers are cut off; a restart of the network sets it back to what files say",
    why_lost: "docker (iptables) turns it on; a network restart or the next boot turns it off",
    source: "sysctl.d(5); flatcar#297",
};

const IPV6: Knob = Knob {
    key: "net.ipv6.conf.all.forwarding",
    off: "IPV6_FORWARD_OFF",
    lost: "IPV6_FORWARD_LOST_AT_BOOT",
    not_persisted: "IPV6_FORWARD_NOT_PERSISTED",
    needed: "there are NAT rules for IPv6, or bridges with IPv6 addresses",
    why_off: "containers have no IPv6; docker with nftables does not turn it on by itself",
    why_lost: "it does not last; a network restart or the next boot turns it off",
    source: "sysctl.d(5); docs.docker.com, engine/network/firewall-nftables: IP forwarding",
};

/// What the name of a file that makes forwarding last ends with.
const STEM: &str = "forward";

fn knob(knob: &Knob, facts: &Facts, now: Option<i64>) -> Option<Finding> {
    let (key, now, audit) = (knob.key, now?, facts.audit.as_ref());
    let set = audit.and_then(|audit| audit.assigned(key));
    let lasts = set.and_then(|set| set.number).is_some_and(|number| number != 0);
    let (id, severity, seen, why, remedy) = match (now, set) {
        (0, _) => {
            let seen = format!("{key} is 0, and {}", knob.needed);
            let remedy = match lasts {
                true => "turn it on: the files already say so",
                false => "turn it on, and make it last",
            };
            (knob.off, Critical, seen, knob.why_off, remedy)
        }
        (_, Some(set)) if !lasts => {
            let seen = format!("{key} is {now}, and {}, says 0", set.place());
            (knob.lost, Critical, seen, knob.why_lost, "set it to 1 after that line")
        }
        (_, None) if audit.is_some() => {
            let seen = format!("{key} is {now}, and no file sets it");
            (knob.not_persisted, Warning, seen, knob.why_lost, "make it last")
        }
        _ => return None,
    };
    let mut finding = Finding::new(id, severity, seen, why, remedy).source(knob.source);
    if key == IPV6.key {
        // Otherwise the machine itself loses its default route.
        for Interface { name, .. } in
            facts.interfaces.iter().flatten().filter(|found| found.advertised_route)
        {
            let key = setting("ipv6", name, "accept_ra");
            finding.remedy +=
                &format!("; before that, let {name} go on accepting router advertisements");
            finding = finding
                .command(format!("sysctl -w {}=2", quoted(&key)))
                .commands(audit.map(|audit| audit.lasting(&key, "2", STEM)));
        }
    }
    let for_now = (now == 0).then(|| format!("sysctl -w {key}=1"));
    let lasting = audit.filter(|_| !lasts).map(|audit| audit.lasting(key, "1", STEM));
    Some(finding.commands(for_now).commands(lasting))
}

/// An interface that does not forward its packets matters, even if `all` is on.
fn each_interface(facts: &Facts, interfaces: &[Interface]) -> Option<Finding> {
    facts.ip_forward.filter(|now| *now != 0)?;
    let off = |found: &&Interface| found.forwards == Some(0) && found.name != "lo" && !found.port;
    let off: Vec<_> = interfaces.iter().filter(off).collect();
    let default = (facts.default_forward == Some(0)).then_some("default");
    // Docker makes its bridges when it wants them.
    let matters = (default.is_some() && facts.docker == Some(true))
        || off.iter().any(|found| found.bridge || found.default_route);
    let names: Vec<_> =
        default.into_iter().chain(off.iter().map(|found| found.name.as_str())).collect();
    if names.is_empty() {
        return None;
    }
    let mut finding = Finding::new(
        "INTERFACE_FORWARD_OFF",
        if matters { Warning } else { Info },
        format!("forwarding is on, but off for {}", names.join(", ")),
        "what comes in there is not forwarded, replies included; default is for new interfaces",
        "turn it on there, unless it is off on purpose",
    );
    for name in names {
        let key = setting("ipv4", name, "forwarding");
        let is_zero = |number: Option<i64>| number == Some(0);
        let audit = facts.audit.as_ref();
        let audit = audit.filter(|it| it.assigned(&key).is_some_and(|set| is_zero(set.number)));
        finding = finding
            .command(format!("sysctl -w {}=1", quoted(&key)))
            .commands(audit.map(|audit| audit.lasting(&key, "1", STEM)));
    }
    Some(finding.source("kernel: ip_route_input_slow, IN_DEV_FORWARD"))
}

/// The setting of an interface. A dot in its name is part of the name, and not a separator.
fn setting(family: &str, interface: &str, name: &str) -> String {
    if interface.contains('.') {
        return format!("net/{family}/conf/{interface}/{name}");
    }
    format!("net.{family}.conf.{interface}.{name}")
}
