//! The words of the text form.

use super::Filter;
use super::condition::{Icmp, Nat, Place, Unit};
use crate::flow::Direction;

/// What a word stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Word {
    Family,
    Protocol,
    State,
    Address(Place),
    Port(Place),
    Key(Place),
    Icmp(Icmp),
    Status,
    Assured,
    Replied,
    Unreplied,
    Nat(Nat),
    Zone(Option<Direction>),
    Mark,
    Label,
    Helper,
    Id,
    Timeout,
    Age,
    Amount(Unit, Option<Direction>),
}

const ORIGINAL: Option<Direction> = Some(Direction::Original);
const REPLY: Option<Direction> = Some(Direction::Reply);

/// Every word, with the longer one that means the same.
const WORDS: [(Word, &str, &str); 40] = [
    (Word::Family, "family", ""),
    (Word::Protocol, "proto", "protocol"),
    (Word::State, "state", ""),
    (Word::Address(Place::Source), "src", "source"),
    (Word::Address(Place::Destination), "dst", "destination"),
    (Word::Address(Place::ReplySource), "reply-src", "reply-source"),
    (Word::Address(Place::ReplyDestination), "reply-dst", "reply-destination"),
    (Word::Address(Place::Either), "host", ""),
    (Word::Port(Place::Source), "sport", "source-port"),
    (Word::Port(Place::Destination), "dport", "destination-port"),
    (Word::Port(Place::ReplySource), "reply-sport", "reply-source-port"),
    (Word::Port(Place::ReplyDestination), "reply-dport", "reply-destination-port"),
    (Word::Port(Place::Either), "port", ""),
    (Word::Key(Place::Source), "srckey", "source-key"),
    (Word::Key(Place::Destination), "dstkey", "destination-key"),
    (Word::Icmp(Icmp::Type), "icmp-type", ""),
    (Word::Icmp(Icmp::Code), "icmp-code", ""),
    (Word::Icmp(Icmp::Id), "icmp-id", ""),
    (Word::Status, "status", ""),
    (Word::Assured, "assured", ""),
    (Word::Replied, "replied", ""),
    (Word::Unreplied, "unreplied", ""),
    (Word::Nat(Nat::Source), "snat", "source-nat"),
    (Word::Nat(Nat::Destination), "dnat", "destination-nat"),
    (Word::Nat(Nat::Either), "nat", ""),
    (Word::Zone(None), "zone", ""),
    (Word::Zone(ORIGINAL), "orig-zone", "original-zone"),
    (Word::Zone(REPLY), "reply-zone", ""),
    (Word::Mark, "mark", ""),
    (Word::Label, "label", ""),
    (Word::Helper, "helper", ""),
    (Word::Id, "id", ""),
    (Word::Timeout, "timeout", ""),
    (Word::Age, "age", ""),
    (Word::Amount(Unit::Bytes, None), "bytes", ""),
    (Word::Amount(Unit::Bytes, ORIGINAL), "orig-bytes", "original-bytes"),
    (Word::Amount(Unit::Bytes, REPLY), "reply-bytes", ""),
    (Word::Amount(Unit::Packets, None), "packets", ""),
    (Word::Amount(Unit::Packets, ORIGINAL), "orig-packets", "original-packets"),
    (Word::Amount(Unit::Packets, REPLY), "reply-packets", ""),
];

impl Word {
    pub(super) fn find(name: &str) -> Option<Self> {
        let found = WORDS.iter().find(|(_, short, long)| name == *short || name == *long);
        found.filter(|_| !name.is_empty()).map(|(word, ..)| *word)
    }

    pub(super) fn name(self) -> &'static str {
        WORDS.iter().find(|(word, ..)| *word == self).map_or("", |(_, name, _)| name)
    }

    /// Every word, for a message.
    pub(super) fn all() -> String {
        WORDS.map(|(_, name, _)| name).join(", ")
    }
}

impl Filter {
    /// Examples of every condition of the text form with what they mean, for help texts.
    pub const WORDS: [(&'static str, &'static str); 31] = [
        ("family=ipv6", "ipv4 or ipv6"),
        ("proto=tcp,udp,47", "protocol, by name or number"),
        ("state=TIME_WAIT", "state; of UDP and the like UNREPLIED, REPLIED, ASSURED"),
        ("src=10.0.0.0/8", "who opened the flow: addresses, networks"),
        ("dst=192.0.2.1,2001:db8::/32", "where it was addressed to"),
        ("reply-src=10.0.0.7", "who answers, behind destination NAT"),
        ("reply-dst=203.0.113.1", "where answers go, behind source NAT"),
        ("host=10.1.2.3", "either end, on either side of NAT"),
        ("sport=1024-65535", "source port; reply-sport is who answers'"),
        ("dport=80,8000-9000", "destination port; reply-dport is where answers go"),
        ("port=53", "port of either end"),
        ("srckey=7, dstkey=7", "keys of GRE"),
        ("icmp-type=8", "type, of ICMP and ICMPv6; also icmp-code, icmp-id"),
        ("status=EXPECTED,HELPER", "any of these status bits; all of them with + between"),
        ("assured", "not evicted early"),
        ("replied", "packets went both ways"),
        ("unreplied", "no packet came back"),
        ("snat, snat=203.0.113.1", "source NAT; to an address"),
        ("dnat, dnat=10.0.0.0/8", "destination NAT; to an address"),
        ("nat, nat=10.0.0.0/8", "any NAT; to an address"),
        ("zone=7", "zone, 0 is the default; of one way orig-zone, reply-zone"),
        ("mark=0x1/0xff", "mark, perhaps by mask"),
        ("label=3", "label, 0 to 127"),
        ("helper=ftp", "helper; a name with blanks in quotes: helper=\"a b\""),
        ("id=12345", "the kernel's id"),
        ("timeout<30s", "time left (ms, s, m, h, d)"),
        ("age>1h", "time since it began, where the kernel noted it"),
        ("bytes>10M", "bytes both ways, where counted; of one orig-, reply-bytes"),
        ("packets=1-3", "packets both ways, where counted; likewise"),
        ("a b, a and b, a or b", "both; either, in parentheses where needed"),
        ("!a, not a, dport!=80", "the opposite"),
    ];
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_word_means_two_things_and_every_word_has_a_name() {
        for (index, (word, short, long)) in WORDS.iter().enumerate() {
            assert_eq!(Word::find(short), Some(*word));
            assert_eq!(word.name(), *short);
            assert!(long.is_empty() || Word::find(long) == Some(*word), "{long}");
            let later = WORDS.iter().skip(index + 1);
            assert!(later.clone().all(|(other, ..)| other != word), "{short}");
        }
        assert_eq!(Word::find(""), None);
    }

    #[test]
    fn every_example_is_a_filter() {
        for (examples, _) in Filter::WORDS.iter().take(29) {
            for example in examples.split(", ") {
                let filter: Filter = example.parse().unwrap();
                assert!(!filter.is_everything(), "{example}");
            }
        }
    }
}
