//! The table's settings: what they are, what they mean, and how large the table should be.
//!
//! `Settings` reads and sets what the kernel shows as files; [`Timeouts`](crate::flow::Timeouts) are
//! the same values by netlink, with more names. [`sizing`] is arithmetic on numbers. Only the methods
//! that say so change anything.
//!
//! [`persist`](super::persist) reads and writes the files that set everything at boot.
//!
//! This folder must not dump entries, nor talk to a kernel except through the files it is given.

#[cfg(all(target_os = "linux", not(ctnetlink_pure)))]
mod setting;
#[cfg(all(target_os = "linux", not(ctnetlink_pure)))]
mod settings;
pub mod sizing;

#[cfg(all(target_os = "linux", not(ctnetlink_pure)))]
pub use setting::{Scope, Setting, Unit};
#[cfg(all(target_os = "linux", not(ctnetlink_pure)))]
pub use settings::{Changed, Restore, Settings};

/// What the name of every setting begins with.
const PREFIX: &str = "nf_conntrack_";

/// The name of a setting without `nf_conntrack_`, from any spelling: `nf_conntrack_acct`,
/// `net.netfilter.nf_conntrack_acct`, the same with slashes, its file below `/proc/sys`, and `acct`.
///
/// ```
/// use ctnetlink::operate::tune::bare_name;
/// assert_eq!(bare_name("net.netfilter.nf_conntrack_tcp_timeout_close"), "tcp_timeout_close");
/// assert_eq!(bare_name("/proc/sys/net/netfilter/nf_conntrack_max"), "max");
/// assert_eq!(bare_name("net.nf_conntrack_max"), "max"); // its old name
/// assert_eq!(bare_name("max"), "max");
/// ```
pub fn bare_name(spelling: &str) -> &str {
    let name = spelling.trim();
    let name = name.strip_prefix("/proc/sys/").unwrap_or(name);
    let name = name.strip_prefix('/').filter(|rest| rest.starts_with("net/")).unwrap_or(name);
    let inside = ["net.netfilter.", "net/netfilter/"].iter().find_map(|it| name.strip_prefix(it));
    // The limit has an older name, too.
    let above = || {
        let rest = name.strip_prefix("net.").or_else(|| name.strip_prefix("net/"));
        rest.filter(|rest| rest.starts_with(PREFIX))
    };
    let name = inside.or_else(above).unwrap_or(name);
    name.strip_prefix(PREFIX).unwrap_or(name)
}
