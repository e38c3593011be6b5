//! The table of the kernel into a file.

use std::path::Path;

use crate::Options;
use crate::common;
use crate::output::Output;
use crate::written::Written;

pub fn run(options: &Options, file: &Path) -> common::Result {
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
