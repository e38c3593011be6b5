//! The file that is written: new, perhaps compressed, and whole or not there.

use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};

use crate::common::{Result, Usage};

/// How hard it compresses.
const LEVEL: i32 = 9;

/// A file that is written, or the standard output. The file has its name only once it is finished; one that is
/// not is removed.
pub struct Output {
    file: Option<Unfinished>,
    writer: Option<Writer>,
}

enum Writer {
    Plain(BufWriter<Box<dyn Write + Send>>),
    Compressed(zstd::Encoder<'static, Box<dyn Write + Send>>),
}

/// A file under another name than it is to have.
struct Unfinished {
    temporary: PathBuf,
    file: PathBuf,
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        // It has its name by now, or is not to have one.
        let _ = std::fs::remove_file(&self.temporary);
    }
}

fn named(file: &Path, error: &io::Error) -> Usage {
    Usage(format!("{}: {error}", file.display()))
}

impl Output {
    /// Begins a file that must not be there yet; compressed, if its name ends in `.zst`.
    pub fn create(file: &Path, is_text: bool) -> Result<Self> {
        let (target, unfinished): (Box<dyn Write + Send>, _) = if file.to_str() == Some("-") {
            if !is_text && io::stdout().is_terminal() {
                return Err(Usage("it is no text: pipe it, or name a file".to_owned()).into());
            }
            (Box::new(io::stdout()), None)
        } else {
            // A link to nowhere is there, too.
            if std::fs::symlink_metadata(file).is_ok() {
                return Err(named(file, &io::ErrorKind::AlreadyExists.into()).into());
            }
            let name = file.file_name().ok_or_else(|| Usage("name a file".to_owned()))?;
            let hidden = format!(".{}.{}.part", name.to_string_lossy(), std::process::id());
            let temporary = file.with_file_name(hidden);
            let created = File::create_new(&temporary).map_err(|error| named(file, &error))?;
            (Box::new(created), Some(Unfinished { temporary, file: file.to_owned() }))
        };
        let compressed = file.extension().is_some_and(|extension| extension == "zst");
        let writer = if compressed {
            let mut encoder = zstd::Encoder::new(target, LEVEL)?;
            // Else a bit that is changed on the way is another entry.
            encoder.include_checksum(true)?;
            Writer::Compressed(encoder)
        } else {
            Writer::Plain(BufWriter::with_capacity(64 * 1024, target))
        };
        Ok(Self { file: unfinished, writer: Some(writer) })
    }

    /// Ends it, gives it its name, and says how long it is.
    pub fn finish(mut self) -> Result<Option<u64>> {
        match self.writer.take() {
            Some(Writer::Plain(mut writer)) => writer.flush()?,
            Some(Writer::Compressed(encoder)) => encoder.finish()?.flush()?,
            None => {}
        }
        let Some(Unfinished { temporary, file }) = &self.file else { return Ok(None) };
        let written = File::open(temporary)?;
        written.sync_all()?;
        // Unlike renaming, this fails where somebody else has made the file meanwhile.
        std::fs::hard_link(temporary, file)
            .or_else(|error| match error.kind() {
                io::ErrorKind::AlreadyExists => Err(error),
                // There are file systems without links.
                _ => std::fs::rename(temporary, file),
            })
            .map_err(|error| named(file, &error))?;
        Ok(Some(written.metadata()?.len()))
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.writer {
            Some(Writer::Plain(writer)) => writer.write(bytes),
            Some(Writer::Compressed(encoder)) => encoder.write(bytes),
            None => Ok(0),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.writer {
            Some(Writer::Plain(writer)) => writer.flush(),
            Some(Writer::Compressed(encoder)) => encoder.flush(),
            None => Ok(()),
        }
    }
}
