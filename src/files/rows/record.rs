//! An entry as one flat record, for JSON, CSV, Parquet and tables.

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::schema::row;
use crate::flow::{
    Counters, Direction, Endpoints, Flow, FlowId, FlowRef, Helper, ProtoInfo, Protocol, Status,
    Timestamps, Tuple,
};
use crate::origin::{Moment, Observation};

row! {
    by src_ip, |row| (
        row.src_ip.to_string(),
        format!("{} {} {:03}", row.state, row.dst_ip, row.proto),
        u32::from(row.dst_port.unwrap_or_default()) << 16 | u32::from(row.src_port.unwrap_or_default())
    );
    /// An entry as one flat record. What the entry does not say is `None`: `null` in JSON and in
    /// Parquet, nothing in CSV, and never zero.
    Record {
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
        /// Who opened the flow.
        src_ip: IpAddr,
        /// Where it was addressed to.
        dst_ip: IpAddr,
        /// Source port, of protocols that have ports.
        src_port: Option<u16>,
        /// Destination port, of protocols that have ports.
        dst_port: Option<u16>,
        /// Who answers: behind destination NAT, the real server.
        reply_src_ip: IpAddr,
        /// Where answers go: behind source NAT, the gateway.
        reply_dst_ip: IpAddr,
        /// The port that answers.
        reply_src_port: Option<u16>,
        /// The port that answers go to.
        reply_dst_port: Option<u16>,
        /// ICMP and ICMPv6: type of the first message.
        icmp_type: Option<u8>,
        /// ICMP and ICMPv6: code of the first message.
        icmp_code: Option<u8>,
        /// ICMP and ICMPv6: identifier.
        icmp_id: Option<u16>,
        /// ICMP and ICMPv6: identifier of the answers, which NAT may have changed.
        reply_icmp_id: Option<u16>,
        /// GRE: key of the opener's packets.
        src_key: Option<u16>,
        /// GRE: key of packets to the other end.
        dst_key: Option<u16>,
        /// GRE: key of the answers.
        reply_src_key: Option<u16>,
        /// GRE: key of packets that answers go to.
        reply_dst_key: Option<u16>,
        /// The state, of every protocol; see [`State`](crate::flow::State).
        state: Cow<'static, str>,
        /// The state, of TCP only.
        tcp_state: Option<Cow<'static, str>>,
        /// All status bits.
        status: u32,
        /// Not evicted early.
        assured: bool,
        /// Packets went both ways.
        seen_reply: bool,
        /// Source NAT changed it, by its tuples.
        snat: bool,
        /// Destination NAT changed it, by its tuples.
        dnat: bool,
        /// Seconds it lives if no packet comes.
        timeout_s: Option<u64>,
        /// The mark.
        mark: Option<u32>,
        /// The zone, whichever direction it is for.
        zone: Option<u16>,
        /// `original` or `reply`, for a zone that is of this direction only.
        zone_of: Option<Cow<'static, str>>,
        /// The numbers of the labels that are set.
        labels: Option<Labels>,
        /// The helper.
        helper: Option<String>,
        /// The kernel's id. Not unique.
        id: Option<u32>,
        /// Packets of the opener.
        orig_packets: Option<u64>,
        /// Bytes of the opener.
        orig_bytes: Option<u64>,
        /// Packets of the answers.
        reply_packets: Option<u64>,
        /// Bytes of the answers.
        reply_bytes: Option<u64>,
        /// When it began, in nanoseconds since 1970.
        start_ns: Option<u64>,
        /// When it ended, in nanoseconds since 1970; only with the event of its end.
        stop_ns: Option<u64>,
    }
}

/// Values of `zone_of`.
const ORIGINAL: &str = "original";
const REPLY: &str = "reply";

/// The numbers of labels: a list in JSON, separated by blanks in CSV.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Labels(pub Vec<u8>);

impl From<&FlowRef<'_>> for Record {
    fn from(flow: &FlowRef<'_>) -> Self {
        let (original, reply) = (flow.original(), flow.reply());
        let ports =
            |tuple: &Tuple| (tuple.endpoints.source_port(), tuple.endpoints.destination_port());
        let ((src_port, dst_port), (reply_src_port, reply_dst_port)) =
            (ports(original), ports(reply));
        let icmp = |tuple: &Tuple| match tuple.endpoints {
            Endpoints::Icmp { icmp_type, code, id } => Some((icmp_type, code, id)),
            _ => None,
        };
        let (reply_icmp, icmp) = (icmp(reply), icmp(original));
        let keys = |tuple: &Tuple| match tuple.endpoints {
            Endpoints::GreKeys { source, destination } => (Some(source), Some(destination)),
            _ => (None, None),
        };
        let ((src_key, dst_key), (reply_src_key, reply_dst_key)) = (keys(original), keys(reply));
        let zone_of = match (flow.zone(), original.zone, reply.zone) {
            (None, Some(_), _) => Some(ORIGINAL),
            (None, None, Some(_)) => Some(REPLY),
            _ => None,
        };
        let state = flow.state();
        let state = state.name().map_or_else(|| Cow::Owned(state.to_string()), Cow::Borrowed);
        let counters = |direction| flow.counters(direction);
        let nanoseconds = |moment: SystemTime| {
            u64::try_from(moment.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos()).ok()
        };
        let timestamps = flow.timestamps();
        Self {
            observed_at: None,
            node: None,
            netns_inode: None,
            family: original.family().version(),
            proto: original.protocol.0,
            src_ip: original.source,
            dst_ip: original.destination,
            src_port,
            dst_port,
            reply_src_ip: reply.source,
            reply_dst_ip: reply.destination,
            reply_src_port,
            reply_dst_port,
            icmp_type: icmp.map(|(icmp_type, ..)| icmp_type),
            icmp_code: icmp.map(|(_, code, _)| code),
            icmp_id: icmp.map(|(.., id)| id),
            reply_icmp_id: reply_icmp.map(|(.., id)| id),
            src_key,
            dst_key,
            reply_src_key,
            reply_dst_key,
            tcp_state: (original.protocol == Protocol::TCP && flow.protoinfo().is_some())
                .then(|| state.clone()),
            state,
            status: flow.status().bits(),
            assured: flow.status().contains(Status::ASSURED),
            seen_reply: flow.status().contains(Status::SEEN_REPLY),
            snat: flow.source_nat().is_some(),
            dnat: flow.destination_nat().is_some(),
            timeout_s: flow.timeout().map(|timeout| timeout.as_secs()),
            mark: flow.mark(),
            zone: flow.zone().or(original.zone).or(reply.zone),
            zone_of: zone_of.map(Cow::Borrowed),
            labels: flow.labels().map(|labels| Labels(labels.iter().collect())),
            helper: flow.helper().map(|helper| helper.name.into_owned()),
            id: flow.id().map(|id| id.0),
            orig_packets: counters(Direction::Original).map(|counters| counters.packets),
            orig_bytes: counters(Direction::Original).map(|counters| counters.bytes),
            reply_packets: counters(Direction::Reply).map(|counters| counters.packets),
            reply_bytes: counters(Direction::Reply).map(|counters| counters.bytes),
            start_ns: timestamps.and_then(|timestamps| nanoseconds(timestamps.start)),
            stop_ns: timestamps.and_then(|timestamps| nanoseconds(timestamps.stop?)),
        }
    }
}

impl Record {
    /// With where and when it was seen.
    #[must_use]
    pub fn observed(mut self, observation: &Observation) -> Self {
        self.observed_at = observation.at;
        self.node.clone_from(&observation.node);
        self.netns_inode = observation.netns_inode;
        self
    }

    /// Where and when it was seen.
    pub fn observation(&self) -> Observation {
        Observation { at: self.observed_at, node: self.node.clone(), netns_inode: self.netns_inode }
    }

    fn tuples(&self) -> Option<(Tuple, Tuple)> {
        let protocol = Protocol(self.proto);
        let ports = |source: Option<u16>, destination: Option<u16>| {
            Some(Endpoints::Ports { source: source?, destination: destination? })
        };
        let keys = |source: Option<u16>, destination: Option<u16>| {
            Some(Endpoints::GreKeys { source: source?, destination: destination? })
        };
        let icmp = || {
            let (icmp_type, code) = (self.icmp_type?, self.icmp_code?);
            Some(Endpoints::Icmp { icmp_type, code, id: self.icmp_id? })
        };
        let endpoints = ports(self.src_port, self.dst_port)
            .or_else(|| keys(self.src_key, self.dst_key))
            .or_else(icmp);
        let zone = |of| if self.zone_of.as_deref() == Some(of) { self.zone } else { None };
        let original = Tuple {
            source: self.src_ip,
            destination: self.dst_ip,
            protocol,
            endpoints: endpoints.unwrap_or(Endpoints::None),
            zone: zone(ORIGINAL),
        };
        let mut answer = original.inverse().endpoints;
        if let (Endpoints::Icmp { id, .. }, Some(changed)) = (&mut answer, self.reply_icmp_id) {
            *id = changed;
        }
        let reply = Tuple {
            source: self.reply_src_ip,
            destination: self.reply_dst_ip,
            endpoints: ports(self.reply_src_port, self.reply_dst_port)
                .or_else(|| keys(self.reply_src_key, self.reply_dst_key))
                .unwrap_or(answer),
            zone: zone(REPLY),
            ..original
        };
        let four = self.family == 4;
        let same = [original, reply]
            .iter()
            .all(|tuple| tuple.source.is_ipv4() == four && tuple.destination.is_ipv4() == four);
        (same && [4, 6].contains(&self.family)).then_some((original, reply))
    }
}

/// Addresses that are not of the record's family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MixedFamilies;

impl fmt::Display for MixedFamilies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("addresses that are not of the family 4 or 6 that it says")
    }
}

impl std::error::Error for MixedFamilies {}

/// The entry a record is of, as far as it says: its tuples and all that counts and filters look at. What TCP
/// has agreed on, sequence adjustments, masters and the like are in captures only.
impl TryFrom<&Record> for Flow {
    type Error = MixedFamilies;

    fn try_from(record: &Record) -> Result<Self, MixedFamilies> {
        let (original, reply) = record.tuples().ok_or(MixedFamilies)?;
        let counters = |packets: Option<u64>, bytes: Option<u64>| {
            Some(Counters { packets: packets?, bytes: bytes? })
        };
        let moment = |nanoseconds| UNIX_EPOCH + Duration::from_nanos(nanoseconds);
        let mut flow = Self::new(original, reply);
        flow.status = Status::from_bits_retain(record.status);
        flow.timeout = record.timeout_s.map(Duration::from_secs);
        flow.mark = record.mark;
        flow.zone = record.zone.filter(|_| record.zone_of.is_none());
        flow.id = record.id.map(FlowId);
        flow.protoinfo = match Protocol(record.proto) {
            Protocol::TCP => record
                .tcp_state
                .as_deref()
                .and_then(|state| ProtoInfo::of_state(Protocol::TCP, state)),
            protocol => ProtoInfo::of_state(protocol, &record.state),
        };
        flow.labels = record.labels.as_ref().map(|numbers| {
            let mut labels = crate::flow::Labels::default();
            numbers.0.iter().for_each(|number| _ = labels.insert(*number));
            labels
        });
        flow.helper = record.helper.clone().map(|name| Helper { name: name.into(), info: None });
        flow.counters_original = counters(record.orig_packets, record.orig_bytes);
        flow.counters_reply = counters(record.reply_packets, record.reply_bytes);
        flow.timestamps = record
            .start_ns
            .map(|start| Timestamps { start: moment(start), stop: record.stop_ns.map(moment) });
        Ok(flow)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::{Flow, Helper};

    #[test]
    fn what_is_not_there_is_empty_and_text_is_quoted() {
        let ends = |last| (IpAddr::from([10, 0, 0, last]), u16::from(last));
        let original = Tuple::with_ports(Protocol::UDP, ends(1), ends(2));
        let mut flow = Flow::new(original, original.inverse());
        flow.helper = Some(Helper { name: "a,\"b\"".into(), info: None });
        let bytes = flow.to_bytes();
        let record = Record::from(&FlowRef::parse(&bytes).unwrap());
        assert_eq!(
            record.csv().to_string(),
            ",,,4,17,10.0.0.1,10.0.0.2,1,2,10.0.0.2,10.0.0.1,2,1,,,,,,,,,UNREPLIED,,0,false,false,\
             false,false,,,,,,\"a,\"\"b\"\"\",,,,,,,"
        );
        let commas = record.csv().to_string().matches(',').count();
        assert_eq!(commas, Record::COLUMNS.len(), "one of them is in the helper's name");
    }
}
