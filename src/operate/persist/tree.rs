//! The files below a root, for other rooms of the crate: links never lead out of it.

use std::fs;
use std::path::Path;

use super::files::Root;

/// Files below a root.
pub(crate) struct Tree(Root);

/// What a name leads to.
pub(crate) enum Leads {
    /// It is a file, or whatever else is no link.
    Here,
    /// To nothing on purpose: `/dev/null`.
    Nowhere,
    /// To a file of this name.
    To(String),
}

impl Tree {
    pub(crate) fn new(root: &Path) -> Self {
        Self(Root::new(root))
    }

    /// The text of a file, `None` if it cannot be read or is none.
    pub(crate) fn text(&self, path: &str) -> Option<String> {
        let content = self.0.read(path).ok()?;
        let bytes: &[u8] = content.as_ref();
        Some(String::from_utf8_lossy(bytes).into_owned())
    }

    /// Why a file may not be read, if that is so.
    pub(super) fn refused(&self, path: &str) -> Option<std::io::Error> {
        let error = self.0.read(path).err()?;
        (error.kind() == std::io::ErrorKind::PermissionDenied).then_some(error)
    }

    /// The names in a directory, sorted; none if there is none.
    pub(crate) fn names(&self, directory: &str) -> Vec<String> {
        self.0.names(directory)
    }

    /// Whether a script would be run.
    pub(crate) fn is_executable(&self, path: &str) -> bool {
        super::module::is_executable(&self.0, path)
    }

    /// What a name in a directory leads to, if it is a link.
    pub(crate) fn leads(&self, directory: &str, name: &str) -> Leads {
        let link = self.0.resolve(directory).and_then(|place| fs::read_link(place.join(name)));
        let Ok(target) = link else { return Leads::Here };
        let place = |path: &str| self.0.resolve(path).ok();
        if place(&format!("{directory}/{name}")) == place("/dev/null") {
            return Leads::Nowhere;
        }
        let name = target.file_name().map(|name| name.to_string_lossy().into_owned());
        Leads::To(name.unwrap_or_default())
    }
}
