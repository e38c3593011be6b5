//! Entries as other tools know them: the line that `conntrack` prints, and a flat record for JSON,
//! CSV and tables.
//!
//! This folder turns values into text, and records back into entries. It must not read a table.

mod csv;
mod level;
mod line;
mod moment;
mod record;
mod rollup;
mod save;
pub(crate) mod schema;

pub use csv::CsvRow;
pub use level::Level;
pub use line::Line;
pub use moment::{Moment, ParseMomentError};
pub use record::{Labels, MixedFamilies, Observation, Record};
pub use rollup::Rollup;
pub use save::SaveLine;
pub use schema::Row;
