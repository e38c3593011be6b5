//! What the packet filter's rules say, from their text.

/// What is known of the packet filter's rules.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Rules {
    /// Whether any text was given.
    pub known: bool,
    /// Whether there are NAT chains or rules.
    pub nat: bool,
    /// Whether rules ask for the state of flows.
    pub stateful: bool,
    /// Whether the FORWARD chain drops what no rule lets pass.
    pub forward_drops: bool,
    /// Destination ports that are taken out of tracking.
    pub notrack: Vec<u16>,
    /// Names of chains.
    pub chains: Vec<String>,
}

impl Rules {
    /// Reads what `nft list ruleset`, `iptables-save` or both together print.
    pub fn parse(text: &str) -> Self {
        let mut rules = Self { known: true, ..Self::default() };
        for line in text.lines().map(str::trim) {
            let words: Vec<_> = line.split_whitespace().collect();
            let has = |word: &str| words.contains(&word);
            match words[..] {
                ["chain", name, ..] => rules.chains.push(name.to_owned()),
                [first, ..] if first.starts_with(':') => {
                    rules.chains.push(first.trim_start_matches(':').to_owned());
                    rules.forward_drops |= first == ":FORWARD" && has("DROP");
                }
                _ => {}
            }
            rules.nat |= line == "*nat"
                || line.contains("type nat hook")
                || ["masquerade", "snat", "dnat", "MASQUERADE", "SNAT", "DNAT"]
                    .iter()
                    .any(|w| has(w));
            rules.stateful |= line.contains("ct state")
                || has("conntrack")
                || has("--ctstate")
                || has("-m state");
            let is_forward = line.contains("hook forward");
            rules.forward_drops |= is_forward && line.contains("policy drop");
            if has("notrack") || has("--notrack") || has("NOTRACK") {
                rules.notrack.extend(ports(&words));
            }
        }
        rules
    }

    /// Whether UDP to this port is taken out of tracking.
    pub(super) fn untracked(&self, port: u16) -> bool {
        self.notrack.contains(&port)
    }

    pub(super) fn has_chain(&self, name: &str) -> bool {
        self.chains.iter().any(|chain| chain.starts_with(name))
    }

    /// Who uses tracking, as far as rules tell.
    pub(super) fn users(&self) -> Vec<&'static str> {
        let named = |name: &str| self.has_chain(name);
        [
            (self.nat, "NAT"),
            (self.stateful, "rules by state"),
            (named("DOCKER"), "docker"),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn check_3_7_rules_of_nft_and_of_iptables() {
        let nft = Rules::parse(
            "table inet notrack {\n\tchain in {\n\t\ttype filter hook prerouting priority raw;\n\
             \t\tudp dport 4789 notrack\n\t\tudp dport { 8472, 6081 } counter notrack\n\t}\n}\n\
             table ip n {\n\tchain post {\n\t\ttype nat hook postrouting priority 100;\n\t\tmasquerade\n}\n\
             table ip f {\n\tchain FORWARD {\n\t\ttype filter hook forward priority 0; policy drop;\n\
             \t\tct state established accept\n",
        );
        assert!(nft.nat && nft.stateful && nft.forward_drops);
        assert_eq!(nft.notrack, [4789, 8472, 6081]);
        assert!(nft.untracked(4789) && !nft.untracked(53));
        assert_eq!(nft.users(), ["NAT", "rules by state"]);

        let iptables = Rules::parse(
            "*raw\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -p udp -m udp --dport 4789 -j CT --notrack\n\
             *nat\n:DOCKER - [0:0]\n*filter\n:FORWARD DROP [0:0]\n:KUBE-FORWARD - [0:0]\n\
             -A INPUT -m conntrack --ctstate NEW\n",
        );
        assert!(iptables.nat && iptables.stateful && iptables.forward_drops);
        assert_eq!(iptables.notrack, [4789]);
        assert_eq!(iptables.users(), ["NAT", "rules by state", "docker", "kube-proxy"]);

        let none = Rules::parse(
            "table ip f {\n\tchain FORWARD {\n\t\ttype filter hook forward priority 0;\n",
        );
        assert!(!none.nat && !none.stateful && !none.forward_drops && none.users().is_empty());
    }
}
