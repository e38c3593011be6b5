//! Names of others, given to every example by every way there is: none reaches a terminal as it is.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Output;

use ctnetlink::files::parquet;
use ctnetlink::files::rows::Record;
use ctnetlink::files::{TableFacts, capture::Recorder};
use ctnetlink::flow::{Family, Flow, FlowRef, Helper, Protocol, Status, Tuple};
use ctnetlink::origin::Timestamp;

use crate::{command, path, text};

/// Clears the screen, sets the title, makes a line, goes back, rubs out, clears again in one byte, turns around.
const HOSTILE: &str = "x\x1b[2J\x1b]0;title\x07\nFORGED line\r\t\x7f\u{9b}2J\u{202e}y";

/// The same without what ends a line or a word of text.
const INLINE: &str = "x\x1b[2J\x1b]0;title\x07FORGED\x7f\u{9b}2J\u{202e}y";

/// The same as the name of a program, of which the kernel keeps 15 bytes.
const PROGRAM: &str = "x\x1b[2J\nFORGED\u{9b}";

/// What is on the disk: a capture and its copies in other forms, and a machine's files.
struct Place {
    folder: tempfile::TempDir,
    files: Vec<String>,
}

fn hostile_flow(port: u16) -> Flow {
    let client = ("192.0.2.1".parse().expect("an address"), port);
    let server = ("198.51.100.7".parse().expect("an address"), 53);
    let original = Tuple::with_ports(Protocol::UDP, client, server);
    let mut flow = Flow::new(original, original.inverse());
    flow.status = Status::CONFIRMED;
    flow.helper = Some(Helper { name: HOSTILE.into(), info: None });
    flow.security_context = Some(HOSTILE.to_owned());
    flow
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| path(folder.path(), name);
        let mut facts = TableFacts::default();
        (facts.origin.node, facts.origin.kernel) =
            (Some(HOSTILE.to_owned()), Some(HOSTILE.to_owned()));
        facts.origin.time = Some(Timestamp::from_micros(1_700_000_000_000_000));
        let mut recorder = Recorder::new(Vec::new(), &facts).expect("a file");
        let mut columns = parquet::Writer::new(Vec::new()).expect("a file");
        let mut lines = format!("{INLINE} 17 {INLINE}\n{{\"family\":\"{INLINE}\"}}\n");
        let mut records = String::new();
        for port in 1..4 {
            let bytes = hostile_flow(port).to_bytes();
            let flow = FlowRef::parse(&bytes).expect("an entry");
            recorder.entry(Family::Ipv4, &bytes).expect("written");
            let mut record = Record::from(&flow);
            record.node = Some(HOSTILE.to_owned());
            record.observed_at = Some(Timestamp::from_micros(1_700_000_000_000_000));
            records.push_str(&serde_json::to_string(&record).expect("JSON"));
            records.push('\n');
            columns.push(record).expect("written");
            lines.push_str(&format!(
                "udp 17 9 src=192.0.2.1 dst=198.51.100.7 sport={port} dport=53 src=198.51.100.7 \
                 dst=192.0.2.1 sport=53 dport={port} mark=0 helper={INLINE} secctx={INLINE} use=1\n"
            ));
        }
        records.push_str("{\"family\":\"\\u001b[2J\\nFORGED\"}\n");
        columns.facts(&facts);
        let files = [
            ("capture", recorder.finish(&facts).expect("a file")),
            ("columns", columns.finish().expect("a file")),
            ("records", records.into_bytes()),
            ("lines", lines.into_bytes()),
        ];
        let named = files.map(|(name, bytes)| {
            let file = at(&format!("{name} {HOSTILE}"));
            std::fs::write(&file, bytes).expect("a file");
            file
        });
        for folder in ["etc/sysctl.d", "etc/modprobe.d", "etc/systemd/system", "var/log"] {
            std::fs::create_dir_all(at(&format!("root/{folder}"))).expect("a folder");
        }
        let setting = format!(
            "net.netfilter.nf_conntrack_max = {INLINE}\nnet.netfilter.{INLINE} = 5\n\
             net.netfilter.nf_conntrack_buckets = 9\nnet.ipv4.ip_forward = {INLINE}\n"
        );
        for (name, bytes) in [
            (format!("etc/sysctl.d/50-{HOSTILE}.conf"), setting.clone()),
            ("etc/sysctl.d/90-conntrack.conf".to_owned(), setting),
            (
                format!("etc/modprobe.d/{HOSTILE}.conf"),
                format!("options nf_conntrack hashsize={INLINE}\n"),
            ),
            (
                format!("etc/systemd/system/{HOSTILE}.service"),
                "[Service]\nPrivateNetwork=yes\n".to_owned(),
            ),
            (
                "var/log/dmesg".to_owned(),
                format!(
                    "[    1.0] nf_conntrack: nf_conntrack: table full in netns {INLINE}, dropping packet\n\
                     [    2.0] nf_conntrack: table full, dropping packet {INLINE}\n\
                     [    3.0] {INLINE}: falling back to vmalloc.\n"
                ),
            ),
        ] {
            std::fs::write(at(&format!("root/{name}")), bytes).expect("a file");
        }
        Self { files: named.to_vec(), folder }
    }

    fn at(&self, name: &str) -> String {
        path(self.folder.path(), name)
    }
}

/// Every example, by its file or its folder.
fn examples() -> BTreeSet<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
    let entries = std::fs::read_dir(folder).expect("a folder").flatten().map(|entry| entry.path());
    let example = |path: &Path| {
        path.extension().is_some_and(|end| end == "rs") || path.join("main.rs").exists()
    };
    let stem = |path: std::path::PathBuf| path.file_stem()?.to_str().map(str::to_owned);
    entries.filter(|path| example(path)).filter_map(stem).collect()
}

/// A run: an example, its arguments, and whether it has to have shown something of what it was given.
type Run = (&'static str, Vec<String>, bool);

fn runs(place: &Place) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    let mut add = |example, arguments: &[&str], seen| {
        runs.push((example, arguments.iter().map(|&word| word.to_owned()).collect(), seen));
    };
    // Words that none of them knows, where each has some.
    for example in [
        "top_sources",
        "states",
        "nat_ports",
        "list_flows",
        "snapshot",
        "fleet",
        "doctor",
        "tune",
        "persist",
        "netns",
        "table_stats",
        "flush_table",
        "delete_flows",
    ] {
        add(example, &[&format!("--{HOSTILE}")], true);
        add(example, &["--json", &format!("--js{HOSTILE}")], true);
        add(example, &[HOSTILE, HOSTILE, HOSTILE, HOSTILE, HOSTILE], true);
    }
    for example in
        ["top_sources", "states", "nat_ports", "list_flows", "fleet", "table_stats", "doctor"]
    {
        let root: &[&str] = if example == "fleet" { &["/tmp"] } else { &[] };
        add(example, &[&["--netns", HOSTILE], root].concat(), true);
        add(example, &[&["--demo", HOSTILE], root].concat(), false);
    }
    let netns = ["--netns", HOSTILE];
    add("flush_table", &netns, true);
    add("delete_flows", &["mark=1", "--netns", HOSTILE], true);
    add("delete_flows", &[&format!("helper={HOSTILE}")], false);
    add("delete_flows", &["mark=1", "--demo", "10"], false);
    add(
        "delete_flows",
        &["mark=0", "--demo", "10", "--yes", "--journal", &place.at(&format!("no/{HOSTILE}"))],
        false,
    );
    for task in [&["get"][..], &["get", HOSTILE], &["set", "acct=1"], &["timeouts"]] {
        add("tune", &[task, &netns].concat(), true);
    }
    add("tune", &["get", HOSTILE], true);
    add("tune", &["set", &format!("{HOSTILE}=1")], true);
    add("tune", &["set", &format!("acct={HOSTILE}")], true);
    add("tune", &["timeouts", HOSTILE], true);
    add("tune", &["advise", "--kernel", HOSTILE], true);
    let root = place.at("root");
    for task in [
        &["audit"][..],
        &["plan", "--max", "1000"],
        &["apply", "--max", "1000", "--buckets", "99"],
        &["apply", "--max", "1000", "--yes"],
        &["plan", &format!("{HOSTILE}=1")],
    ] {
        let seen = !task.contains(&"--max");
        add("persist", &[task, &["--root", &root]].concat(), seen);
        add("persist", &[task, &["--root", &root, "--json"]].concat(), seen);
    }
    add("persist", &["audit", "--root", &place.at(HOSTILE)], false);
    add("doctor", &["--root", &root], true);
    add("doctor", &["--root", &root, "--json"], true);
    add("doctor", &["--root", &root, "--rules", &place.at(HOSTILE)], true);
    add("doctor", &["--root", &root, "--kmsg", &place.at(HOSTILE)], false);
    add("netns", &["list"], false);
    add("netns", &["list", "--json"], false);
    add("netns", &["watch", "--for", HOSTILE], true);
    let missing = place.at(&format!("missing {HOSTILE}"));
    for (number, file) in place.files.iter().chain([&missing]).enumerate() {
        let out = |name: &str| place.at(&format!("{number} {HOSTILE}.{name}"));
        for (example, more) in [
            ("top_sources", &["--by", "source,state", "--filter", "proto=udp"][..]),
            ("top_sources", &["--json"]),
            ("states", &[]),
            ("states", &["--json"]),
            ("nat_ports", &[]),
            ("list_flows", &["-o", "extended,id"]),
            ("list_flows", &["-o", "csv"]),
            ("list_flows", &["-o", "save"]),
            ("list_flows", &["-o", "ndjson"]),
            ("list_flows", &["-o", "json"]),
            ("doctor", &[]),
            (
                "fleet",
                &[&out("fleet"), "--flows", "--node", HOSTILE, "--at", "2026-11-21T10:00:00Z"],
            ),
            ("fleet", &[&out("fleet"), "--json", "--node", HOSTILE, "--at", HOSTILE]),
        ] {
            add(example, &[&["--from", file], more].concat(), false);
        }
        add("list_flows", &["--from", file, &format!("helper={HOSTILE}")], false);
        add("list_flows", &["--from", file, HOSTILE], true);
        add("snapshot", &["show", file], false);
        add("snapshot", &["show", file, "--json"], true);
        add("snapshot", &["show", file, "--by", HOSTILE], true);
        add("snapshot", &["diff", file, &place.files[0]], false);
        for form in ["pcapng", "parquet", "ndjson", "csv", "save", "plain", HOSTILE] {
            add("snapshot", &["convert", file, &out(form), "--as", form], true);
        }
        for form in ["ndjson", "csv", "save", "plain"] {
            add("snapshot", &["convert", file, "-", "--as", form], false);
        }
        add("snapshot", &["redact", file, &out("redacted")], true);
        add(
            "snapshot",
            &["redact", file, &out("again"), "--undo", "--key", &place.at(HOSTILE)],
            true,
        );
        // Without the privilege it does not come to the name.
        add("snapshot", &["save", file], false);
    }
    runs
}

/// Without the styles that the programs, and what reads their words, give to text on a terminal.
fn unstyled(text: &str) -> String {
    let mut parts = text.split("\x1b[");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let digits = part.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';');
        match digits.strip_prefix('m') {
            Some(rest) => plain.push_str(rest),
            None => plain.extend(["\x1b[", part]),
        }
    }
    plain
}

fn check(what: &str, shown: &str) {
    let does_something =
        |c: char| c != '\n' && (c.is_control() || ('\u{202a}'..='\u{202e}').contains(&c));
    assert!(!shown.contains(does_something), "{what}: {shown:?}");
    let forged = shown.lines().find(|line| line.trim_start().starts_with("FORGED"));
    assert_eq!(forged, None, "{what}: {shown}");
}

fn check_run((example, arguments, seen): &Run) {
    let what = format!("{example} {arguments:?}");
    let run = |styled: bool| -> Output {
        let mut command = command(example);
        command.args(arguments).env("SSH_CONNECTION", HOSTILE).env("COLUMNS", "100");
        if styled {
            // Else what is no terminal gets no escape codes at all, whoever wrote them.
            command.env("CLICOLOR_FORCE", "1");
        }
        command.output().expect("a run")
    };
    let styled = run(true);
    for stream in [&styled.stdout, &styled.stderr] {
        check(&what, &unstyled(&text(stream)));
    }
    let both = text(&styled.stdout) + &text(&styled.stderr);
    assert!(!both.contains("panicked"), "{what}: {both}");
    let shows = ["FORGED", "u{1b}", "u001b"].iter().any(|word| both.contains(word));
    assert!(!seen || shows, "{what} does not show what it is about: {both}");
    let piped = run(false);
    for stream in [&piped.stdout, &piped.stderr] {
        check(&what, &text(stream));
    }
}

#[test]
fn names_of_others_are_shown_escaped_by_every_example() {
    let place = Place::new();
    let runs = runs(&place);
    let mut number = BTreeMap::new();
    for (example, ..) in &runs {
        *number.entry((*example).to_owned()).or_insert(0) += 1;
    }
    assert_eq!(number.keys().cloned().collect::<BTreeSet<_>>(), examples(), "all of them");
    // A program of that name in a network of its own, for those that list programs.
    let program = place.at(PROGRAM);
    let linked = std::os::unix::fs::symlink("/bin/sleep", &program);
    let mut sleeper = std::process::Command::new("unshare");
    let sleeper = sleeper.args(["--user", "--map-root-user", "--net"]).arg(&program).arg("600");
    let sleeper = linked.and_then(|()| sleeper.stderr(std::process::Stdio::null()).spawn());
    let wrong = runs.iter().filter(|run| std::panic::catch_unwind(|| check_run(run)).is_err());
    let wrong: Vec<_> = wrong.map(|(example, arguments, _)| (example, arguments)).collect();
    if let Ok(mut sleeper) = sleeper {
        let _ = sleeper.kill();
        let _ = sleeper.wait();
    }
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn a_flow_is_one_line_and_one_row_and_json_is_exact() {
    let bytes = hostile_flow(7).to_bytes();
    let flow = FlowRef::parse(&bytes).expect("an entry");
    let line = ctnetlink::files::text::Line::of(&flow).to_string();
    check("a line", &line);
    assert_eq!(line.split_whitespace().filter(|word| word.starts_with("helper=")).count(), 1);
    // By the way there and back, as conntrack's own text.
    let again = ctnetlink::files::text::parse_line(&line).expect("an entry");
    assert_eq!((again.original, again.reply), (*flow.original(), *flow.reply()));

    let mut record = Record::from(&flow);
    for (given, shown) in [
        ("=1+1", "'=1+1"),
        ("+1", "'+1"),
        ("-1", "'-1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "\\t=1"),
        ("=A1,\"x\"\n", "\"'=A1,\"\"x\"\"\\n\""),
        ("gw-1", "gw-1"),
    ] {
        record.node = Some(given.to_owned());
        let row = record.csv().to_string();
        check("a row", &row);
        assert!(row.starts_with(&format!(",{shown},")), "{given:?}: {row}");
    }
    let row = record.csv().to_string();
    assert!(row.contains(",192.0.2.1,198.51.100.7,7,53,"), "numbers are numbers: {row}");

    // The examples' JSON is all plain, and says the same.
    let place = Place::new();
    let output = command("list_flows")
        .args(["--from", &place.files[0], "-o", "ndjson"])
        .output()
        .expect("a run");
    let first = text(&output.stdout);
    let record: Record =
        serde_json::from_str(first.lines().next().expect("one")).expect("a record");
    assert_eq!(record.helper.as_deref(), Some(HOSTILE));
}
