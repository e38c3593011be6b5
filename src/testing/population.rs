//! Synthetic flows: a realistic mix, the same every time.

use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use crate::flow::{
    Endpoints, Family, Flow, ProtoInfo, Protocol, SctpInfo, SctpState, Status, TcpInfo, TcpState,
    Tuple,
};

/// A number of synthetic flows, as a busy gateway might have them: a few sources with most of the
/// flows and a long tail behind, IPv4 and some IPv6; TCP in all its states, UDP, ICMP, SCTP, GRE
/// and ESP; some of it behind source or destination NAT; some with marks and zones.
///
/// Equal settings give equal flows, and no two of them share a tuple in any direction, so that the
/// kernel takes exactly as many as there are. That holds for every kernel: SCTP and GRE, whose ports
/// and keys a kernel without their [tracker](crate::kernel::Capabilities::tracks) does not keep, have
/// another server for every flow, as ESP has. UDP-Lite and DCCP, which newer kernels do not track, are
/// not among them.
///
/// ```
/// use ctnetlink::testing::Population;
/// let population = Population::new(1000).sources(50);
/// assert_eq!(population.flows().count(), 1000);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Population {
    flows: u64,
    sources: u32,
    seed: u64,
    uniform: bool,
    family: Option<Family>,
    flood: bool,
}

/// Clients there can be.
const SOURCES: u32 = 1 << 24;

/// Ports, keys and ids run through this many values before the destination changes.
const PORTS: u64 = 60_000;
const FIRST_PORT: u64 = 1024;

const ESP: Protocol = Protocol(50);

impl Population {
    /// `flows` flows of 5,000 sources.
    pub const fn new(flows: u64) -> Self {
        Self { flows, sources: 5_000, seed: 0, uniform: false, family: None, flood: false }
    }

    /// A flood: TCP to one service over IPv4. Each flow has a made-up source of its own, and none is
    /// ever established. After 16,777,216 sources they repeat.
    pub const fn flood(flows: u64) -> Self {
        let sources = if flows < SOURCES as u64 { flows as u32 } else { SOURCES };
        Self { flood: true, family: Some(Family::Ipv4), ..Self::new(flows).sources(sources) }
    }

    /// With this many sources, 16,777,216 at most. Where there are at least twice as many flows,
    /// every source has one.
    #[must_use]
    pub const fn sources(mut self, sources: u32) -> Self {
        self.sources = match sources {
            0 => 1,
            1..=SOURCES => sources,
            _ => SOURCES,
        };
        self
    }

    /// Gives every source about the same number of flows.
    #[must_use]
    pub const fn uniform(mut self) -> Self {
        self.uniform = true;
        self
    }

    /// Makes flows of this family only. Without it one source in five has an IPv6 address.
    #[must_use]
    pub const fn only(mut self, family: Family) -> Self {
        self.family = Some(family);
        self
    }

    /// Makes another mix of the same kind.
    #[must_use]
    pub const fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// How many flows.
    pub const fn len(&self) -> u64 {
        self.flows
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.flows == 0
    }

    /// The flows.
    pub fn flows(&self) -> impl Iterator<Item = Flow> + use<> {
        let population = self.clone();
        (0..self.flows).map(move |index| population.flow(index))
    }

    fn flow(&self, index: u64) -> Flow {
        let mut dice = Dice(self.seed.wrapping_mul(0x9e37_79b9) ^ index.wrapping_mul(0x5851_f42d));
        let source = self.source(index, &mut dice);
        let v6 = self.family.map_or(source % 5 == 4, |family| family == Family::Ipv6);
        let service = match self.flood {
            true => Service { protocol: Protocol::TCP, port: 443, host: 0 },
            false => Service::roll(&mut dice, v6),
        };
        // What makes the flow unique: `id` differs from one flow to the next, and the server's
        // address every time the ids have run out. ESP has no id, and not every kernel keeps those of
        // SCTP and GRE, so there all of it is in the address.
        let own_server = || Some(address(v6, PEER, index));
        let id = u16::try_from(FIRST_PORT + index % PORTS).unwrap_or(0);
        let host = ((index / PORTS) << 8) | u64::from(service.host);
        let (endpoints, server) = match service.protocol {
            Protocol::ICMP => (Endpoints::Icmp { icmp_type: 8, code: 0, id }, None),
            Protocol::ICMPV6 => (Endpoints::Icmp { icmp_type: 128, code: 0, id }, None),
            Protocol::GRE => (Endpoints::GreKeys { source: id, destination: 1 }, own_server()),
            Protocol::SCTP => {
                (Endpoints::Ports { source: id, destination: service.port }, own_server())
            }
            ESP => (Endpoints::None, own_server()),
            _ => (Endpoints::Ports { source: id, destination: service.port }, None),
        };
        let original = Tuple {
            source: address(v6, CLIENT, source.into()),
            destination: server.unwrap_or_else(|| address(v6, SERVER, host)),
            protocol: service.protocol,
            endpoints,
            zone: None,
        };
        let mut reply = original.inverse();
        match dice.roll(20) {
            _ if server.is_some() || self.flood => {}
            // The gateway has one address for all; ids stay as they are, so they stay unique.
            0..=3 => reply.destination = address(v6, GATEWAY, 1),
            4 => reply.source = address(v6, BACKEND, host),
            _ => {}
        }
        let mut flow = Flow::new(original, reply);
        service.dress(&mut flow, &mut dice);
        if self.flood {
            // One in five was not even answered.
            let (state, status) = match dice.roll(5) {
                0 => (TcpState::SYN_SENT, Status::CONFIRMED),
                _ => (TcpState::SYN_RECV, Status::CONFIRMED.union(Status::SEEN_REPLY)),
            };
            flow.protoinfo = Some(ProtoInfo::Tcp(TcpInfo::new(state)));
            flow.status = status;
            return flow;
        }
        flow.mark = Some(if dice.roll(10) == 0 { 1 + dice.roll(4) as u32 } else { 0 });
        flow.zone = (dice.roll(50) == 0).then_some(7);
        flow
    }

    /// The first flows take one source each; then the cube of a fair roll gives the first source
    /// of 5,000 about one flow in seventeen, and most sources a handful.
    fn source(&self, index: u64, dice: &mut Dice) -> u32 {
        let sources = u64::from(self.sources);
        if self.flood {
            // Scattered, as spoofed addresses are, and still each another one.
            let source = index.wrapping_mul(0x9e_3779) % u64::from(SOURCES);
            return u32::try_from(source).unwrap_or(0);
        }
        let source = if index < sources && self.flows >= 2 * sources {
            index
        } else if self.uniform {
            dice.roll(sources)
        } else {
            let fair = dice.roll(1 << 20);
            (((fair * fair) >> 20) * fair * sources) >> 40
        };
        u32::try_from(source).unwrap_or(0)
    }
}

/// What a flow is for.
struct Service {
    protocol: Protocol,
    port: u16,
    host: u8,
}

impl Service {
    fn roll(dice: &mut Dice, v6: bool) -> Self {
        let host = (dice.roll(16) * dice.roll(16)) as u8;
        let (protocol, port) = match dice.roll(1000) {
            0..=419 => (Protocol::TCP, 443),
            420..=539 => (Protocol::TCP, 80),
            540..=599 => (Protocol::TCP, 5432),
            600..=669 => (Protocol::TCP, 8080),
            670..=869 => (Protocol::UDP, 53),
            870..=929 => (Protocol::UDP, 443),
            930..=939 => (Protocol::UDP, 123),
            940..=944 => (Protocol::UDP, 5004),
            945..=969 if v6 => (Protocol::ICMPV6, 0),
            945..=969 => (Protocol::ICMP, 0),
            970..=989 => (Protocol::SCTP, 3868),
            990..=997 => (Protocol::GRE, 0),
            _ => (ESP, 0),
        };
        Self { protocol, port, host }
    }

    /// Gives the flow a state, and the status and timeout that go with it. Timeouts are at least
    /// half an hour, so that a table stays as it was filled for as long as one looks at it.
    fn dress(&self, flow: &mut Flow, dice: &mut Dice) {
        const NEW: Status = Status::CONFIRMED;
        const REPLIED: Status = NEW.union(Status::SEEN_REPLY);
        const ASSURED: Status = REPLIED.union(Status::ASSURED);
        let (protoinfo, status) = match self.protocol {
            Protocol::TCP => {
                let (state, status) = match dice.roll(100) {
                    0..=54 => (TcpState::ESTABLISHED, ASSURED),
                    55..=74 => (TcpState::TIME_WAIT, ASSURED),
                    75..=82 => (TcpState::SYN_SENT, NEW),
                    83..=85 => (TcpState::SYN_RECV, REPLIED),
                    86..=90 => (TcpState::CLOSE_WAIT, ASSURED),
                    91..=94 => (TcpState::FIN_WAIT, ASSURED),
                    95..=96 => (TcpState::LAST_ACK, ASSURED),
                    97..=98 => (TcpState::CLOSE, REPLIED),
                    _ => (TcpState::SYN_SENT2, NEW),
                };
                (Some(ProtoInfo::Tcp(TcpInfo::new(state))), status)
            }
            Protocol::SCTP => {
                let (state, status) = match dice.roll(10) {
                    0 => (SctpState::COOKIE_WAIT, NEW),
                    1 => (SctpState::SHUTDOWN_SENT, ASSURED),
                    _ => (SctpState::ESTABLISHED, ASSURED),
                };
                let vtag = Some(dice.roll(1 << 32) as u32);
                let sctp = SctpInfo { state, vtag_original: vtag, vtag_reply: vtag };
                (Some(ProtoInfo::Sctp(sctp)), status)
            }
            _ => match dice.roll(3) {
                0 => (None, NEW),
                1 => (None, REPLIED),
                _ => (None, ASSURED),
            },
        };
        flow.protoinfo = protoinfo;
        flow.status = status;
        flow.timeout = Some(Duration::from_secs(1800 + dice.roll(432_000 - 1800)));
    }
}

/// A network of the synthetic world: the first byte of its IPv4 addresses, and the first half of its
/// IPv6 addresses. Servers, peers and backends have networks of their own, so that no reply tuple is
/// another flow's original one.
type Net = (u8, u64);

const CLIENT: Net = (10, 0x2001_0db8_0001_0000);
const SERVER: Net = (45, 0x2001_0db8_00aa_0000);
const PEER: Net = (46, 0x2001_0db8_00bb_0000);
const BACKEND: Net = (47, 0x2001_0db8_00cc_0000);
const GATEWAY: Net = (48, 0x2001_0db8_00ff_0000);

fn address(v6: bool, net: Net, host: u64) -> IpAddr {
    let host = host & 0xff_ffff;
    if v6 {
        // Four clients to a /64, so that grouping by it shows something.
        let high = net.1 + if net == CLIENT { host >> 2 } else { 0 };
        Ipv6Addr::from_bits(u128::from(high) << 64 | u128::from(host + 1)).into()
    } else {
        let [_, a, b, c] = (host as u32 + 1).to_be_bytes();
        IpAddr::from([net.0, a, b, c])
    }
}

/// SplitMix64, a small generator of random numbers.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ bits >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ bits >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^= bits >> 31;
        ((u128::from(bits) * u128::from(sides)) >> 64) as u64
    }
}
