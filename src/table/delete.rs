//! One entry out of the table: that very one, or none.
//!
//! To the kernel a delete without a tuple is a flush of everything, and one without an id takes
//! whatever has the tuple by now. Neither can be built here: a [`FlowKey`] has a tuple, and the id
//! is looked up where the key has none.

use super::Conntrack;
use super::get::write_key;
use super::pipeline::Kind;
use crate::error::Result;
use crate::flow::{FlowId, FlowKey};
use crate::socket::Request;
use crate::wire::ctnetlink::IPCTNL_MSG_CT_DELETE;
use crate::wire::writer::Writer;

/// What became of an entry that was to be deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Deleted {
    /// It is deleted.
    Deleted,
    /// It was not there any more, and nothing has its tuple.
    AlreadyGone,
    /// It was not there any more; a later entry has its tuple, and was left alone.
    Replaced,
}

impl Conntrack {
    /// Deletes the entry with this key; from a [`Flow`](crate::flow::Flow), that very entry.
    ///
    /// The request carries tuple, zone and id, so that an entry that came later with the same tuple
    /// is left alone; but for one that got the very memory of its predecessor, which makes its
    /// [id](FlowId) the same and the two alike in all the kernel compares. A key without an id means
    /// the entry there is at the moment: it is looked up first. That an entry is gone is no error,
    /// since entries end all the time.
    ///
    /// Packets of a deleted flow that goes on make a new entry, as if it began with them; with NAT,
    /// or with rules that let only new TCP connections begin with a SYN, that ends it.
    ///
    /// # Errors
    ///
    /// [`PermissionDenied`](crate::ErrorKind::PermissionDenied) without `CAP_NET_ADMIN`;
    /// [`Kernel`](crate::ErrorKind::Kernel) with `EINVAL` if the tuple lacks what its protocol
    /// needs, such as ports.
    ///
    /// # Cost
    ///
    /// One request and its answer; one more where the key has no id, or the entry is gone.
    #[doc(alias = "IPCTNL_MSG_CT_DELETE")]
    pub fn delete(&mut self, key: impl Into<FlowKey>) -> Result<Deleted> {
        let key = key.into();
        let Some(id) = self.id_of(&key)? else { return Ok(Deleted::AlreadyGone) };
        match self.request(&delete_request(&key, id), |_| Ok(())) {
            Ok(()) => Ok(Deleted::Deleted),
            Err(error) if !error.is_not_found() => Err(error),
            Err(_) => {
                let any = FlowKey { id: None, ..key };
                Ok(if self.get(any)?.is_some() { Deleted::Replaced } else { Deleted::AlreadyGone })
            }
        }
    }

    /// The id of the key, or of the entry it finds.
    fn id_of(&mut self, key: &FlowKey) -> Result<Option<FlowId>> {
        match key.id {
            Some(id) => Ok(Some(id)),
            None => Ok(self.get(*key)?.and_then(|flow| flow.id)),
        }
    }
}

/// One of the two places that make a delete request, and it takes a tuple and an id to make one.
fn delete_request(key: &FlowKey, id: FlowId) -> Request {
    let key = key.id(id);
    Request::once("delete an entry", IPCTNL_MSG_CT_DELETE)
        .family(Some(key.tuple.family()))
        .attributes(&super::get::key_attributes(&key))
}

/// The other: many of them at once, each made from a tuple and an id as well.
pub(super) struct Deletion;

impl<T> Kind<(T, FlowKey, FlowId)> for Deletion {
    const OPERATION: &'static str = "delete entries";
    const MESSAGE: u8 = IPCTNL_MSG_CT_DELETE;
    const FLAGS: u16 = 0;

    fn family((_, key, _): &(T, FlowKey, FlowId)) -> u8 {
        key.tuple.family().number()
    }

    fn attributes((_, key, id): &(T, FlowKey, FlowId), writer: &mut Writer<'_>) {
        write_key(&key.id(*id), writer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::{Endpoints, Protocol, Tuple};
    use crate::wire::ctnetlink::{CTA_ID, CTA_TUPLE_ORIG, CTA_ZONE, NFNL_SUBSYS_CTNETLINK};
    use crate::wire::{Attributes, Messages};
    use bytes::BytesMut;
    use netlink_packet_core::NetlinkHeader;
    use std::net::IpAddr;

    /// The attributes of a delete request, by kind, whichever way it is made.
    fn kinds(key: FlowKey) -> Vec<u16> {
        let alone = delete_request(&key, FlowId(7)).to_bytes(1, 2);
        let mut batched = BytesMut::new();
        let mut header = NetlinkHeader::default();
        let message = <Deletion as Kind<((), FlowKey, FlowId)>>::MESSAGE;
        header.message_type = u16::from_be_bytes([NFNL_SUBSYS_CTNETLINK, message]);
        let item = ((), key, FlowId(7));
        Writer::new(&mut batched).message(header, Deletion::family(&item), |writer| {
            Deletion::attributes(&item, writer);
        });
        let kinds = kinds_of(&alone, key);
        assert_eq!(kinds_of(&batched, key), kinds);
        kinds
    }

    fn kinds_of(bytes: &[u8], key: FlowKey) -> Vec<u16> {
        let message = Messages::new(bytes).next().unwrap().unwrap();
        assert_eq!(message.message(), IPCTNL_MSG_CT_DELETE);
        let (header, attributes) = message.netfilter().unwrap();
        assert_eq!(header.family, key.tuple.family().number());
        assert_eq!(header.version, 0);
        for attribute in Attributes::new(attributes).map(Result::unwrap) {
            match attribute.kind {
                CTA_TUPLE_ORIG => {
                    assert_eq!(Tuple::parse(attribute.payload, "it"), Ok(key.tuple));
                }
                CTA_ID => assert_eq!(attribute.payload, [0, 0, 0, 7]),
                _ => {}
            }
        }
        Attributes::new(attributes).map(|attribute| attribute.unwrap().kind).collect()
    }

    #[test]
    fn every_delete_carries_a_tuple_and_an_id() {
        let addresses = ["0.0.0.0", "10.0.0.1", "::", "2001:db8::1"];
        for address in addresses.map(|text| text.parse::<IpAddr>().unwrap()) {
            for number in 0..=u8::MAX {
                for endpoints in [
                    Endpoints::None,
                    Endpoints::Ports { source: 0, destination: 0 },
                    Endpoints::Icmp { icmp_type: 0, code: 0, id: 0 },
                ] {
                    // GRE's pair is read back as keys.
                    if number == Protocol::GRE.0 && endpoints != Endpoints::None {
                        continue;
                    }
                    let tuple = Tuple {
                        source: address,
                        destination: address,
                        protocol: Protocol(number),
                        endpoints,
                        zone: None,
                    };
                    let key = FlowKey::new(tuple);
                    assert_eq!(kinds(key), [CTA_TUPLE_ORIG, CTA_ID]);
                    assert_eq!(kinds(key.zone(0)), [CTA_TUPLE_ORIG, CTA_ZONE, CTA_ID]);
                    assert_eq!(kinds(key.id(FlowId(0))), [CTA_TUPLE_ORIG, CTA_ID]);
                }
            }
        }
    }
}
