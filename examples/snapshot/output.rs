//! The file that is written: new, perhaps compressed, and whole or not there.

use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};

use crate::common::{Result, Usage};

/// How hard it compresses.
const LEVEL: i32 = 9;

/// A file that is written, or the standard output.
pub struct Output {
    file: Option<PathBuf>,
    writer: Writer,
}

enum Writer {
    Plain(BufWriter<Box<dyn Write + Send>>),
    Compressed(zstd::Encoder<'static, Box<dyn Write + Send>>),
}

impl Output {
    /// Begins a file that must not be there yet; compressed, if its name ends in `.zst`.
    pub fn create(file: &Path, is_text: bool) -> Result<Self> {
        let standard = file.to_str() == Some("-");
        if standard && !is_text && io::stdout().is_terminal() {
            return Err(Usage("it is no text: pipe it, or name a file".to_owned()).into());
        }
        let target: Box<dyn Write + Send> = if standard {
            Box::new(io::stdout())
        } else {
            let created = File::create_new(file);
            Box::new(created.map_err(|error| Usage(format!("{}: {error}", file.display())))?)
        };
        let compressed = file.extension().is_some_and(|extension| extension == "zst");
        let writer = if compressed {
            Writer::Compressed(zstd::Encoder::new(target, LEVEL)?)
        } else {
            Writer::Plain(BufWriter::with_capacity(64 * 1024, target))
        };
        Ok(Self { file: (!standard).then(|| file.to_owned()), writer })
    }

    /// Ends it, and says how long it is.
    pub fn finish(self) -> Result<Option<u64>> {
        match self.writer {
            Writer::Plain(mut writer) => writer.flush()?,
            Writer::Compressed(encoder) => encoder.finish()?.flush()?,
        }
        let Some(file) = &self.file else { return Ok(None) };
        let written = File::open(file)?;
        written.sync_all()?;
        Ok(Some(written.metadata()?.len()))
    }

    /// Runs what writes a file, and leaves none where that fails: half of one looks like a whole one.
    pub fn or_nothing<T>(file: &Path, write: impl FnOnce() -> Result<T>) -> Result<T> {
        let was_there = file.exists();
        write().inspect_err(|_| {
            if !was_there {
                // It may not have come to be.
                let _ = std::fs::remove_file(file);
            }
        })
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.writer {
            Writer::Plain(writer) => writer.write(bytes),
            Writer::Compressed(encoder) => encoder.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.writer {
            Writer::Plain(writer) => writer.flush(),
            Writer::Compressed(encoder) => encoder.flush(),
        }
    }
}
