//! What is told of a file that was written.

use std::io::Write;

use bytesize::ByteSize;
use ctnetlink::escape::Escaped;

use crate::Options;
use crate::common;

/// What `--json` prints: on the standard error, if the standard output is what was written.
#[derive(serde::Serialize)]
pub struct Written {
    pub file: String,
    pub entries: u64,
    pub undecided: u64,
    pub malformed: u64,
    /// Of the file, unless it is the standard output.
    pub size: Option<u64>,
    /// Whether it is all of a table; null where that cannot be known.
    pub complete: Option<bool>,
}

impl Written {
    pub fn tell(&self, options: &Options) -> common::Result {
        let mut out = anstream::stderr().lock();
        match (options.common.json, self.file == "-") {
            (true, true) => return Ok(common::json(self, &mut out)?),
            (true, false) => return Ok(common::json(self, &mut common::stdout())?),
            _ => {}
        }
        let Self { file, entries, undecided, malformed, size, .. } = self;
        let size = size.map(|size| format!(", {}", ByteSize(size).display().iec()));
        let file = Escaped(file);
        writeln!(out, "{entries} entries{}, in {file}", size.unwrap_or_default())?;
        if *undecided > 0 {
            writeln!(
                out,
                "note: {undecided} entries lack what the filter is about, and are left out"
            )?;
        }
        if *malformed > 0 {
            writeln!(
                out,
                "note: {malformed} entries or lines could not be read, and are left out"
            )?;
        }
        Ok(())
    }
}
