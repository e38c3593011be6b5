//! Changes of entries, that very one or none; counters set back to zero.

use bytes::BytesMut;
use rustix::io::Errno;

use super::Conntrack;
use super::dump::{Dump, Kind};
use super::errno::{explained, fixed_timeout, invalid, number, of_update};
use super::get::write_key;
use crate::error::{Error, ErrorKind, Result};
use crate::filter::{Filter, Placement};
use crate::flow::{Change, Endpoints, Flow, FlowKey, Status, Tuple};
use crate::kernel::Capabilities;
use crate::socket::Request;
use crate::wire::ctnetlink::{IPCTNL_MSG_CT_GET_CTRZERO, IPCTNL_MSG_CT_NEW};
use crate::wire::writer::Writer;

const OPERATION: &str = "update an entry";

/// How often the status is read again when it changed before the update came.
const TRIES: usize = 4;

/// What became of an entry that was to be changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Updated {
    /// It is changed.
    Updated,
    /// It is not there, and nothing has its tuple.
    Gone,
    /// It is not there any more; a later entry has its tuple, and was left alone.
    Replaced,
}

impl Conntrack {
    /// Changes the entry with this key; from a [`Flow`](crate::flow::Flow), that very entry. It
    /// makes none.
    ///
    /// The kernel does not look at an id here, so an entry whose id is in the key is read first.
    /// Between the two requests a small race remains: an entry that ends and is replaced right then
    /// has its successor changed. A key without an id means the entry there is at the moment.
    ///
    /// The entry is read first, too, if the key has ports of a protocol that not every kernel tracks: a
    /// kernel without a tracker ignores them, and would change the one entry between the two addresses.
    ///
    /// The kernel takes a status only with all the bits that are set already, so that is read
    /// first, too, and again if it changed meanwhile; no bit is ever lost.
    ///
    /// ```no_run
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let mut table = ctnetlink::Conntrack::open()?;
    /// # let flow = table.dump(Default::default())?.flows().next().unwrap()?;
    /// use ctnetlink::{Updated, flow::Change};
    /// use std::time::Duration;
    /// let soon = Change::new().timeout(Duration::from_secs(5));
    /// if table.update(&flow, &soon)? != Updated::Updated {
    ///     println!("it ended before");
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// - [`Invalid`](ErrorKind::Invalid): nothing was changed. A change that is none, a timeout of
    ///   zero, bits outside of their mask, protocol information the kernel would pass over.
    /// - [`PermissionDenied`](ErrorKind::PermissionDenied) without `CAP_NET_ADMIN`.
    /// - [`Kernel`](ErrorKind::Kernel) with an explanation: `EPERM` for the timeout of an entry
    ///   whose timeout is fixed, with nothing changed (5.10 changes it); `ENOSPC` where the entry has no room for
    ///   labels; `EINVAL` if the tuple lacks what its protocol needs.
    /// - [`Ignored`](ErrorKind::Ignored): all was done but the sequence adjustment, for which the
    ///   entry has no room.
    ///
    /// The kernel changes one part after the other (timeout, status, protocol information, mark,
    /// sequence adjustment, labels) and stops at the first it refuses. As a rule
    /// labels are the only part that is refused after another was done.
    ///
    /// # Cost
    ///
    /// One request and its answer, about 5 µs; one more if the key has an id, or ports of a protocol
    /// other than TCP and UDP, or the change is of
    /// status, sequence adjustment or window scales, and one where such an adjustment is the first.
    ///
    /// `conntrack -U`
    #[doc(alias = "IPCTNL_MSG_CT_NEW")]
    pub fn update(&mut self, key: impl Into<FlowKey>, change: &Change) -> Result<Updated> {
        let key = key.into();
        change.check(&key).map_err(|objection| invalid(OPERATION, objection))?;
        let mut tries = TRIES;
        loop {
            tries -= 1;
            let mut status = Status::empty();
            if key.id.is_some() || change.depends_on_entry() || !is_tracked(&key.tuple) {
                let any = FlowKey { id: None, ..key };
                let Some(entry) = self.get(any)? else { return Ok(Updated::Gone) };
                if key.id.is_some() && key.id != entry.id {
                    return Ok(Updated::Replaced);
                }
                change.check_against(&entry).map_err(|objection| invalid(OPERATION, objection))?;
                status = entry.status;
            }
            match self.submit(&update_request(&key, change, status)) {
                Ok(()) => return self.after(&key, change, status),
                Err(error) if number(&error).is_some_and(has_ended) => return Ok(Updated::Gone),
                Err(error) if number(&error) == Some(Errno::BUSY) && tries > 0 => {}
                Err(error) if error.is_permission_denied() && change.sets_timeout() => {
                    return Err(self.why_denied(key, error));
                }
                Err(error) => return Err(explained(error, |errno| of_update(change, errno))),
            }
        }
    }

    /// Dumps the entries a filter is true of, and sets their counters back to zero.
    ///
    /// **This loses counts.** The kernel zeroes the counters of an entry before it knows whether the
    /// entry fits the buffer, and if it does not, sends it again, with zeroes: up to 3 % of what was
    /// counted was lost so on Linux 6.18. For numbers that add up, take the difference of two
    /// [dumps](crate::Reader::dump) ([`Counters::since`](crate::flow::Counters::since)); and whoever else
    /// counts on this host will thank you for it.
    ///
    /// # Errors
    ///
    /// [`Inexact`](ErrorKind::Inexact), before anything is done, if the kernel cannot apply all of
    /// the filter: it would zero the counters of more entries than were asked for. Other refusals
    /// show when the dump is read.
    ///
    /// # Cost
    ///
    /// As a dump; with a filter, packets of one processor wait for the walk over the table (see
    /// [`Placement`]).
    #[doc(alias = "IPCTNL_MSG_CT_GET_CTRZERO")]
    pub fn dump_and_zero(&mut self, filter: &Filter) -> Result<Dump<'_>> {
        let plan = self.plan(filter, Some(Placement::LeastCpu))?;
        if let Some((condition, reason)) = plan.here().first().filter(|_| *filter != Filter::new())
        {
            return Err(ErrorKind::Inexact {
                operation: "zero the counters",
                condition: condition.to_string(),
                reason: reason.to_string(),
            }
            .into());
        }
        self.dump_planned(Kind::Zero, &plan, Some(filter.clone()))
    }

    /// Reads one entry and sets its counters back to zero. Nothing is lost here. With an id in the
    /// key, an entry that has the tuple but another id is left alone, unless it takes the tuple over
    /// in the few microseconds between the look at the id and the request.
    ///
    /// # Errors
    ///
    /// As [`get`](crate::Reader::get).
    ///
    /// # Cost
    ///
    /// One request and its answer; two if the key has an id.
    #[doc(alias = "IPCTNL_MSG_CT_GET_CTRZERO")]
    pub fn get_and_zero(&mut self, key: impl Into<FlowKey>) -> Result<Option<Flow>> {
        let key = key.into();
        if key.id.is_some() && self.get(key)?.is_none() {
            return Ok(None);
        }
        self.get_by(IPCTNL_MSG_CT_GET_CTRZERO, "zero the counters of an entry", key)
    }

    /// Finds out whether the kernel passed over the sequence adjustment, which it does in silence.
    fn after(&mut self, key: &FlowKey, change: &Change, before: Status) -> Result<Updated> {
        if change.sets_sequence_adjustment() && !before.contains(Status::SEQ_ADJUST) {
            let now = self.get(*key)?;
            if now.is_some_and(|entry| !entry.status.contains(Status::SEQ_ADJUST)) {
                return Err(ErrorKind::Ignored {
                    operation: OPERATION,
                    what: "the sequence adjustment",
                    remedy: "the entry has no room for one; an entry made by hand has",
                }
                .into());
            }
        }
        Ok(Updated::Updated)
    }

    /// `EPERM` has two reasons. One of them forbids to look, too.
    fn why_denied(&mut self, key: FlowKey, error: Error) -> Error {
        match self.get(FlowKey { id: None, ..key }) {
            Ok(Some(entry)) if entry.status.contains(Status::FIXED_TIMEOUT) => {
                fixed_timeout(OPERATION)
            }
            _ => error,
        }
    }
}

/// Whether every kernel finds an entry by all of this tuple, its ports included.
fn is_tracked(tuple: &Tuple) -> bool {
    tuple.endpoints == Endpoints::None || Capabilities::UNKNOWN.tracks(tuple.protocol)
}

/// Whether the entry is not there, or is on its way out.
fn has_ended(errno: Errno) -> bool {
    [Errno::NOENT, Errno::TIME].contains(&errno)
}

/// A request that changes what is there and makes nothing.
fn update_request(key: &FlowKey, change: &Change, status: Status) -> Request {
    let mut attributes = BytesMut::new();
    write_key(&FlowKey { id: None, ..*key }, &mut Writer::new(&mut attributes));
    change.write(status, &mut attributes);
    Request::once(OPERATION, IPCTNL_MSG_CT_NEW)
        .family(Some(key.tuple.family()))
        .attributes(&attributes)
}
