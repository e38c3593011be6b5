//! Expectations that are read.

use super::Reader;
use crate::error::Result;
use crate::flow::{Expectation, ExpectationKey, FlowKey, Tuple};
use crate::socket::Request;
use crate::wire::ctnetlink::*;
use crate::wire::writer::Writer;

impl Reader {
    /// All expectations of this network namespace. One that comes or goes while they are read may be
    /// in the list or not, and rarely one is in it twice.
    ///
    /// The kernel does not say which zone one is in: [`zone`](Expectation::zone) is `None`.
    ///
    /// # Errors
    ///
    /// [`PermissionDenied`](crate::ErrorKind::PermissionDenied) without `CAP_NET_ADMIN`.
    ///
    /// # Cost
    ///
    /// One request, and memory for all of them. There are few: `nf_conntrack_expect_max` at most,
    /// which by default is some thousands.
    ///
    /// ```no_run
    /// # fn main() -> ctnetlink::Result<()> {
    /// let mut table = ctnetlink::Reader::open()?;
    /// for expectation in table.expectations()? {
    ///     println!("{expectation}"); // as `conntrack -L expect` does
    /// }
    /// # Ok(()) }
    /// ```
    #[doc(alias = "IPCTNL_MSG_EXP_GET")]
    pub fn expectations(&mut self) -> Result<Vec<Expectation>> {
        self.read_expectations(&Request::dump("list expectations", IPCTNL_MSG_EXP_GET))
    }

    /// The expectations of one flow, by a tuple of either direction and the zone; the key's id is
    /// not looked at. None, too, if there is no such flow (any more): expectations end with it.
    ///
    /// # Errors
    ///
    /// As [`expectations`](Self::expectations), and [`Kernel`](crate::ErrorKind::Kernel) with `EINVAL` if
    /// the tuple lacks what its protocol needs, such as ports.
    ///
    /// # Cost
    ///
    /// One request; helpers let a flow have a handful.
    pub fn expectations_of(&mut self, master: impl Into<FlowKey>) -> Result<Vec<Expectation>> {
        let master = master.into();
        let zone = master.zone.or(master.tuple.zone);
        let request = Request::dump("list expectations of a flow", IPCTNL_MSG_EXP_GET)
            // No dump starts for a flow without a helper, and without this there is no answer.
            .acknowledged()
            .family(Some(master.tuple.family()))
            .with(|writer| {
                // A zone inside the tuple is refused here.
                Tuple { zone: None, ..master.tuple }.write(CTA_EXPECT_MASTER, writer);
                if let Some(zone) = zone {
                    writer.put_be16(CTA_EXPECT_ZONE, zone);
                }
            });
        match self.read_expectations(&request) {
            Ok(mut found) => {
                found.iter_mut().for_each(|found| found.zone = found.zone.or(zone));
                Ok(found)
            }
            Err(error) if error.is_not_found() => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    /// The expectation that a packet with this tuple would meet, or `None` if there is none (any
    /// more). Its own tuple may be another, where its mask lets packets differ. With an id in the
    /// key, only the one with that id.
    ///
    /// # Errors
    ///
    /// As [`expectations_of`](Self::expectations_of).
    ///
    /// # Cost
    ///
    /// One request and its answer.
    #[doc(alias = "IPCTNL_MSG_EXP_GET")]
    pub fn expectation(&mut self, key: impl Into<ExpectationKey>) -> Result<Option<Expectation>> {
        let key = key.into();
        let request = Request::once("get an expectation", IPCTNL_MSG_EXP_GET)
            .family(Some(key.tuple.family()))
            .with(|writer| write_key(&key, writer));
        match self.read_expectations(&request) {
            Ok(found) => Ok(found.into_iter().next().map(|found| {
                let zone = found.zone.or(zone_of(&key));
                Expectation { zone, ..found }
            })),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn read_expectations(&mut self, request: &Request) -> Result<Vec<Expectation>> {
        let request = request.clone().subsystem(NFNL_SUBSYS_CTNETLINK_EXP);
        let mut found = Vec::new();
        self.request(&request, |_, attributes| {
            found.push(Expectation::parse(attributes)?);
            Ok(())
        })?;
        Ok(found)
    }
}

/// The zone a key names, on its own or in its tuple.
fn zone_of(key: &ExpectationKey) -> Option<u16> {
    key.zone.or(key.tuple.zone)
}

/// Writes a key: tuple, zone, id.
pub(super) fn write_key(key: &ExpectationKey, writer: &mut Writer<'_>) {
    // A zone inside the tuple is refused here.
    Tuple { zone: None, ..key.tuple }.write(CTA_EXPECT_TUPLE, writer);
    if let Some(zone) = zone_of(key) {
        writer.put_be16(CTA_EXPECT_ZONE, zone);
    }
    if let Some(id) = key.id {
        writer.put_be32(CTA_EXPECT_ID, id.0);
    }
}
