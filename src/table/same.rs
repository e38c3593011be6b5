//! Whether an entry found now is the one that was found before.
//!
//! The id alone does not tell. It is a hash of the tuple and of the entry's place in memory, so a later
//! entry of the same tuple has the same id if it was given the same memory. Therefore everything is
//! compared that does not change while an entry lives.

use std::time::SystemTime;

use crate::flow::{Counters, Direction, FlowRef, Status, Tuple};

/// Bits that are set, by packets or by hand, and never taken back.
const ONLY_SET: Status = Status::EXPECTED
    .union(Status::SEEN_REPLY)
    .union(Status::ASSURED)
    .union(Status::CONFIRMED)
    .union(Status::SRC_NAT)
    .union(Status::DST_NAT)
    .union(Status::SEQ_ADJUST)
    .union(Status::SRC_NAT_DONE)
    .union(Status::DST_NAT_DONE);

const DIRECTIONS: [Direction; 2] = [Direction::Original, Direction::Reply];

/// Whether what was found `now` can be the entry that was there `before`.
pub(super) fn is_same(before: &FlowRef<'_>, now: &FlowRef<'_>) -> bool {
    let has_counters = |flow: &FlowRef<'_>| flow.counters(Direction::Original).is_some();
    could_be(before, now)
        && before.master() == now.master()
        // Room for counters is made when the entry is, or never.
        && has_counters(before) == has_counters(now)
}

/// Whether the entry that was deleted, as its `event` tells, can be the one that was `looked` at
/// some microseconds before. A packet in between may have changed the mark, but that entry was not
/// judged either.
pub(super) fn is_what_was_looked_at(looked: &FlowRef<'_>, event: &FlowRef<'_>) -> bool {
    if !could_be(looked, event) {
        return false;
    }
    if start(looked).is_some() {
        return true; // and it is the same: no two of a tuple began at the same nanosecond
    }
    // An event has no mark that is 0, and no master.
    let mark = |flow: &FlowRef<'_>| flow.mark().unwrap_or(0);
    mark(looked) == mark(event)
        && DIRECTIONS
            .into_iter()
            .all(|direction| has_not_fallen(looked.counters(direction), event.counters(direction)))
}

fn could_be(before: &FlowRef<'_>, now: &FlowRef<'_>) -> bool {
    before.id() == now.id()
        && before.original() == now.original()
        && before.reply() == now.reply()
        && before.zone() == now.zone()
        && start(before) == start(now)
        && now.status().contains(before.status() & ONLY_SET)
}

fn start(flow: &FlowRef<'_>) -> Option<SystemTime> {
    flow.timestamps().map(|timestamps| timestamps.start)
}

fn has_not_fallen(before: Option<Counters>, after: Option<Counters>) -> bool {
    match (before, after) {
        (Some(before), Some(after)) => {
            before.packets <= after.packets && before.bytes <= after.bytes
        }
        (before, after) => before == after,
    }
}

/// Whether the kernel would not have both in a table, so that where one is found the other is gone:
/// they share a tuple and its zone.
pub(super) fn exclude(one: &FlowRef<'_>, other: &FlowRef<'_>) -> bool {
    let shared = |of_one, of_other| bare(one, of_one) == bare(other, of_other);
    let zones = |flow| DIRECTIONS.map(|direction| zone(flow, direction));
    DIRECTIONS.into_iter().any(|direction| {
        shared(direction, direction) && zone(one, direction) == zone(other, direction)
    }) || {
        // The other way round it compares both zones.
        let [original, reply] = zones(one);
        (shared(Direction::Original, Direction::Reply)
            || shared(Direction::Reply, Direction::Original))
            && original == reply
            && zones(one) == zones(other)
    }
}

fn bare(flow: &FlowRef<'_>, direction: Direction) -> Tuple {
    Tuple { zone: None, ..*flow.tuple(direction) }
}

/// The zone of packets of a direction; 0 is the default.
fn zone(flow: &FlowRef<'_>, direction: Direction) -> u16 {
    flow.zone().or(flow.tuple(direction).zone).unwrap_or(0)
}
