//! 50,000 entries deleted out of 100,000: by a plan, by one request each without a look before, one
//! entry at a time, and by `conntrack -D`.
//!
//! In a private namespace the contenders take turns, each on the same table made anew; what is
//! printed is each one's median of processor time, and the median of its ratios to the plan's of
//! the same round.
//!
//! `cargo bench -p ctnetlink-benches --bench delete` runs it; `DELETE_ENTRIES` and `DELETE_ROUNDS`
//! are settings.

use std::process::Command;
use std::time::Duration;

use ctnetlink::flow::{Flow, Protocol, Status, Tuple};
use ctnetlink::testing::{Population, create, enter_private_namespace, fill};
use ctnetlink::{Conntrack, Deleted, DumpOptions, Filter};
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_NETFILTER};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;

/// What one takes, or `None` where its program is not installed.
type Contender = (&'static str, fn(&mut Conntrack) -> Option<Duration>);

const CONTENDERS: [Contender; 5] = [
    ("a plan, executed", planned),
    ("the same without a second look", without_a_look),
    ("one entry at a time", one_by_one),
    ("a plan, made and executed", made_and_executed),
    ("conntrack -D", conntrack),
];

const DOOMED: &str = "proto=udp dport=9999";

fn main() {
    let testing = std::env::args().any(|arg| arg == "--test");
    let setting = |name: &str, default| {
        std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
    };
    let entries = setting("DELETE_ENTRIES", if testing { 500 } else { 50_000 });
    let rounds = setting("DELETE_ROUNDS", if testing { 1 } else { 11 });
    if let Err(error) = enter_private_namespace() {
        println!("delete: not run: {error}");
        return;
    }
    let mut table = Conntrack::open().expect("a table");
    let mut times: Vec<Vec<Duration>> = vec![Vec::new(); CONTENDERS.len()];
    for round in 0..=rounds {
        for ((name, contender), times) in CONTENDERS.iter().zip(&mut times) {
            table.flush().expect("an empty table");
            fill(&mut table, &Population::new(entries)).expect("room for bystanders");
            create(&mut table, (0..entries).map(doomed)).expect("room");
            let Some(time) = contender(&mut table) else { continue };
            assert_eq!(u64::from(table.count().expect("a count")), entries, "{name}");
            if round > 0 {
                times.push(time); // the first round warms up
            }
        }
    }
    println!("{entries} of {} entries, median of {rounds} interleaved rounds", 2 * entries);
    println!("{:<40}{:>9}{:>10}{:>15}", "", "ms", "ns/entry", "ratio to plan");
    let plan = times.first().cloned().unwrap_or_default();
    for ((name, _), times) in CONTENDERS.iter().zip(times) {
        if times.is_empty() {
            println!("{name:<40}{:>9}", "not run");
            continue;
        }
        let ratios = times.iter().zip(&plan).map(|(time, plan)| time.div_duration_f64(*plan));
        let ratio = median(ratios.collect());
        let seconds = median(times.iter().map(Duration::as_secs_f64).collect());
        let per_entry = seconds * 1e9 / entries as f64;
        println!("{name:<40}{:>9.1}{per_entry:>10.0}{ratio:>15.2}", seconds * 1e3);
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn doomed(number: u64) -> Flow {
    let bytes = (number as u32 / 50_000).to_be_bytes();
    let source = ([172, 16, bytes[2], bytes[3]].into(), (1024 + number % 50_000) as u16);
    let original = Tuple::with_ports(Protocol::UDP, source, ([192, 0, 2, 1].into(), 9999));
    let mut flow = Flow::new(original, original.inverse());
    flow.status = Status::CONFIRMED | Status::SEEN_REPLY | Status::ASSURED;
    flow.timeout = Some(Duration::from_secs(3600));
    flow
}

fn filter() -> Filter {
    DOOMED.parse().expect("a filter")
}

/// What this thread, or programs it has run, have used of a processor so far.
fn used(by: UsageWho) -> Duration {
    let used = getrusage(by).expect("an account");
    let of = |time: TimeVal| Duration::new(time.tv_sec() as u64, time.tv_usec() as u32 * 1000);
    of(used.user_time()) + of(used.system_time())
}

fn measured<T>(by: UsageWho, work: impl FnOnce() -> T) -> (Duration, T) {
    let start = used(by);
    let done = work();
    (used(by) - start, done)
}

fn planned(table: &mut Conntrack) -> Option<Duration> {
    let plan = table.delete_plan(&filter()).expect("a plan").max(u64::MAX);
    let (time, report) = measured(UsageWho::RUSAGE_THREAD, || plan.execute().expect("a report"));
    assert_eq!(report.deleted, report.matched);
    Some(time)
}

/// By tuple, zone and id, 128 to a send, with an answer to the last: as lean as it gets, and blind
/// to entries that came later and got their predecessor's id.
fn without_a_look(table: &mut Conntrack) -> Option<Duration> {
    const BATCH: usize = 128;
    let dump = table.dump(DumpOptions::new().filter(filter())).expect("a dump");
    let flows: Vec<Flow> = dump.flows().collect::<Result<_, _>>().expect("every entry");
    let mut socket = Socket::new(NETLINK_NETFILTER).expect("a socket");
    socket.bind_auto().expect("an address");
    let kernel = SocketAddr::new(0, 0);
    let (mut buffer, mut answer) = (Vec::new(), Vec::with_capacity(4096));
    let (time, ()) = measured(UsageWho::RUSAGE_THREAD, || {
        for flows in flows.chunks(BATCH) {
            buffer.clear();
            for (index, flow) in flows.iter().enumerate() {
                let last = if index + 1 == flows.len() { 0x4 } else { 0 };
                write_delete(&mut buffer, flow, 0x1 | last);
            }
            socket.send_to(&buffer, &kernel, 0).expect("sent");
            answer.clear();
            socket.recv_from(&mut answer, 0).expect("an answer");
            assert_eq!(answer[16..20], [0; 4], "no error");
        }
    });
    Some(time)
}

fn write_delete(buffer: &mut Vec<u8>, flow: &Flow, flags: u16) {
    fn put(buffer: &mut Vec<u8>, kind: u16, payload: &[u8]) {
        buffer.extend((4 + payload.len() as u16).to_ne_bytes());
        buffer.extend(kind.to_ne_bytes());
        buffer.extend(payload);
        buffer.resize(buffer.len().next_multiple_of(4), 0);
    }
    fn nest(buffer: &mut Vec<u8>, kind: u16, inside: impl FnOnce(&mut Vec<u8>)) {
        let start = buffer.len();
        put(buffer, kind | 0x8000, &[]);
        inside(buffer);
        let length = (buffer.len() - start) as u16;
        buffer[start..start + 2].copy_from_slice(&length.to_ne_bytes());
    }
    let octets = |address| match address {
        std::net::IpAddr::V4(address) => address.octets(),
        std::net::IpAddr::V6(_) => unreachable!("the doomed are of IPv4"),
    };
    let tuple = &flow.original;
    let ports = [tuple.endpoints.source_port(), tuple.endpoints.destination_port()];
    let start = buffer.len();
    buffer.extend([0; 4]);
    buffer.extend([2, 1]); // a delete, of conntrack
    buffer.extend(flags.to_ne_bytes());
    buffer.extend([0; 8]);
    buffer.extend([2, 0, 0, 0]);
    nest(buffer, 1, |buffer| {
        nest(buffer, 1, |buffer| {
            put(buffer, 1, &octets(tuple.source));
            put(buffer, 2, &octets(tuple.destination));
        });
        nest(buffer, 2, |buffer| {
            put(buffer, 1, &[tuple.protocol.0]);
            put(buffer, 2, &ports[0].expect("a port").to_be_bytes());
            put(buffer, 3, &ports[1].expect("a port").to_be_bytes());
        });
    });
    put(buffer, 12, &flow.id.expect("an id").0.to_be_bytes());
    let length = (buffer.len() - start) as u32;
    buffer[start..start + 4].copy_from_slice(&length.to_ne_bytes());
}

fn made_and_executed(table: &mut Conntrack) -> Option<Duration> {
    let (time, report) = measured(UsageWho::RUSAGE_THREAD, || {
        let plan = table.delete_plan(&filter()).expect("a plan").max(u64::MAX);
        plan.execute().expect("a report")
    });
    assert_eq!(report.deleted, report.matched);
    Some(time)
}

fn one_by_one(table: &mut Conntrack) -> Option<Duration> {
    let dump = table.dump(DumpOptions::new().filter(filter())).expect("a dump");
    let flows: Vec<Flow> = dump.flows().collect::<Result<_, _>>().expect("every entry");
    let (time, ()) = measured(UsageWho::RUSAGE_THREAD, || {
        for flow in &flows {
            assert_eq!(table.delete(flow).expect("an answer"), Deleted::Deleted);
        }
    });
    Some(time)
}

fn conntrack(_: &mut Conntrack) -> Option<Duration> {
    let (time, output) = measured(UsageWho::RUSAGE_CHILDREN, || {
        Command::new("conntrack").args(["-D", "-p", "udp", "--dport", "9999"]).output()
    });
    output.ok().filter(|output| output.status.success()).map(|_| time)
}
