//! The entries of one datagram.

use std::ops::Range;

use crate::flow::FlowRef;
use crate::wire::WireError;

/// The entries of one datagram, borrowed from the receive buffer.
#[derive(Debug, Clone, Copy)]
pub struct Batch<'b> {
    pub(crate) datagram: &'b [u8],
    /// Where in the datagram the entries are, as the attributes behind the netfilter header.
    pub(super) entries: &'b [Range<usize>],
}

impl<'b> Batch<'b> {
    /// The entries, each checked as it is taken. One that cannot be read is an error of its own;
    /// the ones behind it are not lost.
    pub fn flows(&self) -> impl Iterator<Item = Result<FlowRef<'b>, WireError>> + use<'b> {
        self.entries().map(FlowRef::parse)
    }

    /// The entries, as the attributes behind the netfilter header.
    pub(crate) fn entries(&self) -> impl Iterator<Item = &'b [u8]> + use<'b> {
        let Self { datagram, entries } = *self;
        // Only what was in it can have been noted.
        entries.iter().filter_map(|entry| datagram.get(entry.clone()))
    }
}
