//! Captures of which each packet was cut: damaged, whoever reads them.

use serde_json::Value;

use crate::{frames, packets, path, pcap, run, text};

#[test]
fn a_capture_that_was_cut_is_damaged_whoever_reads_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let packets = packets(&frames(60));
    let (cut, whole) = (path(folder.path(), "cut.pcap"), path(folder.path(), "whole.pcap"));
    std::fs::write(&cut, pcap(&packets, 700)).expect("a file");
    std::fs::write(&whole, pcap(&packets, 262_144)).expect("a file");
    let target = |name: &str| path(folder.path(), name);
    let (ndjson, hidden, fleet) = (target("a.ndjson"), target("b.pcapng"), target("fleet"));
    let told = "packets were cut when they were captured (snaplen";
    for (example, arguments) in [
        ("snapshot", &["show", &cut][..]),
        ("snapshot", &["show", &cut, "--json"]),
        ("snapshot", &["convert", &cut, &ndjson]),
        ("snapshot", &["redact", &cut, &hidden]),
        ("snapshot", &["diff", &cut, &whole]),
        ("snapshot", &["diff", &whole, &cut]),
        ("top_sources", &["--from", &cut]),
        ("states", &["--from", &cut]),
        ("nat_ports", &["--from", &cut]),
        ("list_flows", &["--from", &cut]),
        ("fleet", &["--from", &cut, &fleet, "--node", "n", "--at", "2026-11-21T10:00:00Z"]),
    ] {
        let output = run(example, arguments);
        let errors = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{example} {arguments:?}: {errors}");
        assert!(errors.contains("error: ") && errors.contains(told), "{example}: {errors}");
        let whole: Vec<_> =
            arguments.iter().map(|word| if *word == cut { &*whole } else { word }).collect();
        if !["convert", "redact"].contains(&arguments[0]) {
            let output = run(example, &whole);
            assert!(output.status.success(), "{example} {whole:?}: {}", text(&output.stderr));
        }
    }
    // On the screen, in the document, and in what was made of it.
    let shown = text(&run("snapshot", &["show", &cut]).stdout);
    assert!(shown.contains("note") && shown.contains(told), "{shown}");
    let document = run("snapshot", &["show", &cut, "--json"]).stdout;
    let document: Value = serde_json::from_slice(&document).expect("JSON");
    assert_eq!(
        (&document["complete"], &document["read"]["complete"]),
        (&false.into(), &false.into())
    );
    assert_eq!(document["read"]["cut"], packets.len());
    let made = run("snapshot", &["show", &hidden, "--json"]);
    let made: Value = serde_json::from_slice(&made.stdout).expect("JSON");
    assert_eq!(made["complete"], false, "it says what it was made of: {made}");
    assert!(made["flows"].as_u64() < Some(60));
    // The files of a fleet are of whole tables.
    let level = path(std::path::Path::new(&fleet), "level");
    assert_eq!(std::fs::read_dir(&level).expect("of the whole one").count(), 1);
}
