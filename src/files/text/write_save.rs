//! An entry as a line that `conntrack -R` loads.

use std::fmt;

use super::{STATUS_NAMES, has_made_up_ports, put};
use crate::flow::{Direction, Endpoints, FlowRef, ProtoInfo, Protocol, State, Status};

/// An entry as a line that `conntrack -R` of conntrack-tools 1.4.7 loads, without the end of the line.
///
/// It is what `conntrack -L -o save` prints, and what else is needed: the mark, NAT that changes only a port, the state
/// of TCP in a flow table, and what `conntrack -R` asks for of protocols whose details the kernel does not tell (DCCP and
/// UDP-Lite). Without these in one line, it refuses the whole file. Left out are labels, whose names `conntrack` has from
/// a file, and helpers, counters and the id.
///
/// ```
/// use ctnetlink::files::text::SaveLine;
/// use ctnetlink::flow::{Flow, FlowRef, Protocol, Tuple};
/// let client = ("192.0.2.1".parse()?, 40000);
/// let server = ("198.51.100.7".parse()?, 53);
/// let original = Tuple::with_ports(Protocol::UDP, client, server);
/// let bytes = Flow::new(original, original.inverse()).to_bytes();
/// assert_eq!(
///     SaveLine::of(&FlowRef::parse(&bytes)?).to_string(),
///     "-A -t 120 -u UNSET -s 192.0.2.1 -d 198.51.100.7 -r 198.51.100.7 -q 192.0.2.1 -p udp \
///      --sport 40000 --dport 53 --reply-port-src 53 --reply-port-dst 40000"
/// );
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct SaveLine<'f, 'a> {
    flow: &'f FlowRef<'a>,
}

/// The timeout, in seconds, of an entry without one, as in a flow table. Packets renew it.
const TIMEOUT: u64 = 120;

impl<'f, 'a> SaveLine<'f, 'a> {
    /// The line of an entry.
    pub fn of(flow: &'f FlowRef<'a>) -> Self {
        Self { flow }
    }

    fn status(&self) -> String {
        let status = self.flow.status();
        let set = STATUS_NAMES.iter().filter(|(bit, _)| status.contains(*bit));
        let names: Vec<_> = set.map(|(_, name)| *name).collect();
        if names.is_empty() { "UNSET".to_owned() } else { names.join(",") }
    }

    fn addresses(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (original, reply) = (self.flow.original(), self.flow.reply());
        // Tuples may differ without NAT.
        let status = self.flow.status();
        let answers = if status.contains(Status::DST_NAT) { "-g" } else { "-r" };
        let back = if status.contains(Status::SRC_NAT) { "-n" } else { "-q" };
        write!(f, " -s {} -d {}", original.source, original.destination)?;
        write!(f, " {answers} {} {back} {}", reply.source, reply.destination)
    }

    fn zones(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = |direction| self.flow.tuple(direction).zone;
        put(f, " -w ", self.flow.zone())?;
        put(f, " --orig-zone ", of(Direction::Original))?;
        put(f, " --reply-zone ", of(Direction::Reply))
    }

    fn endpoints(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (original, reply) = (self.flow.original(), self.flow.reply());
        match (original.endpoints, reply.endpoints) {
            (Endpoints::Ports { source, destination }, back) => {
                let answers = back.source_port().unwrap_or_default();
                let back = back.destination_port().unwrap_or_default();
                write!(f, " --sport {source} --dport {destination}")?;
                write!(f, " --reply-port-src {answers} --reply-port-dst {back}")
            }
            (Endpoints::GreKeys { source, destination }, back) => {
                write!(f, " --srckey {source} --dstkey {destination}")?;
                let Endpoints::GreKeys { source, destination } = back else { return Ok(()) };
                write!(f, " --reply-key-src {source} --reply-key-dst {destination}")
            }
            (Endpoints::Icmp { icmp_type, code, id }, _) => {
                let name = if original.protocol == Protocol::ICMPV6 { "icmpv6" } else { "icmp" };
                write!(f, " --{name}-type {icmp_type} --{name}-code {code} --{name}-id {id}")
            }
            (Endpoints::None, _) if has_made_up_ports(original) => {
                f.write_str(" --sport 0 --dport 0 --reply-port-src 0 --reply-port-dst 0")
            }
            (Endpoints::None, _) => Ok(()),
        }
    }

    /// What the protocol's tracker keeps, or what `conntrack -R` asks for in place of it.
    fn tracker(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let in_flow_table = self.flow.state() == State::OFFLOAD;
        match (self.flow.protocol(), self.flow.protoinfo()) {
            (_, Some(ProtoInfo::Tcp(tcp))) => {
                write!(f, " --state {}", tcp.state.name().unwrap_or("NONE"))
            }
            (Protocol::TCP, _) if in_flow_table => f.write_str(" --state ESTABLISHED"),
            (Protocol::TCP, _) => f.write_str(" --state NONE"),
            (_, Some(ProtoInfo::Sctp(sctp))) => {
                // `conntrack` prints and reads them in the byte order of this machine.
                let tag = |tag: Option<u32>| tag.unwrap_or_default().to_be();
                let (original, reply) = (tag(sctp.vtag_original), tag(sctp.vtag_reply));
                let state = sctp.state.name().unwrap_or("NONE");
                write!(f, " --state {state} --orig-vtag {original} --reply-vtag {reply}")
            }
            (Protocol::SCTP, _) => f.write_str(" --state NONE --orig-vtag 0 --reply-vtag 0"),
            (_, Some(ProtoInfo::Dccp(dccp))) => {
                let role = if dccp.role == Some(1) { "server" } else { "client" };
                write!(f, " --state {} --role {role}", dccp.state.name().unwrap_or("NONE"))
            }
            (Protocol::DCCP, _) => f.write_str(" --state NONE --role client"),
            _ => Ok(()),
        }
    }
}

impl fmt::Display for SaveLine<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let flow = self.flow;
        let timeout = flow.timeout().map_or(TIMEOUT, |timeout| timeout.as_secs().max(1));
        write!(f, "-A -t {timeout} -u {}", self.status())?;
        self.zones(f)?;
        self.addresses(f)?;
        match flow.protocol().name() {
            Some(name) => write!(f, " -p {name}")?,
            None => write!(f, " -p {}", flow.protocol().0)?,
        }
        self.endpoints(f)?;
        self.tracker(f)?;
        put(f, " -m ", flow.mark())
    }
}
