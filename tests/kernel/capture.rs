//! A capture of the kernel's table says what the table says, to us and to Wireshark.

use std::collections::BTreeMap;
use std::path::Path;

use ctnetlink::Query;
use ctnetlink::aggregate::{Fields, Measure, Report};
use ctnetlink::capture::Capture;
use ctnetlink::flow::Protocol;
use ctnetlink::import::Lines;
use ctnetlink::testing::{Population, create, fill};

use crate::programs::command;
use crate::support::{
    Skip, Test, entries, flow, menagerie, need_tool, ports, run, set, table, tuple,
};

pub const TESTS: &[(&str, Test)] = &[
    ("a_capture_groups_as_the_table", a_capture_groups_as_the_table),
    ("text_groups_as_the_table", text_groups_as_the_table),
    ("wireshark_reads_the_same_sources", wireshark_reads_the_same_sources),
    ("snapshot_saves_and_shows", snapshot_saves_and_shows),
];

const KEYS: [&str; 4] =
    ["source", "state,protocol,source/24", "destination,dport,zone,mark", "status"];

fn query(keys: &str) -> Query {
    Query::new().by(keys.parse::<Fields>().expect("keys")).top(usize::MAX).measure(Measure::Packets)
}

fn read(file: &[u8], query: &Query) -> Report {
    let mut capture = Capture::new(file);
    let report = capture.scan(query).expect("a file");
    assert_eq!((&capture.end().damage, capture.end().malformed), (&None, 0));
    report
}

fn a_capture_groups_as_the_table() -> Result<(), Skip> {
    set("nf_conntrack_acct", "1");
    let mut table = table();
    fill(&mut table, &Population::new(20_000)).expect("room");
    let (end, file) = table.record(Vec::new()).expect("a capture");
    assert_eq!(end.entries, 20_000);
    assert!(file.len() as u64 <= end.bytes + end.bytes / 20, "{} for {}", file.len(), end.bytes);
    for keys in KEYS {
        for filter in ["", "proto=tcp !assured"] {
            let query = query(keys).of(filter.parse().expect("a filter"));
            assert_eq!(
                read(&file, &query),
                table.scan(&query).expect("a scan").report,
                "{keys} {filter}"
            );
        }
    }
    let mut capture = Capture::new(&file[..]);
    let mut flows = Vec::new();
    capture.for_each(|flow| flows.push(flow.expect("an entry").to_owned())).expect("a file");
    let mut live = entries(&mut table);
    flows.sort_by_key(|flow| flow.original.to_string());
    live.sort_by_key(|flow| flow.original.to_string());
    // A second goes by between the two.
    let still = |flow: &ctnetlink::flow::Flow| (flow.original, flow.reply, flow.id, flow.status);
    assert!(flows.iter().map(still).eq(live.iter().map(still)));
    let facts = capture.facts();
    assert_eq!((facts.before, facts.after), (Some(20_000), Some(20_000)));
    assert_eq!(facts.complete, Some(true));
    let release = run("uname -r");
    assert_eq!(facts.kernel.as_deref(), Some(release.trim()));
    Ok(())
}

/// What `conntrack` prints in all its forms, and what the kernel lists, say what the table says.
fn text_groups_as_the_table() -> Result<(), Skip> {
    need_tool("conntrack")?;
    set("nf_conntrack_acct", "1");
    menagerie(1_000);
    let listed = std::fs::read_to_string("/proc/thread-self/net/nf_conntrack").ok();
    let forms = ["", "-o extended", "-o id", "-o extended,id,ktimestamp,labels"];
    let printed = forms.map(|options| run(&format!("conntrack -L {options}")));
    for keys in ["source", "state,protocol", "destination,sport,dport", "zone", "mark,reply-source"]
    {
        let query = query(keys);
        let live = table().scan(&query).expect("a scan").report;
        for (form, text) in
            forms.iter().copied().zip(&printed).chain(listed.iter().map(|l| ("list", l)))
        {
            let mut lines = Lines::new(text.as_bytes());
            let report = lines.scan(&query).expect("text");
            assert_eq!(lines.end().unread, 0, "{form}: {:?}", lines.end().first_unread);
            assert_eq!(report.flows(), live.flows(), "{form} {keys}");
            assert_eq!(report.rows(), live.rows(), "{form} {keys}");
        }
    }
    Ok(())
}

/// The addresses that `tshark` reads, of every entry: source and destination there, and back.
fn dissected(file: &Path, field: &str) -> Vec<String> {
    let name = file.display();
    let field = format!("netlink-netfilter.nfct_tuple.ip.{field}");
    let text = run(&format!("tshark -r {name} -T fields -E aggregator=; -e {field}"));
    let words = text.split(['\n', ';']).map(str::trim);
    words.filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

fn sources(file: &Path) -> BTreeMap<String, u64> {
    let mut sources = BTreeMap::new();
    for field in ["ip_addr", "ip6_addr"] {
        let addresses = dissected(file, field);
        assert_eq!(addresses.len() % 4, 0, "four of each entry");
        for entry in addresses.chunks(4) {
            *sources.entry(entry[0].clone()).or_default() += 1;
        }
    }
    sources
}

fn wireshark_reads_the_same_sources() -> Result<(), Skip> {
    need_tool("tshark")?;
    need_tool("editcap")?;
    let mut table = table();
    fill(&mut table, &Population::new(1_500).sources(200)).expect("room");
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("ours.pcapng");
    table.record(std::fs::File::create(&file).expect("a file")).expect("a capture");
    let report = table.scan(&query("source")).expect("a scan").report;
    let ours: BTreeMap<_, _> =
        report.rows().iter().map(|row| (row.to_string(), row.flows)).collect();
    assert_eq!(ours.values().sum::<u64>(), 1_500);
    assert_eq!(sources(&file), ours);

    // Written anew by another tool, in both of its formats.
    for format in ["pcap", "nsecpcap", "pcapng"] {
        let theirs = directory.path().join(format);
        run(&format!("editcap -F {format} {} {}", file.display(), theirs.display()));
        let bytes = std::fs::read(theirs).expect("a file");
        assert_eq!(read(&bytes, &query("source")), report, "{format}");
    }
    Ok(())
}

fn snapshot_saves_and_shows() -> Result<(), Skip> {
    let mut table = table();
    fill(&mut table, &Population::new(3_000)).expect("room");
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("t.pcapng");
    let file = file.to_str().expect("a path");
    let snapshot =
        |arguments: &[&str]| command("snapshot").args(arguments).output().expect("a run");
    let saved = snapshot(&["save", file]);
    assert!(saved.status.success() && saved.stdout.is_empty(), "{saved:?}");
    assert!(String::from_utf8_lossy(&saved.stderr).starts_with("3000 entries, "));
    assert_eq!(snapshot(&["save", file]).status.code(), Some(2), "never over another file");
    let shown = snapshot(&["show", file, "--json", "-n", "3", "proto=tcp"]);
    let document: serde_json::Value = serde_json::from_slice(&shown.stdout).expect("JSON");
    let query = query("source").of("proto=tcp".parse().expect("a filter"));
    let live = table.scan(&query).expect("a scan").report;
    assert_eq!(
        (document["flows"].as_u64(), document["capture"]["entries"].as_u64()),
        (Some(live.flows()), Some(3_000))
    );
    assert_eq!(document["groups"][0]["flows"], live.rows()[0].flows);

    // Compressed, it is the same.
    let small = format!("{file}.zst");
    assert!(snapshot(&["save", &small]).status.success());
    let shown = snapshot(&["show", &small, "--json", "-n", "3", "proto=tcp"]);
    let same: serde_json::Value = serde_json::from_slice(&shown.stdout).expect("JSON");
    assert_eq!((&same["groups"], &same["flows"]), (&document["groups"], &document["flows"]));
    let size = |file: &str| std::fs::metadata(file).expect("a file").len();
    assert!(size(&small) * 4 < size(file), "{} and {}", size(&small), size(file));

    let none = snapshot(&["diff", file, &small, "--json"]);
    let none: serde_json::Value = serde_json::from_slice(&none.stdout).expect("JSON");
    assert_eq!(
        (&none["stayed"], &none["born"], &none["died"]),
        (&3_000.into(), &0.into(), &0.into())
    );
    let cut = directory.path().join("cut.zst");
    let bytes = std::fs::read(&small).expect("a file");
    std::fs::write(&cut, &bytes[..bytes.len() * 3 / 4]).expect("a file");
    let cut = snapshot(&["show", cut.to_str().expect("a path"), "--json"]);
    let part: serde_json::Value = serde_json::from_slice(&cut.stdout).expect("JSON");
    assert_eq!(cut.status.code(), Some(1));
    let flows = part["flows"].as_u64().expect("a number");
    assert!(flows > 0 && flows < 3_000 && part["capture"]["damage"].is_object(), "{part}");

    // What somebody has as text is shown as well.
    let list = command("list_flows").output().expect("a run");
    let text = directory.path().join("list.txt");
    std::fs::write(&text, [&list.stdout[..], b"nonsense\n"].concat()).expect("a file");
    let text = text.to_str().expect("a path");
    let shown = snapshot(&["show", text, "--json", "-n", "3", "proto=tcp"]);
    let of_text: serde_json::Value = serde_json::from_slice(&shown.stdout).expect("JSON");
    assert_eq!((&of_text["groups"], &of_text["other"]), (&document["groups"], &document["other"]));
    assert_eq!(
        (&of_text["text"]["unread"], &of_text["capture"]),
        (&1.into(), &serde_json::Value::Null)
    );
    let shown = String::from_utf8(snapshot(&["show", text]).stdout).expect("text");
    assert!(shown.contains("1 of 3001 lines are no entry; the first, line 3001: "), "{shown}");

    // Later, with less of one and more of another.
    for gone in
        entries(&mut table).iter().filter(|flow| flow.original.source.to_string() == "10.0.0.1")
    {
        table.delete(gone).expect("an answer");
    }
    let more = (0..40).map(|port| flow(tuple(Protocol::UDP, false, ports(1_000 + port, 9_999))));
    create(&mut table, more).expect("room");
    let later = directory.path().join("later.pcapng");
    let later = later.to_str().expect("a path");
    assert!(snapshot(&["save", later]).status.success());
    let differs = snapshot(&["diff", file, later, "--by", "dport", "--json", "-n", "1"]);
    let found: serde_json::Value = serde_json::from_slice(&differs.stdout).expect("JSON");
    assert_eq!((&found["born"], &found["groups"][0]["key"][0]), (&40.into(), &"9999".into()));
    assert_eq!(
        found["stayed"].as_u64().expect("a number") + found["died"].as_u64().expect("a number"),
        3_000
    );
    let shown = String::from_utf8(snapshot(&["diff", file, later]).stdout).expect("text");
    assert!(shown.contains("40 have begun") && shown.contains("10.0.0.1 "), "{shown}");

    let half = directory.path().join("half");
    let bytes = std::fs::read(file).expect("a file");
    std::fs::write(&half, &bytes[..bytes.len() / 2]).expect("a file");
    let damaged = snapshot(&["show", half.to_str().expect("a path")]);
    assert_eq!(damaged.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&damaged.stdout).contains("damaged at byte "));
    for wrong in [
        &["show", "/no/such"][..],
        &["show"],
        &["save", "/no/such/place"],
        &["diff", file, "/no/such"],
        &[],
    ] {
        assert_eq!(snapshot(wrong).status.code(), Some(2), "{wrong:?}");
    }
    Ok(())
}
