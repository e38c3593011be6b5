//! One line.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use crate::files::rows::parts::tracked;
use crate::flow::{Counters, Endpoints, Flow, FlowId, Helper, Protocol, Status, Tuple};

/// Why a line is not an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LineError {
    /// The word where it stops to make sense; empty for the end of the line.
    pub word: String,
    /// What should be there.
    pub expected: &'static str,
}

impl fmt::Display for LineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { word, expected } = self;
        // Enough to find it by.
        let word: String = word.chars().take(40).collect();
        match word.is_empty() {
            true => write!(f, "the line ends where {expected} should be"),
            false => write!(f, "{word:?} where {expected} should be"),
        }
    }
}

impl std::error::Error for LineError {}

/// What a line says of one direction.
#[derive(Debug, Default)]
struct Half {
    source: Option<IpAddr>,
    destination: Option<IpAddr>,
    ports: (Option<u16>, Option<u16>),
    keys: (Option<u16>, Option<u16>),
    icmp: (Option<u8>, Option<u8>, Option<u16>),
    zone: Option<u16>,
    packets: Option<u64>,
    bytes: Option<u64>,
}

impl Half {
    fn tuple(&self, protocol: Protocol) -> Result<Tuple, LineError> {
        let missing = |expected| LineError { word: String::new(), expected };
        let endpoints = match (self.ports, self.keys, self.icmp) {
            ((Some(source), Some(destination)), ..) => Endpoints::Ports { source, destination },
            (_, (Some(source), Some(destination)), _) => Endpoints::GreKeys { source, destination },
            (.., (Some(icmp_type), Some(code), Some(id))) => {
                Endpoints::Icmp { icmp_type, code, id }
            }
            _ => Endpoints::None,
        };
        Ok(Tuple {
            source: self.source.ok_or_else(|| missing("src="))?,
            destination: self.destination.ok_or_else(|| missing("dst="))?,
            protocol,
            endpoints,
            zone: self.zone,
        }
        .without_made_up_ports())
    }

    fn counters(&self) -> Option<Counters> {
        Some(Counters { packets: self.packets?, bytes: self.bytes? })
    }
}

/// Reads a line that `conntrack -L` has printed, in any of its output formats of one line, `-o save`
/// included, or that stood in the kernel's own list.
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
/// Words that are no entry; words behind it that are not known are passed over.
pub fn parse_line(line: &str) -> Result<Flow, LineError> {
    if line.starts_with("-A ") {
        return super::read_save::parse(line);
    }
    let mut words = line.split_whitespace().peekable();
    if words.next_if(|word| ["ipv4", "ipv6"].contains(word)).is_some() {
        expect(&mut words, "the number of the family")?.parse::<u8>().map_err(|_| LineError {
            word: line.split_whitespace().nth(1).unwrap_or_default().to_owned(),
            expected: "the number of the family",
        })?;
    }
    let name = expect(&mut words, "a protocol")?;
    let number = expect(&mut words, "the number of the protocol")?;
    let protocol = number.parse().map(Protocol).map_err(|_| LineError {
        word: if number.contains('=') { name } else { number }.to_owned(),
        expected: "a protocol and its number",
    })?;
    let timeout = words.next_if(|word| word.bytes().all(|byte| byte.is_ascii_digit()));
    let state = words.next_if(|word| !word.contains('=') && !word.starts_with('['));

    let mut halves = [Half::default(), Half::default()];
    let mut status = Status::CONFIRMED | Status::SEEN_REPLY;
    let mut rest = Rest::default();
    let mut current = None;
    while let Some(word) = words.next() {
        if let Some(flag) = word.strip_prefix('[') {
            match flag.trim_end_matches(']') {
                "UNREPLIED" => status.remove(Status::SEEN_REPLY),
                "ASSURED" => status |= Status::ASSURED,
                "OFFLOAD" => status |= Status::OFFLOAD,
                "HW_OFFLOAD" => status |= Status::OFFLOAD | Status::HW_OFFLOAD,
                // A moment has blanks in it.
                _ if !flag.ends_with(']') => {
                    while words.next().is_some_and(|word| !word.ends_with(']')) {}
                }
                _ => {}
            }
            continue;
        }
        let wrong = || LineError { word: word.to_owned(), expected: "a number or an address" };
        let (name, value) = word
            .split_once('=')
            .ok_or_else(|| LineError { word: word.to_owned(), expected: "name=value" })?;
        // The kernel's own list has them of GRE, before the tuples.
        if current.is_none() && ["timeout", "stream_timeout"].contains(&name) {
            continue;
        }
        if name == "src" {
            current = Some(current.map_or(0, |index: usize| index + 1));
        }
        let half = current.and_then(|index| halves.get_mut(index)).ok_or_else(|| LineError {
            word: word.to_owned(),
            expected: "src= of one direction or two",
        })?;
        take(half, &mut rest, name, value).ok_or_else(wrong)?;
    }
    let [original, reply] = &halves;
    let mut flow = Flow::new(original.tuple(protocol)?, reply.tuple(protocol)?);
    // Text shows NAT by the tuples alone.
    status.set(Status::SRC_NAT, flow.source_nat().is_some());
    status.set(Status::DST_NAT, flow.destination_nat().is_some());
    flow.status = status;
    flow.timeout = timeout.and_then(|text| text.parse().ok()).map(Duration::from_secs);
    flow.protoinfo = state.and_then(|state| tracked(protocol, state));
    (flow.counters_original, flow.counters_reply) = (original.counters(), reply.counters());
    (flow.mark, flow.zone, flow.use_count) = (rest.mark, rest.zone, rest.uses);
    flow.id = rest.id.map(FlowId);
    flow.helper = rest.helper.map(|name| Helper { name: name.into(), info: None });
    flow.security_context = rest.context;
    Ok(flow)
}

/// What a line says of both directions.
#[derive(Debug, Default)]
struct Rest {
    mark: Option<u32>,
    zone: Option<u16>,
    uses: Option<u32>,
    id: Option<u32>,
    helper: Option<String>,
    context: Option<String>,
}

/// Takes in what a word says; `None` if it cannot be what it is.
fn take(half: &mut Half, rest: &mut Rest, name: &str, value: &str) -> Option<()> {
    match name {
        "src" => half.source = Some(value.parse().ok()?),
        "dst" => half.destination = Some(value.parse().ok()?),
        "sport" => half.ports.0 = Some(value.parse().ok()?),
        "dport" => half.ports.1 = Some(value.parse().ok()?),
        "srckey" => half.keys.0 = Some(hexadecimal(value)?),
        "dstkey" => half.keys.1 = Some(hexadecimal(value)?),
        "type" => half.icmp.0 = Some(value.parse().ok()?),
        "code" => half.icmp.1 = Some(value.parse().ok()?),
        // The same word for a number of ICMP, and at the end for that of the entry.
        "id" if half.icmp.0.is_some() && half.icmp.2.is_none() => {
            half.icmp.2 = Some(value.parse().ok()?);
        }
        "id" => rest.id = Some(value.parse().ok()?),
        "packets" => half.packets = Some(value.parse().ok()?),
        "bytes" => half.bytes = Some(value.parse().ok()?),
        "zone-orig" | "zone-reply" => half.zone = Some(value.parse().ok()?),
        "zone" => rest.zone = Some(value.parse().ok()?),
        "mark" => rest.mark = Some(value.parse().ok()?),
        "use" => rest.uses = Some(value.parse().ok()?),
        "helper" => rest.helper = Some(value.to_owned()),
        "secctx" => rest.context = Some(value.to_owned()),
        _ => {}
    }
    Some(())
}

fn expect<'l>(
    words: &mut impl Iterator<Item = &'l str>,
    expected: &'static str,
) -> Result<&'l str, LineError> {
    words.next().ok_or(LineError { word: String::new(), expected })
}

fn hexadecimal(text: &str) -> Option<u16> {
    match text.strip_prefix("0x") {
        Some(digits) => u16::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}
