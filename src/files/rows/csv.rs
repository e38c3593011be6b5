//! A row as a line of CSV.

use std::fmt;

use super::schema::{Cells, Scalar};
use crate::escape::Escaped;

/// A row as a line of CSV (RFC 4180), without its end. What is not there is empty.
///
/// Text is shown as [`Escaped`] shows it, so that a row is one line. Spreadsheets take a cell that begins with `=`,
/// `+`, `-` or `@` for a formula: such text gets a `'` before it. Numbers and moments are not changed. The original
/// text cannot be recovered from a row; JSON and Parquet keep it.
#[derive(Debug, Clone)]
pub struct CsvRow<'r> {
    cells: Vec<Scalar<'r>>,
}

impl<'r> CsvRow<'r> {
    pub(crate) fn of(row: &'r impl Cells) -> Self {
        Self { cells: row.scalars().collect() }
    }
}

impl fmt::Display for CsvRow<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut comma = "";
        for cell in &self.cells {
            f.write_str(comma)?;
            write(cell, f)?;
            comma = ",";
        }
        Ok(())
    }
}

fn write(cell: &Scalar<'_>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match cell {
        Scalar::Nothing => Ok(()),
        Scalar::Bool(value) => write!(f, "{value}"),
        Scalar::Number(value) => write!(f, "{value}"),
        Scalar::Address(value) => write!(f, "{value}"),
        Scalar::Moment(value) => write!(f, "{value}"),
        Scalar::Text(text) => {
            let quoted = if text.contains([',', '"']) { "\"" } else { "" };
            let formula = if text.starts_with(['=', '+', '-', '@']) { "'" } else { "" };
            write!(f, "{quoted}{formula}{}{quoted}", Escaped(text.replace('"', "\"\"")))
        }
        Scalar::Labels(labels) => {
            let mut blank = "";
            for label in &labels.0 {
                write!(f, "{blank}{label}")?;
                blank = " ";
            }
            Ok(())
        }
    }
}
