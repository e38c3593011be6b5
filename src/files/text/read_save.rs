//! A line that `conntrack -L -o save` has printed.

use std::net::IpAddr;
use std::time::Duration;

use super::read_line::LineError;
use crate::files::rows::parts::tracked;
use crate::flow::{Endpoints, Flow, ProtoInfo, Protocol, SctpInfo, Status, Tuple};

/// What the options of a line say.
#[derive(Debug, Default)]
struct Options {
    addresses: [Option<IpAddr>; 4],
    ports: [Option<u16>; 4],
    keys: [Option<u16>; 4],
    icmp: (Option<u8>, Option<u8>, Option<u16>),
    protocol: Option<Protocol>,
    timeout: Option<u64>,
    status: Status,
    zones: [Option<u16>; 3],
    state: Option<String>,
    tags: [Option<u32>; 2],
    mark: Option<u32>,
}

/// Reads a line that begins with `-A`, as [`SaveLine`](crate::files::text::SaveLine) and `conntrack` write it.
pub(super) fn parse(line: &str) -> Result<Flow, LineError> {
    let mut words = line.split_whitespace().skip(1);
    let mut options = Options { status: Status::CONFIRMED, ..Options::default() };
    while let Some(option) = words.next() {
        let value = words.next().unwrap_or_default();
        let wrong = || LineError { word: format!("{option} {value}"), expected: "an option of -A" };
        options.take(option, value).ok_or_else(wrong)?;
    }
    options.flow()
}

impl Options {
    /// Takes in what an option says; `None` if it cannot be what it is.
    fn take(&mut self, option: &str, value: &str) -> Option<()> {
        let number = || value.parse().ok();
        match option {
            "-s" => self.addresses[0] = Some(value.parse().ok()?),
            "-d" => self.addresses[1] = Some(value.parse().ok()?),
            // With NAT and without.
            "-r" | "-g" => self.addresses[2] = Some(value.parse().ok()?),
            "-q" | "-n" => self.addresses[3] = Some(value.parse().ok()?),
            "--sport" => self.ports[0] = Some(number()?),
            "--dport" => self.ports[1] = Some(number()?),
            "--reply-port-src" => self.ports[2] = Some(number()?),
            "--reply-port-dst" => self.ports[3] = Some(number()?),
            "--srckey" => self.keys[0] = Some(number()?),
            "--dstkey" => self.keys[1] = Some(number()?),
            "--reply-key-src" => self.keys[2] = Some(number()?),
            "--reply-key-dst" => self.keys[3] = Some(number()?),
            "--icmp-type" | "--icmpv6-type" => self.icmp.0 = Some(value.parse().ok()?),
            "--icmp-code" | "--icmpv6-code" => self.icmp.1 = Some(value.parse().ok()?),
            "--icmp-id" | "--icmpv6-id" => self.icmp.2 = Some(number()?),
            "-p" => {
                let numbered = || value.parse().ok().map(Protocol);
                self.protocol = Some(Protocol::from_name(value).or_else(numbered)?);
            }
            "-t" => self.timeout = Some(value.parse().ok()?),
            "-u" => self.status |= status(value)?,
            "-w" => self.zones[0] = Some(number()?),
            "--orig-zone" => self.zones[1] = Some(number()?),
            "--reply-zone" => self.zones[2] = Some(number()?),
            "--state" => self.state = Some(value.to_owned()),
            // In the byte order of the machine that has printed them.
            "--orig-vtag" => self.tags[0] = Some(u32::from_be(value.parse().ok()?)),
            "--reply-vtag" => self.tags[1] = Some(u32::from_be(value.parse().ok()?)),
            "-m" => self.mark = Some(value.parse().ok()?),
            "--role" => {}
            _ => return None,
        }
        Some(())
    }

    fn flow(self) -> Result<Flow, LineError> {
        let missing = |expected| LineError { word: String::new(), expected };
        let [source, destination, reply_source, reply_destination] = self.addresses;
        let protocol = self.protocol.ok_or_else(|| missing("-p"))?;
        let [sport, dport, reply_sport, reply_dport] = self.ports;
        let [srckey, dstkey, reply_srckey, reply_dstkey] = self.keys;
        let endpoints = |ports: (Option<u16>, Option<u16>), keys: (Option<u16>, Option<u16>)| match (
            ports, keys,
        ) {
            ((Some(source), Some(destination)), _) => {
                Some(Endpoints::Ports { source, destination })
            }
            (_, (Some(source), Some(destination))) => {
                Some(Endpoints::GreKeys { source, destination })
            }
            _ => None,
        };
        let icmp = match self.icmp {
            (Some(icmp_type), Some(code), Some(id)) => {
                Some(Endpoints::Icmp { icmp_type, code, id })
            }
            _ => None,
        };
        let original = Tuple {
            source: source.ok_or_else(|| missing("-s"))?,
            destination: destination.ok_or_else(|| missing("-d"))?,
            protocol,
            endpoints: endpoints((sport, dport), (srckey, dstkey))
                .or(icmp)
                .unwrap_or(Endpoints::None),
            zone: self.zones[1],
        };
        let inverse = original.inverse();
        let reply = Tuple {
            source: reply_source.unwrap_or(inverse.source),
            destination: reply_destination.unwrap_or(inverse.destination),
            endpoints: endpoints((reply_sport, reply_dport), (reply_srckey, reply_dstkey))
                .unwrap_or(inverse.endpoints),
            zone: self.zones[2],
            ..inverse
        };
        let [original, reply] = [original, reply].map(Tuple::without_made_up_ports);
        let mut flow = Flow::new(original, reply);
        flow.status = self.status;
        flow.status.set(Status::SRC_NAT, flow.source_nat().is_some());
        flow.status.set(Status::DST_NAT, flow.destination_nat().is_some());
        flow.timeout = self.timeout.map(Duration::from_secs);
        (flow.zone, flow.mark) = (self.zones[0], self.mark);
        let [vtag_original, vtag_reply] = self.tags;
        let tracked = self.state.and_then(|state| tracked(protocol, &state));
        flow.protoinfo = tracked.map(|tracked| match tracked {
            ProtoInfo::Sctp(SctpInfo { state, .. }) => {
                ProtoInfo::Sctp(SctpInfo { state, vtag_original, vtag_reply })
            }
            other => other,
        });
        Ok(flow)
    }
}

fn status(value: &str) -> Option<Status> {
    value.split(',').try_fold(Status::empty(), |status, name| {
        Some(match name {
            "SEEN_REPLY" => status | Status::SEEN_REPLY,
            "ASSURED" => status | Status::ASSURED,
            "FIXED_TIMEOUT" => status | Status::FIXED_TIMEOUT,
            "EXPECTED" => status | Status::EXPECTED,
            "UNSET" => status,
            _ => return None,
        })
    })
}
