//! Any flow at all, for properties that must hold of all of them.

use std::net::IpAddr;
use std::time::{Duration, UNIX_EPOCH};

use ctnetlink::flow::{
    Counters, DccpInfo, DccpState, Endpoints, Flow, FlowId, Helper, Labels, ProtoInfo, Protocol,
    SctpInfo, SctpState, SequenceAdjustment, Status, Synproxy, TcpFlags, TcpInfo, TcpState,
    Timestamps, Tuple, UnknownAttribute,
};
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;

fn address(v6: bool) -> BoxedStrategy<IpAddr> {
    // From a small pool half of the time, so that groups have more than one entry.
    if v6 {
        prop_oneof![(0..6_u128).prop_map(|low| (0x2001_0db8 << 96) | low), any::<u128>()]
            .prop_map(|bits| IpAddr::V6(bits.into()))
            .boxed()
    } else {
        prop_oneof![(0..6_u32).prop_map(|low| (10 << 24) | low), any::<u32>()]
            .prop_map(|bits| IpAddr::V4(bits.into()))
            .boxed()
    }
}

/// The protocol decides what the endpoints can be.
fn endpoints(protocol: Protocol) -> BoxedStrategy<Endpoints> {
    let pair = (prop_oneof![0..4_u16, any::<u16>()], prop_oneof![0..4_u16, any::<u16>()]);
    match protocol {
        Protocol::ICMP | Protocol::ICMPV6 => any::<(u8, u8, u16)>()
            .prop_map(|(icmp_type, code, id)| Endpoints::Icmp { icmp_type, code, id })
            .boxed(),
        Protocol::GRE => pair
            .prop_map(|(source, destination)| Endpoints::GreKeys { source, destination })
            .boxed(),
        Protocol::TCP | Protocol::UDP | Protocol::UDPLITE | Protocol::SCTP | Protocol::DCCP => {
            pair.prop_map(|(source, destination)| Endpoints::Ports { source, destination }).boxed()
        }
        _ => Just(Endpoints::None).boxed(),
    }
}

fn tuple(protocol: Protocol, v6: bool) -> impl Strategy<Value = Tuple> {
    (address(v6), address(v6), endpoints(protocol), of(any::<u16>())).prop_map(
        move |(source, destination, endpoints, zone)| Tuple {
            source,
            destination,
            protocol,
            endpoints,
            zone: zone.filter(|zone| zone % 3 == 0),
        },
    )
}

fn protocol() -> impl Strategy<Value = Protocol> {
    prop_oneof![
        4 => prop::sample::select(vec![1, 6, 17, 33, 47, 50, 58, 132, 136]),
        1 => any::<u8>(),
    ]
    .prop_map(Protocol)
}

fn protoinfo() -> impl Strategy<Value = ProtoInfo> {
    let flags = || of(any::<(u8, u8)>().prop_map(|(flags, mask)| TcpFlags { flags, mask }));
    let tcp = (0..16_u8, of(any::<u8>()), of(any::<u8>()), flags(), flags()).prop_map(
        |(state, window_scale_original, window_scale_reply, flags_original, flags_reply)| {
            ProtoInfo::Tcp(TcpInfo {
                state: TcpState(state),
                window_scale_original,
                window_scale_reply,
                flags_original,
                flags_reply,
            })
        },
    );
    let sctp = (0..16_u8, of(any::<u32>()), of(any::<u32>())).prop_map(
        |(state, vtag_original, vtag_reply)| {
            ProtoInfo::Sctp(SctpInfo { state: SctpState(state), vtag_original, vtag_reply })
        },
    );
    let dccp = (0..16_u8, of(any::<u8>()), of(any::<u64>())).prop_map(
        |(state, role, handshake_sequence)| {
            ProtoInfo::Dccp(DccpInfo { state: DccpState(state), role, handshake_sequence })
        },
    );
    prop_oneof![3 => tcp, 1 => sctp, 1 => dccp, 1 => (4..100_u16).prop_map(ProtoInfo::Other)]
}

fn counters() -> impl Strategy<Value = Option<Counters>> {
    of(any::<(u64, u64)>().prop_map(|(packets, bytes)| Counters { packets, bytes }))
}

fn adjustment() -> impl Strategy<Value = Option<SequenceAdjustment>> {
    of(any::<(u32, i32, i32)>().prop_map(|(correction_position, offset_before, offset_after)| {
        SequenceAdjustment { correction_position, offset_before, offset_after }
    }))
}

fn timestamps() -> impl Strategy<Value = Timestamps> {
    let moment = |nanoseconds| UNIX_EPOCH + Duration::from_nanos(nanoseconds);
    // Of the last days, too, so that ages differ.
    let recent = (0..1_000_000_u64).prop_map(|age| 1_800_000_000_000_000_000 - age * 1_000_000_000);
    (prop_oneof![any::<u64>(), recent], any::<Option<u64>>())
        .prop_map(move |(start, stop)| Timestamps { start: moment(start), stop: stop.map(moment) })
}

prop_compose! {
    fn helper()(name in "[a-z][a-z0-9-]{0,14}", info in of(vec(any::<u8>(), 0..40)))
        -> Helper<'static> {
        Helper { name: name.into(), info: info.map(Into::into) }
    }
}

prop_compose! {
    /// The attributes a flow has besides its tuples.
    fn extras()(
        (counters_original, counters_reply) in (counters(), counters()),
        timestamps in of(timestamps()),
        labels in of(any::<[u8; 16]>().prop_map(Labels)),
        security_context in of("[a-z_:]{1,40}"),
        helper in of(helper()),
        (adjust_original, adjust_reply) in (adjustment(), adjustment()),
        synproxy in of(any::<(u32, u32, u32)>()),
        unknown in vec((60..0x3fff_u16, vec(any::<u8>(), 0..20)), 0..3),
    ) -> Flow {
        let nowhere = Tuple::with_ports(
            Protocol::TCP,
            ([0, 0, 0, 0].into(), 0),
            ([0, 0, 0, 0].into(), 0),
        );
        let mut flow = Flow::new(nowhere, nowhere);
        flow.counters_original = counters_original;
        flow.counters_reply = counters_reply;
        flow.timestamps = timestamps;
        flow.labels = labels;
        flow.security_context = security_context;
        flow.helper = helper;
        flow.sequence_adjustment_original = adjust_original;
        flow.sequence_adjustment_reply = adjust_reply;
        flow.synproxy = synproxy.map(|(initial_sequence, initial_timestamp, timestamp_offset)| {
            Synproxy { initial_sequence, initial_timestamp, timestamp_offset }
        });
        flow.unknown = unknown
            .into_iter()
            .map(|(kind, payload)| UnknownAttribute { kind, payload })
            .collect();
        flow
    }
}

/// Any flow.
pub fn flow() -> impl Strategy<Value = Flow> {
    (protocol(), any::<bool>())
        .prop_flat_map(|(protocol, v6)| {
            let tuples = (tuple(protocol, v6), tuple(protocol, v6), of(tuple(protocol, v6)));
            let numbers = (
                any::<u32>().prop_map(Status::from_bits_retain),
                of(prop_oneof![0..1_000_000_u32, any::<u32>()]),
                of(0..4_u32),
                of(any::<u16>()),
                of(any::<u32>().prop_map(FlowId)),
                of(any::<u32>()),
            );
            (tuples, numbers, of(protoinfo()), extras())
        })
        .prop_map(|((original, reply, master), numbers, protoinfo, mut flow)| {
            (flow.original, flow.reply, flow.master) = (original, reply, master);
            let (status, timeout, mark, zone, id, use_count) = numbers;
            flow.status = status;
            flow.timeout = timeout.map(|seconds| Duration::from_secs(seconds.into()));
            (flow.mark, flow.zone, flow.id, flow.use_count) = (mark, zone, id, use_count);
            flow.protoinfo = protoinfo;
            flow
        })
}
