//! The files of a fleet, as a node writes them: they say what its table says.

use std::fs::File;
use std::path::Path;

use ctnetlink::Query;
use ctnetlink::aggregate::{Aggregator, Report};
use ctnetlink::field::Field;
use ctnetlink::files::parquet::Reader;
use ctnetlink::files::rows::{Record, Rollup, Row, TableStatus};
use ctnetlink::files::{TableFacts, capture::Recorder};
use ctnetlink::flow::Flow;
use ctnetlink::origin::Origin;
use ctnetlink::testing::{Population, fill};
use serde_json::Value;

use crate::programs::command;
use crate::support::{Skip, Test, set, table};

pub const TESTS: &[(&str, Test)] = &[
    ("a_node_writes_what_its_table_says", a_node_writes_what_its_table_says),
    ("a_second_look_replaces_the_first", a_second_look_replaces_the_first),
];

fn fleet(root: &Path, arguments: &[&str]) -> Value {
    let output = command("fleet").arg(root).args(arguments).arg("--json").output().expect("a run");
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// The rows of a table's file, by what `--json` has told.
fn rows<R: Row>(told: &Value, table: &str) -> Vec<R> {
    let files = told["files"].as_array().expect("files");
    let file = files.iter().find(|file| file["table"] == table).expect("the table");
    let reader = File::open(file["file"].as_str().expect("a path")).and_then(Reader::<R>::new);
    let rows: Vec<R> = reader.expect("a file").map(|row| row.expect("a row")).collect();
    assert_eq!(file["rows"], rows.len());
    rows
}

fn a_node_writes_what_its_table_says() -> Result<(), Skip> {
    set("nf_conntrack_acct", "1");
    let mut table = table();
    fill(&mut table, &Population::new(4_000)).expect("room");
    let root = tempfile::tempdir().expect("a directory");
    let told = fleet(root.path(), &["--node", "gw-1", "--flows"]);
    assert_eq!((&told["entries"], &told["complete"]), (&4_000.into(), &true.into()));

    let levels: Vec<TableStatus> = rows(&told, "level");
    let limits = table.limits().expect("limits");
    assert_eq!((levels.len(), levels[0].entries), (1, Some(4_000)));
    assert_eq!(levels[0].max, limits.max.map(u64::from));
    assert!(levels[0].netns_inode.is_some() && levels[0].complete == Some(true));
    assert_eq!(
        levels[0].observed_at.map(|at| at.to_string()).as_deref(),
        told["observed_at"].as_str()
    );

    let scan = table.scan(&Rollup::query()).expect("a scan");
    let (at, netns_inode) = (levels[0].observed_at, levels[0].netns_inode);
    let seen = Origin { time: at, netns_inode, ..Origin::default() };
    let text = |rows: &[Rollup]| {
        let mut rows: Vec<_> = rows.iter().map(|row| row.csv().to_string()).collect();
        rows.sort();
        rows
    };
    assert_eq!(text(&rows(&told, "rollup")), text(&Rollup::of(&scan.report, &seen)));

    let query = Query::new().group_by([Field::Source, Field::State]).top(usize::MAX);
    let mut aggregator = Aggregator::new(&query);
    for record in rows::<Record>(&told, "flows") {
        let flow = Flow::try_from(&record).expect("an entry");
        aggregator.record_bytes(&flow.to_bytes()).expect("an entry");
    }
    let report: Report = aggregator.finish();
    assert_eq!(report, table.scan(&query).expect("a scan").report);

    // The same out of a file, and the name of the node from there.
    let capture = root.path().join("t.pcapng");
    let saved = command("snapshot").arg("save").arg(&capture).output().expect("a run");
    assert!(saved.status.success());
    let other = tempfile::tempdir().expect("a directory");
    let again = fleet(other.path(), &["--from", capture.to_str().expect("a path")]);
    let counts = |told: &Value| {
        let rows: Vec<Rollup> = rows(told, "rollup");
        rows.iter().map(|row| (row.src_prefix.clone(), row.flows)).collect::<Vec<_>>()
    };
    assert_eq!(counts(&again), counts(&told));
    assert_ne!(again["node"], "");

    // What does not say when or where is asked for it.
    let text = root.path().join("t.txt");
    std::fs::write(&text, command("list_flows").output().expect("a run").stdout).expect("a file");
    let of_text = |arguments: &[&str]| {
        let mut command = command("fleet");
        command.arg(other.path()).arg("--from").arg(&text).args(arguments);
        command.output().expect("a run")
    };
    for (arguments, missing) in [(&[][..], "--at"), (&["--at", "2026-01-02T03:04:05Z"], "--node")] {
        let output = of_text(arguments);
        assert_eq!(output.status.code(), Some(2));
        assert!(String::from_utf8_lossy(&output.stderr).contains(missing), "{output:?}");
    }
    let named = of_text(&["--at", "2026-01-02T03:04:05Z", "--node", "old"]);
    assert!(named.status.success(), "{named:?}");
    assert!(other.path().join("level/dt=2026-01-02/hour=03/node=old/part.parquet").exists());
    Ok(())
}

fn a_second_look_replaces_the_first() -> Result<(), Skip> {
    let mut table = table();
    fill(&mut table, &Population::new(500)).expect("room");
    let root = tempfile::tempdir().expect("a directory");
    let capture = root.path().join("t.pcapng");
    let saved = command("snapshot").arg("save").arg(&capture).output().expect("a run");
    assert!(saved.status.success());
    // Of one hour, whatever the time is now.
    let from = ["--from", capture.to_str().expect("a path"), "--at", "2026-01-02T03:04:05Z"];
    let of = |more: &[&str]| fleet(root.path(), &[&from[..], &["--node", "gw-1"], more].concat());
    let (first, second, third) = (of(&[]), of(&[]), of(&["--part", "again"]));
    assert_eq!(first["files"], second["files"]);
    assert_ne!(second["files"][0]["file"], third["files"][0]["file"]);
    let folder =
        Path::new(first["files"][1]["file"].as_str().expect("a path")).parent().expect("one");
    let mut names: Vec<_> = std::fs::read_dir(folder)
        .expect("a folder")
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("text"))
        .collect();
    names.sort();
    assert_eq!(names, ["again.parquet", "part.parquet"], "and nothing half-written");

    // One of another namespace stands beside it, and takes the place of its own alone.
    let mut facts = TableFacts::default();
    (facts.origin.netns_inode, facts.complete) = (Some(7), Some(true));
    let other = root.path().join("other.pcapng");
    let recorder = Recorder::new(File::create(&other).expect("a file"), &facts).expect("a file");
    recorder.finish(&facts).expect("written");
    let of_other = ["--from", other.to_str().expect("a path"), "--at", from[3], "--node", "gw-1"];
    for _ in 0..2 {
        let told = fleet(root.path(), &of_other);
        let file = told["files"][0]["file"].as_str().expect("a path");
        assert!(file.ends_with("/part-7.parquet"), "{file}");
        assert_eq!(rows::<TableStatus>(&first, "level")[0].entries, Some(500), "as it was");
    }

    // A file that is damaged, or none of ours, does not take the place of what is whole.
    let whole = std::fs::read(&capture).expect("a file");
    let from = [&from[..], &["--node", "gw-2"]].concat();
    let told = fleet(root.path(), &from);
    let part = told["files"][1]["file"].as_str().expect("a path").to_owned();
    let before = std::fs::read(&part).expect("a file");
    for (damaged, code) in [(&whole[..whole.len() / 2], 1), (b"nonsense\n", 1), (b"", 2)] {
        std::fs::write(&capture, damaged).expect("a file");
        let mut command = command("fleet");
        let output = command.arg(root.path()).args(&from).output().expect("a run");
        assert_eq!(output.status.code(), Some(code), "{output:?}");
        assert!(std::fs::read(&part).expect("a file") == before);
    }
    for wrong in [&["--part", "../x"][..], &["--at", "noon"], &["--from", "/no/such"]] {
        let output = command("fleet").arg(root.path()).args(wrong).output().expect("a run");
        assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{wrong:?}");
    }
    let nowhere = command("fleet").arg("/proc/no/such").output().expect("a run");
    assert_eq!(nowhere.status.code(), Some(2), "{nowhere:?}");
    Ok(())
}
