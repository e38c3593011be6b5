//! Few rows in place of many flows: what a fleet ships by default.

use std::borrow::Cow;

use super::parts::state_name;
use super::schema::row;
use crate::aggregate::{Measure, Query, Report, Row as Group};
use crate::field::{Field, Key, Prefix, Value};
use crate::files::facts::TableFacts;
use crate::flow::{Family, Protocol};
use crate::origin::Origin;

row! {
    by src_prefix, |row| (row.src_prefix.clone(), row.state.to_string(), row.dst_port.unwrap_or_default().into());
    /// How many entries a source network has, of one protocol, to one port, in one state.
    ///
    /// Rows of many machines and hours add up: the sum of their `flows` is the number of entries.
    Rollup {
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
        /// Packets of both directions, of the entries with counters; `None` if no entry has any.
        packets: Option<u64>,
        /// Bytes of both directions, of the entries with counters; `None` if no entry has any.
        bytes: Option<u64>,
    }
}

impl Rollup {
    /// The query whose report is to be [rolled up](Self::of).
    ///
    /// ```
    /// # use ctnetlink::testing::{Frames, Population};
    /// use ctnetlink::aggregate::Aggregator;
    /// use ctnetlink::origin::Origin;
    /// use ctnetlink::files::rows::Rollup;
    /// let mut aggregator = Aggregator::new(&Rollup::query());
    /// # let frames = Frames::of(&Population::new(500));
    /// # let entries = frames.entries();
    /// for entry in entries {
    ///     aggregator.record_bytes(entry)?;
    /// }
    /// let rows = Rollup::of(&aggregator.finish(), &Origin::default());
    /// assert_eq!(rows.iter().map(|row| row.flows).sum::<u64>(), 500);
    /// # Ok::<(), ctnetlink::wire::WireError>(())
    /// ```
    pub fn query() -> Query {
        let source = Field::Source.by(Prefix::new(24, 64));
        let others = [Field::Family, Field::Protocol, Field::DestinationPort, Field::State];
        let keys = [source].into_iter().chain(others.map(Key::from));
        Query::new().group_by(keys).measure(Measure::Bytes).top(usize::MAX).in_key_order()
    }

    /// The rows of a report to [`query`](Self::query). A report to another query has none.
    pub fn of(report: &Report, origin: &Origin) -> Vec<Self> {
        report.rows().iter().filter_map(|group| Self::of_group(group, origin)).collect()
    }

    fn of_group(group: &Group, origin: &Origin) -> Option<Self> {
        let [
            Value::Network(network),
            Value::Family(family),
            Value::Protocol(Protocol(proto)),
            port,
            Value::State(state),
        ] = group.key[..]
        else {
            return None;
        };
        let volume = group.volume.filter(|volume| volume.uncounted < group.flows);
        Some(Self {
            observed_at: origin.time,
            node: origin.node.clone(),
            netns_inode: origin.netns_inode,
            family: if family == Family::Ipv4 { 4 } else { 6 },
            proto,
            src_prefix: network.to_string(),
            dst_port: port.port(),
            state: state_name(state),
            flows: group.flows,
            packets: volume.map(|volume| volume.total().packets),
            bytes: volume.map(|volume| volume.total().bytes),
        })
    }
}

row! {
    by observed_at, |row| (
        row.observed_at.map(|at| at.to_string()).unwrap_or_default(),
        row.node.clone().unwrap_or_default(),
        0
    );
    /// How full a table was at one time.
    #[derive(Default)]
    TableStatus {
        /// The release of the machine's kernel.
        kernel: Option<String>,
        /// Entries.
        entries: Option<u64>,
        /// The table's limit (`nf_conntrack_max`).
        max: Option<u64>,
        /// The hash buckets of the machine's table.
        buckets: Option<u64>,
        /// Whether all entries were seen.
        complete: Option<bool>,
    }
}

impl TableStatus {
    /// The row of a table. Its entries are those after it was read or, if that is unknown, before.
    pub fn of(facts: &TableFacts) -> Self {
        let status = Self {
            kernel: facts.origin.kernel.clone(),
            entries: facts.after.or(facts.before),
            max: facts.max,
            buckets: facts.buckets,
            complete: facts.complete,
            ..Self::default()
        };
        status.observed(&facts.origin)
    }
}
