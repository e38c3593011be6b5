//! Many requests to a send, and the answer to each.

use std::ops::ControlFlow;

use bytes::BytesMut;
use netlink_packet_core::{NLM_F_ACK, NLM_F_REQUEST, NetlinkHeader};

use super::Reader;
use super::sent::{Sent, request_of};
use crate::error::{Error, Result};
use crate::wire::Messages;
use crate::wire::ctnetlink::NFNL_SUBSYS_CTNETLINK;
use crate::wire::writer::Writer;

/// Requests to a send at most. More gain little, and a batch that fails as a whole is answered by
/// as many errors, which have to fit the socket.
const BATCH: usize = 128;

/// What requests of one kind have in common, and how one is made.
pub(super) trait Kind<T> {
    const OPERATION: &'static str;
    const MESSAGE: u8;
    const FLAGS: u16;

    fn family(item: &T) -> u8;
    fn attributes(item: &T, writer: &mut Writer<'_>);
}

impl Reader {
    /// Makes a request for every item, many at a time, and hands each with its answer to `answer`,
    /// in their order, until it breaks. Those of the same send as the one it breaks at were made.
    ///
    /// # Errors
    ///
    /// The first failure that is not one item's own: no privilege, a lost answer. Items that were
    /// not handed to `answer` were not tried, or (a batch of them at most) may have been.
    pub(super) fn pipeline<T, K: Kind<T>>(
        &mut self,
        items: impl IntoIterator<Item = T>,
        mut answer: impl FnMut(T, Result<()>) -> ControlFlow<()>,
    ) -> Result<()> {
        self.settle()?;
        let most = self.socket.answers().min(BATCH);
        let mut items = items.into_iter().peekable();
        let (mut batch, mut buffer) = (Vec::with_capacity(most), BytesMut::new());
        while items.peek().is_some() {
            batch.extend(items.by_ref().take(most));
            buffer.clear();
            let first = self.sequence.wrapping_add(1);
            for (index, item) in batch.iter().enumerate() {
                let mut header = NetlinkHeader::default();
                header.message_type = u16::from_be_bytes([NFNL_SUBSYS_CTNETLINK, K::MESSAGE]);
                // Errors come unasked; the acknowledgement of the last ends the batch.
                let last = if index + 1 == batch.len() { NLM_F_ACK } else { 0 };
                header.flags = K::FLAGS | NLM_F_REQUEST | last;
                header.sequence_number = self.next_sequence();
                header.port_number = self.socket.port();
                let write = |writer: &mut Writer<'_>| K::attributes(item, writer);
                Writer::new(&mut buffer).message(header, K::family(item), write);
            }
            let mut answers = self.exchange(&buffer, first, K::OPERATION)?;
            answers.sort_by_key(|(sequence, _)| sequence.wrapping_sub(first));
            let mut answers = answers.into_iter().peekable();
            for (index, item) in (0_u32..).zip(batch.drain(..)) {
                let sequence = first.wrapping_add(index);
                let own = answers.next_if(|(answered, _)| *answered == sequence);
                let own = own.map_or(Ok(()), |(_, error)| Err(error));
                if answer(item, own).is_break() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Sends a batch whose sequence numbers run from `first` to the current one, waits for the
    /// answer to the last, and returns the errors among them.
    fn exchange(
        &mut self,
        batch: &[u8],
        first: u32,
        operation: &'static str,
    ) -> Result<Vec<(u32, Error)>> {
        let (last, port) = (self.sequence, self.socket.port());
        self.socket.send(batch, operation)?;
        self.abandoned = true; // until the last was answered
        let mut answers = Vec::new();
        loop {
            let length = self.socket.receive(operation)?;
            for message in Messages::new(self.socket.datagram(length)) {
                let mut sent = Sent { operation, ..Sent::nothing() };
                let message = message.map_err(|source| sent.malformed(source))?;
                let index = message.sequence.wrapping_sub(first);
                if message.port != port || index > last.wrapping_sub(first) || !message.is_error() {
                    continue;
                }
                sent.bytes = request_of(batch, message.sequence);
                if let Err(error) = sent.outcome(&message) {
                    if error.is_permission_denied() && message.sequence == first {
                        // Without the privilege only the first request of a send is answered.
                        self.abandoned = false;
                        return Err(error);
                    }
                    answers.push((message.sequence, error));
                }
                if message.sequence == last {
                    self.abandoned = false;
                    return Ok(answers);
                }
            }
        }
    }
}
