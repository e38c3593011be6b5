//! Attributes (`struct nlattr`): a length, a kind and a payload, padded to four bytes.
//!
//! ```text
//!  0        2        4                    length      next multiple of 4
//! +--------+--------+--------------------+- - - - - -+
//! | length |  kind  |      payload       |  padding  |
//! +--------+--------+--------------------+- - - - - -+
//!            bit 15: the payload is attributes again (NLA_F_NESTED)
//!            bit 14: the payload is in network order (NLA_F_NET_BYTEORDER, never set here)
//! ```
//!
//! Length and kind are in host order. Payloads of ctnetlink are in network order, so the getters
//! are named after it.

use netlink_packet_core::{NLA_F_NESTED, NLA_TYPE_MASK};

use super::{WireError, align};

/// One attribute, borrowed from the buffer it was read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attribute<'a> {
    /// The kind without its two flag bits, a `CTA_…` number of the nest this stands in.
    pub kind: u16,
    /// Whether the kernel marked the payload as a nest. A hint only: kernels before 4.6 or so and
    /// user programs leave it out.
    pub nested: bool,
    /// The payload, without padding.
    pub payload: &'a [u8],
}

impl<'a> Attribute<'a> {
    /// The attributes inside this one.
    pub fn attributes(&self) -> Attributes<'a> {
        Attributes::new(self.payload)
    }

    /// Exactly `N` bytes. `what` names the attribute in the error.
    pub(crate) fn fixed<const N: usize>(&self, what: &'static str) -> Result<[u8; N], WireError> {
        <[u8; N]>::try_from(self.payload).map_err(|_| WireError::length(what, self.payload.len()))
    }

    /// A byte. `what` names the attribute in the error.
    pub fn u8(&self, what: &'static str) -> Result<u8, WireError> {
        self.fixed::<1>(what).map(|[byte]| byte)
    }

    /// A 16-bit number in network order. `what` names the attribute in the error.
    pub fn be16(&self, what: &'static str) -> Result<u16, WireError> {
        self.fixed(what).map(u16::from_be_bytes)
    }

    /// A 32-bit number in network order. `what` names the attribute in the error.
    pub fn be32(&self, what: &'static str) -> Result<u32, WireError> {
        self.fixed(what).map(u32::from_be_bytes)
    }

    /// A 64-bit number in network order, at any alignment. `what` names the attribute in the
    /// error.
    pub fn be64(&self, what: &'static str) -> Result<u64, WireError> {
        self.fixed(what).map(u64::from_be_bytes)
    }

    /// A string without the zero byte that ends it.
    pub fn text(&self) -> &'a [u8] {
        self.payload.split(|&byte| byte == 0).next().unwrap_or_default()
    }
}

/// The attributes of a buffer, in the order they stand in.
///
/// Ends after the first malformed one, which it reports once.
#[derive(Debug, Clone)]
pub struct Attributes<'a> {
    rest: &'a [u8],
}

impl<'a> Attributes<'a> {
    /// Bytes of an attribute's header.
    pub const HEADER: usize = 4;

    /// Reads `buffer` as attributes.
    pub fn new(buffer: &'a [u8]) -> Self {
        Self { rest: buffer }
    }

    /// The attributes of a nest by their kind: kind 1 comes first. Of several of one kind the last
    /// is taken, and kinds above `N` are skipped.
    #[inline]
    pub(crate) fn by_kind<const N: usize>(self) -> Result<[Option<Attribute<'a>>; N], WireError> {
        let mut found = [None; N];
        for attribute in self {
            let attribute = attribute?;
            if let Some(place) = found.get_mut(usize::from(attribute.kind).wrapping_sub(1)) {
                *place = Some(attribute);
            }
        }
        Ok(found)
    }

    /// The next attribute; `None` at the end, and before a malformed one. For the hottest loop,
    /// which must ask [`remainder`](Self::remainder) afterwards.
    #[inline]
    pub(crate) fn step(&mut self) -> Option<Attribute<'a>> {
        let &[l0, l1, k0, k1] = self.rest.first_chunk()?;
        let length = usize::from(u16::from_ne_bytes([l0, l1]));
        let kind = u16::from_ne_bytes([k0, k1]);
        let payload = self.rest.get(Self::HEADER..length)?;
        // The last attribute of a message need not be padded.
        self.rest = self.rest.get(align(length)..).unwrap_or_default();
        Some(Attribute { kind: kind & NLA_TYPE_MASK, nested: kind & NLA_F_NESTED != 0, payload })
    }

    /// Bytes that are left to read.
    pub(crate) fn left(&self) -> usize {
        self.rest.len()
    }

    /// Whether [`step`](Self::step) has reached the end, or what it has stopped at.
    pub(crate) fn remainder(&self) -> Result<(), WireError> {
        const WHAT: &str = "attribute";
        let have = self.rest.len();
        let length = self.rest.first_chunk().map(|length| u16::from_ne_bytes(*length).into());
        match length.filter(|_| have >= Self::HEADER) {
            _ if have == 0 => Ok(()),
            None => Err(WireError::truncated(WHAT, Self::HEADER, have)),
            Some(length) if length < Self::HEADER => Err(WireError::length(WHAT, length)),
            Some(length) => Err(WireError::truncated(WHAT, length, have)),
        }
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = Result<Attribute<'a>, WireError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if let Some(attribute) = self.step() {
            return Some(Ok(attribute));
        }
        let end = self.remainder();
        self.rest = &[];
        end.err().map(Err)
    }
}

impl std::iter::FusedIterator for Attributes<'_> {}
