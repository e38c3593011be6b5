//! Entries as other tools know them: the line that `conntrack` prints, and a flat record for JSON,
//! CSV and tables.
//!
//! This folder turns values into text, and records back into entries. It must not read a table.

mod csv;
mod level;
mod record;
mod rollup;
pub(crate) mod schema;

pub use csv::CsvRow;
pub use level::Level;
pub use record::{Labels, MixedFamilies, Record};
pub use rollup::Rollup;
pub use schema::Row;
