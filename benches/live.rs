//! The kernel's table, against the floor and against the tools people have.
//!
//! In a private namespace with 250,000 entries the contenders take turns, round after round, and
//! what is printed is each one's median, and the median of its ratios to the floor of the same
//! round: the clock of a shared machine drifts, but little within a round. The floor receives a
//! dump and looks at nothing. Criterion then times what is ours by itself, to compare runs of
//! different days.
//!
//! `cargo bench -p ctnetlink-benches --bench live` runs it. Settings are environment variables, since
//! criterion reads the arguments: `LIVE_ENTRIES`, `LIVE_ROUNDS`, `LIVE_ACCOUNTING=1` for entries with
//! counters, and `LIVE_TABLE`: `busy`, a `flood`, one of which half are assured (`even`), or all entries `alike`.

use std::ops::ControlFlow;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput};
use ctnetlink::field::Keys;
use ctnetlink::flow::{Family, Status};
use ctnetlink::testing::{Population, create, enter_private_namespace, fill};
use ctnetlink::{Conntrack, DumpOptions, Query, Scan, ScanOptions};
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_NETFILTER};

/// A contender returns how many entries it saw, or `None` where its program is not installed.
type Contender = (&'static str, fn() -> Option<u64>);

const CONTENDERS: [Contender; 10] = [
    ("drain a dump, look at nothing (the floor)", floor),
    ("scan: group by source", || Some(scan("source"))),
    ("scan: group by state, protocol, source", || Some(scan(KEYS))),
    ("scan_with 2 threads: the same", || Some(parallel())),
    ("scan_with a sample: the same, of 10,000 entries", sample),
    ("dump: a FlowRef of each entry", flow_refs),
    ("dump: an owned Flow of each entry", owned_flows),
    ("awk count over /proc/net/nf_conntrack", || shell("", "cat /proc/net/nf_conntrack")),
    ("conntrack -L >/dev/null", || shell("conntrack", "conntrack -L 2>/dev/null >/dev/null")),
    ("conntrack -L -o extended | awk count", || {
        shell("conntrack", "conntrack -L -o extended 2>/dev/null")
    }),
];

/// What it is counted by.
const KEYS: &str = "state,protocol,source";

/// These have nothing to count by.
const UNCOUNTED: [&str; 3] = [CONTENDERS[0].0, CONTENDERS[4].0, CONTENDERS[8].0];

fn main() {
    let testing = std::env::args().any(|arg| arg == "--test");
    let setting = |name: &str, default| {
        std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
    };
    let entries = setting("LIVE_ENTRIES", if testing { 1_000 } else { 250_000 });
    let rounds = setting("LIVE_ROUNDS", if testing { 1 } else { 9 });

    if let Err(error) = enter_private_namespace() {
        println!("live: not run: {error}");
        return;
    }
    if setting("LIVE_ACCOUNTING", 0) != 0 {
        std::fs::write("/proc/sys/net/netfilter/nf_conntrack_acct", "1").expect("accounting on");
    }
    let mut table = Conntrack::open().expect("a table");
    let busy = Population::new(entries);
    match std::env::var("LIVE_TABLE").as_deref() {
        Err(_) | Ok("busy") => fill(&mut table, &busy).expect("room in the table"),
        Ok("flood") => fill(&mut table, &Population::flood(entries)).expect("room in the table"),
        Ok(kind) => {
            // What a parallel scan likes best, and what it likes least.
            let assured = |index: usize| match kind {
                "even" => index.is_multiple_of(2),
                "alike" => true,
                _ => panic!("LIVE_TABLE is busy, flood, even or alike"),
            };
            let flows = busy.only(Family::Ipv4).flows().enumerate().map(|(index, mut flow)| {
                flow.status.set(Status::ASSURED, assured(index));
                flow.status |= Status::SEEN_REPLY;
                (flow.mark, flow.zone) = (None, None);
                flow.reply = flow.original.inverse();
                flow
            });
            create(&mut table, flows).expect("room in the table");
        }
    }

    compare(entries, rounds);
    if !testing {
        track(entries);
    }
}

fn compare(entries: u64, rounds: u64) {
    let mut times: Vec<Vec<Duration>> = vec![Vec::new(); CONTENDERS.len()];
    for round in 0..=rounds {
        for ((name, contender), times) in CONTENDERS.iter().zip(&mut times) {
            let start = Instant::now();
            let Some(seen) = contender() else { continue };
            let elapsed = start.elapsed();
            assert!(seen == entries || UNCOUNTED.contains(name), "{name}: saw {seen}");
            if round > 0 {
                times.push(elapsed); // the first round warms up
            }
        }
    }
    println!("{entries} entries, median of {rounds} interleaved rounds");
    println!("{:<45}{:>9}{:>10}{:>16}", "", "ms", "ns/entry", "ratio to floor");
    let floor = times.first().cloned().unwrap_or_default();
    for ((name, _), times) in CONTENDERS.iter().zip(times) {
        if times.is_empty() {
            println!("{name:<45}{:>9}", "not run");
            continue;
        }
        let ratios = times.iter().zip(&floor).map(|(time, floor)| time.div_duration_f64(*floor));
        let ratio = median(ratios.collect());
        let seconds = median(times.iter().map(Duration::as_secs_f64).collect());
        let per_entry = seconds * 1e9 / entries as f64;
        println!("{name:<45}{:>9.1}{per_entry:>10.0}{ratio:>16.3}", seconds * 1e3);
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn track(entries: u64) {
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("live");
    group.throughput(Throughput::Elements(entries)).sample_size(10);
    group.bench_function("floor", |bencher| bencher.iter(floor));
    group.bench_function("scan", |bencher| bencher.iter(|| scan(KEYS)));
    group.finish();
    criterion.final_summary();
}

/// Receives a dump as fast as it comes, and looks at nothing but the end.
fn floor() -> Option<u64> {
    const DONE: [u8; 2] = 3_u16.to_ne_bytes();
    let mut request = 20_u32.to_ne_bytes().to_vec();
    request.extend(0x0101_u16.to_ne_bytes()); // conntrack, get
    request.extend(0x0301_u16.to_ne_bytes()); // request, dump
    request.resize(20, 0);
    let mut socket = Socket::new(NETLINK_NETFILTER).expect("a socket");
    socket.bind_auto().expect("a port");
    socket.send_to(&request, &SocketAddr::new(0, 0), 0).expect("a request sent");
    let mut buffer = vec![0; 32 * 1024];
    loop {
        socket.recv(&mut &mut buffer[..], 0).expect("a datagram");
        if buffer[4..6] == DONE {
            return Some(0);
        }
    }
}

fn query(keys: &str) -> Query {
    Query::new().group_by(keys.parse::<Keys>().expect("keys"))
}

fn scan(keys: &str) -> u64 {
    let mut table = Conntrack::open().expect("a table");
    table.scan(&query(keys)).expect("a scan").report.flows()
}

fn scan_with(options: &ScanOptions<'_>) -> Scan {
    let mut table = Conntrack::open().expect("a table");
    table.scan_with(&query(KEYS), options).expect("a scan")
}

fn parallel() -> u64 {
    scan_with(&ScanOptions::new().threads(2)).report.flows()
}

fn sample() -> Option<u64> {
    Some(scan_with(&ScanOptions::new().sample(10_000)).estimate().report.seen())
}

fn flow_refs() -> Option<u64> {
    let mut seen = 0;
    let mut table = Conntrack::open().expect("a table");
    let dump = table.dump(DumpOptions::new()).expect("a dump");
    dump.for_each(|_| {
        seen += 1;
        ControlFlow::Continue(())
    })
    .expect("its end");
    Some(seen)
}

fn owned_flows() -> Option<u64> {
    let mut table = Conntrack::open().expect("a table");
    let flows: Vec<_> = table.dump(DumpOptions::new()).expect("a dump").flows().collect();
    Some(flows.len() as u64)
}

/// Counts by state, protocol and source what `list` prints, with awk; 0 where it prints nothing.
fn shell(program: &str, list: &str) -> Option<u64> {
    const PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin";
    let there =
        |name: &str| PATH.split(':').any(|dir| std::path::Path::new(dir).join(name).exists());
    if !there("awk") || !(program.is_empty() || there(program)) {
        return None;
    }
    let count = "{ n[$3 $6 $7]++ } END { for (k in n) s += n[k]; print s + 0 }";
    let output = Command::new("/bin/sh")
        .args(["-c", &format!("{list} | awk '{count}'")])
        .env("PATH", PATH)
        .stderr(Stdio::null())
        .output()
        .ok()?;
    String::from_utf8_lossy(&output.stdout).trim().parse().ok()
}
