//! Tables kept in files of every form: what they say is the same, and so is what they differ in.

use std::io::Write;
use std::ops::ControlFlow;

use ctnetlink::Query;
use ctnetlink::aggregate::{Aggregator, Report};
use ctnetlink::field::{Key, Keys};
use ctnetlink::files::capture::Recorder;
use ctnetlink::files::rows::Record;
use ctnetlink::files::snapshot::{Difference, Redactor, Snapshot};
use ctnetlink::files::text::{Line, SaveLine};
use ctnetlink::files::{Format, TableFacts, parquet};
use ctnetlink::flow::{
    Flow, FlowRef, Helper, ProtoInfo, Protocol, State, Status, Tuple, UnknownAttribute,
};
use ctnetlink::origin::{Origin, Timestamp};
use ctnetlink::testing::{Frames, Population};
use proptest::prelude::*;

use crate::capture::{query, recorded};
use crate::strategy;

#[test]
fn two_snapshots_and_what_they_differ_in() {
    let flows: Vec<_> = Population::new(3_000).sources(300).flows().collect();
    // A part ends, a part begins, and the rest stays, some of it in another state.
    let first = recorded(&flows[..2_000].iter().cloned().collect());
    let mut later: Vec<_> = flows[500..].to_vec();
    let mut expected = 0;
    for flow in later.iter_mut().take(200) {
        expected += u64::from(!flow.status.contains(Status::ASSURED));
        flow.status |= Status::ASSURED;
    }
    assert!(expected > 20);
    let second = recorded(&later.iter().cloned().collect());
    let open = |file: &'static [u8]| move || Snapshot::new(file);
    let (first, second) = (&*first.leak(), &*second.leak());
    let query = query("source");
    let found = Difference::of(open(first), open(second), &query).expect("files");
    assert_eq!((found.born, found.died, found.stayed), (1_000, 500, 1_500));
    assert_eq!(found.changed, expected);
    assert!(found.rows.iter().map(|change| change.changed).sum::<u64>() == expected);
    // UDP is ASSURED now, by its status bit; TCP has a state of its own, and another status only.
    let turned = later[..200].iter().zip(&flows[500..]);
    let turned = turned.filter(|(after, before)| after.state() != before.state()).count() as u64;
    assert!(turned > 0 && turned < expected, "{turned}");
    assert_eq!(found.transitions.iter().map(|turn| turn.flows).sum::<u64>(), turned);
    assert!(found.transitions.iter().all(|turn| turn.to == State::ASSURED && turn.from != turn.to));
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
    assert_eq!(few.others, found.rows.len() as u64 - 6);
    // Of some entries, all numbers are about these.
    let of_tcp = |flows: &[Flow]| {
        flows.iter().filter(|flow| flow.protocol() == Protocol::TCP).count() as u64
    };
    let tcp = query.clone().filter("proto=tcp".parse().expect("a filter"));
    let tcp = Difference::of(open(first), open(second), &tcp).expect("files");
    let expected = (of_tcp(&flows[2_000..]), of_tcp(&flows[..500]), of_tcp(&flows[500..2_000]));
    assert_eq!((tcp.born, tcp.died, tcp.stayed), expected);
    assert_eq!(tcp.rows.iter().map(|change| change.born).sum::<u64>(), tcp.born);
    assert!(expected.0 > 100 && expected.0 < 1_000 && tcp.undecided == 0);
    let counted = query.filter("bytes>0".parse().expect("a filter"));
    let counted = Difference::of(open(first), open(second), &counted).expect("files");
    assert_eq!((counted.stayed, counted.undecided), (0, 4_500), "nobody can tell");
}

fn seen() -> Origin {
    Origin {
        time: Some(Timestamp::from_micros(1_700_000_000_000_000)),
        node: Some("gw-1".to_owned()),
        netns_inode: Some(4_026_531_840),
        ..Origin::default()
    }
}

fn records(entries: &[Vec<u8>]) -> impl Iterator<Item = Record> {
    let record = |entry: &Vec<u8>| Record::from(&FlowRef::parse(entry).expect("an entry"));
    entries.iter().map(record).map(|record| record.observed(&seen()))
}

fn as_json(entries: &[Vec<u8>]) -> Vec<u8> {
    let mut text = Vec::new();
    for record in records(entries) {
        serde_json::to_writer(&mut text, &record).expect("JSON");
        text.push(b'\n');
    }
    text
}

fn as_columns(entries: &[Vec<u8>]) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().expect("a file");
    let mut writer = parquet::Writer::new(file.reopen().expect("a file")).expect("a file");
    records(entries).for_each(|record| writer.push(record).expect("written"));
    let mut facts = TableFacts::default();
    facts.max = Some(262_144);
    writer.facts(&facts);
    writer.finish().expect("written");
    file
}

fn compressed(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 3).expect("compressed")
}

/// Every key there is, by itself, and some together.
fn queries() -> Vec<Query> {
    let words = Key::words().map(|(word, _)| word);
    let more = ["state,protocol,source/24", "destination,dport,zone,mark", "status,expires,age"];
    let of = |keys: &str| keys.parse::<Keys>().expect("keys");
    let query = |keys: &str| {
        let measure = ctnetlink::aggregate::Measure::Packets;
        Query::new().group_by(of(keys)).top(usize::MAX).measure(measure)
    };
    words.chain(more).map(query).collect()
}

fn direct(entries: &[Vec<u8>]) -> Vec<Report> {
    let moment = seen().time.expect("a time").into();
    let mut aggregator = Aggregator::of(&queries()).at(moment);
    for entry in entries {
        aggregator.record_bytes(entry).expect("an entry");
    }
    aggregator.finish_all()
}

fn encoded(flows: impl Iterator<Item = Flow>) -> Vec<Vec<u8>> {
    flows.map(|flow| flow.to_bytes()).collect()
}

fn captured(entries: &[Vec<u8>]) -> Vec<u8> {
    let mut facts = TableFacts::default();
    facts.origin.time = seen().time;
    let mut recorder = Recorder::new(Vec::new(), &facts).expect("a file");
    for entry in entries {
        let family = FlowRef::parse(entry).expect("an entry").original().family();
        recorder.entry(family, entry).expect("written");
    }
    recorder.done().expect("written");
    recorder.finish(&facts).expect("written")
}

#[test]
#[cfg_attr(target_endian = "big", ignore = "there is no Parquet on big-endian machines")]
fn every_form_says_the_same() {
    let frames = Frames::of(&Population::new(4_000));
    let entries: Vec<_> = frames.entries().map(<[u8]>::to_vec).collect();
    let expected = direct(&entries);
    let (capture, json) = (captured(&entries), as_json(&entries));
    let columns = as_columns(&entries);
    let small = [compressed(&capture), compressed(&json)];
    let forms = [
        ("capture", Format::Capture, Snapshot::new(&capture[..])),
        ("zstd", Format::Capture, Snapshot::new(&small[0][..])),
        ("json", Format::Json, Snapshot::new(&json[..])),
        ("json in zstd", Format::Json, Snapshot::new(&small[1][..])),
        ("parquet", Format::Parquet, Snapshot::open(columns.path())),
    ];
    for (name, form, snapshot) in forms {
        let mut snapshot = snapshot.expect("a file");
        // Where it is from is known before anything was read.
        assert_eq!(snapshot.facts().origin.time, seen().time, "{name}");
        let reports = snapshot.scan_all(&queries()).expect("a file");
        for (report, expected) in reports.iter().zip(&expected) {
            assert_eq!(report, expected, "{name}");
        }
        let end = snapshot.end();
        assert_eq!((end.format, end.entries, end.malformed), (form, 4_000, 0), "{name}");
        // Only a capture has the end of a dump.
        let complete = (form == Format::Capture).then_some(true);
        assert_eq!((end.complete, end.elsewhere), (complete, 0), "{name}: {end:?}");
        let max = (form == Format::Parquet).then_some(262_144);
        assert_eq!(snapshot.facts().max, max);
    }
    let stream = std::fs::read(columns.path()).expect("a file");
    let error = Snapshot::new(&stream[..]).expect_err("it is no stream");
    assert!(error.to_string().contains("give a file"), "{error}");
}

#[test]
#[cfg_attr(target_endian = "big", ignore = "there is no Parquet on big-endian machines")]
fn entries_are_looked_at_one_by_one_in_every_form() {
    let entries = encoded(Population::new(700).flows());
    let (capture, json) = (captured(&entries), as_json(&entries));
    let columns = as_columns(&entries);
    // What a record keeps; TCP's flags, for one, are in captures only.
    let text = |flow: &FlowRef<'_>| Record::from(flow).csv().to_string();
    let mut all: Vec<_> =
        entries.iter().map(|entry| text(&FlowRef::parse(entry).expect("an entry"))).collect();
    all.sort();
    for snapshot in
        [Snapshot::new(&capture[..]), Snapshot::new(&json[..]), Snapshot::open(columns.path())]
    {
        let mut snapshot = snapshot.expect("a file");
        let mut found = Vec::new();
        let look = |flow: &FlowRef<'_>| {
            found.push(text(flow));
            ControlFlow::<()>::Continue(())
        };
        assert!(snapshot.try_for_each(look).expect("a file").is_continue());
        found.sort();
        assert!(found == all, "{:?}", snapshot.end());
    }
}

#[test]
fn lines_that_are_no_entry_are_counted_and_a_cut_is_told() {
    let entries = encoded(Population::new(900).flows());
    let mut text = Vec::new();
    for (index, entry) in entries.iter().enumerate() {
        writeln!(text, "{}", Line::of(&FlowRef::parse(entry).expect("an entry"))).expect("text");
        if index == 300 {
            writeln!(text, "{{\"family\":4}}\nnonsense").expect("text");
        }
    }
    let mut snapshot = Snapshot::new(&text[..]).expect("text");
    assert_eq!(snapshot.scan(&query("source")).expect("text").flows(), 900);
    let end = snapshot.end();
    assert_eq!((end.entries, end.malformed), (900, 2));
    let (line, why) = end.first_malformed.clone().expect("one");
    assert!(line == 302 && why.contains("missing field"), "{line} {why}");
    assert_eq!(end.complete, Some(false));

    let small = compressed(&text);
    let mut cuts = 0;
    for length in (0..small.len()).step_by(97) {
        let mut snapshot = match Snapshot::new(&small[..length]) {
            Ok(snapshot) => snapshot,
            Err(error) => panic!("{length}: {error}"),
        };
        let flows = snapshot.scan(&query("source")).expect("no error").flows();
        let end = snapshot.end();
        assert!(flows < 900 && flows == end.entries, "{length}");
        cuts += u32::from(end.damage.is_some());
    }
    assert!(cuts > 20, "{cuts}");
}

#[test]
fn entries_that_cannot_be_read_are_counted_whoever_reads() {
    let mut entries = encoded(Population::new(300).flows());
    let whole = captured(&entries);
    // Tuples that are cut short, in a message that is whole.
    for entry in entries.iter_mut().step_by(50) {
        entry[4] = 5;
    }
    let frames: Vec<_> = entries.iter().map(|entry| (4, entry)).collect();
    let mut recorder = Recorder::new(Vec::new(), &TableFacts::default()).expect("a file");
    for (_, entry) in &frames {
        recorder.entry(ctnetlink::flow::Family::Ipv4, entry).expect("written");
    }
    let file = recorder.finish(&TableFacts::default()).expect("written");
    let (file, whole) = (&*file.leak(), &*whole.leak());
    let mut one = Snapshot::new(file).expect("a file");
    let mut seen = 0;
    let _ = one.try_for_each::<()>(|_| {
        seen += 1;
        ControlFlow::Continue(())
    });
    assert_eq!((seen, one.end().malformed, one.end().complete), (294, 6, Some(false)));
    let mut all = Snapshot::new(file).expect("a file");
    assert_eq!(all.scan(&query("source")).expect("a file").flows(), 294);
    assert_eq!((all.end().malformed, all.end().complete), (6, Some(false)));
    let open = |file: &'static [u8]| move || Snapshot::new(file);
    let found = Difference::of(open(whole), open(file), &query("source")).expect("files");
    assert_eq!((found.died, found.second.malformed, found.second.complete), (6, 6, Some(false)));
    // What is read twice has to be the same twice.
    let mut pipe = vec![whole, &whole[..0]].into_iter();
    let once = move || Snapshot::new(pipe.next().unwrap_or_default());
    let error = Difference::of(once, open(file), &query("source")).expect_err("a pipe");
    assert!(error.to_string().contains("and no pipe"), "{error}");
}

#[test]
fn rows_of_other_tables_are_told() {
    let entries = encoded(Population::new(100).flows());
    let mut text = as_json(&entries);
    let other = String::from_utf8(as_json(&entries[..30])).expect("text");
    text.extend(other.replace("gw-1", "gw-2").bytes());
    let mut snapshot = Snapshot::new(&text[..]).expect("text");
    assert_eq!(snapshot.facts().origin, seen());
    assert_eq!(snapshot.scan(&query("source")).expect("text").flows(), 130);
    assert_eq!((snapshot.end().elsewhere, snapshot.end().complete), (30, Some(false)));
}

#[test]
fn what_a_row_lacks_is_empty_and_text_is_quoted() {
    let ends = |last| (std::net::IpAddr::from([10, 0, 0, last]), u16::from(last));
    let original = Tuple::with_ports(Protocol::UDP, ends(1), ends(2));
    let mut flow = Flow::new(original, original.inverse());
    flow.helper = Some(Helper { name: "a,\"b\"".into(), info: None });
    let bytes = flow.to_bytes();
    let record = Record::from(&FlowRef::parse(&bytes).expect("an entry"));
    assert_eq!(
        record.csv().to_string(),
        ",,,4,17,10.0.0.1,10.0.0.2,1,2,10.0.0.2,10.0.0.1,2,1,,,,,,,,,UNREPLIED,,0,false,false,\
         false,false,,,,,,\"a,\"\"b\"\"\",,,,,,,,"
    );
    let commas = record.csv().to_string().matches(',').count();
    assert_eq!(commas, Record::COLUMNS.len(), "one of them is in the helper's name");
}

/// The same table in two forms differs in nothing that both can say.
#[test]
fn forms_of_one_table_do_not_differ() {
    let flows = Population::new(1_500).flows().zip(1..).map(|(mut flow, id)| {
        // As the kernel has it, and no text says.
        flow.status |= Status::SRC_NAT_DONE | Status::DST_NAT_DONE;
        flow.id = Some(ctnetlink::flow::FlowId(id));
        flow
    });
    let entries = encoded(flows);
    let text = |line: fn(&FlowRef<'_>) -> String| {
        let line = |entry: &Vec<u8>| line(&FlowRef::parse(entry).expect("an entry")) + "\n";
        entries.iter().map(line).collect::<String>()
    };
    let plain = text(|flow| Line::of(flow).to_string());
    let with_ids = text(|flow| Line::of(flow).extended(true).id(true).to_string());
    let saved = text(|flow| SaveLine::of(flow).to_string());
    let (capture, json) = (captured(&entries), as_json(&entries));
    for (name, other, by_id) in [
        ("plain", plain.as_bytes(), false),
        ("with ids", with_ids.as_bytes(), true),
        ("saved", saved.as_bytes(), false),
        ("json", &json, true),
    ] {
        let (first, second) = (|| Snapshot::new(&capture[..]), || Snapshot::new(other));
        let found = Difference::of(first, second, &query("source")).expect("files");
        assert_eq!((found.born, found.died, found.changed), (0, 0, 0), "{name}");
        assert_eq!((found.stayed, found.by_id, found.rows.len()), (1_500, by_id, 0), "{name}");
    }
}

#[test]
fn ages_of_a_difference_are_those_of_then() {
    let flow = |age: u64| {
        let mut flow = Population::new(1).flows().next().expect("one");
        let start = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_700_000_000 - age);
        flow.timestamps = Some(ctnetlink::flow::Timestamps { start, stop: None });
        captured(&[flow.to_bytes()])
    };
    let old = query("source").filter("age>30s".parse().expect("a filter"));
    let born = |second: &[u8]| {
        let none = captured(&[]);
        let open = || Snapshot::new(&none[..]);
        Difference::of(open, || Snapshot::new(second), &old).expect("files").born
    };
    assert_eq!((born(&flow(5)), born(&flow(60))), (0, 1));
}

#[test]
fn files_that_were_put_together_are_not_one_table() {
    let read = |file: &[u8]| {
        let mut snapshot = Snapshot::new(file).expect("a file");
        let flows = snapshot.scan(&query("source")).expect("a file").flows();
        (flows, snapshot.end().dumps, snapshot.end().complete)
    };
    let capture = captured(&encoded(Population::new(50).flows()));
    assert_eq!(read(&capture), (50, 1, Some(true)));
    assert_eq!(read(&[&capture[..], &capture].concat()), (100, 2, Some(false)));
    // One that was not ended, and a whole one behind it, which says that it is whole.
    let empty = |facts: &TableFacts| {
        let recorder = Recorder::new(Vec::new(), facts).expect("a file");
        recorder.finish(facts).expect("written")
    };
    let mut facts = TableFacts::default();
    let begun = empty(&facts);
    facts.complete = Some(true);
    let whole = empty(&facts);
    assert_eq!(read(&whole), (0, 1, Some(true)));
    assert_eq!(read(&begun), (0, 1, None), "what says nothing is not known");
    assert_eq!(read(&[begun, whole].concat()), (0, 2, Some(false)));
}

#[test]
fn what_is_not_read_is_named() {
    for (start, what) in [
        (&[0x1f, 0x8b, 8, 0][..], "gzip"),
        (&[0xff, 0xfe, b'i', 0], "UTF-16"),
        (b"observed_at,node\n", "CSV"),
        (b"\xfd7zXZ", "xz"),
    ] {
        let error = Snapshot::new(start).expect_err("not read");
        assert!(error.to_string().contains(what), "{error}");
    }
}

#[test]
fn what_is_compressed_and_changed_is_damaged() {
    let entries = encoded(Population::new(2_000).flows());
    let capture = captured(&entries);
    let mut encoder = zstd::Encoder::new(Vec::new(), 3).expect("an encoder");
    encoder.include_checksum(true).expect("an encoder");
    encoder.write_all(&capture).expect("written");
    let small = encoder.finish().expect("written");
    for at in (8..small.len()).step_by(small.len() / 40) {
        let mut changed = small.clone();
        changed[at] ^= 0x10;
        let mut snapshot = Snapshot::new(&changed[..]).expect("damage is no error");
        let report = snapshot.scan(&query("source")).expect("damage is no error");
        let end = snapshot.end();
        assert!(end.damage.is_some() && end.complete == Some(false), "{at}: {end:?}");
        assert!(report.flows() <= 2_000);
    }
    let json = as_json(&entries);
    let mut small = zstd::encode_all(&json[..], 3).expect("compressed");
    let middle = small.len() / 2;
    small[middle..].iter_mut().for_each(|byte| *byte ^= 0xff);
    let mut snapshot = Snapshot::new(&small[..]).expect("damage is no error");
    assert!(snapshot.scan(&query("source")).expect("damage is no error").flows() < 2_000);
    assert!(snapshot.end().damage.is_some());
}

#[test]
fn a_file_may_claim_any_time() {
    for time in [u64::MAX, 253_402_300_800, 0] {
        let mut facts = TableFacts::default();
        facts.origin.node = Some("0".repeat(20));
        let recorder = Recorder::new(Vec::new(), &facts).expect("a file");
        let mut file = recorder.finish(&facts).expect("written");
        // In place of the node, which is as long.
        let starts: Vec<_> =
            (0..file.len()).filter(|at| file[*at..].starts_with(b"node=")).collect();
        assert_eq!(starts.len(), 2);
        for start in starts {
            file[start..start + 25].copy_from_slice(format!("time={time:020}").as_bytes());
        }
        let mut snapshot = Snapshot::new(&file[..]).expect("a file");
        assert_eq!(snapshot.scan(&query("source")).expect("a file").flows(), 0);
        let text = snapshot.facts().origin.time.map(|time| time.to_string());
        assert!(text.is_some_and(|text| text.ends_with('Z')), "{time}");
    }
}

#[test]
fn a_stream_may_come_byte_by_byte() {
    struct Drops<'b>(&'b [u8]);
    impl std::io::Read for Drops<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            let length = buffer.len().min(self.0.len()).min(1);
            buffer[..length].copy_from_slice(&self.0[..length]);
            self.0 = &self.0[length..];
            Ok(length)
        }
    }
    let entries = encoded(Population::new(200).flows());
    let capture = captured(&entries);
    for file in [&capture[..], &compressed(&capture), &as_json(&entries)] {
        let mut snapshot = Snapshot::new(Drops(file)).expect("a file");
        assert_eq!(snapshot.scan(&query("source")).expect("a file").flows(), 200);
    }
}

#[test]
fn what_is_hidden_keeps_its_groups_and_can_be_turned_back_with_the_key() {
    let mut key = [0; 32];
    key.iter_mut().zip(1..).for_each(|(byte, value)| *byte = value);
    let redactor = Redactor::new(key).expect("a key");
    let other = Redactor::new(key.map(|byte| byte ^ 0x55)).expect("a key");
    let before: Vec<_> = Population::new(2_000).flows().collect();
    let mut after = before.clone();
    after.iter_mut().for_each(|flow| redactor.flow(flow));
    for (before, after) in before.iter().zip(&after) {
        for (is, was) in [(&after.original, &before.original), (&after.reply, &before.reply)] {
            assert!(is.source != was.source && is.destination != was.destination);
            assert_eq!(is.source.is_ipv4(), was.source.is_ipv4());
            assert_eq!((is.endpoints, is.protocol), (was.endpoints, was.protocol));
            assert_eq!(redactor.true_address(is.source), was.source);
            assert_ne!(other.true_address(is.source), was.source);
        }
        assert_eq!(before.source_nat().is_some(), after.source_nat().is_some());
        assert_eq!(before.destination_nat().is_some(), after.destination_nat().is_some());
    }
    // As many groups, each as large, by networks of any length.
    for keys in ["source", "source/24", "source/8", "source/20/48", "destination/16,dport,state"] {
        let sizes = |flows: &[Flow]| {
            let mut aggregator = Aggregator::new(&query(keys));
            for flow in flows {
                aggregator.record_bytes(&flow.to_bytes()).expect("an entry");
            }
            aggregator.finish().rows().iter().map(|row| row.flows).collect::<Vec<_>>()
        };
        assert_eq!(sizes(&before), sizes(&after), "{keys}");
    }
    after.iter_mut().for_each(|flow| redactor.undo(flow));
    assert!(after == before);
    // What may tell something else, or is not known, is left out, and the master's addresses are hidden.
    let mut flow = before[0].clone();
    flow.master = Some(before[1].original);
    flow.security_context = Some("system_u:object_r:host_of_mine".to_owned());
    flow.unknown.push(UnknownAttribute { kind: 200, payload: vec![10, 0, 0, 1] });
    flow.helper = Some(Helper { name: "sip".into(), info: Some(vec![10, 0, 0, 1].into()) });
    redactor.flow(&mut flow);
    assert_eq!((flow.security_context, flow.unknown), (None, Vec::new()));
    assert_eq!(flow.helper, Some(Helper { name: "sip".into(), info: None }));
    assert_eq!(
        flow.master.map(|master| master.source),
        Some(redactor.address(before[1].original.source))
    );
    assert!(Redactor::new([3; 32]).is_err(), "halves that are the same");
    assert!(!format!("{redactor:?}").contains('1'), "the key is not shown");
}

/// Whether a tracker's words are of the entry's protocol, as all of the kernel's are.
fn is_of_its_protocol(flow: &Flow) -> bool {
    matches!(
        (flow.protocol(), flow.protoinfo),
        (_, None)
            | (Protocol::TCP, Some(ProtoInfo::Tcp(_)))
            | (Protocol::SCTP, Some(ProtoInfo::Sctp(_)))
            | (Protocol::DCCP, Some(ProtoInfo::Dccp(_)))
    )
}

/// What files of each form begin with.
const STARTS: [&[u8]; 5] = [b"PAR1", b"{", b"\x28\xb5\x2f\xfd", b"\x0a\x0d\x0d\x0a", b"ipv4 2 "];

fn common_prefix(a: std::net::IpAddr, b: std::net::IpAddr) -> u32 {
    match (a, b) {
        (std::net::IpAddr::V4(a), std::net::IpAddr::V4(b)) => {
            (a.to_bits() ^ b.to_bits()).leading_zeros()
        }
        (std::net::IpAddr::V6(a), std::net::IpAddr::V6(b)) => {
            (a.to_bits() ^ b.to_bits()).leading_zeros()
        }
        _ => panic!("of two families"),
    }
}

proptest! {
    #[test]
    fn prefixes_stay_as_long_as_they_are(key: [u8; 32], a: u32, b: u32, c: u128, shared in 0_u32..128) {
        prop_assume!(key[..16] != key[16..]);
        let redactor = Redactor::new(key).expect("a key");
        let low = u128::MAX.checked_shr(shared).unwrap_or(0);
        let mapped = std::net::Ipv4Addr::from(a).to_ipv6_mapped();
        let pairs: [(std::net::IpAddr, std::net::IpAddr); 3] = [
            (mapped.into(), std::net::Ipv6Addr::from(c).into()),
            (std::net::Ipv4Addr::from(a).into(), std::net::Ipv4Addr::from(b).into()),
            (std::net::Ipv6Addr::from(c).into(), std::net::Ipv6Addr::from(c ^ low).into()),
        ];
        for (a, b) in pairs {
            let (x, y) = (redactor.address(a), redactor.address(b));
            prop_assert_eq!(common_prefix(a, b), common_prefix(x, y));
            prop_assert_eq!(redactor.true_address(x), a);
        }
    }

    /// Whatever an entry holds: what a record keeps of it comes out of JSON and columns as it went in.
    #[test]
    #[cfg_attr(target_endian = "big", ignore = "there is no Parquet on big-endian machines")]
    fn records_come_back(flows in proptest::collection::vec(strategy::flow(), 0..40)) {
        let entries = encoded(flows.into_iter().filter(is_of_its_protocol));
        let all: Vec<_> = records(&entries).collect();
        for record in &all {
            let text = serde_json::to_string(record).expect("JSON");
            prop_assert_eq!(record, &serde_json::from_str::<Record>(&text).expect("a record"));
            // And its flow is the entry, in all that a record is about.
            if let Ok(flow) = Flow::try_from(record) {
                let bytes = flow.to_bytes();
                let again = Record::from(&FlowRef::parse(&bytes).expect("an entry"));
                prop_assert_eq!(record, &again.observed(&record.origin()));
            }
        }
        let mut writer = parquet::Writer::new(Vec::new()).expect("a file");
        all.iter().cloned().for_each(|record| writer.push(record).expect("written"));
        let file = writer.finish().expect("written");
        let reader = parquet::Reader::<Record>::from_bytes(file).expect("a file");
        prop_assert_eq!(reader.rows(), all.len() as u64);
        let mut found: Vec<_> = reader.map(|record| record.expect("a row").csv().to_string()).collect();
        let mut given: Vec<_> = all.iter().map(|record| record.csv().to_string()).collect();
        found.sort();
        given.sort();
        prop_assert_eq!(found, given);
    }

    #[test]
    fn no_bytes_panic_whatever_they_claim_to_be(
        start in prop::sample::select(&STARTS[..]),
        bytes in proptest::collection::vec(any::<u8>(), 0..300),
    ) {
        let bytes = [start, &bytes[..]].concat();
        if let Ok(mut snapshot) = Snapshot::new(&bytes[..]) {
            let _ = snapshot.scan(&query("source"));
        }
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), &bytes).expect("a file");
        if let Ok(mut snapshot) = Snapshot::open(file.path()) {
            let _ = snapshot.scan(&query("source"));
        }
    }
}
