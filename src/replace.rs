//! Writes files whole, or not at all.
//!
//! Hidden from the docs: it is for the examples, and may change at any time.
//!
//! A file is written under a hidden name in the same folder, `.NAME.XXXXXX.new`, brought to the disk, and renamed. The
//! writer holds a lock (`flock`) on the hidden file. By that a later run tells what a killed run left, and removes it,
//! from what another run is writing now. Where files cannot be locked, and on systems other than Linux, leftovers stay.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

/// How a hidden name ends.
const SUFFIX: &str = ".new";

/// How many random characters a hidden name has.
const RANDOM: usize = 6;

/// How many links are followed one after another, as many as the kernel does.
const LINKS: usize = 40;

/// A file that is being written under a hidden name. It is removed if it is dropped unfinished.
///
/// ```
/// use std::io::Write;
/// use ctnetlink::replace::Replacement;
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("report.txt");
/// let mut file = Replacement::begin(&path)?;
/// file.write_all(b"all of it")?;
/// assert!(!path.exists());
/// assert_eq!(file.finish()?, 9);
/// assert_eq!(std::fs::read(&path)?, b"all of it");
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct Replacement {
    file: NamedTempFile,
    target: PathBuf,
}

impl Replacement {
    /// Begins the file for this path. A file that is there stays as it is until the new one is finished, and the new one
    /// gets its mode and owner. Links are followed: the target is replaced, and the link stays. What killed runs left
    /// of the same file is removed.
    ///
    /// # Errors
    ///
    /// The system's, and `InvalidInput` if something other than a file is there. That the owner cannot be kept is an
    /// error, too.
    pub fn begin(path: &Path) -> io::Result<Self> {
        let target = followed(path)?;
        let existing = match fs::symlink_metadata(&target) {
            Ok(existing) if existing.is_file() => Some(existing),
            Ok(_) => {
                let what = format!("{} is there, and is not a file", target.display());
                return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        let name = target.file_name().ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidInput, format!("{} is no file", target.display()))
        })?;
        let folder = folder(&target);
        clear(folder, name);
        let file = temporary(folder, name, existing.is_none())?;
        if let Some(existing) = existing {
            keep(file.as_file(), &existing)?;
        }
        Ok(Self { file, target })
    }

    /// Puts the file in its place once all of it is on the disk, and returns its size in bytes. A file that is there
    /// is replaced.
    ///
    /// # Errors
    ///
    /// The system's. What was there is as it was.
    pub fn finish(self) -> io::Result<u64> {
        let length = self.synced()?;
        let Self { file, target } = self;
        file.persist(&target).map_err(|error| error.error)?;
        settle(&target);
        Ok(length)
    }

    /// The same, but something that is there is never replaced.
    ///
    /// # Errors
    ///
    /// `AlreadyExists` if something is there, and the system's. What was there is as it was.
    pub fn finish_new(self) -> io::Result<u64> {
        let length = self.synced()?;
        let Self { file, target } = self;
        if let Err(error) = file.persist_noclobber(&target) {
            // Some file systems have neither a rename that replaces nothing nor hard links.
            if error.error.kind() == io::ErrorKind::AlreadyExists
                || fs::symlink_metadata(&target).is_ok()
            {
                return Err(error.error);
            }
            error.file.persist(&target).map_err(|error| error.error)?;
        }
        settle(&target);
        Ok(length)
    }

    fn synced(&self) -> io::Result<u64> {
        self.file.as_file().sync_all()?;
        Ok(self.file.as_file().metadata()?.len())
    }
}

impl Write for Replacement {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.as_file_mut().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.as_file_mut().flush()
    }
}

/// Waits for the lock of a folder, and holds it until the result is dropped: to read a file and replace it with nobody
/// in between. Where folders cannot be locked it is `None`.
pub fn alone(folder: &Path) -> Option<File> {
    let folder = File::open(folder).ok()?;
    matches!(lock(&folder, true), Lock::Taken).then_some(folder)
}

/// Where the links of a path lead. There need not be anything.
fn followed(path: &Path) -> io::Result<PathBuf> {
    let mut place = path.to_owned();
    for _ in 0..LINKS {
        match fs::read_link(&place) {
            // An absolute target takes the place of the whole path.
            Ok(next) => place = folder(&place).join(next),
            Err(_) => return Ok(place),
        }
    }
    Err(io::Error::other(format!("{}: its links form a loop", path.display())))
}

fn folder(path: &Path) -> &Path {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    folder.unwrap_or(Path::new("."))
}

/// `.NAME.`, the beginning of a file's hidden names.
fn prefix(name: &OsStr) -> OsString {
    let mut prefix = OsString::from(".");
    prefix.push(name);
    prefix.push(".");
    prefix
}

/// A new file with a hidden name, locked.
fn temporary(folder: &Path, name: &OsStr, is_new: bool) -> io::Result<NamedTempFile> {
    let prefix = prefix(name);
    let mut builder = tempfile::Builder::new();
    builder.prefix(&prefix).suffix(SUFFIX).rand_bytes(RANDOM);
    #[cfg(unix)]
    if is_new {
        use std::os::unix::fs::PermissionsExt;
        // As any new file; the umask applies. A file that replaces another is private until it has
        // that one's mode.
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    #[cfg(not(unix))]
    let _ = is_new;
    loop {
        let file = builder.tempfile_in(folder)?;
        // Another run may have taken it for a leftover and removed it before it was locked.
        match lock(file.as_file(), false) {
            Lock::Taken if is_at(file.as_file(), file.path()) => return Ok(file),
            Lock::Taken | Lock::Others => {}
            Lock::Unknown => return Ok(file),
        }
    }
}

/// Removes what killed runs left of a file. What cannot be removed does no harm.
fn clear(folder: &Path, name: &OsStr) {
    let prefix = prefix(name);
    let is_ours = |found: &OsStr| {
        let rest = found.as_encoded_bytes().strip_prefix(prefix.as_encoded_bytes());
        let random = rest.and_then(|rest| rest.strip_suffix(SUFFIX.as_bytes()));
        random.is_some_and(|random| {
            random.len() == RANDOM && random.iter().all(u8::is_ascii_alphanumeric)
        })
    };
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if !is_ours(&entry.file_name()) || !entry.file_type().is_ok_and(|kind| kind.is_file()) {
            continue;
        }
        let path = entry.path();
        // If somebody has the lock, it is being written.
        let Ok(file) = File::open(&path) else { continue };
        if matches!(lock(&file, false), Lock::Taken) && is_at(&file, &path) {
            let _ = fs::remove_file(&path);
        }
    }
}

/// Gives a file the owner and the mode of another.
fn keep(file: &File, existing: &fs::Metadata) -> io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::{MetadataExt, fchown};
        let now = file.metadata()?;
        let (user, group) = (existing.uid(), existing.gid());
        if (now.uid(), now.gid()) != (user, group) {
            fchown(file, Some(user), Some(group)).map_err(|error| {
                let what = format!("its owner {user}:{group} cannot be kept: {error}");
                io::Error::new(error.kind(), what)
            })?;
        }
    }
    // After the owner, since a change of owner clears bits.
    file.set_permissions(existing.permissions())
}

/// Brings the name to the disk, too, where folders can be opened for that.
fn settle(target: &Path) {
    #[cfg(unix)]
    let _ = File::open(folder(target)).and_then(|folder| folder.sync_all());
    #[cfg(not(unix))]
    let _ = target;
}

/// The result of locking a file.
#[cfg_attr(not(all(target_os = "linux", not(ctnetlink_pure))), allow(dead_code))]
enum Lock {
    Taken,
    /// Somebody else has the lock.
    Others,
    /// Files cannot be locked here.
    Unknown,
}

/// Locks a file. The lock goes with the last descriptor, however the process ends.
#[cfg(all(target_os = "linux", not(ctnetlink_pure)))]
fn lock(file: &File, wait: bool) -> Lock {
    use rustix::fs::{FlockOperation, flock};
    use rustix::io::Errno;
    let operation = match wait {
        true => FlockOperation::LockExclusive,
        false => FlockOperation::NonBlockingLockExclusive,
    };
    loop {
        match flock(file, operation) {
            Ok(()) => return Lock::Taken,
            Err(Errno::INTR) if wait => {}
            Err(Errno::WOULDBLOCK | Errno::INTR) => return Lock::Others,
            Err(_) => return Lock::Unknown,
        }
    }
}

#[cfg(not(all(target_os = "linux", not(ctnetlink_pure))))]
fn lock(_: &File, _: bool) -> Lock {
    Lock::Unknown
}

/// Whether the file of this path is this one.
#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let same = |(a, b): (fs::Metadata, fs::Metadata)| (a.dev(), a.ino()) == (b.dev(), b.ino());
    file.metadata().and_then(|a| Ok((a, fs::symlink_metadata(path)?))).is_ok_and(same)
}

#[cfg(not(unix))]
fn is_at(_: &File, _: &Path) -> bool {
    true // Nothing is locked on such systems.
}
