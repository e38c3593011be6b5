//! Filters as a test thinks of them: to make, to print, and to judge by in the obvious way.

use std::net::IpAddr;
use std::time::Duration;

use ctnetlink::field::{Network, Networks, Numbers};
use ctnetlink::filter::Filter;
use ctnetlink::flow::{
    Counters, Direction, Endpoints, Family, Flow, FlowId, Protocol, State, Status, TcpState, Tuple,
};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use crate::naive;

#[derive(Debug, Clone)]
pub enum Spec {
    All(Vec<Spec>),
    Any(Vec<Spec>),
    Not(Box<Spec>),
    Is(Condition),
}

/// Places: source, destination, reply source, reply destination, any of the four.
#[derive(Debug, Clone)]
pub enum Condition {
    Family(bool),
    Protocol(Vec<u8>),
    State(Vec<State>),
    Address(usize, Vec<(IpAddr, u8)>),
    Port(usize, Vec<(u16, u16)>),
    Key(usize, Vec<(u16, u16)>),
    Icmp(usize, Vec<(u16, u16)>),
    StatusAll(u32),
    StatusAny(u32),
    Nat(usize, Option<Vec<(IpAddr, u8)>>),
    /// The entry's, the original direction's, the reply's.
    Zone(usize, Vec<(u16, u16)>),
    Mark(u32, u32),
    Label(u8),
    Helper(&'static str),
    Id(u32),
    Timeout(Sign, u64),
    Age(Sign, u64),
    /// Bytes or packets; of both directions, the original or the reply.
    Amount(bool, usize, Sign, u64),
}

#[derive(Debug, Clone, Copy)]
pub enum Sign {
    Less,
    AtMost,
    AtLeast,
    More,
}

impl Spec {
    pub fn filter(&self) -> Filter {
        match self {
            Self::All(parts) => Filter::all(parts.iter().map(Self::filter)),
            Self::Any(parts) => Filter::any(parts.iter().map(Self::filter)),
            Self::Not(inner) => !inner.filter(),
            Self::Is(condition) => condition.filter(),
        }
    }

    /// 0 for false, 2 for true, 1 for what cannot be told.
    pub fn judge(&self, flow: &Flow) -> u8 {
        match self {
            Self::All(parts) => parts.iter().map(|part| part.judge(flow)).min().unwrap_or(2),
            Self::Any(parts) => parts.iter().map(|part| part.judge(flow)).max().unwrap_or(0),
            Self::Not(inner) => 2 - inner.judge(flow),
            Self::Is(condition) => match condition.holds(flow) {
                Some(truth) => u8::from(truth) * 2,
                None => 1,
            },
        }
    }

    pub fn keeps(&self, flow: &Flow) -> bool {
        self.judge(flow) == 2
    }
}

fn networks(set: &[(IpAddr, u8)]) -> Networks {
    set.iter().map(|&(address, length)| Network::new(address, length)).collect()
}

fn numbers(set: &[(u16, u16)]) -> Numbers {
    set.iter().map(|&(first, last)| first..=last).collect()
}

fn range<T>(sign: Sign, value: T) -> (std::ops::Bound<T>, std::ops::Bound<T>) {
    use std::ops::Bound::*;
    match sign {
        Sign::Less => (Unbounded, Excluded(value)),
        Sign::AtMost => (Unbounded, Included(value)),
        Sign::AtLeast => (Included(value), Unbounded),
        Sign::More => (Excluded(value), Unbounded),
    }
}

fn compare(sign: Sign, number: u128, value: u128) -> bool {
    match sign {
        Sign::Less => number < value,
        Sign::AtMost => number <= value,
        Sign::AtLeast => number >= value,
        Sign::More => number > value,
    }
}

/// Bit by bit, so as not to do it the way it is done.
fn is_in(address: IpAddr, set: &[(IpAddr, u8)]) -> bool {
    let bits = |address: IpAddr| -> Vec<bool> {
        let octets = match address {
            IpAddr::V4(address) => address.octets().to_vec(),
            IpAddr::V6(address) => address.octets().to_vec(),
        };
        octets.iter().flat_map(|octet| (0..8).map(move |bit| octet >> (7 - bit) & 1 == 1)).collect()
    };
    set.iter().any(|&(network, length)| {
        network.is_ipv4() == address.is_ipv4()
            && bits(network).iter().zip(bits(address)).take(length.into()).all(|(a, b)| *a == b)
    })
}

fn listed(number: u16, set: &[(u16, u16)]) -> bool {
    set.iter().any(|&(first, last)| first <= number && number <= last)
}

fn addresses(flow: &Flow) -> [IpAddr; 4] {
    let (original, reply) = (&flow.original, &flow.reply);
    [original.source, original.destination, reply.source, reply.destination]
}

fn ports(flow: &Flow) -> [Option<u16>; 4] {
    let ports = |tuple: &Tuple| match tuple.endpoints {
        Endpoints::Ports { source, destination } => [Some(source), Some(destination)],
        _ => [None, None],
    };
    let ([a, b], [c, d]) = (ports(&flow.original), ports(&flow.reply));
    [a, b, c, d]
}

fn at<T: Copy>(place: usize, four: [T; 4], wanted: impl Fn(T) -> bool) -> bool {
    if place == 4 { four.into_iter().any(wanted) } else { wanted(four[place]) }
}

impl Condition {
    fn filter(&self) -> Filter {
        match self {
            Self::Family(v6) => Filter::family(if *v6 { Family::Ipv6 } else { Family::Ipv4 }),
            Self::Protocol(set) => Filter::protocols(set.iter().copied().map(Protocol)),
            Self::State(states) => Filter::states(states.iter().copied()),
            Self::Address(place, set) => {
                let filters: [fn(Networks) -> Filter; 5] = [
                    Filter::source,
                    Filter::destination,
                    Filter::reply_source,
                    Filter::reply_destination,
                    Filter::host,
                ];
                filters[*place](networks(set))
            }
            Self::Port(place, set) => {
                let filters: [fn(Numbers) -> Filter; 5] = [
                    Filter::source_port,
                    Filter::destination_port,
                    Filter::reply_source_port,
                    Filter::reply_destination_port,
                    Filter::port,
                ];
                filters[*place](numbers(set))
            }
            Self::Key(0, set) => Filter::source_key(numbers(set)),
            Self::Key(_, set) => Filter::destination_key(numbers(set)),
            Self::Icmp(0, set) => Filter::icmp_type(numbers(set)),
            Self::Icmp(1, set) => Filter::icmp_code(numbers(set)),
            Self::Icmp(_, set) => Filter::icmp_id(numbers(set)),
            Self::StatusAll(bits) => Filter::status(Status::from_bits_retain(*bits)),
            Self::StatusAny(bits) => Filter::status_any(Status::from_bits_retain(*bits)),
            Self::Nat(0, None) => Filter::source_nat(),
            Self::Nat(1, None) => Filter::destination_nat(),
            Self::Nat(_, None) => Filter::nat(),
            Self::Nat(0, Some(set)) => Filter::source_nat_to(networks(set)),
            Self::Nat(1, Some(set)) => Filter::destination_nat_to(networks(set)),
            Self::Nat(_, Some(set)) => Filter::nat_to(networks(set)),
            Self::Zone(0, set) => Filter::zone(numbers(set)),
            Self::Zone(1, set) => Filter::original_zone(numbers(set)),
            Self::Zone(_, set) => Filter::reply_zone(numbers(set)),
            Self::Mark(value, mask) => Filter::mark_masked(*value, *mask),
            Self::Label(label) => Filter::label(u16::from(*label)),
            Self::Helper(name) => Filter::helper(*name),
            Self::Id(id) => Filter::id(FlowId(*id)),
            Self::Timeout(sign, seconds) => {
                Filter::timeout(range(*sign, Duration::from_secs(*seconds)))
            }
            Self::Age(sign, seconds) => Filter::age(range(*sign, Duration::from_secs(*seconds))),
            Self::Amount(bytes, 0, sign, value) if *bytes => Filter::bytes(range(*sign, *value)),
            Self::Amount(_, 0, sign, value) => Filter::packets(range(*sign, *value)),
            Self::Amount(bytes, direction, sign, value) => {
                let direction =
                    if *direction == 1 { Direction::Original } else { Direction::Reply };
                if *bytes {
                    Filter::bytes_of(direction, range(*sign, *value))
                } else {
                    Filter::packets_of(direction, range(*sign, *value))
                }
            }
        }
    }

    fn holds(&self, flow: &Flow) -> Option<bool> {
        let icmp = match flow.original.endpoints {
            Endpoints::Icmp { icmp_type, code, id } => Some([icmp_type.into(), code.into(), id]),
            _ => None,
        };
        Some(match self {
            Self::Family(v6) => flow.original.source.is_ipv6() == *v6,
            Self::Protocol(set) => set.contains(&flow.original.protocol.0),
            Self::State(states) => states.contains(&flow.state()),
            Self::Address(place, set) => at(*place, addresses(flow), |address| is_in(address, set)),
            Self::Port(place, set) => {
                at(*place, ports(flow), |port| port.is_some_and(|port| listed(port, set)))
            }
            Self::Key(place, set) => match flow.original.endpoints {
                Endpoints::GreKeys { source, destination } => {
                    listed([source, destination][*place], set)
                }
                _ => false,
            },
            Self::Icmp(part, set) => icmp.is_some_and(|numbers| listed(numbers[*part], set)),
            Self::StatusAll(bits) => flow.status.bits() & bits == *bits,
            Self::StatusAny(bits) => flow.status.bits() & bits != 0,
            Self::Nat(kind, to) => {
                let [source, destination, answers, answered] = addresses(flow);
                let [sport, dport, reply_sport, reply_dport] = ports(flow);
                let id = |tuple: &Tuple| match tuple.endpoints {
                    Endpoints::Icmp { id, .. } => Some(id),
                    _ => None,
                };
                let ids = id(&flow.original).zip(id(&flow.reply));
                let snat =
                    source != answered || sport != reply_dport || ids.is_some_and(|(a, b)| a != b);
                let dnat = destination != answers || dport != reply_sport;
                let to = |address| to.as_ref().is_none_or(|set| is_in(address, set));
                (*kind != 1 && snat && to(answered)) || (*kind != 0 && dnat && to(answers))
            }
            Self::Zone(which, set) => {
                let (both, original, reply) = (flow.zone, flow.original.zone, flow.reply.zone);
                let zone = match which {
                    0 => both.or(original).or(reply),
                    1 => both.or(original),
                    _ => both.or(reply),
                };
                listed(zone.unwrap_or(0), set)
            }
            Self::Mark(value, mask) => flow.mark? & mask == value & mask,
            Self::Label(label) => flow.labels.is_some_and(|labels| labels.contains(*label)),
            Self::Helper(name) => flow.helper.as_ref().is_some_and(|helper| helper.name == *name),
            Self::Id(id) => flow.id?.0 == *id,
            Self::Timeout(sign, seconds) => {
                compare(*sign, flow.timeout?.as_nanos(), u128::from(*seconds) * 1_000_000_000)
            }
            Self::Age(sign, seconds) => {
                // Nothing is younger than new.
                let age = naive::now().duration_since(flow.timestamps?.start).unwrap_or_default();
                compare(*sign, age.as_nanos(), u128::from(*seconds) * 1_000_000_000)
            }
            Self::Amount(bytes, which, sign, value) => {
                let amount = |counters: Counters| -> u128 {
                    if *bytes { counters.bytes.into() } else { counters.packets.into() }
                };
                let (original, reply) = (flow.counters_original, flow.counters_reply);
                let sum = match which {
                    0 => (amount(original?) + amount(reply?)).min(u64::MAX.into()),
                    1 => amount(original?),
                    _ => amount(reply?),
                };
                compare(*sign, sum, u128::from(*value))
            }
        })
    }
}

fn network() -> impl Strategy<Value = (IpAddr, u8)> {
    // Such as flows have, by whole addresses, small networks and large ones.
    let v4 = (0..6_u32, select(vec![32, 32, 31, 24, 8, 1, 0]))
        .prop_map(|(low, length)| (IpAddr::V4(((10 << 24) | low).into()), length));
    let v6 = (0..6_u128, select(vec![128, 128, 127, 64, 32, 1, 0]))
        .prop_map(|(low, length)| (IpAddr::V6(((0x2001_0db8 << 96) | low).into()), length));
    prop_oneof![v4, v6]
}

fn few_numbers() -> impl Strategy<Value = Vec<(u16, u16)>> {
    let number = prop_oneof![3 => 0..12_u16, 1 => any::<u16>()];
    vec(
        prop_oneof![
            number.clone().prop_map(|number| (number, number)),
            (number.clone(), number).prop_map(|(a, b)| (a.min(b), a.max(b))),
        ],
        1..4,
    )
}

fn state() -> impl Strategy<Value = State> {
    prop_oneof![
        (0..16_u8).prop_map(|number| TcpState(number).into()),
        select(vec![State::UNREPLIED, State::REPLIED, State::ASSURED, State::OFFLOAD]),
        select(vec![State::CLOSED, State::SHUTDOWN_SENT, State::OPEN, State::UNREPORTED]),
    ]
}

fn sign() -> impl Strategy<Value = Sign> {
    select(vec![Sign::Less, Sign::AtMost, Sign::AtLeast, Sign::More])
}

fn amount() -> impl Strategy<Value = u64> {
    prop_oneof![0..100_u64, (0..u64::from(u32::MAX)), any::<u64>()]
}

fn bits() -> impl Strategy<Value = u32> {
    prop_oneof![
        4 => (0..16_u32).prop_map(|bit| 1 << bit),
        1 => (0..16_u32, 0..16_u32).prop_map(|(a, b)| 1 << a | 1 << b),
        1 => any::<u32>(),
    ]
}

/// One condition of any kind.
pub fn condition() -> impl Strategy<Value = Condition> {
    let protocol = prop_oneof![
        4 => select(vec![1_u8, 6, 17, 33, 47, 50, 58, 132, 136]),
        1 => any::<u8>(),
    ];
    let mark = prop_oneof![Just(u32::MAX), Just(0xff), Just(1), Just(0), any::<u32>(),];
    prop_oneof![
        1 => any::<bool>().prop_map(Condition::Family),
        3 => vec(protocol, 1..3).prop_map(Condition::Protocol),
        2 => vec(state(), 1..4).prop_map(Condition::State),
        3 => (0..5_usize, vec(network(), 1..4)).prop_map(|(place, set)| Condition::Address(place, set)),
        2 => (0..5_usize, few_numbers()).prop_map(|(place, set)| Condition::Port(place, set)),
        1 => (0..2_usize, few_numbers()).prop_map(|(place, set)| Condition::Key(place, set)),
        1 => (0..3_usize, few_numbers()).prop_map(|(part, set)| Condition::Icmp(part, set)),
        2 => bits().prop_map(Condition::StatusAll),
        1 => bits().prop_map(Condition::StatusAny),
        1 => (0..3_usize, proptest::option::of(vec(network(), 1..3)))
            .prop_map(|(kind, set)| Condition::Nat(kind, set)),
        1 => (0..3_usize, few_numbers()).prop_map(|(which, set)| Condition::Zone(which, set)),
        1 => (0..6_u32, mark).prop_map(|(value, mask)| Condition::Mark(value, mask)),
        1 => (0..128_u8).prop_map(Condition::Label),
        1 => select(vec!["ftp", "sip", "tftp", "", "a b", "a,b)", "\"\\", "\u{1b}[2J\n", "!ü='"])
            .prop_map(Condition::Helper),
        1 => any::<u32>().prop_map(Condition::Id),
        1 => (sign(), amount()).prop_map(|(sign, value)| Condition::Timeout(sign, value % (1 << 33))),
        1 => (sign(), prop_oneof![0..1_000_000_u64, amount()])
            .prop_map(|(sign, value)| Condition::Age(sign, value % (1 << 33))),
        1 => (any::<bool>(), 0..3_usize, sign(), amount())
            .prop_map(|(bytes, which, sign, value)| Condition::Amount(bytes, which, sign, value)),
    ]
}

/// Any filter at all.
pub fn spec() -> impl Strategy<Value = Spec> {
    condition().prop_map(Spec::Is).prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            3 => vec(inner.clone(), 0..4).prop_map(Spec::All),
            1 => vec(inner.clone(), 0..4).prop_map(Spec::Any),
            1 => inner.prop_map(|spec| Spec::Not(Box::new(spec))),
        ]
    })
}
