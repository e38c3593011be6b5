//! What the kernel's error numbers mean when an entry is made or changed, and what to do.
//!
//! The same number means different things there, and the kernel adds no text to any of them.

use std::borrow::Cow;

use rustix::io::Errno;

use crate::error::{Error, ErrorKind};
use crate::flow::{Change, InvalidFlow, NewFlow};

/// What is wrong with a request, as an error: nothing was sent.
pub(super) fn invalid(operation: &'static str, invalid: InvalidFlow) -> Error {
    let InvalidFlow { what, remedy } = invalid;
    ErrorKind::Invalid { operation, what, remedy }.into()
}

/// The numbers that are told apart here.
const NUMBERS: [Errno; 10] = [
    Errno::NOENT,
    Errno::NOMEM,
    Errno::BUSY,
    Errno::EXIST,
    Errno::INVAL,
    Errno::NOSPC,
    Errno::RANGE,
    Errno::TIME,
    Errno::OPNOTSUPP,
    Errno::PERM,
];

/// The number of an error of the kernel, if it is one of [`NUMBERS`]. `Errno` takes only real ones,
/// and this came from a message.
pub(super) fn number(error: &Error) -> Option<Errno> {
    let ErrorKind::Kernel { source, .. } = error.kind() else { return None };
    NUMBERS.into_iter().find(|number| source.raw_os_error() == Some(number.raw_os_error()))
}

/// Adds to an error of the kernel what `meaning` knows of its number.
pub(super) fn explained(
    error: Error,
    meaning: impl FnOnce(Errno) -> Option<Cow<'static, str>>,
) -> Error {
    let number = number(&error);
    match error.into_kind() {
        ErrorKind::Kernel { operation, source, message, attribute, explanation } => {
            let explanation = explanation.or_else(|| number.and_then(meaning));
            ErrorKind::Kernel { operation, source, message, attribute, explanation }.into()
        }
        other => other.into(),
    }
}

/// Why an entry was not made.
pub(super) fn of_create(new: &NewFlow, errno: Errno) -> Option<Cow<'static, str>> {
    let flow = new.as_flow();
    let text = match errno {
        Errno::EXIST if new.has_nat() => {
            "an entry with the original tuple, or with the reply tuple that NAT would make, is \
             there already; get or update that one, or give NAT more addresses or ports"
        }
        Errno::EXIST => {
            "an entry with the original or the reply tuple is there already; get or update that \
             one, or delete it first"
        }
        Errno::NOENT if flow.master.is_some() => {
            "there is no entry with the master's tuple in the zone of the new one; create the \
             master first"
        }
        Errno::OPNOTSUPP => return Some(unsupported(new)),
        Errno::NOMEM => {
            "the table is full, or the kernel out of memory; delete entries, or raise the limit of \
             the host, as root in its first network namespace: sysctl -w \
             net.netfilter.nf_conntrack_max=..."
        }
        Errno::NOSPC => {
            "too many entries in its place of the hash table; raise the number of places, as root \
             in the first network namespace: sysctl -w net.netfilter.nf_conntrack_buckets=..."
        }
        Errno::INVAL | Errno::RANGE => {
            "a tuple lacks what its protocol needs, such as ports, or has an ICMP type that opens \
             no flow, or the kernel does not know a state"
        }
        _ => return None,
    };
    Some(text.into())
}

fn unsupported(new: &NewFlow) -> Cow<'static, str> {
    let flow = new.as_flow();
    let (family, protocol) = (flow.original.family(), flow.original.protocol);
    match (&flow.helper, new.has_nat()) {
        (Some(helper), _) => {
            let name = &helper.name;
            let mut text = format!(
                "the kernel has no helper {name} for {protocol} over {family}; modprobe \
                 nf_conntrack_{name}, or give the entry none"
            );
            if new.has_nat() {
                text += ", or it has no NAT; modprobe nf_nat";
            }
            text.into()
        }
        (None, true) => "the kernel has no NAT; modprobe nf_nat".into(),
        (None, false) => "the kernel lacks this part of connection tracking".into(),
    }
}

/// What a change did before the kernel refused one part of it.
const IN_ORDER: &str = "timeout, status, protocol information, mark, sequence adjustment, labels: \
                        in this order, what comes before was done";

/// Why an entry was not changed.
pub(super) fn of_update(change: &Change, errno: Errno) -> Option<Cow<'static, str>> {
    let text = match errno {
        Errno::BUSY => {
            "its status changed again and again while it was to be updated; do it once more"
        }
        Errno::NOSPC if change.sets_labels() => {
            return Some(
                format!(
                    "the entry has no room for labels, since no rule used them when it was made; \
                     add one to this network namespace, such as nft's ct label set, and make the \
                     entry anew ({IN_ORDER})"
                )
                .into(),
            );
        }
        Errno::INVAL | Errno::RANGE => {
            "the tuple lacks what its protocol needs, such as ports, or the kernel does not know \
             the state"
        }
        Errno::OPNOTSUPP => "the kernel lacks this part of connection tracking",
        _ => return None,
    };
    Some(text.into())
}

/// The other reason for `EPERM` than a missing privilege.
pub(super) fn fixed_timeout(operation: &'static str) -> Error {
    ErrorKind::Kernel {
        operation,
        source: Errno::PERM.into(),
        message: None,
        attribute: None,
        explanation: Some(
            "the timeout of the entry is fixed (FIXED_TIMEOUT), and nothing of it was changed; \
             leave the timeout out, or delete the entry and make another"
                .into(),
        ),
    }
    .into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::{Helper, Labels, Protocol, Tuple};
    use std::time::Duration;

    fn new() -> NewFlow {
        let original =
            Tuple::with_ports(Protocol::TCP, ([10, 0, 0, 1].into(), 1), ([10, 0, 0, 2].into(), 2));
        NewFlow::new(original, Duration::from_secs(60))
    }

    fn refused(errno: Errno) -> Error {
        let source = errno.into();
        let (message, attribute, explanation) = (None, None, None);
        let operation = "create an entry";
        ErrorKind::Kernel { operation, source, message, attribute, explanation }.into()
    }

    /// Numbers that no test can make a kernel answer with.
    #[test]
    fn rare_numbers_are_explained_too() {
        for (errno, words) in [
            (Errno::NOMEM, "sysctl -w net.netfilter.nf_conntrack_max"),
            (Errno::NOSPC, "sysctl -w net.netfilter.nf_conntrack_buckets"),
        ] {
            let text = explained(refused(errno), |errno| of_create(&new(), errno)).to_string();
            assert!(text.contains(words), "{text}");
        }
        let error = explained(refused(Errno::OPNOTSUPP), |errno| {
            let helper = Helper { name: "x".into(), info: None };
            let to = std::net::IpAddr::from([10, 0, 0, 9]);
            of_create(&new().helper(helper).source_nat(to), errno)
        });
        let text = error.to_string();
        assert!(text.contains("nf_conntrack_x") && text.contains("nf_nat"), "{text}");
        let change = Change::new().labels(Labels::default());
        let text = explained(refused(Errno::BUSY), |errno| of_update(&change, errno)).to_string();
        assert!(text.contains("once more"), "{text}");
    }

    #[test]
    fn what_is_not_known_is_left_alone() {
        let bare = refused(Errno::DOM).to_string();
        assert_eq!(
            explained(refused(Errno::DOM), |errno| of_create(&new(), errno)).to_string(),
            bare
        );
        let denied: Error = ErrorKind::PermissionDenied { operation: "create an entry" }.into();
        assert!(explained(denied, |_| Some("no".into())).is_permission_denied());
    }
}
