//! States, status bits, tuples, NAT and labels, without a kernel.

use std::net::IpAddr;
use std::time::{Duration, UNIX_EPOCH};

use ctnetlink::flow::{
    Counters, DccpState, Direction, Endpoints, ExpectationFlags, Family, Flow, FlowId, FlowKey,
    Helper, Labels, ProtoInfo, Protocol, SctpInfo, SctpState, SequenceAdjustment, State, Status,
    Synproxy, TcpInfo, TcpState, Timestamps, Tuple, UnknownAttribute,
};
use ctnetlink::kernel::{Capabilities, Version};
use serde_json::json;

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

#[test]
fn a_flow_serializes_with_names_and_numbers() {
    let original = tcp(([10, 0, 0, 1], 40000), ([10, 0, 0, 2], 443));
    let absent = json!(Flow::new(original, original.inverse()));
    assert_eq!(absent["state"], "UNREPORTED");
    let members = absent.as_object().expect("an object");
    let there =
        |(name, value): (&String, &serde_json::Value)| (!value.is_null()).then(|| name.clone());
    let there: Vec<_> = members.iter().filter_map(there).collect();
    assert_eq!(there, ["original", "reply", "state", "status", "unknown"], "absent is not zero");
    assert_eq!(members.len(), 21);

    let mut flow = Flow::new(original, Tuple { zone: Some(3), ..original.inverse() });
    flow.status = Status::SEEN_REPLY | Status::ASSURED;
    flow.timeout = Some(Duration::from_millis(431_999_500));
    flow.mark = Some(0);
    flow.zone = Some(7);
    flow.id = Some(FlowId(u32::MAX));
    flow.use_count = Some(1);
    flow.counters_original = Some(Counters { packets: 9, bytes: u64::MAX });
    let start = UNIX_EPOCH + Duration::from_nanos(1_700_000_000_000_000_001);
    flow.timestamps = Some(Timestamps { start, stop: None });
    flow.protoinfo = Some(ProtoInfo::Tcp(TcpInfo::new(TcpState::ESTABLISHED)));
    assert!([3, 127].into_iter().all(|label| flow.labels.get_or_insert_default().insert(label)));
    flow.security_context = Some("system_u".into());
    flow.helper = Some(Helper { name: "ftp".into(), info: Some(vec![1, 255].into()) });
    flow.synproxy =
        Some(Synproxy { initial_sequence: 1, initial_timestamp: 2, timestamp_offset: 3 });
    flow.sequence_adjustment_reply =
        Some(SequenceAdjustment { correction_position: 1, offset_before: -2, offset_after: 3 });
    flow.unknown.push(UnknownAttribute { kind: 60, payload: vec![1, 2] });
    let expected = json!({
        "state": "ESTABLISHED",
        "original": {
            "protocol": "tcp", "source": "10.0.0.1", "destination": "10.0.0.2",
            "source_port": 40000, "destination_port": 443,
        },
        "reply": {
            "protocol": "tcp", "source": "10.0.0.2", "destination": "10.0.0.1",
            "source_port": 443, "destination_port": 40000, "zone": 3,
        },
        "status": "SEEN_REPLY|ASSURED",
        "timeout": 431_999,
        "mark": 0,
        "zone": 7,
        "id": u32::MAX,
        "use_count": 1,
        "counters_original": {"packets": 9, "bytes": u64::MAX},
        "counters_reply": null,
        "timestamps": {"start": "2023-11-14T22:13:20.000000001Z", "stop": null},
        "protoinfo": {"tcp": {
            "state": "ESTABLISHED", "window_scale_original": null, "window_scale_reply": null,
            "flags_original": null, "flags_reply": null,
        }},
        "labels": [3, 127],
        "security_context": "system_u",
        "helper": {"name": "ftp", "info": [1, 255]},
        "master": null,
        "sequence_adjustment_original": null,
        "sequence_adjustment_reply":
            {"correction_position": 1, "offset_before": -2, "offset_after": 3},
        "synproxy": {"initial_sequence": 1, "initial_timestamp": 2, "timestamp_offset": 3},
        "unknown": [{"kind": 60, "payload": [1, 2]}],
    });
    assert_eq!(json!(&flow), expected);
    let mut key = FlowKey::new(original).zone(7);
    assert_eq!(json!(key), json!({"tuple": expected["original"], "zone": 7, "id": null}));
    key = FlowKey::from(&flow);
    assert_eq!(json!(key)["id"], u32::MAX);
    // A moment that no kernel could have noted does no harm.
    let start = UNIX_EPOCH - Duration::from_secs(1);
    let stop = Some(UNIX_EPOCH + Duration::from_secs(1 << 40));
    assert_eq!(json!(Timestamps { start, stop })["start"], "1970-01-01T00:00:00.000000000Z");
}

#[test]
fn parts_of_a_flow_serialize() {
    let ping = Endpoints::Icmp { icmp_type: 8, code: 0, id: 7 };
    let gre = Endpoints::GreKeys { source: 1, destination: 2 };
    let of = |protocol, endpoints| {
        let text = serde_json::to_string(&tuple(protocol, endpoints)).expect("JSON");
        let (addresses, rest) = text.split_once(",\"destination\":\"10.0.0.2\"").expect("it");
        assert!(addresses.ends_with(",\"source\":\"10.0.0.1\""), "{text}");
        rest.to_owned()
    };
    assert_eq!(of(Protocol::ICMP, ping), r#","icmp_type":8,"icmp_code":0,"icmp_id":7}"#);
    assert_eq!(of(Protocol::GRE, gre), r#","source_key":1,"destination_key":2}"#);
    assert_eq!(of(Protocol(50), Endpoints::None), "}");
    for (value, text) in [
        (json!(Protocol(50)), "50"),
        (json!(Protocol::ICMPV6), "icmpv6"),
        (json!(Family::Ipv6), "ipv6"),
        (json!(State::from(SctpState(200))), "200"),
        (json!(State::TIME_WAIT), "TIME_WAIT"),
        (json!(DccpState::OPEN), "OPEN"),
        (json!(Status::empty()), "0"),
        (json!(Direction::Reply), "reply"),
        (json!(ExpectationFlags::PERMANENT), "PERMANENT"),
        (json!(Version::new(6, 18)), "6.18"),
    ] {
        assert_eq!(value, text);
    }
    let sctp = SctpInfo { state: SctpState::CLOSED, vtag_original: Some(1), vtag_reply: None };
    assert_eq!(
        json!(ProtoInfo::Sctp(sctp)),
        json!({"sctp": {"state": "CLOSED", "vtag_original": 1, "vtag_reply": null}})
    );
    assert_eq!(json!(ProtoInfo::Other(9)), json!({"other": 9}));
    let capabilities = json!(Capabilities::of(Version::new(6, 18)));
    assert_eq!(
        (&capabilities["version"], &capabilities["zone_filter"]),
        (&"6.18".into(), &true.into())
    );
}
