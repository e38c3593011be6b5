//! Which attributes of an entry somebody needs.

/// A set of attributes, one bit for each kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Needs(u32);

impl Needs {
    pub(crate) const NOTHING: Self = Self(0);
    /// Those that this crate does not know, too.
    pub(crate) const EVERYTHING: Self = Self(u32::MAX);

    pub(crate) const fn of(kinds: &[u16]) -> Self {
        let (mut bits, mut at) = (0, 0);
        while at < kinds.len() {
            #[allow(clippy::indexing_slicing)] // There are no iterators in constants.
            {
                bits |= 1 << kinds[at];
            }
            at += 1;
        }
        Self(bits)
    }

    pub(crate) const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(crate) const fn is_none(self) -> bool {
        self.0 == 0
    }

    #[inline]
    pub(crate) fn contains(self, kind: u16) -> bool {
        1_u32.checked_shl(kind.into()).is_some_and(|bit| self.0 & bit != 0)
    }

    #[inline]
    pub(crate) fn without(self, kind: u16) -> Self {
        Self(self.0 & !1_u32.checked_shl(kind.into()).unwrap_or_default())
    }
}
