//! Which entries of a full table could make room for new ones.

use super::query::Query;
use super::report::Report;
use crate::field::{Field, Value};
use crate::flow::{State, Status};

/// What becomes of the entries of a table when it is full.
///
/// A table that is full does not refuse flows as long as it finds entries to drop early, so how much
/// room there is is not only the number of free places.
///
/// ```
/// use ctnetlink::aggregate::{Aggregator, Headroom};
/// let aggregator = Aggregator::new(&Headroom::query());
/// // ... entries, or Reader::scan with that query ...
/// let headroom = Headroom::of(&aggregator.finish()).expect("the answer to that query");
/// assert_eq!(headroom.evictable(), 0);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Headroom {
    /// Not assured: the packet that finds the table full may drop them for its own flow.
    #[doc(alias = "early_drop")]
    pub unassured: u64,
    /// Assured, but about to end (TCP in `FIN_WAIT`, `CLOSE_WAIT`, `LAST_ACK`, `TIME_WAIT` or `CLOSE`,
    /// SCTP and DCCP likewise): the kernel's collector drops these, and those not assured, once the
    /// table was full and while it is above 95 % of its limit.
    #[doc(alias = "can_early_drop")]
    pub closing: u64,
    /// Assured and in use: they stay until they end or time out.
    pub held: u64,
}

/// Buckets that are looked through for an entry to drop.
const EVICTION_RANGE: f64 = 8.0;

impl Headroom {
    /// The query whose report it is worked out from.
    pub fn query() -> Query {
        Query::new().group_by([Field::Protocol, Field::State, Field::Status]).top(usize::MAX)
    }

    /// Works it out from the report of [`query`](Self::query), with or without a filter. `None` for a
    /// report of something else, or one that does not show all groups.
    pub fn of(report: &Report) -> Option<Self> {
        if report.keys() != Self::query().keys() || report.other() > 0 {
            return None;
        }
        let mut headroom = Self::default();
        for row in report.rows() {
            let [_, Value::State(state), Value::Status(status)] = row.key[..] else { return None };
            let place = match (status.contains(Status::ASSURED), is_closing(state)) {
                (false, _) => &mut headroom.unassured,
                (true, true) => &mut headroom.closing,
                (true, false) => &mut headroom.held,
            };
            *place += row.flows;
        }
        Some(headroom)
    }

    /// Entries that could make room, at once or by and by.
    pub fn evictable(&self) -> u64 {
        self.unassured + self.closing
    }

    /// How likely a packet of a new flow is to find an entry to drop in a full table of so many
    /// buckets, from 0 to 1: it looks through 8 of them, and every entry stands in two.
    ///
    /// Entries of other namespaces are passed over, so they neither help nor hinder. On Linux 6.18,
    /// of 2,000 packets into a full table of 262,144 buckets with 2,000, 8,000 and 30,000 entries not
    /// assured, 11.1, 39.0 and 84.8 % found room, where this says 11.5, 38.6 and 84.0.
    pub fn chance(&self, buckets: u32) -> f64 {
        let each = 2.0 * self.unassured as f64 / f64::from(buckets.max(1));
        1.0 - (-EVICTION_RANGE * each).exp()
    }
}

/// Whether the kernel's protocol trackers let the collector take an assured entry in this state.
fn is_closing(state: State) -> bool {
    const CLOSING: [State; 11] = [
        State::FIN_WAIT,
        State::CLOSE_WAIT,
        State::LAST_ACK,
        State::TIME_WAIT,
        State::CLOSE,
        State::SHUTDOWN_SENT,
        State::SHUTDOWN_RECD,
        State::SHUTDOWN_ACK_SENT,
        State::CLOSEREQ,
        State::CLOSING,
        State::TIMEWAIT,
    ];
    CLOSING.contains(&state)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aggregate::Aggregator;
    use crate::flow::{Flow, ProtoInfo, Protocol, TcpInfo, TcpState, Tuple};

    fn flow(state: Option<TcpState>, status: Status) -> Flow {
        let end = |host: u8| ([10, 0, 0, host].into(), 1);
        let protocol = if state.is_some() { Protocol::TCP } else { Protocol::UDP };
        let original = Tuple::with_ports(protocol, end(1), end(2));
        let mut flow = Flow::new(original, original.inverse());
        flow.protoinfo = state.map(|state| ProtoInfo::Tcp(TcpInfo::new(state)));
        flow.status = status;
        flow
    }

    fn headroom(flows: &[Flow], query: &Query) -> Option<Headroom> {
        let mut aggregator = Aggregator::new(query);
        for flow in flows {
            aggregator.record_bytes(&flow.to_bytes()).unwrap();
        }
        Headroom::of(&aggregator.finish())
    }

    #[test]
    fn each_entry_is_one_of_three() {
        let (new, assured) = (Status::CONFIRMED, Status::CONFIRMED | Status::ASSURED);
        let flows = [
            flow(Some(TcpState::SYN_SENT), new),
            flow(Some(TcpState::CLOSE), new),
            flow(Some(TcpState::ESTABLISHED), assured),
            flow(Some(TcpState::TIME_WAIT), assured),
            flow(Some(TcpState::CLOSE_WAIT), assured),
            flow(Some(TcpState::SYN_RECV), assured),
            flow(None, new | Status::SEEN_REPLY),
            flow(None, assured),
        ];
        let found = headroom(&flows, &Headroom::query()).unwrap();
        assert_eq!((found.unassured, found.closing, found.held), (3, 2, 3));
        assert_eq!(found.evictable(), 5);
        assert_eq!(headroom(&flows, &Query::new()), None, "another query");
        assert_eq!(headroom(&flows, &Headroom::query().top(2)), None, "not all of it");
    }

    #[test]
    fn the_chance_is_that_of_sixteen_places() {
        let of = |unassured| Headroom { unassured, ..Headroom::default() };
        assert_eq!(of(0).chance(262_144), 0.0);
        // One entry of every 16 buckets' worth of places: as likely as not to miss by 1/e.
        assert!((of(16_384).chance(262_144) - (1.0 - (-1.0_f64).exp())).abs() < 1e-9);
        assert!(of(262_144).chance(262_144) > 0.9999);
        assert_eq!(of(1).chance(0), of(1).chance(1));
    }
}
