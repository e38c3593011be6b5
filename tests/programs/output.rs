//! What is written: named where it cannot be, and whole or not there.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use crate::{command, frames, packets, path, pcap};

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_behind_the_standard_output_is_named() {
    let full = std::fs::File::options().write(true).open("/dev/full").expect("Linux has it");
    let folder = tempfile::tempdir().expect("a folder");
    let file = path(folder.path(), "table.pcap");
    std::fs::write(&file, pcap(&packets(&frames(2_000)), 262_144)).expect("a file");
    for (example, arguments) in [
        ("top_sources", &["--from", &file][..]),
        ("top_sources", &["--from", &file, "--json"]),
        ("states", &["--from", &file]),
        ("nat_ports", &["--from", &file]),
        ("list_flows", &["--from", &file]),
        ("list_flows", &["--from", &file, "-o", "json"]),
        ("list_flows", &["--from", &file, "-o", "csv"]),
        ("snapshot", &["show", &file]),
        ("snapshot", &["diff", &file, &file]),
        ("snapshot", &["convert", &file, "-", "--as", "ndjson"]),
        ("snapshot", &["convert", &file, "-", "--as", "pcapng"]),
        ("snapshot", &["convert", &file, "-", "--as", "parquet"]),
        ("persist", &["audit", "--root", folder.path().to_str().expect("text")]),
    ] {
        let out = full.try_clone().expect("a file");
        let output = command(example).args(arguments).stdout(out).output().expect("a run");
        let errors = crate::text(&output.stderr);
        let told = errors.contains("error: standard output: No space left on device");
        assert!(told && errors.lines().count() == 1, "{example} {arguments:?}: {errors}");
        assert_eq!(output.status.code(), Some(1), "{example} {arguments:?}");
    }
}

/// Files below a folder whose names begin with a dot.
fn hidden(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(hidden(&path));
        } else if entry.file_name().as_encoded_bytes().starts_with(b".") {
            found.push(path);
        }
    }
    found
}

/// A run that has got the first half of its input, and has begun its file.
fn half_way(example: &str, arguments: &[&str], input: &[u8], folder: &Path) -> Child {
    let mut child = command(example)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("a run");
    let pipe = child.stdin.as_mut().expect("a pipe");
    pipe.write_all(&input[..input.len() / 2]).expect("written");
    let start = Instant::now();
    while hidden(folder).is_empty() {
        assert!(start.elapsed() < Duration::from_secs(120), "no file was begun");
        std::thread::sleep(Duration::from_millis(10));
    }
    child
}

#[test]
fn what_a_killed_run_has_left_is_cleared_by_the_next() {
    let input = pcap(&packets(&frames(20_000)), 262_144);
    for example in ["snapshot", "fleet"] {
        let folder = tempfile::tempdir().expect("a folder");
        let target = path(folder.path(), "table.ndjson");
        let root = folder.path().to_str().expect("text");
        let arguments = match example {
            "snapshot" => vec!["convert", "-", &target],
            _ => {
                vec!["--from", "-", root, "--flows", "--node", "n", "--at", "2026-11-21T10:00:00Z"]
            }
        };
        let mut child = half_way(example, &arguments, &input, folder.path());
        child.kill().expect("killed");
        child.wait().expect("its end");
        assert_eq!(hidden(folder.path()).len(), 1, "{example}: a kill leaves it");
        // The file of one that is alive stays; that of the dead one goes.
        let mut alive = half_way(example, &arguments, &input, folder.path());
        let other = hidden(folder.path());
        assert_eq!(other.len(), 1, "{example}: {other:?}");
        let mut last = half_way(example, &arguments, &input, folder.path());
        last.stdin.take().expect("a pipe").write_all(&input[input.len() / 2..]).expect("written");
        assert!(last.wait().expect("its end").success(), "{example}");
        assert_eq!(hidden(folder.path()), other, "{example}");
        alive.kill().expect("killed");
        alive.wait().expect("its end");
    }
}

/// What `--demo` names where it cannot make a table of its own.
#[test]
fn the_sample_capture_shows_something() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/sample.pcapng");
    for example in ["top_sources", "states", "nat_ports", "list_flows"] {
        let output = crate::run(example, &["--from", file, "--json"]);
        assert!(output.status.success(), "{example}: {}", crate::text(&output.stderr));
        assert!(!output.stdout.is_empty(), "{example}");
    }
    let output = crate::run("top_sources", &["--from", file, "--json"]);
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!((&document["flows"], &document["complete"]), (&1000.into(), &true.into()));
}
