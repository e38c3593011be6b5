//! Entries into the kernel's table.

use crate::error::{ErrorKind, Result};
use crate::flow::Flow;
use crate::table::Conntrack;

use super::Population;

/// Creates the flows of `population` in the table, all of them or none.
///
/// Use it in a namespace of your own: entries stay until they time out. Above 95 % of the limit they
/// may go earlier, if they are not assured or about to end, once any table of the host was full.
///
/// # Errors
///
/// [`TableFull`](ErrorKind::TableFull), before anything was created, if they do not all fit.
///
/// # Cost
///
/// About 2 µs per entry.
pub fn fill(table: &mut Conntrack, population: &Population) -> Result<()> {
    let limits = table.limits()?;
    let wanted = population.len();
    match limits.max {
        Some(max) if max != 0 && u64::from(limits.entries) + wanted > u64::from(max) => {
            Err(ErrorKind::TableFull { wanted, entries: limits.entries, max }.into())
        }
        _ => create(table, population.flows()).map(drop),
    }
}

/// Creates `flows` in the table, and returns how many it made. Every flow must be new, and needs a
/// timeout, and [`CONFIRMED`](crate::flow::Status::CONFIRMED) among its status bits. What only the
/// kernel can know (id, counters, timestamps) is left out.
///
/// # Errors
///
/// The first refusal of the kernel; some of the flows may have been made.
pub fn create(table: &mut Conntrack, flows: impl IntoIterator<Item = Flow>) -> Result<u64> {
    table.create_all(flows)
}
