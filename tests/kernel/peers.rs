//! The same table through `conntrack` and through us, attribute by attribute.

use std::collections::HashMap;
use std::fmt::Write;
use std::net::IpAddr;

use ctnetlink::field::Keys;
use ctnetlink::filter::{Filter, Placement};
use ctnetlink::flow::{Endpoints, Family, Flow, Protocol, Status, Tuple};
use ctnetlink::testing::{Population, fill};
use ctnetlink::{DumpOptions, Query};

use crate::support::{Skip, Test, entries, need_tool, run, table};

pub const TESTS: &[(&str, Test)] = &[
    ("the_same_entries_as_text", the_same_entries_as_text),
    ("the_same_entries_as_xml", the_same_entries_as_xml),
    ("the_same_number_and_the_same_flush", the_same_number),
    ("the_same_counts_and_no_destination_among_sources", the_same_counts),
];

fn the_same_number() -> Result<(), Skip> {
    mixed_table()?;
    let mut table = table();
    let entries = table.count().expect("a count");
    assert!(entries > 3000);
    assert_eq!(run("conntrack -C").trim(), entries.to_string());
    run("conntrack -F");
    assert_eq!(table.count().expect("a count"), 0);
    mixed_table()?;
    table.flush().expect("a flush");
    assert_eq!(run("conntrack -C").trim(), "0");
    assert_eq!(run("conntrack -L"), "");
    Ok(())
}

/// A table made by `conntrack` itself, and by us.
pub fn mixed_table() -> Result<(), Skip> {
    need_tool("conntrack")?;
    let v4 = "-s 10.0.0.1 -d 192.0.2.1 -t 3600";
    let v6 = "-s 2001:db8::1 -d 2001:db8:ffff::1 -t 3600";
    let mut lines = vec![
        format!("-p udp {v4} --sport 1000 --dport 53"),
        format!("-p udp {v6} --sport 1000 --dport 53 -u SEEN_REPLY"),
        format!("-p udp {v4} --sport 1001 --dport 53 -u SEEN_REPLY,ASSURED"),
        format!("-p udp {v4} --sport 1002 --dport 53 -w 5 -m 7"),
        format!("-p udp {v6} --sport 1002 --dport 53 --orig-zone 8"),
        format!("-p udp {v6} --sport 1003 --dport 53 --reply-zone 9"),
        format!("-p udp {v4} --sport 1004 --dport 53 -m 4294967295 -w 65535"),
        format!("-p udplite {v6} --sport 1 --dport 2"),
        format!("-p icmp {v4} --icmp-type 8 --icmp-code 0 --icmp-id 99"),
        format!("-p icmpv6 {v6} --icmpv6-type 128 --icmpv6-code 0 --icmpv6-id 98"),
        format!(
            "-p sctp {v4} --sport 1 --dport 2 --state ESTABLISHED --orig-vtag 1 --reply-vtag 2"
        ),
        format!(
            "-p sctp {v6} --sport 1 --dport 2 --state COOKIE_WAIT --orig-vtag 1 --reply-vtag 2"
        ),
        format!("-p gre {v4} --srckey 1 --dstkey 2"),
        format!("-p dccp {v4} --sport 1 --dport 2 --state REQUEST --role client"),
        format!("-p 50 {v4}"),
        format!("-p 50 {v6}"),
        format!("-p tcp {v4} --sport 5000 --dport 80 --state ESTABLISHED -n 203.0.113.5:6000"),
        format!("-p tcp {v4} --sport 5001 --dport 80 --state ESTABLISHED -g 172.16.0.9:8080"),
        format!(
            "-p tcp {v6} --sport 5002 --dport 80 --state ESTABLISHED -w 3 -m 1 -u SEEN_REPLY,ASSURED"
        ),
    ];
    for (port, state) in (6000..).zip([
        "NONE",
        "SYN_SENT",
        "SYN_RECV",
        "ESTABLISHED",
        "FIN_WAIT",
        "CLOSE_WAIT",
        "LAST_ACK",
        "TIME_WAIT",
        "CLOSE",
        "LISTEN",
    ]) {
        lines.push(format!("-p tcp {v4} --sport {port} --dport 443 --state {state}"));
        lines.push(format!("-p tcp {v6} --sport {port} --dport 443 --state {state}"));
    }
    for line in &lines {
        run(&format!("conntrack -I {line}"));
    }
    assert_eq!(table().count().expect("a count"), lines.len() as u32);
    fill(&mut table(), &Population::new(3_000)).expect("room");
    Ok(())
}

/// An entry as `conntrack -L -o extended,id` prints it, the blanks aside.
fn as_text(flow: &Flow) -> Vec<String> {
    let (family, number) = match flow.original.family() {
        Family::Ipv4 => ("ipv4", 2),
        Family::Ipv6 => ("ipv6", 10),
    };
    let protocol = flow.protocol().name().unwrap_or("unknown");
    let timeout = flow.timeout.expect("a timeout").as_secs();
    let mut text = format!("{family} {number} {protocol} {} {timeout} ", flow.protocol().0);
    if flow.protoinfo.is_some() {
        write!(text, "{} ", flow.state()).expect("text");
    }
    text += &tuple_as_text(&flow.original);
    if let Some(zone) = flow.original.zone {
        write!(text, " zone-orig={zone}").expect("text");
    }
    if !flow.status.contains(Status::SEEN_REPLY) {
        text += " [UNREPLIED]";
    }
    text += " ";
    text += &tuple_as_text(&flow.reply);
    if let Some(zone) = flow.reply.zone {
        write!(text, " zone-reply={zone}").expect("text");
    }
    if flow.status.contains(Status::ASSURED) {
        text += " [ASSURED]";
    }
    write!(text, " mark={}", flow.mark.expect("a mark")).expect("text");
    if let Some(zone) = flow.zone {
        write!(text, " zone={zone}").expect("text");
    }
    write!(text, " use={} id={}", flow.use_count.expect("a count"), flow.id.expect("an id"))
        .expect("text");
    text.split_whitespace().map(str::to_owned).collect()
}

fn tuple_as_text(tuple: &Tuple) -> String {
    let mut text = tuple.to_string();
    if lost_its_ports(tuple) {
        text += " sport=0 dport=0";
    }
    text
}

/// Since Linux 6.17 DCCP has no ports, and since 7.1 UDP-Lite. conntrack 1.4.7 prints those that were
/// not sent as 0.
pub fn lost_its_ports(tuple: &Tuple) -> bool {
    let had_some = [Protocol::DCCP, Protocol::UDPLITE].contains(&tuple.protocol);
    had_some && tuple.endpoints == Endpoints::None
}

/// Where a line has the seconds that are left, which differ from one moment to the next.
const TIMEOUT: usize = 4;

fn assert_about(ours: &str, theirs: &str) {
    let seconds = |text: &str| -> i64 { text.parse().expect("seconds") };
    // Ours are read after theirs, on a slow machine some seconds after.
    assert!((0..300).contains(&(seconds(theirs) - seconds(ours))), "{ours} {theirs}");
}

fn the_same_entries_as_text() -> Result<(), Skip> {
    mixed_table()?;
    let listed = run("conntrack -L -o extended,id");
    let mut listed: Vec<Vec<&str>> =
        listed.lines().map(|line| line.split_whitespace().collect()).collect();
    let mut ours: Vec<Vec<String>> = entries(&mut table()).iter().map(as_text).collect();
    assert_eq!(ours.len(), listed.len());
    // By id, and where two share one, by the rest.
    listed.sort_by_key(|line| (line.last().copied(), line[5..].join(" ")));
    ours.sort_by_key(|line| (line.last().cloned(), line[5..].join(" ")));
    for (ours, theirs) in ours.iter_mut().zip(&mut listed) {
        // Before 6.17 a dump holds the entry it goes on with, which then has one user more.
        for word in theirs.iter_mut().filter(|word| **word == "use=2") {
            *word = "use=1";
        }
        for word in ours.iter_mut().filter(|word| *word == "use=2") {
            "use=1".clone_into(word);
        }
        assert_about(&ours[TIMEOUT], theirs[TIMEOUT]);
        assert_eq!(ours[..TIMEOUT], theirs[..TIMEOUT]);
        assert_eq!(ours[TIMEOUT + 1..], theirs[TIMEOUT + 1..]);
    }
    Ok(())
}

fn the_same_entries_as_xml() -> Result<(), Skip> {
    mixed_table()?;
    let xml = run("conntrack -L -o xml,id");
    let mut theirs: HashMap<(String, String), &str> = HashMap::new();
    for flow in xml.split("<flow>").skip(1) {
        let key = (tags(flow, "id")[0].to_owned(), tuple_of_xml(flow, 0));
        assert!(theirs.insert(key, flow).is_none());
    }
    let ours = entries(&mut table());
    assert_eq!(ours.len(), theirs.len());
    for flow in &ours {
        let key = (flow.id.expect("an id").to_string(), tuple_as_xml(&flow.original));
        let xml = theirs.remove(&key).unwrap_or_else(|| panic!("not listed: {flow:?}"));
        assert_eq!(tuple_of_xml(xml, 1), tuple_as_xml(&flow.reply));
        assert_eq!(tags(xml, "mark"), [flow.mark.expect("a mark").to_string()]);
        let users = [&flow.use_count.expect("a count").to_string()[..], tags(xml, "use")[0]];
        // The one a dump goes on with has one more; see the text above.
        assert!(users.iter().all(|users| ["1", "2"].contains(users)), "{users:?}");
        let timeout = flow.timeout.expect("a timeout").as_secs().to_string();
        assert_about(&timeout, tags(xml, "timeout").concat().as_str());
        assert_eq!(xml.contains("<assured/>"), flow.status.contains(Status::ASSURED));
        assert_eq!(xml.contains("<unreplied/>"), !flow.status.contains(Status::SEEN_REPLY));
        let zones = [flow.original.zone, flow.reply.zone, flow.zone];
        let zones: Vec<_> = zones.iter().flatten().map(ToString::to_string).collect();
        assert_eq!(tags(xml, "zone"), zones);
        // conntrack 1.4.7 gives the states of SCTP the names of TCP's, in XML only.
        if flow.protocol() == Protocol::TCP {
            assert_eq!(tags(xml, "state"), [flow.state().to_string()]);
        } else {
            assert_eq!(tags(xml, "state").is_empty(), flow.protoinfo.is_none());
        }
    }
    Ok(())
}

/// Whatever stands between `<name>` and `</name>`.
fn tags<'a>(xml: &'a str, name: &str) -> Vec<&'a str> {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    xml.split(&open).skip(1).filter_map(|rest| rest.split(&close).next()).collect()
}

/// A direction of an entry in XML: family, protocol, addresses and ports or keys, all that 1.4.7
/// prints there (ICMP's fields it does not).
fn tuple_of_xml(xml: &str, direction: usize) -> String {
    let part = xml.split("<meta direction=").nth(direction + 1).expect("a direction");
    let text = |name| tags(part, name).concat();
    let address = |name| text(name).parse::<IpAddr>().expect("an address").to_string();
    let (source, destination) = (text("sport") + &text("srckey"), text("dport") + &text("dstkey"));
    let numbers: Vec<_> =
        part.split("protonum=").skip(1).filter_map(|rest| rest.split('"').nth(1)).collect();
    let numbers = numbers.join(" ");
    format!("{numbers} {} {} {source} {destination}", address("src"), address("dst"))
}

fn tuple_as_xml(tuple: &Tuple) -> String {
    let (source, destination) = match tuple.endpoints {
        Endpoints::Ports { source, destination } => (source.to_string(), destination.to_string()),
        Endpoints::GreKeys { source, destination } => {
            (format!("{source:#x}"), format!("{destination:#x}"))
        }
        _ if lost_its_ports(tuple) => ("0".to_owned(), "0".to_owned()),
        _ => (String::new(), String::new()),
    };
    let (family, protocol) = (tuple.family().number(), tuple.protocol.0);
    format!("{family} {protocol} {} {} {source} {destination}", tuple.source, tuple.destination)
}

fn the_same_counts() -> Result<(), Skip> {
    mixed_table()?;
    let listed = run("conntrack -L -o extended");
    let (mut sources, mut states, mut protocols) = (HashMap::new(), HashMap::new(), HashMap::new());
    let mut destinations = Vec::new();
    for line in listed.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let field = |name: &str| words.iter().find_map(|word| word.strip_prefix(name));
        let state = if !words[5].contains('=') {
            words[5]
        } else if line.contains("[ASSURED]") {
            "ASSURED"
        } else if line.contains("[UNREPLIED]") {
            "UNREPLIED"
        } else {
            "REPLIED"
        };
        let protocol = if words[2] == "unknown" { words[3] } else { words[2] };
        destinations.push(field("dst=").expect("a destination").to_owned());
        for (counts, key) in [
            (&mut sources, field("src=").expect("a source")),
            (&mut states, state),
            (&mut protocols, protocol),
        ] {
            *counts.entry(key.to_owned()).or_insert(0_u64) += 1;
        }
    }
    for (fields, expected) in [("source", &sources), ("state", &states), ("protocol", &protocols)] {
        let query = Query::new().group_by(fields.parse::<Keys>().expect("fields")).top(usize::MAX);
        let report = table().scan(&query).expect("a scan").report;
        let ours: HashMap<String, u64> =
            report.rows().iter().map(|row| (row.to_string(), row.flows)).collect();
        assert_eq!(&ours, expected, "{fields}");
    }
    assert!(destinations.iter().all(|address| !sources.contains_key(address)));
    // And family by family.
    for (family, flag) in [(Family::Ipv4, "ipv4"), (Family::Ipv6, "ipv6")] {
        let listed = run(&format!("conntrack -L -f {flag}")).lines().count();
        let mut table = table();
        let dump = table
            .dump(DumpOptions::new().filter(Filter::family(family)).placement(Placement::LeastCpu))
            .expect("a dump");
        assert_eq!(dump.flows().count(), listed);
    }
    Ok(())
}
