//! The obvious way to group, to compare the fast one with.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ctnetlink::aggregate::Measure;
use ctnetlink::field::{Field, Key, Network, Prefix, Span, Value};
use ctnetlink::flow::{Counters, Family, Flow};

/// What a group has: entries; packets and bytes of both directions; entries without counters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sums {
    pub flows: u64,
    pub original: Counters,
    pub reply: Counters,
    pub uncounted: u64,
}

impl Sums {
    pub fn weight(&self, measure: Measure) -> u64 {
        match measure {
            Measure::Flows => self.flows,
            Measure::Packets => self.original.packets.saturating_add(self.reply.packets),
            Measure::Bytes => self.original.bytes.saturating_add(self.reply.bytes),
        }
    }

    pub fn add(&mut self, flow: &Flow) {
        let plus = |sum: &mut Counters, more: Option<Counters>| {
            let more = more.unwrap_or_default();
            sum.packets = sum.packets.saturating_add(more.packets);
            sum.bytes = sum.bytes.saturating_add(more.bytes);
        };
        self.flows += 1;
        plus(&mut self.original, flow.counters_original);
        plus(&mut self.reply, flow.counters_reply);
        let uncounted = flow.counters_original.is_none() && flow.counters_reply.is_none();
        self.uncounted += u64::from(uncounted);
    }
}

/// The moment ages are reckoned to, here and where the tests compare.
pub fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}

/// Every field that does not run with the clock; those with an address count by this prefix.
pub fn keys(prefix: Prefix) -> Vec<Key> {
    let fields = [
        Field::Family,
        Field::Protocol,
        Field::State,
        Field::Source,
        Field::Destination,
        Field::SourcePort,
        Field::DestinationPort,
        Field::ReplySourcePort,
        Field::ReplyDestinationPort,
        Field::ReplySource,
        Field::ReplyDestination,
        Field::Zone,
        Field::Mark,
        Field::Status,
    ];
    fields.map(|field| field.by(prefix)).to_vec()
}

/// The groups of `flows`, in no order.
pub fn groups(flows: &[Flow], keys: &[Key], prefixes: (u8, u8)) -> HashMap<Vec<Value>, Sums> {
    let mut groups: HashMap<Vec<Value>, Sums> = HashMap::new();
    for flow in flows {
        let key = keys.iter().map(|key| value(flow, key.field(), prefixes)).collect();
        groups.entry(key).or_default().add(flow);
    }
    groups
}

/// The groups of `flows`, heaviest first, and equal ones by their values.
pub fn ranked(
    flows: &[Flow],
    keys: &[Key],
    prefixes: (u8, u8),
    measure: Measure,
) -> Vec<(Vec<Value>, Sums)> {
    let mut groups: Vec<_> = groups(flows, keys, prefixes).into_iter().collect();
    groups.sort_by_key(|(key, sums)| {
        (Reverse(sums.weight(measure)), key.iter().map(order).collect::<Vec<_>>())
    });
    groups
}

/// `prefixes` are those of every field with an address; a field does not show its own.
fn value(flow: &Flow, field: Field, prefixes: (u8, u8)) -> Value {
    let address = |address: IpAddr| match (address, prefixes) {
        (IpAddr::V4(v4), (length @ ..32, _)) => {
            let kept = if length == 0 { 0 } else { v4.to_bits() >> (32 - length) << (32 - length) };
            Value::Network(Network::new(IpAddr::V4(kept.into()), length))
        }
        (IpAddr::V6(v6), (_, length @ ..128)) => {
            let kept =
                if length == 0 { 0 } else { v6.to_bits() >> (128 - length) << (128 - length) };
            Value::Network(Network::new(IpAddr::V6(kept.into()), length))
        }
        _ => Value::Address(address),
    };
    match field {
        Field::Family if flow.original.source.is_ipv4() => Value::Family(Family::Ipv4),
        Field::Family => Value::Family(Family::Ipv6),
        Field::Protocol => Value::Protocol(flow.protocol()),
        Field::State => Value::State(flow.state()),
        Field::Source => address(flow.original.source),
        Field::Destination => address(flow.original.destination),
        Field::ReplySource => address(flow.reply.source),
        Field::ReplyDestination => address(flow.reply.destination),
        Field::SourcePort => number(flow.original.endpoints.source_port()),
        Field::DestinationPort => number(flow.original.endpoints.destination_port()),
        Field::ReplySourcePort => number(flow.reply.endpoints.source_port()),
        Field::ReplyDestinationPort => number(flow.reply.endpoints.destination_port()),
        Field::Zone => number(flow.zone.or(flow.original.zone).or(flow.reply.zone).or(Some(0))),
        Field::Mark => flow.mark.map_or(Value::Missing, |mark| Value::Number(mark.into())),
        Field::Status => Value::Status(flow.status),
        Field::Timeout => {
            flow.timeout.map_or(Value::Missing, |timeout| Value::Span(span(timeout.as_secs())))
        }
        Field::Age => flow.timestamps.map_or(Value::Missing, |moments| {
            let age = now().duration_since(moments.start).unwrap_or_default();
            Value::Span(span(age.as_secs()))
        }),
        other => panic!("a field without a twin: {other:?}"),
    }
}

fn number(number: Option<u16>) -> Value {
    number.map_or(Value::Missing, |number| Value::Number(number.into()))
}

/// The range that says it has these seconds.
fn span(seconds: u64) -> Span {
    let duration = Duration::from_secs(seconds);
    let holds = |span: &Span| span.from() <= duration && span.to().is_none_or(|to| duration < to);
    Span::all().find(holds).expect("a range for every number")
}

/// Numbers by value, IPv4 before IPv6, nothing before something.
pub fn order(value: &Value) -> (u8, u128) {
    match *value {
        Value::Family(family) => (0, u128::from(family == Family::Ipv6)),
        Value::Protocol(protocol) => (0, protocol.0.into()),
        // The order of states is the crate's own; their names must at least tell them apart.
        Value::State(_) => (0, 0),
        Value::Address(address) => address_order(address),
        Value::Network(network) => address_order(network.address()),
        Value::Number(number) => (1, number.into()),
        Value::Status(status) => (0, status.bits().into()),
        Value::Span(span) => (1, span.from().as_secs().into()),
        Value::Missing => (0, 0),
        _ => panic!("a value without an order"),
    }
}

fn address_order(address: IpAddr) -> (u8, u128) {
    match address {
        IpAddr::V4(v4) => (4, v4.to_bits().into()),
        IpAddr::V6(v6) => (6, v6.to_bits()),
    }
}
