//! Entries as other tools know them: the line that `conntrack` prints, and a flat record for JSON,
//! CSV and tables.
//!
//! This folder turns values into text. It must not read a table.

mod line;
mod record;

pub use line::Line;
pub use record::{CsvRow, Labels, Record};
