//! What the files below a root do at boot, and what is wrong with that.

use std::path::Path;

use super::boot::{Assigned, boot};
use super::files::Root;
use super::module::{self, Loader, Module};
use super::{conf, loading_rules, setting_rules};
use crate::operate::finding::{Finding, quoted};

/// What the files below a root say about the table's settings.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Audit {
    /// Every setting of the table that a file sets, and `net.ipv4.ip_forward` and its like.
    pub settings: Vec<Assigned>,
    /// How the kernel has the module.
    pub module: Module,
    /// What loads it at boot.
    pub loaders: Vec<Loader>,
    /// What is wrong, the worst first.
    pub findings: Vec<Finding>,
}

/// Reads what the files below `root` say: `/` is this machine, another directory a copy of one.
///
/// ```no_run
/// let audit = ctnetlink::operate::persist::audit("/");
/// for finding in &audit.findings {
///     println!("{}: {}. {}", finding.severity, finding.seen, finding.remedy);
/// }
/// ```
///
/// Files are read as systemd-sysctl reads them (compared with 252): by name over `/etc`, `/run`, `/usr/local/lib` and
/// `/usr/lib`, patterns and exclusions included, and values as the kernel reads them. If files alone do not decide
/// something, a finding or a [`note`](Assigned::note) says so. Settings on the kernel's command line and in credentials
/// are not looked at.
///
/// procps' `sysctl --system` (4.0.2) is another program: it writes each line in turn, so an earlier value stays if a
/// later one is refused or canceled. It knows no braces in patterns, and it follows `..`. It also reads
/// `/etc/sysctl.conf`, at the end.
pub fn audit(root: impl AsRef<Path>) -> Audit {
    let root = Root::new(root.as_ref());
    let boot = boot(&root);
    let (module, loaders) = (Module::of(&root), module::loaders(&root));
    let mut findings = Vec::new();
    setting_rules::judge(&root, &boot, module, &mut findings);
    loading_rules::judge(&root, &boot.settings, module, &loaders, &mut findings);
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    Audit { settings: boot.settings, module, loaders, findings }
}

impl Audit {
    /// The setting of this name, if a file sets it: `nf_conntrack_max`, or with all its dots.
    pub fn setting(&self, name: &str) -> Option<&Assigned> {
        let is_it = |key: &str| key == name || key.rsplit('.').next() == Some(name);
        self.settings.iter().find(|setting| is_it(&setting.key))
    }

    /// The setting of this full name, with its dots or slashes.
    pub(crate) fn assigned(&self, key: &str) -> Option<&Assigned> {
        let path = conf::normal(key);
        self.settings.iter().find(|setting| setting.path == path)
    }

    /// The command that makes `key` have this `value` after the next boot, whatever the files say now.
    ///
    /// It appends: the last line counts, the rest of the file stays, and a link is followed. It uses the file whose
    /// value wins now, so that `sysctl -p` and `sysctl --system`, which read `/etc/sysctl.conf` after all others,
    /// agree. If that file is outside of `/etc`, and so not the administrator's, it uses another one with a later name.
    /// If no file sets the key, it uses `99-STEM.conf`.
    ///
    /// If a setting has two names, it uses the one that wins now. A line that repeats the value of the other name keeps
    /// its old place in systemd's order, so the winner would still come later.
    pub(crate) fn lasting(&self, key: &str, value: &str, stem: &str) -> String {
        let assigned = self.assigned(key);
        let key = assigned.map_or(key, |setting| setting.name.as_str());
        let file = match assigned.map(|setting| setting.from.0.as_str()) {
            Some(file) if file.starts_with("/etc/") => file.to_owned(),
            Some(file) => format!("/etc/sysctl.d/{}", after(file, stem)),
            None => format!("/etc/sysctl.d/99-{stem}.conf"),
        };
        // A line of its own even where the last one has no end.
        let line = format!("\\n{} = {value}\\n", key.replace('%', "%%"));
        format!("printf {} >> {}", quoted(&line), quoted(&file))
    }
}

/// The name of a file that is read after this one.
fn after(file: &str, stem: &str) -> String {
    let name = file.rsplit('/').next().unwrap_or_default();
    let usual = format!("99-{stem}.conf");
    if usual.as_str() > name {
        return usual;
    }
    // In the order of bytes, which is systemd's, the underscore comes after the dot.
    format!("{}_{stem}.conf", name.strip_suffix(".conf").unwrap_or(name))
}
