//! The file that is written: new, perhaps compressed, and whole or not there.

use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};

use ctnetlink::replace::Replacement;

use crate::common::{self, Result, Usage, wrong};

/// How hard it compresses.
#[cfg(feature = "zstd")]
const LEVEL: i32 = 9;

/// A file that is written, or the standard output. The file has its name only once it is finished; one that is
/// not is removed.
pub struct Output {
    file: PathBuf,
    writer: Writer,
}

enum Writer {
    Plain(BufWriter<Target>),
    #[cfg(feature = "zstd")]
    Compressed(zstd::Encoder<'static, Target>),
}

#[cfg(feature = "zstd")]
fn compressed(target: Target) -> io::Result<Writer> {
    let mut encoder = zstd::Encoder::new(target, LEVEL)?;
    // Else a bit that is changed on the way is another entry.
    encoder.include_checksum(true)?;
    Ok(Writer::Compressed(encoder))
}

#[cfg(not(feature = "zstd"))]
fn compressed(_: Target) -> io::Result<Writer> {
    let text =
        "this program was built without the feature zstd that compresses: name a file without .zst";
    Err(io::Error::new(io::ErrorKind::Unsupported, text))
}

/// Where the bytes go.
enum Target {
    File(Replacement),
    Standard(io::Stdout),
}

impl Write for Target {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::File(file) => file.write(bytes),
            Self::Standard(out) => out.write(bytes).map_err(common::of_stdout),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::File(file) => file.flush(),
            Self::Standard(out) => out.flush().map_err(common::of_stdout),
        }
    }
}

fn named(file: &Path, error: &io::Error) -> Usage {
    Usage(format!("{}: {error}", file.display()))
}

impl Output {
    /// Begins a file that must not be there yet; compressed, if its name ends in `.zst`.
    pub fn create(file: &Path, is_text: bool) -> Result<Self> {
        let target = if file.to_str() == Some("-") {
            if !is_text && io::stdout().is_terminal() {
                return wrong("it is no text: pipe it, or name a file");
            }
            Target::Standard(io::stdout())
        } else {
            // A link to nowhere is there, too.
            if std::fs::symlink_metadata(file).is_ok() {
                return Err(named(file, &io::ErrorKind::AlreadyExists.into()).into());
            }
            file.file_name().ok_or_else(|| Usage("name a file".to_owned()))?;
            Target::File(Replacement::begin(file).map_err(|error| named(file, &error))?)
        };
        let writer = if file.extension().is_some_and(|extension| extension == "zst") {
            compressed(target).map_err(|error| named(file, &error))?
        } else {
            Writer::Plain(BufWriter::with_capacity(64 * 1024, target))
        };
        Ok(Self { file: file.to_owned(), writer })
    }

    /// Ends it, gives it its name, and says how long it is.
    pub fn finish(self) -> Result<Option<u64>> {
        let target = match self.writer {
            Writer::Plain(writer) => writer.into_inner().map_err(io::IntoInnerError::into_error)?,
            #[cfg(feature = "zstd")]
            Writer::Compressed(encoder) => encoder.finish()?,
        };
        match target {
            Target::Standard(mut out) => out.flush().map_err(common::of_stdout)?,
            Target::File(file) => {
                let length = file.finish_new().map_err(|error| named(&self.file, &error))?;
                return Ok(Some(length));
            }
        }
        Ok(None)
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.writer {
            Writer::Plain(writer) => writer.write(bytes),
            #[cfg(feature = "zstd")]
            Writer::Compressed(encoder) => encoder.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.writer {
            Writer::Plain(writer) => writer.flush(),
            #[cfg(feature = "zstd")]
            Writer::Compressed(encoder) => encoder.flush(),
        }
    }
}
