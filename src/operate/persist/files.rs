//! Files below a root, found and read the way systemd does it.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};

/// A configuration file is read up to here; one that is longer is none.
const LONGEST: u64 = 1 << 20;

/// Links that are followed one after another, as many as the kernel does.
const LINKS: usize = 40;

/// A root directory that files are looked for below.
#[derive(Debug, Clone)]
pub(super) struct Root(PathBuf);

impl Root {
    pub(super) fn new(root: &Path) -> Self {
        Self(root.to_owned())
    }

    /// Where a path of the machine is here, with its links followed: absolute ones begin at the
    /// root, and none leads out of it. The last part need not be there.
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

    /// The text of a file; bytes that are no text are replaced.
    pub(super) fn text(&self, path: &str) -> io::Result<String> {
        Ok(String::from_utf8_lossy(&self.read(path)?).into_owned())
    }

    /// The text of a file that is to be kept: bytes that are no text are an error.
    pub(super) fn kept(&self, path: &str) -> io::Result<String> {
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

    /// Whether a file is there, be it readable or not.
    pub(super) fn has_file(&self, path: &str) -> bool {
        self.resolve(path).is_ok_and(|path| path.is_file())
    }

    /// The names in a directory, sorted; none if there is none. One that is no text is there under another
    /// name, at which nothing can be read.
    pub(super) fn names(&self, directory: &str) -> Vec<String> {
        let files = self.resolve(directory).and_then(fs::read_dir);
        let names = files.into_iter().flatten();
        let mut names: Vec<_> = names
            .map_while(|file| Some(file.ok()?.file_name().to_string_lossy().into_owned()))
            .collect();
        names.sort();
        names
    }

    /// The `*.conf` files, but for hidden ones, of `/etc/NAME`, `/run/NAME`, `/usr/local/lib/NAME` and `/usr/lib/NAME` in
    /// the order they are read, by their names. Of one name only the first of these directories
    /// counts; one that leads to `/dev/null` hides the others and says nothing.
    pub(super) fn configuration(&self, name: &str) -> Vec<Configuration> {
        let mut found: BTreeMap<String, Configuration> = BTreeMap::new();
        for directory in directories(name) {
            for file in self.names(&directory).into_iter().filter(|name| is_read(name)) {
                let path = format!("{directory}/{file}");
                let masked = self.resolve(&path).ok() == self.resolve("/dev/null").ok();
                found.entry(file).or_insert(Configuration { path, masked });
            }
        }
        found.into_values().collect()
    }

    /// The directories of [`configuration`](Self::configuration) whose names may not be read, and why.
    pub(super) fn unlisted(&self, name: &str) -> Vec<(String, io::Error)> {
        let refused = |directory: String| {
            let error = self.resolve(&directory).and_then(fs::read_dir).err()?;
            (error.kind() == io::ErrorKind::PermissionDenied).then_some((directory, error))
        };
        directories(name).filter_map(refused).collect()
    }

    /// The place itself.
    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

/// Where configuration of this name is, what counts most first.
fn directories(name: &str) -> impl Iterator<Item = String> {
    let above = ["/etc", "/run", "/usr/local/lib", "/usr/lib", "/lib"];
    above.into_iter().map(move |above| format!("{above}/{name}"))
}

fn is_read(name: &str) -> bool {
    name.ends_with(".conf") && !name.starts_with('.')
}

/// A configuration file.
#[derive(Debug, Clone)]
pub(super) struct Configuration {
    pub(super) path: String,
    /// It leads to `/dev/null`.
    pub(super) masked: bool,
}
