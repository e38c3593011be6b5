//! What entries are grouped by, and its text form.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use super::{FIELDS, Field, Kind};

/// One thing entries are grouped by: a field, and how much of its addresses counts.
///
/// The text form is the one the examples take: `source`, `source/24`, `dport` and so on.
///
/// ```
/// use ctnetlink::field::{Field, Key, Prefix};
/// assert_eq!("dport".parse(), Ok(Key::from(Field::DestinationPort)));
/// assert_eq!("source/24".parse(), Ok(Field::Source.by(Prefix::new(24, 64))));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key {
    field: Field,
    prefix: Prefix,
}

impl Key {
    /// The field.
    pub const fn field(self) -> Field {
        self.field
    }

    /// How much of its addresses counts.
    pub const fn prefix(self) -> Prefix {
        self.prefix
    }

    /// Every word of the text form with what it stands for, for help texts.
    pub fn words() -> impl Iterator<Item = (&'static str, &'static str)> {
        let keys = FIELDS.iter().filter(|spec| !spec.key.is_empty());
        keys.map(|spec| (spec.key, spec.help))
    }
}

/// Whole addresses.
///
/// A field that nothing can be grouped by ([filters only](Field)) puts all entries into one group.
impl From<Field> for Key {
    fn from(field: Field) -> Self {
        Self { field, prefix: Prefix::WHOLE }
    }
}

impl Field {
    /// The field as a key, its addresses by this prefix. On a field without addresses a prefix has no effect.
    pub fn by(self, prefix: Prefix) -> Key {
        let has_addresses = self.spec().kind == Kind::Address;
        Key { field: self, prefix: if has_addresses { prefix } else { Prefix::WHOLE } }
    }
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

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let spec = self.field.spec();
        let word = if spec.key.is_empty() { spec.word } else { spec.key };
        match spec.kind {
            Kind::Address => write!(f, "{word}{}", self.prefix),
            _ => f.pad(word),
        }
    }
}

impl FromStr for Key {
    type Err = ParseKeyError;

    fn from_str(word: &str) -> Result<Self, ParseKeyError> {
        let fail = |problem| ParseKeyError { word: word.to_owned(), problem };
        let (name, prefix) = match word.split_once('/') {
            None => (word, None),
            Some((name, text)) => {
                (name, Some(Prefix::parse(text).ok_or_else(|| fail(Problem::Prefix))?))
            }
        };
        let mut keys = FIELDS.iter().filter(|spec| !spec.key.is_empty());
        let spec = keys
            .find(|spec| !name.is_empty() && [spec.key, spec.word, spec.alias].contains(&name))
            .ok_or_else(|| fail(Problem::Unknown))?;
        if prefix.is_some() && spec.kind != Kind::Address {
            return Err(fail(Problem::NoAddress));
        }
        Ok(spec.field.by(prefix.unwrap_or(Prefix::WHOLE)))
    }
}

/// A list of keys; as text, separated by commas.
///
/// ```
/// use ctnetlink::field::Keys;
/// let keys: Keys = "source/24,dport".parse()?;
/// assert_eq!(keys.to_string(), "source/24,dport");
/// let error = "source,sorce".parse::<Keys>().unwrap_err();
/// assert!(error.to_string().starts_with("unknown key \"sorce\""));
/// # Ok::<(), ctnetlink::field::ParseKeyError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Keys(Vec<Key>);

impl Keys {
    /// The keys, in order.
    pub fn as_slice(&self) -> &[Key] {
        &self.0
    }
}

impl<K: Into<Key>> FromIterator<K> for Keys {
    fn from_iter<I: IntoIterator<Item = K>>(keys: I) -> Self {
        Self(keys.into_iter().map(Into::into).collect())
    }
}

impl IntoIterator for Keys {
    type Item = Key;
    type IntoIter = std::vec::IntoIter<Key>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl fmt::Display for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, key) in self.0.iter().enumerate() {
            write!(f, "{}{key}", if index == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

impl FromStr for Keys {
    type Err = ParseKeyError;

    fn from_str(text: &str) -> Result<Self, ParseKeyError> {
        let mut keys = Vec::new();
        for word in text.split(',').map(str::trim) {
            let key = word.parse()?;
            if keys.contains(&key) {
                return Err(ParseKeyError { word: word.to_owned(), problem: Problem::Twice });
            }
            keys.push(key);
        }
        Ok(Self(keys))
    }
}

/// A word that is no [`Key`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseKeyError {
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

impl ParseKeyError {
    /// The word at fault.
    pub fn word(&self) -> &str {
        &self.word
    }
}

impl fmt::Display for ParseKeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = &self.word;
        match self.problem {
            Problem::Unknown => {
                write!(f, "unknown key {word:?}; keys are")?;
                for (index, (name, _)) in Key::words().enumerate() {
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

impl std::error::Error for ParseKeyError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_read_and_written_alike() {
        for (word, _) in Key::words() {
            assert_eq!(word.parse::<Key>().unwrap().to_string(), word);
        }
        for word in ["source/24", "destination/64", "source/48", "reply-source/0", "source/8/9"] {
            assert_eq!(word.parse::<Key>().unwrap().to_string(), word, "{word}");
        }
        assert_eq!("src/24/64".parse::<Key>(), "source/24".parse());
        assert_eq!("source/32/128".parse(), Ok(Key::from(Field::Source)));
    }

    #[test]
    fn an_error_names_the_word() {
        for (text, start) in [
            ("sorce", "unknown key \"sorce\"; keys are family, protocol,"),
            ("", "unknown key \"\""),
            ("source/129", "\"source/129\" has no usable prefix length"),
            ("source/33/64", "\"source/33/64\" has no usable"),
            ("source/", "\"source/\" has no usable"),
            ("dport/24", "\"dport/24\" has a prefix length but"),
            ("source,state,src", "\"src\" stands twice"),
        ] {
            let error = text.parse::<Keys>().unwrap_err().to_string();
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
