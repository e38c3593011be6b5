//! Entries into the kernel's table.

use crate::error::{ErrorKind, Result};
use crate::flow::Flow;
use crate::table::{Conntrack, Limits};

use super::Population;

/// Creates the flows of `population` in the table, all of them or none.
///
/// Use it in a namespace of your own: entries stay until they time out. Once any table of the host was
/// full, the kernel may evict entries above 95 % of the limit earlier, if they are not assured or are
/// about to end.
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

/// How many entries the table takes and keeps: up to 80 % of the limit, since the kernel may evict
/// above 95 %. `None` without a limit, or without a known one.
///
/// A machine with 1 GiB of memory has a limit of 8,192 or fewer by default (since 5.15).
pub fn room(limits: &Limits) -> Option<u64> {
    let max = limits.max.filter(|&max| max != 0)?;
    Some((u64::from(max) * 4 / 5).saturating_sub(limits.entries.into()))
}

/// Creates `flows` in the table, and returns how many it made. Every flow must be new, and needs a
/// timeout, and [`CONFIRMED`](crate::flow::Status::CONFIRMED) among its status bits. What only the
/// kernel can know (id, counters, timestamps) is left out, and so are ports of a protocol that the
/// kernel does not [track](crate::kernel::Capabilities::tracks).
///
/// # Errors
///
/// The first refusal of the kernel; some of the flows may have been made.
pub fn create(table: &mut Conntrack, flows: impl IntoIterator<Item = Flow>) -> Result<u64> {
    table.create_all(flows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_four_fifths_of_the_limit() {
        let room = |entries, max| room(&Limits { entries, max });
        assert_eq!(room(0, Some(8_192)), Some(6_553));
        assert_eq!(room(0, Some(262_144)), Some(209_715));
        assert_eq!(room(6_000, Some(8_192)), Some(553));
        assert_eq!(room(8_000, Some(8_192)), Some(0));
        assert_eq!(room(0, Some(u32::MAX)), Some(3_435_973_836));
        assert_eq!([room(1, Some(0)), room(1, None)], [None; 2]);
    }
}
