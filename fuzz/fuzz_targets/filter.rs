//! Filters out of text, and put together from functions: what a filter prints reads back, the order of
//! its words changes nothing, and what a kernel is asked for leaves out no entry the filter is true of.

#![no_main]

use std::sync::LazyLock;
use std::time::{Duration, UNIX_EPOCH};

use ctnetlink::field::{Network, Networks, Numbers};
use ctnetlink::filter::{Filter, Placement};
use ctnetlink::flow::{
    Direction, Endpoints, Family, Flow, FlowId, FlowRef, ProtoInfo, Protocol, State, Status, Tuple,
};
use ctnetlink::kernel::{Capabilities, Version};
use libfuzzer_sys::fuzz_target;

#[path = "../../tests/pure/asked.rs"]
mod asked;

/// The bytes of an input, as choices; all are 0 where there are no more.
struct Choices<'b>(&'b [u8]);

impl Choices<'_> {
    fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    fn below(&mut self, number: usize) -> usize {
        usize::from(self.byte()) % number
    }

    fn number(&mut self) -> u64 {
        match self.below(4) {
            0 => self.byte().into(),
            1 => u16::from_be_bytes([self.byte(), self.byte()]).into(),
            2 => u64::from(u32::from_be_bytes(std::array::from_fn(|_| self.byte()))),
            _ => u64::from_be_bytes(std::array::from_fn(|_| self.byte())),
        }
    }

    fn address(&mut self) -> std::net::IpAddr {
        match self.below(3) {
            0 => [10, 0, 0, self.byte()].into(),
            1 => [0x2001, 0xdb8, 0, 0, 0, 0, 0, u16::from(self.byte())].into(),
            _ => std::array::from_fn::<u8, 16, _>(|_| self.byte()).into(),
        }
    }

    fn networks(&mut self) -> Networks {
        (0..self.below(4)).map(|_| Network::new(self.address(), self.byte())).collect()
    }

    fn numbers(&mut self) -> Numbers {
        let ranges = 0..self.below(4);
        ranges.map(|_| self.number() as u16..=self.number() as u16).collect()
    }

    fn protocol(&mut self) -> Protocol {
        let known = [1, 6, 17, 33, 47, 58, 132, 136];
        Protocol(known.get(self.below(9)).copied().unwrap_or_else(|| self.byte()))
    }

    fn state(&mut self) -> State {
        let bits = self.number() as u32;
        State::of(self.protocol(), self.protoinfo(), Status::from_bits_retain(bits))
    }

    fn protoinfo(&mut self) -> Option<ProtoInfo> {
        use ctnetlink::flow::{DccpState, SctpState, TcpInfo, TcpState};
        Some(match self.below(4) {
            0 => ProtoInfo::Tcp(TcpInfo::new(TcpState(self.byte()))),
            1 => ProtoInfo::Sctp(ctnetlink::flow::SctpInfo {
                state: SctpState(self.byte()),
                vtag_original: None,
                vtag_reply: None,
            }),
            2 => ProtoInfo::Dccp(ctnetlink::flow::DccpInfo {
                state: DccpState(self.byte()),
                role: None,
                handshake_sequence: None,
            }),
            _ => return None,
        })
    }

    fn name(&mut self) -> String {
        let length = self.below(6);
        let characters = (0..length).map(|_| match self.below(8) {
            0 => '"',
            1 => char::from_u32(self.number() as u32).unwrap_or('\\'),
            _ => char::from(self.byte()),
        });
        characters.collect()
    }

    fn span(&mut self) -> (std::ops::Bound<Duration>, std::ops::Bound<Duration>) {
        let (from, to) = self.range();
        (from.map(Duration::from_nanos), to.map(Duration::from_millis))
    }

    fn range(&mut self) -> (std::ops::Bound<u64>, std::ops::Bound<u64>) {
        let mut bound = || match self.below(3) {
            0 => std::ops::Bound::Included(self.number()),
            1 => std::ops::Bound::Excluded(self.number()),
            _ => std::ops::Bound::Unbounded,
        };
        (bound(), bound())
    }

    fn condition(&mut self) -> Filter {
        let direction = [Direction::Original, Direction::Reply][self.below(2)];
        match self.below(34) {
            0 => Filter::family([Family::Ipv4, Family::Ipv6][self.below(2)]),
            1 => Filter::protocols((0..self.below(4)).map(|_| self.protocol()).collect::<Vec<_>>()),
            2 => Filter::states((0..self.below(4)).map(|_| self.state()).collect::<Vec<_>>()),
            3 => Filter::source(self.networks()),
            4 => Filter::destination(self.networks()),
            5 => Filter::reply_source(self.networks()),
            6 => Filter::reply_destination(self.networks()),
            7 => Filter::host(self.networks()),
            8 => Filter::source_port(self.numbers()),
            9 => Filter::destination_port(self.numbers()),
            10 => Filter::reply_source_port(self.numbers()),
            11 => Filter::reply_destination_port(self.numbers()),
            12 => Filter::port(self.numbers()),
            13 => Filter::source_key(self.numbers()),
            14 => Filter::destination_key(self.numbers()),
            15 => Filter::icmp_type(self.numbers()),
            16 => Filter::icmp_code(self.numbers()),
            17 => Filter::icmp_id(self.numbers()),
            18 => Filter::status(Status::from_bits_retain(self.number() as u32)),
            19 => Filter::status_any(Status::from_bits_retain(self.number() as u32)),
            20 => [Filter::source_nat(), Filter::destination_nat(), Filter::nat()][self.below(3)]
                .clone(),
            21 => Filter::source_nat_to(self.networks()),
            22 => Filter::destination_nat_to(self.networks()),
            23 => Filter::nat_to(self.networks()),
            24 => Filter::zone(self.numbers()),
            25 => Filter::original_zone(self.numbers()) | Filter::reply_zone(self.numbers()),
            26 => Filter::mark_masked(self.number() as u32, self.number() as u32),
            27 => Filter::label(self.numbers()),
            28 => Filter::helper(self.name()),
            29 => Filter::id(FlowId(self.number() as u32)),
            30 => Filter::timeout(self.span()),
            31 => Filter::age(self.span()),
            32 => Filter::bytes(self.range()) & Filter::packets(self.range()),
            _ => {
                Filter::bytes_of(direction, self.range())
                    | Filter::packets_of(direction, self.range())
            }
        }
    }

    /// Any filter, by functions: `depth` parts in each other at most.
    fn filter(&mut self, depth: usize) -> Filter {
        match self.below(if depth == 0 { 1 } else { 6 }) {
            1 => !self.filter(depth - 1),
            2 | 3 => {
                let parts = self.below(4);
                Filter::all((0..parts).map(|_| self.filter(depth - 1)).collect::<Vec<_>>())
            }
            4 => {
                let parts = self.below(4);
                Filter::any((0..parts).map(|_| self.filter(depth - 1)).collect::<Vec<_>>())
            }
            5 => self.filter(depth - 1) & self.filter(depth - 1),
            _ => self.condition(),
        }
    }

    /// An entry as a kernel can have it.
    fn flow(&mut self) -> Flow {
        let (protocol, v6) = (self.protocol(), self.below(2) == 1);
        let mut tuple = || {
            let mut address = || loop {
                let address = self.address();
                if address.is_ipv6() == v6 {
                    return address;
                }
                if self.0.is_empty() {
                    let [v4, other] = ["10.0.0.0", "2001:db8::"].map(|text| text.parse().unwrap());
                    return if v6 { other } else { v4 };
                }
            };
            let (source, destination) = (address(), address());
            let mut tuple = Tuple::with_ports(protocol, (source, 0), (destination, 0));
            let (a, b) = (u16::from(self.byte()), u16::from(self.byte()));
            tuple.endpoints = match protocol {
                Protocol::ICMP | Protocol::ICMPV6 => {
                    Endpoints::Icmp { icmp_type: a as u8, code: b as u8, id: a ^ b }
                }
                Protocol::GRE => Endpoints::GreKeys { source: a, destination: b },
                Protocol(6 | 17 | 33 | 132 | 136) => Endpoints::Ports { source: a, destination: b },
                _ => Endpoints::None,
            };
            tuple
        };
        let mut flow = Flow::new(tuple(), tuple());
        flow.status = Status::from_bits_retain(self.number() as u32);
        flow.mark = Some(self.byte().into());
        flow.protoinfo = self.protoinfo().filter(|info| match info {
            ProtoInfo::Tcp(_) => protocol == Protocol::TCP,
            ProtoInfo::Sctp(_) => protocol == Protocol::SCTP,
            ProtoInfo::Dccp(_) => protocol == Protocol::DCCP,
            _ => false,
        });
        let zone = Some(u16::from(self.byte())).filter(|zone| *zone != 0);
        match self.below(3) {
            0 => flow.zone = zone,
            1 => flow.original.zone = zone,
            _ => flow.reply.zone = zone,
        }
        flow.timeout = (self.below(2) == 1).then(|| Duration::from_secs(self.byte().into()));
        flow
    }
}

/// The laws of every filter.
fn check(filter: &Filter, flow: &Flow, choices: &mut Choices<'_>) {
    let now = UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    let text = filter.to_string();
    let read = text.parse::<Filter>();
    assert_eq!(read.as_ref(), Ok(filter), "{text}");
    let judged = filter.judge(flow, now);
    assert_eq!((!filter.clone()).judge(flow, now), judged.map(|truth| !truth), "{text}");
    assert!(!filter.is_everything() || judged != Some(false), "{text}");
    let version = [(4, 4), (4, 18), (5, 8), (5, 15), (6, 8), (6, 18)][choices.below(6)];
    let kernel = Capabilities::of(Version::new(version.0, version.1));
    for placement in [Placement::LeastCpu, Placement::LeastLatency] {
        let plan = filter.plan(&kernel, placement);
        let sent = plan.requests().iter().filter(|request| asked::sends(&kernel, request, flow));
        let sent = sent.count();
        assert!(sent <= 1, "sent twice: {text}");
        assert!(sent == 1 || judged != Some(true), "left out: {text}\n{}", plan.explain());
        assert!(!plan.is_exact() || (sent == 1) == (judged == Some(true)), "{text}");
    }
}

static EVERYTHING: LazyLock<Filter> = LazyLock::new(Filter::new);

fuzz_target!(|bytes: &[u8]| {
    let now = UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    let Some((kind, rest)) = bytes.split_first() else { return };
    if kind % 2 == 0 {
        // Functions: a filter and an entry.
        let mut choices = Choices(rest);
        let (filter, flow) = (choices.filter(4), choices.flow());
        check(&filter, &flow, &mut choices);
        // Two texts side by side, in either order.
        let (one, other) = (choices.filter(2), choices.filter(2));
        let sides = |one: &Filter, between: &str, other: &Filter| {
            let both = format!("({one}){between}({other})");
            both.parse::<Filter>().ok().map(|filter| filter.judge(&flow, now))
        };
        for between in [" ", " or "] {
            let read = sides(&one, between, &other);
            assert_eq!(read, sides(&other, between, &one), "({one}){between}({other})");
            let joined = if between == " " {
                one.clone() & other.clone()
            } else {
                one.clone() | other.clone()
            };
            let judged = joined.judge(&flow, now);
            let empty = one == *EVERYTHING || other == *EVERYTHING;
            assert!(
                read == Some(judged) || read.is_none() && (judged == Some(false) || empty),
                "{joined}"
            );
        }
    } else {
        // A text; what is behind the first 0 is an entry's attributes.
        let (text, entry) = rest.split_at(rest.iter().position(|b| *b == 0).unwrap_or(rest.len()));
        let Ok(text) = std::str::from_utf8(text) else { return };
        match text.parse::<Filter>() {
            Ok(filter) => {
                let mut choices = Choices(entry);
                let flow = choices.flow();
                check(&filter, &flow, &mut choices);
                if let Ok(flow) = FlowRef::parse(entry.get(1..).unwrap_or_default()) {
                    assert_eq!(filter.judge(&flow, now), filter.judge(&flow.to_owned(), now));
                }
            }
            Err(error) => {
                assert_eq!(error.to_string().lines().count(), 1);
                assert!(text[error.position()..].starts_with(error.word()));
            }
        }
    }
});
