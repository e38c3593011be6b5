//! Writing the files of a plan, each whole or not at all.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use super::files::Root;
use super::plan::{FilePlan, PlannedFile, Want};
use crate::error::{Error, ErrorKind, Result};
use crate::replace::{Replacement, alone};

/// What became of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct WrittenFile {
    /// Its path on the machine.
    pub path: String,
    /// Whether it was written. It was not if it had this content already.
    pub changed: bool,
}

/// How often others may come first.
const TRIES: u32 = 100;

/// Writes the files that make settings last, on the machine below this root. If somebody else changes one of them
/// meanwhile, it plans again, and what they wrote stays.
///
/// # Errors
///
/// As [`FilePlan::apply`], if others change the files again and again.
pub fn apply(root: impl AsRef<Path>, want: &Want) -> Result<Vec<WrittenFile>> {
    let is_busy = |error: &Error| {
        matches!(error.kind(), ErrorKind::Setting { source, .. }
            if source.kind() == io::ErrorKind::ResourceBusy)
    };
    let mut tries = 1;
    loop {
        match FilePlan::new(root.as_ref(), want).apply() {
            Err(error) if tries < TRIES && is_busy(&error) => tries += 1,
            written => return written,
        }
    }
}

impl FilePlan {
    /// Writes every file that does not have its content already. Each is written beside its place and then moved there,
    /// so that no reader sees half of it. Its mode and owner stay, and so does a link to it. Nothing takes effect before
    /// the next boot.
    ///
    /// # Errors
    ///
    /// [`Setting`](ErrorKind::Setting) with the path of the first file that cannot be written, or that exists and cannot
    /// be read. The files before it were written. The error's source is [`ResourceBusy`](io::ErrorKind::ResourceBusy) if
    /// somebody has changed that file since the plan was made. What they wrote stays, and a new plan will include it.
    pub fn apply(&self) -> Result<Vec<WrittenFile>> {
        let root = Root::new(&self.root);
        let write = |file: &PlannedFile| {
            let path = file.path.clone();
            match write(&root, file) {
                Ok(changed) => Ok(WrittenFile { path, changed }),
                Err((source, remedy)) => {
                    Err(ErrorKind::Setting { name: path, source, remedy }.into())
                }
            }
        };
        self.files.iter().map(write).collect()
    }
}

/// Writes a file unless it has this content already, and returns whether it did.
fn write(root: &Root, file: &PlannedFile) -> Result<bool, (io::Error, &'static str)> {
    let refused = |source| (source, "run it as root; this file was not changed");
    let (directory, name) = file.path.rsplit_once('/').unwrap_or_default();
    let directory = root.resolve(directory).map_err(refused)?;
    let now = || match root.exact_text(&file.path) {
        Ok(text) => Ok(Some(text)),
        // Somebody may have made it since it was read.
        Err(source) if source.kind() == io::ErrorKind::NotFound => Ok(None),
        // Its content would be lost.
        Err(source) if root.resolve(&file.path).is_ok_and(|path| path.is_file()) => {
            Err((source, "the file is left as it is: look at it"))
        }
        Err(_) => Ok(None),
    };
    if now()?.as_ref() == Some(&file.content) {
        return Ok(false);
    }
    fs::create_dir_all(&directory).map_err(refused)?;
    let _alone = alone(&directory);
    let now = now()?;
    if now.as_ref() == Some(&file.content) {
        return Ok(false);
    }
    if now != file.before {
        let what = "somebody has changed it since the plan was made";
        let source = io::Error::new(io::ErrorKind::ResourceBusy, what);
        return Err((source, "the file is left as it is: plan again"));
    }
    let mut place = root.resolve(&file.path).map_err(refused)?;
    // A link to /dev/null only says that there is no file here, and is replaced.
    if Some(&place) == root.resolve("/dev/null").ok().as_ref() {
        place = directory.join(name);
        fs::remove_file(&place).map_err(refused)?;
    }
    let mut new = Replacement::begin(&place).map_err(refused)?;
    new.write_all(file.content.as_bytes()).and_then(|()| new.finish()).map_err(refused)?;
    Ok(true)
}
