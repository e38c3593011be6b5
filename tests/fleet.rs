//! The queries of docs/fleet.md, on DuckDB, against what the nodes' own counts add up to.
//!
//! Twenty made-up nodes write an hour of everything, and an hour later most of them the roll-up again. With
//! `CTNETLINK_FLEET_FLOWS` each has that many flows; CI takes 250,000.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, LazyLock, Mutex};

use ctnetlink::Query;
use ctnetlink::aggregate::{Aggregator, Report};
use ctnetlink::field::Keys;
use ctnetlink::files::TableFacts;
use ctnetlink::files::parquet::{Partition, Writer};
use ctnetlink::files::rows::{Record, Rollup, Row, TableStatus};
use ctnetlink::flow::FlowRef;
use ctnetlink::origin::{Origin, Timestamp};
use ctnetlink::testing::{Frames, Population};
use libtest_mimic::{Arguments, Completion, Failed, Trial};
use serde_json::{Value, json};

const NODES: u64 = 20;

/// Those that are silent in the second hour.
const SILENT: [u64; 2] = [3, 17];

fn main() {
    let arguments = Arguments::from_args();
    let blocks = queries(include_str!("../docs/fleet.md"));
    let mut trials = vec![Trial::test("every_query_of_the_page_is_run", {
        let names: Vec<_> = blocks.keys().cloned().collect();
        move || {
            let known: Vec<_> = ANSWERS.iter().map(|(name, _)| (*name).to_owned()).collect();
            if sorted(known) == names { Ok(()) } else { Err(format!("{names:?}").into()) }
        }
    })];
    for (name, answer) in ANSWERS {
        let Some(sql) = blocks.get(*name).cloned() else { continue };
        let test = move || match &*PYTHON {
            Ok(python) => compare(python, &sql, *answer).map(|()| Completion::Completed),
            Err(reason) if std::env::var_os("CTNETLINK_REQUIRE_TOOLS").is_some() => {
                Err(reason.into())
            }
            Err(reason) => Ok(Completion::ignored_with(reason)),
        };
        trials.push(Trial::ignorable_test(name.to_lowercase().replace(' ', "_"), test));
    }
    libtest_mimic::run(&arguments, trials).exit();
}

fn sorted(mut names: Vec<String>) -> Vec<String> {
    names.sort();
    names
}

/// The SQL under each heading.
fn queries(page: &str) -> BTreeMap<String, String> {
    let sections = page.split("\n### ").skip(1);
    let block = |section: &str| {
        let name = section.lines().next()?.to_owned();
        let sql = section.split("```sql\n").nth(1)?.split("```").next()?.to_owned();
        Some((name, sql))
    };
    sections.filter_map(block).collect()
}

/// A Python that has DuckDB.
static PYTHON: LazyLock<Result<PathBuf, String>> = LazyLock::new(|| {
    let python = std::env::var_os("CTNETLINK_DUCKDB_PYTHON");
    let python = python.map_or_else(|| PathBuf::from("python3"), PathBuf::from);
    let found = Command::new(&python).args(["-c", "import duckdb"]).stderr(Stdio::null()).status();
    match found {
        Ok(status) if status.success() => Ok(python),
        _ => Err(format!("{} has no DuckDB (pip install duckdb)", python.display())),
    }
});

/// Runs a query on the fleet's files, and gives its rows.
fn ask(python: &Path, sql: &str) -> Vec<Vec<Value>> {
    const PROGRAM: &str = "
import duckdb, json, sys
duckdb.sql(\"SET TimeZone = 'UTC'\")
rows = duckdb.sql(sys.argv[1]).fetchall()
plain = lambda value: value if isinstance(value, (int, float, str, type(None))) else str(value)
print(json.dumps([[plain(value) for value in row] for row in rows]))
";
    let output = Command::new(python)
        .args(["-c", PROGRAM, sql])
        .current_dir(FLEET.root.path())
        .output()
        .expect("a run");
    assert!(output.status.success(), "{sql}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("rows")
}

type Answer = fn(&Fleet) -> Vec<Vec<Value>>;

fn compare(python: &Path, sql: &str, answer: Answer) -> Result<(), Failed> {
    let (found, expected) = (ask(python, sql), answer(&FLEET));
    if expected.is_empty() {
        return Err("nothing is expected: that is no test".into());
    }
    if found == expected { Ok(()) } else { Err(format!("{found:?}\n{expected:?}").into()) }
}

/// What the queries should say, from the nodes' own counts.
const ANSWERS: &[(&str, Answer)] = &[
    ("Sources over the fleet", |fleet| {
        let nodes = |key: &str| fleet.nodes_with(NETWORKS, key);
        top(&fleet.merged(NETWORKS), |key, flows| vec![json!(key), json!(flows), json!(nodes(key))])
    }),
    ("Addresses over the fleet", |fleet| {
        let nodes = |key: &str| fleet.nodes_with(SOURCES, key);
        top(&fleet.merged(SOURCES), |key, flows| vec![json!(key), json!(flows), json!(nodes(key))])
    }),
    ("Nodes near full", |fleet| {
        let near = (0..NODES).filter(|&node| fleet.flows * 10 >= max(node, fleet.flows) * 9);
        let percent = |node| fleet.flows as f64 * 1000.0 / max(node, fleet.flows) as f64;
        let row = |node: u64| {
            let percent = percent(node).round() / 10.0;
            vec![
                json!(name(node)),
                json!(fleet.flows),
                json!(max(node, fleet.flows)),
                json!(percent),
            ]
        };
        near.map(row).collect()
    }),
    ("One source over many nodes", |fleet| {
        let mut rows = Vec::new();
        for (node, reports) in fleet.reports.iter().enumerate() {
            for row in reports[ONE].rows() {
                let (state, port) = (row.key[0].to_string(), row.key[1].to_string());
                rows.push((row.flows, name(node as u64), state, port.parse::<u16>().ok()));
            }
        }
        // Ports that are not there come last.
        rows.sort_by_key(|(flows, node, state, port)| {
            (u64::MAX - flows, node.clone(), state.clone(), port.is_none(), *port)
        });
        rows.truncate(10);
        let row =
            |(flows, node, state, port)| vec![json!(node), json!(state), json!(port), json!(flows)];
        rows.into_iter().map(row).collect()
    }),
    ("Growth by hour", |fleet| {
        let (first, second) = (fleet.flows * NODES, fleet.later * (NODES - 2));
        let growth = second as i64 - first as i64;
        vec![
            vec![json!(10), json!(first), Value::Null],
            vec![json!(11), json!(second), json!(growth)],
        ]
    }),
    ("What has grown", |fleet| {
        let (before, after) = (fleet.merged(NETWORKS), &fleet.networks_later);
        let growth = |key: &String| {
            let count = |all: &BTreeMap<String, u64>| all.get(key).copied().unwrap_or(0) as i64;
            count(after) - count(&before)
        };
        let mut keys: Vec<_> = before.keys().chain(after.keys()).cloned().collect();
        keys.sort_by_key(|key| (-growth(key), key.clone()));
        keys.dedup();
        keys.truncate(10);
        let row = |key: &String| vec![json!(key), json!(after.get(key)), json!(growth(key))];
        keys.iter().map(row).collect()
    }),
    ("States over the fleet", |fleet| {
        let mut rows: Vec<_> = fleet.merged(STATES).into_iter().collect();
        let number = |key: &str| {
            let protocol = key.split(' ').next().expect("a protocol");
            NUMBERS.iter().find(|(name, _)| *name == protocol).expect("a known one").1
        };
        let state = |key: &str| key.split(' ').nth(1).expect("a state").to_owned();
        rows.sort_by_key(|(key, flows)| (u64::MAX - flows, number(key), state(key)));
        let row = |(key, flows): &(String, u64)| {
            vec![json!(number(key)), json!(state(key)), json!(flows)]
        };
        rows.iter().map(row).collect()
    }),
    ("Nodes that have not reported", |_| {
        let row = |node| vec![json!(name(node)), json!("2026-11-21 10:00:00+00")];
        SILENT.into_iter().map(row).collect()
    }),
];

const NUMBERS: [(&str, u8); 8] = [
    ("icmp", 1),
    ("tcp", 6),
    ("udp", 17),
    ("gre", 47),
    ("50", 50),
    ("icmpv6", 58),
    ("sctp", 132),
    ("udplite", 136),
];

/// The ten with most flows, and those of as many in the order of their names.
fn top(all: &BTreeMap<String, u64>, row: impl Fn(&str, u64) -> Vec<Value>) -> Vec<Vec<Value>> {
    let mut rows: Vec<_> = all.iter().collect();
    rows.sort_by_key(|(key, flows)| (u64::MAX - **flows, *key));
    rows.into_iter().take(10).map(|(key, flows)| row(key, *flows)).collect()
}

struct Fleet {
    root: tempfile::TempDir,
    /// Of each node in each hour.
    flows: u64,
    later: u64,
    /// Answers of each node in the first hour.
    reports: Vec<Vec<Report>>,
    networks_later: BTreeMap<String, u64>,
}

// The places of the answers.
const SOURCES: usize = 0;
const NETWORKS: usize = 1;
const STATES: usize = 2;
const ONE: usize = 3;

fn own_queries() -> Vec<Query> {
    let by =
        |keys: &str| Query::new().group_by(keys.parse::<Keys>().expect("keys")).top(usize::MAX);
    let one = by("state,dport").filter("src=10.0.0.1".parse().expect("a filter"));
    vec![by("source"), by("source/24"), by("protocol,state"), one]
}

fn name(node: u64) -> String {
    format!("gw-{node:02}")
}

/// Every fourth node is nearly full, each at another level.
fn max(node: u64, flows: u64) -> u64 {
    if node.is_multiple_of(4) { flows * 1000 / (980 - node) } else { flows * 3 }
}

impl Fleet {
    /// What the answers of all nodes add up to.
    fn merged(&self, query: usize) -> BTreeMap<String, u64> {
        let mut all = BTreeMap::new();
        for row in self.reports.iter().flat_map(|reports| reports[query].rows()) {
            *all.entry(row.to_string()).or_default() += row.flows;
        }
        all
    }

    fn nodes_with(&self, query: usize, key: &str) -> usize {
        let has =
            |reports: &&Vec<Report>| reports[query].rows().iter().any(|row| row.to_string() == key);
        self.reports.iter().filter(has).count()
    }
}

static FLEET: LazyLock<Fleet> = LazyLock::new(|| {
    let flows = std::env::var("CTNETLINK_FLEET_FLOWS").ok();
    let flows: u64 = flows.map_or(4_000, |flows| flows.parse().expect("a number"));
    let later = flows / 3;
    let root = tempfile::tempdir().expect("a directory");
    let reports = Mutex::new(BTreeMap::new());
    let networks_later = Mutex::new(BTreeMap::new());
    let next = Arc::new(std::sync::atomic::AtomicU64::new(0));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                loop {
                    let node = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    if node >= NODES {
                        break;
                    }
                    let found = first_hour(root.path(), node, flows);
                    reports.lock().expect("whole").insert(node, found);
                    if !SILENT.contains(&node) {
                        let mut all = networks_later.lock().expect("whole");
                        for row in second_hour(root.path(), node, later).rows() {
                            *all.entry(row.to_string()).or_default() += row.flows;
                        }
                    }
                }
            });
        }
    });
    let reports = reports.into_inner().expect("whole").into_values().collect();
    let networks_later = networks_later.into_inner().expect("whole");
    Fleet { root, flows, later, reports, networks_later }
});

fn seen(node: u64, hour: u8) -> Origin {
    let at = format!("2026-11-21T{hour:02}:00:00Z").parse::<Timestamp>().expect("a moment");
    Origin {
        time: Some(at),
        node: Some(name(node)),
        netns_inode: Some(4_026_531_840),
        ..Origin::default()
    }
}

fn write<R: Row>(root: &Path, table: &str, seen: &Origin, rows: impl IntoIterator<Item = R>) {
    let partition = Partition::of(seen).expect("where and when");
    let file = partition.create(&root.join(table), "part").expect("a file");
    let mut writer = Writer::partitioned(file).expect("a file");
    rows.into_iter().for_each(|row| writer.push(row).expect("written"));
    writer.finish().expect("written").finish().expect("in place");
}

fn level(seen: &Origin, node: u64, entries: u64, flows: u64) -> TableStatus {
    let mut level = TableStatus::of(&TableFacts::of(seen.clone()));
    (level.entries, level.max) = (Some(entries), Some(max(node, flows)));
    level
}

/// A node's own answers, and its files.
fn first_hour(root: &Path, node: u64, flows: u64) -> Vec<Report> {
    let seen = seen(node, 10);
    let sources = 3_000 + 100 * u32::try_from(node).expect("few");
    let frames = Frames::of(&Population::new(flows).sources(sources).seed(node));
    let mut queries = own_queries();
    queries.push(Rollup::query());
    let mut aggregator = Aggregator::of(&queries);
    frames.entries().for_each(|entry| aggregator.record_bytes(entry).expect("an entry"));
    let mut reports = aggregator.finish_all();
    let rollup = reports.pop().expect("the last");
    assert_eq!(rollup.flows(), flows);
    write(root, "level", &seen, [level(&seen, node, flows, flows)]);
    write(root, "rollup", &seen, Rollup::of(&rollup, &seen));
    let record = |entry| Record::from(&FlowRef::parse(entry).expect("an entry")).observed(&seen);
    write(root, "flows", &seen, frames.entries().map(record));
    reports
}

fn second_hour(root: &Path, node: u64, flows: u64) -> Report {
    let seen = seen(node, 11);
    // Fewer, but some networks that have not been there.
    let frames = Frames::of(&Population::new(flows).sources(9_000).uniform().seed(100 + node));
    let mut aggregator = Aggregator::of(&[own_queries().swap_remove(NETWORKS), Rollup::query()]);
    frames.entries().for_each(|entry| aggregator.record_bytes(entry).expect("an entry"));
    let mut reports = aggregator.finish_all();
    let rollup = reports.pop().expect("the last");
    write(root, "level", &seen, [level(&seen, node, flows, flows * 3)]);
    write(root, "rollup", &seen, Rollup::of(&rollup, &seen));
    reports.pop().expect("the first")
}
