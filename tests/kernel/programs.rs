//! The examples that change a table, run on the table of the test: what they say, and what is left.

use std::collections::BTreeSet;
use std::process::{Command, Output, Stdio};

use ctnetlink::flow::{Flow, FlowRef, NewFlow, Protocol};
use ctnetlink::testing::{Population, create, fill};
use serde_json::Value;

use crate::filter::key;
use crate::plan::without_id;
use crate::support::{Skip, Test, entries, flow, menagerie, ports, table, tuple};

pub const TESTS: &[(&str, Test)] = &[
    ("delete_flows_looks_first", delete_flows_looks_first),
    ("delete_flows_stops_at_the_limit", delete_flows_stops_at_the_limit),
    ("delete_flows_records_before_it_deletes", delete_flows_records_before_it_deletes),
    ("delete_flows_can_be_undone_by_its_journal", delete_flows_can_be_undone_by_its_journal),
    ("delete_flows_tells_even_if_nobody_reads", delete_flows_tells_even_if_nobody_reads),
    ("delete_flows_asks_twice_for_everything", delete_flows_asks_twice_for_everything),
    ("wrong_words_change_nothing", wrong_words_change_nothing),
    ("delete_flows_spares_its_own_session", delete_flows_spares_its_own_session),
    ("flush_table_has_to_be_told", flush_table_has_to_be_told),
    ("nat_ports_counts_what_is_used", nat_ports_counts_what_is_used),
    ("filters_are_the_same_everywhere", filters_are_the_same_everywhere),
];

/// `cargo test --workspace` builds the examples beside the tests.
pub fn command(example: &str) -> Command {
    let mut path = std::env::current_exe().expect("this program");
    path.pop();
    let path = path.join("../examples").join(example);
    assert!(path.exists(), "{} is not built: run `cargo test --workspace`", path.display());
    let mut command = Command::new(path);
    command.env_remove("SSH_CONNECTION");
    command
}

fn run(example: &str, arguments: &[&str]) -> Output {
    command(example).args(arguments).output().expect("a run")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("text")
}

fn document(example: &str, arguments: &[&str]) -> Value {
    let output = command(example).args(arguments).arg("--json").output().expect("a run");
    assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

fn left() -> BTreeSet<String> {
    entries(&mut table()).iter().map(key).collect()
}

fn delete_flows_looks_first() -> Result<(), Skip> {
    let all = menagerie(800);
    let before = left();
    let matches = |flow: &Flow| {
        flow.protocol() == Protocol::UDP && flow.original.endpoints.destination_port() == Some(53)
    };
    let matched = all.iter().filter(|flow| matches(flow)).count();
    assert!(matched > 20);
    let filter = "proto=udp dport=53";

    let shown = run("delete_flows", &[filter, "--show", "3"]);
    let printed = text(&shown.stdout);
    assert!(shown.status.success() && text(&shown.stderr).is_empty());
    assert!(printed.starts_with(&format!("{matched} entries match: {filter}\n")), "{printed}");
    assert!(printed.ends_with("Nothing was deleted. --yes deletes them.\n"), "{printed}");
    assert_eq!(printed.lines().filter(|line| line.starts_with("  udp ")).count(), 3);
    let looked = document("delete_flows", &[filter]);
    assert_eq!((&looked["executed"], &looked["deleted"]), (&Value::from(false), &Value::from(0)));
    assert_eq!(looked["matched"], matched);
    assert_eq!(left(), before, "it was only looked at");

    let journal = std::env::temp_dir().join(format!("ctnetlink-{}.ndjson", std::process::id()));
    let name = journal.to_str().expect("text");
    let nowhere = run("delete_flows", &[filter, "--yes", "--journal", "/nowhere/at/all"]);
    assert_eq!((nowhere.status.code(), left() == before), (Some(2), true), "nothing unwritten");
    let done = document("delete_flows", &[filter, "--yes", "--journal", name]);
    let written = std::fs::read_to_string(&journal).expect("a journal");
    std::fs::remove_file(&journal).expect("gone");
    let lines: Vec<Value> =
        written.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let steps = |step: &str| lines.iter().filter(|line| line["step"] == step).count();
    assert_eq!((steps("run"), steps("next"), steps("done")), (1, matched, matched));
    assert!(lines.iter().all(|line| line["step"] != "next" || line["proto"] == 17));
    assert_eq!((&done["executed"], &done["deleted"]), (&Value::from(true), &Value::from(matched)));
    let groups = done["groups"].as_array().expect("groups").iter();
    assert_eq!(
        groups.map(|group| group["flows"].as_u64().expect("a number")).sum::<u64>(),
        matched as u64
    );
    let rest: BTreeSet<_> = all.iter().filter(|flow| !matches(flow)).map(key).collect();
    assert_eq!(left(), rest);
    Ok(())
}

fn delete_flows_stops_at_the_limit() -> Result<(), Skip> {
    fill(&mut table(), &Population::new(1200)).expect("room");
    let before = left();
    for arguments in [&["!mark=99", "--yes"][..], &["!mark=99", "--yes", "--max", "1199"]] {
        let output = run("delete_flows", arguments);
        assert_eq!(output.status.code(), Some(1));
        assert!(text(&output.stderr).contains("1200 entries match"), "{}", text(&output.stderr));
        assert_eq!(left(), before);
    }
    let looked = text(&run("delete_flows", &["!mark=99"]).stdout);
    assert!(looked.contains("It takes --yes --max 1200 --whole-table"), "{looked}");
    let all = ["!mark=99", "--yes", "--max", "1200", "--whole-table"];
    let output = run("delete_flows", &all);
    assert!(text(&output.stdout).ends_with("1200 deleted.\n"), "{}", text(&output.stdout));
    assert!(left().is_empty());
    Ok(())
}

/// On a full disk, all of it from the first line on.
fn delete_flows_records_before_it_deletes() -> Result<(), Skip> {
    fill(&mut table(), &Population::new(3000)).expect("room");
    let before = left();
    let full = ["--yes", "--max", "100000", "--journal", "/dev/full"];
    for filter in ["!mark=1", "src=10.0.0.0/30"] {
        let output = run("delete_flows", &[&[filter][..], &full].concat());
        assert_eq!(output.status.code(), Some(1), "{filter}");
        let (printed, errors) = (text(&output.stdout), text(&output.stderr));
        assert!(printed.contains("\n0 deleted, ") && printed.contains(" not tried"), "{printed}");
        assert!(printed.ends_with("Journal: /dev/full\n"), "{printed}");
        assert!(errors.contains("write the journal: /dev/full: No space left"), "{errors}");
        assert_eq!(left(), before);
        let output = run("delete_flows", &[&[filter, "--json"][..], &full].concat());
        assert_eq!(output.status.code(), Some(1), "{filter}");
        let document: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        assert_eq!((&document["deleted"], &document["journal"]), (&0.into(), &"/dev/full".into()));
        assert_eq!(document["untried"], document["matched"]);
        assert!(document["error"].as_str().expect("an error").contains("No space left"));
    }
    assert_eq!(left(), before);
    Ok(())
}

/// A closed pipe is quiet, but no success where what was to be deleted was not.
fn delete_flows_tells_even_if_nobody_reads() -> Result<(), Skip> {
    fill(&mut table(), &Population::new(300)).expect("room");
    let before = left();
    let to_nobody = |arguments: &[&str]| {
        let mut reader = Command::new("true").stdin(Stdio::piped()).spawn().expect("a reader");
        let writer = reader.stdin.take().expect("a pipe");
        assert!(reader.wait().expect("its end").success());
        let arguments = [&["!mark=1", "--yes", "--whole-table"], arguments].concat();
        command("delete_flows").args(arguments).stdout(writer).output().expect("a run")
    };
    let output = to_nobody(&[]);
    assert_eq!((output.status.code(), left()), (Some(1), before.clone()));
    assert!(text(&output.stderr).contains("nothing was deleted"), "{}", text(&output.stderr));
    let output = to_nobody(&["--json", "--journal", "/dev/full"]);
    assert_eq!((output.status.code(), left()), (Some(1), before));
    assert!(text(&output.stderr).contains("write the journal"), "{}", text(&output.stderr));
    // A name that is no text does not hide the report.
    let folder = tempfile::tempdir().expect("a folder");
    let odd: &std::ffi::OsStr = std::os::unix::ffi::OsStrExt::from_bytes(b"j\xff");
    let mut command = command("delete_flows");
    command.args(["!mark=1", "--yes", "--whole-table", "--json", "--journal"]);
    let output = command.arg(folder.path().join(odd)).output().expect("a run");
    let document: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!((output.status.code(), &document["deleted"]), (Some(0), &document["matched"]));
    assert_eq!(left().len() as u64, 300 - document["deleted"].as_u64().expect("a number"));
    Ok(())
}

/// What the lines of a journal say was deleted, out of the attributes on them.
fn undone(journal: &str) -> Vec<Flow> {
    let lines: Vec<Value> = journal
        .lines()
        .filter(|line| !line.is_empty())
        .map_while(|line| serde_json::from_str(line).ok()) // the last may be cut off
        .collect();
    let flow = |line: &Value| {
        let text = line["attributes"].as_str().expect("attributes");
        let byte = |at| u8::from_str_radix(&text[at..at + 2], 16).expect("hexadecimal");
        let bytes: Vec<u8> = (0..text.len()).step_by(2).map(byte).collect();
        FlowRef::parse(&bytes).expect("an entry").to_owned()
    };
    let planned = |number: &Value| {
        lines.iter().find(|line| line["step"] == "next" && line["number"] == *number)
    };
    lines
        .iter()
        .filter(|line| line["step"] == "done")
        .filter_map(|line| match line["outcome"].as_str()? {
            "deleted" => planned(&line["number"]).map(flow),
            "later" => Some(flow(line)),
            _ => None,
        })
        .collect()
}

fn delete_flows_can_be_undone_by_its_journal() -> Result<(), Skip> {
    let all = menagerie(600);
    let folder = tempfile::tempdir().expect("a folder");
    let journal = folder.path().join("journal");
    // A run that was killed in the middle of a line.
    std::fs::write(&journal, "{\"step\":\"next\",\"num").expect("written");
    let name = journal.to_str().expect("text");
    let arguments = ["proto=tcp,udp zone=0", "--yes", "--journal", name];
    let done = document("delete_flows", &arguments);
    assert!(done["deleted"].as_u64().expect("a number") > 300, "{done}");
    let written = std::fs::read_to_string(&journal).expect("a journal");
    let (cut, rest) = written.split_once('\n').expect("lines");
    assert!(cut.ends_with("num") && rest.starts_with('{'), "one run is parted from the other");
    let undone = undone(rest);
    assert_eq!(undone.len() as u64, done["deleted"]);
    let mut table = table();
    for flow in &undone {
        table.create(&NewFlow::from(flow)).expect("what was there");
    }
    let tuples = |flows: &[Flow]| -> BTreeSet<_> { flows.iter().map(without_id).collect() };
    assert_eq!(tuples(&entries(&mut table)), tuples(&all));
    Ok(())
}

fn delete_flows_asks_twice_for_everything() -> Result<(), Skip> {
    let made = (1..=50).map(|port| flow(tuple(Protocol::UDP, false, ports(port, 9))));
    create(&mut table(), made).expect("new entries");
    let before = left();
    for filter in ["proto=udp", "zone=0", "src=0.0.0.0/0", "!mark=9"] {
        let output = run("delete_flows", &[filter, "--yes"]);
        let errors = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{filter}: {errors}");
        assert!(errors.contains("--whole-table") && errors.contains("flush_table"), "{errors}");
        assert!(text(&run("delete_flows", &[filter]).stdout).contains("--yes --whole-table"));
        assert_eq!(left(), before);
    }
    assert_eq!(run("delete_flows", &["proto=udp", "--whole-table"]).status.code(), Some(2));
    let output = run("delete_flows", &["proto=udp", "--yes", "--whole-table"]);
    assert_eq!((output.status.code(), left().len()), (Some(0), 0));
    Ok(())
}

fn wrong_words_change_nothing() -> Result<(), Skip> {
    menagerie(200);
    let before = left();
    for (filter, word) in [
        ("", "flush_table"),
        ("src=0.0.0.0/0,::/0", "flush_table"),
        ("src=10.0.0.0/33", "src=10.0.0.0/33"),
        ("proto=tcp dport=9000-80", "dport=9000-80"),
        ("colour=red", "colour=red"),
        ("proto=udp state=TIME_WAIT", "state=TIME_WAIT"),
        ("proto=tcp (dport=80", "("),
    ] {
        let output = run("delete_flows", &[filter, "--yes", "--max", "1000000"]);
        let errors = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{filter}: {errors}");
        assert_eq!(errors.lines().count(), 1, "{errors}");
        assert!(errors.contains(word), "{errors}");
        assert!(output.stdout.is_empty());
        if word != "flush_table" {
            for example in ["top_sources", "states"] {
                let output = run(example, &[filter]);
                assert_eq!(output.status.code(), Some(2));
                assert_eq!(text(&output.stderr), errors);
            }
        }
    }
    // Two filters, or none at all, are no filter.
    for arguments in [&["proto=udp", "dport=53", "--yes"][..], &["--yes"], &["-f"]] {
        assert_eq!(run("delete_flows", arguments).status.code(), Some(2));
    }
    assert_eq!(left(), before);
    Ok(())
}

fn delete_flows_spares_its_own_session() -> Result<(), Skip> {
    let original = tuple(Protocol::TCP, false, ports(50_000, 22));
    let mut session = flow(original);
    // Behind NAT the server's address is another one here than the client's.
    session.reply.source = [10, 99, 99, 99].into();
    let other = flow(tuple(Protocol::TCP, false, ports(50_001, 22)));
    let own = key(&{
        let bystander = flow(tuple(Protocol::TCP, false, ports(50_001, 23)));
        create(&mut table(), [session.clone(), other, bystander]).expect("three entries");
        entries(&mut table()).into_iter().find(|flow| flow.original == original).expect("one")
    });
    // As `sshd` tells it, on either side of NAT, and of a socket of both families.
    for connection in [
        "10.0.0.1 50000 192.0.2.2 22",
        "10.0.0.1 50000 10.99.99.99 22",
        "::ffff:10.0.0.1 50000 ::ffff:192.0.2.2 22",
    ] {
        let output = command("delete_flows")
            .env("SSH_CONNECTION", connection)
            .args(["dport=22", "--yes", "--json"])
            .output()
            .expect("a run");
        let done: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        assert_eq!(done["own_session_kept"], 1, "{connection}");
        assert!(left().contains(&own));
    }
    assert_eq!(left().len(), 2, "the other went");

    // `sudo` takes the variable out; a parent still has it.
    let program = command("delete_flows").get_program().to_owned();
    let output = Command::new("sh")
        .env("SSH_CONNECTION", "10.0.0.1 50000 192.0.2.2 22")
        .args(["-c", "env -u SSH_CONNECTION \"$0\" dport=22 --yes; true"])
        .arg(program)
        .output()
        .expect("a run");
    assert!(text(&output.stdout).contains("own SSH session is left out"), "{output:?}");
    assert!(left().contains(&own));

    let output = command("delete_flows")
        .env("SSH_CONNECTION", "10.0.0.1 50000 192.0.2.2 22")
        .args(["dport=22", "--yes", "--own-session-too"])
        .output()
        .expect("a run");
    assert!(output.status.success());
    assert_eq!(left().len(), 1);
    Ok(())
}

fn flush_table_has_to_be_told() -> Result<(), Skip> {
    let all = menagerie(400);
    let before = left();
    let output = run("flush_table", &[]);
    assert!(output.status.success());
    assert!(text(&output.stdout).contains("Nothing was removed."));
    assert_eq!(document("flush_table", &["--family", "ipv4"])["flushed"], false);
    assert_eq!(run("flush_table", &["--yes"]).status.code(), Some(2), "not even by half");
    assert_eq!(left(), before);

    let done = document("flush_table", &["--family", "ipv4", "--yes-flush-everything"]);
    assert_eq!((&done["flushed"], &done["entries_before"]), (&true.into(), &all.len().into()));
    let v6: BTreeSet<_> =
        all.iter().filter(|flow| flow.original.source.is_ipv6()).map(key).collect();
    assert!(!v6.is_empty());
    assert_eq!(left(), v6);
    assert!(run("flush_table", &["--yes-flush-everything"]).status.success());
    assert!(left().is_empty());
    Ok(())
}

fn nat_ports_counts_what_is_used() -> Result<(), Skip> {
    let gateway = [203, 0, 113, 1].into();
    let to = |port: u16, seen: u16, destination: u16, translated: bool| {
        let mut flow = flow(tuple(Protocol::TCP, false, ports(port, destination)));
        if translated {
            flow.reply.destination = gateway;
            flow.reply.endpoints = ports(destination, seen);
        }
        flow
    };
    let mut flows: Vec<_> = (1..=300).map(|port| to(port, 2000 + port, 443, true)).collect();
    flows.extend((1..=40).map(|port| to(1000 + port, 2000 + port, 80, true)));
    // Not behind NAT, towards the same destination: other ports.
    flows.extend((1..=50).map(|port| to(5000 + port, 0, 443, false)));
    // The gateway's own, which uses the same ports.
    let mut own = to(7000, 0, 443, false);
    own.original.source = gateway;
    own.reply.destination = gateway;
    flows.push(own);
    create(&mut table(), flows).expect("new entries");
    let counted = document("nat_ports", &["--range", "2001-3000"]);
    let destinations = counted["destinations"].as_array().expect("destinations");
    let used: Vec<_> = destinations
        .iter()
        .map(|row| (row["nat"].as_str(), row["port"].as_u64(), row["used"].as_u64()))
        .collect();
    let nat = Some("203.0.113.1");
    assert_eq!(used, [(nat, Some(443), Some(301)), (nat, Some(80), Some(40))]);
    assert_eq!((&destinations[0]["of"], &destinations[0]["share"]), (&1000.into(), &0.301.into()));
    let shown = text(&run("nat_ports", &["-n", "1"]).stdout);
    assert!(shown.contains("203.0.113.1") && !shown.contains("  40  "), "{shown}");
    assert_eq!(run("nat_ports", &["--range", "9-1"]).status.code(), Some(2));
    table().flush().expect("a flush");
    assert!(text(&run("nat_ports", &[]).stdout).contains("No flow with ports"));
    Ok(())
}

fn filters_are_the_same_everywhere() -> Result<(), Skip> {
    menagerie(800);
    for words in [&["proto=tcp", "!assured"][..], &["proto=tcp !assured"], &["nat or zone=7"]] {
        let looked = document("delete_flows", &[&words.join(" "), "--max", "0"]);
        for placement in ["cpu", "latency"] {
            let arguments = [words, &["--placement", placement]].concat();
            for example in ["top_sources", "states"] {
                let counted = document(example, &arguments);
                assert_eq!(counted["flows"], looked["matched"]);
                assert_eq!(counted["filter"], looked["filter"]);
                assert!(counted["flows"].as_u64() > Some(0));
            }
        }
    }
    let explained = text(&run("states", &["proto=tcp", "dport=80-90", "--explain"]).stdout);
    assert!(explained.contains("here:  dport=80-90 (the kernel compares"), "{explained}");
    Ok(())
}
