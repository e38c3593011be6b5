//! Entries and tables as flat rows, for JSON, CSV and Parquet.
//!
//! A [`Record`] is an entry, a [`Rollup`] many entries of one network, a [`TableStatus`] how full a table was. Each is
//! one list of columns, from which all formats are made. This room must not read a table.

pub(crate) mod parts;
mod record;
mod rollup;
pub(crate) mod schema;

pub use record::{MixedFamilies, Record};
pub use rollup::{Rollup, TableStatus};
pub use schema::{CsvRow, Row};
