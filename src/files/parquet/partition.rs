//! The place of a file among those of a fleet.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::origin::Origin;
use crate::replace::Replacement;

/// The folders of a file in Hive's layout, which query engines take for columns:
/// `dt=2026-11-21/hour=10/node=gw-1`.
///
/// ```
/// use ctnetlink::origin::Origin;
/// use ctnetlink::files::parquet::Partition;
/// let seen = Origin {
///     time: "2026-11-21T10:12:15Z".parse().ok(),
///     node: Some("gw/1".into()),
///     ..Origin::default()
/// };
/// let partition = Partition::of(&seen).ok_or("neither where nor when")?;
/// assert_eq!(partition.path().to_str(), Some("dt=2026-11-21/hour=10/node=gw%2F1"));
/// # Ok::<(), &str>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partition {
    date: String,
    hour: u8,
    node: String,
}

impl Partition {
    /// The partition of a table; `None` if its origin does not say the node and the time.
    pub fn of(origin: &Origin) -> Option<Self> {
        let time = origin.time?;
        Some(Self { date: time.date(), hour: time.hour(), node: origin.node.clone()? })
    }

    /// The folders, to be joined to the root of the table.
    pub fn path(&self) -> PathBuf {
        let Self { date, hour, .. } = self;
        [format!("dt={date}"), format!("hour={hour:02}"), format!("node={}", self.escaped())]
            .iter()
            .collect()
    }

    /// Begins the file `name.parquet` of this partition, below the root of a table. Nobody sees it before it is
    /// [finished](PartFile::finish). Then it replaces an earlier one, so that an hour that was written twice by mistake
    /// counts once.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn create(&self, root: &Path, name: &str) -> io::Result<PartFile> {
        let folder = root.join(self.path());
        fs::create_dir_all(&folder)?;
        let path = folder.join(format!("{name}.parquet"));
        Ok(PartFile { file: Replacement::begin(&path)?, path })
    }

    /// The node's name, with characters that mean something in a path escaped as Hive does it.
    fn escaped(&self) -> String {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        let escape = |byte| {
            if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }
        };
        let name: String = self.node.bytes().map(escape).collect();
        if name.is_empty() { "__HIVE_DEFAULT_PARTITION__".to_owned() } else { name }
    }
}

/// A file of a [`Partition`] that is being written. A file that is dropped unfinished is removed. If the program is
/// killed, a file stays whose name begins with a dot, which engines skip. It is removed when the same file is written
/// again.
#[derive(Debug)]
pub struct PartFile {
    file: Replacement,
    path: PathBuf,
}

impl PartFile {
    /// Puts the file where engines find it, once all of it is on the disk. Returns its path and its size in bytes.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn finish(self) -> io::Result<(PathBuf, u64)> {
        let length = self.file.finish()?;
        Ok((self.path, length))
    }
}

impl Write for PartFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
