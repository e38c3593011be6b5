//! Sets of numbers: ports, protocols, states, zones, labels, ids.

use std::fmt;
use std::ops::RangeInclusive;

/// A set of numbers: ports, zones, ICMP types and the like.
///
/// ```
/// use ctnetlink::field::Numbers;
/// let ports = Numbers::from_iter([80..=80_u16, 8000..=9000]);
/// assert!(ports.contains(8443) && !ports.contains(81));
/// assert_eq!(ports.to_string(), "80,8000-9000");
/// assert_eq!(Numbers::from([443, 80, 81]).to_string(), "80-81,443");
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Numbers {
    /// Ascending, and none touches the next.
    ranges: Vec<(u32, u32)>,
}

impl Numbers {
    /// Whether a number is in the set.
    #[inline]
    pub fn contains(&self, number: u32) -> bool {
        let behind = self.ranges.partition_point(|&(first, _)| first <= number);
        let range = behind.checked_sub(1).and_then(|index| self.ranges.get(index));
        range.is_some_and(|&(_, last)| number <= last)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// The number, if it is the only one.
    pub(crate) fn single(&self) -> Option<u32> {
        match self.ranges[..] {
            [(first, last)] if first == last => Some(first),
            _ => None,
        }
    }

    /// Those up to `most`, for fields that are narrower.
    pub(crate) fn up_to(self, most: u32) -> Self {
        self.ranges.into_iter().map(|(first, last)| first..=last.min(most)).collect()
    }

    /// Whether every number up to `most` is in it.
    pub(crate) fn is_full(&self, most: u32) -> bool {
        matches!(self.ranges[..], [(0, last)] if last >= most)
    }

    /// The numbers one by one, which should be few.
    pub(crate) fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.ranges.iter().flat_map(|&(first, last)| first..=last)
    }
}

impl<N: Into<u32>> FromIterator<RangeInclusive<N>> for Numbers {
    fn from_iter<I: IntoIterator<Item = RangeInclusive<N>>>(ranges: I) -> Self {
        let given = ranges.into_iter().map(RangeInclusive::into_inner);
        let given = given.map(|(first, last)| (first.into(), last.into()));
        let mut given: Vec<(u32, u32)> = given.filter(|(first, last)| first <= last).collect();
        given.sort_unstable();
        let mut ranges: Vec<(u32, u32)> = Vec::with_capacity(given.len());
        for (first, last) in given {
            match ranges.last_mut() {
                Some((_, end)) if first <= end.saturating_add(1) => *end = last.max(*end),
                _ => ranges.push((first, last)),
            }
        }
        Self { ranges }
    }
}

impl FromIterator<u16> for Numbers {
    fn from_iter<I: IntoIterator<Item = u16>>(numbers: I) -> Self {
        numbers.into_iter().map(|number| number..=number).collect()
    }
}

impl From<u16> for Numbers {
    fn from(number: u16) -> Self {
        [number].into_iter().collect()
    }
}

impl From<RangeInclusive<u16>> for Numbers {
    fn from(range: RangeInclusive<u16>) -> Self {
        [range].into_iter().collect()
    }
}

impl<const N: usize> From<[u16; N]> for Numbers {
    fn from(numbers: [u16; N]) -> Self {
        numbers.into_iter().collect()
    }
}

/// `80,8000-9000`.
impl fmt::Display for Numbers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut comma = "";
        for &(first, last) in &self.ranges {
            write!(f, "{comma}{first}")?;
            if first != last {
                write!(f, "-{last}")?;
            }
            comma = ",";
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overlapping_and_touching_ranges_become_one() {
        let numbers = Numbers::from_iter([5..=9_u16, 1..=2, 3..=3, 7..=20, 30..=30]);
        assert_eq!(numbers.to_string(), "1-3,5-20,30");
        let empty = RangeInclusive::new(9_u16, 5);
        assert!(Numbers::from(empty).is_empty());
        assert!(Numbers::from(0..=u16::MAX).is_full(65_535));
        let ends = Numbers::from([0, u16::MAX]);
        assert!(ends.contains(0) && ends.contains(65_535) && !ends.contains(1));
        assert_eq!((ends.single(), Numbers::from(7).single()), (None, Some(7)));
    }

    #[test]
    fn a_number_is_in_it_if_it_is_in_a_range_given() {
        let given = [3..=5_u16, 9..=9, 100..=200, 150..=250];
        let numbers: Numbers = given.clone().into_iter().collect();
        for number in 0..300_u16 {
            let given = given.iter().any(|range| range.contains(&number));
            assert_eq!(numbers.contains(number.into()), given);
        }
    }
}
