//! The kernel's counters.

use super::Reader;
use crate::error::{ErrorKind, Result};
use crate::kernel::stats::{Counter, Counts, CpuStats, ExpectationCounter, Kind, Stats};
use crate::socket::Request;
use crate::wire::ctnetlink::*;

impl Reader {
    /// The counters of tracking in this network namespace, processor by processor.
    ///
    /// # Errors
    ///
    /// [`PermissionDenied`](ErrorKind::PermissionDenied) without `CAP_NET_ADMIN`.
    ///
    /// # Cost
    ///
    /// One request; a message for every processor the host could have.
    #[doc(alias = "IPCTNL_MSG_CT_GET_STATS_CPU")]
    pub fn stats(&mut self) -> Result<Stats<Counter>> {
        self.read_stats(Request::dump("read the counters", IPCTNL_MSG_CT_GET_STATS_CPU))
    }

    /// The counters of expectations in this network namespace, processor by processor.
    ///
    /// # Errors
    ///
    /// As [`stats`](Self::stats).
    #[doc(alias = "IPCTNL_MSG_EXP_GET_STATS_CPU")]
    pub fn expectation_stats(&mut self) -> Result<Stats<ExpectationCounter>> {
        let operation = "read the counters of expectations";
        self.read_stats(
            Request::dump(operation, IPCTNL_MSG_EXP_GET_STATS_CPU)
                .subsystem(NFNL_SUBSYS_CTNETLINK_EXP),
        )
    }

    fn read_stats<C: Kind>(&mut self, request: Request) -> Result<Stats<C>> {
        let malformed = |source| ErrorKind::Malformed { operation: request.operation, source };
        let mut cpus = Vec::new();
        self.request(&request, |message| {
            let (header, attributes) = message.netfilter().map_err(malformed)?;
            let counts = Counts::parse(attributes).map_err(malformed)?;
            cpus.push(CpuStats { cpu: header.resource, counts });
            Ok(())
        })?;
        Ok(Stats { cpus })
    }
}
