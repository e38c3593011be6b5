//! Captures: written and read again, cut anywhere, damaged anyhow, and made by others.

use std::io::{Cursor, Read};

use ctnetlink::Query;
use ctnetlink::aggregate::{Aggregator, Fields, Report};
use ctnetlink::capture::{Capture, CaptureFacts, Difference, Recorder};
use ctnetlink::testing::{Frames, Population};
use pcap_file::DataLink;
use pcap_file::pcap::{PcapHeader, PcapPacket, PcapWriter};
use proptest::prelude::*;

const KEYS: [&str; 3] = ["source", "state,protocol,source/24", "destination,dport,zone,mark"];

fn query(keys: &str) -> Query {
    Query::new().by(keys.parse::<Fields>().expect("keys")).top(usize::MAX)
}

fn facts() -> CaptureFacts {
    let mut facts = CaptureFacts::default();
    (facts.time, facts.before, facts.max) = (Some(1_700_000_000), Some(500), Some(262_144));
    facts.kernel = Some("6.18.44".to_owned());
    facts
}

fn recorded(frames: &Frames) -> Vec<u8> {
    let mut recorder = Recorder::new(Vec::new(), &facts()).expect("a file");
    for datagram in frames.datagrams() {
        recorder.datagram(datagram).expect("written");
    }
    let mut end = CaptureFacts::default();
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

fn direct(frames: &Frames, keys: &str) -> Report {
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
        assert_eq!(said.kernel.as_deref(), Some("6.18.44"));
        assert!(said.moment().is_some() && said.namespace.is_none());
    }
    let mut seen = 0;
    Capture::new(&file[..]).for_each(|flow| seen += u32::from(flow.is_ok())).expect("a file");
    assert_eq!(seen, 5_000);
}

#[test]
fn pcap_files_of_others_are_captures_too() {
    let frames = Frames::of(&Population::new(700));
    for datalink in [DataLink::NETLINK, DataLink::ETHERNET] {
        let header = PcapHeader { datalink, ..PcapHeader::default() };
        let mut writer = PcapWriter::with_header(Vec::new(), header).expect("a file");
        let mut write = |data: &[u8]| {
            let length = data.len() as u32;
            let packet = PcapPacket::new(std::time::Duration::ZERO, length, data);
            writer.write_packet(&packet).expect("written");
        };
        // Another protocol, a request, an event, and something too short for anything.
        write(&cooked(0, frames.datagrams().next().expect("one")));
        let mut request = frames.datagrams().next().expect("one").to_vec();
        request[6] |= 1;
        write(&cooked(12, &request[..request.len().min(64)]));
        write(&[1, 2, 3]);
        frames.datagrams().for_each(|datagram| write(&cooked(12, datagram)));
        // The end of the dump.
        let mut done = vec![20, 0, 0, 0, 3, 0, 2, 0, 1, 0, 0, 0, 1, 0, 0, 0];
        done.extend([0; 4]);
        write(&cooked(12, &done));
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

#[test]
fn two_captures_and_what_they_differ_in() {
    let flows: Vec<_> = Population::new(3_000).sources(300).flows().collect();
    // A part ends, a part begins, and the rest stays, some of it in another state.
    let first = recorded(&flows[..2_000].iter().cloned().collect());
    let mut later: Vec<_> = flows[500..].to_vec();
    for flow in later.iter_mut().take(200) {
        flow.status |= ctnetlink::flow::Status::ASSURED;
    }
    let second = recorded(&later.iter().cloned().collect());
    let open = |file: &'static [u8]| move || Ok(file);
    let (first, second) = (&*first.leak(), &*second.leak());
    let query = query("source");
    let found = Difference::of(open(first), open(second), &query).expect("files");
    assert_eq!((found.born, found.died, found.stayed), (1_000, 500, 1_500));
    assert_eq!((found.first.entries, found.second.entries), (2_000, 2_500));
    let count = |flows: &[ctnetlink::flow::Flow], source: &str| {
        flows.iter().filter(|flow| flow.original.source.to_string() == source).count() as u64
    };
    for change in &found.rows {
        let source = change.key[0].to_string();
        let expected = [&flows[..2_000], &flows[500..], &flows[2_000..], &flows[..500]];
        let expected = expected.map(|flows| count(flows, &source));
        assert_eq!([change.before, change.after, change.born, change.died], expected, "{source}");
        assert_eq!(change.growth(), expected[1] as i64 - expected[0] as i64);
    }
    assert!(found.rows.is_sorted_by_key(|change| std::cmp::Reverse(change.growth())));
    let sums = found.rows.iter().fold((0, 0), |(b, d), change| (b + change.born, d + change.died));
    assert_eq!(sums, (1_000, 500), "every source that has changed is there");
    let few = Difference::of(open(first), open(second), &query.clone().top(3)).expect("files");
    assert_eq!(few.rows[..3], found.rows[..3]);
    assert_eq!(few.rows[3..], found.rows[found.rows.len() - 3..]);
    let none = Difference::of(open(first), open(first), &query).expect("files");
    assert_eq!((none.born, none.died, none.stayed, none.rows.len()), (0, 0, 2_000, 0));
    // Of some entries: who is in both counts, whatever the filter.
    let tcp = query.of("proto=tcp".parse().expect("a filter"));
    let tcp = Difference::of(open(first), open(second), &tcp).expect("files");
    assert_eq!((tcp.born, tcp.stayed), (1_000, 1_500));
    assert!(tcp.rows.iter().map(|change| change.born).sum::<u64>() < 1_000);
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
