//! Tables in columns: types, order, places, and files that are no such table.

use ctnetlink::aggregate::Aggregator;
use ctnetlink::files::TableFacts;
use ctnetlink::files::parquet::{Partition, Reader, Writer};
use ctnetlink::files::rows::{Record, Rollup, TableStatus};
use ctnetlink::flow::FlowRef;
use ctnetlink::origin::{Origin, Timestamp};
use ctnetlink::testing::{Frames, Population};
use proptest::prelude::*;

fn records(flows: u64) -> Vec<Record> {
    let frames = Frames::of(&Population::new(flows));
    let record = |entry| Record::from(&FlowRef::parse(entry).expect("an entry"));
    frames.entries().map(record).collect()
}

fn written<R: ctnetlink::files::rows::Row>(rows: impl IntoIterator<Item = R>) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new()).expect("a file");
    rows.into_iter().for_each(|row| writer.push(row).expect("written"));
    writer.finish().expect("written")
}

#[test]
#[cfg_attr(target_endian = "big", ignore = "there is no Parquet on big-endian machines")]
fn rows_are_sorted_by_source() {
    let all = records(3_000);
    let read = Reader::<Record>::from_bytes(written(all.clone())).expect("a file");
    let read: Vec<_> = read.map(|row| row.expect("a row")).collect();
    assert!(read.is_sorted_by_key(|row| row.src_ip.to_string()));
    assert!(!all.is_sorted_by_key(|row| row.src_ip.to_string()), "they were not before");
    assert_eq!(read.len(), all.len());
}

#[test]
#[cfg_attr(target_endian = "big", ignore = "there is no Parquet on big-endian machines")]
fn a_rollup_has_all_flows_in_few_rows() {
    let frames = Frames::of(&Population::new(20_000));
    let mut aggregator = Aggregator::new(&Rollup::query());
    frames.entries().for_each(|entry| aggregator.record_bytes(entry).expect("an entry"));
    let seen = Origin { node: Some("gw-1".to_owned()), ..Origin::default() };
    let rows = Rollup::of(&aggregator.finish(), &seen);
    let records = records(20_000);
    assert_eq!(rows.iter().map(|row| row.flows).sum::<u64>(), 20_000);
    assert!(rows.len() < 10_000, "{}", rows.len());
    // By hand, for one of them.
    let most = rows.iter().max_by_key(|row| row.flows).expect("one");
    let network = most.src_prefix.strip_suffix("0/24").expect("a network of IPv4");
    let these = records.iter().filter(|record| {
        record.src_ip.to_string().starts_with(network)
            && record.state == most.state
            && (record.proto, record.dst_port) == (most.proto, most.dst_port)
    });
    let these: Vec<_> = these.collect();
    assert_eq!(these.len() as u64, most.flows);
    let sum = |both: fn(&Record) -> [Option<u64>; 2]| {
        these.iter().flat_map(|record| both(record)).flatten().sum::<u64>()
    };
    assert_eq!(most.packets, Some(sum(|record| [record.orig_packets, record.reply_packets])));
    assert_eq!(most.bytes, Some(sum(|record| [record.orig_bytes, record.reply_bytes])));
    let file = written(rows.iter().cloned());
    let mut read: Vec<_> = Reader::<Rollup>::from_bytes(file)
        .expect("a file")
        .map(|row| row.expect("a row"))
        .collect();
    let mut rows = rows;
    let key = |row: &Rollup| row.csv().to_string();
    rows.sort_by_key(key);
    read.sort_by_key(key);
    assert!(rows == read);

    let mut uncounted = Aggregator::new(&Rollup::query());
    for flow in Population::new(50).flows() {
        uncounted.record_bytes(&flow.to_bytes()).expect("an entry");
    }
    let rows = Rollup::of(&uncounted.finish(), &seen);
    assert!(rows.iter().all(|row| row.packets.is_none() && row.bytes.is_none()), "not zero");
}

#[test]
#[cfg_attr(target_endian = "big", ignore = "there is no Parquet on big-endian machines")]
fn a_level_keeps_what_is_known() {
    let seen = Origin { time: Some(Timestamp::from_micros(5)), ..Origin::default() };
    let mut level = TableStatus::of(&TableFacts::of(seen));
    (level.entries, level.max) = (Some(7), Some(u64::MAX));
    let mut read = Reader::<TableStatus>::from_bytes(written([level.clone()])).expect("a file");
    assert_eq!(read.next().expect("a row").expect("a row"), level);
    assert!(read.next().is_none());
}

#[test]
#[cfg_attr(target_endian = "big", ignore = "there is no Parquet on big-endian machines")]
fn files_of_a_partition_have_no_node_and_a_place() {
    let at = "2026-01-02T03:04:05Z".parse().ok();
    let seen = Origin { time: at, node: Some("a b=c/../é".to_owned()), ..Origin::default() };
    let partition = Partition::of(&seen).expect("a place");
    let path = partition.path();
    assert_eq!(path.to_str(), Some("dt=2026-01-02/hour=03/node=a%20b%3Dc%2F..%2F%C3%A9"));
    assert_eq!(path.components().count(), 3, "whatever the name, it stays below the root");
    for node in ["", ".", ".."] {
        let seen = Origin { node: Some(node.to_owned()), ..seen.clone() };
        let path = Partition::of(&seen).expect("a place").path();
        assert_eq!(path.components().count(), 3, "{node:?}");
        let plain = |part| matches!(part, std::path::Component::Normal(_));
        assert!(path.components().all(plain), "{node:?}");
    }
    assert_eq!(Partition::of(&Origin { node: None, ..seen.clone() }), None);
    let mut writer = Writer::partitioned(Vec::new()).expect("a file");
    for record in records(10) {
        writer.push(record.observed(&seen)).expect("written");
    }
    let read = Reader::<Record>::from_bytes(writer.finish().expect("written")).expect("a file");
    let rows: Vec<_> = read.map(|row| row.expect("a row")).collect();
    assert!(rows.iter().all(|row| row.node.is_none() && row.observed_at == at));
}

#[test]
#[cfg_attr(target_endian = "big", ignore = "there is no Parquet on big-endian machines")]
fn a_file_is_there_whole_or_not_at_all() {
    let root = tempfile::tempdir().expect("a directory");
    let at = "2026-01-02T03:04:05Z".parse().ok();
    let seen = Origin { time: at, node: Some("gw-1".to_owned()), ..Origin::default() };
    let partition = Partition::of(&seen).expect("a place");
    let files = || {
        let entries = std::fs::read_dir(root.path().join(partition.path())).expect("a folder");
        let name = |entry: std::io::Result<std::fs::DirEntry>| entry.expect("one").file_name();
        entries.map(name).filter_map(|name| name.into_string().ok()).collect::<Vec<_>>()
    };
    for rows in [5, 9] {
        let file = partition.create(root.path(), "part").expect("a file");
        let mut writer = Writer::partitioned(file).expect("a file");
        records(rows).into_iter().for_each(|record| writer.push(record).expect("written"));
        assert!(!files().contains(&"part.parquet".to_owned()) || rows == 9, "not yet");
        let (path, length) = writer.finish().expect("written").finish().expect("in place");
        assert_eq!(files(), ["part.parquet"]);
        assert_eq!(std::fs::metadata(&path).expect("a file").len(), length);
        let reader = Reader::<Record>::new(std::fs::File::open(path).expect("a file"));
        assert_eq!(reader.expect("a file").rows(), rows, "the later one has taken its place");
    }
    drop(partition.create(root.path(), "given-up").expect("a file"));
    assert_eq!(files(), ["part.parquet"]);
}

#[test]
#[cfg_attr(target_endian = "big", ignore = "there is no Parquet on big-endian machines")]
fn a_file_of_other_columns_is_refused() {
    let levels = written([TableStatus::default()]);
    let error = Reader::<Record>::from_bytes(levels).expect_err("no records");
    assert!(error.to_string().contains("no column family"), "{error}");
    let whole = written(records(200));
    for length in (0..whole.len()).step_by(23) {
        assert!(Reader::<Record>::from_bytes(whole[..length].to_vec()).is_err(), "{length}");
    }
}

/// Less than what the raw messages take by ten times: see docs/figures.md for the figures.
#[test]
#[cfg_attr(target_endian = "big", ignore = "there is no Parquet on big-endian machines")]
fn a_flow_takes_less_than_eighteen_bytes() {
    let flows = 60_000;
    let all = Population::new(flows).flows().zip(0_u32..).map(|(mut flow, index)| {
        flow.id = Some(ctnetlink::flow::FlowId(index.wrapping_mul(0x9e37_79b1)));
        Record::from(&FlowRef::parse(&flow.to_bytes()).expect("an entry"))
    });
    let size = written(all).len() as f64 / flows as f64;
    assert!(size < 18.0, "{size}");
}

/// What is set where this program runs itself, to how many files it is to damage.
const DAMAGED: &str = "CTNETLINK_DAMAGED_FILES";

/// Reads so many damaged files, those of a seed.
fn read_damaged(files: u64, seed: u64) {
    let mut state = seed;
    // splitmix64: the same files everywhere.
    let mut next = move || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) as usize
    };
    let whole = [3, 40, 700].map(|rows| written(records(rows)));
    for _ in 0..files {
        let mut file = whole[next() % 3].clone();
        // The index at the end is where most can go wrong.
        let from = if next() % 2 == 0 { 0 } else { file.len() * 3 / 4 };
        for _ in 0..1 + next() % 8 {
            let at = from + next() % (file.len() - from);
            match next() % 3 {
                0 => file[at] = next() as u8,
                1 => file[at] ^= 1 << (next() % 8),
                _ => file[at] = [0, 1, 0x7f, 0x80, 0xff][next() % 5],
            }
        }
        if let Ok(reader) = Reader::<Record>::from_bytes(file) {
            assert!(reader.take(100_000).filter(Result::is_ok).count() <= 1_000);
        }
    }
}

/// A panic that is caught prints its message all the same.
#[test]
#[cfg_attr(target_endian = "big", ignore = "there is no Parquet on big-endian machines")]
fn damaged_files_print_nothing() {
    if let Ok(files) = std::env::var(DAMAGED) {
        let seed =
            std::env::var("CTNETLINK_SEED").map_or(1, |seed| seed.parse().expect("a number"));
        return read_damaged(files.parse().expect("a number"), seed);
    }
    let output = std::process::Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", "parquet::damaged_files_print_nothing", "--nocapture"])
        .env(DAMAGED, "2400")
        .output()
        .expect("a run");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert!(output.status.success());
    assert!(String::from_utf8_lossy(&output.stdout).contains("1 passed"), "it has run");
}

proptest! {
    #[test]
    #[cfg_attr(target_endian = "big", ignore = "there is no Parquet on big-endian machines")]
fn no_damage_panics(
        damages in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        tail: bool,
    ) {
        let mut file = written(records(40));
        // The index at the end is where most can go wrong.
        let from = if tail { file.len() * 3 / 4 } else { 0 };
        for (at, byte) in damages {
            *at.get_mut(&mut file[from..]) = byte;
        }
        if let Ok(reader) = Reader::<Record>::from_bytes(file) {
            prop_assert!(reader.take(100_000).filter(Result::is_ok).count() <= 1_000);
        }
    }
}
