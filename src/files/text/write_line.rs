//! An entry as the line `conntrack -L` prints, byte for byte.

use std::fmt;
use std::time::SystemTime;

use super::{has_made_up_ports, put};
use crate::escape::Word;
use crate::flow::{Direction, FlowRef, Status};

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
/// As in `conntrack`, only protocols with a tracker have a state, and what the kernel did not send is left out. Labels
/// are not shown, since `conntrack` has their names from a file. Others chose the names of helpers and the security
/// contexts: blanks and characters that are [not plain](crate::escape) are escaped in them, so that an entry is one
/// line, and each name one word.
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

    /// Whether the line begins with the family, as with `-o extended`.
    #[must_use]
    pub fn extended(mut self, extended: bool) -> Self {
        self.extended = extended;
        self
    }

    /// Whether the line ends with the id, as with `-o id`.
    #[must_use]
    pub fn id(mut self, id: bool) -> Self {
        self.id = id;
        self
    }

    /// Counts the age of the entry up to this time. The default is the time of printing.
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
        let is_original = direction == Direction::Original;
        put(f, if is_original { " zone-orig=" } else { " zone-reply=" }, tuple.zone)?;
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
            // As wide as in `conntrack`.
            write!(f, "{family:<8} {} ", family.number())?;
        }
        let protocol = flow.protocol();
        write!(f, "{:<8} {} ", protocol.name().unwrap_or("unknown"), protocol.0)?;
        if let Some(timeout) = flow.timeout() {
            write!(f, "{} ", timeout.as_secs())?;
        }
        if let Some(state) = flow.protoinfo().and_then(|info| info.state()) {
            write!(f, "{state} ")?;
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
        put(f, " mark=", flow.mark())?;
        put(f, " secctx=", flow.security_context().map(Word))?;
        put(f, " zone=", flow.zone())?;
        // By whole seconds of the clock, as `conntrack` counts.
        let seconds = |time: SystemTime| {
            time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs()
        };
        let now = || seconds(self.now.unwrap_or_else(SystemTime::now));
        let age = flow.timestamps().map(|times| now().saturating_sub(seconds(times.start)));
        put(f, " delta-time=", age)?;
        put(f, " helper=", flow.helper().map(|helper| Word(helper.name)))?;
        put(f, " use=", flow.use_count())?;
        put(f, " id=", flow.id().filter(|_| self.id))
    }
}
