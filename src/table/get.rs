//! One entry, by its key.

use netlink_packet_core::NLA_F_NESTED;

use super::Reader;
use crate::error::Result;
use crate::flow::{Direction, Flow, FlowKey, FlowRef, Tuple};
use crate::socket::Request;
use crate::wire::ctnetlink::{
    CTA_ID, CTA_TUPLE_ORIG, CTA_TUPLE_REPLY, CTA_ZONE, IPCTNL_MSG_CT_GET,
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
    /// [`PermissionDenied`](crate::ErrorKind::PermissionDenied) without `CAP_NET_ADMIN`;
    /// [`Kernel`](crate::ErrorKind::Kernel) with `EINVAL` if the tuple lacks what its protocol needs,
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

    /// The entry that a packet with this tuple belongs to after NAT: "what was it before?". `None` if
    /// there is none (any more).
    ///
    /// The tuple is what the other side of the NAT sees: the log of a server outside, or a capture
    /// there. [`get`](Self::get) does not find it, since the kernel knows an entry by its original and
    /// its reply tuple, and this is the [inverse](Tuple::inverse) of the reply tuple.
    ///
    /// ```no_run
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use ctnetlink::{Reader, flow::{FlowKey, Protocol, Tuple}};
    /// // A server's log: 203.0.113.1, the gateway, has connected from port 61000.
    /// let gateway = ("203.0.113.1".parse()?, 61000);
    /// let server = ("198.51.100.7".parse()?, 443);
    /// let seen = FlowKey::new(Tuple::with_ports(Protocol::TCP, gateway, server));
    /// if let Some(flow) = Reader::open()?.get_translated(seen)? {
    ///     println!("it was {}", flow.original.source);
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// A zone in the key is that of the entry.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    ///
    /// # Cost
    ///
    /// As [`get`](Self::get).
    #[doc(alias = "NAT")]
    pub fn get_translated(&mut self, key: impl Into<FlowKey>) -> Result<Option<Flow>> {
        let key = key.into();
        self.get(FlowKey { tuple: key.tuple.inverse(), ..key })
    }

    pub(super) fn get_by(
        &mut self,
        message: u8,
        operation: &'static str,
        key: FlowKey,
    ) -> Result<Option<Flow>> {
        // The kernel does not look at an id here.
        let sent = FlowKey { id: None, ..key };
        let request = Request::once(operation, message).family(Some(key.tuple.family()));
        let mut found = None;
        let outcome = self.request(&request.with(|writer| write_key(&sent, writer)), |_, entry| {
            found = Some(FlowRef::parse(entry)?.to_owned());
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

/// Writes a key: tuple, zone, id.
pub(super) fn write_key(key: &FlowKey, writer: &mut Writer<'_>) {
    key.tuple.write(CTA_TUPLE_ORIG, writer);
    if let Some(zone) = key.zone {
        writer.put_be16(CTA_ZONE, zone);
    }
    if let Some(id) = key.id {
        writer.put_be32(CTA_ID, id.0);
    }
}

/// Writes what an entry is found by: its tuple of a direction, and its zone.
pub(super) fn write_key_of(flow: &FlowRef<'_>, direction: Direction, writer: &mut Writer<'_>) {
    let kind = match direction {
        Direction::Original => CTA_TUPLE_ORIG,
        Direction::Reply => CTA_TUPLE_REPLY,
    };
    writer.put(kind | NLA_F_NESTED, flow.tuple_as_sent(direction));
    if let Some(zone) = flow.zone() {
        writer.put_be16(CTA_ZONE, zone);
    }
}
