//! The Linux connection-tracking table, over netlink.

#![warn(missing_docs, unreachable_pub)]
#![cfg_attr(
    not(test),
    warn(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)
)]

pub mod aggregate;
mod error;
pub mod flow;
pub mod wire;

#[cfg(all(target_os = "linux", not(ctnetlink_pure)))]
mod socket;
#[cfg(all(target_os = "linux", not(ctnetlink_pure)))]
mod table;
#[cfg(feature = "testing")]
pub mod testing;

pub use aggregate::Query;
pub use error::{Error, ErrorKind, Result};
#[cfg(all(target_os = "linux", not(ctnetlink_pure)))]
pub use table::{Batch, Conntrack, Dump, DumpEnd, DumpOptions, Flows, Limits, Progress, Scan};
