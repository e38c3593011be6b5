//! The Linux connection-tracking table, over netlink.

#![warn(missing_docs, unreachable_pub)]
#![cfg_attr(
    not(test),
    warn(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)
)]

pub mod aggregate;
pub mod flow;
pub mod wire;

pub use aggregate::Query;
