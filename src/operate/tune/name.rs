//! The ways a setting's name is written.

/// The part of a setting's name that is its own, in any spelling: `nf_conntrack_acct`,
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
    // The limit is there under an older name, too.
    let above = || {
        let rest = name.strip_prefix("net.").or_else(|| name.strip_prefix("net/"));
        rest.filter(|rest| rest.starts_with(PREFIX))
    };
    let name = inside.or_else(above).unwrap_or(name);
    name.strip_prefix(PREFIX).unwrap_or(name)
}

/// What every name of a setting begins with.
pub(super) const PREFIX: &str = "nf_conntrack_";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_is_the_same_setting() {
        for spelling in [
            "net.netfilter.nf_conntrack_udp_timeout",
            "net/netfilter/nf_conntrack_udp_timeout",
            "/net/netfilter/nf_conntrack_udp_timeout",
            "/proc/sys/net/netfilter/nf_conntrack_udp_timeout",
            " nf_conntrack_udp_timeout ",
            "udp_timeout",
        ] {
            assert_eq!(bare_name(spelling), "udp_timeout", "{spelling}");
        }
        for max in ["net.nf_conntrack_max", "/proc/sys/net/nf_conntrack_max", "max"] {
            assert_eq!(bare_name(max), "max", "{max}");
        }
        // What is none stays, for whoever refuses it to show.
        for other in ["", "../../ipv4/ip_forward", "net.ipv4.ip_forward", "/etc/passwd"] {
            assert_eq!(bare_name(other), other);
        }
    }
}
