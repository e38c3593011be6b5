//! Expectations made and deleted.
//!
//! To the kernel a delete that has neither a tuple nor the name of a helper deletes all
//! expectations, whatever else is in it. Only [`flush_request`] builds one; the others need what
//! they are about to be built at all.

use super::expect::write_key;
use super::{Conntrack, Deleted};
use crate::error::{ErrorKind, Result};
use crate::flow::{ExpectationId, ExpectationKey, NewExpectation};
use crate::socket::Request;
use crate::wire::ctnetlink::*;
use crate::wire::writer::text_fits;

/// The longest name a helper can have (`NF_CT_HELPER_NAME_LEN`, without the byte that ends it).
const LONGEST_HELPER: usize = 15;

impl Conntrack {
    /// Makes an expectation. One that is there already, or that the same packets would fit, is left
    /// alone, and is an error.
    ///
    /// **It may cost another one**: helpers let a flow have so many expectations of a class, FTP
    /// one and IRC eight, and beyond that the kernel drops the flow's oldest.
    ///
    /// Kernels take the helper's timeout for a new expectation and no other. So one with a
    /// [`timeout`](NewExpectation::timeout) of its own gets it by a second request, right behind
    /// the first.
    ///
    /// # Errors
    ///
    /// [`PermissionDenied`](ErrorKind::PermissionDenied) without `CAP_NET_ADMIN`;
    /// [`Invalid`](ErrorKind::Invalid) if the name of the function cannot be one;
    /// [`Kernel`](ErrorKind::Kernel) with `ENOENT` if there is no such master, `EOPNOTSUPP` if it
    /// has no helper, `EEXIST` or `EBUSY` if there is one for such packets, `EMFILE` if there is no
    /// room (`nf_conntrack_expect_max`), and `EINVAL` for flags, a class (which 5.10 takes) or a
    /// function that the kernel or the helper does not know.
    ///
    /// # Cost
    ///
    /// One request and its answer; two with a timeout.
    #[doc(alias = "IPCTNL_MSG_EXP_NEW")]
    pub fn create_expectation(&mut self, expectation: &NewExpectation) -> Result<()> {
        const OPERATION: &str = "create an expectation";
        let attributes = expectation.attributes().ok_or(ErrorKind::Invalid {
            operation: OPERATION,
            what: "a name that no function can have",
            remedy: "give the kernel's, such as nat-follow-master",
        })?;
        let request = expectation_request(OPERATION, IPCTNL_MSG_EXP_NEW)
            .family(Some(expectation.tuple.family()))
            .attributes(&attributes);
        self.submit(&request.clone().exclusive())?;
        if expectation.timeout.is_none() {
            return Ok(());
        }
        match self.submit(&request) {
            // A packet was faster, and has used it up.
            Err(error) if error.is_not_found() => Ok(()),
            outcome => outcome,
        }
    }

    /// Deletes the expectation with this key; from an [`Expectation`](crate::flow::Expectation),
    /// that very one.
    ///
    /// The request carries tuple, zone and id, so that another one that packets with the tuple
    /// would meet is left alone. A key without an id means the one with exactly this tuple at the
    /// moment: it is looked up first. That it is gone is no error.
    ///
    /// # Errors
    ///
    /// [`PermissionDenied`](ErrorKind::PermissionDenied) without `CAP_NET_ADMIN`;
    /// [`Invalid`](ErrorKind::Invalid) if it is there, but in a zone, and the key names
    /// none: a list of all expectations does not say the zone, so add it
    /// ([`ExpectationKey::zone`]);
    /// [`NotSupported`](ErrorKind::NotSupported) on kernels that do not know it by the id they show
    /// (see [`ERRATA`](crate::kernel::ERRATA)): without the id another one might go;
    /// [`Kernel`](ErrorKind::Kernel) with `EINVAL` if the tuple lacks what its protocol needs, such
    /// as ports.
    ///
    /// # Cost
    ///
    /// One request and its answer; one more where the key has no id. Where it is not found, one
    /// more, and a list of all expectations if the key names no zone.
    #[doc(alias = "IPCTNL_MSG_EXP_DELETE")]
    pub fn delete_expectation(&mut self, key: impl Into<ExpectationKey>) -> Result<Deleted> {
        let key = key.into();
        let there = ExpectationKey { id: None, ..key };
        let Some(id) = (match key.id {
            Some(id) => Some(id),
            None => self.id_with_exactly(there)?,
        }) else {
            return Ok(Deleted::AlreadyGone);
        };
        match self.submit(&delete_request(&key, id)) {
            Ok(()) => return Ok(Deleted::Deleted),
            Err(error) if !error.is_not_found() => return Err(error),
            Err(_) => {}
        }
        let now = self.id_with_exactly(there)?;
        if now == Some(id) {
            return Err(ErrorKind::NotSupported {
                operation: DELETE,
                remedy: "it shows an expectation by one id and deletes it by another (fixed in 6.11, and \
                         in stable kernels of August 2024); delete all of the helper, or let it end",
            }
            .into());
        }
        if key.zone.or(key.tuple.zone).is_none() {
            let all = self.expectations()?;
            if all.iter().any(|one| one.id == Some(id) && one.tuple == key.tuple) {
                return Err(ErrorKind::Invalid {
                    operation: DELETE,
                    what: "a key without the zone the expectation is in",
                    remedy: "name the zone; the kernel does not tell it",
                }
                .into());
            }
        }
        Ok(if now.is_some() { Deleted::Replaced } else { Deleted::AlreadyGone })
    }

    /// Deletes all expectations of the flows that have this helper, in every zone and of both
    /// address families. How many those were, the kernel does not say.
    ///
    /// # Errors
    ///
    /// [`PermissionDenied`](ErrorKind::PermissionDenied) without `CAP_NET_ADMIN`;
    /// [`Invalid`](ErrorKind::Invalid) if no helper can have such a name: it is empty,
    /// longer than 15 bytes, or has a zero byte in it. That no helper has it is no error.
    ///
    /// # Cost
    ///
    /// One request and its answer.
    #[doc(alias = "CTA_EXPECT_HELP_NAME")]
    pub fn delete_expectations_of_helper(&mut self, name: &str) -> Result<()> {
        self.submit(&delete_of_helper_request(name)?)
    }

    /// Deletes **all** expectations of this network namespace. Flows that came of expectations
    /// stay.
    ///
    /// # Errors
    ///
    /// [`PermissionDenied`](ErrorKind::PermissionDenied) without `CAP_NET_ADMIN`.
    ///
    /// # Cost
    ///
    /// One request and its answer.
    #[doc(alias = "IPCTNL_MSG_EXP_DELETE")]
    pub fn flush_expectations(&mut self) -> Result<()> {
        self.submit(&flush_request())
    }

    /// The id of the expectation that has the key's very tuple. A lookup finds what packets with
    /// the tuple would meet, which may be less exact.
    fn id_with_exactly(&mut self, key: ExpectationKey) -> Result<Option<ExpectationId>> {
        let mut tuple = key.tuple;
        tuple.zone = None;
        let found = self.expectation(key)?.filter(|found| found.tuple == tuple);
        Ok(found.and_then(|found| found.id))
    }
}

const DELETE: &str = "delete an expectation";

fn expectation_request(operation: &'static str, message: u8) -> Request {
    Request::once(operation, message).subsystem(NFNL_SUBSYS_CTNETLINK_EXP)
}

/// Takes a tuple and an id to make a delete request.
fn delete_request(key: &ExpectationKey, id: ExpectationId) -> Request {
    let key = key.id(id);
    expectation_request(DELETE, IPCTNL_MSG_EXP_DELETE)
        .family(Some(key.tuple.family()))
        .with(|writer| write_key(&key, writer))
}

/// Takes a name that is one. A name too long for an attribute would be lost from the request, and
/// what is left be a flush.
fn delete_of_helper_request(name: &str) -> Result<Request> {
    const OPERATION: &str = "delete expectations of a helper";
    if !text_fits(name, LONGEST_HELPER) {
        return Err(ErrorKind::Invalid {
            operation: OPERATION,
            what: "a name that no helper can have",
            remedy: "give one of 1 to 15 bytes, such as ftp",
        }
        .into());
    }
    let request = expectation_request(OPERATION, IPCTNL_MSG_EXP_DELETE);
    Ok(request.with(|writer| writer.put_text(CTA_EXPECT_HELP_NAME, name)))
}

/// A delete of everything: the only request that is one.
fn flush_request() -> Request {
    Request::flush("delete all expectations", IPCTNL_MSG_EXP_DELETE, None)
        .subsystem(NFNL_SUBSYS_CTNETLINK_EXP)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::{Protocol, Tuple};
    use crate::table::delete_request::tests::tuples;
    use crate::wire::{Attributes, Messages};

    /// The attributes of a request, by kind and payload.
    fn sent(request: &Request, message: u8) -> Vec<(u16, Vec<u8>)> {
        let bytes = request.to_bytes(1, 2);
        let sent = Messages::new(&bytes).next().unwrap().unwrap();
        assert_eq!((sent.subsystem(), sent.message()), (NFNL_SUBSYS_CTNETLINK_EXP, message));
        let (_, attributes) = sent.netfilter().unwrap();
        let attributes = Attributes::new(attributes).map(Result::unwrap);
        attributes.map(|attribute| (attribute.kind, attribute.payload.to_vec())).collect()
    }

    #[test]
    fn every_delete_carries_a_tuple_and_an_id() {
        for (tuple, zone) in tuples().flat_map(|tuple| [(tuple, None), (tuple, Some(0))]) {
            let key = ExpectationKey::new(Tuple { zone, ..tuple });
            let sent = sent(&delete_request(&key, ExpectationId(7)), IPCTNL_MSG_EXP_DELETE);
            let kinds: Vec<u16> = sent.iter().map(|(kind, _)| *kind).collect();
            match zone {
                None => assert_eq!(kinds, [CTA_EXPECT_TUPLE, CTA_EXPECT_ID]),
                Some(_) => assert_eq!(kinds, [CTA_EXPECT_TUPLE, CTA_EXPECT_ZONE, CTA_EXPECT_ID]),
            }
            if tuple.protocol != Protocol::GRE {
                assert_eq!(Tuple::parse(&sent[0].1, "it"), Ok(tuple));
            }
            assert_eq!(sent.last().unwrap().1, [0, 0, 0, 7]);
        }
    }

    #[test]
    fn a_delete_by_helper_carries_the_name_or_is_none() {
        for name in ["f", "ftp", "a-name-of-15-by"] {
            let request = delete_of_helper_request(name).unwrap();
            let zero_terminated = [name.as_bytes(), &[0]].concat();
            let sent = sent(&request, IPCTNL_MSG_EXP_DELETE);
            assert_eq!(sent, [(CTA_EXPECT_HELP_NAME, zero_terminated)]);
        }
        let long = ["x".repeat(16), "x".repeat(65_531), "x".repeat(65_532), "x".repeat(200_000)];
        for name in ["", "\0", "ftp\0", "f\0p"].into_iter().chain(long.iter().map(|name| &**name)) {
            let error = delete_of_helper_request(name).unwrap_err();
            assert!(matches!(error.kind(), ErrorKind::Invalid { .. }), "{error}");
        }
    }

    #[test]
    fn a_flush_carries_nothing() {
        assert_eq!(sent(&flush_request(), IPCTNL_MSG_EXP_DELETE), []);
    }
}
