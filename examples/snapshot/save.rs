//! The table of the kernel into a file, and what is told of any file that was written.

use std::io::Write;
use std::path::Path;

use bytesize::ByteSize;
use ctnetlink::escape::Escaped;

use crate::Options;
use crate::common;
use crate::convert::is_named_otherwise;
use crate::output::Output;

pub fn run(options: &Options, file: &Path) -> common::Result {
    if is_named_otherwise(file) {
        return common::wrong("what is saved is a capture: name it so, and convert it");
    }
    options.common.prepare()?;
    let mut table = options.common.open()?;
    let (end, output) = table.record(Output::create(file, false)?)?;
    Written {
        file: file.display().to_string(),
        entries: end.entries,
        undecided: 0,
        malformed: 0,
        size: output.finish()?,
        complete: Some(!end.interrupted),
    }
    .tell(options)
}

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
            let lack = "entries lack what the filter is about, and are left out";
            writeln!(out, "note: {undecided} {lack}")?;
        }
        if *malformed > 0 {
            let lost = "entries or lines could not be read, and are left out";
            writeln!(out, "note: {malformed} {lost}")?;
        }
        Ok(())
    }
}
