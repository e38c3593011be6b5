//! What a kernel makes of a request's filter: a model by hand, for the tests and the fuzz target `filter`.

use std::net::IpAddr;

use ctnetlink::filter::KernelFilter;
use ctnetlink::flow::{Endpoints, Family, Flow, Protocol};
use ctnetlink::kernel::{Capabilities, Version};
use ctnetlink::wire::Attributes;
use ctnetlink::wire::ctnetlink::*;

/// What a kernel does with a request, faults and all, as far as requests may go.
pub fn sends(kernel: &Capabilities, request: &KernelFilter, flow: &Flow) -> bool {
    let family = request.family();
    let of_flow = if flow.original.source.is_ipv4() { Family::Ipv4 } else { Family::Ipv6 };
    if family.is_some_and(|family| family != of_flow) {
        return false;
    }
    let bytes = request.to_bytes();
    let find =
        |kind| Attributes::new(&bytes).map(Result::unwrap).find(|attribute| attribute.kind == kind);
    let number = |kind| find(kind).map(|attribute| attribute.be32("it").expect("a number"));
    let masked = |value, mask, is: u32| match (number(value), number(mask)) {
        (None, None) => true,
        (Some(value), Some(mask)) => is & mask == value,
        half => panic!("a value without its mask: {half:?}"),
    };
    if !masked(CTA_MARK, CTA_MARK_MASK, flow.mark.unwrap_or(0)) {
        return false;
    }
    if find(CTA_STATUS).is_some() {
        assert!(kernel.version >= Some(Version::new(5, 15)), "ignored by the kernel");
        assert_ne!(number(CTA_STATUS_MASK), Some(0), "refused by the kernel");
        if !masked(CTA_STATUS, CTA_STATUS_MASK, flow.status.bits()) {
            return false;
        }
    }
    if let Some(zone) = find(CTA_ZONE) {
        assert!(kernel.version >= Some(Version::new(6, 8)), "ignored by the kernel");
        let of_flow = flow.zone.or(flow.original.zone).or(flow.reply.zone).unwrap_or(0);
        if zone.be16("zone") != Ok(of_flow) {
            return false;
        }
    }
    let Some(filter) = find(CTA_FILTER) else {
        assert!(find(CTA_TUPLE_ORIG).is_none() && find(CTA_TUPLE_REPLY).is_none());
        return true;
    };
    assert!(kernel.version >= Some(Version::new(5, 8)), "ignored by the kernel");
    let family = family.expect("refused without a family");
    [
        (CTA_FILTER_ORIG_FLAGS, CTA_TUPLE_ORIG, &flow.original),
        (CTA_FILTER_REPLY_FLAGS, CTA_TUPLE_REPLY, &flow.reply),
    ]
    .into_iter()
    .all(|(flags, tuple, of_flow)| {
        let flags = filter.attributes().map(Result::unwrap).find(|nested| nested.kind == flags);
        let tuple = find(tuple);
        assert_eq!(flags.is_some(), tuple.is_some());
        let (Some(flags), Some(tuple)) = (flags, tuple) else { return true };
        let flags = u32::from_ne_bytes(flags.payload.try_into().expect("four bytes"));
        assert_ne!(flags, 0);
        let inside = |nest, kind| {
            let nest = tuple.attributes().map(Result::unwrap).find(|part| part.kind == nest)?;
            let part = nest.attributes().map(Result::unwrap).find(|part| part.kind == kind)?;
            Some(part.payload.to_vec())
        };
        let part = |nest, kind| inside(nest, kind).expect("refused without the value");
        let has = |bit: u32| flags >> bit & 1 == 1;
        let icmp = match of_flow.endpoints {
            Endpoints::Icmp { icmp_type, code, id } => Some((icmp_type, code, id)),
            _ => None,
        };
        let address = |address: IpAddr| match address {
            IpAddr::V4(address) => address.octets().to_vec(),
            IpAddr::V6(_) => panic!("inverted by the kernel"),
        };
        let (ip, proto) = (CTA_TUPLE_IP, CTA_TUPLE_PROTO);
        if has(0) && part(ip, CTA_IP_V4_SRC) != address(of_flow.source) {
            return false;
        }
        if has(1) && part(ip, CTA_IP_V4_DST) != address(of_flow.destination) {
            return false;
        }
        assert!(!has(2), "without effect in the kernel");
        if flags >> 4 != 0 {
            assert!(has(3), "refused without the protocol");
        }
        if has(3) && part(proto, CTA_PROTO_NUM) != [of_flow.protocol.0] {
            return false;
        }
        if has(4) || has(5) {
            assert!([Protocol::TCP, Protocol::UDP].contains(&of_flow.protocol), "ignored");
        }
        let source = of_flow.endpoints.source_port().unwrap_or(0).to_be_bytes();
        let destination = of_flow.endpoints.destination_port().unwrap_or(0).to_be_bytes();
        if has(4) && part(proto, CTA_PROTO_SRC_PORT) != source {
            return false;
        }
        if has(5) && part(proto, CTA_PROTO_DST_PORT) != destination {
            return false;
        }
        let (icmp_bits, kinds) = if family == Family::Ipv4 {
            (6, [CTA_PROTO_ICMP_TYPE, CTA_PROTO_ICMP_CODE, CTA_PROTO_ICMP_ID])
        } else {
            (9, [CTA_PROTO_ICMPV6_TYPE, CTA_PROTO_ICMPV6_CODE, CTA_PROTO_ICMPV6_ID])
        };
        assert_eq!(flags >> 6 & !(0b111 << (icmp_bits - 6)), 0, "bits of the other family");
        (0..3).all(|part_of| {
            if !has(icmp_bits + part_of) {
                return true;
            }
            let (icmp_type, code, id) = icmp.expect("checked by the protocol");
            let id = id.to_be_bytes();
            let [one_type, one_code] = [[icmp_type], [code]];
            let is: [&[u8]; 3] = [&one_type, &one_code, &id];
            part(proto, kinds[part_of as usize]) == is[part_of as usize]
        })
    })
}
