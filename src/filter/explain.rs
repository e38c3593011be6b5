//! A plan in words.

use std::fmt::Write;

use super::{Filter, Plan, Reason};

impl Plan {
    /// The plan in words, some lines of text: what the kernel is asked, what it leaves out, and
    /// what is left to do here and why.
    pub fn explain(&self) -> String {
        let mut text = String::new();
        // Into a string, which takes all.
        let _ = self.write(&mut text);
        text
    }

    fn write(&self, text: &mut String) -> std::fmt::Result {
        let kernel = match self.kernel.version {
            Some(version) => format!("Linux {version}"),
            None => "the kernel".to_owned(),
        };
        match self.requests() {
            [] => return writeln!(text, "nothing is asked of {kernel}: no entry can match"),
            [only] if only.is_empty() => writeln!(text, "{kernel} sends the whole table")?,
            [only] => {
                let family = only.family().map_or(String::new(), |family| format!(", {family}"));
                writeln!(text, "{kernel} is asked for a part of the table{family}")?;
            }
            several => {
                let families = several.iter().filter_map(|request| request.family());
                let families: Vec<_> = families.map(|family| family.to_string()).collect();
                writeln!(
                    text,
                    "{kernel} is asked for {}, one after the other",
                    families.join(" and ")
                )?;
            }
        }
        let list = |filters: &[Filter]| filters.iter().map(in_line).collect::<Vec<_>>().join(" ");
        if !self.there().is_empty() {
            writeln!(text, "there: {}", list(self.there()))?;
        }
        for (filter, reason) in self.here() {
            writeln!(text, "here:  {} ({reason})", in_line(filter))?;
        }
        if !self.there().is_empty() {
            writeln!(text, "whatever it sends is judged by the whole filter again")?;
        }
        Ok(())
    }
}

/// A part of a longer line: alternatives in parentheses.
fn in_line(filter: &Filter) -> String {
    let alternatives = matches!(filter.0, super::Expression::Any(_)) || filter.0.is_contradiction();
    if alternatives { format!("({filter})") } else { filter.to_string() }
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::NoSuchFilter => "the kernel has no filter for it",
            Self::SeveralValues => "the kernel compares with one whole value only",
            Self::Ipv6Inverted => "the kernel would send what does not match: IPv6 is inverted there",
            Self::NeedsProtocol => "the kernel compares ports of TCP and UDP only, and needs to know of which: proto=tcp or proto=udp",
            Self::NeedsProtocolAndFamily => "the kernel needs proto=icmp family=ipv4, or proto=icmpv6 family=ipv6, with it",
            Self::TooOld(since) => return write!(f, "this kernel ignores it, {since} and later do not"),
            Self::Alternative => "the kernel knows no alternatives",
            Self::Contradiction => "another condition on the same field is asked already",
            Self::LeastLatency => "so that no packet waits for a walk over the table",
        })
    }
}
