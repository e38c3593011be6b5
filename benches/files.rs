//! A table out of a file of every form, against the same entries in memory, and into one.
//!
//! Every bench works through the same entries (a million, or `GROUP_ENTRIES`) and checks its answer. Files are
//! in the page cache; their sizes are printed first.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use ctnetlink::Query;
use ctnetlink::aggregate::Aggregator;
use ctnetlink::field::Keys;
use ctnetlink::files::parquet::Writer;
use ctnetlink::files::rows::{Record, Rollup};
use ctnetlink::files::snapshot::Snapshot;
use ctnetlink::files::text::Line;
use ctnetlink::files::{TableFacts, capture::Recorder};
use ctnetlink::flow::FlowRef;
use ctnetlink::testing::{Frames, Population};

fn entries() -> u64 {
    if std::env::args().any(|arg| arg == "--test") {
        return 1_000;
    }
    let asked = std::env::var("GROUP_ENTRIES").ok().and_then(|text| text.parse().ok());
    asked.unwrap_or(1_000_000)
}

fn query() -> Query {
    Query::new().group_by("state,protocol,source".parse::<Keys>().expect("keys"))
}

/// The entries as a kernel without accounting sends them, which is the default.
fn frames() -> Frames {
    let bare = |(mut flow, index): (ctnetlink::flow::Flow, u32)| {
        flow.id = Some(ctnetlink::flow::FlowId(index.wrapping_mul(0x9e37_79b1)));
        flow.use_count = Some(1);
        flow
    };
    Population::new(entries()).flows().zip(0..).map(bare).collect()
}

fn flows(frames: &Frames) -> impl Iterator<Item = FlowRef<'_>> {
    frames.entries().map(|entry| FlowRef::parse(entry).expect("an entry"))
}

fn capture<W: Write>(frames: &Frames, writer: W) -> W {
    let facts = TableFacts::default();
    let mut recorder = Recorder::new(writer, &facts).expect("a file");
    frames.datagrams().for_each(|datagram| recorder.datagram(datagram).expect("written"));
    recorder.finish(&facts).expect("written")
}

fn columns<W: Write + Send>(frames: &Frames, writer: W) -> W {
    let mut writer = Writer::new(writer).expect("a file");
    flows(frames).for_each(|flow| writer.push(Record::from(&flow)).expect("written"));
    writer.finish().expect("written")
}

fn json(frames: &Frames, mut writer: impl Write) {
    for flow in flows(frames) {
        serde_json::to_writer(&mut writer, &Record::from(&flow)).expect("written");
        writer.write_all(b"\n").expect("written");
    }
}

/// Files of every form, and how long they are.
fn written(frames: &Frames, folder: &Path) -> Vec<(&'static str, PathBuf)> {
    let create = |name: &str| BufWriter::new(File::create(folder.join(name)).expect("a file"));
    drop(capture(frames, create("capture")));
    for level in [1, 9] {
        let encoder = zstd::Encoder::new(create(&format!("zstd-{level}")), level).expect("a file");
        drop(capture(frames, encoder).finish().expect("written"));
    }
    json(frames, create("ndjson"));
    let mut text = create("text");
    flows(frames).for_each(|flow| writeln!(text, "{}", Line::of(&flow)).expect("written"));
    text.flush().expect("written");
    drop(columns(frames, create("parquet")));
    let forms = ["capture", "zstd-1", "zstd-9", "ndjson", "text", "parquet"];
    let path = |name| (name, folder.join(name));
    let files: Vec<_> = forms.into_iter().map(path).collect();
    println!("{:.1} bytes of netlink an entry", frames.bytes() as f64 / frames.len() as f64);
    for (name, file) in &files {
        let length = std::fs::metadata(file).expect("a file").len();
        println!("{name}: {:.1} bytes an entry", length as f64 / frames.len() as f64);
    }
    files
}

fn files(criterion: &mut Criterion) {
    let frames = frames();
    let folder = tempfile::tempdir().expect("a directory");
    let files = written(&frames, folder.path());
    let mut group = criterion.benchmark_group("read");
    group.throughput(Throughput::Elements(frames.len())).sample_size(10);
    group.bench_function("memory", |bencher| {
        bencher.iter(|| {
            let mut aggregator = Aggregator::new(&query());
            for entry in frames.entries() {
                aggregator.record_bytes(entry).expect("a whole entry");
            }
            assert_eq!(aggregator.finish().flows(), frames.len());
        });
    });
    for (name, file) in &files {
        group.bench_function(BenchmarkId::new("file", name), |bencher| {
            bencher.iter(|| {
                let report = Snapshot::open(file).and_then(|mut file| file.scan(&query()));
                assert_eq!(report.expect("a file").flows(), frames.len());
            });
        });
    }
    group.finish();

    let mut group = criterion.benchmark_group("write");
    group.throughput(Throughput::Elements(frames.len())).sample_size(10);
    group.bench_function("capture", |bencher| {
        bencher.iter(|| capture(&frames, std::io::sink()));
    });
    group.bench_function("parquet", |bencher| {
        bencher.iter(|| columns(&frames, std::io::sink()));
    });
    group.bench_function("ndjson", |bencher| bencher.iter(|| json(&frames, std::io::sink())));
    group.bench_function("rollup", |bencher| {
        bencher.iter(|| {
            let mut aggregator = Aggregator::new(&Rollup::query());
            for entry in frames.entries() {
                aggregator.record_bytes(entry).expect("a whole entry");
            }
            let mut writer = Writer::new(std::io::sink()).expect("a file");
            for row in Rollup::of(&aggregator.finish(), &Default::default()) {
                writer.push(row).expect("written");
            }
            writer.finish().expect("written");
        });
    });
    group.finish();
}

criterion_group!(benches, files);
criterion_main!(benches);
