//! Instructions per entry, of what a scan does to it: what a clock that drifts cannot measure.
//!
//! `cargo bench -p ctnetlink-benches --bench instructions` runs itself under valgrind's callgrind, once
//! with one pass over the same entries and once with three, so that what is left of the difference is two passes in a
//! steady state. Every case has a ceiling; beyond it the bench fails, and a change that is worth it
//! raises the ceiling. Where valgrind is missing it says so, and fails if
//! `CTNETLINK_REQUIRE_TOOLS=1`.

use std::hint::black_box;
use std::process::{Command, ExitCode, Stdio};

use ctnetlink::Query;
use ctnetlink::aggregate::{Aggregator, Measure};
use ctnetlink::field::Keys;
use ctnetlink::flow::FlowRef;
use ctnetlink::testing::{Frames, Population};

const ENTRIES: u64 = 20_000;

/// A name, what it does in so many passes, and how many instructions an entry may take: a tenth more
/// than it took on x86-64 with rustc 1.95.
type Case = (&'static str, fn(&Frames, u64), f64);

const CASES: [Case; 7] = [
    ("by protocol", |frames, passes| group(frames, passes, "protocol", Measure::Flows), 465.0),
    ("by source", |frames, passes| group(frames, passes, "source", Measure::Flows), 515.0),
    (
        "by state, protocol, source",
        |frames, passes| group(frames, passes, KEYS, Measure::Flows),
        650.0,
    ),
    ("the same, in bytes", |frames, passes| group(frames, passes, KEYS, Measure::Bytes), 770.0),
    ("the same, filtered", filtered, 1065.0),
    ("three queries", three, 1210.0),
    ("a FlowRef", flow_refs, 1210.0),
];

const KEYS: &str = "state,protocol,source";

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    match &arguments[..] {
        [case, passes] => {
            let (index, passes): (usize, u64) =
                (case.parse().expect("a case"), passes.parse().expect("a number"));
            let frames = Frames::of(&Population::new(ENTRIES));
            (CASES[index].1)(&frames, passes);
            ExitCode::SUCCESS
        }
        [] => measure(),
        // `cargo test --workspace --benches`, or criterion's arguments for all of them.
        _ => ExitCode::SUCCESS,
    }
}

fn measure() -> ExitCode {
    if Command::new("valgrind").arg("--version").output().is_err() {
        println!("instructions: not run: valgrind is not installed");
        let required = std::env::var_os("CTNETLINK_REQUIRE_TOOLS").is_some();
        return if required { ExitCode::FAILURE } else { ExitCode::SUCCESS };
    }
    let mut too_many = false;
    println!("{:<30}{:>14}{:>10}", "", "instructions", "ceiling");
    for (index, (name, _, ceiling)) in CASES.iter().enumerate() {
        let more = counted(index, 3) - counted(index, 1);
        let each = more as f64 / (2 * ENTRIES) as f64;
        let verdict = if each > *ceiling { "  TOO MANY" } else { "" };
        println!("{name:<30}{each:>14.0}{ceiling:>10.0}{verdict}");
        too_many |= each > *ceiling;
    }
    if too_many { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// The instructions of a run by itself with this case and so many passes.
fn counted(case: usize, passes: u64) -> u64 {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(std::env::current_exe().expect("this program"))
        .args([case.to_string(), passes.to_string()])
        .stdout(Stdio::null())
        .output()
        .expect("a run");
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
    let collected = text.lines().find_map(|line| line.split_once("Collected : "));
    let (_, number) = collected.expect("a count");
    number.trim().parse().expect("a number")
}

fn query(keys: &str) -> Query {
    Query::new().group_by(keys.parse::<Keys>().expect("keys"))
}

fn run(frames: &Frames, passes: u64, queries: &[Query]) {
    let mut aggregator = Aggregator::of(queries);
    for _ in 0..passes {
        for entry in frames.entries() {
            aggregator.record_bytes(entry).expect("a whole entry");
        }
    }
    black_box(aggregator);
}

fn group(frames: &Frames, passes: u64, keys: &str, measure: Measure) {
    run(frames, passes, &[query(keys).measure(measure)]);
}

fn filtered(frames: &Frames, passes: u64) {
    run(frames, passes, &[query(KEYS).filter("proto=tcp !assured".parse().expect("a filter"))]);
}

fn three(frames: &Frames, passes: u64) {
    run(frames, passes, &[query("source"), query("destination,dport"), query("protocol,state")]);
}

fn flow_refs(frames: &Frames, passes: u64) {
    for _ in 0..passes {
        for entry in frames.entries() {
            black_box(FlowRef::parse(entry).expect("a whole entry"));
        }
    }
}
