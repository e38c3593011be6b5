//! Tables in columns (Parquet), which DuckDB, DataFusion, ClickHouse, Spark and Athena can query.
//!
//! A [`Writer`] takes [rows](crate::files::rows) of one kind, a [`Reader`] gives them back, and a [`Partition`] says
//! where a file belongs, so that the files of a fleet are one table. There is no query engine here.

mod column;
mod page;
mod partition;
mod reader;
mod writer;

pub use partition::{PartFile, Partition};
pub use reader::Reader;
pub(crate) use writer::FACTS;
pub use writer::Writer;

use std::io;

use parquet::errors::ParquetError;

/// Fails on big-endian machines: there, the format's library writes and reads levels, runs and booleans wrong, and
/// values are missing without a word.
fn check_machine() -> io::Result<()> {
    if cfg!(target_endian = "big") {
        let text = "Parquet is for little-endian machines: write a capture, and convert it on one";
        return Err(io::Error::new(io::ErrorKind::Unsupported, text));
    }
    Ok(())
}

/// An error for a file that is damaged.
fn damaged(what: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.into())
}

/// An error of the format's library, as one of reading or writing.
fn error(error: ParquetError) -> io::Error {
    match error {
        ParquetError::External(inner) => match inner.downcast::<io::Error>() {
            Ok(error) => *error,
            Err(other) => io::Error::other(other),
        },
        ParquetError::General(what) | ParquetError::EOF(what) => damaged(what),
        other => io::Error::new(io::ErrorKind::InvalidData, other),
    }
}
