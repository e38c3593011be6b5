//! Requests that delete entries: no other file makes one.
//!
//! To the kernel a delete without a tuple is a flush of everything, and one without an id takes
//! whatever has the tuple by now. [`append_deletion`] can build neither: it takes an entry, which has
//! both. A flush is another function, which takes none.

use bytes::BytesMut;

use super::get::write_key_of;
use crate::flow::{Direction, Family, FlowId, FlowRef};
use crate::socket::Request;
use crate::wire::Message;
use crate::wire::ctnetlink::{CTA_ID, IPCTNL_MSG_CT_DELETE, NFNL_SUBSYS_CTNETLINK};

/// Appends the delete of an entry to a datagram, with this sequence number and port. The kernel finds
/// the entry by its tuple of either direction. The last request of a datagram is acknowledged.
pub(super) fn append_deletion(
    datagram: &mut BytesMut,
    (sequence, port): (u32, u32),
    (flow, id): (&FlowRef<'_>, FlowId),
    direction: Direction,
    is_last: bool,
) {
    let request = Request::one_of_many("delete entries", IPCTNL_MSG_CT_DELETE).echoed();
    let request = request.family(Some(flow.original().family()));
    let request = if is_last { request.acknowledged() } else { request };
    request.append(datagram, sequence, port, |writer| {
        write_key_of(flow, direction, writer);
        writer.put_be32(CTA_ID, id.0);
    });
}

/// The delete of every entry, or of every one of a family.
pub(super) fn flush(family: Option<Family>) -> Request {
    let operation = if family.is_some() { "flush a family" } else { "flush the table" };
    Request::flush(operation, IPCTNL_MSG_CT_DELETE, family)
}

/// The entry whose end a message tells of.
pub(super) fn deletion_event<'m>(message: &Message<'m>) -> Option<FlowRef<'m>> {
    let kind = u16::from_be_bytes([NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_DELETE]);
    let is_event = message.kind == kind && message.sequence == 0;
    let (_, attributes) = is_event.then(|| message.netfilter().ok()).flatten()?;
    FlowRef::parse(attributes).ok()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::flow::{Endpoints, Flow, Protocol, Tuple};
    use crate::wire::ctnetlink::{CTA_TUPLE_ORIG, CTA_TUPLE_REPLY, CTA_ZONE};
    use crate::wire::{Attributes, Messages};
    use std::net::IpAddr;

    /// The attributes of a delete request, by kind.
    fn kinds(flow: &Flow, direction: Direction) -> Vec<u16> {
        let entry = flow.to_bytes();
        let entry = FlowRef::parse(&entry).unwrap();
        let mut buffer = BytesMut::new();
        append_deletion(&mut buffer, (5, 6), (&entry, FlowId(7)), direction, false);
        let message = Messages::new(&buffer).next().unwrap().unwrap();
        assert_eq!(message.message(), IPCTNL_MSG_CT_DELETE);
        assert_eq!(message.subsystem(), NFNL_SUBSYS_CTNETLINK);
        assert_eq!((message.sequence, message.port), (5, 6));
        let (header, attributes) = message.netfilter().unwrap();
        assert_eq!(header.family, flow.original.family().number());
        assert_eq!(header.version, 0);
        for attribute in Attributes::new(attributes).map(Result::unwrap) {
            match attribute.kind {
                CTA_TUPLE_ORIG | CTA_TUPLE_REPLY => {
                    assert_eq!(Tuple::parse(attribute.payload, "it"), Ok(*entry.tuple(direction)));
                }
                CTA_ID => assert_eq!(attribute.payload, [0, 0, 0, 7]),
                _ => {}
            }
        }
        Attributes::new(attributes).map(|attribute| attribute.unwrap().kind).collect()
    }

    /// Tuples of every protocol, with and without ports, of small and of usual addresses.
    pub(in crate::table) fn tuples() -> impl Iterator<Item = Tuple> {
        let addresses = ["0.0.0.0", "10.0.0.1", "::", "2001:db8::1"];
        let addresses = addresses.map(|text| text.parse::<IpAddr>().unwrap());
        let endpoints = [
            Endpoints::None,
            Endpoints::Ports { source: 0, destination: 0 },
            Endpoints::Icmp { icmp_type: 0, code: 0, id: 0 },
        ];
        let pairs = addresses.into_iter().flat_map(move |address| endpoints.map(|e| (address, e)));
        pairs.flat_map(|(address, endpoints)| {
            (0..=u8::MAX).map(Protocol).map(move |protocol| Tuple {
                source: address,
                destination: address,
                protocol,
                endpoints,
                zone: None,
            })
        })
    }

    #[test]
    fn every_delete_carries_a_tuple_and_an_id() {
        // GRE's pair is read back as keys.
        let is_read_back =
            |tuple: &Tuple| tuple.protocol != Protocol::GRE || tuple.endpoints == Endpoints::None;
        for tuple in tuples().filter(is_read_back) {
            for (direction, kind) in
                [(Direction::Original, CTA_TUPLE_ORIG), (Direction::Reply, CTA_TUPLE_REPLY)]
            {
                let mut flow = Flow::new(tuple, tuple);
                assert_eq!(kinds(&flow, direction), [kind, CTA_ID]);
                flow.zone = Some(0);
                assert_eq!(kinds(&flow, direction), [kind, CTA_ZONE, CTA_ID]);
                (flow.zone, flow.id) = (None, Some(FlowId(0)));
                assert_eq!(kinds(&flow, direction), [kind, CTA_ID]);
                (flow.original.zone, flow.reply.zone) = (Some(3), Some(3));
                assert_eq!(kinds(&flow, direction), [kind, CTA_ID]);
            }
        }
    }
}
