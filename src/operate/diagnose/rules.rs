//! The packet filter's rules, read from their text.

use std::collections::BTreeSet;

/// What is known of the packet filter's rules.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Rules {
    /// Whether the rules are known at all.
    pub known: bool,
    /// Whether there are NAT chains or rules of any family.
    pub nat: bool,
    /// Whether there are NAT chains or rules for IPv4.
    pub nat_ipv4: bool,
    /// Whether rules translate IPv6. A chain alone does not count: docker makes it on every host.
    pub nat_ipv6: bool,
    /// Whether rules match the state of flows.
    pub stateful: bool,
    /// Whether a chain of forwarded packets, other than docker's own, drops what no rule lets pass.
    pub forward_drops: bool,
    /// Destination ports that are taken out of tracking.
    pub notrack: Vec<u16>,
    /// Tables of nftables, with their families: `ip docker-bridges`.
    pub tables: BTreeSet<String>,
    /// Names of chains.
    pub chains: Vec<String>,
}

/// The table that docker's nftables backend makes (Docker 29), for each family.
const DOCKER_BRIDGES: [&str; 2] = ["ip docker-bridges", "ip6 docker-bridges"];

/// Words of a rule that translates addresses, for `nft` and for `iptables`.
const NAT: [&str; 8] =
    ["masquerade", "snat", "dnat", "redirect", "MASQUERADE", "SNAT", "DNAT", "REDIRECT"];

impl Rules {
    /// Reads the output of `nft list ruleset`, `iptables-save` and `ip6tables-save`, one or several together.
    pub fn parse(text: &str) -> Self {
        let mut rules = Self { known: true, ..Self::default() };
        // The family and name of the table that the lines belong to.
        let (mut family, mut table) = ("ip", "");
        for line in text.lines().map(str::trim) {
            let words: Vec<_> = line.split_whitespace().collect();
            let has = |word: &str| words.contains(&word);
            match words[..] {
                ["table", of, name, ..] => {
                    (family, table) = (of, name);
                    rules.tables.insert(format!("{of} {name}"));
                }
                ["chain", name, ..] => rules.chains.push(name.to_owned()),
                ["#", "Generated", "by", program, ..] => {
                    (family, table) = (if program.starts_with("ip6") { "ip6" } else { "ip" }, "");
                }
                [first, ..] if first.starts_with(':') => {
                    rules.chains.push(first.trim_start_matches(':').to_owned());
                    rules.forward_drops |= first == ":FORWARD" && has("DROP");
                }
                _ => {}
            }
            let translates = NAT.iter().any(|word| has(word));
            if translates || line == "*nat" || line.contains("type nat hook") {
                rules.nat = true;
                rules.nat_ipv4 |= family != "ip6";
                let for_ipv6 = family == "ip6" || (family == "inet" && (has("ip6") || has("ipv6")));
                rules.nat_ipv6 |= translates && for_ipv6;
            }
            let matches_state = words.windows(2).any(|pair| pair == ["-m", "state"]);
            rules.stateful |=
                line.contains("ct state") || has("conntrack") || has("--ctstate") || matches_state;
            // Docker's own chain lets pass what docker forwards.
            let drops = line.contains("hook forward") && line.contains("policy drop");
            rules.forward_drops |= drops && table != "docker-bridges";
            if has("notrack") || has("--notrack") || has("NOTRACK") {
                rules.notrack.extend(ports(&words));
            }
        }
        rules
    }

    pub(super) fn has_chain(&self, name: &str) -> bool {
        self.chains.iter().any(|chain| chain.starts_with(name))
    }

    /// Whether docker's nftables tables are there.
    pub(super) fn has_docker_bridges(&self) -> bool {
        DOCKER_BRIDGES.iter().any(|table| self.tables.contains(*table))
    }

    /// Who uses tracking, as far as the rules show.
    pub(super) fn users(&self) -> Vec<&'static str> {
        let named = |name: &str| self.has_chain(name);
        [
            (self.nat, "NAT"),
            (self.stateful, "rules by state"),
            (named("DOCKER") || self.has_docker_bridges(), "docker"),
            (named("KUBE-"), "kube-proxy"),
            (named("cali-"), "calico"),
            (named("FLANNEL"), "flannel"),
        ]
        .into_iter()
        .filter_map(|(is, name)| is.then_some(name))
        .collect()
    }
}

/// The destination ports that the words of a rule name.
fn ports(words: &[&str]) -> Vec<u16> {
    let mut found = Vec::new();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        if !["dport", "--dport", "--dports"].contains(word) {
            continue;
        }
        for word in words.by_ref() {
            let numbers = word.trim_matches(['{', '}', ',']).split(',');
            let numbers: Vec<u16> = numbers.filter_map(|number| number.parse().ok()).collect();
            if numbers.is_empty() && !word.contains(['{', '}']) {
                break;
            }
            found.extend(numbers);
        }
    }
    found
}
