//! Tables kept and exchanged (feature `files`).
//!
//! A [`Snapshot`](snapshot::Snapshot) reads a file of any format. What the formats are made of is in rooms of their own:
//! [captures](capture) that Wireshark opens, the [lines](text) of `conntrack`, [rows] for JSON and CSV, and
//! [Parquet](mod@parquet). All of them say by [`TableFacts`] where a table is from, and by [`End`] how reading ended. This
//! room must not change a table.

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
