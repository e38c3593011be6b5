//! Writes rows into a file.

use std::io::{self, Write};
use std::sync::Arc;

use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::metadata::{KeyValue, SortingColumn};
use parquet::file::properties::{WriterProperties, WriterVersion};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::Type;

use super::column::{Values, type_of};
use super::{check_machine, error};
use crate::files::facts::TableFacts;
use crate::files::rows::Row;
use crate::files::rows::schema::{Cells, Column};

/// Rows that are sorted and written at a time. Twice as many would take twice the memory, and make a file of one kind
/// of flow 4 % smaller.
const GROUP: usize = 65_536;

/// The name that facts are noted by.
pub(crate) const FACTS: &str = "ctnetlink";

/// The level of compression.
const LEVEL: i32 = 9;

/// How pages are compressed: by zstd if it is built, else by what needs no C compiler.
fn codec() -> Result<Compression, ParquetError> {
    if cfg!(feature = "zstd") {
        return Ok(Compression::ZSTD(ZstdLevel::try_new(LEVEL)?));
    }
    Ok(Compression::SNAPPY)
}

/// Writes rows into a Parquet file: compressed by zstd (feature `zstd`) or else by Snappy, sorted by
/// source within its row groups, with statistics of its pages and row groups.
///
/// ```
/// # use ctnetlink::testing::{Frames, Population};
/// use ctnetlink::files::rows::{Record, Rollup};
/// use ctnetlink::flow::FlowRef;
/// use ctnetlink::files::parquet::{Reader, Writer};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mut writer = Writer::new(Vec::new())?;
/// # let frames = Frames::of(&Population::new(500));
/// # let entries = frames.entries();
/// for entry in entries {
///     writer.push(Record::from(&FlowRef::parse(entry)?))?;
/// }
/// let file = writer.finish()?;
/// let records = Reader::<Record>::from_bytes(file)?;
/// assert_eq!(records.count(), 500);
/// # Ok(()) }
/// ```
///
/// # Cost
///
/// Memory for 65,536 rows: about 75 MB for [`Record`](crate::files::rows::Record)s, less for the others. Time per
/// flow as for two or three dumps of it (`docs/figures.md`).
pub struct Writer<W: Write + Send, R> {
    file: SerializedFileWriter<W>,
    columns: Vec<(usize, Column)>,
    rows: Vec<R>,
}

impl<W: Write + Send, R> std::fmt::Debug for Writer<W, R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Writer").field("rows", &self.rows.len()).finish_non_exhaustive()
    }
}

impl<W: Write + Send, R: Row> Writer<W, R> {
    /// Begins a file of all columns.
    ///
    /// # Errors
    ///
    /// The writer's, and `Unsupported` on a big-endian machine.
    pub fn new(writer: W) -> io::Result<Self> {
        Self::of(writer, codec().map_err(error)?, |_| true)
    }

    /// Begins a file for a [`Partition`](super::Partition). It has no column `node`, since the path says the node, and
    /// engines would find it twice.
    ///
    /// # Errors
    ///
    /// The writer's.
    pub fn partitioned(writer: W) -> io::Result<Self> {
        Self::of(writer, codec().map_err(error)?, |column| column.name != "node")
    }

    fn of(writer: W, codec: Compression, wanted: impl Fn(&Column) -> bool) -> io::Result<Self> {
        check_machine()?;
        let all = R::SCHEMA.iter().copied().enumerate();
        let columns: Vec<_> = all.filter(|(_, column)| wanted(column)).collect();
        let fields = columns.iter().map(|(_, column)| type_of(column));
        let fields = fields.collect::<Result<Vec<_>, _>>().map_err(error)?;
        let schema = Type::group_type_builder("row").with_fields(fields).build().map_err(error)?;
        let sorted = columns.iter().position(|(_, column)| column.name == R::SORTED);
        let sorting = sorted.and_then(|place| i32::try_from(place).ok()).map(|column_idx| {
            vec![SortingColumn { column_idx, descending: false, nulls_first: true }]
        });
        let distinct = columns.iter().filter(|(_, column)| column.distinct);
        let properties = distinct.fold(WriterProperties::builder(), |properties, (_, column)| {
            properties
                .set_column_dictionary_enabled(column.name.into(), false)
                .set_column_encoding(column.name.into(), Encoding::DELTA_BINARY_PACKED)
        });
        let properties = properties
            .set_compression(codec)
            .set_writer_version(WriterVersion::PARQUET_1_0)
            .set_created_by(concat!("ctnetlink ", env!("CARGO_PKG_VERSION")).to_owned())
            .set_sorting_columns(sorting)
            .build();
        let file = SerializedFileWriter::new(writer, Arc::new(schema), Arc::new(properties));
        let file = file.map_err(error)?;
        Ok(Self { file, columns, rows: Vec::new() })
    }

    /// Adds a row.
    ///
    /// # Errors
    ///
    /// The writer's.
    pub fn push(&mut self, row: R) -> io::Result<()> {
        self.rows.push(row);
        if self.rows.len() == GROUP { self.flush().map_err(error) } else { Ok(()) }
    }

    /// Notes a fact of the file as a whole. Readers show it; queries do not need it.
    pub fn note(&mut self, name: &str, value: impl ToString) {
        self.file.append_key_value_metadata(KeyValue::new(name.to_owned(), value.to_string()));
    }

    /// Notes the facts of the table, as a capture does.
    pub fn facts(&mut self, facts: &TableFacts) {
        self.note(FACTS, facts.to_comment());
    }

    fn flush(&mut self) -> Result<(), ParquetError> {
        self.rows.sort_by_cached_key(Cells::sort_key);
        let mut all: Vec<_> =
            self.columns.iter().map(|(_, column)| Values::new(column.kind)).collect();
        for row in self.rows.drain(..) {
            let mut scalars = row.scalars().enumerate();
            for ((wanted, _), values) in self.columns.iter().zip(&mut all) {
                if let Some((_, scalar)) = scalars.find(|(index, _)| index == wanted) {
                    values.push(&scalar);
                }
            }
        }
        let mut group = self.file.next_row_group()?;
        for values in all {
            if let Some(column) = group.next_column()? {
                values.write(column)?;
            }
        }
        group.close().map(|_| ())
    }

    /// Ends the file, and gives the writer back. A file without its end cannot be read.
    ///
    /// # Errors
    ///
    /// The writer's.
    pub fn finish(mut self) -> io::Result<W> {
        if !self.rows.is_empty() {
            self.flush().map_err(error)?;
        }
        let mut writer = self.file.into_inner().map_err(error)?;
        writer.flush()?;
        Ok(writer)
    }
}

#[cfg(test)]
mod tests {
    use parquet::file::reader::{FileReader, SerializedFileReader};

    use super::*;
    use crate::files::parquet::Reader;
    use crate::files::rows::TableStatus;
    use crate::origin::{Origin, Timestamp};

    fn rows() -> Vec<TableStatus> {
        let level = |at| {
            let seen = Origin {
                node: Some("gw-1".to_owned()),
                time: Some(Timestamp::from_micros(at)),
                ..Origin::default()
            };
            TableStatus { entries: Some(at * 7), ..TableStatus::of(&TableFacts::of(seen)) }
        };
        (0..1_000).map(level).collect()
    }

    fn codec_of(file: &[u8]) -> Compression {
        let file = SerializedFileReader::new(bytes::Bytes::copy_from_slice(file)).expect("a file");
        file.metadata().row_group(0).column(0).compression()
    }

    /// Whether or not zstd is built: a program with it reads the files of one without.
    #[test]
    #[cfg_attr(target_endian = "big", ignore = "there is no Parquet on big-endian machines")]
    fn pages_of_snappy_are_written_and_read() {
        let mut writer = Writer::of(Vec::new(), Compression::SNAPPY, |_| true).expect("a file");
        rows().into_iter().for_each(|row| writer.push(row).expect("written"));
        let file = writer.finish().expect("written");
        assert_eq!(codec_of(&file), Compression::SNAPPY);
        let read = Reader::<TableStatus>::from_bytes(file).expect("a file");
        assert_eq!(read.collect::<io::Result<Vec<_>>>().expect("rows"), rows());
    }

    #[test]
    #[cfg_attr(target_endian = "big", ignore = "there is no Parquet on big-endian machines")]
    fn zstd_compresses_if_it_is_built_and_snappy_if_not() {
        let mut writer = Writer::new(Vec::new()).expect("a file");
        rows().into_iter().for_each(|row| writer.push(row).expect("written"));
        let codec = codec_of(&writer.finish().expect("written"));
        assert_eq!(matches!(codec, Compression::ZSTD(_)), cfg!(feature = "zstd"), "{codec}");
        assert_eq!(codec == Compression::SNAPPY, !cfg!(feature = "zstd"), "{codec}");
    }
}
