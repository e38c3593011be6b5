//! Decoding and grouping from memory: what this crate adds to a dump, without the kernel.
//!
//! Every bench works through the same million entries and checks its answer. The slower
//! neighbours are here on purpose: where one of them wins, the measurement is wrong.

use std::hint::black_box;
use std::sync::LazyLock;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use ctnetlink::Query;
use ctnetlink::aggregate::Aggregator;
use ctnetlink::field::Keys;
use ctnetlink::flow::{Family, FlowRef};
use ctnetlink::testing::{Frames, Population};
use netlink_packet_core::{NetlinkMessage, NetlinkPayload};
use netlink_packet_netfilter::{NetfilterMessage, NetfilterMessageInner};

/// Made once: where in memory they lie makes a difference of tens of nanoseconds an entry.
static FRAMES: LazyLock<Frames> = LazyLock::new(|| Frames::of(&Population::new(entries())));

/// How many entries there are: a million, or `GROUP_ENTRIES`.
fn entries() -> u64 {
    // `cargo test --workspace --benches` wants to see them run, not to wait for them.
    if std::env::args().any(|arg| arg == "--test") {
        return 1_000;
    }
    let asked = std::env::var("GROUP_ENTRIES").ok().and_then(|text| text.parse().ok());
    asked.unwrap_or(1_000_000)
}

fn query(keys: &str) -> Query {
    Query::new().group_by(keys.parse::<Keys>().expect("keys"))
}

fn parse(entry: &[u8]) -> FlowRef<'_> {
    FlowRef::parse(entry).expect("a whole entry")
}

fn group(criterion: &mut Criterion) {
    let frames = &*FRAMES;
    let mut group = criterion.benchmark_group("group");
    group.throughput(Throughput::Elements(frames.len())).sample_size(10);
    for keys in ["protocol", "source", "source/24,dport", "state,protocol,source"] {
        let query = query(keys);
        group.bench_function(BenchmarkId::new("bytes", keys), |bencher| {
            bencher.iter(|| {
                let mut aggregator = Aggregator::new(&query);
                for entry in frames.entries() {
                    aggregator.record_bytes(entry).expect("a whole entry");
                }
                assert_eq!(aggregator.finish().flows(), frames.len());
            });
        });
    }
    // The floor: from one message to the next by their lengths, and nothing of what is in them.
    group.bench_function("hop", |bencher| {
        bencher.iter(|| assert_eq!(frames.datagrams().map(hop).sum::<u64>(), frames.len()));
    });
    // Slower: the same question, asked of entries that were checked and indexed first.
    let keys = "state,protocol,source";
    let query = query(keys);
    group.bench_function(BenchmarkId::new("flow_ref", keys), |bencher| {
        bencher.iter(|| {
            let mut aggregator = Aggregator::new(&query);
            for entry in frames.entries() {
                aggregator.record(&parse(entry));
            }
            assert_eq!(aggregator.finish().flows(), frames.len());
        });
    });
    group.finish();
}

/// The same question of other tables, each beside its floor.
fn populations(criterion: &mut Criterion) {
    let entries = entries();
    let busy = || Population::new(entries);
    let populations = [
        ("busy, 5 k sources", busy()),
        ("busy, IPv4", busy().only(Family::Ipv4)),
        ("busy, IPv6", busy().only(Family::Ipv6)),
        ("busy, 100 k sources", busy().sources(100_000)),
        ("uniform, 5 k sources", busy().uniform()),
        ("uniform, 100 k sources", busy().uniform().sources(100_000)),
        ("uniform, 1 M sources", busy().uniform().sources(1_000_000)),
        ("flood, a source each", Population::flood(entries)),
    ];
    let mut group = criterion.benchmark_group("population");
    for (name, population) in populations {
        let frames = Frames::of(&population);
        group.throughput(Throughput::Elements(frames.len())).sample_size(10);
        group.bench_function(BenchmarkId::new("hop", name), |bencher| {
            bencher.iter(|| assert_eq!(frames.datagrams().map(hop).sum::<u64>(), frames.len()));
        });
        let query = query("state,protocol,source");
        for (kind, query) in [("group", query.clone()), ("within 16 MiB", query.memory(16 << 20))] {
            group.bench_function(BenchmarkId::new(kind, name), |bencher| {
                bencher.iter(|| {
                    let mut aggregator = Aggregator::new(&query);
                    for entry in frames.entries() {
                        aggregator.record_bytes(entry).expect("a whole entry");
                    }
                    assert_eq!(aggregator.finish().flows(), frames.len());
                });
            });
        }
    }
    group.finish();
}

/// Counts the messages of a datagram.
fn hop(mut datagram: &[u8]) -> u64 {
    let mut messages = 0;
    while let Some(length) = datagram.first_chunk() {
        let length = u32::from_ne_bytes(*length) as usize;
        datagram = datagram.get((length + 3) & !3..).unwrap_or_default();
        messages += 1;
    }
    messages
}

fn decode(criterion: &mut Criterion) {
    let frames = &*FRAMES;
    let mut group = criterion.benchmark_group("decode");
    group.throughput(Throughput::Elements(frames.len())).sample_size(10);
    group.bench_function("flow_ref", |bencher| {
        bencher.iter(|| frames.entries().for_each(|entry| _ = black_box(parse(entry))));
    });
    group.bench_function("flow", |bencher| {
        bencher.iter(|| frames.entries().for_each(|entry| _ = black_box(parse(entry).to_owned())));
    });
    // Slower: every attribute as a value with its own memory.
    group.bench_function("netlink_packet_netfilter", |bencher| {
        bencher.iter(|| {
            let decoded: u64 = frames.datagrams().map(deserialize).sum();
            assert_eq!(decoded, frames.len());
        });
    });
    group.finish();
}

/// Decodes the entries of a datagram with the general-purpose packet crate, and counts them.
fn deserialize(mut datagram: &[u8]) -> u64 {
    let mut decoded = 0;
    while !datagram.is_empty() {
        let message: NetlinkMessage<NetfilterMessage> =
            NetlinkMessage::deserialize(datagram).expect("a whole message");
        let aligned = (message.header.length as usize + 3) & !3;
        if let NetlinkPayload::InnerMessage(netfilter) = message.payload
            && let NetfilterMessageInner::Conntrack(entry) = netfilter.inner
        {
            black_box(entry);
            decoded += 1;
        }
        datagram = datagram.get(aligned..).unwrap_or_default();
    }
    decoded
}

criterion_group!(benches, group, populations, decode);
criterion_main!(benches);
