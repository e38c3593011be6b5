//! Tables kept and exchanged (feature `files`): captures that Wireshark opens, the lines of `conntrack`, rows for
//! JSON, CSV and Parquet, and [snapshots](snapshot), which read any of them.
//!
//! This room must not change a table.

pub mod capture;
mod end;
mod facts;
#[cfg(feature = "parquet")]
pub mod parquet;
pub mod rows;
pub mod snapshot;
pub mod text;

pub use end::{Damage, End, Format};
pub use facts::TableFacts;
