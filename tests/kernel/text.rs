//! The lines `conntrack` prints, byte for byte, and the records beside them.

use std::collections::BTreeMap;
use std::process::Command;

use ctnetlink::files::rows::Record;
use ctnetlink::files::text::Line;
use ctnetlink::flow::{Flow, FlowRef, Helper, Protocol};
use ctnetlink::testing::create;
use ctnetlink::{DumpOptions, Reader};
use serde_json::Value;

use crate::peers::mixed_table;
use crate::programs::command;
use crate::support::{
    Skip, Test, entries, flow, has_tool, menagerie, need_tool, ports, run, set, table, tuple,
};

pub const TESTS: &[(&str, Test)] = &[
    ("the_lines_of_conntrack", the_lines_of_conntrack),
    ("with_counters_and_ages", with_counters_and_ages),
    ("list_flows_prints_them", list_flows_prints_them),
    ("records_hold_what_entries_hold", records_hold_what_entries_hold),
];

/// Our lines of the table, sorted.
pub fn lines(extended: bool, id: bool) -> Vec<String> {
    let mut lines = Vec::new();
    let mut table: Reader = Reader::open().expect("a table");
    let mut dump = table.dump(DumpOptions::new()).expect("a dump");
    while let Some(batch) = dump.next_batch().expect("entries") {
        for flow in batch.flows() {
            let flow = flow.expect("an entry");
            lines.push(Line::of(&flow).extended(extended).id(id).to_string());
        }
    }
    lines.sort();
    lines
}

fn sorted(text: &str) -> Vec<String> {
    let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

/// A line without what runs with the clock, and that apart: the seconds left, and the age.
fn still(line: &str, extended: bool) -> (String, Vec<u64>) {
    let timeout = if extended { 4 } else { 2 };
    let (mut number, mut running) = (0, Vec::new());
    let mut words: Vec<_> = line.split(' ').map(str::to_owned).collect();
    for word in words.iter_mut().filter(|word| !word.is_empty()) {
        let digits = match word.strip_prefix("delta-time=") {
            Some(age) => Some(age),
            None if number == timeout => Some(word.as_str()),
            None => None,
        };
        // Before 6.17 a dump holds the entry it goes on with.
        if word == "use=2" {
            "use=1".clone_into(word);
            continue;
        }
        if let Some(seconds) = digits.and_then(|digits| digits.parse().ok()) {
            running.push(seconds);
            *word = "-".to_owned();
        }
        number += 1;
    }
    (words.join(" "), running)
}

/// Their lines are ours, byte for byte; the seconds in them lie between those of our lines before and
/// after.
fn assert_same_lines(
    ours: impl Fn() -> Vec<String>,
    theirs: impl Fn() -> String,
    extended: bool,
    options: &str,
) {
    let before = ours();
    let theirs = sorted(&theirs());
    let all = [before, theirs, ours()].map(|lines| {
        let mut lines: Vec<_> = lines.iter().map(|line| still(line, extended)).collect();
        lines.sort();
        lines
    });
    let [before, theirs, after] = &all;
    assert_eq!((before.len(), after.len()), (theirs.len(), theirs.len()), "{options}");
    for ((before, theirs), after) in before.iter().zip(theirs).zip(after) {
        assert_eq!(before.0, theirs.0, "{options}");
        assert_eq!(before.0, after.0, "{options}");
        assert!(!theirs.1.is_empty(), "{options}: a timeout in {}", theirs.0);
        for ((before, theirs), after) in before.1.iter().zip(&theirs.1).zip(&after.1) {
            let between = *before.min(after)..=*before.max(after);
            assert!(between.contains(theirs), "{options}: {theirs} of {between:?}");
        }
    }
}

fn assert_all_formats() {
    for (options, extended, id) in [
        ("", false, false),
        ("-o extended", true, false),
        ("-o id", false, true),
        ("-o extended,id", true, true),
    ] {
        let theirs = || run(&format!("conntrack -L {options}"));
        assert_same_lines(|| lines(extended, id), theirs, extended, options);
    }
}

fn every_kind() -> Result<(), Skip> {
    mixed_table()?;
    let mut helped = flow(tuple(Protocol::TCP, false, ports(7, 21)));
    helped.helper = Some(Helper { name: "ftp".into(), info: None });
    // Not every kernel has it.
    let _ = create(&mut table(), [helped]);
    Ok(())
}

fn the_lines_of_conntrack() -> Result<(), Skip> {
    need_tool("conntrack")?;
    every_kind()?;
    assert!(lines(false, false).len() > 3000);
    assert_all_formats();
    Ok(())
}

fn with_counters_and_ages() -> Result<(), Skip> {
    need_tool("conntrack")?;
    set("nf_conntrack_acct", "1");
    set("nf_conntrack_timestamp", "1");
    if has_tool("nft") {
        run("nft add table inet t");
        run("nft add chain inet t c { type filter hook input priority 0 ; }");
        run("nft add rule inet t c ct label set 3");
    }
    every_kind()?;
    let lines = lines(true, false);
    for word in ["packets=0 bytes=0", "delta-time=", "zone-orig=", "zone-reply=", "[ASSURED]"] {
        assert!(lines.iter().any(|line| line.contains(word)), "{word}");
    }
    assert_all_formats();
    Ok(())
}

fn list_flows_prints_them() -> Result<(), Skip> {
    let all = menagerie(700);
    let list = |arguments: &[&str]| {
        let output = command("list_flows").args(arguments).output().expect("a run");
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        assert!(output.stderr.is_empty(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).expect("text")
    };
    for (format, extended, id) in
        [("plain", false, false), ("extended", true, false), ("extended,id", true, true)]
    {
        assert_same_lines(|| lines(extended, id), || list(&["-o", format]), extended, format);
    }
    let csv = list(&["-o", "csv"]);
    let mut rows = csv.lines();
    let header: Vec<_> = rows.next().expect("a header").split(',').collect();
    assert_eq!(header, Record::COLUMNS);
    assert_eq!(rows.clone().count(), all.len());
    assert!(rows.all(|row| row.split(',').count() == header.len()));

    let udp = all.iter().filter(|flow| flow.protocol() == Protocol::UDP).count();
    let ndjson = list(&["-o", "ndjson", "proto=udp"]);
    let records: Vec<Value> =
        ndjson.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(records.len(), udp);
    assert!(records.iter().all(|record| record["proto"] == 17));
    let document: Value = serde_json::from_str(&list(&["--json", "proto=udp"])).expect("JSON");
    assert_eq!(document["flows"].as_array().expect("flows").len(), udp);
    assert_eq!((&document["shown"], &document["complete"]), (&udp.into(), &true.into()));
    let cut: Value = serde_json::from_str(&list(&["--json", "--limit", "5"])).expect("JSON");
    assert_eq!((&cut["shown"], &cut["complete"]), (&5.into(), &false.into()));
    let exact = all.len().to_string();
    let exact: Value = serde_json::from_str(&list(&["--json", "--limit", &exact])).expect("JSON");
    assert_eq!(exact["complete"], true);
    assert_eq!(list(&["--list", "dying"]), "");
    assert_eq!(list(&["--list", "unconfirmed", "-o", "csv"]).lines().count(), 1);
    let undecided = command("list_flows").arg("bytes>1").output().expect("a run");
    assert!(String::from_utf8_lossy(&undecided.stderr).contains("are left out"));
    for wrong in [&["-o", "xml"][..], &["src=10.0.0.0/33"], &["--limit", "-1"]] {
        let output = command("list_flows").args(wrong).output().expect("a run");
        assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{wrong:?}");
    }
    let mut child = Command::new(command("list_flows").get_program())
        .args(["-o", "json"])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("a run");
    drop(child.stdout.take());
    assert!(child.wait().expect("an end").success(), "a closed pipe is no error");
    Ok(())
}

fn records_hold_what_entries_hold() -> Result<(), Skip> {
    set("nf_conntrack_acct", "1");
    menagerie(500);
    let mut states = BTreeMap::new();
    for flow in entries(&mut table()) {
        let bytes = flow.to_bytes();
        let record = Record::from(&FlowRef::parse(&bytes).expect("an entry"));
        let ends = (record.src_ip, record.dst_ip, record.src_port, record.dst_port);
        let original = &flow.original.endpoints;
        let (source, destination) = (original.source_port(), original.destination_port());
        assert_eq!(ends, (flow.original.source, flow.original.destination, source, destination));
        assert_eq!(
            (record.reply_src_ip, record.reply_dst_ip),
            (flow.reply.source, flow.reply.destination)
        );
        assert_eq!(record.reply_src_port, flow.reply.endpoints.source_port());
        assert_eq!(record.reply_dst_port, flow.reply.endpoints.destination_port());
        assert_eq!(record.proto, flow.protocol().0);
        assert_eq!(record.family == 4, flow.original.source.is_ipv4());
        assert_eq!(record.state, flow.state().to_string());
        assert_eq!(record.tcp_state.is_some(), flow.protocol() == Protocol::TCP);
        assert_eq!((record.mark, record.status), (flow.mark, flow.status.bits()));
        assert_eq!(record.zone, flow.zone.or(flow.original.zone).or(flow.reply.zone));
        assert_eq!((record.snat, record.dnat), nat(&flow));
        assert_eq!(record.timeout_s, flow.timeout.map(|timeout| timeout.as_secs()));
        assert_eq!(record.id, flow.id.map(|id| id.0));
        assert_eq!(record.orig_packets, flow.counters_original.map(|counters| counters.packets));
        assert_eq!(record.reply_bytes, flow.counters_reply.map(|counters| counters.bytes));
        assert_eq!(record.icmp_id.is_some(), [1, 58].contains(&record.proto));
        *states.entry(record.state).or_insert(0) += 1;
    }
    assert!(states.len() > 8, "{states:?}");
    Ok(())
}

fn nat(flow: &Flow) -> (bool, bool) {
    (flow.source_nat().is_some(), flow.destination_nat().is_some())
}
