//! The message format: netlink messages and attributes, read in place.
//!
//! **Contract.** A length is checked once, when its item is taken from the iterator; the payload that
//! comes out is whole. Nothing here panics, allocates or trusts a length field. What this crate does
//! not know is skipped and never refused: newer kernels add attributes, and those stay readable
//! through [`Attributes`]. A malformed item ends its iterator with one [`WireError`].
//!
//! This folder knows bytes and the kernel's numbers. It must not know what a flow is, and it must
//! not do I/O.

pub mod attribute;
pub mod ctnetlink;
pub mod extack;
pub mod message;
pub(crate) mod writer;

pub use attribute::{Attribute, Attributes};
pub use extack::{ExtendedAck, KernelStatus};
pub use message::{Message, Messages, NetfilterHeader};

/// Bytes that are not what the format says they must be.
///
/// Small, `Copy` and free of allocation, since it may occur once per entry of a damaged capture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("malformed {what}: {problem}")]
#[non_exhaustive]
pub struct WireError {
    /// The kernel's name of the structure or attribute, such as `CTA_TUPLE_ORIG`.
    pub what: &'static str,
    /// What is wrong with it.
    pub problem: WireProblem,
}

/// What is wrong with the bytes a [`WireError`] names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WireProblem {
    /// The buffer ends before the structure does.
    #[error("{need} bytes needed, {have} there")]
    Truncated {
        /// Bytes the structure claims or needs.
        need: usize,
        /// Bytes that are left.
        have: usize,
    },
    /// A length field or a fixed-size payload has a value it cannot have.
    #[error("length {0} is not possible here")]
    Length(usize),
    /// A part the structure cannot be without is missing.
    #[error("{0} is missing")]
    Missing(&'static str),
}

impl WireError {
    pub(crate) const fn truncated(what: &'static str, need: usize, have: usize) -> Self {
        Self { what, problem: WireProblem::Truncated { need, have } }
    }

    pub(crate) const fn length(what: &'static str, length: usize) -> Self {
        Self { what, problem: WireProblem::Length(length) }
    }

    pub(crate) const fn missing(what: &'static str, part: &'static str) -> Self {
        Self { what, problem: WireProblem::Missing(part) }
    }
}

/// Rounds a length up to four bytes, since every netlink structure starts at a multiple of four.
pub(crate) const fn align(length: usize) -> usize {
    (length + 3) & !3
}
