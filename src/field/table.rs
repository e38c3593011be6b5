//! The table itself.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::{Datum, Field};
use crate::flow::{Counters, Direction, Endpoints, FlowRef, Needs, Protocol, Tuple};
use crate::wire::ctnetlink::*;

/// One field.
pub(crate) struct Spec {
    pub(crate) field: Field,
    /// Its word in a filter; empty for a field that no filter has.
    pub(crate) word: &'static str,
    /// Its word as the key of a group; empty for a field that nothing is grouped by.
    pub(crate) key: &'static str,
    /// Another word for it, in filters and as a key.
    pub(crate) alias: &'static str,
    /// Examples of conditions, with a comma and a blank between; empty where another field's help names it.
    pub(crate) example: &'static str,
    pub(crate) help: &'static str,
    pub(crate) kind: Kind,
    /// The attributes it is in.
    pub(crate) needs: Needs,
    pub(crate) get: Get,
}

/// What a field's values are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// 4 or 6.
    Family,
    Protocol,
    /// The code of a state.
    State,
    Address,
    /// The address that NAT put in, if there is NAT: a condition may be on that alone.
    Nat,
    /// A number up to `most`, of these protocols only, if there are any. `what` begins the message about a text that is
    /// none.
    Number {
        most: u32,
        what: &'static str,
        only: &'static [Protocol],
    },
    Status,
    /// 32 bits, compared by masks.
    Mark,
    Labels,
    Text,
    /// Nanoseconds.
    Time,
    /// Nanoseconds since 1970.
    Since,
    /// A number to be compared with.
    Amount,
}

/// How an entry says it.
pub(crate) enum Get {
    /// `None` is what the entry does not say: a condition on it cannot be decided.
    One(for<'f, 'e> fn(&'f FlowRef<'e>) -> Option<Datum<'e>>),
    /// `None` is known: the entry has none, so a condition on it is false.
    Known(for<'f, 'e> fn(&'f FlowRef<'e>) -> Option<Datum<'e>>),
    /// Whatever any of these fields says.
    Any(&'static [Field]),
}

/// Its word in a filter.
impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.spec().word)
    }
}

impl Field {
    /// The setting without which the kernel keeps no such value; it has to be on when a flow begins.
    ///
    /// ```
    /// use ctnetlink::field::Field;
    /// assert_eq!(Field::Bytes.setting(), Some("nf_conntrack_acct"));
    /// assert_eq!(Field::Mark.setting(), None);
    /// ```
    pub fn setting(self) -> Option<&'static str> {
        let needs = |kind| self.spec().needs.contains(kind);
        if needs(CTA_COUNTERS_ORIG) || needs(CTA_COUNTERS_REPLY) {
            Some("nf_conntrack_acct")
        } else {
            needs(CTA_TIMESTAMP).then_some("nf_conntrack_timestamp")
        }
    }

    pub(crate) fn spec(self) -> &'static Spec {
        // One line for each field, in the order of the fields: see the test below.
        #[allow(clippy::indexing_slicing)]
        &FIELDS[self as usize]
    }
}

const WITH_PORTS: &[Protocol] =
    &[Protocol::TCP, Protocol::UDP, Protocol::DCCP, Protocol::SCTP, Protocol::UDPLITE];
const GRE: &[Protocol] = &[Protocol::GRE];
const ICMP: &[Protocol] = &[Protocol::ICMP, Protocol::ICMPV6];

const PORT: Kind = Kind::Number { most: 65_535, what: "a port is a number", only: WITH_PORTS };
const GRE_KEY: Kind = Kind::Number { most: 65_535, what: "a key is a number", only: GRE };
const ICMP_BYTE: Kind = Kind::Number { most: 255, what: "it is a number", only: ICMP };
const ICMP_ID: Kind = Kind::Number { most: 65_535, what: "it is a number", only: ICMP };
const ZONE: Kind = Kind::Number { most: 65_535, what: "a zone is a number", only: &[] };
const ID: Kind = Kind::Number { most: u32::MAX, what: "an id is a number", only: &[] };

const ORIGINAL: Needs = Needs::of(&[CTA_TUPLE_ORIG]);
const REPLY: Needs = Needs::of(&[CTA_TUPLE_REPLY]);
const TUPLES: Needs = ORIGINAL.and(REPLY);
const STATUS: Needs = Needs::of(&[CTA_STATUS]);
const STATE: Needs = Needs::of(&[CTA_TUPLE_ORIG, CTA_STATUS, CTA_PROTOINFO]);
// A zone of one direction stands in that direction's tuple.
const ZONES: Needs = TUPLES.and(Needs::of(&[CTA_ZONE]));
const COUNTERS_ORIGINAL: Needs = Needs::of(&[CTA_COUNTERS_ORIG]);
const COUNTERS_REPLY: Needs = Needs::of(&[CTA_COUNTERS_REPLY]);
const COUNTERS: Needs = COUNTERS_ORIGINAL.and(COUNTERS_REPLY);

/// Every field, in the order of [`Field`].
#[rustfmt::skip] // A table is read by its columns.
pub(crate) const FIELDS: &[Spec] = &[
    Spec { field: Field::Family, word: "family", key: "family", alias: "", example: "family=ipv6", help: "ipv4 or ipv6",
        kind: Kind::Family, needs: ORIGINAL, get: Get::Known(|e| Some(e.original().family().version().into())) },
    Spec { field: Field::Protocol, word: "proto", key: "protocol", alias: "", example: "proto=tcp,udp,47", help: "layer-4 protocol, by name or number",
        kind: Kind::Protocol, needs: ORIGINAL, get: Get::Known(|e| Some(e.protocol().0.into())) },
    Spec { field: Field::State, word: "state", key: "state", alias: "", example: "state=TIME_WAIT", help: "state; of UDP and the like UNREPLIED, REPLIED, ASSURED",
        kind: Kind::State, needs: STATE, get: Get::Known(|e| Some(e.state().code().into())) },
    Spec { field: Field::Source, word: "src", key: "source", alias: "", example: "src=10.0.0.0/8", help: "who opened the flow: addresses, networks",
        kind: Kind::Address, needs: ORIGINAL, get: Get::Known(|e| Some(Datum::Address(e.original().source))) },
    Spec { field: Field::Destination, word: "dst", key: "destination", alias: "", example: "dst=192.0.2.1,2001:db8::/32", help: "where it was addressed to",
        kind: Kind::Address, needs: ORIGINAL, get: Get::Known(|e| Some(Datum::Address(e.original().destination))) },
    Spec { field: Field::ReplySource, word: "reply-src", key: "reply-source", alias: "", example: "reply-src=10.0.0.7", help: "who answers, behind destination NAT",
        kind: Kind::Address, needs: REPLY, get: Get::Known(|e| Some(Datum::Address(e.reply().source))) },
    Spec { field: Field::ReplyDestination, word: "reply-dst", key: "reply-destination", alias: "", example: "reply-dst=203.0.113.1", help: "where answers go, behind source NAT",
        kind: Kind::Address, needs: REPLY, get: Get::Known(|e| Some(Datum::Address(e.reply().destination))) },
    Spec { field: Field::Host, word: "host", key: "", alias: "", example: "host=10.1.2.3", help: "either end, on either side of NAT",
        kind: Kind::Address, needs: TUPLES, get: Get::Any(&[Field::Source, Field::Destination, Field::ReplySource, Field::ReplyDestination]) },
    Spec { field: Field::SourcePort, word: "sport", key: "sport", alias: "source-port", example: "sport=1024-65535", help: "source port",
        kind: PORT, needs: ORIGINAL, get: Get::Known(|e| port(e.original(), true)) },
    Spec { field: Field::DestinationPort, word: "dport", key: "dport", alias: "destination-port", example: "dport=80,8000-9000", help: "destination port",
        kind: PORT, needs: ORIGINAL, get: Get::Known(|e| port(e.original(), false)) },
    Spec { field: Field::ReplySourcePort, word: "reply-sport", key: "reply-sport", alias: "reply-source-port", example: "reply-sport=8080", help: "port that answers",
        kind: PORT, needs: REPLY, get: Get::Known(|e| port(e.reply(), true)) },
    Spec { field: Field::ReplyDestinationPort, word: "reply-dport", key: "reply-dport", alias: "reply-destination-port", example: "reply-dport=1024-65535", help: "port that answers go to",
        kind: PORT, needs: REPLY, get: Get::Known(|e| port(e.reply(), false)) },
    Spec { field: Field::Port, word: "port", key: "", alias: "", example: "port=53", help: "port of either end, on either side of NAT",
        kind: PORT, needs: TUPLES, get: Get::Any(&[Field::SourcePort, Field::DestinationPort, Field::ReplySourcePort, Field::ReplyDestinationPort]) },
    Spec { field: Field::SourceKey, word: "srckey", key: "", alias: "source-key", example: "srckey=7, dstkey=7", help: "keys of GRE",
        kind: GRE_KEY, needs: ORIGINAL, get: Get::Known(|e| gre_key(e.original(), true)) },
    Spec { field: Field::DestinationKey, word: "dstkey", key: "", alias: "destination-key", example: "", help: "destination key of GRE",
        kind: GRE_KEY, needs: ORIGINAL, get: Get::Known(|e| gre_key(e.original(), false)) },
    Spec { field: Field::IcmpType, word: "icmp-type", key: "", alias: "", example: "icmp-type=8", help: "type, of ICMP and ICMPv6; also icmp-code, icmp-id",
        kind: ICMP_BYTE, needs: ORIGINAL, get: Get::Known(|e| icmp(e).map(|(icmp_type, ..)| icmp_type.into())) },
    Spec { field: Field::IcmpCode, word: "icmp-code", key: "", alias: "", example: "", help: "code, of ICMP and ICMPv6",
        kind: ICMP_BYTE, needs: ORIGINAL, get: Get::Known(|e| icmp(e).map(|(_, code, _)| code.into())) },
    Spec { field: Field::IcmpId, word: "icmp-id", key: "", alias: "", example: "", help: "identifier, of ICMP and ICMPv6",
        kind: ICMP_ID, needs: ORIGINAL, get: Get::Known(|e| icmp(e).map(|(.., id)| id.into())) },
    Spec { field: Field::Status, word: "status", key: "status", alias: "", example: "status=EXPECTED,HELPER", help: "any of these status bits; all of them with + between",
        kind: Kind::Status, needs: STATUS, get: Get::Known(|e| Some(e.status().bits().into())) },
    Spec { field: Field::SourceNat, word: "snat", key: "", alias: "source-nat", example: "snat, snat=203.0.113.1", help: "source NAT; to an address",
        kind: Kind::Nat, needs: TUPLES, get: Get::Known(|e| e.source_nat().map(|to| Datum::Address(to.address))) },
    Spec { field: Field::DestinationNat, word: "dnat", key: "", alias: "destination-nat", example: "dnat, dnat=10.0.0.0/8", help: "destination NAT; to an address",
        kind: Kind::Nat, needs: TUPLES, get: Get::Known(|e| e.destination_nat().map(|to| Datum::Address(to.address))) },
    Spec { field: Field::Nat, word: "nat", key: "", alias: "", example: "nat, nat=10.0.0.0/8", help: "any NAT; to an address",
        kind: Kind::Nat, needs: TUPLES, get: Get::Any(&[Field::SourceNat, Field::DestinationNat]) },
    Spec { field: Field::Zone, word: "zone", key: "zone", alias: "", example: "zone=7", help: "zone, 0 is the default; of one way orig-zone, reply-zone",
        kind: ZONE, needs: ZONES, get: Get::Known(|e| zone(e, e.original().zone.or(e.reply().zone))) },
    Spec { field: Field::OriginalZone, word: "orig-zone", key: "", alias: "original-zone", example: "", help: "zone of the original direction",
        kind: ZONE, needs: ZONES, get: Get::Known(|e| zone(e, e.original().zone)) },
    Spec { field: Field::ReplyZone, word: "reply-zone", key: "", alias: "", example: "", help: "zone of the reply direction",
        kind: ZONE, needs: ZONES, get: Get::Known(|e| zone(e, e.reply().zone)) },
    Spec { field: Field::Mark, word: "mark", key: "mark", alias: "", example: "mark=0x1/0xff", help: "mark, perhaps by mask",
        kind: Kind::Mark, needs: Needs::of(&[CTA_MARK]), get: Get::One(|e| e.mark().map(Datum::from)) },
    // The kernel sends labels only if one is set.
    Spec { field: Field::Label, word: "label", key: "", alias: "", example: "label=3", help: "label, 0 to 127",
        kind: Kind::Labels, needs: Needs::of(&[CTA_LABELS]), get: Get::Known(|e| e.labels().map(Datum::Labels)) },
    Spec { field: Field::Helper, word: "helper", key: "", alias: "", example: "helper=ftp", help: "helper; a name with blanks in quotes: helper=\"a b\"",
        kind: Kind::Text, needs: Needs::of(&[CTA_HELP]), get: Get::Known(|e| e.helper().map(|helper| Datum::Text(helper.name))) },
    Spec { field: Field::Id, word: "id", key: "", alias: "", example: "id=12345", help: "the kernel's id",
        kind: ID, needs: Needs::of(&[CTA_ID]), get: Get::One(|e| e.id().map(|id| id.0.into())) },
    Spec { field: Field::Timeout, word: "timeout", key: "expires", alias: "", example: "timeout<30s", help: "time left (ms, s, m, h, d)",
        kind: Kind::Time, needs: Needs::of(&[CTA_TIMEOUT]), get: Get::One(|e| e.timeout().map(|time| nanoseconds(time).into())) },
    Spec { field: Field::Age, word: "age", key: "age", alias: "", example: "age>1h", help: "time since it began, where the kernel noted it (nf_conntrack_timestamp)",
        kind: Kind::Since, needs: Needs::of(&[CTA_TIMESTAMP]), get: Get::One(|e| e.timestamps().map(|at| since_1970(at.start).into())) },
    Spec { field: Field::Bytes, word: "bytes", key: "", alias: "", example: "bytes>10M", help: "bytes both ways, where counted; of one orig-, reply-bytes",
        kind: Kind::Amount, needs: COUNTERS, get: Get::One(|e| both(e, |counters| counters.bytes)) },
    Spec { field: Field::OriginalBytes, word: "orig-bytes", key: "", alias: "original-bytes", example: "", help: "bytes of the original direction, where counted",
        kind: Kind::Amount, needs: COUNTERS_ORIGINAL, get: Get::One(|e| e.counters(Direction::Original).map(|counters| counters.bytes.into())) },
    Spec { field: Field::ReplyBytes, word: "reply-bytes", key: "", alias: "", example: "", help: "bytes of the reply direction, where counted",
        kind: Kind::Amount, needs: COUNTERS_REPLY, get: Get::One(|e| e.counters(Direction::Reply).map(|counters| counters.bytes.into())) },
    Spec { field: Field::Packets, word: "packets", key: "", alias: "", example: "packets=1-3", help: "packets both ways, where counted; likewise",
        kind: Kind::Amount, needs: COUNTERS, get: Get::One(|e| both(e, |counters| counters.packets)) },
    Spec { field: Field::OriginalPackets, word: "orig-packets", key: "", alias: "original-packets", example: "", help: "packets of the original direction, where counted",
        kind: Kind::Amount, needs: COUNTERS_ORIGINAL, get: Get::One(|e| e.counters(Direction::Original).map(|counters| counters.packets.into())) },
    Spec { field: Field::ReplyPackets, word: "reply-packets", key: "", alias: "", example: "", help: "packets of the reply direction, where counted",
        kind: Kind::Amount, needs: COUNTERS_REPLY, get: Get::One(|e| e.counters(Direction::Reply).map(|counters| counters.packets.into())) },
    Spec { field: Field::Use, word: "use", key: "use", alias: "", example: "use>1", help: "users of the entry in the kernel, the table included",
        kind: Kind::Amount, needs: Needs::of(&[CTA_USE]), get: Get::One(|e| e.use_count().map(Datum::from)) },
];

fn port<'e>(tuple: &Tuple, source: bool) -> Option<Datum<'e>> {
    let endpoints = tuple.endpoints;
    if source { endpoints.source_port() } else { endpoints.destination_port() }.map(Datum::from)
}

fn gre_key<'e>(tuple: &Tuple, of_source: bool) -> Option<Datum<'e>> {
    let Endpoints::GreKeys { source, destination } = tuple.endpoints else { return None };
    Some(if of_source { source } else { destination }.into())
}

fn icmp(entry: &FlowRef<'_>) -> Option<(u8, u8, u16)> {
    let Endpoints::Icmp { icmp_type, code, id } = entry.original().endpoints else { return None };
    Some((icmp_type, code, id))
}

/// The zone of both directions, or that of one; 0 is the default zone.
fn zone<'e>(entry: &FlowRef<'_>, directed: Option<u16>) -> Option<Datum<'e>> {
    Some(entry.zone().or(directed).unwrap_or_default().into())
}

fn both<'e>(entry: &FlowRef<'_>, of: fn(Counters) -> u64) -> Option<Datum<'e>> {
    let [original, reply] = [Direction::Original, Direction::Reply].map(|way| entry.counters(way));
    Some(of(original?).saturating_add(of(reply?)).into())
}

/// 584 years at most, which is more than a timeout can be.
pub(crate) fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// How old is what began so many nanoseconds after 1970; 0 for what began later than now.
pub(crate) fn age(began: u64, now: SystemTime) -> u64 {
    since_1970(now).saturating_sub(began)
}

/// A moment before 1970 is its beginning.
fn since_1970(moment: SystemTime) -> u64 {
    nanoseconds(moment.duration_since(UNIX_EPOCH).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_has_its_line_and_words_of_its_own() {
        let mut words = Vec::new();
        for (at, spec) in FIELDS.iter().enumerate() {
            assert_eq!(spec.field as usize, at, "{}", spec.word);
            assert_eq!(spec.field.spec().word, spec.word);
            let mut own = vec![spec.word, spec.key, spec.alias];
            own.retain(|word| !word.is_empty());
            own.dedup();
            assert!(own.iter().all(|word| !words.contains(word)), "{own:?}");
            words.extend(own);
        }
        assert_eq!(FIELDS.last().unwrap().field, Field::Use);
    }
}
