//! Tables in files, by the programs that write and read them: every form says what the table says.

use std::path::Path;
use std::process::Output;

use ctnetlink::Query;
use ctnetlink::field::{Key, Keys};
use ctnetlink::files::text::SaveLine;
use ctnetlink::flow::{Flow, FlowRef, Protocol, Status};
use ctnetlink::testing::{Population, create, fill};
use serde_json::Value;

use crate::peers::lost_its_ports;
use crate::programs::command;
use crate::support::{
    Skip, Test, entries, flow, menagerie, need_tool, ports, run, set, table, tuple,
};

pub const TESTS: &[(&str, Test)] = &[
    ("snapshot_saves_and_shows", snapshot_saves_and_shows),
    ("check_3_4_and_3_5_every_form_groups_as_the_table", every_form_groups_as_the_table),
    ("conntrack_loads_what_we_save", conntrack_loads_what_we_save),
    ("a_redacted_table_can_be_shown", a_redacted_table_can_be_shown),
    ("programs_look_at_files", programs_look_at_files),
    ("what_has_changed_is_told", what_has_changed_is_told),
    ("nothing_half_written_is_left", nothing_half_written_is_left),
    ("what_editcap_cut_is_damaged", what_editcap_cut_is_damaged),
];

fn snapshot(arguments: &[&str]) -> Output {
    command("snapshot").args(arguments).output().expect("a run")
}

fn done(output: &Output) -> &Output {
    assert!(output.status.success(), "{output:?}");
    output
}

fn json(output: &Output) -> Value {
    let text = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

/// A folder, and the paths of files in it.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a directory"))
    }

    fn file(&self, name: &str) -> String {
        self.0.path().join(name).to_str().expect("a path").to_owned()
    }
}

fn snapshot_saves_and_shows() -> Result<(), Skip> {
    let mut table = table();
    fill(&mut table, &Population::new(3_000)).expect("room");
    let place = Place::new();
    let file = &*place.file("t.pcapng");
    let saved = snapshot(&["save", file]);
    assert!(saved.status.success() && saved.stdout.is_empty(), "{saved:?}");
    assert!(String::from_utf8_lossy(&saved.stderr).starts_with("3000 entries, "));
    assert_eq!(snapshot(&["save", file]).status.code(), Some(2), "never over another file");
    let shown = snapshot(&["show", file, "--json", "-n", "3", "proto=tcp"]);
    let document: serde_json::Value = serde_json::from_slice(&shown.stdout).expect("JSON");
    let query = query("source").filter("proto=tcp".parse().expect("a filter"));
    let live = table.scan(&query).expect("a scan").report;
    assert_eq!(
        (document["flows"].as_u64(), document["read"]["entries"].as_u64()),
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
    let cut = place.file("cut.zst");
    let bytes = std::fs::read(&small).expect("a file");
    std::fs::write(&cut, &bytes[..bytes.len() * 3 / 4]).expect("a file");
    let cut = snapshot(&["show", &cut, "--json"]);
    let part: serde_json::Value = serde_json::from_slice(&cut.stdout).expect("JSON");
    assert_eq!(cut.status.code(), Some(1));
    let flows = part["flows"].as_u64().expect("a number");
    assert!(flows > 0 && flows < 3_000 && part["read"]["damage"].is_object(), "{part}");

    // What somebody has as text is shown as well.
    let list = command("list_flows").output().expect("a run");
    let text = place.file("list.txt");
    std::fs::write(&text, [&list.stdout[..], b"nonsense\n"].concat()).expect("a file");
    let text = &*text;
    let shown = snapshot(&["show", text, "--json", "-n", "3", "proto=tcp"]);
    let of_text: serde_json::Value = serde_json::from_slice(&shown.stdout).expect("JSON");
    assert_eq!((&of_text["groups"], &of_text["other"]), (&document["groups"], &document["other"]));
    assert_eq!(
        (&of_text["read"]["malformed"], &of_text["read"]["format"]),
        (&1.into(), &"text".into())
    );
    let shown = String::from_utf8(snapshot(&["show", text]).stdout).expect("text");
    assert!(shown.contains("1 lines are no entry; the first, line 3001: "), "{shown}");

    // Later, with less of one and more of another.
    for gone in
        entries(&mut table).iter().filter(|flow| flow.original.source.to_string() == "10.0.0.1")
    {
        table.delete(gone).expect("an answer");
    }
    let more = (0..40).map(|port| flow(tuple(Protocol::UDP, false, ports(1_000 + port, 9_999))));
    create(&mut table, more).expect("room");
    let later = place.file("later.pcapng");
    let later = &*later;
    assert!(snapshot(&["save", later]).status.success());
    let differs = snapshot(&["diff", file, later, "--by", "dport", "--json", "-n", "1"]);
    let found: serde_json::Value = serde_json::from_slice(&differs.stdout).expect("JSON");
    assert_eq!((&found["born"], &found["groups"][0]["key"]["dport"]), (&40.into(), &9999.into()));
    assert_eq!(
        found["stayed"].as_u64().expect("a number") + found["died"].as_u64().expect("a number"),
        3_000
    );
    let shown = String::from_utf8(snapshot(&["diff", file, later]).stdout).expect("text");
    assert!(shown.contains("40 have begun") && shown.contains("10.0.0.1 "), "{shown}");

    let half = place.file("half");
    let bytes = std::fs::read(file).expect("a file");
    std::fs::write(&half, &bytes[..bytes.len() / 2]).expect("a file");
    let damaged = snapshot(&["show", &half]);
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

/// As `tcpdump -s 700` keeps packets.
fn what_editcap_cut_is_damaged() -> Result<(), Skip> {
    need_tool("editcap")?;
    let place = Place::new();
    let [file, converted] = ["table.pcapng", "cut.ndjson"].map(|name| place.file(name));
    fill(&mut table(), &Population::new(60)).expect("room");
    done(&snapshot(&["save", &file]));
    for form in ["pcap", "pcapng"] {
        let cut = place.file(form);
        run(&format!("editcap -F {form} -s 700 {file} {cut}"));
        let shown = snapshot(&["show", &cut, "--json"]);
        assert_eq!(shown.status.code(), Some(1));
        let shown = json(&shown);
        assert_eq!((&shown["complete"], shown["flows"].as_u64() < Some(60)), (&false.into(), true));
        let _ = std::fs::remove_file(&converted);
        let output = snapshot(&["convert", &cut, &converted]);
        assert_eq!(output.status.code(), Some(1), "{form}");
        assert!(String::from_utf8_lossy(&output.stderr).contains("were cut"), "{output:?}");
    }
    Ok(())
}

/// What is not finished is not there, and nobody who reads is no error.
fn nothing_half_written_is_left() -> Result<(), Skip> {
    let mut table = table();
    fill(&mut table, &Population::new(6_000)).expect("room");
    let place = Place::new();
    let files = || {
        let entries = std::fs::read_dir(place.0.path()).expect("a folder");
        entries.map(|entry| entry.expect("an entry").file_name()).collect::<Vec<_>>()
    };
    let file = place.file("t.pcapng");
    assert!(!snapshot(&["save", &file, "--netns", "no-such-one"]).status.success());
    assert!(files().is_empty(), "{:?}", files());
    let link = place.file("link");
    std::os::unix::fs::symlink("/no/such", &link).expect("a link");
    assert_eq!(snapshot(&["save", &link]).status.code(), Some(2), "a link is there");
    assert_eq!(files(), ["link"]);
    let mut child = command("snapshot")
        .args(["save", "-"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("a run");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("an end");
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");

    // Entries that cannot be read are said, by whatever reads the file.
    done(&snapshot(&["save", &file]));
    let mut bytes = std::fs::read(&file).expect("a file");
    // The first nest of the first entry: the length of its first attribute.
    let at = bytes.windows(4).position(|window| window[2..] == [1, 0x80]).expect("a nest") + 4;
    bytes[at] = 0xff;
    let broken = place.file("broken.pcapng");
    std::fs::write(&broken, bytes).expect("a file");
    let output = snapshot(&["convert", &broken, &place.file("t.csv"), "--json"]);
    let told = json(done(&output));
    let [entries, malformed] = ["entries", "malformed"].map(|name| told[name].as_u64());
    assert_eq!((entries, malformed, &told["complete"]), (Some(5_999), Some(1), &false.into()));
    let shown = json(&snapshot(&["show", &broken, "--json"]));
    assert_eq!((&shown["read"]["malformed"], &shown["complete"]), (&1.into(), &false.into()));
    assert_eq!(snapshot(&["convert", &file, &place.file("t.parquet.zst")]).status.code(), Some(2));
    Ok(())
}

fn query(keys: &str) -> Query {
    Query::new().group_by(keys.parse::<Keys>().expect("keys")).top(usize::MAX)
}

/// Every key by itself, and some together.
fn keys() -> Vec<&'static str> {
    let words = Key::words().map(|(word, _)| word);
    words.chain(["state,protocol,source/24", "destination,dport,zone,mark,status"]).collect()
}

/// What `top_sources` says of a file.
fn groups(file: &str, keys: &str) -> Value {
    let output = command("top_sources")
        .args(["--from", file, "--by", keys, "-n", "1000000", "--json"])
        .output()
        .expect("a run");
    let document = json(done(&output));
    assert_eq!(document["mode"], "file");
    document["groups"].clone()
}

/// Equal groups, or the first that differ.
fn same(found: &Value, expected: &Value, what: &str) {
    let rows = |groups: &Value| groups.as_array().expect("groups").clone();
    let (found, expected) = (rows(found), rows(expected));
    for (found, expected) in found.iter().zip(&expected) {
        assert_eq!(found, expected, "{what}");
    }
    assert_eq!(found.len(), expected.len(), "{what}");
}

/// One table: live, and from a file of every form there is.
fn every_form_groups_as_the_table() -> Result<(), Skip> {
    need_tool("conntrack")?;
    need_tool("editcap")?;
    set("nf_conntrack_acct", "1");
    set("nf_conntrack_timestamp", "1");
    menagerie(1_500);
    let place = Place::new();
    let capture = place.file("t.pcapng");
    let live = |keys: &str| {
        let scan = table().scan(&query(keys)).expect("a scan");
        // Through text, as that of the programs.
        let text = serde_json::to_string(&scan).expect("JSON");
        serde_json::from_str::<Value>(&text).expect("JSON")["groups"].clone()
    };
    // Those that time does not change between two looks.
    let lasting: Vec<_> =
        keys().into_iter().filter(|keys| !["expires", "age"].contains(keys)).collect();
    let expected: Vec<_> = lasting.iter().map(|keys| live(keys)).collect();
    done(&snapshot(&["save", &capture]));
    let printed = run("conntrack -L -o extended,id");

    let mut exact = vec![capture.clone()];
    for name in ["t.pcapng.zst", "again.pcapng", "t.ndjson", "t.ndjson.zst", "t.parquet"] {
        exact.push(place.file(name));
        done(&snapshot(&["convert", &capture, &place.file(name)]));
    }
    for format in ["pcap", "nsecpcap"] {
        // Written anew by another tool.
        exact.push(place.file(format));
        run(&format!("editcap -F {format} {capture} {}", place.file(format)));
    }
    for (keys, expected) in lasting.iter().zip(&expected) {
        for file in &exact {
            same(&groups(file, keys), expected, &format!("{file} {keys}"));
        }
    }
    // A pcap has no place for the time it was taken at.
    for keys in ["expires", "age"] {
        for file in exact.iter().filter(|file| !file.ends_with("pcap")) {
            assert_eq!(groups(file, keys), groups(&capture, keys), "{file} {keys}");
        }
    }

    // Text has neither status bits nor ages. (The kernel's own list: see `capture.rs`.)
    done(&snapshot(&["convert", &capture, &place.file("ours.txt")]));
    done(&snapshot(&["convert", &capture, &place.file("ours.save")]));
    std::fs::write(place.file("conntrack.txt"), printed).expect("a file");
    let texts = [place.file("ours.txt"), place.file("conntrack.txt"), place.file("ours.save")];
    for (keys, expected) in lasting.iter().zip(&expected) {
        if keys.contains("status") {
            continue;
        }
        // What `conntrack -R` loads says nothing of the count of users.
        for file in texts.iter().filter(|file| *keys != "use" || !file.ends_with("save")) {
            same(&groups(file, keys), expected, &format!("{file} {keys}"));
        }
    }
    Ok(())
}

/// An entry as far as a line of `-o save` can say it.
fn saved(flow: &Flow) -> String {
    let kept = Status::SEEN_REPLY | Status::ASSURED | Status::SRC_NAT | Status::DST_NAT;
    let Flow { original, reply, mark, zone, .. } = flow;
    format!("{original:?} {reply:?} {:?} {mark:?} {zone:?} {}", flow.status & kept, flow.state())
}

/// A table that is saved, flushed and loaded again by `conntrack -R` is the same table.
fn conntrack_loads_what_we_save() -> Result<(), Skip> {
    need_tool("conntrack")?;
    let mut table = table();
    menagerie(400);
    // NAT that changes nothing but a port, which conntrack itself would forget.
    run("conntrack -I -p udp -s 10.7.7.7 -d 10.7.7.8 --sport 7 --dport 8 -t 900 -n 10.7.7.7:777");
    let before = entries(&mut table);
    let place = Place::new();
    let file = place.file("t.save");
    let listed = command("list_flows").args(["-o", "save"]).output().expect("a run");
    std::fs::write(&file, &done(&listed).stdout).expect("a file");

    // Line by line as conntrack prints them, but for what it leaves out.
    let theirs = run("conntrack -L -o save");
    let known: std::collections::BTreeSet<_> = theirs.lines().map(without_timeout).collect();
    let mut same = 0;
    for flow in &before {
        let bytes = flow.to_bytes();
        let line = SaveLine::of(&FlowRef::parse(&bytes).expect("an entry")).to_string();
        let line = line.split(" -m ").next().expect("a line");
        same += usize::from(known.contains(&without_timeout(line)));
    }
    // It does not print the ports that it asks for where the kernel has none.
    let lost = before.iter().filter(|flow| lost_its_ports(&flow.original)).count();
    assert_eq!(same + 1 + lost, before.len(), "all but the one with another port");

    table.flush().expect("a flush");
    run(&format!("conntrack -R {file}"));
    let after = entries(&mut table);
    let texts = |flows: &[Flow]| {
        let mut texts: Vec<_> = flows.iter().filter(|flow| loads(flow)).map(saved).collect();
        texts.sort();
        texts
    };
    assert_eq!(after.len(), before.len());
    let (before, after) = (texts(&before), texts(&after));
    for (before, after) in before.iter().zip(&after) {
        assert_eq!(before, after);
    }
    Ok(())
}

/// Whether all of an entry comes back. `conntrack` gives the identifier of ICMP back as it was before NAT.
fn loads(flow: &Flow) -> bool {
    !([Protocol::ICMP, Protocol::ICMPV6].contains(&flow.protocol()) && flow.source_nat().is_some())
}

fn without_timeout(line: &str) -> String {
    line.split(' ').enumerate().filter(|(at, _)| *at != 2).map(|(_, word)| word).collect()
}

fn a_redacted_table_can_be_shown() -> Result<(), Skip> {
    let mut table = table();
    fill(&mut table, &Population::new(2_000)).expect("room");
    let place = Place::new();
    let [capture, hidden, again, other, back, key] =
        ["t.pcapng", "hidden.pcapng.zst", "again.pcapng", "other.pcapng", "back.pcapng", "key"]
            .map(|name| place.file(name));
    done(&snapshot(&["save", &capture]));
    let output = snapshot(&["redact", &capture, &hidden, "--key", &key]);
    assert!(String::from_utf8_lossy(&done(&output).stderr).starts_with("2000 entries, "));
    done(&snapshot(&["redact", &hidden, &back, "--key", &key, "--undo"]));
    done(&snapshot(&["redact", &capture, &again, "--key", &key]));
    done(&snapshot(&["redact", &capture, &other]));
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::metadata(&key).expect("a key").permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "nobody else reads the key");

    assert_eq!(
        groups(&back, "source,destination,dport"),
        groups(&capture, "source,destination,dport")
    );
    assert_eq!(groups(&hidden, "source"), groups(&again, "source"), "the same key, the same names");
    assert_ne!(groups(&hidden, "source"), groups(&other, "source"), "another key, other names");
    let sizes = |file: &str, keys: &str| {
        let groups = groups(file, keys);
        let rows = groups.as_array().expect("groups").iter();
        rows.map(|row| row["flows"].as_u64().expect("a number")).collect::<Vec<_>>()
    };
    for keys in ["source", "source/24", "destination/16,dport", "state,protocol"] {
        assert_eq!(sizes(&hidden, keys), sizes(&capture, keys), "{keys}");
    }
    // None of the true addresses is in the file, in any form, nor the name of the machine.
    let text = done(&snapshot(&["convert", &hidden, "-", "--as", "ndjson"])).stdout.clone();
    let text = String::from_utf8(text).expect("text");
    assert_eq!(text.lines().count(), 2_000);
    let bytes = std::fs::read(&again).expect("a file");
    for flow in entries(&mut table).iter().take(300) {
        for address in [flow.original.source, flow.original.destination, flow.reply.destination] {
            assert!(!text.contains(&format!("\"{address}\"")), "{address}");
            let raw = match address {
                std::net::IpAddr::V4(_) => continue, // Four bytes may stand anywhere.
                std::net::IpAddr::V6(address) => address.octets(),
            };
            assert!(!bytes.windows(16).any(|window| window == raw), "{address}");
        }
    }
    assert_eq!(json(&snapshot(&["show", &again, "--json"]))["facts"]["node"], Value::Null);
    std::fs::write(&key, "no key").expect("a file");
    for wrong in [
        &["redact", &capture, &place.file("x.ndjson")][..],
        &["save", &place.file("x.parquet")],
        &["redact", &capture, &hidden],
        &["redact", &capture, &place.file("x"), "--key", &key],
        &["redact", &capture, &place.file("x"), "--undo"],
    ] {
        assert_eq!(snapshot(wrong).status.code(), Some(2), "{wrong:?}");
    }
    assert!(!Path::new(&place.file("x")).exists(), "nothing is left of what failed");
    Ok(())
}

/// What reads the kernel's table reads a file, and says the same of it, without privilege.
fn programs_look_at_files() -> Result<(), Skip> {
    let mut table = table();
    fill(&mut table, &Population::new(3_000)).expect("room");
    let place = Place::new();
    let file = place.file("t.parquet");
    let capture = place.file("t.pcapng");
    done(&snapshot(&["save", &capture]));
    done(&snapshot(&["convert", &capture, &file]));
    let run = |example: &str, arguments: &[&str]| {
        command(example).args(arguments).output().expect("a run")
    };
    let live = json(done(&run("states", &["--json"])));
    for from in [&capture, &file] {
        let states = json(done(&run("states", &["--from", from, "--json"])));
        assert_eq!((&states["groups"], &states["headroom"]), (&live["groups"], &live["headroom"]));
        assert_eq!(states["table"]["max"], live["table"]["max"]);
        assert_eq!((&states["complete"], &states["flows"]), (&true.into(), &3_000.into()));
        let lines = |arguments: &[&str]| {
            let output = run("list_flows", arguments);
            let text = String::from_utf8(done(&output).stdout.clone()).expect("text");
            let mut lines: Vec<_> = text.lines().map(without_times).collect();
            lines.sort();
            lines
        };
        let filter = "proto=udp unreplied";
        let listed = lines(&["--from", from, filter, "-o", "extended,id"]);
        assert_eq!(listed, lines(&[filter, "-o", "extended,id"]));
        assert!(!listed.is_empty() && listed.len() < 3_000);
        assert_eq!(lines(&["--from", from, "--limit", "3"]).len(), 3);
        let ports = ["--range", "1-9999", "--json"];
        let ports = |more: &[&str]| json(done(&run("nat_ports", &[&ports[..], more].concat())));
        assert_eq!(ports(&["--from", from]), ports(&[]));
        assert!(!ports(&[])["destinations"].as_array().expect("some").is_empty());
        let doctor = run("doctor", &["--from", from, "--json"]);
        assert_eq!(json(&doctor)["entries"], 3_000, "{doctor:?}");
    }
    // Rows of two machines are not one table: what would say that they are refuses.
    let of_node = |name: &str| {
        let form = ["--as", "ndjson", "--node", name];
        done(&snapshot(&[&["convert", &capture, "-"][..], &form].concat())).stdout.clone()
    };
    let both = place.file("both.ndjson");
    std::fs::write(&both, [of_node("a"), of_node("b")].concat()).expect("a file");
    let told = json(done(&run("top_sources", &["--from", &both, "--json"])));
    assert_eq!((&told["flows"], &told["read"]["elsewhere"]), (&6_000.into(), &3_000.into()));
    assert_eq!(told["complete"], false);
    assert_eq!(snapshot(&["convert", &both, &place.file("both.csv")]).status.code(), Some(2));
    assert!(!Path::new(&place.file("both.csv")).exists());
    assert_eq!(run("list_flows", &["--from", &both, "-o", "csv"]).status.code(), Some(2));
    assert!(run("list_flows", &["--from", &both]).status.success(), "lines say nothing of it");
    // From a pipe, and cut.
    let bytes = std::fs::read(&capture).expect("a file");
    let mut piped = command("states");
    let piped =
        piped.args(["--from", "-", "--json"]).stdin(std::fs::File::open(&capture).expect("one"));
    assert_eq!(json(done(&piped.output().expect("a run")))["flows"], 3_000);
    let half = place.file("half");
    std::fs::write(&half, &bytes[..bytes.len() / 2]).expect("a file");
    for example in ["top_sources", "states", "list_flows"] {
        let output = run(example, &["--from", &half]);
        assert_eq!(output.status.code(), Some(1), "{example}");
        assert!(
            String::from_utf8_lossy(&output.stderr).contains("is damaged at byte "),
            "{output:?}"
        );
        assert!(!output.stdout.is_empty(), "what is whole is shown");
        for wrong in [&["--from", "/no/such"][..], &["--from", &capture, "--demo"]] {
            assert_eq!(run(example, wrong).status.code(), Some(2), "{example} {wrong:?}");
        }
    }
    for wrong in [
        &["convert", &capture, &place.file("x.xml")][..],
        &["convert", &capture, &file],
        &["show", &capture, "--netns", "1"],
        &["convert", "/no/such", &place.file("x.csv")],
        &["convert", &capture, &place.file("x.csv"), "src=nonsense"],
    ] {
        assert_eq!(snapshot(wrong).status.code(), Some(2), "{wrong:?}");
    }
    let left = snapshot(&["convert", &half, &place.file("half.csv"), "--json"]);
    assert_eq!(left.status.code(), Some(1));
    let told = json(&left);
    let rows =
        std::fs::read_to_string(place.file("half.csv")).expect("a file").lines().count() as u64;
    assert_eq!((told["entries"].as_u64(), &told["complete"]), (Some(rows - 1), &false.into()));
    Ok(())
}

/// Without the seconds that have gone by between two looks.
fn without_times(line: &str) -> String {
    let word = |(at, word): (usize, &str)| {
        let number = at == 4 && word.bytes().all(|byte| byte.is_ascii_digit());
        if number { "-".to_owned() } else { word.to_owned() }
    };
    // How often an entry is in use is no column.
    let words = line.split_whitespace().filter(|word| !word.starts_with("use="));
    words.enumerate().map(word).collect::<Vec<_>>().join(" ")
}

fn what_has_changed_is_told() -> Result<(), Skip> {
    let mut table = table();
    let of = |port| flow(tuple(Protocol::UDP, false, ports(port, 53)));
    create(&mut table, (1..=30).map(of)).expect("room");
    let place = Place::new();
    let (first, second) = (place.file("a.pcapng"), place.file("b.pcapng"));
    done(&snapshot(&["save", &first]));
    for flow in entries(&mut table).iter().take(12) {
        let change = ctnetlink::flow::Change::new().mark(7);
        table.update(flow, &change).expect("an answer");
    }
    done(&snapshot(&["save", &second]));
    let found = json(done(&snapshot(&["diff", &first, &second, "--by", "dport", "--json"])));
    assert_eq!(
        ["stayed", "changed", "born", "died"].map(|name| found[name].as_u64()),
        [Some(30), Some(12), Some(0), Some(0)]
    );
    assert_eq!(
        (&found["groups"][0]["key"]["dport"], &found["groups"][0]["changed"]),
        (&53.into(), &12.into())
    );
    let shown = done(&snapshot(&["diff", &first, &second])).stdout.clone();
    assert!(String::from_utf8_lossy(&shown).contains("30 have stayed, of which 12 have changed"));
    for pipe in ["-", "/dev/stdin"] {
        let mut diff = command("snapshot");
        let diff = diff.args(["diff", pipe, &second]).stdin(std::process::Stdio::piped());
        assert_eq!(diff.output().expect("a run").status.code(), Some(2), "it is read twice");
    }
    Ok(())
}
