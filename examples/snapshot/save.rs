//! The table of the kernel into a file.

use std::io::Write;
use std::path::Path;

use bytesize::ByteSize;

use crate::Options;
use crate::common;
use crate::output::Output;

/// What `--json` prints.
#[derive(serde::Serialize)]
struct Saved {
    file: String,
    entries: u64,
    datagrams: u64,
    bytes: u64,
    /// Of the file, unless it is the standard output.
    size: Option<u64>,
    complete: bool,
}

pub fn run(options: &Options, file: &Path) -> common::Result {
    options.common.prepare()?;
    let mut table = options.common.open()?;
    let output = Output::create(file, false)?;
    let (end, output) = table.record(output)?;
    let saved = Saved {
        file: file.display().to_string(),
        entries: end.entries,
        datagrams: end.datagrams,
        bytes: end.bytes,
        size: output.finish()?,
        complete: !end.interrupted,
    };
    // The standard output may be the capture.
    let mut out = anstream::stderr().lock();
    if options.common.json {
        common::json(&saved, &mut out)?;
    } else {
        let size = ByteSize(saved.size.unwrap_or(saved.bytes)).display().iec();
        let note = if saved.complete { "" } else { "; the kernel says that it left some out" };
        writeln!(out, "{} entries, {size}, in {}{note}", saved.entries, saved.file)?;
    }
    Ok(())
}
