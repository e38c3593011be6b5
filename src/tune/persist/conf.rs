//! Lines of `sysctl.d` files.

/// A line that sets something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Assignment {
    /// With slashes, and perhaps with `*` and `?` for more than one.
    pub(super) key: String,
    /// `None` takes the key out of what patterns set.
    pub(super) value: Option<String>,
    pub(super) line: usize,
}

/// The lines of a file; the numbers of those that say nothing that is known come second.
pub(super) fn parse(text: &str) -> (Vec<Assignment>, Vec<usize>) {
    let (mut found, mut unknown) = (Vec::new(), Vec::new());
    for (line, text) in (1..).zip(text.lines()) {
        let text = text.trim();
        if text.is_empty() || text.starts_with(['#', ';']) {
            continue;
        }
        // A failure to set it is no failure: the same for us.
        let (minus, text) = match text.strip_prefix('-') {
            Some(text) => (true, text.trim_start()),
            None => (false, text),
        };
        match text.split_once('=') {
            Some((key, value)) if !key.trim().is_empty() => found.push(Assignment {
                key: normal(key.trim()),
                value: Some(value.trim().to_owned()),
                line,
            }),
            None if minus && !text.is_empty() => {
                found.push(Assignment { key: normal(text), value: None, line });
            }
            _ => unknown.push(line),
        }
    }
    (found, unknown)
}

/// A key with slashes. Whichever of slash and dot comes first parts it; the other stands for itself.
fn normal(key: &str) -> String {
    match key.find(['.', '/']).and_then(|at| key.get(at..=at)) {
        Some(".") => key
            .chars()
            .map(|c| {
                if c == '.' {
                    '/'
                } else if c == '/' {
                    '.'
                } else {
                    c
                }
            })
            .collect(),
        _ => key.trim_start_matches('/').to_owned(),
    }
}

/// Whether a pattern is true of a key: `*` is anything but a slash, `?` one character but a slash.
pub(super) fn matches(pattern: &str, key: &str) -> bool {
    let (mut pattern_rest, mut key_rest) = (pattern.chars(), key.chars());
    loop {
        match (pattern_rest.next(), key_rest.clone().next()) {
            (None, None) => return true,
            (Some('*'), _) => {
                let rest = pattern_rest.as_str();
                let mut tail = key_rest.as_str();
                loop {
                    if matches(rest, tail) {
                        return true;
                    }
                    match tail.chars().next() {
                        Some(c) if c != '/' => tail = tail.get(c.len_utf8()..).unwrap_or_default(),
                        _ => return false,
                    }
                }
            }
            (Some('?'), Some(c)) if c != '/' => _ = key_rest.next(),
            (Some(p), Some(c)) if p == c => _ = key_rest.next(),
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_as_systemd_reads_them() {
        let text = "# comment\n; comment\n\n net.netfilter.nf_conntrack_max = 5 \n\
                    net/netfilter/nf_conntrack_acct=1\n-net.ipv4.ip_forward=1\n\
                    net.ipv4.conf.eth0/7.forwarding = 0\n-net.ipv4.conf.*.forwarding\nnonsense\n= 5\n";
        let (found, unknown) = parse(text);
        let found: Vec<_> =
            found.iter().map(|a| (a.line, a.key.as_str(), a.value.as_deref())).collect();
        assert_eq!(
            found,
            [
                (4, "net/netfilter/nf_conntrack_max", Some("5")),
                (5, "net/netfilter/nf_conntrack_acct", Some("1")),
                (6, "net/ipv4/ip_forward", Some("1")),
                (7, "net/ipv4/conf/eth0.7/forwarding", Some("0")),
                (8, "net/ipv4/conf/*/forwarding", None),
            ]
        );
        assert_eq!(unknown, [9, 10]);
    }

    #[test]
    fn patterns_do_not_cross_a_slash() {
        for (pattern, key, is) in [
            ("net/ipv4/ip_forward", "net/ipv4/ip_forward", true),
            ("net/ipv4/conf/*/forwarding", "net/ipv4/conf/eth0/forwarding", true),
            ("net/ipv4/*", "net/ipv4/conf/all", false),
            ("net/*/nf_conntrack_*", "net/netfilter/nf_conntrack_max", true),
            ("n?t", "net", true),
            ("n?t", "n/t", false),
            ("*", "", true),
            ("a*b*c", "aXbXbYc", true),
            ("net", "nets", false),
        ] {
            assert_eq!(matches(pattern, key), is, "{pattern} {key}");
        }
    }
}
