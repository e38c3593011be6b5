//! States, status bits, tuples, NAT and labels, without a kernel.

use std::net::IpAddr;

use ctnetlink::flow::{
    DccpState, Endpoints, Flow, Labels, ProtoInfo, Protocol, SctpState, State, Status, TcpInfo,
    TcpState, Tuple,
};

#[test]
fn every_state_of_every_protocol_keeps_its_name_or_number() {
    for number in 0..=u8::MAX {
        let tcp = TcpState(number);
        assert_eq!(State::from(tcp).to_string(), tcp.to_string());
        let sctp = SctpState(number);
        assert_eq!(State::from(sctp).to_string(), sctp.to_string());
        let dccp = DccpState(number);
        assert_eq!(State::from(dccp).to_string(), dccp.to_string());
    }
    assert_eq!(State::from(TcpState::ESTABLISHED), State::from(SctpState::ESTABLISHED));
}

/// The numbers are written out here: one that is wrong in the table must not be wrong here, too.
#[test]
fn states_have_the_numbers_of_the_kernel() {
    let named = |names: &str, name: fn(u8) -> Option<&'static str>| {
        let found: Vec<_> = (0..=u8::MAX).map_while(name).collect();
        assert_eq!(found.join(" "), names);
        assert!((10..=u8::MAX).all(|number| name(number).is_none()));
    };
    named(
        "NONE SYN_SENT SYN_RECV ESTABLISHED FIN_WAIT CLOSE_WAIT LAST_ACK TIME_WAIT CLOSE SYN_SENT2",
        |number| TcpState(number).name(),
    );
    named(
        "NONE CLOSED COOKIE_WAIT COOKIE_ECHOED ESTABLISHED SHUTDOWN_SENT SHUTDOWN_RECD \
         SHUTDOWN_ACK_SENT HEARTBEAT_SENT HEARTBEAT_ACKED",
        |number| SctpState(number).name(),
    );
    named(
        "NONE REQUEST RESPOND PARTOPEN OPEN CLOSEREQ CLOSING TIMEWAIT IGNORE INVALID",
        |number| DccpState(number).name(),
    );
}

#[test]
fn an_offloaded_flow_has_a_state_of_its_own() {
    let offloaded = Status::OFFLOAD | Status::ASSURED;
    assert_eq!(State::of(Protocol::TCP, None, offloaded), State::OFFLOAD);
    assert_eq!(State::of(Protocol::UDP, None, offloaded), State::OFFLOAD);
    assert_eq!(State::of(Protocol::TCP, None, Status::ASSURED), State::UNREPORTED);
    let known = Some(ProtoInfo::Tcp(TcpInfo::new(TcpState::CLOSE_WAIT)));
    assert_eq!(State::of(Protocol::TCP, known, offloaded), State::CLOSE_WAIT);
}

#[test]
fn protocols_without_a_tracker_have_states_too() {
    let of = |status| State::of(Protocol::UDP, None, status);
    assert_eq!(of(Status::CONFIRMED), State::UNREPLIED);
    assert_eq!(of(Status::CONFIRMED | Status::SEEN_REPLY), State::REPLIED);
    assert_eq!(of(Status::SEEN_REPLY | Status::ASSURED), State::ASSURED);
}

#[test]
fn unknown_bits_survive_and_print() {
    let status = Status::from_bits_retain(0x8000_000e);
    assert_eq!(status.bits(), 0x8000_000e);
    assert_eq!(status.to_string(), "SEEN_REPLY|ASSURED|CONFIRMED|0x80000000");
    assert_eq!(Status::empty().to_string(), "0");
}

#[test]
fn every_named_bit_has_a_name() {
    assert_eq!(Status::named().bits(), 0xffff);
    assert_eq!(Status::named().iter_names().count(), 16);
}

fn tuple(protocol: Protocol, endpoints: Endpoints) -> Tuple {
    let address = |last| IpAddr::from([10, 0, 0, last]);
    Tuple { source: address(1), destination: address(2), protocol, endpoints, zone: None }
}

#[test]
fn the_way_back_of_a_ping_is_its_answer() {
    let ping = tuple(Protocol::ICMP, Endpoints::Icmp { icmp_type: 8, code: 0, id: 7 });
    let reply = ping.inverse();
    assert_eq!(reply.endpoints, Endpoints::Icmp { icmp_type: 0, code: 0, id: 7 });
    assert_eq!(reply.inverse(), ping);
    let other = tuple(Protocol::ICMP, Endpoints::Icmp { icmp_type: 3, code: 1, id: 0 });
    assert_eq!(other.inverse().endpoints, other.endpoints);
}

#[test]
fn keys_of_gre_are_not_ports() {
    let gre = tuple(Protocol::GRE, Endpoints::GreKeys { source: 1, destination: 2 });
    assert_eq!(gre.endpoints.destination_port(), None);
    assert_eq!(gre.to_string(), "src=10.0.0.1 dst=10.0.0.2 srckey=0x1 dstkey=0x2");
}

fn tcp(source: ([u8; 4], u16), destination: ([u8; 4], u16)) -> Tuple {
    Tuple::with_ports(
        Protocol::TCP,
        (source.0.into(), source.1),
        (destination.0.into(), destination.1),
    )
}

#[test]
fn only_a_difference_is_a_translation() {
    let original = tcp(([10, 0, 0, 1], 1000), ([192, 0, 2, 1], 80));
    let plain = Flow::new(original, original.inverse());
    assert_eq!(plain.source_nat(), None);
    assert_eq!(plain.destination_nat(), None);

    let masqueraded = Flow::new(original, tcp(([192, 0, 2, 1], 80), ([203, 0, 113, 1], 1000)));
    let seen = masqueraded.source_nat().expect("source NAT");
    assert_eq!((seen.address, seen.port), ([203, 0, 113, 1].into(), Some(1000)));
    assert_eq!(masqueraded.destination_nat(), None);

    let port_forwarded = Flow::new(original, tcp(([192, 0, 2, 1], 8080), ([10, 0, 0, 1], 1000)));
    assert_eq!(port_forwarded.destination_nat().expect("destination NAT").port, Some(8080));
    assert_eq!(port_forwarded.source_nat(), None);
}

#[test]
fn labels_are_words_of_the_host() {
    let mut bytes = [0; 16];
    bytes[..size_of::<usize>()].copy_from_slice(&0b1001_usize.to_ne_bytes());
    bytes[16 - size_of::<usize>()..].copy_from_slice(&1_usize.to_ne_bytes());
    let labels = Labels(bytes);
    let last_word = 128 - u8::try_from(usize::BITS).expect("64 or less");
    assert_eq!(labels.iter().collect::<Vec<_>>(), [0, 3, last_word]);
    let mut again = Labels::default();
    assert!([0, 3, last_word].into_iter().all(|label| again.insert(label)));
    assert_eq!(again, labels);
}
