//! One entry, by its key.

use bytes::BytesMut;
use netlink_packet_core::{NLA_F_NESTED, NetlinkHeader};

use super::Reader;
use crate::error::{ErrorKind, Result};
use crate::flow::{Direction, Flow, FlowKey, FlowRef, Tuple};
use crate::socket::Request;
use crate::wire::ctnetlink::{
    CTA_ID, CTA_TUPLE_ORIG, CTA_TUPLE_REPLY, CTA_ZONE, IPCTNL_MSG_CT_GET, NFNL_SUBSYS_CTNETLINK,
};
use crate::wire::writer::Writer;

impl Reader {
    /// The entry with this key, or `None` if there is none (any more).
    ///
    /// Its use count is one higher than in a dump: the lookup itself is a user. With an id in the
    /// key, an entry that has the tuple but another id is not returned: it came later. Entries of a
    /// protocol that the kernel does not [track](crate::kernel::Capabilities::tracks) have no ports, so
    /// a key with ports does not find them.
    ///
    /// # Errors
    ///
    /// [`PermissionDenied`](ErrorKind::PermissionDenied) without `CAP_NET_ADMIN`;
    /// [`Kernel`](ErrorKind::Kernel) with `EINVAL` if the tuple lacks what its protocol needs,
    /// such as ports.
    ///
    /// # Cost
    ///
    /// One request and its answer, about 5 µs, whatever the size of the table.
    ///
    /// ```no_run
    /// # fn main() -> ctnetlink::Result<()> {
    /// # let mut table = ctnetlink::Conntrack::open()?;
    /// # let flow = table.dump(Default::default())?.flows().next().unwrap()?;
    /// match table.get(&flow)? {
    ///     Some(now) => println!("{}, then {}", flow.state(), now.state()),
    ///     None => println!("gone"),
    /// }
    /// # Ok(()) }
    /// ```
    #[doc(alias = "IPCTNL_MSG_CT_GET")]
    pub fn get(&mut self, key: impl Into<FlowKey>) -> Result<Option<Flow>> {
        self.get_by(IPCTNL_MSG_CT_GET, "get an entry", key.into())
    }

    pub(super) fn get_by(
        &mut self,
        message: u8,
        operation: &'static str,
        key: FlowKey,
    ) -> Result<Option<Flow>> {
        // The kernel does not look at an id here.
        let request = Request::once(operation, message)
            .family(Some(key.tuple.family()))
            .attributes(&key_attributes(&FlowKey { id: None, ..key }));
        let malformed = |source| ErrorKind::Malformed { operation: request.operation, source };
        let mut found = None;
        let outcome = self.request(&request, |message| {
            let (_, attributes) = message.netfilter().map_err(malformed)?;
            found = Some(FlowRef::parse(attributes).map_err(malformed)?.to_owned());
            Ok(())
        });
        match outcome {
            Err(error) if !error.is_not_found() => Err(error),
            _ => Ok(found
                .filter(|flow| has_endpoints(flow, &key.tuple))
                .filter(|flow| key.id.is_none() || key.id == flow.id)),
        }
    }
}

/// Whether the entry has the ports of the question. A kernel without a tracker for the protocol
/// ignores them, and finds the one entry between the two addresses.
fn has_endpoints(flow: &Flow, tuple: &Tuple) -> bool {
    [flow.original, flow.reply].iter().any(|of| of.endpoints == tuple.endpoints)
}

/// A key as attributes: tuple, zone, id.
pub(super) fn key_attributes(key: &FlowKey) -> BytesMut {
    let mut attributes = BytesMut::new();
    let writer = &mut Writer::new(&mut attributes);
    key.tuple.write(CTA_TUPLE_ORIG, writer);
    if let Some(zone) = key.zone {
        writer.put_be16(CTA_ZONE, zone);
    }
    if let Some(id) = key.id {
        writer.put_be32(CTA_ID, id.0);
    }
    attributes
}

/// Appends a request about an entry, to be found by its tuple of a direction: one of many to a
/// send.
pub(super) fn write_request(
    message: u8,
    mut header: NetlinkHeader,
    flow: &FlowRef<'_>,
    direction: Direction,
    buffer: &mut BytesMut,
    more: impl FnOnce(&mut Writer<'_>),
) {
    header.message_type = u16::from_be_bytes([NFNL_SUBSYS_CTNETLINK, message]);
    let kind = match direction {
        Direction::Original => CTA_TUPLE_ORIG,
        Direction::Reply => CTA_TUPLE_REPLY,
    };
    Writer::new(buffer).message(header, flow.original().family().number(), |writer| {
        writer.put(kind | NLA_F_NESTED, flow.tuple_as_sent(direction));
        if let Some(zone) = flow.zone() {
            writer.put_be16(CTA_ZONE, zone);
        }
        more(writer);
    });
}
