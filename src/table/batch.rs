//! The entries of one datagram.

use std::ops::Range;

use super::sent::Sent;
use crate::flow::FlowRef;
use crate::wire::{Message, Messages, WireError};

/// The entries of one datagram, borrowed from the receive buffer.
#[derive(Debug, Clone, Copy)]
pub struct Batch<'b> {
    pub(super) datagram: &'b [u8],
    pub(super) sent: &'b Sent,
    /// Where in the datagram the entries are that a filter kept; `None` keeps all.
    pub(super) kept: Option<&'b [Range<usize>]>,
}

impl<'b> Batch<'b> {
    /// The entries, each checked as it is taken. One that cannot be read is an error of its own;
    /// the ones behind it are not lost.
    pub fn flows(&self) -> impl Iterator<Item = Result<FlowRef<'b>, WireError>> + use<'b> {
        self.entries().map(|entry| FlowRef::parse(entry?))
    }

    /// The entries, as the attributes behind the netfilter header.
    pub(crate) fn entries(&self) -> impl Iterator<Item = Result<&'b [u8], WireError>> + use<'b> {
        let Self { datagram, sent, kept } = *self;
        let all = kept.is_none().then(|| entries(datagram, sent)).into_iter().flatten();
        let some = kept.unwrap_or_default().iter();
        // Only what was in it can have been kept.
        all.chain(some.filter_map(|kept| datagram.get(kept.clone()).map(Ok)))
    }
}

fn entries<'b>(
    datagram: &'b [u8],
    sent: &'b Sent,
) -> impl Iterator<Item = Result<&'b [u8], WireError>> + use<'b> {
    Messages::new(datagram)
        .map_while(Result::ok) // checked by `DumpEnd::note`
        .filter(move |message: &Message<'_>| sent.is_reply(message) && sent.is_entry(message))
        .map(|message| message.netfilter().map(|(_, attributes)| attributes))
}
