//! What can go wrong, and what to do about it.

use std::borrow::Cow;
use std::io;
use std::time::Duration;

use crate::escape::Escaped;
use crate::wire::WireError;

/// The result of an operation of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why an operation failed.
///
/// One pointer wide. [`kind`](Self::kind) tells the reason; the text names the operation and,
/// where there is one, the remedy. What is merely incomplete is no error: a
/// [`DumpEnd`](crate::DumpEnd) or a [`Scan`](crate::Scan) carries it in numbers.
#[derive(thiserror::Error)]
#[error(transparent)]
pub struct Error(Box<ErrorKind>);

/// The reasons an operation fails for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The kernel refuses the caller: `EPERM`.
    #[error(
        "{operation}: not permitted; it needs CAP_NET_ADMIN in the user namespace that owns this \
         network namespace (run it with sudo, or grant the program the capability)"
    )]
    #[non_exhaustive]
    PermissionDenied {
        /// What was tried.
        operation: &'static str,
    },

    /// The kernel, or a part of it that is needed, does not know the request.
    #[error("{operation}: not supported by this kernel; {remedy}")]
    #[non_exhaustive]
    NotSupported {
        /// What was tried.
        operation: &'static str,
        /// What would make it work.
        remedy: &'static str,
    },

    /// The kernel refused the request.
    #[error(
        "{operation}: the kernel refused it: {source}{}",
        Said(message.as_deref(), *attribute, explanation.as_deref())
    )]
    #[non_exhaustive]
    Kernel {
        /// What was tried.
        operation: &'static str,
        /// The error number, as an I/O error.
        source: io::Error,
        /// The kernel's own words (`NLMSGERR_ATTR_MSG`), where it has any.
        message: Option<String>,
        /// The kernel's name of the attribute that is wrong (`NLMSGERR_ATTR_OFFS`).
        attribute: Option<&'static str>,
        /// What the number means for this operation, and what to do about it, where that is known.
        explanation: Option<Cow<'static, str>>,
    },

    /// No kernel can do what was asked for, or it would take it for something else. Nothing was
    /// changed.
    #[error("{operation}: {what}; {remedy}")]
    #[non_exhaustive]
    Invalid {
        /// What was tried.
        operation: &'static str,
        /// What is wrong.
        what: &'static str,
        /// What would be right.
        remedy: &'static str,
    },

    /// The kernel did what was asked for except one part, which it ignored without an error.
    #[error("{operation}: done, but without {what}: {remedy}")]
    #[non_exhaustive]
    Ignored {
        /// What was tried.
        operation: &'static str,
        /// The part that is missing.
        what: &'static str,
        /// Why, and what would make it work.
        remedy: &'static str,
    },

    /// A setting cannot be read, or not be set. Nothing was changed.
    #[error("{}: {source}; {remedy}", Escaped(name))]
    #[non_exhaustive]
    Setting {
        /// Its name.
        name: String,
        /// What the system says.
        source: io::Error,
        /// What would make it work.
        remedy: &'static str,
    },

    /// A system call failed.
    #[error("{operation}: {source}")]
    #[non_exhaustive]
    Io {
        /// What was tried.
        operation: &'static str,
        /// The error of the system call.
        source: io::Error,
    },

    /// The kernel had more to say than there was room for in the socket: `ENOBUFS` or `NLMSG_OVERRUN`.
    #[error(
        "{operation}: the socket buffer was full, and the kernel dropped replies; run it again"
    )]
    #[non_exhaustive]
    Overrun {
        /// What was tried.
        operation: &'static str,
    },

    /// A datagram did not fit the receive buffer.
    #[error(
        "{operation}: a reply of {length} bytes was cut to the receive buffer's {capacity}; \
         please report this, no kernel is known to send one"
    )]
    #[non_exhaustive]
    Truncated {
        /// What was tried.
        operation: &'static str,
        /// Bytes the kernel sent.
        length: usize,
        /// Bytes of the buffer.
        capacity: usize,
    },

    /// No answer came. The kernel answers at once, so this means a reply was lost.
    #[error("{operation}: no answer within {} seconds; run it again", after.as_secs_f64())]
    #[non_exhaustive]
    TimedOut {
        /// What was tried.
        operation: &'static str,
        /// How long it was waited for.
        after: Duration,
    },

    /// A reply is not what the protocol says it must be.
    #[error("{operation}: {source}")]
    #[non_exhaustive]
    Malformed {
        /// What was tried.
        operation: &'static str,
        /// What is wrong with the bytes.
        source: WireError,
    },

    /// The kernel cannot apply all of a filter, so it would change more entries than match.
    #[error(
        "{operation}: nothing was done, since the kernel would do it to more entries than match: \
         {condition} cannot be left to it ({reason})"
    )]
    #[non_exhaustive]
    Inexact {
        /// What was tried.
        operation: &'static str,
        /// The condition, as text.
        condition: String,
        /// Why the kernel cannot apply it.
        reason: String,
    },

    /// The filter matches every entry, where one is needed that leaves some out.
    #[error("{operation}: the filter leaves nothing out; to remove every entry, flush the table")]
    #[non_exhaustive]
    Everything {
        /// What was tried.
        operation: &'static str,
    },

    /// More entries match than may be touched at once.
    #[error(
        "{operation}: nothing was done, since {matched} entries match and {max} is the most that \
         was allowed; narrow the filter, or allow more"
    )]
    #[non_exhaustive]
    TooMany {
        /// What was tried.
        operation: &'static str,
        /// Entries that match.
        matched: u64,
        /// The most that was allowed.
        max: u64,
    },

    /// A request would have deleted without naming what, which to the kernel is everything. It was
    /// not sent.
    #[error("{operation}: not sent, since it would have emptied the table; please report this")]
    #[non_exhaustive]
    Unguarded {
        /// What was tried.
        operation: &'static str,
    },

    /// There is no room for that many entries.
    #[error(
        "{wanted} more entries do not fit: the table of this network namespace holds {entries} of \
         at most {max}; ask for {} at most{}",
        max.saturating_sub(*entries), Raised(u64::from(*entries).saturating_add(*wanted))
    )]
    #[non_exhaustive]
    TableFull {
        /// Entries that were to be added.
        wanted: u64,
        /// Entries in the table.
        entries: u32,
        /// The limit, `nf_conntrack_max`.
        max: u32,
    },

    /// A namespace cannot be made or entered.
    #[error("{}: {source}; {remedy}", Escaped(step))]
    #[non_exhaustive]
    Namespace {
        /// What was tried.
        step: Cow<'static, str>,
        /// The error of the system call.
        source: io::Error,
        /// What would make it work.
        remedy: &'static str,
    },
}

impl Error {
    /// The reason.
    pub fn kind(&self) -> &ErrorKind {
        &self.0
    }

    /// A short name of the reason, for logs and APIs. It stays the same when the text changes.
    ///
    /// It is the name of the [kind](ErrorKind), in lower case and with hyphens:
    /// [`PermissionDenied`](ErrorKind::PermissionDenied) is `permission-denied`.
    ///
    /// ```no_run
    /// if let Err(error) = ctnetlink::Reader::open().and_then(|mut table| table.limits()) {
    ///     eprintln!("code={} text={error}", error.code());
    /// }
    /// ```
    pub fn code(&self) -> &'static str {
        match self.kind() {
            ErrorKind::PermissionDenied { .. } => "permission-denied",
            ErrorKind::NotSupported { .. } => "not-supported",
            ErrorKind::Kernel { .. } => "kernel",
            ErrorKind::Invalid { .. } => "invalid",
            ErrorKind::Ignored { .. } => "ignored",
            ErrorKind::Setting { .. } => "setting",
            ErrorKind::Io { .. } => "io",
            ErrorKind::Overrun { .. } => "overrun",
            ErrorKind::Truncated { .. } => "truncated",
            ErrorKind::TimedOut { .. } => "timed-out",
            ErrorKind::Malformed { .. } => "malformed",
            ErrorKind::Inexact { .. } => "inexact",
            ErrorKind::Everything { .. } => "everything",
            ErrorKind::TooMany { .. } => "too-many",
            ErrorKind::Unguarded { .. } => "unguarded",
            ErrorKind::TableFull { .. } => "table-full",
            ErrorKind::Namespace { .. } => "namespace",
        }
    }

    /// The reason, by value.
    pub fn into_kind(self) -> ErrorKind {
        *self.0
    }

    /// Whether the caller lacks a privilege. The remedy is in the text.
    pub fn is_permission_denied(&self) -> bool {
        match &*self.0 {
            ErrorKind::PermissionDenied { .. } => true,
            ErrorKind::Setting { source, .. } | ErrorKind::Namespace { source, .. } => {
                source.kind() == io::ErrorKind::PermissionDenied
            }
            _ => false,
        }
    }

    /// Whether what was to be made is there already: `EEXIST`.
    pub fn is_already_there(&self) -> bool {
        matches!(&*self.0, ErrorKind::Kernel { source, .. }
            if source.kind() == io::ErrorKind::AlreadyExists)
    }

    /// Whether the kernel says that there is no such thing: `ENOENT`.
    pub fn is_not_found(&self) -> bool {
        matches!(&*self.0, ErrorKind::Kernel { source, .. }
            if source.kind() == io::ErrorKind::NotFound)
    }

    /// Whether the same call may succeed if it is simply made again.
    pub fn is_transient(&self) -> bool {
        matches!(*self.0, ErrorKind::Overrun { .. } | ErrorKind::TimedOut { .. })
    }
}

impl From<ErrorKind> for Error {
    fn from(kind: ErrorKind) -> Self {
        Self(Box::new(kind))
    }
}

/// The kind, without the box around it.
impl std::fmt::Debug for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Debug::fmt(&self.0, f)
    }
}

/// How to raise the limit, if there can be such a limit.
struct Raised(u64);

impl std::fmt::Display for Raised {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The kernel has a signed number for it.
        match i32::try_from(self.0) {
            Ok(limit) => write!(
                f,
                ", or raise the limit of the host, as root in its first network namespace: sysctl -w \
                 net.netfilter.nf_conntrack_max={limit}"
            ),
            Err(_) => Ok(()),
        }
    }
}

/// What the kernel adds to an error number, and we.
struct Said<'a>(Option<&'a str>, Option<&'static str>, Option<&'a str>);

impl std::fmt::Display for Said<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(message) = self.0 {
            write!(f, ": {message}")?;
        }
        if let Some(attribute) = self.1 {
            write!(f, " ({attribute})")?;
        }
        match self.2 {
            Some(explanation) => write!(f, "; {explanation}"),
            None => Ok(()),
        }
    }
}

/// A file that this program could read if it were built with a feature.
#[cfg(feature = "files")]
pub(crate) fn lacks_feature(what: &str, feature: &str) -> io::Error {
    let text =
        format!("{what}: this program was built without the feature {feature} that reads it");
    io::Error::new(io::ErrorKind::Unsupported, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_name_the_operation_and_the_remedy() {
        let operation = "dump the table";
        let kinds = [
            (
                ErrorKind::PermissionDenied { operation },
                "dump the table: not permitted; it needs CAP_NET_ADMIN in the user namespace that \
                 owns this network namespace (run it with sudo, or grant the program the \
                 capability)",
            ),
            (
                ErrorKind::Kernel {
                    operation,
                    source: io::Error::from_raw_os_error(34),
                    message: Some("Attribute failed policy validation".into()),
                    attribute: Some("CTA_MARK"),
                    explanation: Some("give four bytes".into()),
                },
                "dump the table: the kernel refused it: Numerical result out of range (os error \
                 34): Attribute failed policy validation (CTA_MARK); give four bytes",
            ),
            (
                ErrorKind::TableFull { wanted: 300_000, entries: 10, max: 262_144 },
                "300000 more entries do not fit: the table of this network namespace holds 10 of \
                 at most 262144; ask for 262134 at most, or raise the limit of the host, as root \
                 in its first network namespace: sysctl -w \
                 net.netfilter.nf_conntrack_max=300010",
            ),
        ];
        for (kind, text) in kinds {
            assert_eq!(Error::from(kind).to_string(), text);
        }
    }

    /// The list of codes is the code: each is its kind's name.
    #[test]
    fn every_kind_has_a_code_of_its_own() {
        let source = include_str!("error.rs");
        let list = source
            .split_once("match self.kind() {")
            .unwrap()
            .1
            .split_once("\n        }")
            .unwrap()
            .0;
        for line in list.trim().lines() {
            let (kind, code) =
                line.trim().trim_end_matches("\",").split_once(" { .. } => \"").unwrap();
            let kind = kind.trim_start_matches("ErrorKind::");
            assert_eq!(code.replace('-', ""), kind.to_lowercase());
            assert_eq!(code.matches('-').count() + 1, kind.matches(char::is_uppercase).count());
        }
        let error = Error::from(ErrorKind::TooMany { operation: "delete", matched: 2, max: 1 });
        assert_eq!((error.code(), list.trim().lines().count()), ("too-many", 17));
    }

    #[test]
    fn an_error_is_one_pointer() {
        assert_eq!(size_of::<Error>(), size_of::<usize>());
    }
}
