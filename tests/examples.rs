//! The examples as people run them: as programs, by what they print and how they end.
//!
//! They enter namespaces of their own. Where that is forbidden, the tests are reported as ignored,
//! or with `CTNETLINK_REQUIRE_KERNEL=1` as failed.

use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use libtest_mimic::{Arguments, Completion, Failed, Trial};
use serde_json::Value;

fn main() {
    let arguments = Arguments::from_args();
    let probe = run("table_stats", &["--demo", "1"]);
    let unavailable =
        (!probe.status.success()).then(|| text(&probe.stderr)).filter(|e| e.contains("private"));
    let tests: Vec<(&str, fn())> = vec![
        ("top_sources_as_json", top_sources_as_json),
        ("top_sources_by_anything", top_sources_by_anything),
        ("top_sources_for_a_person", top_sources_for_a_person),
        ("top_sources_in_bytes_and_within_memory", top_sources_in_bytes_and_within_memory),
        ("two_hundred_thousand", two_hundred_thousand),
        ("states_and_table_stats", states_and_table_stats),
        ("watch_goes_on", watch_goes_on),
        ("a_closed_pipe_is_no_error", a_closed_pipe_is_no_error),
        ("help_and_wrong_words", help_and_wrong_words),
        ("more_than_fits", more_than_fits),
        ("a_demo_takes_what_fits", a_demo_takes_what_fits),
        ("where_no_demo_can_be_made_a_file_is_named", where_no_demo_can_be_made_a_file_is_named),
        ("no_privilege", no_privilege),
        ("a_doctor_without_privilege", a_doctor_without_privilege),
        ("namespaces_without_a_process_are_listed", namespaces_without_a_process_are_listed),
        ("an_empty_table", an_empty_table),
        ("a_sample_says_how_sure_it_is", a_sample_says_how_sure_it_is),
        ("within_its_time_and_its_part", within_its_time_and_its_part),
        ("watching_keeps_to_its_part", watching_keeps_to_its_part),
        ("rates_of_a_table_that_holds_still", rates_of_a_table_that_holds_still),
        ("threads_count_the_same", threads_count_the_same),
        ("a_doctor_for_files_and_for_tables", a_doctor_for_files_and_for_tables),
        ("tuning", tuning),
        ("persisting", persisting),
        ("memory_is_flat", memory_is_flat),
        ("another_network", another_network),
        (
            "check_2_2_and_2_6_namespaces_are_listed_and_watched",
            check_2_2_and_2_6_namespaces_are_listed_and_watched,
        ),
    ];
    let no_unshare = Command::new("unshare").arg("--version").output().is_err();
    let trials = tests.into_iter().map(|(name, test)| {
        let needs_unshare = [
            "no_privilege",
            "a_doctor_without_privilege",
            "an_empty_table",
            "where_no_demo_can_be_made_a_file_is_named",
            "namespaces_without_a_process_are_listed",
            "another_network",
            "check_2_2_and_2_6_namespaces_are_listed_and_watched",
        ]
        .contains(&name);
        let reason = "unshare, of util-linux, is not installed".to_owned();
        let unavailable = unavailable.clone().or((needs_unshare && no_unshare).then_some(reason));
        Trial::ignorable_test(name, move || match unavailable {
            None => {
                test();
                Ok(Completion::Completed)
            }
            Some(reason) if std::env::var_os("CTNETLINK_REQUIRE_KERNEL").is_some() => {
                Err(Failed::from(reason))
            }
            Some(reason) => Ok(Completion::ignored_with(reason.trim())),
        })
    });
    libtest_mimic::run(&arguments, trials.collect()).exit();
}

/// `cargo test --workspace` builds the examples beside the tests.
fn command(example: &str) -> Command {
    let mut path = std::env::current_exe().expect("this program");
    path.pop();
    let path: PathBuf = path.join("../examples").join(example);
    assert!(path.exists(), "{} is not built: run `cargo test --workspace`", path.display());
    Command::new(path)
}

fn run(example: &str, arguments: &[&str]) -> Output {
    command(example).args(arguments).output().expect("a run")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("text")
}

/// What a run that must succeed prints; off a terminal it says nothing on the side.
fn printed(example: &str, arguments: &[&str]) -> String {
    let output = run(example, arguments);
    assert_eq!(text(&output.stderr), "", "{arguments:?}");
    assert!(output.status.success(), "{arguments:?}");
    let printed = text(&output.stdout);
    assert!(!printed.contains('\x1b'), "{example} {arguments:?}: escape codes are for terminals");
    printed
}

fn document(example: &str, arguments: &[&str]) -> Value {
    serde_json::from_str(&printed(example, arguments)).expect("one JSON document")
}

/// The promises every document of a scan keeps.
fn assert_consistent(document: &Value, flows: u64) {
    assert_eq!(document["flows"], flows);
    assert_eq!(document["complete"], true);
    assert_eq!(document["table"]["entries_before"], flows);
    assert_eq!(document["table"]["entries_after"], flows);
    assert!(document["elapsed_ms"].as_f64().expect("a time") > 0.0);
    let groups = document["groups"].as_array().expect("groups");
    let sizes: Vec<u64> =
        groups.iter().map(|group| group["flows"].as_u64().expect("a number")).collect();
    assert!(sizes.is_sorted_by(|a, b| a >= b), "{sizes:?}");
    assert_eq!(sizes.iter().sum::<u64>() + document["other"].as_u64().expect("a number"), flows);
    for group in groups {
        let share = group["flows"].as_f64().expect("a number") / flows as f64;
        assert!((group["share"].as_f64().expect("a share") - share).abs() < 1e-9);
        let by = document["by"].as_array().expect("names");
        assert_eq!(group["key"].as_object().expect("a key").len(), by.len());
        assert!(by.iter().all(|name| group["key"].get(name.as_str().expect("a name")).is_some()));
    }
    assert!(document["distinct"].as_u64().expect("a number") >= groups.len() as u64);
}

fn top_sources_as_json() {
    let document = document("top_sources", &["--demo", "2000", "-n", "3", "--json"]);
    assert_consistent(&document, 2000);
    assert_eq!(document["by"], serde_json::json!(["source"]));
    assert_eq!(document["groups"].as_array().expect("groups").len(), 3);
    assert_eq!(document["groups"][0]["key"]["source"], "10.0.0.1");
    let names: Vec<_> = document.as_object().expect("an object").keys().cloned().collect();
    let expected = [
        "by",
        "complete",
        "coverage",
        "distinct",
        "elapsed_ms",
        "filter",
        "flows",
        "groups",
        "measure",
        "missed",
        "mode",
        "other",
        "stopped",
        "table",
        "undecided",
        "unique_at_least",
        "unique_of",
        "volume",
    ];
    assert_eq!(names, expected);
}

fn top_sources_by_anything() {
    for keys in [
        "source/24",
        "destination,dport",
        "state,protocol",
        "zone",
        "mark",
        "family,status",
        "src/16/48,proto",
        "reply-source,reply-destination,sport",
        "expires,age",
    ] {
        let arguments = ["--demo", "2000", "--by", keys, "--json", "-n", "5"];
        assert_consistent(&document("top_sources", &arguments), 2000);
    }
    let document = document("top_sources", &["--demo", "2000", "--by", "protocol,dport", "--json"]);
    let icmp = document["groups"].as_array().expect("groups").iter();
    let mut icmp = icmp.filter(|group| group["key"]["protocol"] == "icmp");
    assert_eq!(icmp.next().expect("icmp")["key"]["dport"], Value::Null, "no port is not port 0");
}

fn top_sources_in_bytes_and_within_memory() {
    let arguments = ["--demo", "2000", "--measure", "bytes", "-n", "2"];
    let bytes = document("top_sources", &[&arguments[..], &["--json"]].concat());
    assert_eq!((&bytes["measure"], &bytes["missed"]), (&"bytes".into(), &Value::Null));
    assert_eq!(bytes["volume"]["uncounted"], 2000, "made without accounting");
    assert_eq!(bytes["groups"][0]["volume"]["original"]["bytes"], 0);
    let shown = printed("top_sources", &arguments);
    assert!(shown.contains("2000 of 2000 entries carry no counters; sysctl "), "{shown}");

    let arguments = ["--demo", "20000", "--by", "source,sport", "--memory", "64KiB", "-n", "2"];
    let bounded = document("top_sources", &[&arguments[..], &["--json"]].concat());
    assert!(bounded["missed"].as_u64().expect("a number") > 0, "not all fit");
    assert_eq!(bounded["flows"], 20_000);
    let shown = printed("top_sources", &arguments);
    assert!(shown.contains("at most") && shown.contains("+ others"), "{shown}");
    for (flag, value) in [("--memory", "much"), ("--measure", "weight")] {
        let wrong = run("top_sources", &[flag, value]);
        assert_eq!(wrong.status.code(), Some(2));
        assert!(text(&wrong.stderr).contains(value), "{}", text(&wrong.stderr));
    }
    let unique = ["--demo", "2000", "--unique", "destination,dport", "-n", "1"];
    let sources = document("top_sources", &[&unique[..], &["--json"]].concat());
    let first = sources["groups"][0]["unique"].as_u64().expect("a number");
    assert!(first > 10 && first <= sources["groups"][0]["flows"].as_u64().expect("a number"));
    assert!(printed("top_sources", &unique).contains("unique destination,dport"));
    let histogram = ["--demo", "2000", "--by", "expires", "--sorted", "--json"];
    let histogram = document("top_sources", &histogram);
    let spans = histogram["groups"].as_array().expect("groups").iter();
    let spans: Vec<_> =
        spans.map(|group| group["key"]["expires"].as_str().expect("text")).collect();
    assert_eq!(spans, ["30m-1h", "1h-6h", "6h-1d", "1d-5d"]);
    let filtered = |arguments: &[&str]| {
        document("top_sources", &[arguments, &["--demo", "2000", "--json"]].concat())["flows"]
            .clone()
    };
    assert_eq!(filtered(&["--filter", "proto=tcp"]), filtered(&["proto=tcp"]));
}

fn top_sources_for_a_person() {
    let printed = printed("top_sources", &["--demo", "2000", "-n", "4"]);
    let lines: Vec<_> = printed.lines().collect();
    assert!(lines[0].starts_with("table  2000 of "), "{}", lines[0]);
    assert!(lines[1].contains("not atomic: 2000 entries before, 2000 after"), "{}", lines[1]);
    assert!(lines[2].split_whitespace().eq(["#", "source", "flows", "share"]));
    let first: Vec<_> = lines[3].split_whitespace().collect();
    assert_eq!(first[..2], ["1", "10.0.0.1"]);
    assert!(lines[7].contains(" others ") && lines[7].contains('█'), "{}", lines[7]);
    assert_eq!(lines.len(), 8);
}

fn two_hundred_thousand() {
    let arguments = ["--demo", "200000", "-n", "10", "--json"];
    let output = run("top_sources", &arguments);
    if text(&output.stderr).contains("do not fit") {
        panic!("this host's table is too small for the test: {}", text(&output.stderr));
    }
    assert_consistent(&document("top_sources", &arguments), 200_000);
}

fn states_and_table_stats() {
    let states = document("states", &["--demo", "2000", "--json"]);
    assert_consistent(&states, 2000);
    assert_eq!(states["by"], serde_json::json!(["protocol", "state"]));
    assert_eq!(states["other"], 0);
    let shown = printed("states", &["--demo", "2000"]);
    assert!(
        shown.contains("ESTABLISHED") && shown.contains("not assured and make room"),
        "{shown}"
    );
    let room = ["unassured", "closing", "held"].map(|part| &states["headroom"][part]);
    assert_eq!(room.iter().map(|part| part.as_u64().expect("a number")).sum::<u64>(), 2000);
    let chance = states["chance_of_room"].as_f64().expect("a chance");
    assert!(chance > 0.0 && chance < 0.1, "few entries in many buckets: {chance}");
    let some = document("states", &["proto=tcp", "--demo", "2000", "--json"]);
    assert_eq!(some["headroom"], Value::Null, "it is about the whole table");

    let stats = document("table_stats", &["--demo", "2000", "--json"]);
    assert_eq!(stats["entries"], 2000);
    assert!(stats["max"].as_u64().expect("a limit") >= 2000);
    assert!(stats["percent"].as_f64().expect("a share") > 0.0);
    assert_eq!(stats["counters"]["insert"], 2000, "made over netlink");
    assert_eq!(stats["counters"]["drop"], 0);
    assert_eq!(stats.get("cpus"), None);
    let text = printed("table_stats", &["--demo", "2000"]);
    assert!(text.starts_with("2000 of "), "{text}");
    assert!(text.contains("early_drop") && text.contains("the table was full"), "{text}");

    let stats = document("table_stats", &["--demo", "2000", "--json", "--per-cpu"]);
    let cpus = stats["cpus"].as_array().expect("processors").iter();
    let inserts = cpus.map(|cpu| cpu["insert"].as_u64().expect("a number"));
    assert_eq!(inserts.sum::<u64>(), 2000);
    assert!(printed("table_stats", &["--demo", "9", "--per-cpu"]).contains("cpu0"));
}

/// A run that goes on until it is stopped.
fn watching(example: &str, demo: &[&str], seconds: &str) -> (Child, BufReader<impl Read + use<>>) {
    let mut child = command(example)
        .arg("--demo")
        .args(demo)
        .args(["--watch", seconds])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("a run");
    let output = BufReader::new(child.stdout.take().expect("its output"));
    (child, output)
}

fn watch_goes_on() {
    let (mut child, output) = watching("top_sources", &["500", "--json"], "0.1");
    for line in output.lines().take(3) {
        let document = serde_json::from_str(&line.expect("a line")).expect("a document a line");
        assert_consistent(&document, 500);
    }
    child.kill().expect("stopped");
    child.wait().expect("its end");

    let (mut child, output) = watching("table_stats", &["500", "--json"], "0.1");
    let documents = output
        .lines()
        .take(2)
        .map(|line| serde_json::from_str(&line.expect("a line")).expect("a document a line"));
    let [first, second] = <[Value; 2]>::try_from(documents.collect::<Vec<_>>()).expect("two");
    assert_eq!(first.get("since_last"), None, "there is nothing to compare the first with");
    assert_eq!(second["since_last"]["insert"], 0);
    child.kill().expect("stopped");
    child.wait().expect("its end");
}

fn a_closed_pipe_is_no_error() {
    for (example, arguments) in [
        ("top_sources", &["500"][..]),
        ("top_sources", &["500", "--json"]),
        ("table_stats", &["500"]),
        ("table_stats", &["500", "--json"]),
    ] {
        let (child, mut output) = watching(example, arguments, "0.1");
        output.read_line(&mut String::new()).expect("a line");
        drop(output);
        let output = child.wait_with_output().expect("its end");
        assert_eq!(text(&output.stderr), "");
        assert!(output.status.success(), "{example} {arguments:?}");
    }
}

fn tuning() {
    let all = document("tune", &["get", "--demo", "1", "--json"]);
    let max = all.as_array().expect("settings").iter();
    let max = max.clone().find(|setting| setting["name"] == "nf_conntrack_max").expect("one");
    assert_eq!((&max["unit"], &max["scope"]), (&"entries".into(), &"readonly".into()));
    let shown = printed("tune", &["get", "time_wait", "--demo", "1"]);
    assert_eq!(shown.lines().count(), 2, "{shown}");
    assert_eq!(printed("tune", &["get", "--changed", "--demo", "1"]).lines().count(), 1);

    let set = ["set", "acct=1", "nf_conntrack_tcp_timeout_time_wait=30", "--demo", "1"];
    let shown = printed("tune", &set);
    let lines = ["nf_conntrack_acct: 0 -> 1", "nf_conntrack_tcp_timeout_time_wait: 120 -> 30"];
    assert!(shown.lines().eq(lines), "{shown}");
    // Every spelling that another tool, or `doctor`, prints.
    for name in [
        "net.netfilter.nf_conntrack_udp_timeout",
        "net/netfilter/nf_conntrack_udp_timeout",
        "/proc/sys/net/netfilter/nf_conntrack_udp_timeout",
        "nf_conntrack_udp_timeout",
        "udp_timeout",
    ] {
        let shown = printed("tune", &["set", &format!("{name}=31"), "--demo", "1"]);
        assert_eq!(shown, "nf_conntrack_udp_timeout: 30 -> 31\n", "{name}");
        let shown = printed("tune", &["get", name, "--demo", "1"]);
        let more = usize::from(!name.contains("net")); // `udp_timeout` is part of another, too.
        assert!(shown.contains("nf_conntrack_udp_timeout "), "{name}: {shown}");
        assert_eq!(shown.lines().count(), 2 + more, "{name}: {shown}");
    }
    let refused = run("tune", &["set", "acct=1", "max=5", "--demo", "1", "--json"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(text(&refused.stderr).contains("initial network namespace"));
    assert_eq!(text(&refused.stdout).trim(), r#"[{"name":"nf_conntrack_acct","old":0,"new":1}]"#);

    let timeouts = document("tune", &["timeouts", "--demo", "1", "--json"]);
    assert_eq!(
        (&timeouts["tcp"]["syn_sent2"], &timeouts["udp"]["replied"]),
        (&120.into(), &120.into())
    );
    assert!(printed("tune", &["timeouts", "udp", "--demo", "1"]).contains("unreplied"));

    let advise = ["advise", "--peak", "400000", "--ram", "16GiB", "--kernel", "6.1"];
    let advice = document("tune", &[&advise[..], &["--json"]].concat());
    assert_eq!(
        advice["advice"]["sizes"],
        serde_json::json!({"max": 1_048_576, "buckets": 1_048_576})
    );
    let shown = printed("tune", &advise);
    assert!(shown.contains("persist plan --max 1048576 --buckets 1048576"), "{shown}");
    // Where the setting can only be read, the file that can be written.
    let old = ["advise", "--peak", "400000", "--ram", "16GiB", "--kernel", "3.10"];
    let hashsize = "echo 1048576 > /sys/module/nf_conntrack/parameters/hashsize ";
    assert!(printed("tune", &old).contains(hashsize) && !shown.contains("hashsize"), "{shown}");
    for wrong in [&["get", "nonsense"][..], &["set", "x"], &["set"], &[], &["timeouts", "tpc"]] {
        assert_eq!(run("tune", wrong).status.code(), Some(2), "{wrong:?}");
    }
}

fn persisting() {
    let root = tempfile::tempdir().expect("a directory");
    let root = root.path().to_str().expect("a path");
    let with = |arguments: &[&'static str]| -> Vec<String> {
        let arguments = [&["--root"], &[root][..], arguments].concat();
        arguments.iter().map(|&argument| argument.to_owned()).collect()
    };
    let run = |arguments: &[&'static str]| {
        command("persist").args(with(arguments)).output().expect("a run")
    };
    std::fs::create_dir_all(format!("{root}/etc/sysctl.d")).expect("a directory");
    let file = format!("{root}/etc/sysctl.d/99-sysctl.conf");
    std::fs::write(file, "net.netfilter.nf_conntrack_max = 2097152\n").expect("a file");
    let lost = run(&["audit"]);
    assert_eq!(lost.status.code(), Some(2));
    let shown = text(&lost.stdout);
    assert!(shown.contains("CRITICAL") && shown.contains("SYSCTL_BEFORE_MODULE"), "{shown}");
    assert!(shown.contains(&format!("the machine that {root} is a copy of, not for this one")));
    for nowhere in ["/nonexistent", "/dev/null"] {
        let output = command("persist").args(["--root", nowhere, "audit"]).output().expect("a run");
        assert_eq!(output.status.code(), Some(2), "{nowhere}");
    }
    let lost: Value = serde_json::from_slice(&run(&["audit", "--json"]).stdout).expect("JSON");
    assert_eq!(lost["findings"][0]["severity"], "critical");

    let dry = run(&["apply", "--max", "2097152", "--buckets", "2097152"]);
    assert!(dry.status.success() && text(&dry.stderr).contains("--yes"));
    assert!(text(&dry.stdout).contains("/etc/modules-load.d/nf_conntrack.conf"));
    assert_eq!(run(&["audit"]).status.code(), Some(2), "nothing was written");
    let done = run(&["apply", "--max", "2097152", "--buckets", "2097152", "--yes"]);
    assert!(done.status.success(), "{}", text(&done.stderr));
    let mended = run(&["audit"]);
    assert_eq!(mended.status.code(), Some(0), "{}", text(&mended.stdout));
    assert!(text(&mended.stdout).contains("overridden: /etc/sysctl.d/99-sysctl.conf, line 1"));
    let again = run(&["apply", "--max", "2097152", "--buckets", "2097152", "--yes", "--json"]);
    assert!(!text(&again.stdout).contains("true"), "nothing changes");
    for wrong in [&["plan"][..], &["plan", "--max", "0"], &["audit", "--frobnicate"], &[]] {
        assert_eq!(run(wrong).status.code(), Some(2), "{wrong:?}");
    }
}

fn a_doctor_for_files_and_for_tables() {
    let quiet = ["--interval", "0", "--kmsg", "/dev/null", "--rules", "/dev/null"];
    let fine = run("doctor", &[&["--demo", "2000"][..], &quiet].concat());
    assert_eq!(fine.status.code(), Some(0), "{}", text(&fine.stdout));
    assert!(text(&fine.stdout).contains("nothing is wrong"));
    let filling = run("doctor", &[&["--demo", "210000", "--json"][..], &quiet].concat());
    assert_eq!(filling.status.code(), Some(1));
    let document: Value = serde_json::from_slice(&filling.stdout).expect("JSON");
    assert_eq!(document["severity"], "warning");
    assert_eq!(document["findings"][0]["id"], "TABLE_FILLING");

    // A copy of a machine: files alone, and no privilege.
    let root = tempfile::tempdir().expect("a directory");
    let file = |path: &str, text: &str| {
        let path = root.path().join(path);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        std::fs::write(path, text).expect("a file");
    };
    file("etc/sysctl.d/9.conf", "net.netfilter.nf_conntrack_max=2097152\n");
    file("var/log/dmesg", "[ 1.0] nf_conntrack: table full, dropping packet\n");
    let root = root.path().to_str().expect("a path");
    let copy = run("doctor", &["--root", root]);
    assert_eq!(copy.status.code(), Some(2));
    let shown = text(&copy.stdout);
    assert!(shown.contains("SYSCTL_BEFORE_MODULE") && shown.contains("LOG_TABLE_FULL"), "{shown}");
    assert!(shown.contains("not seen: the packet filter's rules"), "{shown}");
    // What a copy does not have is no reason to doubt.
    std::fs::remove_file(format!("{root}/etc/sysctl.d/9.conf")).expect("gone");
    assert_eq!(run("doctor", &["--root", root]).status.code(), Some(0));
    for wrong in [
        &["--root", root, "--demo", "9"][..],
        &["--root", "/no/such"],
        &["--rules", "/no/such"],
        &["--interval", "x"],
    ] {
        assert_eq!(run("doctor", wrong).status.code(), Some(2), "{wrong:?}");
    }
}

fn help_and_wrong_words() {
    for example in [
        "top_sources",
        "states",
        "table_stats",
        "list_flows",
        "delete_flows",
        "flush_table",
        "tune",
    ] {
        let help = printed(example, &["--help"]);
        for word in ["Usage:", "--demo", "--json", "CAP_NET_ADMIN", "Exit code:"] {
            assert!(help.contains(word), "{example} --help lacks {word}");
        }
        let wrong = run(example, &["--frobnicate"]);
        assert_eq!(wrong.status.code(), Some(2));
        assert!(text(&wrong.stderr).contains("--frobnicate"));
        assert_eq!(text(&wrong.stdout), "");
    }
    assert!(printed("top_sources", &["--help"]).contains("reply-destination"));
    for example in ["top_sources", "states", "list_flows", "delete_flows"] {
        let help = printed(example, &["--help"]);
        assert!(help.contains("reply-src=10.0.0.7") && help.contains("FILTER"), "{example}");
    }
    for (arguments, word) in [
        (["--by", "source,sorce"], "sorce"),
        (["--by", "dport/8"], "dport/8"),
        (["--watch", "0"], "0.1"),
        (["--demo", "many"], "many"),
        (["-n", "-1"], "-1"),
    ] {
        let wrong = run("top_sources", &arguments);
        assert_eq!(wrong.status.code(), Some(2), "{arguments:?}");
        assert!(text(&wrong.stderr).contains(word), "{arguments:?}: {}", text(&wrong.stderr));
    }
}

fn more_than_fits() {
    let stats = document("table_stats", &["--demo", "1", "--json"]);
    let max = stats["max"].as_u64().filter(|&max| max != 0).expect("a limit");
    let output = run("top_sources", &["--demo", &(max + 1).to_string()]);
    assert_eq!(output.status.code(), Some(1));
    let error = text(&output.stderr);
    assert!(error.contains("sysctl -w net.netfilter.nf_conntrack_max="), "{error}");
    assert!(error.contains(&format!("ask for {max} at most")), "{error}");
    assert_eq!(error.lines().count(), 1);
}

/// Without N: 100,000, or 80 % of the limit, and then it says so.
fn a_demo_takes_what_fits() {
    let output = run("table_stats", &["--demo", "--json"]);
    assert!(output.status.success());
    let stats: Value = serde_json::from_slice(&output.stdout).expect("a document");
    let (entries, max) = (stats["entries"].as_u64(), stats["max"].as_u64().filter(|&max| max != 0));
    let fit = max.map_or(100_000, |max| (max * 4 / 5).min(100_000));
    assert_eq!(entries, Some(fit));
    let said = match (max, fit) {
        (Some(max), ..100_000) => {
            format!("demo: {fit} entries, 80 % of the {max} that a table may have here\n")
        }
        _ => String::new(),
    };
    assert_eq!(text(&output.stderr), said);
}

/// The file that is named is there, and shows something.
fn where_no_demo_can_be_made_a_file_is_named() {
    let program = command("top_sources");
    let forbidden = "echo 0 > /proc/sys/user/max_net_namespaces; exec \"$@\"";
    let output = Command::new("unshare")
        .args(["--user", "--map-root-user", "sh", "-c", forbidden, "sh"])
        .arg(program.get_program())
        .arg("--demo")
        .output()
        .expect("a run");
    assert_eq!(output.status.code(), Some(1));
    let error = text(&output.stderr);
    assert!(error.contains("can raise sysctl user.max_net_namespaces; or look at"), "{error}");
    let Some((_, typed)) = error.split_once("or look at a table in a file: ") else {
        // The programs were taken to a place without the file.
        return assert!(!error.contains("--from"), "{error}");
    };
    let shown = Command::new("sh").args(["-c", typed]).output().expect("a run");
    assert!(text(&shown.stdout).contains("10.0.0.1 "), "{shown:?}");
}

fn no_privilege() {
    for example in ["top_sources", "states", "table_stats"] {
        // In a user namespace of its own it has every capability, but not over this network.
        let mut unshare = Command::new("unshare");
        unshare.arg("--user").arg(command(example).get_program());
        let output = unshare.output().expect("unshare");
        assert_eq!(output.status.code(), Some(2));
        assert_eq!(text(&output.stdout), "");
        let error = text(&output.stderr);
        assert_eq!(error.lines().count(), 1, "{error}");
        for word in ["CAP_NET_ADMIN", "sudo", "--demo"] {
            assert!(error.contains(word), "{error}");
        }
    }
}

fn a_doctor_without_privilege() {
    // The network is a private one, whose settings and counters are those of a fresh one; the user has
    // no right to it.
    let doctor = |arguments: &[&str]| {
        let mut unshare = Command::new("unshare");
        unshare.args(["--map-root-user", "--net", "unshare", "--user"]);
        unshare.arg(command("doctor").get_program());
        unshare.args(["--kmsg", "/dev/null", "--interval", "0"]).args(arguments);
        unshare.output().expect("unshare")
    };
    let output = doctor(&["--rules", "/dev/null"]);
    let printed = text(&output.stdout);
    assert_eq!(output.status.code(), Some(3), "neither fine nor a finding: {printed}");
    assert!(!printed.contains("nothing is wrong"), "{printed}");
    assert!(printed.contains("nothing was found, but not everything could be looked at"));
    for line in ["not seen: the table's entries: not permitted\n", "  to see it: run it with sudo"]
    {
        assert!(printed.contains(line), "{printed}");
    }
    assert!(printed.contains("CAP_NET_ADMIN"), "{printed}");
    assert!(printed.starts_with("table  0 of "), "what everybody may read: {printed}");

    let output = doctor(&["--json"]);
    let document: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(document["complete"], false);
    let unseen = document["unseen"].as_array().expect("a list");
    let rules = unseen.iter().find(|unseen| {
        unseen["what"].as_str().is_some_and(|what| what.starts_with("the packet filter's rules: "))
    });
    assert!(rules.is_some_and(|rules| rules["wanted"] == true), "{document}");
}

fn an_empty_table() {
    let mut unshare = Command::new("unshare");
    unshare.args(["--map-root-user", "--net"]).arg(command("top_sources").get_program());
    let output = unshare.output().expect("unshare");
    assert!(output.status.success(), "{}", text(&output.stderr));
    let printed = text(&output.stdout);
    assert!(printed.starts_with("table  0 of "), "{printed}");
    assert!(printed.contains("The table is empty; perhaps no rule"), "{printed}");
}

/// Five times the entries of the same sources take no more memory.
fn a_sample_says_how_sure_it_is() {
    let arguments = ["--demo", "20000", "--sample", "2000", "-n", "5"];
    let sample = document("top_sources", &[&arguments[..], &["--json"]].concat());
    assert_eq!((&sample["mode"], &sample["complete"]), (&"sample".into(), &false.into()));
    assert_eq!((&sample["flows"], &sample["of"]), (&20_000.into(), &20_000.into()));
    assert!((2000..2400).contains(&sample["seen"].as_u64().expect("a number")));
    for group in sample["groups"].as_array().expect("groups") {
        let number = |value: &Value| value.as_u64().expect("a number");
        let interval = &group["interval"];
        assert!(number(&interval[0]) <= number(&group["flows"]));
        assert!(number(&group["flows"]) <= number(&interval[1]));
    }
    let shown = printed("top_sources", &arguments);
    assert!(shown.contains("at least") && shown.contains("95 of 100"), "{shown}");
    let whole = document("top_sources", &["--demo", "300", "--sample", "2000", "--json"]);
    assert_eq!(whole["complete"], true, "a table smaller than the sample");
    assert_eq!(run("top_sources", &["--demo", "9", "--sample", "0"]).status.code(), Some(2));
}

fn within_its_time_and_its_part() {
    let arguments = ["--demo", "100000", "--within", "0.02", "--json"];
    let part = document("top_sources", &arguments);
    assert_eq!((&part["mode"], &part["complete"]), (&"sample".into(), &false.into()));
    let seen = part["seen"].as_u64().expect("a number");
    assert!(seen > 0 && seen < 100_000, "{seen}");
    let whole = document("top_sources", &["--demo", "1000", "--within", "60", "--json"]);
    assert_eq!((&whole["mode"], &whole["coverage"]), (&"full".into(), &1.0.into()));
    assert_consistent(&whole, 1000);

    for wrong in [&["--duty", "5"][..], &["--watch", "1", "--duty", "0"], &["--within", "-1"]] {
        assert_eq!(run("top_sources", wrong).status.code(), Some(2), "{wrong:?}");
    }
}

/// The processor time a program has taken, of which a tick of the clock may be missing.
fn processor_time(child: &Child) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", child.id())).expect("its state");
    let (_, numbers) = stat.rsplit_once(')').expect("a name");
    let ticks = numbers.split_whitespace().skip(11).take(2).map(str::parse::<u64>);
    let ticks: u64 = ticks.map(|ticks| ticks.expect("a number")).sum();
    Duration::from_secs_f64(ticks as f64 / rustix::param::clock_ticks_per_second() as f64)
}

fn watching_keeps_to_its_part() {
    // The look, its percentage, what it is called, and how many of them are watched for.
    let cases: [(&[&str], u32, &str, u32); 3] = [
        (&["--by", "source,sport"], 1, "sample", 8),
        (&["--measure", "bytes"], 5, "full", 3),
        (&["--rate=0.1"], 5, "rate", 3),
    ];
    for (look, percent, mode, rounds) in cases {
        let duty = percent.to_string();
        let arguments = [&["7000", "--duty", &duty, "--json"], look].concat();
        let (mut child, output) = watching("top_sources", &arguments, "0.3");
        let mut lines = output.lines();
        let mut next = || -> Value {
            let line = lines.next().expect("goes on").expect("a line");
            serde_json::from_str(&line).expect("a document")
        };
        // What fills the table, and starts the program, is not part of it.
        next();
        let (start, before) = (Instant::now(), processor_time(&child));
        for _ in 0..rounds {
            let document = next();
            assert_eq!(document["mode"], mode, "{document}");
            if mode == "sample" {
                // 3 ms, which is what a look is stopped by, are not enough for all of them.
                assert!(document["seen"].as_u64().expect("a number") < 7_000, "{document}");
            }
        }
        let (elapsed, used) = (start.elapsed(), processor_time(&child) - before);
        child.kill().expect("stopped");
        child.wait().expect("its end");
        // One more look than pauses, since it ends with one; and two ticks.
        let part = elapsed * percent / 100 * (rounds + 1) / rounds;
        assert!(used <= part + Duration::from_millis(20), "{look:?}: {used:?} of {elapsed:?}");
    }
}

fn rates_of_a_table_that_holds_still() {
    let rates = document("top_sources", &["--demo", "2000", "--rate=0.1", "--json"]);
    assert_eq!((&rates["mode"], &rates["complete"]), (&"rate".into(), &true.into()));
    assert_eq!((&rates["flows"], &rates["began"]), (&0.into(), &0.into()));
    assert_eq!(rates["table"]["entries"], 2000);
    assert!(rates["interval_ms"].as_f64().expect("a time") >= 100.0);
    let shown = printed("top_sources", &["--demo", "2000", "--rate=0.1"]);
    assert!(shown.contains("0 flows began (0.0/s)") && shown.contains("No flow"), "{shown}");
    let (mut child, output) = watching("top_sources", &["500", "--rate=0.1", "--json"], "0.1");
    assert_eq!(output.lines().take(2).map_while(Result::ok).count(), 2);
    child.kill().expect("stopped");
    child.wait().expect("its end");
    for wrong in [&["--rate=0"][..], &["--rate", "--sample", "9"], &["--rate=x"]] {
        assert_eq!(run("top_sources", wrong).status.code(), Some(2), "{wrong:?}");
    }
}

fn threads_count_the_same() {
    // The demo is the same every time.
    let arguments = ["--demo", "40000", "--by", "state,protocol", "--json"];
    let one = document("top_sources", &arguments);
    let two = document("top_sources", &[&arguments[..], &["--threads", "2"]].concat());
    assert_eq!((&one["mode"], &two["mode"]), (&"full".into(), &"parallel".into()));
    assert_eq!((&one["groups"], &one["other"]), (&two["groups"], &two["other"]));
    assert_consistent(&two, 40_000);
    let shown = printed("top_sources", &["--demo", "40000", "--threads", "2", "-n", "1"]);
    assert!(shown.contains("2 dumps at once"), "{shown}");
}

fn memory_is_flat() {
    let peak = |entries: &str| -> u64 {
        let (mut child, mut output) = watching("top_sources", &[entries, "--json"], "60");
        let mut line = String::new();
        output.read_line(&mut line).expect("a line");
        let status = std::fs::read_to_string(format!("/proc/{}/status", child.id()));
        child.kill().expect("stopped");
        child.wait().expect("its end");
        let document: Value = serde_json::from_str(&line).expect("a document");
        // Above 95 % the kernel's collector may take a few, if some table of the host was full.
        assert!(document["distinct"].as_u64().expect("a number") > 4900);
        let status = status.expect("a status");
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let peak = peak.expect("a peak").trim().trim_end_matches(" kB");
        peak.parse().expect("a number")
    };
    let (few, many) = (peak("50000"), peak("250000"));
    assert!(many * 10 <= few * 11, "{few} kB for 50,000 entries, {many} kB for 250,000");
}

/// Namespaces with 0, 10 and 1,000 entries; they are counted, and none of their tables is dumped.
fn check_2_2_and_2_6_namespaces_are_listed_and_watched() {
    // One user namespace, so that the lister may enter what the others make.
    let fill = |entries: &str| {
        let demo = command("top_sources");
        let program = demo.get_program().to_str().expect("a path").to_owned();
        format!(
            "unshare --user --map-root-user --net true; {program} --demo {entries} --watch 60 --json >/dev/null &"
        )
    };
    let netns = command("netns");
    let netns = netns.get_program().to_str().expect("a path");
    let script = format!(
        "{} {} unshare --net sleep 60 & sleep 1; {netns} list --json; \
         ({netns} watch --interval 0.1 --for 2 >&2 & \
          {netns} watch --interval 0.1 --for 2 --json & sleep 0.4; unshare --net sleep 0.7; wait); \
         kill $(jobs -p)",
        fill("10"),
        fill("1000")
    );
    let output = Command::new("unshare")
        .args(["--map-root-user", "--net", "--pid", "--fork", "--mount-proc", "sh", "-c", &script])
        .output()
        .expect("unshare");
    let printed = text(&output.stdout);
    let mut lines = printed.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    let listed = lines.next().expect("a list");
    let entries: Vec<_> =
        listed.as_array().expect("namespaces").iter().map(|one| one["entries"].as_u64()).collect();
    assert!(entries.contains(&Some(1000)) && entries.contains(&Some(10)), "{printed}");
    assert!(entries.iter().filter(|entries| **entries == Some(0)).count() >= 2, "{printed}");
    assert_eq!(entries.first(), Some(&Some(1000)), "most first");
    let events: Vec<_> = lines.collect();
    let made = events.iter().find(|event| event["event"] == "made").expect("a new one");
    let gone =
        events.iter().find(|event| event["inode"] == made["inode"] && event["event"] == "gone");
    assert_eq!(gone.expect("it goes")["program"], "sleep", "{events:?}");
    let lived = gone.expect("it goes")["lived_ms"].as_u64().expect("a time");
    assert!((300..1_500).contains(&lived), "{lived}");
    // One in two seconds, and whatever the machine was late by.
    let said = text(&output.stderr);
    let rate = said.lines().find(|line| line.ends_with(" a minute")).expect("a rate");
    assert!(rate.starts_with("1 by "), "{said}");
    let rate = rate.trim_end_matches(" a minute").rsplit(' ').next().expect("a number");
    let rate: f64 = rate.parse().expect("a number");
    assert!(rate > 3.0 && rate <= 30.0, "{said}");
}

/// `ip netns add` and container runtimes keep a namespace by a mount; also one that is out of sight of
/// the lister's own mount namespace.
fn namespaces_without_a_process_are_listed() {
    let netns = command("netns");
    let netns = netns.get_program().to_str().expect("a path");
    // Each is mounted by a program that then ends.
    let keep = "kept() { touch \"$1\"; unshare --net sh -c 'mount --bind /proc/self/ns/net \"$1\"; \
                readlink /proc/self/ns/net' - \"$1\"; };";
    let script = format!(
        "mount -t tmpfs none /run; mkdir /run/netns; {keep} kept '/run/netns/my blue'; \
         unshare --mount sh -c \"{} kept /run/hidden; exec sleep 60\" & sleep 1; \
         {netns} list --json; {netns} list; kill $!",
        keep.replace('"', "\\\"").replace('$', "\\$")
    );
    let output = Command::new("unshare")
        .args([
            "--map-root-user",
            "--net",
            "--mount",
            "--pid",
            "--fork",
            "--mount-proc",
            "sh",
            "-c",
            &script,
        ])
        .output()
        .expect("unshare");
    let (printed, errors) = (text(&output.stdout), text(&output.stderr));
    let inodes: Vec<u64> = printed
        .lines()
        .filter_map(|line| line.strip_prefix("net:[")?.strip_suffix(']')?.parse().ok())
        .collect();
    let document = printed.lines().find(|line| line.starts_with('[')).expect("a document");
    let listed: Value = serde_json::from_str(document).expect("JSON");
    for (inode, place) in inodes.iter().zip(["/run/netns/my blue", "/run/hidden"]) {
        let mut all = listed.as_array().expect("namespaces").iter();
        let found = all.find(|one| one["inode"] == *inode);
        let found = found.unwrap_or_else(|| panic!("no {place}: {printed}{errors}"));
        assert_eq!(found["mounts"], serde_json::json!([place]), "{found}");
        assert_eq!((&found["pid"], &found["processes"]), (&Value::Null, &0.into()), "{found}");
        assert_eq!(found["entries"], 0, "{found}");
        let mut lines = printed.lines();
        assert!(
            lines.any(|line| line.contains(&inode.to_string()) && line.ends_with(place)),
            "{printed}"
        );
    }
    assert_eq!(inodes.len(), 2, "{printed}{errors}");
    assert!(printed.contains("not seen: namespaces that only a thread"), "{printed}");
    let singular = Command::new("unshare")
        .args([
            "--map-root-user",
            "--net",
            "--mount",
            "--pid",
            "--fork",
            "--mount-proc",
            "sh",
            "-c",
        ])
        .arg(format!("umount -a -t nsfs; {netns} list"))
        .output()
        .expect("unshare");
    let printed = text(&singular.stdout);
    assert!(printed.contains("0 entries in 1 namespace\n"), "{printed}");

    // What cannot be entered has its reason, and not a guess.
    let outside = Command::new("unshare").args(["--map-root-user", netns, "list"]).output();
    let printed = text(&outside.expect("unshare").stdout);
    let refused =
        "enter the network namespace: Operation not permitted (os error 1); entering one needs";
    let reason = printed.lines().find(|line| line.starts_with("? in ")).expect("a reason");
    assert!(reason.contains(refused), "{printed}");
}

/// One program fills a table, another looks at it from outside, within one user namespace.
fn another_network() {
    let stats = command("table_stats");
    let script = format!(
        "unshare --net sleep 30 & other=$!; sleep 0.3; {0} --netns $other --json && \
         {0} --netns /proc/$other/ns/net; {0} --netns no-such; echo $?; kill $other",
        stats.get_program().to_str().expect("a path")
    );
    let output = Command::new("unshare")
        .args(["--map-root-user", "--net", "sh", "-c", &script])
        .output()
        .expect("unshare");
    let (printed, errors) = (text(&output.stdout), text(&output.stderr));
    let lines: Vec<_> = printed.lines().collect();
    let document: Value = serde_json::from_str(lines[0]).expect("a document");
    assert_eq!(document["entries"], 0);
    assert!(lines[1].starts_with("0 of "), "{printed}");
    assert_eq!(lines.last(), Some(&"1"));
    assert!(errors.contains("/run/netns/no-such: No such file"), "{errors}");
}
