//! Tuples as attributes: read by the layout they nearly always have, else attribute by attribute.
//!
//! The long way, `parse_any`, reads any layout and is the one that must be right. The short way,
//! `common`, gives the same answer or none. The test below holds it to that.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use netlink_packet_core::NLA_F_NESTED;

use crate::flow::{Endpoints, Protocol, Tuple};
use crate::wire::ctnetlink::*;
use crate::wire::writer::Writer;
use crate::wire::{Attribute, Attributes, WireError};

impl Tuple {
    /// Reads the nest of a `CTA_TUPLE_…` attribute. `what` names it in the error.
    #[inline]
    pub(crate) fn parse(nest: &[u8], what: &'static str) -> Result<Self, WireError> {
        match common(nest) {
            Some(tuple) => Ok(tuple),
            None => Self::parse_any(nest, what),
        }
    }

    /// Reads the nest attribute by attribute.
    fn parse_any(nest: &[u8], what: &'static str) -> Result<Self, WireError> {
        let [ip, proto, zone] = Attributes::new(nest).by_kind()?;
        let missing = |part| WireError::missing(what, part);
        let number = |number: Option<Attribute<'_>>, what| number.map(|n| n.be16(what)).transpose();
        let byte = |byte: Option<Attribute<'_>>, what| byte.map(|byte| byte.u8(what)).transpose();

        let [source4, destination4, source6, destination6] = inside(ip).by_kind()?;
        let [protocol, sport, dport, id, icmp_type, code, id6, type6, code6] =
            inside(proto).by_kind()?;
        let protocol = protocol.ok_or(missing("CTA_PROTO_NUM"))?.u8("CTA_PROTO_NUM")?;
        let pair = (number(sport, "CTA_PROTO_SRC_PORT")?, number(dport, "CTA_PROTO_DST_PORT")?);
        let gre = Protocol(protocol) == Protocol::GRE;
        let (ports, keys) = if gre { ((None, None), pair) } else { (pair, (None, None)) };
        let icmp = (
            byte(icmp_type.or(type6), "CTA_PROTO_ICMP_TYPE")?,
            byte(code.or(code6), "CTA_PROTO_ICMP_CODE")?,
            number(id.or(id6), "CTA_PROTO_ICMP_ID")?,
        );
        Ok(Self {
            source: address([source4, source6], ["CTA_IP_V4_SRC", "CTA_IP_V6_SRC"])?
                .ok_or(missing("the source address"))?,
            destination: address([destination4, destination6], ["CTA_IP_V4_DST", "CTA_IP_V6_DST"])?
                .ok_or(missing("the destination address"))?,
            protocol: Protocol(protocol),
            endpoints: Endpoints::from_parts(ports, keys, icmp),
            zone: number(zone, "CTA_TUPLE_ZONE")?,
        })
    }

    /// Writes the tuple as the attribute `kind`.
    pub(crate) fn write(&self, kind: u16, writer: &mut Writer<'_>) {
        writer.nest(kind, |writer| {
            writer.nest(CTA_TUPLE_IP, |writer| {
                writer.put_address(self.source, CTA_IP_V4_SRC, CTA_IP_V6_SRC);
                writer.put_address(self.destination, CTA_IP_V4_DST, CTA_IP_V6_DST);
            });
            writer.nest(CTA_TUPLE_PROTO, |writer| {
                writer.put_u8(CTA_PROTO_NUM, self.protocol.0);
                match self.endpoints {
                    Endpoints::Ports { source, destination }
                    | Endpoints::GreKeys { source, destination } => {
                        writer.put_be16(CTA_PROTO_SRC_PORT, source);
                        writer.put_be16(CTA_PROTO_DST_PORT, destination);
                    }
                    Endpoints::Icmp { icmp_type, code, id } => {
                        let [id_kind, type_kind, code_kind] =
                            if self.protocol == Protocol::ICMPV6 { ICMPV6 } else { ICMP };
                        writer.put_be16(id_kind, id);
                        writer.put_u8(type_kind, icmp_type);
                        writer.put_u8(code_kind, code);
                    }
                    Endpoints::None => {}
                }
            });
            writer.when(self.zone, |writer, zone| writer.put_be16(CTA_TUPLE_ZONE, zone));
        });
    }
}

const ICMP: [u16; 3] = [CTA_PROTO_ICMP_ID, CTA_PROTO_ICMP_TYPE, CTA_PROTO_ICMP_CODE];
const ICMPV6: [u16; 3] = [CTA_PROTO_ICMPV6_ID, CTA_PROTO_ICMPV6_TYPE, CTA_PROTO_ICMPV6_CODE];

fn inside(nest: Option<Attribute<'_>>) -> Attributes<'_> {
    Attributes::new(nest.map_or(&[], |nest| nest.payload))
}

/// The IPv4 or the IPv6 address, whichever is there; `names` are for the error.
fn address(
    [v4, v6]: [Option<Attribute<'_>>; 2],
    names: [&'static str; 2],
) -> Result<Option<IpAddr>, WireError> {
    Ok(match (v4, v6) {
        (_, Some(v6)) => Some(Ipv6Addr::from(v6.fixed(names[1])?).into()),
        (Some(v4), None) => Some(Ipv4Addr::from(v4.fixed(names[0])?).into()),
        (None, None) => None,
    })
}

/// Reads the nest at once if it has the common layout of protocols with ports: addresses, number,
/// ports, in this order and nothing else. Nearly every entry has it, and this costs a quarter of the
/// long way. `None` if a single header byte differs.
#[inline]
fn common(nest: &[u8]) -> Option<Tuple> {
    let (source, destination, proto): (IpAddr, IpAddr, _) = if nest.len() == 48 {
        let (source, destination, proto) =
            common_addresses::<4>(nest, [CTA_IP_V4_SRC, CTA_IP_V4_DST])?;
        (Ipv4Addr::from(source).into(), Ipv4Addr::from(destination).into(), proto)
    } else if nest.len() == 72 {
        let (source, destination, proto) =
            common_addresses::<16>(nest, [CTA_IP_V6_SRC, CTA_IP_V6_DST])?;
        (Ipv6Addr::from(source).into(), Ipv6Addr::from(destination).into(), proto)
    } else {
        return None;
    };
    let proto = take(proto, header(28, CTA_TUPLE_PROTO | NLA_F_NESTED))?;
    let (&[number, _, _, _], proto) = take(proto, header(5, CTA_PROTO_NUM))?.split_first_chunk()?;
    let (&[s0, s1, _, _], proto) =
        take(proto, header(6, CTA_PROTO_SRC_PORT))?.split_first_chunk()?;
    let (&[d0, d1, _, _], _) = take(proto, header(6, CTA_PROTO_DST_PORT))?.split_first_chunk()?;
    let (source_port, destination_port) =
        (u16::from_be_bytes([s0, s1]), u16::from_be_bytes([d0, d1]));
    let mut tuple =
        Tuple::with_ports(Protocol(number), (source, source_port), (destination, destination_port));
    if number == Protocol::GRE.0 {
        tuple.endpoints = Endpoints::GreKeys { source: source_port, destination: destination_port };
    }
    Some(tuple)
}

/// The addresses of a nest in the common layout, and what follows them.
#[inline]
fn common_addresses<const N: usize>(
    nest: &[u8],
    [source, destination]: [u16; 2],
) -> Option<([u8; N], [u8; N], &[u8])> {
    let address = (Attributes::HEADER + N) as u16;
    let nest = take(nest, header(4 + 2 * address, CTA_TUPLE_IP | NLA_F_NESTED))?;
    let (source, nest) = take(nest, header(address, source))?.split_first_chunk()?;
    let (destination, nest) = take(nest, header(address, destination))?.split_first_chunk()?;
    Some((*source, *destination, nest))
}

/// The header of an attribute, as bytes to compare with.
#[inline]
const fn header(length: u16, kind: u16) -> [u8; 4] {
    let ([l0, l1], [k0, k1]) = (length.to_ne_bytes(), kind.to_ne_bytes());
    [l0, l1, k0, k1]
}

/// What follows `expected`, if `bytes` begin with it.
#[inline]
fn take(bytes: &[u8], expected: [u8; 4]) -> Option<&[u8]> {
    let (found, rest) = bytes.split_first_chunk()?;
    (*found == expected).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::writer::Writer;
    use bytes::BytesMut;

    #[test]
    fn the_short_way_answers_as_the_long_one_or_not_at_all() {
        let (v4, v6) = (["10.0.0.1", "192.0.2.2"], ["2001:db8::1", "2001:db8::2"]);
        let addresses = [v4, v6].map(|pair| pair.map(|text| text.parse::<IpAddr>().unwrap()));
        for ([source, destination], number) in
            addresses.into_iter().flat_map(|pair| (0..=u8::MAX).map(move |number| (pair, number)))
        {
            let mut tuple =
                Tuple::with_ports(Protocol(number), (source, 0x1234), (destination, 80));
            if tuple.protocol == Protocol::GRE {
                tuple.endpoints = Endpoints::GreKeys { source: 0x1234, destination: 80 };
            }
            let mut buffer = BytesMut::new();
            tuple.write(CTA_TUPLE_ORIG, &mut Writer::new(&mut buffer));
            let nest = &mut buffer[Attributes::HEADER..];
            assert_eq!(common(nest), Some(tuple));
            // Whatever byte differs, it does not disagree with the long way.
            for at in 0..nest.len() {
                nest[at] ^= 1;
                if let Some(short) = common(nest) {
                    assert_eq!(Ok(short), Tuple::parse_any(nest, "CTA_TUPLE_ORIG"), "byte {at}");
                }
                nest[at] ^= 1;
            }
        }
    }
}
