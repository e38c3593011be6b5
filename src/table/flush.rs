//! The whole table, or all of one family. Nothing else in this crate empties a table.

use super::Conntrack;
use crate::error::Result;
use crate::filter::Filter;
use crate::flow::Family;
use crate::socket::Request;
use crate::wire::ctnetlink::IPCTNL_MSG_CT_DELETE;

impl Conntrack {
    /// Deletes every entry of the table, of both families and all zones. The kernel does not say
    /// how many there were; [`count`](super::Reader::count) before it does, nearly.
    ///
    /// Every flow that goes on makes a new entry with its next packet, as if it began there: with
    /// NAT, or with rules that let only new TCP connections begin with a SYN, that ends it.
    ///
    /// # Errors
    ///
    /// [`PermissionDenied`](crate::ErrorKind::PermissionDenied) without `CAP_NET_ADMIN`.
    ///
    /// # Cost
    ///
    /// About 1 µs per entry, for which other programs' conntrack requests wait, on the whole host.
    #[doc(alias = "IPCTNL_MSG_CT_DELETE")]
    pub fn flush(&mut self) -> Result<()> {
        let request = Request::flush("flush the table", IPCTNL_MSG_CT_DELETE, None);
        self.request(&request, |_| Ok(()))
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
            let request = Request::flush("flush a family", IPCTNL_MSG_CT_DELETE, Some(family));
            return self.request(&request, |_| Ok(()));
        }
        let report = self.delete_plan(&Filter::family(family))?.max(u64::MAX).execute()?;
        report.error.map_or(Ok(()), Err)
    }
}
