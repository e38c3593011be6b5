//! How full the table is.

use super::Reader;
use crate::error::Result;
use crate::socket::Request;
use crate::wire::ctnetlink::*;
use crate::wire::{Attributes, WireError};

/// How many entries a table has, and how many it may have.
#[doc(alias = "CTA_STATS_GLOBAL")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Limits {
    /// Entries of this network namespace. Counts entries a dump does not show: expired ones that
    /// were not collected yet, and those of packets still on their way through.
    #[doc(alias = "nf_conntrack_count")]
    #[doc(alias = "CTA_STATS_GLOBAL_ENTRIES")]
    pub entries: u32,
    /// The most entries this namespace may have. One number for the whole host, compared with
    /// each namespace's own entries; 0 means no limit. `None` before Linux 4.18 or so, which do
    /// not send it.
    #[doc(alias = "nf_conntrack_max")]
    #[doc(alias = "CTA_STATS_GLOBAL_MAX_ENTRIES")]
    pub max: Option<u32>,
}

impl Limits {
    /// Entries as a part of the limit, from 0 to 1 (and above, where the limit was lowered).
    /// `None` where there is no limit or none is known.
    pub fn load(&self) -> Option<f64> {
        let max = self.max.filter(|&max| max != 0)?;
        Some(f64::from(self.entries) / f64::from(max))
    }
}

impl Reader {
    /// How many buckets the host's table has, which all namespaces share; `None` where that cannot
    /// be read. No request: it is a setting, and the same in every namespace.
    #[doc(alias = "nf_conntrack_buckets")]
    pub fn buckets() -> Option<u32> {
        let text = std::fs::read_to_string("/proc/sys/net/netfilter/nf_conntrack_buckets").ok()?;
        text.trim().parse().ok()
    }

    /// How many entries the table has and may have.
    ///
    /// # Errors
    ///
    /// [`PermissionDenied`](crate::ErrorKind::PermissionDenied) without `CAP_NET_ADMIN`.
    ///
    /// # Cost
    ///
    /// One request and its answer, some microseconds whatever the size of the table. The kernel
    /// serves one conntrack request at a time for the whole host, so it may have to wait for
    /// another program's flush or filtered dump.
    #[doc(alias = "IPCTNL_MSG_CT_GET_STATS")]
    pub fn limits(&mut self) -> Result<Limits> {
        let request = Request::once("read the size of the table", IPCTNL_MSG_CT_GET_STATS);
        let malformed =
            |source| crate::ErrorKind::Malformed { operation: request.operation, source };
        let (mut entries, mut max) = (None, None);
        self.request(&request, |message| {
            let (_, attributes) = message.netfilter().map_err(malformed)?;
            for attribute in Attributes::new(attributes) {
                let attribute = attribute.map_err(malformed)?;
                let place = match attribute.kind {
                    CTA_STATS_GLOBAL_ENTRIES => &mut entries,
                    CTA_STATS_GLOBAL_MAX_ENTRIES => &mut max,
                    _ => continue,
                };
                *place = Some(attribute.be32("CTA_STATS_GLOBAL").map_err(malformed)?);
            }
            Ok(())
        })?;
        let missing = WireError::missing("CTA_STATS_GLOBAL", "CTA_STATS_GLOBAL_ENTRIES");
        Ok(Limits { entries: entries.ok_or_else(|| malformed(missing))?, max })
    }

    /// How many entries the table has: the first half of [`limits`](Self::limits).
    ///
    /// # Errors
    ///
    /// As [`limits`](Self::limits).
    #[doc(alias = "nf_conntrack_count")]
    pub fn count(&mut self) -> Result<u32> {
        Ok(self.limits()?.entries)
    }
}
