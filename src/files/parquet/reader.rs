//! Reads rows out of a file.

use std::fs::File;
use std::io;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::Bytes;
use parquet::column::reader::{ColumnReader, get_column_reader};
use parquet::file::metadata::ParquetMetaData;
use parquet::file::reader::{FileReader, SerializedFileReader};

use super::column::Values;
use super::page::{Pages, check_codec, check_place};
use super::{check_machine, damaged, error};
use crate::files::rows::Row;
use crate::files::rows::schema::{Column, Scalar};

/// Rows that are decoded at a time.
const BATCH: usize = 8192;

/// Decodes, and makes an error of a panic: the decoding crate panics at some damaged files. What was decoded before
/// is not used any more.
fn guarded<T>(decode: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    let decoded = catch_unwind(AssertUnwindSafe(decode));
    decoded.unwrap_or_else(|_| Err(damaged("a page that makes no sense")))
}

/// Reads the rows of a Parquet file, as an iterator. Columns are found by name. Other columns are skipped, and those
/// that the file lacks are missing in all rows.
///
/// # Cost
///
/// Memory for some thousand rows, and for a page of each column. The file says how large a page is, so read only files
/// from people you trust.
///
/// # Damaged files
///
/// A damaged file is an error. Damage that is known to make the decoding crate panic is found before decoding. Any other
/// panic of that crate is caught, and is an error, too; but its message goes where the program's panics go, and a program
/// built with `panic = "abort"` ends. Values may be plain, in a dictionary, in runs (booleans) or differences (numbers),
/// as writers keep them by default. Other encodings are an error.
pub struct Reader<R> {
    file: Box<dyn FileReader>,
    group: usize,
    left: usize,
    columns: Vec<Source>,
    /// Rows that are decoded and were not given yet.
    ready: usize,
    failed: bool,
    rows: PhantomData<R>,
}

/// Where the values of a column come from.
struct Source {
    column: Column,
    /// Its number in the file, and whether it may be missing there.
    place: Option<(usize, bool)>,
    reader: Option<ColumnReader>,
    values: Values,
}

impl<R> std::fmt::Debug for Reader<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader").field("group", &self.group).finish_non_exhaustive()
    }
}

impl<R: Row> Reader<R> {
    /// Reads a file.
    ///
    /// # Errors
    ///
    /// The file's, `InvalidData` for one that is not of this format, or lacks a column that rows
    /// cannot do without, and `Unsupported` on a big-endian machine.
    pub fn new(file: File) -> io::Result<Self> {
        guarded(|| Self::of(Box::new(SerializedFileReader::new(file).map_err(error)?)))
    }

    /// Reads what is in memory.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn from_bytes(bytes: Vec<u8>) -> io::Result<Self> {
        let bytes = Bytes::from(bytes);
        guarded(|| Self::of(Box::new(SerializedFileReader::new(bytes).map_err(error)?)))
    }

    fn of(file: Box<dyn FileReader>) -> io::Result<Self> {
        check_machine()?;
        let columns = R::SCHEMA.iter().map(|column| Source::of(column, file.metadata()));
        let columns = columns.collect::<io::Result<_>>()?;
        let rows = PhantomData;
        Ok(Self { file, group: 0, left: 0, columns, ready: 0, failed: false, rows })
    }

    /// How many rows the file says it has.
    pub fn rows(&self) -> u64 {
        u64::try_from(self.file.metadata().file_metadata().num_rows()).unwrap_or_default()
    }

    /// A fact of the file as a whole, by its name: see [`Writer::note`](super::Writer::note).
    pub fn fact(&self, name: &str) -> Option<&str> {
        let all = self.file.metadata().file_metadata().key_value_metadata()?;
        all.iter().find(|fact| fact.key == name)?.value.as_deref()
    }

    /// Decodes the next rows; `false` at the end.
    fn fill(&mut self) -> io::Result<bool> {
        while self.left == 0 {
            if self.group == self.file.num_row_groups() {
                return Ok(false);
            }
            let group = self.file.get_row_group(self.group).map_err(error)?;
            self.left = usize::try_from(group.metadata().num_rows()).unwrap_or_default();
            for source in &mut self.columns {
                let Some((index, optional)) = source.place else { continue };
                let description = group.metadata().schema_descr().column(index);
                check_place(group.metadata().column(index)).map_err(error)?;
                check_codec(group.metadata().column(index))?;
                let pages = group.get_column_page_reader(index).map_err(error)?;
                let pages = Pages::new(pages, description.physical_type(), optional);
                source.reader = Some(get_column_reader(description, Box::new(pages)));
            }
            self.group += 1;
        }
        let rows = self.left.min(BATCH);
        for source in &mut self.columns {
            let Some((reader, (_, optional))) = source.reader.as_mut().zip(source.place) else {
                continue;
            };
            let read = source.values.read(reader, optional, rows)?;
            if read != rows {
                let name = source.column.name;
                return Err(damaged(format!("the column {name} has too few rows")));
            }
        }
        (self.left, self.ready) = (self.left - rows, rows);
        Ok(true)
    }
}

impl Source {
    fn of(column: &Column, metadata: &ParquetMetaData) -> io::Result<Self> {
        let schema = metadata.file_metadata().schema_descr();
        let place = schema.columns().iter().position(|found| found.path().string() == column.name);
        let place = place.map(|index| (index, schema.column(index).max_def_level() == 1));
        let nested = place.is_some_and(|(index, _)| {
            schema.column(index).max_def_level() > 1 || schema.column(index).max_rep_level() > 0
        });
        if nested || (place.is_none() && !column.optional) {
            let name = column.name;
            return Err(damaged(format!("there is no column {name} of one value a row")));
        }
        let values = Values::new(column.kind);
        Ok(Self { column: *column, place, reader: None, values })
    }

    fn next(&mut self) -> Scalar<'_> {
        match self.place {
            Some(_) => self.values.next(self.column.kind),
            None => Scalar::Nothing,
        }
    }
}

/// After an error there are no more rows.
impl<R: Row> Iterator for Reader<R> {
    type Item = io::Result<R>;

    fn next(&mut self) -> Option<io::Result<R>> {
        if self.failed {
            return None;
        }
        if self.ready == 0 {
            match guarded(|| self.fill()) {
                Ok(true) => {}
                Ok(false) => return None,
                Err(error) => {
                    self.failed = true;
                    return Some(Err(error));
                }
            }
        }
        self.ready -= 1;
        let mut sources = self.columns.iter_mut();
        let row = R::from_scalars(|| sources.next().map_or(Scalar::Nothing, Source::next));
        self.failed = row.is_none();
        Some(row.ok_or_else(|| damaged("a row that makes no sense")))
    }
}
