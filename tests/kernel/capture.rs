//! A capture of the kernel's table says what the table says, to us and to Wireshark.

use std::collections::BTreeMap;
use std::path::Path;

use ctnetlink::Query;
use ctnetlink::aggregate::{Measure, Report};
use ctnetlink::field::Keys;
use ctnetlink::files::capture::Capture;
use ctnetlink::files::text::Lines;
use ctnetlink::testing::{Population, fill};

use crate::support::{
    Skip, Test, entries, may_lose_its_place, menagerie, need_tool, run, set, table,
};

pub const TESTS: &[(&str, Test)] = &[
    ("a_capture_groups_as_the_table", a_capture_groups_as_the_table),
    ("text_groups_as_the_table", text_groups_as_the_table),
    ("the_kernels_list_groups_as_the_table", the_kernels_list_groups_as_the_table),
    ("wireshark_reads_the_same_sources", wireshark_reads_the_same_sources),
];

const KEYS: [&str; 4] =
    ["source", "state,protocol,source/24", "destination,dport,zone,mark", "status"];

fn query(keys: &str) -> Query {
    Query::new()
        .group_by(keys.parse::<Keys>().expect("keys"))
        .top(usize::MAX)
        .measure(Measure::Packets)
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
    fill(&mut table, &Population::new(6_000)).expect("room");
    let (end, file) = table.record(Vec::new()).expect("a capture");
    assert_eq!(end.entries, 6_000);
    assert!(file.len() as u64 <= end.bytes + end.bytes / 20, "{} for {}", file.len(), end.bytes);
    for keys in KEYS {
        for filter in ["", "proto=tcp !assured"] {
            let query = query(keys).filter(filter.parse().expect("a filter"));
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
    assert_eq!((facts.before, facts.after), (Some(6_000), Some(6_000)));
    assert_eq!(facts.complete, Some(true));
    let release = run("uname -r");
    assert_eq!(facts.origin.kernel.as_deref(), Some(release.trim()));
    Ok(())
}

/// What the kernel lists says what the table says.
fn the_kernels_list_groups_as_the_table() -> Result<(), Skip> {
    need_tool("conntrack")?;
    let listed = || std::fs::read_to_string("/proc/thread-self/net/nf_conntrack");
    listed().map_err(|error| Skip::Kernel(format!("there is no list of the table: {error}")))?;
    set("nf_conntrack_acct", "1");
    let all = menagerie(1_000).len();
    // Tests beside this one change the kernel's table, and so where it reads on: it may leave out an
    // entry, or list one twice.
    let whole = |text: &String| {
        let lines: std::collections::BTreeSet<_> = text.lines().map(without_seconds).collect();
        (text.lines().count(), lines.len()) == (all, all)
    };
    let Some(text) = (0..20).map(|_| listed().expect("a list")).find(whole) else {
        may_lose_its_place("the kernel's list was never whole")?;
        panic!("the list is never whole");
    };
    text_is_as_the_table("list", &text);
    Ok(())
}

/// A line of the kernel's list, but for the time the entry has left.
fn without_seconds(line: &str) -> String {
    line.split_whitespace().enumerate().filter(|(at, _)| *at != 4).map(|(_, word)| word).collect()
}

/// What `conntrack` prints in all its forms says what the table says.
fn text_groups_as_the_table() -> Result<(), Skip> {
    need_tool("conntrack")?;
    set("nf_conntrack_acct", "1");
    menagerie(1_000);
    let forms = ["", "-o extended", "-o id", "-o extended,id,ktimestamp,labels"];
    for form in forms {
        text_is_as_the_table(form, &run(&format!("conntrack -L {form}")));
    }
    Ok(())
}

/// A list has the groups of the table, by what no second changes.
fn text_is_as_the_table(form: &str, text: &str) {
    for keys in ["source", "state,protocol", "destination,sport,dport", "zone", "mark,reply-source"]
    {
        let query = query(keys);
        let live = table().scan(&query).expect("a scan").report;
        let mut lines = Lines::new(text.as_bytes());
        let report = lines.scan(&query).expect("text");
        assert_eq!(lines.end().malformed, 0, "{form}: {:?}", lines.end().first_malformed);
        assert_eq!(report.flows(), live.flows(), "{form} {keys}");
        assert_eq!(report.rows(), live.rows(), "{form} {keys}");
    }
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
