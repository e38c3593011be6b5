//! What was found to be wrong, as data.

use std::fmt;

/// How bad a finding is, in the order of urgency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "lowercase"))]
pub enum Severity {
    /// Worth knowing; nothing has to be done.
    Info,
    /// Something is going to break, or breaks now and then.
    Warning,
    /// Traffic is lost now, or will be at the next boot.
    Critical,
}

/// Something that is wrong, why it matters, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Finding {
    /// A name that stays the same in later versions, such as `SYSCTL_BEFORE_MODULE`.
    pub id: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// What was seen.
    pub seen: String,
    /// Why it matters.
    pub why: &'static str,
    /// What to do.
    pub remedy: String,
    /// Commands that do it, or that show more. They have not been run.
    pub commands: Vec<String>,
    /// Where this is known from: a manual, a commit, a measurement.
    pub source: &'static str,
}

impl Finding {
    pub(crate) fn new(
        id: &'static str,
        severity: Severity,
        seen: impl Into<String>,
        why: &'static str,
        remedy: impl Into<String>,
    ) -> Self {
        let (seen, remedy) = (seen.into(), remedy.into());
        Self { id, severity, seen, why, remedy, commands: Vec::new(), source: "" }
    }

    pub(crate) fn info(
        id: &'static str,
        seen: impl Into<String>,
        why: &'static str,
        remedy: impl Into<String>,
    ) -> Self {
        Self::new(id, Severity::Info, seen, why, remedy)
    }

    pub(crate) fn warning(
        id: &'static str,
        seen: impl Into<String>,
        why: &'static str,
        remedy: impl Into<String>,
    ) -> Self {
        Self::new(id, Severity::Warning, seen, why, remedy)
    }

    pub(crate) fn critical(
        id: &'static str,
        seen: impl Into<String>,
        why: &'static str,
        remedy: impl Into<String>,
    ) -> Self {
        Self::new(id, Severity::Critical, seen, why, remedy)
    }

    pub(crate) fn command(self, command: impl Into<String>) -> Self {
        self.commands([command.into()])
    }

    pub(crate) fn commands(mut self, commands: impl IntoIterator<Item = String>) -> Self {
        self.commands.extend(commands);
        self
    }

    pub(crate) fn source(mut self, source: &'static str) -> Self {
        self.source = source;
        self
    }
}

/// The severity of the worst finding; `None` if there are no findings.
pub fn worst(findings: &[Finding]) -> Option<Severity> {
    findings.iter().map(|finding| finding.severity).max()
}

/// `info`, `warning` or `critical`.
impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        })
    }
}

/// A word of a command, as the shell takes it.
pub(crate) fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:@,".contains(c);
    if word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}
