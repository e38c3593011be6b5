//! An entry as one flat record, for JSON, CSV and tables.

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::flow::{Direction, Endpoints, FlowRef, Protocol, Status, Tuple};

macro_rules! record {
    ($($(#[$doc:meta])* $name:ident: $type:ty,)*) => {
        /// An entry as one flat record. What the entry does not say is `None`: `null` in JSON,
        /// nothing in CSV, and never zero.
        #[derive(Debug, Clone, PartialEq, Eq)]
        #[cfg_attr(feature = "serde", derive(serde::Serialize))]
        #[non_exhaustive]
        pub struct Record {
            $($(#[$doc])* pub $name: $type,)*
        }

        impl Record {
            /// The names of the columns, in order.
            pub const COLUMNS: &[&str] = &[$(stringify!($name)),*];

            fn cells(&self) -> impl Iterator<Item = &dyn Cell> {
                [$(&self.$name as &dyn Cell),*].into_iter()
            }
        }
    };
}

record! {
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

/// The numbers of labels: a list in JSON, separated by blanks in CSV.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Labels(pub Vec<u8>);

impl From<&FlowRef<'_>> for Record {
    fn from(flow: &FlowRef<'_>) -> Self {
        let (original, reply) = (flow.original(), flow.reply());
        let ports =
            |tuple: &Tuple| (tuple.endpoints.source_port(), tuple.endpoints.destination_port());
        let ((src_port, dst_port), (reply_src_port, reply_dst_port)) =
            (ports(original), ports(reply));
        let icmp = match original.endpoints {
            Endpoints::Icmp { icmp_type, code, id } => Some((icmp_type, code, id)),
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

/// A record as a line of CSV (RFC 4180), without its end. Made by [`Record::csv`].
#[derive(Debug, Clone, Copy)]
pub struct CsvRow<'r>(&'r Record);

impl Record {
    /// The values in the order of [`COLUMNS`](Self::COLUMNS), with commas between.
    pub fn csv(&self) -> CsvRow<'_> {
        CsvRow(self)
    }
}

impl fmt::Display for CsvRow<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut comma = "";
        for cell in self.0.cells() {
            f.write_str(comma)?;
            cell.write(f)?;
            comma = ",";
        }
        Ok(())
    }
}

/// A value in a line of CSV.
trait Cell {
    fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result;
}

macro_rules! plain {
    ($($type:ty)*) => {
        $(impl Cell for $type {
            fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        })*
    };
}

plain! { u8 u16 u32 u64 bool IpAddr }

impl<T: Cell> Cell for Option<T> {
    fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_ref().map_or(Ok(()), |value| value.write(f))
    }
}

impl Cell for str {
    fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.contains([',', '"', '\n', '\r']) {
            write!(f, "\"{}\"", self.replace('"', "\"\""))
        } else {
            f.write_str(self)
        }
    }
}

impl Cell for String {
    fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().write(f)
    }
}

impl Cell for Cow<'static, str> {
    fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).write(f)
    }
}

impl Cell for Labels {
    fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut blank = "";
        for label in &self.0 {
            write!(f, "{blank}{label}")?;
            blank = " ";
        }
        Ok(())
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
            "4,17,10.0.0.1,10.0.0.2,1,2,10.0.0.2,10.0.0.1,2,1,,,,UNREPLIED,,0,false,false,false,\
             false,,,,,\"a,\"\"b\"\"\",,,,,,,"
        );
        let commas = record.csv().to_string().matches(',').count();
        assert_eq!(commas, Record::COLUMNS.len(), "one of them is in the helper's name");
    }
}
