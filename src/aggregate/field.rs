//! What one can group by, and its text form.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// One thing entries are grouped by.
///
/// The text form is the one the examples take: `source`, `source/24`, `dport` and so on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Field {
    /// `family`: ipv4 or ipv6.
    Family,
    /// `protocol` or `proto`: the layer-4 protocol.
    Protocol,
    /// `state`: see [`State`](crate::flow::State); every protocol has one.
    State,
    /// `source` or `src`: who opened the flow.
    Source(Prefix),
    /// `destination` or `dst`: where it was addressed to, before any NAT.
    Destination(Prefix),
    /// `sport`: source port, for protocols that have ports.
    SourcePort,
    /// `dport`: destination port, for protocols that have ports.
    DestinationPort,
    /// `reply-source`: who answers; behind destination NAT, the real server.
    ReplySource(Prefix),
    /// `reply-destination`: where answers go; behind source NAT, the address of the gateway.
    ReplyDestination(Prefix),
    /// `reply-sport`: the port that answers.
    ReplySourcePort,
    /// `reply-dport`: the port that answers go to; behind source NAT, one of the gateway's.
    ReplyDestinationPort,
    /// `zone`: the zone, whichever direction it is for; 0 is the default zone.
    Zone,
    /// `mark`: the mark.
    Mark,
    /// `status`: all the status bits together.
    Status,
    /// `expires`: how long until the entry goes if nothing comes, by ranges.
    Expires,
    /// `age`: how long ago the flow began, by ranges, where `nf_conntrack_timestamp` was on then.
    Age,
}

impl Field {
    /// The whole source address.
    pub const SOURCE: Self = Self::Source(Prefix::WHOLE);
    /// The whole destination address.
    pub const DESTINATION: Self = Self::Destination(Prefix::WHOLE);

    /// Every word of the text form with what it stands for, for help texts.
    pub const WORDS: [(&'static str, &'static str); 16] = [
        ("source", "who opened the flow; source/24 by network (src)"),
        ("destination", "where it was addressed to; destination/24 by network (dst)"),
        ("sport", "source port"),
        ("dport", "destination port"),
        ("protocol", "layer-4 protocol (proto)"),
        ("state", "state, for every protocol"),
        ("family", "ipv4 or ipv6"),
        ("zone", "conntrack zone"),
        ("mark", "conntrack mark"),
        ("status", "status bits"),
        ("reply-source", "who answers, behind destination NAT; may have a prefix"),
        ("reply-destination", "where answers go, behind source NAT; may have a prefix"),
        ("reply-sport", "port that answers"),
        ("reply-dport", "port that answers go to"),
        ("expires", "how long until the entry goes if nothing comes, by ranges"),
        ("age", "how long ago the flow began, by ranges; needs nf_conntrack_timestamp"),
    ];
}

/// How much of an address counts.
///
/// As text, a number after a slash. One up to 32 is the prefix of IPv4 addresses, and IPv6 ones
/// are taken by their /64, the usual network of one site's hosts; a larger one is the prefix of
/// IPv6 addresses, and IPv4 ones count whole. Two numbers give both: `source/24/48`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Prefix {
    v4: u8,
    v6: u8,
}

impl Prefix {
    /// Whole addresses.
    pub const WHOLE: Self = Self { v4: 32, v6: 128 };

    /// The first `v4` bits of IPv4 addresses and the first `v6` of IPv6 ones; more than an address
    /// has means all of it.
    pub const fn new(v4: u8, v6: u8) -> Self {
        Self { v4: if v4 > 32 { 32 } else { v4 }, v6: if v6 > 128 { 128 } else { v6 } }
    }

    /// The length for an address, or `None` where it counts whole.
    pub(crate) fn of(self, address: IpAddr) -> Option<u8> {
        match address {
            IpAddr::V4(_) => Some(self.v4).filter(|&length| length < 32),
            IpAddr::V6(_) => Some(self.v6).filter(|&length| length < 128),
        }
    }

    /// The address with the bits behind the prefix cleared.
    #[inline]
    pub(crate) fn mask(self, address: IpAddr) -> IpAddr {
        match address {
            IpAddr::V4(address) => Ipv4Addr::from_bits(address.to_bits() & self.v4_mask()).into(),
            IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & self.v6_mask()).into(),
        }
    }

    /// The bits of an IPv4 address that count.
    #[inline]
    pub(crate) fn v4_mask(self) -> u32 {
        u32::MAX.checked_shl(32 - u32::from(self.v4)).unwrap_or(0)
    }

    /// The bits of an IPv6 address that count.
    #[inline]
    pub(crate) fn v6_mask(self) -> u128 {
        u128::MAX.checked_shl(128 - u32::from(self.v6)).unwrap_or(0)
    }

    fn parse(text: &str) -> Option<Self> {
        let number = |text: &str, max| text.parse().ok().filter(|length: &u8| *length <= max);
        if let Some((v4, v6)) = text.split_once('/') {
            return Some(Self { v4: number(v4, 32)?, v6: number(v6, 128)? });
        }
        match number(text, 128)? {
            v4 @ ..=32 => Some(Self { v4, v6: 64 }),
            v6 => Some(Self { v4: 32, v6 }),
        }
    }
}

/// Nothing for whole addresses, else the slash and what follows it.
impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::WHOLE => Ok(()),
            Self { v4, v6: 64 } if v4 < 32 => write!(f, "/{v4}"),
            Self { v4: 32, v6 } if v6 > 32 => write!(f, "/{v6}"),
            Self { v4, v6 } => write!(f, "/{v4}/{v6}"),
        }
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Family => f.pad("family"),
            Self::Protocol => f.pad("protocol"),
            Self::State => f.pad("state"),
            Self::Source(prefix) => write!(f, "source{prefix}"),
            Self::Destination(prefix) => write!(f, "destination{prefix}"),
            Self::SourcePort => f.pad("sport"),
            Self::DestinationPort => f.pad("dport"),
            Self::ReplySourcePort => f.pad("reply-sport"),
            Self::ReplyDestinationPort => f.pad("reply-dport"),
            Self::ReplySource(prefix) => write!(f, "reply-source{prefix}"),
            Self::ReplyDestination(prefix) => write!(f, "reply-destination{prefix}"),
            Self::Zone => f.pad("zone"),
            Self::Mark => f.pad("mark"),
            Self::Status => f.pad("status"),
            Self::Expires => f.pad("expires"),
            Self::Age => f.pad("age"),
        }
    }
}

impl FromStr for Field {
    type Err = ParseFieldError;

    fn from_str(word: &str) -> Result<Self, ParseFieldError> {
        let fail = |problem| ParseFieldError { word: word.to_owned(), problem };
        let (name, prefix) = match word.split_once('/') {
            None => (word, None),
            Some((name, text)) => {
                (name, Some(Prefix::parse(text).ok_or_else(|| fail(Problem::Prefix))?))
            }
        };
        let whole = prefix.unwrap_or(Prefix::WHOLE);
        let field = match name {
            "source" | "src" => return Ok(Self::Source(whole)),
            "destination" | "dst" => return Ok(Self::Destination(whole)),
            "reply-source" => return Ok(Self::ReplySource(whole)),
            "reply-destination" => return Ok(Self::ReplyDestination(whole)),
            "family" => Self::Family,
            "protocol" | "proto" => Self::Protocol,
            "state" => Self::State,
            "sport" | "source-port" => Self::SourcePort,
            "dport" | "destination-port" => Self::DestinationPort,
            "reply-sport" | "reply-source-port" => Self::ReplySourcePort,
            "reply-dport" | "reply-destination-port" => Self::ReplyDestinationPort,
            "zone" => Self::Zone,
            "mark" => Self::Mark,
            "status" => Self::Status,
            "expires" | "timeout" => Self::Expires,
            "age" => Self::Age,
            _ => return Err(fail(Problem::Unknown)),
        };
        if prefix.is_some() { Err(fail(Problem::NoAddress)) } else { Ok(field) }
    }
}

/// A list of fields; as text, separated by commas.
///
/// ```
/// use ctnetlink::aggregate::Fields;
/// let fields: Fields = "source/24,dport".parse()?;
/// assert_eq!(fields.to_string(), "source/24,dport");
/// let error = "source,sorce".parse::<Fields>().unwrap_err();
/// assert!(error.to_string().starts_with("unknown key \"sorce\""));
/// # Ok::<(), ctnetlink::aggregate::ParseFieldError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fields(Vec<Field>);

impl Fields {
    /// The fields, in order.
    pub fn as_slice(&self) -> &[Field] {
        &self.0
    }
}

impl FromIterator<Field> for Fields {
    fn from_iter<I: IntoIterator<Item = Field>>(fields: I) -> Self {
        Self(fields.into_iter().collect())
    }
}

impl IntoIterator for Fields {
    type Item = Field;
    type IntoIter = std::vec::IntoIter<Field>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl fmt::Display for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, field) in self.0.iter().enumerate() {
            write!(f, "{}{field}", if index == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

impl FromStr for Fields {
    type Err = ParseFieldError;

    fn from_str(text: &str) -> Result<Self, ParseFieldError> {
        let mut fields = Vec::new();
        for word in text.split(',').map(str::trim) {
            let field = word.parse()?;
            if fields.contains(&field) {
                return Err(ParseFieldError { word: word.to_owned(), problem: Problem::Twice });
            }
            fields.push(field);
        }
        Ok(Self(fields))
    }
}

/// A word that is no [`Field`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseFieldError {
    word: String,
    problem: Problem,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Problem {
    Unknown,
    Prefix,
    NoAddress,
    Twice,
}

impl ParseFieldError {
    /// The word at fault.
    pub fn word(&self) -> &str {
        &self.word
    }
}

impl fmt::Display for ParseFieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = &self.word;
        match self.problem {
            Problem::Unknown => {
                write!(f, "unknown key {word:?}; keys are")?;
                for (index, (name, _)) in Field::WORDS.iter().enumerate() {
                    write!(f, "{} {name}", if index == 0 { "" } else { "," })?;
                }
                Ok(())
            }
            Problem::Prefix => write!(
                f,
                "{word:?} has no usable prefix length; write source/24 (IPv4, with IPv6 by /64), \
                 source/48 (IPv6 only) or source/24/48 (both)"
            ),
            Problem::NoAddress => write!(f, "{word:?} has a prefix length but is not an address"),
            Problem::Twice => write!(f, "{word:?} stands twice"),
        }
    }
}

impl std::error::Error for ParseFieldError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_read_and_written_alike() {
        for (word, _) in Field::WORDS {
            assert_eq!(word.parse::<Field>().unwrap().to_string(), word);
        }
        for word in ["source/24", "destination/64", "source/48", "reply-source/0", "source/8/9"] {
            assert_eq!(word.parse::<Field>().unwrap().to_string(), word, "{word}");
        }
        assert_eq!("src/24/64".parse::<Field>(), "source/24".parse());
        assert_eq!("source/32/128".parse(), Ok(Field::SOURCE));
    }

    #[test]
    fn an_error_names_the_word() {
        for (text, start) in [
            ("sorce", "unknown key \"sorce\"; keys are source, destination,"),
            ("", "unknown key \"\""),
            ("source/129", "\"source/129\" has no usable prefix length"),
            ("source/33/64", "\"source/33/64\" has no usable"),
            ("source/", "\"source/\" has no usable"),
            ("dport/24", "\"dport/24\" has a prefix length but"),
            ("source,state,src", "\"src\" stands twice"),
        ] {
            let error = text.parse::<Fields>().unwrap_err().to_string();
            assert!(error.starts_with(start), "{text}: {error}");
        }
    }

    #[test]
    fn a_prefix_clears_the_bits_behind_it() {
        let mask =
            |prefix: Prefix, address: &str| prefix.mask(address.parse().unwrap()).to_string();
        assert_eq!(mask(Prefix::new(24, 64), "10.1.2.3"), "10.1.2.0");
        assert_eq!(mask(Prefix::new(24, 64), "fd00:1:2:3:4::5"), "fd00:1:2:3::");
        assert_eq!(mask(Prefix::new(0, 0), "10.1.2.3"), "0.0.0.0");
        assert_eq!(mask(Prefix::new(0, 0), "fd00::1"), "::");
        assert_eq!(mask(Prefix::WHOLE, "10.1.2.3"), "10.1.2.3");
        assert_eq!(mask(Prefix::WHOLE, "fd00::1"), "fd00::1");
    }
}
