//! Reads an entry from one line of text.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use super::{STATUS_NAMES, without_made_up_ports};
use crate::files::rows::parts::{Half, tracked};
use crate::flow::{Flow, FlowId, Helper, ProtoInfo, Protocol, Status, Tuple};

/// Why a line is not an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LineError {
    /// The word that is not as expected; empty for the end of the line.
    pub word: String,
    /// What was expected in its place.
    pub expected: &'static str,
}

impl LineError {
    fn at(word: impl Into<String>, expected: &'static str) -> Self {
        Self { word: word.into(), expected }
    }
}

impl fmt::Display for LineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { word, expected } = self;
        // Enough to find it in the line.
        let word: String = word.chars().take(40).collect();
        match word.is_empty() {
            true => write!(f, "expected {expected}, but the line ends"),
            false => write!(f, "expected {expected}, found {word:?}"),
        }
    }
}

impl std::error::Error for LineError {}

/// What a line says, word by word.
#[derive(Default)]
struct Said<'l> {
    halves: [Half; 2],
    protocol: Option<Protocol>,
    status: Status,
    state: Option<&'l str>,
    timeout: Option<u64>,
    mark: Option<u32>,
    zone: Option<u16>,
    use_count: Option<u32>,
    id: Option<u32>,
    helper: Option<&'l str>,
    context: Option<&'l str>,
    /// SCTP's verification tags.
    tags: [Option<u32>; 2],
}

/// Reads a line that `conntrack -L` printed, in any of its formats of one line, `-o save` included, or a line of the
/// kernel's own list.
///
/// ```
/// let line = "udp      17 29 src=10.0.0.1 dst=10.0.0.2 sport=4000 dport=53 [UNREPLIED] \
///             src=10.0.0.2 dst=10.0.0.1 sport=53 dport=4000 mark=0 use=1";
/// let flow = ctnetlink::files::text::parse_line(line)?;
/// assert_eq!(flow.original.endpoints.destination_port(), Some(53));
/// assert_eq!(flow.state().to_string(), "UNREPLIED");
/// # Ok::<(), ctnetlink::files::text::LineError>(())
/// ```
///
/// # Errors
///
/// A line that is not an entry. Unknown words after the tuples are skipped.
pub fn parse_line(line: &str) -> Result<Flow, LineError> {
    if line.starts_with("-A ") {
        return parse_saved(line);
    }
    let mut words = line.split_whitespace().peekable();
    let mut next = |expected| words.next().ok_or_else(|| LineError::at("", expected));
    let mut name = next("a protocol")?;
    if ["ipv4", "ipv6"].contains(&name) {
        let number = next("the number of the family")?;
        let wrong = |_| LineError::at(number, "the number of the family");
        number.parse::<u8>().map_err(wrong)?;
        name = next("a protocol")?;
    }
    let number = next("the number of the protocol")?;
    let protocol = number.parse().map(Protocol).map_err(|_| {
        let word = if number.contains('=') { name } else { number };
        LineError::at(word, "a protocol name and number")
    })?;
    let status = Status::CONFIRMED | Status::SEEN_REPLY;
    let mut said = Said { protocol: Some(protocol), status, ..Said::default() };
    let timeout = words.next_if(|word| word.bytes().all(|byte| byte.is_ascii_digit()));
    said.timeout = timeout.and_then(|text| text.parse().ok());
    said.state = words.next_if(|word| !word.contains('=') && !word.starts_with('['));

    let mut half = None;
    while let Some(word) = words.next() {
        if let Some(flag) = word.strip_prefix('[') {
            match flag.trim_end_matches(']') {
                "UNREPLIED" => said.status.remove(Status::SEEN_REPLY),
                "ASSURED" => said.status |= Status::ASSURED,
                "OFFLOAD" => said.status |= Status::OFFLOAD,
                "HW_OFFLOAD" => said.status |= Status::OFFLOAD | Status::HW_OFFLOAD,
                // A time has blanks in it.
                _ if !flag.ends_with(']') => {
                    while words.next().is_some_and(|word| !word.ends_with(']')) {}
                }
                _ => {}
            }
            continue;
        }
        let (name, value) =
            word.split_once('=').ok_or_else(|| LineError::at(word, "name=value"))?;
        // The kernel's own list has these for GRE, before the tuples.
        if half.is_none() && ["timeout", "stream_timeout"].contains(&name) {
            continue;
        }
        if name == "src" {
            half = Some(half.map_or(0, |half: usize| half + 1));
        }
        let half = half.filter(|half| *half < said.halves.len());
        let half = half.ok_or_else(|| LineError::at(word, "src= of one direction or two"))?;
        let wrong = || LineError::at(word, "a number or an address");
        said.take(half, name, value).ok_or_else(wrong)?;
    }
    said.flow(["src=", "dst="], false)
}

/// Options of a saved line that say the same as a word of other lines: the option, the direction and the word.
const OPTIONS: [(&str, usize, &str); 22] = [
    ("-s", 0, "src"),
    ("-d", 0, "dst"),
    // Without NAT and with it.
    ("-r", 1, "src"),
    ("-g", 1, "src"),
    ("-q", 1, "dst"),
    ("-n", 1, "dst"),
    ("--sport", 0, "sport"),
    ("--dport", 0, "dport"),
    ("--reply-port-src", 1, "sport"),
    ("--reply-port-dst", 1, "dport"),
    ("--srckey", 0, "srckey"),
    ("--dstkey", 0, "dstkey"),
    ("--reply-key-src", 1, "srckey"),
    ("--reply-key-dst", 1, "dstkey"),
    ("--icmp-type", 0, "type"),
    ("--icmpv6-type", 0, "type"),
    ("--icmp-code", 0, "code"),
    ("--icmpv6-code", 0, "code"),
    ("--orig-zone", 0, "zone-orig"),
    ("--reply-zone", 1, "zone-reply"),
    ("-w", 0, "zone"),
    ("-m", 0, "mark"),
];

/// Reads a line that begins with `-A`, as [`SaveLine`](super::SaveLine) and `conntrack` write it.
fn parse_saved(line: &str) -> Result<Flow, LineError> {
    let mut said = Said { status: Status::CONFIRMED, ..Said::default() };
    let mut words = line.split_whitespace().skip(1);
    while let Some(option) = words.next() {
        let value = words.next().unwrap_or_default();
        let wrong = || LineError::at(format!("{option} {value}"), "an option of -A");
        said.take_option(option, value).ok_or_else(wrong)?;
    }
    said.flow(["-s", "-d"], true)
}

impl<'l> Said<'l> {
    /// Takes what a word says of one direction or of the entry; `None` if the value cannot be right.
    #[inline]
    fn take(&mut self, half: usize, name: &str, value: &'l str) -> Option<()> {
        let half = self.halves.get_mut(half)?;
        match name {
            "src" => half.source = Some(value.parse::<IpAddr>().ok()?),
            "dst" => half.destination = Some(value.parse::<IpAddr>().ok()?),
            "sport" => half.ports[0] = Some(value.parse().ok()?),
            "dport" => half.ports[1] = Some(value.parse().ok()?),
            "srckey" => half.keys[0] = Some(key(value)?),
            "dstkey" => half.keys[1] = Some(key(value)?),
            "type" => half.icmp.0 = Some(value.parse().ok()?),
            "code" => half.icmp.1 = Some(value.parse().ok()?),
            // The same word for ICMP's identifier, and at the end of the line for the entry's id.
            "id" if half.icmp.0.is_some() && half.icmp.2.is_none() => {
                half.icmp.2 = Some(value.parse().ok()?);
            }
            "id" => self.id = Some(value.parse().ok()?),
            "packets" => half.packets = Some(value.parse().ok()?),
            "bytes" => half.bytes = Some(value.parse().ok()?),
            "zone-orig" | "zone-reply" => half.zone = Some(value.parse().ok()?),
            "zone" => self.zone = Some(value.parse().ok()?),
            "mark" => self.mark = Some(value.parse().ok()?),
            "use" => self.use_count = Some(value.parse().ok()?),
            "helper" => self.helper = Some(value),
            "secctx" => self.context = Some(value),
            _ => {}
        }
        Some(())
    }

    /// Takes what an option of a saved line says; `None` if there is no such option, or the value cannot be right.
    fn take_option(&mut self, option: &str, value: &'l str) -> Option<()> {
        if let Some((_, half, name)) = OPTIONS.iter().find(|(name, ..)| *name == option) {
            return self.take(*half, name, value);
        }
        match option {
            "-p" => {
                let numbered = || value.parse().ok().map(Protocol);
                self.protocol = Some(Protocol::from_name(value).or_else(numbered)?);
            }
            "-t" => self.timeout = Some(value.parse().ok()?),
            "-u" => {
                for name in value.split(',') {
                    self.status |= match name {
                        "EXPECTED" => Status::EXPECTED,
                        "UNSET" => Status::empty(),
                        name => STATUS_NAMES.iter().find(|known| known.1 == name)?.0,
                    };
                }
            }
            "--icmp-id" | "--icmpv6-id" => self.halves[0].icmp.2 = Some(value.parse().ok()?),
            "--state" => self.state = Some(value),
            // In the byte order of the machine that printed them.
            "--orig-vtag" => self.tags[0] = Some(u32::from_be(value.parse().ok()?)),
            "--reply-vtag" => self.tags[1] = Some(u32::from_be(value.parse().ok()?)),
            "--role" => {}
            _ => return None,
        }
        Some(())
    }

    /// The entry. `names` are what the two addresses are called. What a saved line does not say of the reply is the
    /// inverse of the original.
    fn flow(self, names: [&'static str; 2], saved: bool) -> Result<Flow, LineError> {
        let protocol = self.protocol.ok_or_else(|| LineError::at("", "-p"))?;
        let [there, back] = &self.halves;
        let tuple = |half: &Half, other: Option<Tuple>| {
            let [source, destination] = names;
            let missing = if half.source.is_none() { source } else { destination };
            half.tuple(protocol, other).ok_or_else(|| LineError::at("", missing))
        };
        let original = tuple(there, None)?;
        let reply = tuple(back, saved.then(|| original.inverse()))?;
        let [original, reply] = [original, reply].map(without_made_up_ports);
        let mut flow = Flow::new(original, reply);
        flow.status = self.status;
        // Text shows NAT by the tuples alone.
        flow.status.set(Status::SRC_NAT, flow.source_nat().is_some());
        flow.status.set(Status::DST_NAT, flow.destination_nat().is_some());
        flow.timeout = self.timeout.map(Duration::from_secs);
        flow.protoinfo = self.state.and_then(|state| tracked(protocol, state));
        if let Some(ProtoInfo::Sctp(sctp)) = &mut flow.protoinfo {
            [sctp.vtag_original, sctp.vtag_reply] = self.tags;
        }
        (flow.counters_original, flow.counters_reply) = (there.counters(), back.counters());
        (flow.mark, flow.zone, flow.use_count) = (self.mark, self.zone, self.use_count);
        flow.id = self.id.map(FlowId);
        let helper = |name: &str| Helper { name: name.to_owned().into(), info: None };
        flow.helper = self.helper.map(helper);
        flow.security_context = self.context.map(str::to_owned);
        Ok(flow)
    }
}

/// A key of GRE, hexadecimal with `0x` and else decimal.
fn key(text: &str) -> Option<u16> {
    match text.strip_prefix("0x") {
        Some(digits) => u16::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}
