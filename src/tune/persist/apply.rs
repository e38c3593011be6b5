//! Files written whole, or not at all.

use std::fs;
use std::io::{self, Write};

use super::files::Root;
use super::plan::Plan;
use crate::error::{ErrorKind, Result};

/// What became of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Written {
    /// Its path on the machine.
    pub path: String,
    /// Whether it was written: not if it was just so already.
    pub changed: bool,
}

impl Plan {
    /// Writes the files that are not there just so. Each is written beside its place and then moved
    /// there, so that nobody ever sees half of it. Nothing takes effect before the next boot.
    ///
    /// # Errors
    ///
    /// [`Setting`](ErrorKind::Setting) with the path of the first file that cannot be written, or that
    /// is there and cannot be read; those before it were written.
    pub fn apply(&self) -> Result<Vec<Written>> {
        let root = Root::new(&self.root);
        let mut written = Vec::new();
        for file in &self.files {
            let refused =
                |source, remedy| ErrorKind::Setting { name: file.path.clone(), source, remedy };
            let now = match root.kept(&file.path) {
                Ok(text) => Some(text),
                // What is in it could not be kept.
                Err(source) if root.has_file(&file.path) => {
                    return Err(refused(source, "it is left as it is: look at it").into());
                }
                Err(_) => None,
            };
            let changed = now.as_deref() != Some(&file.content);
            if changed {
                write(&root, &file.path, &file.content).map_err(|source| {
                    refused(source, "run it as root; what was there is as it was")
                })?;
            }
            written.push(Written { path: file.path.clone(), changed });
        }
        Ok(written)
    }
}

fn write(root: &Root, path: &str, content: &str) -> io::Result<()> {
    let (directory, name) = path.rsplit_once('/').unwrap_or_default();
    let directory = root.resolve(directory)?;
    fs::create_dir_all(&directory)?;
    let beside = directory.join(format!(".{name}.new"));
    // What an earlier run that was cut short may have left.
    match fs::remove_file(&beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let fill = || {
        let mut file = fs::File::create_new(&beside)?;
        file.write_all(content.as_bytes())?;
        file.sync_all()?;
        fs::rename(&beside, directory.join(name))
    };
    fill().inspect_err(|_| _ = fs::remove_file(&beside))
}
