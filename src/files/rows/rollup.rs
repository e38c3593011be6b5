//! Few rows in place of many flows: what a fleet ships by default.

use std::borrow::Cow;

use super::schema::row;
use crate::aggregate::{Field, Measure, Prefix, Query, Report, Row as Group, Value};
use crate::flow::{Family, Protocol};
use crate::origin::{Moment, Observation};

row! {
    by src_prefix, |row| (row.src_prefix.clone(), row.state.to_string(), row.dst_port.unwrap_or_default().into());
    /// How many entries a network of sources has of a protocol, to a port, in a state.
    ///
    /// Rows of many machines and hours add up; their `flows` are those of all entries.
    Rollup {
        /// When the table was looked at.
        observed_at: Option<Moment>,
        /// The machine it is of.
        node: Option<String>,
        /// The inode of the network namespace.
        netns_inode: Option<u32>,
        /// 4 or 6.
        family: u8,
        /// The layer-4 protocol's number.
        proto: u8,
        /// The network of who opened the flows: a /24 of IPv4, a /64 of IPv6.
        src_prefix: String,
        /// Destination port, of protocols that have ports.
        dst_port: Option<u16>,
        /// The state, of every protocol; see [`State`](crate::flow::State).
        state: Cow<'static, str>,
        /// Entries.
        flows: u64,
        /// Packets of both directions, of the entries that are counted; `None` if none is.
        packets: Option<u64>,
        /// Bytes of both directions, of the entries that are counted; `None` if none is.
        bytes: Option<u64>,
    }
}

impl Rollup {
    /// The query whose report is to be [rolled up](Self::of).
    ///
    /// ```
    /// # use ctnetlink::testing::{Frames, Population};
    /// use ctnetlink::aggregate::Aggregator;
    /// use ctnetlink::origin::Observation;
    /// use ctnetlink::files::rows::Rollup;
    /// let mut aggregator = Aggregator::new(&Rollup::query());
    /// # let frames = Frames::of(&Population::new(500));
    /// # let entries = frames.entries();
    /// for entry in entries {
    ///     aggregator.record_bytes(entry)?;
    /// }
    /// let rows = Rollup::of(&aggregator.finish(), &Observation::default());
    /// assert_eq!(rows.iter().map(|row| row.flows).sum::<u64>(), 500);
    /// # Ok::<(), ctnetlink::wire::WireError>(())
    /// ```
    pub fn query() -> Query {
        let source = Field::Source(Prefix::new(24, 64));
        let fields = [source, Field::Family, Field::Protocol, Field::DestinationPort, Field::State];
        Query::new().by(fields).measure(Measure::Bytes).top(usize::MAX).in_key_order()
    }

    /// The rows of a report to [`query`](Self::query); none of another query's.
    pub fn of(report: &Report, seen: &Observation) -> Vec<Self> {
        report.rows().iter().filter_map(|group| Self::of_group(group, seen)).collect()
    }

    fn of_group(group: &Group, seen: &Observation) -> Option<Self> {
        let [
            Value::Network(address, length),
            Value::Family(family),
            Value::Protocol(Protocol(proto)),
            Value::Port(dst_port),
            Value::State(state),
        ] = group.key[..]
        else {
            return None;
        };
        let volume = group.volume.filter(|volume| volume.uncounted < group.flows);
        let state = state.name().map_or_else(|| Cow::Owned(state.to_string()), Cow::Borrowed);
        Some(Self {
            observed_at: seen.at,
            node: seen.node.clone(),
            netns_inode: seen.netns_inode,
            family: if family == Family::Ipv4 { 4 } else { 6 },
            proto,
            src_prefix: format!("{address}/{length}"),
            dst_port,
            state,
            flows: group.flows,
            packets: volume.map(|volume| volume.total().packets),
            bytes: volume.map(|volume| volume.total().bytes),
        })
    }
}
