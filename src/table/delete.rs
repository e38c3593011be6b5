//! One entry out of the table: that very one, or none.
//!
//! To the kernel a delete without a tuple is a flush of everything, and one without an id takes
//! whatever has the tuple by now. This module cannot build either: a request is made from an entry,
//! which has both.

use bytes::BytesMut;
use netlink_packet_core::NetlinkHeader;

use super::Conntrack;
use super::execute::Fate;
use super::get::write_request;
use crate::error::{ErrorKind, Result};
use crate::filter::Filter;
use crate::flow::{Direction, Flow, FlowId, FlowKey, FlowRef, NewFlow};
use crate::wire::Message;
use crate::wire::ctnetlink::{
    CTA_ID, IPCTNL_MSG_CT_DELETE, IPCTNL_MSG_CT_GET, NFNL_SUBSYS_CTNETLINK,
};

const OPERATION: &str = "delete an entry";

/// What became of an entry that was to be deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Deleted {
    /// It is deleted.
    Deleted,
    /// It was not there any more.
    AlreadyGone,
    /// It was not there any more; a later entry has its tuple, and was left alone.
    Replaced,
    /// The filter of the plan is no longer true of the entry with its tuple and id: the entry has
    /// changed, or it is a later one that cannot be told apart. It was left alone.
    Changed,
    /// The kernel finds other entries by both of its tuples, so the one that is meant cannot be
    /// named. This happens only with zones of one direction. If it is still there, it was left
    /// alone.
    Hidden,
    /// A later entry took over its tuple and its id between the look and the delete, and was
    /// deleted. This is that entry, as the kernel's event shows it. [`Conntrack::create`] can make
    /// it again. Before Linux 5.12 the event has no timeout, and a new entry needs one: set it first.
    Later(Box<Flow>),
}

/// What is to be deleted: an entry that was read, or what a key finds.
#[derive(Debug, Clone)]
pub struct DeleteTarget(Target);

#[derive(Debug, Clone)]
enum Target {
    Flow(Box<Flow>),
    Key(FlowKey),
}

/// That very entry. Without an id, as out of text, it is what its key finds.
impl From<&Flow> for DeleteTarget {
    fn from(flow: &Flow) -> Self {
        Self(match flow.id {
            Some(_) => Target::Flow(Box::new(flow.clone())),
            None => Target::Key(flow.into()),
        })
    }
}

/// That very entry.
impl From<&FlowRef<'_>> for DeleteTarget {
    fn from(flow: &FlowRef<'_>) -> Self {
        Self::from(&flow.to_owned())
    }
}

/// The entry that is there at the moment; with an id in the key, only the one that has it.
impl From<FlowKey> for DeleteTarget {
    fn from(key: FlowKey) -> Self {
        Self(Target::Key(key))
    }
}

/// The entry that was made of it, or whatever has its tuple by now.
impl From<&NewFlow> for DeleteTarget {
    fn from(new: &NewFlow) -> Self {
        FlowKey::from(new).into()
    }
}

impl Conntrack {
    /// Deletes an entry: the one that was read, if it is a [`Flow`], or the one with this key.
    ///
    /// The entry is looked at first. With a [`Flow`], everything is compared that cannot change
    /// while an entry lives, and a later entry that differs is left alone; see
    /// [`DeletePlan`](super::DeletePlan#later-entries) for what cannot be told apart. A [`FlowKey`]
    /// has only a tuple, a zone and perhaps an [id](FlowId); it also names a later entry that got
    /// its predecessor's id. With zones of one direction, a key finds one of the entries that have
    /// its tuple; a flow is found by either of its tuples. It is not an error if the entry is gone,
    /// since entries end all the time.
    ///
    /// Packets of a deleted flow that goes on make a new entry, as if it began with them; with NAT,
    /// or with rules that let only new TCP connections begin with a SYN, that ends it.
    ///
    /// # Errors
    ///
    /// [`PermissionDenied`](crate::ErrorKind::PermissionDenied) without `CAP_NET_ADMIN`;
    /// [`Kernel`](crate::ErrorKind::Kernel) with `EINVAL` if the tuple lacks what its protocol
    /// needs, such as ports. With [`Overrun`](crate::ErrorKind::Overrun) or
    /// [`TimedOut`](crate::ErrorKind::TimedOut) the answer is lost, and the entry may be deleted.
    ///
    /// # Cost
    ///
    /// Two requests and their answers; one more with a key.
    #[doc(alias = "IPCTNL_MSG_CT_DELETE")]
    pub fn delete(&mut self, target: impl Into<DeleteTarget>) -> Result<Deleted> {
        let any = |key| FlowKey { id: None, ..key };
        let flow = match target.into().0 {
            Target::Flow(flow) => *flow,
            Target::Key(key) => match self.get_by(IPCTNL_MSG_CT_GET, OPERATION, any(key))? {
                None => return Ok(Deleted::AlreadyGone),
                Some(found) if key.id.is_some() && key.id != found.id => {
                    return Ok(Deleted::Replaced);
                }
                Some(found) => found,
            },
        };
        let bytes = flow.to_bytes();
        let malformed = |source| ErrorKind::Malformed { operation: OPERATION, source };
        let flow = FlowRef::parse(&bytes).map_err(malformed)?;
        let (mut fates, error) = self.delete_those(&[flow], &Filter::new());
        let fate = fates.pop().unwrap_or(Fate::Untried);
        match (fate, error) {
            (Fate::Done(deleted), _) => Ok(deleted),
            (Fate::Confirmed, _) => Ok(Deleted::Deleted),
            (Fate::Failed(error), _) | (_, Some(error)) => Err(error),
            // Without an error every one has its fate.
            (_, None) => Ok(Deleted::AlreadyGone),
        }
    }
}

/// The only place that makes a delete request, which takes an entry and its id. The kernel finds
/// the entry by its tuple of either direction.
pub(super) fn write_deletion(
    header: NetlinkHeader,
    (flow, id): (&FlowRef<'_>, FlowId),
    direction: Direction,
    buffer: &mut BytesMut,
) {
    write_request(IPCTNL_MSG_CT_DELETE, header, flow, direction, buffer, |writer| {
        writer.put_be32(CTA_ID, id.0);
    });
}

/// The entry whose end a message tells of.
pub(super) fn deletion_event<'m>(message: &Message<'m>) -> Option<FlowRef<'m>> {
    let kind = u16::from_be_bytes([NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_DELETE]);
    let is_event = message.kind == kind && message.sequence == 0;
    let (_, attributes) = is_event.then(|| message.netfilter().ok()).flatten()?;
    FlowRef::parse(attributes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::{Endpoints, Protocol, Tuple};
    use crate::wire::ctnetlink::{CTA_TUPLE_ORIG, CTA_TUPLE_REPLY, CTA_ZONE};
    use crate::wire::{Attributes, Messages};
    use std::net::IpAddr;

    /// The attributes of a delete request, by kind.
    fn kinds(flow: &Flow, direction: Direction) -> Vec<u16> {
        let entry = flow.to_bytes();
        let entry = FlowRef::parse(&entry).unwrap();
        let mut buffer = BytesMut::new();
        let header = NetlinkHeader::default();
        write_deletion(header, (&entry, FlowId(7)), direction, &mut buffer);
        let message = Messages::new(&buffer).next().unwrap().unwrap();
        assert_eq!(message.message(), IPCTNL_MSG_CT_DELETE);
        assert_eq!(message.subsystem(), NFNL_SUBSYS_CTNETLINK);
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
    }
}
