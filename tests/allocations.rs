//! The law of constant memory: nothing is allocated for an entry, only for a group.

use ctnetlink::Query;
use ctnetlink::aggregate::Aggregator;
use ctnetlink::field::Keys;
use ctnetlink::flow::{Direction, FlowRef};
use ctnetlink::testing::{Frames, Population};

fn query(fields: &str) -> Query {
    Query::new().group_by(fields.parse::<Keys>().expect("fields"))
}

#[test]
fn looking_at_an_entry_allocates_nothing() {
    let frames = Frames::of(&Population::new(10_000));
    let allocations = allocation_counter::measure(|| {
        for entry in frames.entries() {
            let flow = FlowRef::parse(entry).expect("an entry");
            let _ = (flow.state(), flow.source_nat(), flow.counters(Direction::Original));
            let _ = (flow.timestamps(), flow.helper(), flow.labels(), flow.synproxy());
        }
    });
    assert_eq!(allocations.count_total, 0);
}

#[test]
fn counting_into_known_groups_allocates_nothing() {
    let frames = Frames::of(&Population::new(100_000));
    for fields in ["source", "state,protocol", "source/24,dport,zone,mark"] {
        let mut aggregator = Aggregator::new(&query(fields));
        let mut pass = || {
            for entry in frames.entries() {
                aggregator.record_bytes(entry).expect("an entry");
            }
        };
        pass();
        assert_eq!(allocation_counter::measure(&mut pass).count_total, 0, "{fields}");

        // The checked way, too.
        let checked = allocation_counter::measure(|| {
            for entry in frames.entries() {
                aggregator.record(&FlowRef::parse(entry).expect("an entry"));
            }
        });
        assert_eq!(checked.count_total, 0, "{fields}");
    }
}

#[test]
fn memory_grows_with_the_groups_and_not_with_the_entries() {
    let peak = |flows, fields: &str| {
        let frames = Frames::of(&Population::new(flows));
        let query = query(fields);
        allocation_counter::measure(|| {
            let mut aggregator = Aggregator::new(&query);
            for entry in frames.entries() {
                aggregator.record_bytes(entry).expect("an entry");
            }
            assert_eq!(aggregator.finish().flows(), flows);
        })
        .bytes_max
    };
    assert_eq!(peak(20_000, "source"), peak(100_000, "source"), "5,000 sources in both");
    assert!(peak(20_000, "source,sport") > 2 * peak(20_000, "source"));
}

#[test]
fn a_flood_of_a_million_sources_stays_within_its_memory() {
    const SOURCES: u32 = 1_000_000;
    const BUDGET: usize = 16 << 20;
    let mut entry = Population::flood(1).flows().next().expect("a flow").to_bytes();
    let source = entry.windows(4).position(|bytes| bytes == [10, 0, 0, 1]).expect("a source");
    let mut peak = 0;
    let allocated = allocation_counter::measure(|| {
        let mut aggregator = Aggregator::new(&query("source").memory(BUDGET));
        // Twice, so that all of them come back after they were forgotten.
        for round in 0..2 * SOURCES {
            let spoofed = round % SOURCES;
            entry[source..source + 4].copy_from_slice(&spoofed.to_be_bytes());
            aggregator.record_bytes(&entry).expect("an entry");
            peak = peak.max(aggregator.memory());
        }
        let report = aggregator.finish();
        assert_eq!(report.flows(), u64::from(2 * SOURCES));
        assert!(report.missed().is_some_and(|missed| missed < 10), "{:?}", report.missed());
    });
    assert!(peak <= BUDGET, "{peak}");
    // While it grows there are two tables, and that is within the budget, too.
    assert!(allocated.bytes_max <= BUDGET as u64 + (1 << 20), "{}", allocated.bytes_max);
}
