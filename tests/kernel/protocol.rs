//! Below the crate's own calls: what the kernel answers to a request that is wrong, and what
//! another decoder makes of its dumps.

use ctnetlink::flow::{Endpoints, FlowRef, ProtoInfo, Protocol, Status, Tuple};
use ctnetlink::testing::{Population, fill};
use ctnetlink::wire::{ExtendedAck, KernelStatus, Messages};
use netlink_packet_core::{NetlinkMessage, NetlinkPayload};
use netlink_packet_netfilter::conntrack::{
    ConntrackAttribute, ConntrackMessage, IPTuple, ProtoInfo as PeerInfo, ProtoInfoTCP, ProtoTuple,
    Tuple as PeerTuple,
};
use netlink_packet_netfilter::{NetfilterMessage, NetfilterMessageInner};
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_NETFILTER};

use crate::support::{Skip, Test, table};

pub const TESTS: &[(&str, Test)] = &[
    ("an_extended_acknowledgement", an_extended_acknowledgement),
    ("another_decoder_agrees", another_decoder_agrees),
];

/// A request by its subsystem and message, its flags, and what stands in the header of netfilter:
/// family and version.
pub fn request(kind: u16, flags: u16, header: [u8; 2], attributes: &[u8]) -> Vec<u8> {
    let mut request = (20 + attributes.len() as u32).to_ne_bytes().to_vec();
    request.extend(kind.to_ne_bytes());
    request.extend(flags.to_ne_bytes());
    request.resize(16, 0);
    request.extend([header[0], header[1], 0, 0]);
    request.extend(attributes);
    request
}

/// The table, if need be by family.
pub fn dump_request(family: u8, attributes: &[u8]) -> Vec<u8> {
    const GET: u16 = 0x0101; // of conntrack
    const REQUEST_DUMP: u16 = 0x0301;
    request(GET, REQUEST_DUMP, [family, 0], attributes)
}

pub fn socket() -> Socket {
    let mut socket = Socket::new(NETLINK_NETFILTER).expect("a socket");
    socket.bind_auto().expect("a port");
    socket
}

pub fn ask(socket: &Socket, request: &[u8]) -> Vec<u8> {
    socket.send_to(request, &SocketAddr::new(0, 0), 0).expect("sent");
    receive(socket)
}

pub fn receive(socket: &Socket) -> Vec<u8> {
    let mut datagram = vec![0; 32 * 1024];
    let length = socket.recv(&mut &mut datagram[..], 0).expect("a datagram");
    datagram.truncate(length);
    datagram
}

/// Marks are four bytes; this one has one.
fn an_extended_acknowledgement() -> Result<(), Skip> {
    let mut mark = 5_u16.to_ne_bytes().to_vec();
    mark.extend(8_u16.to_ne_bytes());
    mark.extend([1, 0, 0, 0]);
    let request = dump_request(0, &mark);
    for (extended, capped) in [(true, true), (true, false), (false, true), (false, false)] {
        let socket = socket();
        socket.set_ext_ack(extended).expect("an option");
        socket.set_cap_ack(capped).expect("an option");
        let reply = ask(&socket, &request);
        let message = Messages::new(&reply).next().expect("a message").expect("a whole one");
        assert!(message.is_error());
        let status = KernelStatus::parse(&message).expect("a status");
        assert_eq!(status.errno, 34, "ERANGE");
        if extended {
            let text = status.extended.message.expect("a text");
            assert_eq!(text, b"Attribute failed policy validation");
            assert_eq!(status.extended.attribute(&request), Some("CTA_MARK"));
        } else {
            assert_eq!(status.extended, ExtendedAck::default());
        }
    }
    Ok(())
}

fn another_decoder_agrees() -> Result<(), Skip> {
    fill(&mut table(), &Population::new(3_000)).expect("room");
    let socket = socket();
    let mut datagram = ask(&socket, &dump_request(0, &[]));
    let mut compared = 0;
    loop {
        let mut rest = &datagram[..];
        for message in Messages::new(&datagram) {
            let message = message.expect("a whole message");
            if message.is_done() {
                assert_eq!(compared, 3_000);
                return Ok(());
            }
            let (_, attributes) = message.netfilter().expect("a header");
            let peer: NetlinkMessage<NetfilterMessage> =
                NetlinkMessage::deserialize(rest).expect("its message");
            rest = rest.get((peer.header.length as usize + 3) & !3..).unwrap_or_default();
            compare(&FlowRef::parse(attributes).expect("an entry"), peer);
            compared += 1;
        }
        datagram = receive(&socket);
    }
}

fn compare(ours: &FlowRef<'_>, theirs: NetlinkMessage<NetfilterMessage>) {
    let NetlinkPayload::InnerMessage(NetfilterMessage {
        inner: NetfilterMessageInner::Conntrack(ConntrackMessage::New(attributes)),
        ..
    }) = theirs.payload
    else {
        panic!("not an entry: {theirs:?}")
    };
    let mut compared = 0;
    for attribute in attributes {
        match attribute {
            ConntrackAttribute::CtaTupleOrig(parts) => compare_tuple(ours.original(), &parts),
            ConntrackAttribute::CtaTupleReply(parts) => compare_tuple(ours.reply(), &parts),
            ConntrackAttribute::CtaStatus(status) => {
                assert_eq!(ours.status(), Status::from_bits_retain(status.bits()));
            }
            ConntrackAttribute::CtaTimeout(seconds) => {
                assert_eq!(ours.timeout().expect("a timeout").as_secs(), u64::from(seconds));
            }
            ConntrackAttribute::CtaMark(mark) => assert_eq!(ours.mark(), Some(mark)),
            ConntrackAttribute::CtaProtoInfo(infos) => {
                let [PeerInfo::TCP(parts)] = &infos[..] else { continue };
                let Some(ProtoInfo::Tcp(tcp)) = ours.protoinfo() else { panic!("no TCP") };
                assert!(parts.contains(&ProtoInfoTCP::State(tcp.state.0)));
            }
            _ => continue,
        }
        compared += 1;
    }
    // An opinion on everything it has types for, or it would be none.
    assert_eq!(compared, 5 + u32::from(ours.protocol() == Protocol::TCP), "{ours:?}");
}

fn compare_tuple(ours: &Tuple, parts: &[PeerTuple]) {
    let (mut source, mut destination, mut protocol) = (None, None, None);
    let mut ports = [None; 2];
    for part in parts {
        match part {
            PeerTuple::Ip(addresses) => {
                for address in addresses {
                    match address {
                        IPTuple::SourceAddress(address) => source = Some(*address),
                        IPTuple::DestinationAddress(address) => destination = Some(*address),
                        _ => {}
                    }
                }
            }
            PeerTuple::Proto(parts) => {
                for part in parts {
                    match part {
                        ProtoTuple::Protocol(number) => protocol = Some(u8::from(*number)),
                        ProtoTuple::SourcePort(port) => ports[0] = Some(*port),
                        ProtoTuple::DestinationPort(port) => ports[1] = Some(*port),
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    // Keys of GRE are named as ports are; it does not tell the two apart.
    let expected = match ours.endpoints {
        Endpoints::Ports { source, destination } | Endpoints::GreKeys { source, destination } => {
            [source, destination].map(Some)
        }
        _ => [None; 2],
    };
    assert_eq!((source, destination), (Some(ours.source), Some(ours.destination)));
    assert_eq!((protocol, ports), (Some(ours.protocol.0), expected));
}
