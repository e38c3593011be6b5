//! Expectations: flows that helpers have announced.

use bytes::BytesMut;

use super::{Conntrack, Deleted, Reader};
use crate::error::{ErrorKind, Result};
use crate::flow::{Expectation, ExpectationKey, FlowKey, NewExpectation};
use crate::socket::Request;
use crate::wire::ctnetlink::*;
use crate::wire::writer::Writer;

impl Reader {
    /// All expectations of the namespace. `conntrack -L expect`.
    ///
    /// There are few at any time: `nf_conntrack_expect_max` at most, some thousands.
    ///
    /// # Errors
    ///
    /// [`PermissionDenied`](ErrorKind::PermissionDenied) without `CAP_NET_ADMIN`.
    #[doc(alias = "IPCTNL_MSG_EXP_GET")]
    pub fn expectations(&mut self) -> Result<Vec<Expectation>> {
        self.read_expectations(&dump())
    }

    /// The expectations of one flow; none if there is none, or the flow has no helper.
    ///
    /// # Errors
    ///
    /// As [`expectations`](Self::expectations); [`Kernel`](ErrorKind::Kernel) with `ENOENT` if there
    /// is no such flow.
    pub fn expectations_of(&mut self, master: impl Into<FlowKey>) -> Result<Vec<Expectation>> {
        let master = master.into();
        let mut attributes = BytesMut::new();
        let mut writer = Writer::new(&mut attributes);
        master.tuple.write(CTA_EXPECT_MASTER, &mut writer);
        if let Some(zone) = master.zone {
            writer.put_be16(CTA_EXPECT_ZONE, zone);
        }
        // Of a flow without a helper the kernel starts no dump and ends none; it acknowledges.
        let family = Some(master.tuple.family());
        self.read_expectations(&dump().acknowledged().family(family).attributes(&attributes))
    }

    /// The expectation with this key, or `None` if there is none (any more).
    ///
    /// # Errors
    ///
    /// As [`expectations`](Self::expectations).
    pub fn expectation(&mut self, key: impl Into<ExpectationKey>) -> Result<Option<Expectation>> {
        let key = key.into();
        let request = once("get an expectation", IPCTNL_MSG_EXP_GET)
            .family(Some(key.tuple.family()))
            .attributes(&attributes(&key));
        match self.read_expectations(&request) {
            Ok(mut found) => Ok(found.pop()),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn read_expectations(&mut self, request: &Request) -> Result<Vec<Expectation>> {
        let malformed = |source| ErrorKind::Malformed { operation: request.operation, source };
        let mut found = Vec::new();
        self.request(request, |message| {
            let (_, attributes) = message.netfilter().map_err(malformed)?;
            found.push(Expectation::parse(attributes).map_err(malformed)?);
            Ok(())
        })?;
        Ok(found)
    }
}

impl Conntrack {
    /// Makes an expectation. `conntrack -I expect`.
    ///
    /// A helper keeps only so many of a flow (FTP one); the kernel drops the oldest for another. It
    /// takes no notice of a timeout when it makes one, so that is set right afterwards.
    ///
    /// # Errors
    ///
    /// [`Kernel`](ErrorKind::Kernel) with `ENOENT` without the master, `EOPNOTSUPP` if the master
    /// has no helper, `EEXIST` if there is one that overlaps, `EINVAL` for a class the helper does
    /// not have.
    ///
    /// # Cost
    ///
    /// One request and its answer; two with a timeout.
    #[doc(alias = "IPCTNL_MSG_EXP_NEW")]
    pub fn create_expectation(&mut self, new: &NewExpectation) -> Result<()> {
        let family = Some(new.expectation().tuple.family());
        let request = once("create an expectation", IPCTNL_MSG_EXP_NEW);
        let create = request.exclusive().family(family).attributes(&new.to_attributes());
        self.request(&create, |_| Ok(()))?;
        if new.seconds().is_some() {
            let update = once("set the timeout of an expectation", IPCTNL_MSG_EXP_NEW)
                .family(family)
                .attributes(&new.to_attributes());
            self.request(&update, |_| Ok(()))?;
        }
        Ok(())
    }

    /// Deletes one expectation: that very one, if the key has an id. `conntrack -D expect`.
    ///
    /// [`Replaced`](Deleted::Replaced) means that its tuple falls under another one, which was left
    /// alone.
    ///
    /// # Errors
    ///
    /// As [`expectations`](Reader::expectations); [`Kernel`](ErrorKind::Kernel) with `EINVAL` if the
    /// tuple lacks what its protocol needs.
    #[doc(alias = "IPCTNL_MSG_EXP_DELETE")]
    pub fn delete_expectation(&mut self, key: impl Into<ExpectationKey>) -> Result<Deleted> {
        let key = key.into();
        match self.request(&delete_request(&key), |_| Ok(())) {
            Ok(()) => Ok(Deleted::Deleted),
            Err(error) if !error.is_not_found() => Err(error),
            Err(_) => {
                let any = ExpectationKey { id: None, ..key };
                let there = self.expectation(any)?.is_some();
                Ok(if there { Deleted::Replaced } else { Deleted::AlreadyGone })
            }
        }
    }

    /// Deletes all expectations, of all helpers. `conntrack -F expect`.
    ///
    /// # Errors
    ///
    /// As [`expectations`](Reader::expectations).
    #[doc(alias = "IPCTNL_MSG_EXP_DELETE")]
    pub fn flush_expectations(&mut self) -> Result<()> {
        let request = Request::flush("flush the expectations", IPCTNL_MSG_EXP_DELETE, None);
        self.request(&request.subsystem(NFNL_SUBSYS_CTNETLINK_EXP), |_| Ok(()))
    }
}

fn once(operation: &'static str, message: u8) -> Request {
    Request::once(operation, message).subsystem(NFNL_SUBSYS_CTNETLINK_EXP)
}

fn dump() -> Request {
    let request = Request::dump("dump the expectations", IPCTNL_MSG_EXP_GET);
    request.subsystem(NFNL_SUBSYS_CTNETLINK_EXP)
}

fn attributes(key: &ExpectationKey) -> BytesMut {
    let mut attributes = BytesMut::new();
    key.write(&mut Writer::new(&mut attributes));
    attributes
}

/// Takes a key, and so a tuple, to make a delete.
fn delete_request(key: &ExpectationKey) -> Request {
    once("delete an expectation", IPCTNL_MSG_EXP_DELETE)
        .family(Some(key.tuple.family()))
        .attributes(&attributes(key))
}
