//! Bytes that others wrote: the captures as another decoder reads them, entries and errors put
//! together by hand from the kernel's numbers, and both of them damaged.
//!
//! Whatever can be read is counted alike by both ways of counting. The numbers here are written
//! out and not taken from the crate: one that is wrong there must not be wrong here, too.

use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use ctnetlink::Query;
use ctnetlink::aggregate::Aggregator;
use ctnetlink::field::{Key, Keys};
use ctnetlink::flow::{
    DccpInfo, DccpState, Direction, Endpoints, Flow, FlowRef, ProtoInfo, Protocol, SctpInfo,
    SctpState, State, Tuple,
};
use ctnetlink::testing::Frames;
use ctnetlink::wire::{Attributes, KernelStatus, Message, Messages};
use netlink_packet_core::{NetlinkMessage, NetlinkPayload};
use netlink_packet_netfilter::conntrack::{
    ConntrackAttribute, ConntrackMessage, IPTuple, ProtoInfo as PeerInfo, ProtoInfoTCP, ProtoTuple,
    Tuple as PeerTuple,
};
use netlink_packet_netfilter::{NetfilterMessage, NetfilterMessageInner};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

#[path = "pure/strategy.rs"]
mod strategy;

const NESTED: u16 = 0x8000;

/// Every capture there is, by name.
fn captures() -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("data");
    let files = folder.read_dir().expect("a folder").map(|file| file.expect("a file").path());
    let mut captures: Vec<_> = files
        .filter(|path| path.extension().is_some_and(|extension| extension == "nl"))
        .map(|path| {
            let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
            (name, std::fs::read(path).expect("a capture"))
        })
        .collect();
    captures.sort();
    assert!(captures.len() >= 2, "the captures are not where they should be");
    captures
}

fn entries(capture: &[u8]) -> impl Iterator<Item = &[u8]> {
    Messages::new(capture)
        .map(|message| message.expect("a whole message").netfilter().expect("a header").1)
}

// Another decoder.

#[test]
#[cfg_attr(target_endian = "big", ignore = "the dumps are of a little-endian kernel")]
fn another_decoder_agrees_on_the_captures() {
    let mut compared = 0;
    for (name, capture) in captures() {
        let mut rest = &capture[..];
        for entry in entries(&capture) {
            let theirs: NetlinkMessage<NetfilterMessage> =
                NetlinkMessage::deserialize(rest).expect("its message");
            rest = &rest[theirs.header.length.next_multiple_of(4) as usize..];
            let ours = FlowRef::parse(entry).expect("an entry").to_owned();
            compared += 1;
            assert_eq!(what_they_read(theirs), what_of_it(&ours), "{name}: {ours:?}");
        }
        assert!(rest.is_empty());
    }
    assert!(compared >= 20, "{compared}");
}

/// What the other decoder has types for.
#[derive(Debug, Default, PartialEq)]
struct Common {
    tuples: [String; 2],
    status: Option<u32>,
    timeout: Option<u64>,
    mark: Option<u32>,
    tcp_state: Option<u8>,
}

fn what_of_it(flow: &Flow) -> Common {
    let tuple = |tuple: &Tuple| {
        let (source, destination) = match tuple.endpoints {
            Endpoints::Ports { source, destination }
            | Endpoints::GreKeys { source, destination } => (Some(source), Some(destination)),
            _ => (None, None),
        };
        let addresses = format!("{} {}", tuple.source, tuple.destination);
        format!("{addresses} {} {source:?} {destination:?}", tuple.protocol.0)
    };
    Common {
        tuples: [tuple(&flow.original), tuple(&flow.reply)],
        status: Some(flow.status.bits()),
        timeout: flow.timeout.map(|timeout| timeout.as_secs()),
        mark: flow.mark,
        tcp_state: match flow.protoinfo {
            Some(ProtoInfo::Tcp(tcp)) => Some(tcp.state.0),
            _ => None,
        },
    }
}

fn what_they_read(message: NetlinkMessage<NetfilterMessage>) -> Common {
    let NetlinkPayload::InnerMessage(NetfilterMessage {
        inner: NetfilterMessageInner::Conntrack(ConntrackMessage::New(attributes)),
        ..
    }) = message.payload
    else {
        panic!("not an entry: {message:?}")
    };
    let mut common = Common::default();
    for attribute in attributes {
        match attribute {
            ConntrackAttribute::CtaTupleOrig(parts) => common.tuples[0] = their_tuple(&parts),
            ConntrackAttribute::CtaTupleReply(parts) => common.tuples[1] = their_tuple(&parts),
            ConntrackAttribute::CtaStatus(status) => common.status = Some(status.bits()),
            ConntrackAttribute::CtaTimeout(seconds) => common.timeout = Some(seconds.into()),
            ConntrackAttribute::CtaMark(mark) => common.mark = Some(mark),
            ConntrackAttribute::CtaProtoInfo(infos) => {
                let tcp = infos.into_iter().find_map(|info| match info {
                    PeerInfo::TCP(parts) => Some(parts),
                    _ => None,
                });
                common.tcp_state = tcp.into_iter().flatten().find_map(|part| match part {
                    ProtoInfoTCP::State(state) => Some(state),
                    _ => None,
                });
            }
            _ => {}
        }
    }
    common
}

fn their_tuple(parts: &[PeerTuple]) -> String {
    let (mut addresses, mut number) = ([None; 2], None);
    let mut ports = [None; 2];
    for part in parts {
        match part {
            PeerTuple::Ip(found) => {
                for address in found {
                    match address {
                        IPTuple::SourceAddress(source) => addresses[0] = Some(*source),
                        IPTuple::DestinationAddress(to) => addresses[1] = Some(*to),
                        _ => {}
                    }
                }
            }
            PeerTuple::Proto(found) => {
                for part in found {
                    match part {
                        ProtoTuple::Protocol(protocol) => number = Some(u8::from(*protocol)),
                        ProtoTuple::SourcePort(port) => ports[0] = Some(*port),
                        ProtoTuple::DestinationPort(port) => ports[1] = Some(*port),
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    let [source, destination] = addresses.map(|address| address.expect("an address"));
    let number = number.expect("a protocol");
    format!("{source} {destination} {number} {:?} {:?}", ports[0], ports[1])
}

#[test]
#[cfg_attr(target_endian = "big", ignore = "the dumps are of a little-endian kernel")]
fn every_capture_has_its_text_entry_by_entry() {
    // The whole of each line is the business of the golden test; this one finds captures that no
    // test knows by name.
    for (name, capture) in captures() {
        let path = format!("{}/data/{name}.txt", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), entries(&capture).count(), "{name}");
        for (entry, line) in entries(&capture).zip(lines) {
            let flow = FlowRef::parse(entry).expect("an entry");
            let (family, tuple) = (flow.original().family(), flow.original());
            let start = format!("{family} {} {} original=[{tuple}", flow.protocol(), flow.state());
            assert!(line.starts_with(&start), "{name}: {line}\nis not {start}");
        }
    }
}

// By hand.

/// An attribute, padded.
fn attribute(kind: u16, payload: &[u8]) -> Vec<u8> {
    let mut bytes = (payload.len() as u16 + 4).to_ne_bytes().to_vec();
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(payload);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

fn nest(kind: u16, inside: &[Vec<u8>]) -> Vec<u8> {
    attribute(kind | NESTED, &inside.concat())
}

/// Both tuples of an IPv4 entry between 10.0.0.1 and 192.0.2.1; `proto` is what stands in their
/// protocol nests.
fn tuples(proto: &[Vec<u8>]) -> Vec<u8> {
    let [near, far] = [[10, 0, 0, 1], [192, 0, 2, 1]];
    let tuple = |kind, source: [u8; 4], destination: [u8; 4]| {
        let ip = nest(1, &[attribute(1, &source), attribute(2, &destination)]);
        nest(kind, &[ip, nest(2, proto)])
    };
    [tuple(1, near, far), tuple(2, far, near)].concat()
}

fn entry(number: u8, more: &[Vec<u8>]) -> Vec<u8> {
    [tuples(&[attribute(1, &[number])]), more.concat()].concat()
}

#[test]
fn a_flow_of_dccp() {
    let ports = [attribute(1, &[33]), attribute(2, &[0, 7]), attribute(3, &[0x13, 0x88])];
    let dccp = [
        attribute(1, &[4]),
        attribute(2, &[1]),
        attribute(3, &0x0102_0304_0506_u64.to_be_bytes()),
        attribute(4, &[]), // CTA_PROTOINFO_DCCP_PAD
    ];
    let bytes = [tuples(&ports), nest(4, &[nest(2, &dccp)])].concat();
    let flow = FlowRef::parse(&bytes).expect("an entry");
    let ports = Endpoints::Ports { source: 7, destination: 5000 };
    assert_eq!((flow.protocol(), flow.original().endpoints), (Protocol::DCCP, ports));
    let handshake_sequence = Some(0x0102_0304_0506);
    let info = DccpInfo { state: DccpState::OPEN, role: Some(1), handshake_sequence };
    assert_eq!(flow.protoinfo(), Some(ProtoInfo::Dccp(info)));
    assert_eq!(flow.state(), State::OPEN);
}

#[test]
fn tags_of_sctp() {
    let sctp = [attribute(1, &[6]), attribute(2, &[1, 2, 3, 4]), attribute(3, &[5, 6, 7, 8])];
    let bytes = entry(132, &[nest(4, &[nest(3, &sctp)])]);
    let info = SctpInfo {
        state: SctpState::SHUTDOWN_RECD,
        vtag_original: Some(0x0102_0304),
        vtag_reply: Some(0x0506_0708),
    };
    let flow = FlowRef::parse(&bytes).expect("an entry");
    assert_eq!(flow.protoinfo(), Some(ProtoInfo::Sctp(info)));
}

#[test]
fn helper_context_and_master() {
    let master = tuples(&[attribute(1, &[6]), attribute(2, &[0, 9]), attribute(3, &[0, 21])]);
    let master = Attributes::new(&master).next().expect("a tuple").expect("a whole one").payload;
    let bytes = entry(
        6,
        &[
            nest(5, &[attribute(1, b"ftp\0"), attribute(2, &[1, 2, 3])]),
            nest(19, &[attribute(1, b"system_u:object_r:http_t\0")]),
            attribute(14 | NESTED, master),
            attribute(18, &[1, 2]),
        ],
    );
    let flow = FlowRef::parse(&bytes).expect("an entry");
    let helper = flow.helper().expect("a helper");
    assert_eq!((&*helper.name, helper.info.as_deref()), ("ftp", Some(&[1, 2, 3][..])));
    assert_eq!(flow.security_context().as_deref(), Some("system_u:object_r:http_t"));
    let master = flow.master().expect("a master");
    assert_eq!(master.to_string(), "src=10.0.0.1 dst=192.0.2.1 sport=9 dport=21");
    assert_eq!(flow.zone(), Some(0x0102));
}

#[test]
fn adjustment_proxy_and_both_times() {
    let words = |words: [u32; 3]| {
        let words = (1..).zip(words).map(|(kind, word)| attribute(kind, &word.to_be_bytes()));
        words.collect::<Vec<_>>()
    };
    let nanoseconds = |nanoseconds: u64| nanoseconds.to_be_bytes();
    let bytes = entry(
        6,
        &[
            nest(15, &words([7, 0, 5])),
            nest(16, &words([9, u32::MAX, -3_i32 as u32])),
            nest(24, &words([1, 2, 3])),
            nest(20, &[attribute(1, &nanoseconds(5)), attribute(2, &nanoseconds(u64::MAX))]),
        ],
    );
    let flow = FlowRef::parse(&bytes).expect("an entry");
    let there = flow.sequence_adjustment(Direction::Original).expect("an adjustment");
    assert_eq!((there.correction_position, there.offset_before, there.offset_after), (7, 0, 5));
    let back = flow.sequence_adjustment(Direction::Reply).expect("an adjustment");
    assert_eq!((back.correction_position, back.offset_before, back.offset_after), (9, -1, -3));
    let proxy = flow.synproxy().expect("a proxy");
    let proxy = (proxy.initial_sequence, proxy.initial_timestamp, proxy.timestamp_offset);
    assert_eq!(proxy, (1, 2, 3));
    let times = flow.timestamps().expect("times");
    assert_eq!(times.start, UNIX_EPOCH + Duration::from_nanos(5));
    assert_eq!(times.stop, Some(UNIX_EPOCH + Duration::from_nanos(u64::MAX)));
}

#[test]
fn a_protocol_and_a_tracker_without_a_name() {
    let bytes = entry(253, &[nest(4, &[nest(9, &[attribute(1, &[1])])])]);
    let flow = FlowRef::parse(&bytes).expect("an entry");
    assert_eq!((flow.protocol().to_string().as_str(), flow.protocol().name()), ("253", None));
    assert_eq!(flow.original().endpoints, Endpoints::None);
    assert_eq!((flow.protoinfo(), flow.state()), (Some(ProtoInfo::Other(9)), State::UNREPLIED));
}

/// An error of the kernel: what it says about `request`, of which it echoes all or the header.
fn refusal(request: &[u8], capped: bool, said: &[Vec<u8>]) -> (u16, Vec<u8>) {
    let echoed = if capped { &request[..16] } else { request };
    let payload = [&(-34_i32).to_ne_bytes()[..], echoed, &said.concat()].concat();
    (0x200 | if capped { 0x100 } else { 0 }, payload) // NLM_F_ACK_TLVS, NLM_F_CAPPED
}

/// A dump request with a mark of one byte behind a zone.
fn wrong_request() -> Vec<u8> {
    let attributes = [attribute(18, &[0, 1]), attribute(8, &[1])].concat();
    let mut request = (20 + attributes.len() as u32).to_ne_bytes().to_vec();
    request.extend([0x01, 0x01, 0x01, 0x03]);
    request.resize(20, 0);
    request.extend(attributes);
    request
}

#[test]
fn a_refusal_names_the_attribute() {
    let request = wrong_request();
    let said = [attribute(1, b"no\0"), attribute(2, &28_u32.to_ne_bytes())];
    for capped in [false, true] {
        let (flags, payload) = refusal(&request, capped, &said);
        let message = Message { kind: 2, flags, sequence: 1, port: 1, payload: &payload };
        let status = KernelStatus::parse(&message).expect("a status");
        assert_eq!((status.errno, status.extended.message), (34, Some(&b"no"[..])));
        assert_eq!(status.extended.attribute(&request), Some("CTA_MARK"), "capped: {capped}");
        // A kernel that sets no flag sends no words, whatever follows.
        let silent = KernelStatus::parse(&Message { flags: 0, ..message }).expect("a status");
        assert_eq!((silent.errno, silent.extended.message), (34, None));
    }
}

// Damaged.

/// Both ways of counting side by side, by every field and by all of them.
struct Twins(Vec<(Aggregator, Aggregator)>);

impl Twins {
    fn new() -> Self {
        let all = Key::words().map(|(word, _)| word).collect::<Vec<_>>().join(",");
        let every = Key::words().map(|(word, _)| word).chain([&all[..], "source/24/48"]);
        let twins = every.map(|fields| {
            let fields = fields.parse::<Keys>().expect("fields");
            let aggregator = Aggregator::new(&Query::new().group_by(fields).top(usize::MAX));
            (aggregator.clone(), aggregator)
        });
        Self(twins.collect())
    }

    /// Reads all there is in an entry, and counts it where it can be read.
    fn look_at(&mut self, entry: &[u8]) {
        assert!(Attributes::new(entry).count() <= entry.len() / 4 + 2);
        let Ok(flow) = FlowRef::parse(entry) else { return };
        let owned = flow.to_owned();
        let text = format!("{owned:?} {} {}", flow.state(), flow.status());
        assert!(!text.is_empty() && format!("{flow:?}").len() < text.len());
        let nat = (flow.source_nat(), flow.destination_nat());
        assert_eq!(nat, (owned.source_nat(), owned.destination_nat()));
        // No kernel sends an attribute twice, and which of the two holds is not promised.
        if repeats(entry) {
            return;
        }
        for (checked, unchecked) in &mut self.0 {
            checked.record(&flow);
            unchecked.record_bytes(entry).expect("what can be read can be counted");
        }
    }

    fn assert_equal(self, what: &str) {
        for (checked, unchecked) in self.0 {
            assert_eq!(checked.finish(), unchecked.finish(), "{what}");
        }
    }

    /// Looks at every entry of a datagram, and at every other message as an answer to a request.
    fn look_at_all(&mut self, datagram: &[u8]) {
        let mut messages = Messages::new(datagram);
        let mut seen = 0;
        for message in messages.by_ref() {
            seen += 1;
            assert!(seen <= datagram.len() / 4 + 2);
            let Ok(message) = message else { break };
            if let Ok(status) = KernelStatus::parse(&message) {
                let _ = status.extended.attribute(datagram);
                let _ = status.extended.attribute(message.payload);
            }
            if let Ok((_, entry)) = message.netfilter() {
                self.look_at(entry);
            }
        }
        assert!(messages.next().is_none(), "an error is the end");
    }
}

/// Whether an attribute stands twice among those of an entry, or in its protocol information.
fn repeats(entry: &[u8]) -> bool {
    let mut seen = std::collections::HashSet::new();
    Attributes::new(entry).filter_map(Result::ok).any(|attribute| {
        let mut inside = attribute.attributes().filter_map(Result::ok);
        !seen.insert(attribute.kind)
            || attribute.kind == 4 && inside.any(|tracker| repeats(tracker.payload))
    })
}

/// Where the attributes of an entry begin, those in nests included.
fn headers(entry: &[u8]) -> Vec<usize> {
    let mut found = Vec::new();
    for attribute in Attributes::new(entry).map(|found| found.expect("a whole attribute")) {
        let at = attribute.payload.as_ptr() as usize - entry.as_ptr() as usize;
        found.push(at - 4);
        if attribute.nested {
            found.extend(headers(attribute.payload).into_iter().map(|inner| inner + at));
        }
    }
    found
}

#[test]
#[cfg_attr(target_endian = "big", ignore = "the dumps are of a little-endian kernel")]
fn every_length_of_every_attribute_changed() {
    for (name, capture) in captures() {
        let mut twins = Twins::new();
        for original in entries(&capture) {
            let mut entry = original.to_vec();
            for at in headers(original) {
                let length = u16::from_ne_bytes([entry[at], entry[at + 1]]);
                let near = (length.saturating_sub(5)..length + 6).chain(0..6);
                for wrong in near.chain([length * 2, 0x7fff, 0x8000, 0xfffc, 0xffff]) {
                    entry[at..at + 2].copy_from_slice(&wrong.to_ne_bytes());
                    twins.look_at(&entry);
                }
                entry[at..at + 2].copy_from_slice(&length.to_ne_bytes());
            }
            assert_eq!(entry, original);
        }
        twins.assert_equal(&name);
    }
}

#[test]
#[cfg_attr(target_endian = "big", ignore = "the dumps are of a little-endian kernel")]
fn every_kind_of_every_attribute_changed() {
    for (name, capture) in captures() {
        let mut twins = Twins::new();
        for original in entries(&capture) {
            let mut entry = original.to_vec();
            for at in headers(original).into_iter().map(|at| at + 2) {
                for kind in (0..30).chain([60, 0x3fff, 0x4001, 0xffff]) {
                    for flag in [0, NESTED] {
                        entry[at..at + 2].copy_from_slice(&(kind | flag).to_ne_bytes());
                        twins.look_at(&entry);
                    }
                }
                entry[at..at + 2].copy_from_slice(&original[at..at + 2]);
            }
        }
        twins.assert_equal(&name);
    }
}

/// What a bad disk, a bad program or a bad person does to a datagram.
#[derive(Debug, Clone)]
enum Damage {
    Byte(Index, u8),
    Bit(Index, u8),
    Length(Index, u16),
    Cut(Index),
    Remove(Index, usize),
    /// Some bytes of one place once more at another.
    Splice(Index, Index, usize),
}

fn damage() -> impl Strategy<Value = Damage> {
    let at = any::<Index>;
    prop_oneof![
        (at(), any::<u8>()).prop_map(|(at, byte)| Damage::Byte(at, byte)),
        (at(), 0..8_u8).prop_map(|(at, bit)| Damage::Bit(at, bit)),
        (at(), prop_oneof![0..80_u16, any::<u16>()]).prop_map(|(at, n)| Damage::Length(at, n)),
        at().prop_map(Damage::Cut),
        (at(), 1..80_usize).prop_map(|(at, length)| Damage::Remove(at, length)),
        (at(), at(), 1..80_usize).prop_map(|(from, to, n)| Damage::Splice(from, to, n)),
    ]
}

fn apply(damage: &Damage, bytes: &mut Vec<u8>) {
    if bytes.len() < 4 {
        return;
    }
    let place = |index: &Index, bytes: &[u8]| index.index(bytes.len());
    match damage {
        Damage::Byte(at, byte) => {
            let at = place(at, bytes);
            bytes[at] = *byte;
        }
        Damage::Bit(at, bit) => {
            let at = place(at, bytes);
            bytes[at] ^= 1 << bit;
        }
        Damage::Length(at, length) => {
            let at = place(at, &bytes[3..]) & !3;
            bytes[at..at + 2].copy_from_slice(&length.to_ne_bytes());
        }
        Damage::Cut(at) => bytes.truncate(place(at, bytes)),
        Damage::Remove(at, length) => {
            let at = place(at, bytes);
            bytes.drain(at..(at + length).min(bytes.len()));
        }
        Damage::Splice(from, to, length) => {
            let (from, to) = (place(from, bytes) & !3, place(to, bytes) & !3);
            let piece = bytes[from..(from + length).min(bytes.len())].to_vec();
            bytes.splice(to..to, piece);
        }
    }
}

proptest! {
    #[test]
    fn captures_damaged(which in any::<Index>(), damages in vec(damage(), 1..12)) {
        let captures = captures();
        let (name, capture) = &captures[which.index(captures.len())];
        let mut bytes = capture.clone();
        for damage in &damages {
            apply(damage, &mut bytes);
        }
        let mut twins = Twins::new();
        twins.look_at_all(&bytes);
        twins.look_at(&bytes);
        twins.assert_equal(name);
    }

    #[test]
    fn any_flows_damaged(
        flows in vec(strategy::flow(), 1..4),
        damages in vec(damage(), 0..6),
    ) {
        let frames: Frames = flows.into_iter().collect();
        let mut twins = Twins::new();
        for datagram in frames.datagrams() {
            let mut bytes = datagram.to_vec();
            for damage in &damages {
                apply(damage, &mut bytes);
            }
            twins.look_at_all(&bytes);
        }
        twins.assert_equal("flows");
    }

    #[test]
    fn answers_damaged(
        (capped, done) in any::<(bool, bool)>(),
        offset in prop_oneof![0..80_u32, any::<u32>()],
        flags in prop_oneof![Just(None), any::<u16>().prop_map(Some)],
        damages in vec(damage(), 0..6),
    ) {
        let request = wrong_request();
        let said = [attribute(1, b"no\0"), attribute(2, &offset.to_ne_bytes())];
        let (usual, mut payload) = refusal(&request, capped, &said);
        for damage in &damages {
            apply(damage, &mut payload);
        }
        let (kind, flags) = (if done { 3 } else { 2 }, flags.unwrap_or(usual));
        let message = Message { kind, flags, sequence: 1, port: 1, payload: &payload };
        if let Ok(status) = KernelStatus::parse(&message) {
            let _ = status.extended.attribute(&request);
            let _ = status.extended.attribute(&payload);
            if let Some(text) = status.extended.message {
                prop_assert!(text.len() <= payload.len());
            }
        }
    }
}
