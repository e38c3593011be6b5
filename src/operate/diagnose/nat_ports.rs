//! How many source ports of each NAT address are in use.

use std::collections::HashSet;

use super::flows::PortUse;
use crate::aggregate::{Query, Report};
use crate::field::Field;
use crate::filter::Filter;

/// How many source ports of each NAT address are in use towards each destination.
///
/// Source NAT gives every flow a port of the gateway's address, and needs a free one for each flow to
/// the same address and port. When all are in use, new flows to that destination fail, in a table that
/// is half empty. Flows of the gateway itself count, too, since they use the same ports.
///
/// ```no_run
/// # fn main() -> ctnetlink::Result<()> {
/// use ctnetlink::Reader;
/// use ctnetlink::operate::diagnose::NatPorts;
/// let scans = Reader::open()?.scan(&NatPorts::queries())?;
/// let ports = NatPorts::of(scans.iter().map(|scan| &scan.report), 1024..=65535);
/// for port_use in ports.iter().flat_map(|ports| &ports.destinations).take(10) {
///     println!("{} to {}: {}", port_use.nat, port_use.destination, port_use.used);
/// }
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct NatPorts {
    /// How many ports NAT may use.
    pub of: u64,
    /// The destinations, those with most ports in use first.
    pub destinations: Vec<PortUse>,
}

impl NatPorts {
    /// The questions, both of which one scan answers.
    pub fn queries() -> [Query; 2] {
        let address = Field::ReplyDestination;
        let destination = [Field::ReplySource, Field::ReplySourcePort];
        let uses = Query::new().group_by([address, Field::Protocol].into_iter().chain(destination));
        // Which of these addresses are NAT's.
        let nat = Query::new().group_by([address]).filter(Filter::source_nat());
        [uses.top(usize::MAX), nat.top(usize::MAX)]
    }

    /// The answer, from the reports to [`queries`](Self::queries) in their order, where NAT may use these
    /// ports. `None` for other reports.
    pub fn of<'r>(
        reports: impl IntoIterator<Item = &'r Report>,
        ports: std::ops::RangeInclusive<u16>,
    ) -> Option<Self> {
        let mut reports = reports.into_iter();
        let (uses, nat) = (reports.next()?, reports.next()?);
        let addresses: HashSet<_> = nat.rows().iter().filter_map(|row| row.key.first()).collect();
        let is_of_nat = |key: Option<_>| key.is_some_and(|key| addresses.contains(&key));
        let of_nat = uses.rows().iter().filter(|row| is_of_nat(row.key.first()));
        // What has no ports does not run out of them.
        let destinations = of_nat.filter_map(PortUse::of).collect();
        Some(Self { of: ports.len() as u64, destinations })
    }

    /// The ports in use as a part of all, from 0 to 1.
    pub fn share(&self, port_use: &PortUse) -> f64 {
        port_use.used as f64 / self.of.max(1) as f64
    }
}
