//! The table of fields, walked line by line: whatever a line says holds in filters, keys and rows alike.

use std::time::{Duration, SystemTime};

use ctnetlink::aggregate::Aggregator;
use ctnetlink::field::{Field, Key, Value};
use ctnetlink::files::rows::Record;
use ctnetlink::flow::{Counters, Flow, FlowId, FlowRef, Helper, Labels, Protocol, Status, Tuple};
use ctnetlink::flow::{Entry, Timestamps};
use ctnetlink::{Filter, Query};

use crate::naive;

/// A flow that says something about every field but those of other protocols.
fn flow() -> Flow {
    let end = |last, port| (std::net::IpAddr::from([10, 0, 0, last]), port);
    let original = Tuple::with_ports(Protocol::UDP, end(1, 1001), end(2, 1002));
    let reply = Tuple::with_ports(Protocol::UDP, end(3, 1003), end(4, 1004));
    let mut flow = Flow::new(original, reply);
    flow.status = Status::SEEN_REPLY | Status::ASSURED;
    flow.timeout = Some(Duration::from_secs(77));
    flow.mark = Some(5);
    flow.zone = Some(6);
    flow.id = Some(FlowId(7));
    flow.use_count = Some(13);
    flow.helper = Some(Helper { name: "ftp".into(), info: None });
    let mut labels = Labels::default();
    assert!(labels.insert(8));
    flow.labels = Some(labels);
    flow.counters_original = Some(Counters { packets: 9, bytes: 10 });
    flow.counters_reply = Some(Counters { packets: 11, bytes: 12 });
    let start = naive::now() - Duration::from_secs(3);
    flow.timestamps = Some(Timestamps { start, stop: None });
    flow
}

/// Conditions that are true of that flow, one for a field, and whether there can be one.
const TRUE: &[(&str, &str)] = &[
    ("family", "=ipv4"),
    ("proto", "=udp"),
    ("state", "=ASSURED"),
    ("src", "=10.0.0.1"),
    ("dst", "=10.0.0.2"),
    ("reply-src", "=10.0.0.3"),
    ("reply-dst", "=10.0.0.4"),
    ("host", "=10.0.0.4"),
    ("sport", "=1001"),
    ("dport", "=1002"),
    ("reply-sport", "=1003"),
    ("reply-dport", "=1004"),
    ("port", "=1003"),
    ("status", "=ASSURED"),
    ("snat", "=10.0.0.4"),
    ("dnat", "=10.0.0.3"),
    ("nat", "=10.0.0.3"),
    ("zone", "=6"),
    ("orig-zone", "=6"),
    ("reply-zone", "=6"),
    ("mark", "=5"),
    ("label", "=8"),
    ("helper", "=ftp"),
    ("id", "=7"),
    ("timeout", "=77s"),
    ("age", "=3s"),
    ("bytes", "=22"),
    ("orig-bytes", "=10"),
    ("reply-bytes", "=12"),
    ("packets", "=20"),
    ("orig-packets", "=9"),
    ("reply-packets", "=11"),
    ("use", ">12"),
];

/// Of other protocols: false of that flow, and known to be.
const OTHERS: [&str; 5] = ["srckey", "dstkey", "icmp-type", "icmp-code", "icmp-id"];

fn judge(text: &str, entry: &impl Entry) -> Option<bool> {
    text.parse::<Filter>().expect(text).judge(entry, naive::now())
}

#[test]
fn every_field_is_filtered_alike_from_bytes_flows_and_rows() {
    let flow = flow();
    let bytes = flow.to_bytes();
    let entry = FlowRef::parse(&bytes).expect("what we wrote");
    let row = Flow::try_from(&Record::from(&entry)).expect("what we wrote");
    let named = TRUE.iter().map(|(word, _)| *word).chain(OTHERS);
    let all: Vec<_> = named.map(|word| format!("\"{word}\"")).collect();
    let unknown = "nonsense".parse::<Filter>().unwrap_err().to_string();
    let (_, words) = unknown.split_once("there are ").expect("a list");
    let flags = ["assured", "replied", "unreplied"];
    for word in words.split(", ").filter(|word| !flags.contains(word)) {
        assert!(all.contains(&format!("\"{word}\"")), "no condition for {word} here");
    }
    for (word, test) in TRUE {
        let text = format!("{word}{test}");
        assert_eq!(judge(&text, &entry), Some(true), "{text}");
        assert_eq!(judge(&text, &flow), Some(true), "{text}");
        assert_eq!(judge(&text, &row), Some(true), "{text}, exported and imported");
        assert_eq!(judge(&format!("!{text}"), &entry), Some(false), "{text}");
        let filter: Filter = text.parse().expect("a filter");
        assert_eq!(filter.to_string().parse::<Filter>().as_ref(), Ok(&filter), "{text}");
        let [field] = filter.fields()[..] else { panic!("one field: {text}") };
        assert_eq!(field.to_string(), *word);
    }
    for word in OTHERS {
        assert_eq!(judge(&format!("{word}=1"), &entry), Some(false), "{word}");
    }
}

/// A query by a key, or with a filter, decodes the attributes that its fields need and no others.
#[test]
fn every_field_needs_what_it_says() {
    let bytes = flow().to_bytes();
    let counted = |query: Query| {
        let mut aggregator = Aggregator::new(&query).at(naive::now());
        aggregator.record_bytes(&bytes).expect("a whole entry");
        aggregator.finish()
    };
    for (word, test) in TRUE {
        let filter: Filter = format!("{word}{test}").parse().expect("a filter");
        assert_eq!(counted(Query::new().filter(filter)).flows(), 1, "{word}");
    }
    for (word, _) in Key::words() {
        let key: Key = word.parse().expect("a key");
        assert_eq!(key.to_string(), word);
        let report = counted(Query::new().group_by([key]));
        let [row] = report.rows() else { panic!("one group: {word}") };
        assert_ne!(row.key, [Value::Missing], "{word}");
    }
}

#[test]
fn what_is_not_sent_is_unknown_and_not_zero() {
    let whole = flow();
    let bare = Flow::new(whole.original, whole.reply);
    for (field, condition) in [
        (Field::Mark, "mark=0"),
        (Field::Id, "id=0"),
        (Field::Timeout, "timeout=0s"),
        (Field::Age, "age=0s"),
        (Field::Bytes, "bytes=0"),
        (Field::Packets, "packets=0"),
        (Field::Use, "use=0"),
    ] {
        assert_eq!(judge(condition, &bare), None, "{field}");
    }
    assert_eq!(judge("zone=0", &bare), Some(true), "zone 0 is the default");
    let now = SystemTime::now();
    assert_eq!(Filter::new().judge(&bare, now), Some(true));
}
