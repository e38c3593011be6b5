//! The values of a column in memory, between rows and files.

use std::borrow::Cow;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use parquet::basic::{LogicalType, Repetition, TimeUnit, Type as Physical};
use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::column::writer::ColumnWriterImpl;
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DataType, Int32Type, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::writer::SerializedColumnWriter;
use parquet::schema::types::Type;

use super::error;
use crate::files::rows::schema::{Column, Kind, Scalar, labels_of};
use crate::origin::Timestamp;

/// The values of a column for some rows. Those that are not there have a level of 0 and no value.
#[derive(Debug)]
pub(super) struct Values {
    data: Data,
    levels: Vec<i16>,
    /// How many of the levels and of the values were taken.
    taken: (usize, usize),
}

#[derive(Debug)]
enum Data {
    Bool(Vec<bool>),
    Int32(Vec<i32>),
    Int64(Vec<i64>),
    Bytes(Vec<ByteArray>),
}

/// How a column is kept in a file.
fn physical(kind: Kind) -> Physical {
    match kind {
        Kind::Bool => Physical::BOOLEAN,
        Kind::Number(..=32) => Physical::INT32,
        Kind::Number(_) | Kind::Timestamp => Physical::INT64,
        Kind::Text | Kind::Address | Kind::Labels => Physical::BYTE_ARRAY,
    }
}

/// What a column means to those who read the file.
fn logical(kind: Kind) -> Option<LogicalType> {
    match kind {
        Kind::Bool | Kind::Labels => None,
        Kind::Number(bits) => {
            let bit_width = i8::try_from(bits).unwrap_or(i8::MAX);
            Some(LogicalType::integer(bit_width, false))
        }
        Kind::Text | Kind::Address => Some(LogicalType::String),
        Kind::Timestamp => Some(LogicalType::timestamp(true, TimeUnit::MICROS)),
    }
}

/// The type of a column.
pub(super) fn type_of(column: &Column) -> Result<Arc<Type>, ParquetError> {
    let repetition = if column.optional { Repetition::OPTIONAL } else { Repetition::REQUIRED };
    Type::primitive_type_builder(column.name, physical(column.kind))
        .with_logical_type(logical(column.kind))
        .with_repetition(repetition)
        .build()
        .map(Arc::new)
}

impl Values {
    pub(super) fn new(kind: Kind) -> Self {
        let data = match physical(kind) {
            Physical::BOOLEAN => Data::Bool(Vec::new()),
            Physical::INT32 => Data::Int32(Vec::new()),
            Physical::INT64 => Data::Int64(Vec::new()),
            _ => Data::Bytes(Vec::new()),
        };
        Self { data, levels: Vec::new(), taken: (0, 0) }
    }

    /// Adds what stands in the next row.
    pub(super) fn push(&mut self, scalar: &Scalar<'_>) {
        self.levels.push((*scalar != Scalar::Nothing).into());
        match (&mut self.data, scalar) {
            (Data::Bool(data), Scalar::Bool(value)) => data.push(*value),
            // Unsigned numbers stand in the bits of signed ones.
            (Data::Int32(data), Scalar::Number(value)) => data.push(*value as i32),
            (Data::Int64(data), Scalar::Number(value)) => data.push(*value as i64),
            (Data::Int64(data), Scalar::Timestamp(moment)) => data.push(moment.micros() as i64),
            (Data::Bytes(data), Scalar::Text(text)) => data.push(ByteArray::from(&**text)),
            (Data::Bytes(data), Scalar::Address(address)) => {
                data.push(ByteArray::from(address.to_string().into_bytes()));
            }
            (Data::Bytes(data), Scalar::Labels(labels)) => {
                // 128 bits, the first label lowest, in 16 bytes of which the first is the lowest.
                let bits = labels.iter().fold(0_u128, |bits, label| bits | 1 << label);
                data.push(ByteArray::from(bits.to_le_bytes().to_vec()));
            }
            (_, scalar) => debug_assert_eq!(*scalar, Scalar::Nothing, "of another column"),
        }
    }

    /// Writes them all.
    pub(super) fn write(self, mut writer: SerializedColumnWriter<'_>) -> Result<(), ParquetError> {
        fn all<T: DataType>(
            writer: &mut ColumnWriterImpl<'_, T>,
            values: &[T::T],
            levels: &[i16],
        ) -> Result<(), ParquetError> {
            writer.write_batch(values, Some(levels), None).map(|_| ())
        }
        let levels = &self.levels;
        match &self.data {
            Data::Bool(data) => all(writer.typed::<BoolType>(), data, levels)?,
            Data::Int32(data) => all(writer.typed::<Int32Type>(), data, levels)?,
            Data::Int64(data) => all(writer.typed::<Int64Type>(), data, levels)?,
            Data::Bytes(data) => all(writer.typed::<ByteArrayType>(), data, levels)?,
        }
        writer.close()
    }

    /// Reads so many rows, at most, and says how many it has got.
    pub(super) fn read(
        &mut self,
        reader: &mut ColumnReader,
        optional: bool,
        rows: usize,
    ) -> io::Result<usize> {
        fn some<T: DataType>(
            reader: &mut ColumnReaderImpl<T>,
            values: &mut Vec<T::T>,
            levels: Option<&mut Vec<i16>>,
            rows: usize,
        ) -> io::Result<usize> {
            values.clear();
            reader.read_records(rows, levels, None, values).map(|read| read.0).map_err(error)
        }
        self.levels.clear();
        self.taken = (0, 0);
        let levels = optional.then_some(&mut self.levels);
        let read = match (&mut self.data, reader) {
            (Data::Bool(data), ColumnReader::BoolColumnReader(reader)) => {
                some(reader, data, levels, rows)
            }
            (Data::Int32(data), ColumnReader::Int32ColumnReader(reader)) => {
                some(reader, data, levels, rows)
            }
            (Data::Int64(data), ColumnReader::Int64ColumnReader(reader)) => {
                some(reader, data, levels, rows)
            }
            (Data::Bytes(data), ColumnReader::ByteArrayColumnReader(reader)) => {
                some(reader, data, levels, rows)
            }
            _ => Err(io::Error::new(io::ErrorKind::InvalidData, "a column of another type")),
        }?;
        if !optional {
            self.levels.resize(read, 1);
        }
        Ok(read)
    }

    /// What stands in the next row.
    pub(super) fn next(&mut self, kind: Kind) -> Scalar<'_> {
        let (level, index) = self.taken;
        self.taken.0 += 1;
        if self.levels.get(level).is_none_or(|level| *level == 0) {
            return Scalar::Nothing;
        }
        self.taken.1 += 1;
        let scalar = match &self.data {
            Data::Bool(data) => data.get(index).map(|value| Scalar::Bool(*value)),
            Data::Int32(data) => {
                data.get(index).map(|value| Scalar::Number((*value as u32).into()))
            }
            Data::Int64(data) => data.get(index).map(|value| match kind {
                Kind::Timestamp => Scalar::Timestamp(Timestamp::from_micros(
                    u64::try_from(*value).unwrap_or_default(),
                )),
                _ => Scalar::Number(*value as u64),
            }),
            Data::Bytes(data) => data.get(index).and_then(|bytes| of_bytes(bytes.data(), kind)),
        };
        scalar.unwrap_or(Scalar::Nothing)
    }
}

fn of_bytes(bytes: &[u8], kind: Kind) -> Option<Scalar<'_>> {
    if kind == Kind::Labels {
        let bits = u128::from_le_bytes(bytes.try_into().ok()?);
        let numbers = (0..128).filter(|number| bits >> number & 1 == 1);
        return Some(Scalar::Labels(labels_of(numbers)));
    }
    let text = std::str::from_utf8(bytes).ok()?;
    match kind {
        Kind::Address => text.parse::<IpAddr>().ok().map(Scalar::Address),
        _ => Some(Scalar::Text(Cow::Borrowed(text))),
    }
}
