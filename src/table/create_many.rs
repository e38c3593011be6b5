//! Synthetic entries, many to a datagram.

use bytes::BytesMut;

use super::Conntrack;
use super::exchange::PendingRequest;
use crate::error::{Error, ErrorKind, Result};
use crate::flow::{Flow, Purpose, encode};
use crate::socket::Request;
use crate::wire::Messages;
use crate::wire::ctnetlink::IPCTNL_MSG_CT_NEW;

/// The most requests in a datagram. More gain little, and if all of them fail, as many errors have to
/// fit the socket.
const BATCH: usize = 128;

const OPERATION: &str = "create entries";

impl Conntrack {
    /// Creates `flows`, all of which must be new, and returns how many it made.
    ///
    /// # Errors
    ///
    /// The first refusal of the kernel. Entries before it, and up to a batch of those behind it,
    /// are made.
    pub(crate) fn create_all(&mut self, flows: impl IntoIterator<Item = Flow>) -> Result<u64> {
        self.settle()?;
        let most = self.socket.answers().min(BATCH);
        let (mut flows, mut made) = (flows.into_iter().peekable(), 0);
        let mut datagram = BytesMut::new();
        while flows.peek().is_some() {
            datagram.clear();
            let (first, port) = (self.sequence.wrapping_add(1), self.socket.port());
            for number in 1..=most {
                let Some(flow) = flows.next() else { break };
                let request = Request::one_of_many(OPERATION, IPCTNL_MSG_CT_NEW).exclusive();
                let request = request.family(Some(flow.original.family()));
                // Errors come unasked; the acknowledgement of the last ends the send.
                let is_last = number == most || flows.peek().is_none();
                let request = if is_last { request.acknowledged() } else { request };
                request.append(&mut datagram, self.next_sequence(), port, |writer| {
                    encode(&flow, Purpose::Create, writer);
                });
                made += 1;
            }
            self.exchange(&datagram, first)?;
        }
        Ok(made)
    }

    /// Sends requests whose sequence numbers run from `first` to the current one, and waits for the
    /// answer to the last. Fails with the error of the first that was refused.
    fn exchange(&mut self, datagram: &[u8], first: u32) -> Result<()> {
        let (last, port) = (self.sequence, self.socket.port());
        self.socket.send(datagram, OPERATION)?;
        self.abandoned = true; // until the last was answered
        let mut refused: Option<(u32, Error)> = None;
        loop {
            let length = self.socket.receive(OPERATION)?;
            for message in Messages::new(self.socket.datagram(length)) {
                let malformed = |source| ErrorKind::Malformed { operation: OPERATION, source };
                let message = message.map_err(malformed)?;
                let index = message.sequence.wrapping_sub(first);
                if message.port != port || index > last.wrapping_sub(first) || !message.is_error() {
                    continue;
                }
                let pending = PendingRequest::one_of(datagram, message.sequence, OPERATION);
                let mut is_last = message.sequence == last;
                if let Err(error) = pending.outcome(&message) {
                    // Without the privilege only the first request of a send is answered.
                    is_last |= error.is_permission_denied() && index == 0;
                    if refused.as_ref().is_none_or(|(earlier, _)| index < *earlier) {
                        refused = Some((index, error));
                    }
                }
                if is_last {
                    self.abandoned = false;
                    return refused.map_or(Ok(()), |(_, error)| Err(error));
                }
            }
        }
    }
}
