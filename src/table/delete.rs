//! Deletes of one entry, that very one or none, and of all of them.

use super::execute::{Deleted, Fate};
use super::{Conntrack, delete_request};
use crate::error::{ErrorKind, Result};
use crate::filter::Filter;
use crate::flow::{Family, Flow, FlowKey, FlowRef, NewFlow};
use crate::wire::ctnetlink::IPCTNL_MSG_CT_GET;

const OPERATION: &str = "delete an entry";

/// What is to be deleted: an entry that was read, or what a key finds.
#[derive(Debug, Clone)]
pub struct DeleteTarget(Target);

#[derive(Debug, Clone)]
enum Target {
    Flow(Box<Flow>),
    Key(FlowKey),
}

/// That very entry. One without an id, read from text, is what its key finds.
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
    /// has only a tuple, a zone and perhaps an [id](crate::flow::FlowId); it also names a later entry that got
    /// its predecessor's id. With zones of one direction, a key finds one of the entries that have
    /// its tuple; a flow is found by either of its tuples. It is not an error if the entry is gone,
    /// since entries end all the time.
    ///
    /// A deleted flow that goes on gets a new entry with its next packet, as if it began there. That
    /// ends the flow where NAT translated it, and where rules accept a new TCP connection only with a
    /// SYN.
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

    /// Deletes every entry of the table, of both families and all zones. The kernel does not say
    /// how many there were; [`count`](super::Reader::count) right before says about how many.
    ///
    /// A flow that goes on gets a new entry with its next packet, as if it began there. That ends the
    /// flow where NAT translated it, and where rules accept a new TCP connection only with a SYN.
    ///
    /// # Errors
    ///
    /// [`PermissionDenied`](crate::ErrorKind::PermissionDenied) without `CAP_NET_ADMIN`.
    ///
    /// # Cost
    ///
    /// About 1 µs per entry. Conntrack requests of all programs on the host wait for it.
    #[doc(alias = "IPCTNL_MSG_CT_DELETE")]
    pub fn flush(&mut self) -> Result<()> {
        self.submit(&delete_request::flush(None))
    }

    /// Deletes every entry of one family, and leaves the other alone.
    ///
    /// Kernels before 5.2 would flush both; there the entries are listed and deleted one by one.
    ///
    /// # Errors
    ///
    /// As [`flush`](Self::flush).
    ///
    /// # Cost
    ///
    /// As [`flush`](Self::flush); before 5.2, as a [plan](Self::delete_plan).
    pub fn flush_family(&mut self, family: Family) -> Result<()> {
        if self.capabilities()?.family_flush {
            return self.submit(&delete_request::flush(Some(family)));
        }
        let report = self.delete_plan(&Filter::family(family))?.max(u64::MAX).execute()?;
        report.error.map_or(Ok(()), Err)
    }
}
