//! Addresses and networks, one or many.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use super::Prefix;
use crate::flow::Family;

/// An address and how many of its bits count: `10.0.0.0/8`, `2001:db8::/32`, or an address alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Network {
    address: IpAddr,
    length: u8,
}

impl Network {
    /// The network of `address`, which may be any in it. A length the address does not have means
    /// all its bits.
    pub fn new(address: IpAddr, length: u8) -> Self {
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let length = length.min(longest);
        Self { address: Prefix::new(length, length).mask(address), length }
    }

    /// The first address.
    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// How many bits count.
    pub fn length(&self) -> u8 {
        self.length
    }

    /// The family.
    pub fn family(&self) -> Family {
        if self.address.is_ipv4() { Family::Ipv4 } else { Family::Ipv6 }
    }

    fn is_whole(&self) -> bool {
        self.length == if self.address.is_ipv4() { 32 } else { 128 }
    }

    /// First and last address, as numbers.
    fn ends(&self) -> (u128, u128) {
        let prefix = Prefix::new(self.length, self.length);
        match self.address {
            IpAddr::V4(address) => {
                let first = address.to_bits();
                (first.into(), (first | !prefix.v4_mask()).into())
            }
            IpAddr::V6(address) => {
                let first = address.to_bits();
                (first, first | !prefix.v6_mask())
            }
        }
    }
}

impl From<IpAddr> for Network {
    fn from(address: IpAddr) -> Self {
        Self::new(address, 128)
    }
}

/// `10.0.0.0/8`; without the length where the whole address counts.
impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.address)?;
        if self.is_whole() { Ok(()) } else { write!(f, "/{}", self.length) }
    }
}

/// Why a text is not a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseNetworkError {
    /// It does not begin with an address.
    #[error("not an IPv4 or IPv6 address; names are not looked up")]
    Address,
    /// What follows the slash is no length of a prefix.
    #[error("the prefix of an {family} address is a number from 0 to {longest}")]
    #[allow(missing_docs)]
    Length { family: &'static str, longest: u8 },
    /// Bits are set behind the prefix, so it is not clear what is meant.
    #[error("bits are set behind the prefix; for the network write {0}")]
    Host(Network),
}

impl FromStr for Network {
    type Err = ParseNetworkError;

    fn from_str(text: &str) -> Result<Self, ParseNetworkError> {
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| ParseNetworkError::Address)?;
        let (family, longest) = if address.is_ipv4() { ("IPv4", 32) } else { ("IPv6", 128) };
        let Some(length) = length else { return Ok(address.into()) };
        let length = Some(length)
            .filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))
            .and_then(|text| text.parse().ok())
            .filter(|length| *length <= longest)
            .ok_or(ParseNetworkError::Length { family, longest })?;
        let network = Self::new(address, length);
        if network.address == address { Ok(network) } else { Err(ParseNetworkError::Host(network)) }
    }
}

/// A set of networks of both families.
///
/// Looking an address up takes a binary search, so that a set may be large.
///
/// ```
/// use ctnetlink::field::{Network, Networks};
/// let networks: Networks = ["10.0.0.0/8", "2001:db8::1"]
///     .into_iter()
///     .map(str::parse::<Network>)
///     .collect::<Result<_, _>>()?;
/// assert!(networks.contains("10.9.9.9".parse()?));
/// assert!(!networks.contains("2001:db8::2".parse()?));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Networks {
    /// Ascending, each once.
    networks: Vec<Network>,
    v4: Vec<(u128, u128)>,
    v6: Vec<(u128, u128)>,
}

impl Networks {
    /// Whether an address is in one of the networks.
    #[inline]
    pub fn contains(&self, address: IpAddr) -> bool {
        let (ranges, number) = match address {
            IpAddr::V4(address) => (&self.v4, address.to_bits().into()),
            IpAddr::V6(address) => (&self.v6, address.to_bits()),
        };
        let behind = ranges.partition_point(|&(first, _)| first <= number);
        let range = behind.checked_sub(1).and_then(|index| ranges.get(index));
        range.is_some_and(|&(_, last)| number <= last)
    }

    /// The networks, in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = Network> + '_ {
        self.networks.iter().copied()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.networks.is_empty()
    }

    /// The address, if it is the only one.
    pub(crate) fn single(&self) -> Option<IpAddr> {
        match self.networks[..] {
            [network] if network.is_whole() => Some(network.address),
            _ => None,
        }
    }

    /// The family, if all are of one.
    pub(crate) fn family(&self) -> Option<Family> {
        match (self.v4.is_empty(), self.v6.is_empty()) {
            (false, true) => Some(Family::Ipv4),
            (true, false) => Some(Family::Ipv6),
            _ => None,
        }
    }

    /// Whether every address is in it.
    pub(crate) fn is_full(&self) -> bool {
        self.v4 == [(0, u32::MAX.into())] && self.v6 == [(0, u128::MAX)]
    }
}

impl FromIterator<Network> for Networks {
    fn from_iter<I: IntoIterator<Item = Network>>(networks: I) -> Self {
        let mut networks: Vec<_> = networks.into_iter().collect();
        networks.sort();
        networks.dedup();
        let ranges = |family| {
            let mut ranges: Vec<(u128, u128)> = Vec::new();
            for network in networks.iter().filter(|network| network.family() == family) {
                let (first, last) = network.ends();
                match ranges.last_mut() {
                    Some((_, end)) if first <= end.saturating_add(1) => *end = last.max(*end),
                    _ => ranges.push((first, last)),
                }
            }
            ranges
        };
        let (v4, v6) = (ranges(Family::Ipv4), ranges(Family::Ipv6));
        Self { networks, v4, v6 }
    }
}

impl<T: Into<Network>> From<T> for Networks {
    fn from(network: T) -> Self {
        [network.into()].into_iter().collect()
    }
}

/// `10.0.0.0/8,192.0.2.1,2001:db8::/32`.
impl fmt::Display for Networks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut comma = "";
        for network in &self.networks {
            write!(f, "{comma}{network}")?;
            comma = ",";
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn networks(text: &str) -> Networks {
        text.split(',').map(|network| network.parse::<Network>().unwrap()).collect()
    }

    #[test]
    fn the_edges_of_a_network_are_in_it() {
        let set = networks("10.0.0.0/8,192.0.2.7,2001:db8::/32,::1");
        let contains = |address: &str| set.contains(address.parse().unwrap());
        for inside in
            ["10.0.0.0", "10.255.255.255", "192.0.2.7", "2001:db8::", "2001:db8:ffff::1", "::1"]
        {
            assert!(contains(inside), "{inside}");
        }
        for outside in ["9.255.255.255", "11.0.0.0", "192.0.2.6", "192.0.2.8", "2001:db9::", "::"] {
            assert!(!contains(outside), "{outside}");
        }
        // An address of one family is not one of the other that has the same number.
        assert!(!networks("0.0.0.1").contains("::1".parse().unwrap()));
        assert!(networks("0.0.0.0/0,::/0").is_full());
        assert!(networks("0.0.0.0/1,128.0.0.0/1,::/0").is_full());
        assert!(!networks("0.0.0.0/0").is_full());
    }

    #[test]
    fn a_set_prints_sorted_and_once() {
        assert_eq!(networks("::1,10.0.0.0/8,::1,9.9.9.9").to_string(), "9.9.9.9,10.0.0.0/8,::1");
        assert_eq!(networks("10.0.0.0/8,10.1.0.0/16").to_string(), "10.0.0.0/8,10.1.0.0/16");
    }

    #[test]
    fn what_is_no_network_is_told_why() {
        let error = |text: &str| text.parse::<Network>().unwrap_err().to_string();
        assert_eq!(error("10.0.0.0/33"), "the prefix of an IPv4 address is a number from 0 to 32");
        assert_eq!(error("::/+9"), "the prefix of an IPv6 address is a number from 0 to 128");
        assert_eq!(error("10.0.0.0/"), "the prefix of an IPv4 address is a number from 0 to 32");
        assert_eq!(
            error("10.0.0.1/8"),
            "bits are set behind the prefix; for the network write 10.0.0.0/8"
        );
        assert!(error("localhost").contains("not an IPv4 or IPv6 address"));
        assert!(error("10.1").contains("not an IPv4 or IPv6 address"));
    }
}
