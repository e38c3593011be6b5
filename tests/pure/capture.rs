//! Captures: written and read again, cut anywhere, damaged anyhow, and made by others.

use std::io::{Cursor, Read};

use ctnetlink::Query;
use ctnetlink::aggregate::{Aggregator, Report};
use ctnetlink::field::Keys;
use ctnetlink::files::snapshot::Snapshot;
use ctnetlink::files::{
    TableFacts,
    capture::{Capture, Recorder},
};
use ctnetlink::flow::{Flow, FlowRef, Labels};
use ctnetlink::origin::Timestamp;
use ctnetlink::testing::{Frames, Population};
use pcap_file::pcap::{PcapHeader, PcapPacket, PcapWriter};
use pcap_file::{DataLink, Endianness};
use proptest::prelude::*;

const KEYS: [&str; 3] = ["source", "state,protocol,source/24", "destination,dport,zone,mark"];

pub fn query(keys: &str) -> Query {
    Query::new().group_by(keys.parse::<Keys>().expect("keys")).top(usize::MAX)
}

fn facts() -> TableFacts {
    let mut facts = TableFacts::default();
    (facts.before, facts.max) = (Some(500), Some(262_144));
    facts.origin.time = Some(Timestamp::from_micros(1_700_000_000_000_000));
    facts.origin.kernel = Some("6.18.44".to_owned());
    facts.origin.node = Some("gw-1".to_owned());
    facts
}

pub fn recorded(frames: &Frames) -> Vec<u8> {
    let mut recorder = Recorder::new(Vec::new(), &facts()).expect("a file");
    for datagram in frames.datagrams() {
        recorder.datagram(datagram).expect("written");
    }
    let mut end = TableFacts::default();
    (end.after, end.complete) = (Some(501), Some(true));
    recorder.finish(&end).expect("written")
}

/// The header of the link type, and a datagram.
fn cooked(protocol: u16, datagram: &[u8]) -> Vec<u8> {
    let mut packet = vec![0, 4, 3, 56, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    packet.extend(protocol.to_be_bytes());
    packet.extend(datagram);
    packet
}

pub fn direct(frames: &Frames, keys: &str) -> Report {
    let mut aggregator = Aggregator::new(&query(keys));
    for entry in frames.entries() {
        aggregator.record_bytes(entry).expect("an entry");
    }
    aggregator.finish()
}

#[test]
fn what_is_written_is_read_again() {
    let frames = Frames::of(&Population::new(5_000));
    let file = recorded(&frames);
    assert!(file.len() < frames.bytes() + frames.bytes() / 20 + 1_000, "at most 5 % more");
    for keys in KEYS {
        let mut capture = Capture::new(&file[..]);
        assert_eq!(capture.scan(&query(keys)).expect("a file"), direct(&frames, keys), "{keys}");
        let end = capture.end();
        assert_eq!((end.entries, end.bytes), (5_000, frames.bytes() as u64));
        assert_eq!((end.malformed, end.foreign, end.damage.clone()), (0, 0, None));
        let said = capture.facts();
        assert_eq!((said.before, said.after, said.complete), (Some(500), Some(501), Some(true)));
        assert_eq!(said.origin.kernel.as_deref(), Some("6.18.44"));
        assert_eq!(said.origin.node.as_deref(), Some("gw-1"));
        assert!(said.origin.time == facts().origin.time && said.origin.netns_inode.is_none());
    }
    let mut seen = 0;
    Capture::new(&file[..]).for_each(|flow| seen += u32::from(flow.is_ok())).expect("a file");
    assert_eq!(seen, 5_000);
}

#[test]
fn pcap_files_of_others_are_captures_too() {
    let frames = Frames::of(&Population::new(700));
    for datalink in [DataLink::NETLINK, DataLink::ETHERNET] {
        let endianness = Endianness::native();
        let header = PcapHeader { datalink, endianness, ..PcapHeader::default() };
        let mut writer = PcapWriter::with_header(Vec::new(), header).expect("a file");
        let mut write = |data: &[u8]| {
            let length = data.len() as u32;
            let packet = PcapPacket::new(std::time::Duration::ZERO, length, data);
            writer.write_packet(&packet).expect("written");
        };
        // Another protocol, a request, an event, and something too short for anything.
        write(&cooked(0, frames.datagrams().next().expect("one")));
        let mut request = frames.datagrams().next().expect("one").to_vec();
        let flags = 1 | u16::from_ne_bytes([request[6], request[7]]);
        request[6..8].copy_from_slice(&flags.to_ne_bytes());
        write(&cooked(12, &request[..request.len().min(64)]));
        write(&[1, 2, 3]);
        frames.datagrams().for_each(|datagram| write(&cooked(12, datagram)));
        // The end of the dump.
        write(&cooked(12, &done()));
        let file = writer.into_writer();
        let mut capture = Capture::new(&file[..]);
        let report = capture.scan(&query("source")).expect("a file");
        if datalink == DataLink::NETLINK {
            assert_eq!(report, direct(&frames, "source"));
            assert_eq!((capture.end().dumps, capture.end().foreign), (1, 3), "{:?}", capture.end());
        } else {
            assert_eq!((report.flows(), capture.end().entries), (0, 0), "not netlink at all");
        }
        assert_eq!(capture.end().damage, None);
    }
}

#[test]
fn a_file_cut_anywhere_is_read_up_to_there() {
    let frames = Frames::of(&Population::new(40));
    let file = recorded(&frames);
    let (mut most, mut undamaged) = (0, 0);
    for length in 0..=file.len() {
        let mut capture = Capture::new(&file[..length]);
        let report = capture.scan(&query("source")).expect("no error of the reader");
        assert_eq!(report.flows(), capture.end().entries);
        assert!(report.flows() >= most, "nothing is lost again");
        most = report.flows();
        match &capture.end().damage {
            Some(damage) => assert!(damage.offset <= length as u64),
            None => undamaged += 1,
        }
    }
    // Nothing at all, and a cut behind each block: two heads, the packet, the facts at the end.
    assert_eq!(undamaged, 5);
    assert_eq!(most, 40);
}

/// A capture as others write it, of which each packet keeps so many bytes, in one of the two formats.
pub fn cut_to(snaplen: usize, packets: &[Vec<u8>], next_generation: bool) -> Vec<u8> {
    let words = |numbers: &[u32]| numbers.iter().flat_map(|n| n.to_ne_bytes()).collect::<Vec<_>>();
    // Two numbers of two bytes are one word, whichever of its halves is the first here.
    let halves = |a: u16, b: u16| {
        let ([a0, a1], [b0, b1]) = (a.to_ne_bytes(), b.to_ne_bytes());
        u32::from_ne_bytes([a0, a1, b0, b1])
    };
    let (length, link) = (snaplen as u32, 253);
    let mut file = match next_generation {
        false => words(&[0xa1b2_c3d4, halves(2, 4), 0, 0, length, link.into()]),
        true => words(&[0x0a0d_0d0a, 28, 0x1a2b_3c4d, halves(1, 0), u32::MAX, u32::MAX, 28]),
    };
    if next_generation {
        file.extend(words(&[1, 20, halves(link, 0), length, 20]));
    }
    for packet in packets {
        let kept = &packet[..snaplen.min(packet.len())];
        let lengths = [kept.len() as u32, packet.len() as u32];
        if next_generation {
            let padded = kept.len().next_multiple_of(4);
            let whole = padded as u32 + 32;
            file.extend(words(&[6, whole, 0, 0, 0, lengths[0], lengths[1]]));
            file.extend(kept);
            file.resize(file.len() + padded - kept.len(), 0);
            file.extend(words(&[whole]));
        } else {
            file.extend(words(&[0, 0, lengths[0], lengths[1]]));
            file.extend(kept);
        }
    }
    file
}

/// The end of a dump, `NLMSG_DONE` with `NLM_F_MULTI`.
fn done() -> Vec<u8> {
    let (kind, flags) = (3_u16.to_ne_bytes(), 2_u16.to_ne_bytes());
    [&20_u32.to_ne_bytes()[..], &kind, &flags, &1_u32.to_ne_bytes(), &[0; 8]].concat()
}

/// What a dump of a table is to a capture: its datagrams, and its end.
pub fn dumped(frames: &Frames) -> Vec<Vec<u8>> {
    let mut packets: Vec<_> = frames.datagrams().map(|datagram| cooked(12, datagram)).collect();
    packets.push(cooked(12, &done()));
    packets
}

#[test]
fn packets_that_were_cut_are_counted() {
    let frames = Frames::of(&Population::new(60));
    let packets = dumped(&frames);
    for next_generation in [false, true] {
        for snaplen in [8, 17, 23, 35, 36, 40, 200, 700, 1_000_000] {
            let file = cut_to(snaplen, &packets, next_generation);
            let mut capture = Capture::new(&file[..]);
            let report = capture.scan(&query("source")).expect("a file");
            let end = capture.end();
            let cut = packets.iter().filter(|packet| packet.len() > snaplen).count() as u64;
            assert_eq!((end.cut, &end.damage), (cut, &None), "{snaplen} {next_generation}");
            assert_eq!(report.flows() < 60, cut > 0, "{snaplen} {next_generation}: {end:?}");
            let mut snapshot = Snapshot::new(&file[..]).expect("a capture");
            snapshot.scan(&query("source")).expect("a capture");
            let end = snapshot.end();
            assert_eq!((end.complete, end.is_damaged()), (Some(cut == 0), cut > 0), "{snaplen}");
        }
    }
    // What is not of a dump may be cut: requests, events, other protocols, other parts of netfilter.
    let mut others = vec![cooked(0, &frames.datagrams().next().expect("one")[..400])];
    // Its flags and its kind, which are of this machine's byte order.
    for (at, number) in [(6, 3_u16), (6, 0), (4, 10 << 8)] {
        let mut other = packets[0].clone();
        other[16 + at..18 + at].copy_from_slice(&number.to_ne_bytes());
        others.push(other);
    }
    let mut file = cut_to(300, &others, true);
    file.extend_from_slice(&cut_to(1_000_000, &packets, true)[28 + 20..]);
    let mut capture = Capture::new(&file[..]);
    assert_eq!(capture.scan(&query("source")).expect("a file").flows(), 60);
    assert_eq!((capture.end().cut, capture.end().damage.clone()), (0, None));
}

/// Made-up entries, one of them with labels, which are words of the machine.
fn labelled() -> Vec<Flow> {
    let mut flows: Vec<_> = Population::new(40).flows().collect();
    let mut labels = Labels::default();
    assert!([0, 13, 64, 127].into_iter().all(|label| labels.insert(label)));
    flows[7].labels = Some(labels);
    flows
}

/// Files that machines of both byte orders wrote are read on this one, whichever it is. `CTNETLINK_BLESS=1` writes
/// that of this one anew.
#[test]
fn captures_of_both_byte_orders_say_the_same() {
    let path = |order: &str| {
        let file = format!("{order}-endian.pcapng");
        std::path::PathBuf::from_iter([env!("CARGO_MANIFEST_DIR"), "data", &file])
    };
    if std::env::var_os("CTNETLINK_BLESS").is_some() {
        let mut recorder = Recorder::new(Vec::new(), &facts()).expect("a file");
        for flow in labelled() {
            recorder.entry(flow.original.family(), &flow.to_bytes()).expect("written");
        }
        let file = recorder.finish(&TableFacts::default()).expect("written");
        let order = if cfg!(target_endian = "big") { "big" } else { "little" };
        std::fs::write(path(order), file).expect("written");
    }
    for order in ["little", "big"] {
        let file = std::fs::read(path(order)).expect("a capture");
        let mut capture = Capture::new(&file[..]);
        let mut read = Vec::new();
        let keep = |flow: Result<FlowRef<'_>, _>| read.push(flow.expect("an entry").to_owned());
        capture.for_each(keep).expect("a capture");
        assert_eq!(capture.end().malformed, 0, "{order}");
        assert!(read == labelled(), "{order}");
        let mut snapshot = Snapshot::open(path(order)).expect("a capture");
        assert_eq!(snapshot.scan(&query("source")).expect("a capture").flows(), 40, "{order}");

        // Damaged anywhere, it is read nevertheless.
        for at in (0..file.len()).step_by(29) {
            let mut damaged = file.clone();
            damaged[at] ^= 0xff;
            let mut capture = Capture::new(&damaged[..]);
            capture.for_each(|_| ()).expect("no error of the reader");
        }
    }
}

/// A reader that gives a few bytes at a time.
struct Drops<'a>(&'a [u8], usize);

impl Read for Drops<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let length = self.1.min(buffer.len()).min(self.0.len());
        buffer[..length].copy_from_slice(&self.0[..length]);
        self.0 = &self.0[length..];
        Ok(length)
    }
}

#[test]
fn memory_is_bounded_whatever_the_file_says() {
    // A block that claims to be four gigabytes long, of which there is plenty.
    let mut file = recorded(&Frames::of(&Population::new(40)));
    let at = file.len();
    file.extend([6, 0, 0, 0, 0xf0, 0xff, 0xff, 0xff]);
    let endless = Cursor::new(file).chain(std::io::repeat(0).take(64 << 20));
    let mut capture = Capture::new(endless);
    let mut report = None;
    let memory = allocation_counter::measure(|| {
        report = Some(capture.scan(&query("source")).expect("a file"));
    });
    assert_eq!(report.expect("an answer").flows(), 40);
    let damage = capture.end().damage.clone().expect("damage");
    assert_eq!(damage.offset, at as u64);
    assert!(memory.bytes_max < 4 * Capture::<&[u8]>::LONGEST as u64, "{}", memory.bytes_max);
    for size in [1, 7, 4096] {
        let file = recorded(&Frames::of(&Population::new(300)));
        let mut capture = Capture::new(Drops(&file, size));
        assert_eq!(capture.scan(&query("source")).expect("a file").flows(), 300);
    }
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let mut capture = Capture::new(&bytes[..]);
        let _ = capture.scan(&query("source"));
        let mut file = vec![0x0a, 0x0d, 0x0d, 0x0a];
        file.extend(bytes);
        let _ = Capture::new(&file[..]).scan(&query("source"));
    }

    #[test]
    fn no_damage_panics(
        damages in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let mut file = recorded(&Frames::of(&Population::new(30)));
        for (at, byte) in damages {
            *at.get_mut(&mut file) = byte;
        }
        let mut capture = Capture::new(&file[..]);
        let report = capture.scan(&query("state,source,dport")).expect("no error of the reader");
        prop_assert!(report.flows() <= capture.end().entries);
        prop_assert!(report.flows() + capture.end().malformed >= capture.end().entries);
    }
}
