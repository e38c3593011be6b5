//! The obvious way to group, to compare the fast one with.

use std::collections::HashMap;
use std::net::IpAddr;

use ctnetlink::aggregate::{Field, Value};
use ctnetlink::flow::{Family, Flow};

/// The groups of `flows` with their sizes, largest first, and equal ones by their values.
pub fn group(flows: &[Flow], fields: &[Field], prefixes: (u8, u8)) -> Vec<(Vec<Value>, u64)> {
    let mut groups: HashMap<Vec<Value>, u64> = HashMap::new();
    for flow in flows {
        let key = fields.iter().map(|field| value(flow, *field, prefixes)).collect();
        *groups.entry(key).or_default() += 1;
    }
    let mut groups: Vec<_> = groups.into_iter().collect();
    groups.sort_by_key(|(key, flows)| {
        (std::cmp::Reverse(*flows), key.iter().map(order).collect::<Vec<_>>())
    });
    groups
}

/// `prefixes` are those of every field with an address; a field does not show its own.
fn value(flow: &Flow, field: Field, prefixes: (u8, u8)) -> Value {
    let address = |address: IpAddr| match (address, prefixes) {
        (IpAddr::V4(v4), (length @ ..32, _)) => {
            let kept = if length == 0 { 0 } else { v4.to_bits() >> (32 - length) << (32 - length) };
            Value::Network(IpAddr::V4(kept.into()), length)
        }
        (IpAddr::V6(v6), (_, length @ ..128)) => {
            let kept =
                if length == 0 { 0 } else { v6.to_bits() >> (128 - length) << (128 - length) };
            Value::Network(IpAddr::V6(kept.into()), length)
        }
        _ => Value::Address(address),
    };
    match field {
        Field::Family if flow.original.source.is_ipv4() => Value::Family(Family::Ipv4),
        Field::Family => Value::Family(Family::Ipv6),
        Field::Protocol => Value::Protocol(flow.protocol()),
        Field::State => Value::State(flow.state()),
        Field::Source(_) => address(flow.original.source),
        Field::Destination(_) => address(flow.original.destination),
        Field::ReplySource(_) => address(flow.reply.source),
        Field::ReplyDestination(_) => address(flow.reply.destination),
        Field::SourcePort => Value::Port(flow.original.endpoints.source_port()),
        Field::DestinationPort => Value::Port(flow.original.endpoints.destination_port()),
        Field::ReplySourcePort => Value::Port(flow.reply.endpoints.source_port()),
        Field::ReplyDestinationPort => Value::Port(flow.reply.endpoints.destination_port()),
        Field::Zone => {
            Value::Zone(flow.zone.or(flow.original.zone).or(flow.reply.zone).unwrap_or(0))
        }
        Field::Mark => Value::Mark(flow.mark),
        Field::Status => Value::Status(flow.status),
        other => panic!("a field without a twin: {other}"),
    }
}

/// Numbers by value, IPv4 before IPv6, nothing before something.
fn order(value: &Value) -> (u8, u128) {
    match *value {
        Value::Family(family) => (0, u128::from(family == Family::Ipv6)),
        Value::Protocol(protocol) => (0, protocol.0.into()),
        // The order of states is the crate's own; their names must at least tell them apart.
        Value::State(_) => (0, 0),
        Value::Address(IpAddr::V4(v4)) | Value::Network(IpAddr::V4(v4), _) => {
            (4, v4.to_bits().into())
        }
        Value::Address(IpAddr::V6(v6)) | Value::Network(IpAddr::V6(v6), _) => (6, v6.to_bits()),
        Value::Port(port) => (port.is_some().into(), port.unwrap_or(0).into()),
        Value::Zone(zone) => (0, zone.into()),
        Value::Mark(mark) => (mark.is_some().into(), mark.unwrap_or(0).into()),
        Value::Status(status) => (0, status.bits().into()),
        _ => panic!("a value without an order"),
    }
}
