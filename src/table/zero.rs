//! Counters read and set back to zero.

use super::dump::{Dump, Kind};
use super::{Conntrack, Reader};
use crate::error::{ErrorKind, Result};
use crate::filter::{Filter, Placement};
use crate::flow::{Flow, FlowKey};
use crate::wire::ctnetlink::IPCTNL_MSG_CT_GET_CTRZERO;

impl Conntrack {
    /// Dumps the entries a filter is true of, and sets their counters back to zero.
    ///
    /// **This loses counts.** The kernel zeroes the counters of an entry before it knows whether the
    /// entry fits the buffer, and if it does not, sends it again, with zeroes: up to 3 % of what was
    /// counted was lost so on Linux 6.18. For numbers that add up, take the difference of two
    /// [dumps](Reader::dump) ([`Counters::since`](crate::flow::Counters::since)); and whoever else
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
    /// As [`get`](Reader::get).
    ///
    /// # Cost
    ///
    /// One request and its answer; two if the key has an id.
    #[doc(alias = "IPCTNL_MSG_CT_GET_CTRZERO")]
    pub fn get_and_zero(&mut self, key: impl Into<FlowKey>) -> Result<Option<Flow>> {
        let key = key.into();
        let reader: &mut Reader = self;
        if key.id.is_some() && reader.get(key)?.is_none() {
            return Ok(None);
        }
        reader.get_by(IPCTNL_MSG_CT_GET_CTRZERO, "zero the counters of an entry", key)
    }
}
