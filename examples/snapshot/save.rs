//! The table of the kernel into a file.

use std::path::Path;

use crate::Options;
use crate::common;
use crate::convert::is_named_otherwise;
use crate::output::Output;
use crate::written::Written;

pub fn run(options: &Options, file: &Path) -> common::Result {
    if is_named_otherwise(file) {
        let text = "what is saved is a capture: name it so, and convert it";
        return Err(common::Usage(text.to_owned()).into());
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
