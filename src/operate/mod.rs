//! Operations (feature `operate`): the table's [settings](tune), how they [last](persist), and what is
//! [wrong](diagnose) on a machine.
//!
//! This room must not dump entries, except to find out who fills a table.

pub mod diagnose;
pub mod finding;
pub mod persist;
pub mod tune;
