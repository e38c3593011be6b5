//! What the rules need to know of the entries, from one scan.

use crate::aggregate::{Aggregator, Headroom, Query, Report, Row};
use crate::field::{Field, Value};
use crate::filter::Filter;
use crate::flow::{Protocol, State};

/// What the entries are.
#[derive(Debug, Clone, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct FlowFacts {
    /// All of them.
    pub total: u64,
    /// Which of them make room when the table is full.
    pub headroom: Headroom,
    /// The source with the most entries, and how many.
    pub top_source: Option<(String, u64)>,
    /// UDP without an answer: destination ports with their entries, the most first.
    pub unanswered_udp: Vec<(u16, u64)>,
    /// TCP entries.
    pub tcp: u64,
    /// TCP that is not open yet (`SYN_SENT`, `SYN_RECV`).
    pub half_open: u64,
    /// The destination with the most of these, and how many.
    pub half_open_top: Option<(String, u64)>,
    /// TCP that destination NAT sends elsewhere.
    pub forwarded: u64,
    /// Those of them without an answer (`SYN_SENT`).
    pub forwarded_unanswered: u64,
    /// NAT addresses with their ports in use towards one destination, the most first.
    pub ports: Vec<PortUse>,
}

/// How many ports of a NAT address are in use towards one destination.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct PortUse {
    /// The source address that NAT puts in.
    pub nat: String,
    /// The protocol.
    pub protocol: String,
    /// The destination.
    pub destination: String,
    /// Its port.
    pub port: u16,
    /// Ports in use.
    pub used: u64,
}

impl PortUse {
    /// The use of a group by address of NAT, protocol, destination and port; `None` without a port.
    pub(super) fn of(row: &Row) -> Option<Self> {
        let [nat, protocol, destination, port] = &row.key[..] else { return None };
        Some(Self {
            nat: nat.to_string(),
            protocol: protocol.to_string(),
            destination: destination.to_string(),
            port: port.port()?,
            used: row.flows,
        })
    }
}

/// Memory for the groups of each query: a diagnosis of a flooded table must not add to the harm.
const MEMORY: usize = 8 << 20;

impl FlowFacts {
    /// The queries, all of which one scan answers.
    pub fn queries() -> Vec<Query> {
        let (tcp, udp) = (Filter::protocol(Protocol::TCP), Filter::protocol(Protocol::UDP));
        let half_open = Filter::states([State::SYN_SENT, State::SYN_RECV]);
        let nat =
            [Field::ReplyDestination, Field::Protocol, Field::ReplySource, Field::ReplySourcePort];
        vec![
            Headroom::query(),
            Query::new().group_by([Field::Source]).top(1).memory(MEMORY),
            Query::new()
                .group_by([Field::DestinationPort])
                .filter(udp & Filter::unreplied())
                .memory(MEMORY),
            Query::new()
                .group_by([Field::Destination])
                .filter(tcp.clone() & half_open)
                .top(1)
                .memory(MEMORY),
            Query::new()
                .group_by([Field::State])
                .filter(tcp & Filter::destination_nat())
                .top(usize::MAX),
            Query::new().group_by(nat).filter(Filter::source_nat()).memory(MEMORY),
        ]
    }

    /// The facts, from the reports of [`queries`](Self::queries) in their order. `None` for other reports.
    pub fn of(reports: &[Report]) -> Option<Self> {
        let [states, sources, udp, half_open, forwarded, nat] = reports else { return None };
        let headroom = Headroom::of(states)?;
        let first = |report: &Report| report.rows().first().map(|row| (row.to_string(), row.flows));
        let of = |report: &Report, key: Value| -> u64 {
            let rows = report.rows().iter().filter(|row| row.key.first() == Some(&key));
            rows.map(|row| row.flows).sum()
        };
        let port = |row: &Row| match row.key.first() {
            Some(value) => value.port().map(|port| (port, row.flows)),
            _ => None,
        };
        Some(Self {
            total: states.flows(),
            headroom,
            top_source: first(sources),
            unanswered_udp: udp.rows().iter().filter_map(port).collect(),
            tcp: of(states, Value::Protocol(Protocol::TCP)),
            half_open: half_open.flows(),
            half_open_top: first(half_open),
            forwarded: forwarded.flows(),
            forwarded_unanswered: of(forwarded, Value::State(State::SYN_SENT)),
            ports: nat.rows().iter().filter_map(PortUse::of).collect(),
        })
    }

    /// The facts of entries from any source, each given as its attributes. Entries that cannot be read are left out.
    pub fn of_entries<'e>(entries: impl IntoIterator<Item = &'e [u8]>) -> Self {
        let mut aggregator = Aggregator::of(&Self::queries());
        for entry in entries {
            let _ = aggregator.record_bytes(entry);
        }
        Self::of(&aggregator.finish_all()).unwrap_or_default()
    }
}
