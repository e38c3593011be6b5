//! Reading and setting settings, in the files where the kernel shows them.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::setting::{Scope, Setting};
use super::{PREFIX, bare_name, sizing};
use crate::error::{ErrorKind, Result};
use crate::flow::{Protocol, Timeouts};
use crate::kernel::Version;
use crate::socket::Namespace;

/// The settings of one network namespace's table.
///
/// ```no_run
/// use ctnetlink::operate::tune::Settings;
/// # fn main() -> ctnetlink::Result<()> {
/// let settings = Settings::here();
/// println!("{}", settings.get("nf_conntrack_max")?);
/// // Accounting is on until the guard is dropped, and then as it was.
/// let accounting = settings.set_for_now("nf_conntrack_acct", 1)?;
/// # drop(accounting);
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct Settings {
    directory: PathBuf,
    /// The file that sets the buckets where the setting can only be read.
    hashsize: Option<PathBuf>,
    /// The kernel whose defaults apply; `None` means the newest.
    kernel: Option<Version>,
    /// The open directory of another namespace, and that namespace: the directory alone does not keep it, and would be
    /// empty once nobody else is in there.
    _held: Option<(fs::File, Namespace)>,
}

/// A setting with its value before and after a change.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Changed {
    /// Its name.
    pub name: String,
    /// Its value before.
    pub old: i64,
    /// Its value now, read back: the kernel rounds buckets up, for example.
    pub new: i64,
}

/// A guard that sets a setting back when it is dropped.
///
/// If somebody else has set another value meanwhile, that value stays.
#[derive(Debug)]
#[must_use = "it sets the setting back as soon as it is dropped"]
pub struct Restore<'s> {
    /// It keeps the file's directory open.
    _settings: &'s Settings,
    file: PathBuf,
    changed: Changed,
}

impl Settings {
    /// The settings of the calling thread's network namespace.
    pub fn here() -> Self {
        let kernel = this_kernel();
        let hashsize = kernel.is_some_and(sizing::buckets_are_read_only);
        let hashsize = hashsize.then(|| sizing::HASHSIZE.into());
        Self { hashsize, kernel, ..Self::at("/proc/sys/net/netfilter") }
    }

    /// The settings in this directory: of a copy of a machine, or made up.
    pub fn at(directory: impl Into<PathBuf>) -> Self {
        Self { directory: directory.into(), hashsize: None, kernel: None, _held: None }
    }

    /// The settings of another network namespace. The calling thread stays where it is.
    ///
    /// # Errors
    ///
    /// [`Namespace`](ErrorKind::Namespace) if it cannot be entered.
    pub fn of(namespace: &Namespace) -> Result<Self> {
        use std::os::fd::AsRawFd;
        let held = namespace.enter(|| {
            // The directory belongs to the namespace of the thread that opens it, and stays so.
            fs::File::open("/proc/sys/net/netfilter").map_err(|source| {
                let operation = "open the settings of the network namespace";
                ErrorKind::Io { operation, source }.into()
            })
        })?;
        let directory = format!("/proc/self/fd/{}", held.as_raw_fd()).into();
        let held = Some((held, namespace.share()));
        Ok(Self { directory, hashsize: None, kernel: this_kernel(), _held: held })
    }

    /// All settings, sorted by name.
    ///
    /// # Errors
    ///
    /// [`Setting`](ErrorKind::Setting) if there are none, as before the module is loaded. A file that
    /// cannot be read, or holds no number, is left out.
    pub fn all(&self) -> Result<Vec<Setting>> {
        let missing = |source| setting_error(&format!("{PREFIX}*"), source, MISSING);
        let files = fs::read_dir(&self.directory).map_err(missing)?;
        let names = files.filter_map(|file| file.ok()?.file_name().into_string().ok());
        let mut names: Vec<_> = names.filter(|name| name.starts_with(PREFIX)).collect();
        // The directory is there for nf_log before the module is.
        if names.is_empty() {
            return Err(missing(io::ErrorKind::NotFound.into()));
        }
        names.sort();
        Ok(names.iter().filter_map(|name| self.get(name).ok()).collect())
    }

    /// How long entries of a protocol stay in each of its states. It is for kernels that do not answer
    /// [`Reader::default_timeouts`](crate::Reader::default_timeouts). A state that has no setting here is left out.
    pub fn timeouts(&self, protocol: Protocol) -> Timeouts {
        let mut timeouts = Timeouts::of(protocol);
        for name in timeouts.names().collect::<Vec<_>>() {
            let setting = timeouts.setting(name).and_then(|setting| self.get(&setting).ok());
            if let Some(seconds) = setting.and_then(|setting| u64::try_from(setting.value).ok()) {
                timeouts.set(name, Duration::from_secs(seconds));
            }
        }
        timeouts
    }

    /// The setting of this name, in any spelling that [`bare_name`] knows: `max`, `nf_conntrack_max`,
    /// `net.netfilter.nf_conntrack_max` and so on.
    ///
    /// # Errors
    ///
    /// [`Setting`](ErrorKind::Setting) if there is no such setting here, or its file holds no number.
    pub fn get(&self, name: &str) -> Result<Setting> {
        let name = format!("{PREFIX}{}", bare_name(name));
        let file = self.file(&name)?;
        let value = read(&file).map_err(|source| {
            let remedy = match source.kind() {
                io::ErrorKind::NotFound if self.has_any() => UNKNOWN,
                io::ErrorKind::NotFound => MISSING,
                _ => UNREADABLE,
            };
            setting_error(&name, source, remedy)
        })?;
        Ok(Setting::new(&name, value, is_writable(&file), self.kernel))
    }

    /// Sets the setting of this name, and returns its value before and after.
    ///
    /// Before Linux 4.8 `nf_conntrack_buckets` can only be read. [`HASHSIZE`](sizing::HASHSIZE) sets it, which the
    /// kernel allows in the initial network namespace alone.
    ///
    /// # Errors
    ///
    /// [`Setting`](ErrorKind::Setting), and nothing is changed: there is no such setting, it can only be read here, the
    /// caller may not set it, or the kernel refuses the value.
    ///
    /// # Cost
    ///
    /// That of a small file. But `nf_conntrack_buckets` rehashes every entry of the host while packets wait: an
    /// estimated quarter to half a second for each million, which nobody has measured.
    pub fn set(&self, name: &str, value: i64) -> Result<Changed> {
        let before = self.get(name)?;
        let refused = |source: io::Error| {
            let remedy = match (before.scope, source.kind()) {
                (Scope::ReadOnly, _) if before.name.ends_with("_count") => COUNT,
                (Scope::ReadOnly, _) => INITIAL,
                (_, io::ErrorKind::PermissionDenied) => RIGHT,
                (_, io::ErrorKind::ReadOnlyFilesystem) => {
                    "/proc/sys is mounted read-only here, as in most containers; set it from outside"
                }
                _ => "the kernel does not take this value",
            };
            setting_error(&before.name, source, remedy)
        };
        if before.scope == Scope::ReadOnly {
            let other = self.hashsize.as_ref().filter(|_| bare_name(name) == "buckets");
            let other = other.ok_or_else(|| refused(io::ErrorKind::Unsupported.into()))?;
            let new = write(other, value).and_then(|()| read(other)).map_err(refused)?;
            return Ok(Changed { name: before.name, old: before.value, new });
        }
        let file = self.file(&before.name)?;
        write(&file, value).map_err(refused)?;
        Ok(Changed { name: before.name.clone(), old: before.value, new: self.get(name)?.value })
    }

    /// Sets it until the guard is dropped.
    ///
    /// # Errors
    ///
    /// As [`set`](Self::set).
    pub fn set_for_now(&self, name: &str, value: i64) -> Result<Restore<'_>> {
        let by_hashsize = self.get(name)?.scope == Scope::ReadOnly;
        let changed = self.set(name, value)?;
        let file = match self.hashsize.clone().filter(|_| by_hashsize) {
            Some(hashsize) => hashsize,
            None => self.file(&changed.name)?,
        };
        Ok(Restore { _settings: self, file, changed })
    }

    /// Whether the directory has any setting of the table.
    fn has_any(&self) -> bool {
        let files = fs::read_dir(&self.directory).into_iter().flatten().flatten();
        files.into_iter().any(|file| file.file_name().to_string_lossy().starts_with(PREFIX))
    }

    fn file(&self, name: &str) -> Result<PathBuf> {
        // A name must not lead elsewhere.
        if name.contains(['/', '\0']) || name.contains("..") {
            let source = io::Error::new(io::ErrorKind::InvalidInput, "not the name of a setting");
            return Err(setting_error(name, source, "name one, nf_conntrack_max for example"));
        }
        Ok(self.directory.join(name))
    }
}

impl Restore<'_> {
    /// The setting with its value before and after.
    pub fn changed(&self) -> &Changed {
        &self.changed
    }

    /// Leaves the setting as it is now.
    pub fn keep(mut self) -> Changed {
        self.changed.old = self.changed.new;
        self.changed.clone()
    }
}

impl Drop for Restore<'_> {
    fn drop(&mut self) {
        let Changed { old, new, .. } = self.changed;
        if old != new && read(&self.file).is_ok_and(|now| now == new) {
            // An error has nowhere to go; it was writable a moment ago.
            let _ = write(&self.file, old);
        }
    }
}

const MISSING: &str = "the module is not loaded (modprobe nf_conntrack), no rule of this namespace \
    uses it, or this kernel does not have it";
const UNKNOWN: &str = "there are others, but none of this name: this kernel does not have it, or has it \
    in a module that is not loaded";
const UNREADABLE: &str = "it is not what the kernel writes there";
const INITIAL: &str =
    "it is one number for the whole host: set it in the initial network namespace";
const COUNT: &str = "it is a count, not a setting";
const RIGHT: &str = "it takes root, or CAP_NET_ADMIN over this network namespace";

fn this_kernel() -> Option<Version> {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").ok()?;
    release.trim().parse().ok()
}

/// The number in a file, of which no more than 64 bytes are read.
fn read(file: &Path) -> io::Result<i64> {
    const LONGEST: u64 = 64;
    let mut text = String::new();
    io::Read::read_to_string(&mut io::Read::take(fs::File::open(file)?, LONGEST), &mut text)?;
    let wrong =
        |error| io::Error::new(io::ErrorKind::InvalidData, format!("{:?}: {error}", text.trim()));
    text.trim().parse().map_err(wrong)
}

/// Writes to an existing file: where the kernel shows none, none is made.
fn write(file: &Path, value: i64) -> io::Result<()> {
    let mut file = fs::OpenOptions::new().write(true).truncate(true).open(file)?;
    io::Write::write_all(&mut file, format!("{value}\n").as_bytes())
}

fn is_writable(file: &Path) -> bool {
    fs::metadata(file).is_ok_and(|metadata| metadata.permissions().mode() & 0o222 != 0)
}

fn setting_error(name: &str, source: io::Error, remedy: &'static str) -> crate::Error {
    ErrorKind::Setting { name: name.to_owned(), source, remedy }.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As before Linux 4.8: the setting can be read, and another file sets it.
    #[test]
    fn buckets_of_an_old_kernel_are_set_by_hashsize() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        for name in ["nf_conntrack_buckets", "nf_conntrack_count"] {
            fs::write(path(name), "16384\n").unwrap();
            fs::set_permissions(path(name), fs::Permissions::from_mode(0o444)).unwrap();
        }
        fs::write(path("hashsize"), "16384\n").unwrap();
        let old =
            || Settings { hashsize: Some(path("hashsize")), ..Settings::at(directory.path()) };
        let changed = old().set("net.netfilter.nf_conntrack_buckets", 65_536).unwrap();
        assert_eq!((changed.old, changed.new), (16_384, 65_536));
        assert_eq!(fs::read_to_string(path("hashsize")).unwrap(), "65536\n");
        assert!(old().set("count", 1).is_err(), "no other setting is set by it");
        let guard = old();
        drop(guard.set_for_now("buckets", 131_072).unwrap());
        assert_eq!(fs::read_to_string(path("hashsize")).unwrap(), "16384\n", "and set back");
        let error = Settings::at(directory.path()).set("buckets", 1).unwrap_err().to_string();
        assert!(error.contains("initial network namespace"), "{error}");
        fs::remove_file(path("hashsize")).unwrap();
        let error = old().set("buckets", 1).unwrap_err().to_string();
        assert!(error.contains("initial network namespace"), "{error}");
    }
}
