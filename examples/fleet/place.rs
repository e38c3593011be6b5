//! Where the files go, and how they are written.

use std::fs::File;
use std::path::PathBuf;

use ctnetlink::files::TableFacts;
use ctnetlink::files::parquet::{PartFile, Partition, Reader, Writer};
use ctnetlink::files::rows::{Record, Row, TableStatus};

use crate::common::{self, Usage};

/// A file that was written, as `--json` tells it.
#[derive(serde::Serialize)]
pub struct Written {
    pub table: &'static str,
    pub file: String,
    pub rows: u64,
    pub size: u64,
}

/// Where the files go.
pub struct Place {
    pub root: PathBuf,
    pub partition: Partition,
    pub part: String,
}

impl Place {
    /// Whether the file there is of another namespace than this one.
    pub fn is_of_other(&self, inode: u32) -> bool {
        let name = format!("{}.parquet", self.part);
        let file = self.root.join("level").join(self.partition.path()).join(name);
        let level = File::open(file).ok().and_then(|file| Reader::<TableStatus>::new(file).ok());
        let row = level.and_then(|mut rows| rows.next()?.ok());
        row.and_then(|row| row.netns_inode).is_some_and(|found| found != inode)
    }

    pub fn create<R: Row>(&self, table: &str) -> common::Result<Writer<PartFile, R>> {
        let file = self.partition.create(&self.root.join(table), &self.part);
        let named = |error| Usage(format!("{}: {error}", self.root.display()));
        Ok(Writer::partitioned(file.map_err(named)?)?)
    }
}

/// The file of every flow, which is written while they stream past.
pub struct Flows {
    pub writer: Writer<PartFile, Record>,
    pub rows: u64,
}

impl Flows {
    pub fn begin(place: &Place) -> common::Result<Self> {
        Ok(Self { writer: place.create("flows")?, rows: 0 })
    }

    pub fn finish(mut self, facts: &TableFacts) -> common::Result<Written> {
        self.writer.facts(facts);
        finish("flows", self.writer, self.rows)
    }
}

/// Ends a file of so many rows.
pub fn finish<R: Row>(
    table: &'static str,
    writer: Writer<PartFile, R>,
    rows: u64,
) -> common::Result<Written> {
    let (path, size) = writer.finish()?.finish()?;
    Ok(Written { table, file: path.display().to_string(), rows, size })
}
