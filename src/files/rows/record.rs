//! An entry as one flat row.

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::parts::{Half, state_name, tracked};
use super::schema::{DISTINCT, row};
use crate::flow::{
    Direction, Endpoints, Flow, FlowId, FlowRef, Helper, Labels, Protocol, Status, Timestamps,
    Tuple,
};

row! {
    by src_ip, |row| (
        row.src_ip.to_string(),
        format!("{} {} {:03}", row.state, row.dst_ip, row.proto),
        u32::from(row.dst_port.unwrap_or_default()) << 16 | u32::from(row.src_port.unwrap_or_default())
    );
    /// An entry as one flat row. What the entry does not say is `None`: `null` in JSON and Parquet, empty in CSV, and
    /// never zero.
    Record {
        /// 4 or 6.
        family: u8,
        /// The layer-4 protocol's number.
        proto: u8,
        /// Who opened the flow.
        src_ip: IpAddr,
        /// Whom the opener addressed.
        dst_ip: IpAddr,
        /// Source port, of protocols that have ports.
        src_port: Option<u16> = DISTINCT,
        /// Destination port, of protocols that have ports.
        dst_port: Option<u16>,
        /// Who answers: behind destination NAT, the real server.
        reply_src_ip: IpAddr,
        /// Where answers go: behind source NAT, the gateway.
        reply_dst_ip: IpAddr,
        /// Source port of the answers.
        reply_src_port: Option<u16>,
        /// Destination port of the answers.
        reply_dst_port: Option<u16> = DISTINCT,
        /// ICMP and ICMPv6: type of the first message.
        icmp_type: Option<u8>,
        /// ICMP and ICMPv6: code of the first message.
        icmp_code: Option<u8>,
        /// ICMP and ICMPv6: identifier.
        icmp_id: Option<u16> = DISTINCT,
        /// ICMP and ICMPv6: identifier of the answers, which NAT may have changed.
        reply_icmp_id: Option<u16> = DISTINCT,
        /// GRE: key of the opener's packets.
        src_key: Option<u16> = DISTINCT,
        /// GRE: key of packets to the other end.
        dst_key: Option<u16>,
        /// GRE: key of the answers.
        reply_src_key: Option<u16> = DISTINCT,
        /// GRE: key of packets that answers go to.
        reply_dst_key: Option<u16>,
        /// The state, of every protocol; see [`State`](crate::flow::State).
        state: Cow<'static, str>,
        /// The state, if it is a TCP entry and the kernel sent one.
        tcp_state: Option<Cow<'static, str>>,
        /// All status bits.
        status: u32,
        /// Whether it is ASSURED: not evicted early.
        assured: bool,
        /// Whether packets went both ways.
        seen_reply: bool,
        /// Whether its tuples show source NAT.
        snat: bool,
        /// Whether its tuples show destination NAT.
        dnat: bool,
        /// Seconds until it expires if no packet comes.
        timeout_s: Option<u64> = DISTINCT,
        /// The mark.
        mark: Option<u32>,
        /// The zone, of both directions or of one.
        zone: Option<u16>,
        /// `original` or `reply`, if the zone is of this direction only.
        zone_of: Option<Cow<'static, str>>,
        /// The labels: their numbers in JSON and CSV, and 128 bits in Parquet.
        #[cfg_attr(feature = "serde", serde(default, with = "super::schema::labels"))]
        labels: Option<Labels>,
        /// The name of the helper.
        helper: Option<String>,
        /// The kernel's id. Not unique.
        id: Option<u32> = DISTINCT,
        /// How many users the entry had in the kernel.
        use_count: Option<u32>,
        /// Packets of the opener.
        orig_packets: Option<u64>,
        /// Bytes of the opener.
        orig_bytes: Option<u64> = DISTINCT,
        /// Packets of the answers.
        reply_packets: Option<u64>,
        /// Bytes of the answers.
        reply_bytes: Option<u64> = DISTINCT,
        /// When it began, in nanoseconds since 1970.
        start_ns: Option<u64> = DISTINCT,
        /// When it ended, in nanoseconds since 1970; only with the event of its end.
        stop_ns: Option<u64> = DISTINCT,
    }
}

/// Values of `zone_of`.
const ORIGINAL: &str = "original";
const REPLY: &str = "reply";

impl From<&FlowRef<'_>> for Record {
    fn from(flow: &FlowRef<'_>) -> Self {
        let half = |direction| Half::of(flow.tuple(direction), flow.counters(direction));
        let (there, back) = (half(Direction::Original), half(Direction::Reply));
        let ([src_port, dst_port], [reply_src_port, reply_dst_port]) = (there.ports, back.ports);
        let ([src_key, dst_key], [reply_src_key, reply_dst_key]) = (there.keys, back.keys);
        let ((icmp_type, icmp_code, icmp_id), (.., reply_icmp_id)) = (there.icmp, back.icmp);
        let zones = [(flow.zone(), None), (there.zone, Some(ORIGINAL)), (back.zone, Some(REPLY))];
        let zone = zones.into_iter().find(|(zone, _)| zone.is_some());
        let (zone, zone_of) = zone.unwrap_or_default();
        let (original, reply) = (flow.original(), flow.reply());
        let is_tracked_tcp = original.protocol == Protocol::TCP && flow.protoinfo().is_some();
        let state = state_name(flow.state());
        let nanoseconds = |time: SystemTime| {
            u64::try_from(time.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos()).ok()
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
            icmp_type,
            icmp_code,
            icmp_id,
            reply_icmp_id,
            src_key,
            dst_key,
            reply_src_key,
            reply_dst_key,
            tcp_state: is_tracked_tcp.then(|| state.clone()),
            state,
            status: flow.status().bits(),
            assured: flow.status().contains(Status::ASSURED),
            seen_reply: flow.status().contains(Status::SEEN_REPLY),
            snat: flow.source_nat().is_some(),
            dnat: flow.destination_nat().is_some(),
            timeout_s: flow.timeout().map(|timeout| timeout.as_secs()),
            mark: flow.mark(),
            zone,
            zone_of: zone_of.map(Cow::Borrowed),
            labels: flow.labels(),
            helper: flow.helper().map(|helper| helper.name.into_owned()),
            id: flow.id().map(|id| id.0),
            use_count: flow.use_count(),
            orig_packets: there.packets,
            orig_bytes: there.bytes,
            reply_packets: back.packets,
            reply_bytes: back.bytes,
            start_ns: timestamps.and_then(|timestamps| nanoseconds(timestamps.start)),
            stop_ns: timestamps.and_then(|timestamps| nanoseconds(timestamps.stop?)),
        }
    }
}

/// A record whose addresses are not all of the family it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MixedFamilies;

impl fmt::Display for MixedFamilies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the addresses are not all of the family it says, 4 or 6")
    }
}

impl std::error::Error for MixedFamilies {}

/// The entry of a record: its tuples, and all that counts and filters use. Only captures keep the rest: TCP's windows
/// and flags, sequence adjustments, masters and the like.
impl TryFrom<&Record> for Flow {
    type Error = MixedFamilies;

    fn try_from(record: &Record) -> Result<Self, MixedFamilies> {
        let zone = |of: Option<&str>| record.zone.filter(|_| record.zone_of.as_deref() == of);
        let there = Half {
            source: Some(record.src_ip),
            destination: Some(record.dst_ip),
            ports: [record.src_port, record.dst_port],
            keys: [record.src_key, record.dst_key],
            icmp: (record.icmp_type, record.icmp_code, record.icmp_id),
            zone: zone(Some(ORIGINAL)),
            packets: record.orig_packets,
            bytes: record.orig_bytes,
        };
        let back = Half {
            source: Some(record.reply_src_ip),
            destination: Some(record.reply_dst_ip),
            ports: [record.reply_src_port, record.reply_dst_port],
            keys: [record.reply_src_key, record.reply_dst_key],
            icmp: (None, None, None),
            zone: zone(Some(REPLY)),
            packets: record.reply_packets,
            bytes: record.reply_bytes,
        };
        let (original, reply) = tuples(record, &there, &back).ok_or(MixedFamilies)?;
        let mut flow = Self::new(original, reply);
        flow.status = Status::from_bits_retain(record.status);
        flow.timeout = record.timeout_s.map(Duration::from_secs);
        flow.mark = record.mark;
        flow.zone = zone(None);
        flow.id = record.id.map(FlowId);
        flow.use_count = record.use_count;
        let is_tcp = original.protocol == Protocol::TCP;
        let state = if is_tcp { record.tcp_state.as_ref() } else { Some(&record.state) };
        flow.protoinfo = state.and_then(|state| tracked(original.protocol, state));
        flow.labels = record.labels;
        flow.helper = record.helper.clone().map(|name| Helper { name: name.into(), info: None });
        (flow.counters_original, flow.counters_reply) = (there.counters(), back.counters());
        let time = |nanoseconds| UNIX_EPOCH + Duration::from_nanos(nanoseconds);
        flow.timestamps = record
            .start_ns
            .map(|start| Timestamps { start: time(start), stop: record.stop_ns.map(time) });
        Ok(flow)
    }
}

/// The two tuples, if they are of the record's family.
fn tuples(record: &Record, there: &Half, back: &Half) -> Option<(Tuple, Tuple)> {
    let protocol = Protocol(record.proto);
    let original = there.tuple(protocol, None)?;
    let mut reply = back.tuple(protocol, Some(original.inverse()))?;
    if let (Endpoints::Icmp { id, .. }, Some(changed)) =
        (&mut reply.endpoints, record.reply_icmp_id)
    {
        *id = changed;
    }
    let addresses = [record.src_ip, record.dst_ip, record.reply_src_ip, record.reply_dst_ip];
    let version = |address: &IpAddr| if address.is_ipv4() { 4 } else { 6 };
    let same = addresses.iter().all(|address| version(address) == record.family);
    same.then_some((original, reply))
}
