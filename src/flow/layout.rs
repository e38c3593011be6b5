//! The short way to read a tuple: by the layout it nearly always has.
//!
//! The long way, `Tuple::parse`, reads any layout and is the one that must be right; this one
//! either gives the same answer or none. `every_flow_survives_its_bytes` and
//! `nests_need_not_be_marked` hold both to it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use netlink_packet_core::NLA_F_NESTED;

use crate::flow::{Endpoints, Protocol, Tuple};
use crate::wire::Attributes;
use crate::wire::ctnetlink::*;

/// Reads the nest at one look if it is laid out as kernels lay out protocols with ports: addresses,
/// number, ports, in this order and nothing else. That is nearly every entry, at a quarter of the
/// cost; what differs in a single header byte is read attribute by attribute.
#[inline]
pub(super) fn usual(nest: &[u8]) -> Option<Tuple> {
    let (source, destination, proto): (IpAddr, IpAddr, _) = if nest.len() == 48 {
        let (source, destination, proto) =
            usual_addresses::<4>(nest, [CTA_IP_V4_SRC, CTA_IP_V4_DST])?;
        (Ipv4Addr::from(source).into(), Ipv4Addr::from(destination).into(), proto)
    } else if nest.len() == 72 {
        let (source, destination, proto) =
            usual_addresses::<16>(nest, [CTA_IP_V6_SRC, CTA_IP_V6_DST])?;
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

/// The addresses of a nest in the usual layout, and what follows them.
#[inline]
fn usual_addresses<const N: usize>(
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
            assert_eq!(usual(nest), Some(tuple));
            // Whatever byte differs, it does not disagree with the long way.
            for at in 0..nest.len() {
                nest[at] ^= 1;
                if let Some(short) = usual(nest) {
                    assert_eq!(Ok(short), Tuple::parse_any(nest, "CTA_TUPLE_ORIG"), "byte {at}");
                }
                nest[at] ^= 1;
            }
        }
    }
}
