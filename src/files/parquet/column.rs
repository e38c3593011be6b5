//! The values of a column in memory, between rows and files.

use std::borrow::Cow;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use parquet::basic::{LogicalType, Repetition, TimeUnit, Type as Physical};
use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DataType, Int32Type, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::writer::SerializedColumnWriter;
use parquet::schema::types::Type;

use super::{damaged, error};
use crate::files::rows::schema::{Column, Kind, Scalar, labels_of};
use crate::origin::Timestamp;

/// The values of a column for some rows. A row without a value has the level 0, and all others 1.
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
            (Data::Int64(data), Scalar::Timestamp(time)) => data.push(time.micros() as i64),
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
        let levels = Some(&*self.levels);
        match &self.data {
            Data::Bool(data) => writer.typed::<BoolType>().write_batch(data, levels, None),
            Data::Int32(data) => writer.typed::<Int32Type>().write_batch(data, levels, None),
            Data::Int64(data) => writer.typed::<Int64Type>().write_batch(data, levels, None),
            Data::Bytes(data) => writer.typed::<ByteArrayType>().write_batch(data, levels, None),
        }?;
        writer.close()
    }

    /// Reads so many rows, at most, and returns how many there were.
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
        use ColumnReader::{
            BoolColumnReader, ByteArrayColumnReader, Int32ColumnReader, Int64ColumnReader,
        };
        self.levels.clear();
        self.taken = (0, 0);
        let levels = optional.then_some(&mut self.levels);
        let read = match (&mut self.data, reader) {
            (Data::Bool(data), BoolColumnReader(reader)) => some(reader, data, levels, rows),
            (Data::Int32(data), Int32ColumnReader(reader)) => some(reader, data, levels, rows),
            (Data::Int64(data), Int64ColumnReader(reader)) => some(reader, data, levels, rows),
            (Data::Bytes(data), ByteArrayColumnReader(reader)) => some(reader, data, levels, rows),
            _ => Err(damaged("a column of another type")),
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
                data.get(index).map(|value| Scalar::Number(u64::from(*value as u32)))
            }
            Data::Int64(data) if kind == Kind::Timestamp => data.get(index).map(|value| {
                let micros = u64::try_from(*value).unwrap_or_default();
                Scalar::Timestamp(Timestamp::from_micros(micros))
            }),
            Data::Int64(data) => data.get(index).map(|value| Scalar::Number(*value as u64)),
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
