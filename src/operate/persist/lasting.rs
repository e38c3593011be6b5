//! The command that makes one setting last.

use super::audit::{Assigned, Audit};
use super::conf;

impl Audit {
    /// The setting of this very name, with all its dots or slashes.
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

/// A word for the shell.
pub(crate) fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:@,".contains(c);
    if word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_later_name_is_later() {
        for name in ["10-a.conf", "99-sysctl.conf", "99-zz.conf", "zzzz.conf", "~.conf", "a"] {
            let later = after(&format!("/usr/lib/sysctl.d/{name}"), "forward");
            assert!(later.as_str() > name && later.ends_with(".conf"), "{later} {name}");
        }
        assert_eq!(quoted("/etc/sysctl.d/9.conf"), "/etc/sysctl.d/9.conf");
        assert_eq!(quoted("/etc/it's here"), r"'/etc/it'\''s here'");
        assert_eq!(quoted("a$(id);b"), "'a$(id);b'");
    }
}
