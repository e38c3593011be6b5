//! An entry as the line `conntrack -L` prints, byte for byte.

use std::fmt;
use std::time::SystemTime;

use super::has_made_up_ports;
use crate::escape::Word;
use crate::flow::{Direction, FlowRef, ProtoInfo, Status};

/// An entry as `conntrack -L` of conntrack-tools 1.4.7 prints it, without the end of the line.
///
/// ```
/// use ctnetlink::files::text::Line;
/// use ctnetlink::flow::{Flow, FlowRef, Protocol, Tuple};
/// let client = ("192.0.2.1".parse()?, 40000);
/// let server = ("198.51.100.7".parse()?, 53);
/// let original = Tuple::with_ports(Protocol::UDP, client, server);
/// let bytes = Flow::new(original, original.inverse()).to_bytes();
/// let flow = FlowRef::parse(&bytes)?;
/// assert_eq!(
///     Line::of(&flow).extended(true).to_string(),
///     "ipv4     2 udp      17 src=192.0.2.1 dst=198.51.100.7 sport=40000 dport=53 [UNREPLIED] \
///      src=198.51.100.7 dst=192.0.2.1 sport=53 dport=40000"
/// );
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// As `conntrack` does, it shows a state for protocols with a tracker only, and none for what the kernel did not send.
/// Labels are not shown: `conntrack` knows them by the names in a file. Others wrote the names of helpers and the
/// security contexts: in them, blanks and characters that are [not plain](crate::escape) are escaped, so that an entry
/// is one line, and each name one word.
#[derive(Debug, Clone, Copy)]
pub struct Line<'f, 'a> {
    flow: &'f FlowRef<'a>,
    extended: bool,
    id: bool,
    now: Option<SystemTime>,
}

impl<'f, 'a> Line<'f, 'a> {
    /// The line of an entry.
    pub fn of(flow: &'f FlowRef<'a>) -> Self {
        Self { flow, extended: false, id: false, now: None }
    }

    /// Begins with the family, as `-o extended` does.
    #[must_use]
    pub fn extended(mut self, extended: bool) -> Self {
        self.extended = extended;
        self
    }

    /// Ends with the id, as `-o id` does.
    #[must_use]
    pub fn id(mut self, id: bool) -> Self {
        self.id = id;
        self
    }

    /// Reckons the age of the entry to this moment; the default is the moment it is printed.
    #[must_use]
    pub fn at(mut self, now: SystemTime) -> Self {
        self.now = Some(now);
        self
    }

    fn direction(&self, direction: Direction, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tuple = self.flow.tuple(direction);
        write!(f, "{tuple}")?;
        if has_made_up_ports(tuple) {
            f.write_str(" sport=0 dport=0")?;
        }
        if let Some(zone) = tuple.zone {
            let name = if direction == Direction::Original { "orig" } else { "reply" };
            write!(f, " zone-{name}={zone}")?;
        }
        if let Some(counters) = self.flow.counters(direction) {
            write!(f, " packets={} bytes={}", counters.packets, counters.bytes)?;
        }
        Ok(())
    }
}

impl fmt::Display for Line<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let flow = self.flow;
        if self.extended {
            let family = flow.original().family();
            // As wide as `conntrack` makes them.
            write!(f, "{family:<8} {} ", family.number())?;
        }
        let protocol = flow.protocol();
        write!(f, "{:<8} {} ", protocol.name().unwrap_or("unknown"), protocol.0)?;
        if let Some(timeout) = flow.timeout() {
            write!(f, "{} ", timeout.as_secs())?;
        }
        match flow.protoinfo() {
            Some(ProtoInfo::Tcp(tcp)) => write!(f, "{} ", tcp.state)?,
            Some(ProtoInfo::Sctp(sctp)) => write!(f, "{} ", sctp.state)?,
            Some(ProtoInfo::Dccp(dccp)) => write!(f, "{} ", dccp.state)?,
            _ => {}
        }
        self.direction(Direction::Original, f)?;
        let status = flow.status();
        f.write_str(if status.contains(Status::SEEN_REPLY) { " " } else { " [UNREPLIED] " })?;
        self.direction(Direction::Reply, f)?;
        if status.contains(Status::HW_OFFLOAD) {
            f.write_str(" [HW_OFFLOAD]")?;
        } else if status.contains(Status::OFFLOAD) {
            f.write_str(" [OFFLOAD]")?;
        } else if status.contains(Status::ASSURED) {
            f.write_str(" [ASSURED]")?;
        }
        if let Some(mark) = flow.mark() {
            write!(f, " mark={mark}")?;
        }
        if let Some(context) = flow.security_context() {
            write!(f, " secctx={}", Word(context))?;
        }
        if let Some(zone) = flow.zone() {
            write!(f, " zone={zone}")?;
        }
        if let Some(timestamps) = flow.timestamps() {
            let now = self.now.unwrap_or_else(SystemTime::now);
            // By whole seconds of the clock, as `conntrack` reckons.
            let seconds = |moment: SystemTime| {
                moment.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs()
            };
            let age = seconds(now).saturating_sub(seconds(timestamps.start));
            write!(f, " delta-time={age}")?;
        }
        if let Some(helper) = flow.helper() {
            write!(f, " helper={}", Word(&*helper.name))?;
        }
        if let Some(count) = flow.use_count() {
            write!(f, " use={count}")?;
        }
        match flow.id().filter(|_| self.id) {
            Some(id) => write!(f, " id={id}"),
            None => Ok(()),
        }
    }
}
