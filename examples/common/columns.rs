//! Lines in columns.

use std::io::{self, Write};

use comfy_table::{CellAlignment, Row, Table, presets};

/// Prints lines below a head; numbers stand at the right of their columns.
pub fn print<R: Into<Row>>(
    head: impl Into<Row>,
    lines: impl IntoIterator<Item = R>,
    is_number: impl Fn(usize) -> bool,
    out: &mut dyn Write,
) -> io::Result<()> {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(head);
    table.add_rows(lines);
    for (index, column) in table.column_iter_mut().enumerate() {
        if is_number(index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    for line in table.lines() {
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}
