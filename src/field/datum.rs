//! What one entry says about one field.

use std::borrow::Cow;
use std::net::IpAddr;

use crate::flow::Labels;

/// What an entry says about a field. What it means depends on the field's [kind](super::Kind): the number of a
/// protocol, the code of a state, nanoseconds, bits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Datum<'e> {
    Number(u64),
    Address(IpAddr),
    Labels(Labels),
    Text(Cow<'e, str>),
}

impl<N: Into<u64>> From<N> for Datum<'_> {
    #[inline]
    fn from(number: N) -> Self {
        Self::Number(number.into())
    }
}

impl Datum<'_> {
    /// The number; 0 for what is none.
    #[inline]
    pub(crate) fn number(&self) -> u64 {
        if let Self::Number(number) = self { *number } else { 0 }
    }
}
