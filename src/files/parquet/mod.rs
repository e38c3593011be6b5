//! Tables in columns: what DuckDB, DataFusion, ClickHouse, Spark and Athena read as it is.
//!
//! A [`Writer`] takes rows of any of the tables of [`export`](crate::files::rows), a [`Reader`] gives them
//! back, and a [`Partition`] says where a file belongs, so that the files of a fleet are one table.
//! There is no engine here: queries are for those.
//!
//! This folder must not read a table of the kernel's.

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

/// The format's library writes and reads levels, runs and booleans wrong where the highest byte of a number
/// comes first: values are missing then, without a word.
fn check_machine() -> io::Result<()> {
    if cfg!(target_endian = "big") {
        let text = "Parquet is for little-endian machines: write a capture, and convert it on one";
        return Err(io::Error::new(io::ErrorKind::Unsupported, text));
    }
    Ok(())
}

/// What the format's library says, as what a caller of a reader or a writer expects.
fn error(error: ParquetError) -> io::Error {
    match error {
        ParquetError::External(inner) => match inner.downcast::<io::Error>() {
            Ok(error) => *error,
            Err(other) => io::Error::other(other),
        },
        ParquetError::General(what) | ParquetError::EOF(what) => {
            io::Error::new(io::ErrorKind::InvalidData, what)
        }
        other => io::Error::new(io::ErrorKind::InvalidData, other),
    }
}
