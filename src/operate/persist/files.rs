//! Files below a root, found and read the way systemd does it.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};

/// A longer file is no configuration.
const LONGEST: u64 = 1 << 20;

/// How many links are followed in one path, as in the kernel.
const LINKS: usize = 40;

/// A root directory, `/` or a copy of a machine. Links never lead out of it.
#[derive(Debug, Clone)]
pub(crate) struct Root(PathBuf);

/// What a name in a directory is.
pub(crate) enum Entry {
    /// A file, or anything else that is no link.
    File,
    /// A link to `/dev/null`, which hides files of the same name elsewhere.
    Masked,
    /// A link to a file of this name.
    Link(String),
}

impl Root {
    pub(crate) fn new(root: &Path) -> Self {
        Self(root.to_owned())
    }

    /// The directory itself.
    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// Where a path of the machine is below the root, with links followed. An absolute link begins at the root. The last
    /// part need not be there.
    pub(super) fn resolve(&self, path: &str) -> io::Result<PathBuf> {
        let mut left: Vec<PathBuf> = vec![PathBuf::from(path)];
        let mut place = PathBuf::new();
        let mut links = 0;
        while let Some(next) = left.pop() {
            let mut parts = next.components();
            let Some(part) = parts.next() else { continue };
            left.push(parts.as_path().to_owned());
            match part {
                Component::RootDir | Component::Prefix(_) => place = PathBuf::new(),
                Component::CurDir => {}
                Component::ParentDir if self.0.join(&place).is_dir() => _ = place.pop(),
                Component::ParentDir => return Err(io::ErrorKind::NotFound.into()),
                Component::Normal(name) => {
                    let here = place.join(name);
                    match fs::read_link(self.0.join(&here)) {
                        Ok(target) => {
                            links += 1;
                            if links > LINKS {
                                return Err(io::Error::other("its links form a loop"));
                            }
                            left.push(target);
                        }
                        Err(_) => place = here,
                    }
                }
            }
        }
        Ok(self.0.join(place))
    }

    /// The text of a file; bytes that are not UTF-8 are replaced.
    pub(crate) fn text(&self, path: &str) -> io::Result<String> {
        Ok(String::from_utf8_lossy(&self.read(path)?).into_owned())
    }

    /// The text of a file that is to be written back: bytes that are not UTF-8 are an error.
    pub(super) fn exact_text(&self, path: &str) -> io::Result<String> {
        String::from_utf8(self.read(path)?)
            .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is no text (UTF-8)"))
    }

    /// The content of a file.
    pub(super) fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        let file = self.resolve(path)?;
        if !fs::metadata(&file)?.is_file() {
            return Err(io::Error::other("it is no file"));
        }
        let mut bytes = Vec::new();
        fs::File::open(file)?.take(LONGEST + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > LONGEST {
            return Err(io::Error::other("it is longer than any configuration"));
        }
        Ok(bytes)
    }

    /// Whether something is there.
    pub(super) fn has(&self, path: &str) -> bool {
        self.resolve(path).is_ok_and(|path| path.exists())
    }

    /// Whether somebody may execute a file.
    pub(super) fn is_executable(&self, path: &str) -> bool {
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let metadata = self.resolve(path).and_then(fs::metadata);
            metadata.is_ok_and(|metadata| metadata.permissions().mode() & 0o111 != 0)
        }
        #[cfg(not(unix))]
        self.has(path) // Its mode does not say.
    }

    /// What a name in a directory is.
    pub(crate) fn entry(&self, directory: &str, name: &str) -> Entry {
        let link = self.resolve(directory).and_then(|place| fs::read_link(place.join(name)));
        let Ok(target) = link else { return Entry::File };
        if self.is_masked(&format!("{directory}/{name}")) {
            return Entry::Masked;
        }
        Entry::Link(target.file_name().unwrap_or_default().to_string_lossy().into_owned())
    }

    /// Whether a path leads to `/dev/null`.
    fn is_masked(&self, path: &str) -> bool {
        self.resolve(path).ok() == self.resolve("/dev/null").ok()
    }

    /// The names in a directory, sorted; none if it cannot be read. A name that is not UTF-8 appears as another one, at
    /// which there is no file.
    pub(crate) fn names(&self, directory: &str) -> Vec<String> {
        let files = self.resolve(directory).and_then(fs::read_dir);
        let names = files.into_iter().flatten();
        let mut names: Vec<_> = names
            .map_while(|file| Some(file.ok()?.file_name().to_string_lossy().into_owned()))
            .collect();
        names.sort();
        names
    }

    /// The `*.conf` files of `/etc/NAME`, `/run/NAME`, `/usr/local/lib/NAME` and `/usr/lib/NAME`, sorted by file name,
    /// which is the order they are read in. Hidden files are left out. If several directories have a file of one name,
    /// the first directory counts; if that file leads to `/dev/null`, none is read.
    pub(super) fn configuration(&self, name: &str) -> Vec<String> {
        let mut found: BTreeMap<String, String> = BTreeMap::new();
        for directory in directories(name) {
            for file in self.names(&directory) {
                if file.ends_with(".conf") && !file.starts_with('.') {
                    let path = format!("{directory}/{file}");
                    found.entry(file).or_insert(path);
                }
            }
        }
        found.into_values().filter(|path| !self.is_masked(path)).collect()
    }

    /// The directories of [`configuration`](Self::configuration) that may not be listed, and why.
    pub(super) fn unlisted(&self, name: &str) -> Vec<(String, io::Error)> {
        let refused = |directory: String| {
            let error = self.resolve(&directory).and_then(fs::read_dir).err()?;
            (error.kind() == io::ErrorKind::PermissionDenied).then_some((directory, error))
        };
        directories(name).filter_map(refused).collect()
    }
}

/// The directories with configuration of this name. An earlier one counts more.
fn directories(name: &str) -> impl Iterator<Item = String> {
    let above = ["/etc", "/run", "/usr/local/lib", "/usr/lib", "/lib"];
    above.into_iter().map(move |above| format!("{above}/{name}"))
}
