//! Synthetic entries, many to a send: it adds what is not there, and nothing else.

use bytes::BytesMut;
use netlink_packet_core::{NLM_F_ACK, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REQUEST, NetlinkHeader};

use super::Conntrack;
use super::sent::Sent;
use crate::error::Result;
use crate::flow::{Flow, Purpose, encode};
use crate::wire::Messages;
use crate::wire::ctnetlink::{IPCTNL_MSG_CT_NEW, NFNL_SUBSYS_CTNETLINK};
use crate::wire::writer::Writer;

/// Requests to a send. More gain little, and the socket's send buffer (208 KiB by default) and the
/// error replies of a batch that fails as a whole must fit, too.
const BATCH: usize = 128;

impl Conntrack {
    /// Creates `flows`, all of which must be new, and returns how many it made.
    ///
    /// # Errors
    ///
    /// The first refusal of the kernel. Entries before it, and up to [`BATCH`] ones behind it, are
    /// made.
    pub(crate) fn create_all(&mut self, flows: impl IntoIterator<Item = Flow>) -> Result<u64> {
        self.settle()?;
        let mut flows = flows.into_iter().peekable();
        let mut buffer = BytesMut::new();
        let mut made = 0;
        while flows.peek().is_some() {
            buffer.clear();
            let mut writer = Writer::new(&mut buffer);
            let first = self.sequence.wrapping_add(1);
            let mut batch = 0_u32;
            while let Some(flow) = flows.next_if(|_| batch < BATCH as u32) {
                batch += 1;
                let last = batch == BATCH as u32 || flows.peek().is_none();
                let mut header = NetlinkHeader::default();
                header.message_type =
                    u16::from_be_bytes([NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_NEW]);
                header.flags = NLM_F_REQUEST | NLM_F_CREATE | NLM_F_EXCL;
                if last {
                    // Errors come unasked; the acknowledgement of the last ends the batch.
                    header.flags |= NLM_F_ACK;
                }
                header.sequence_number = self.next_sequence();
                header.port_number = self.socket.port();
                let family = flow.original.family().number();
                writer.message(header, family, |writer| encode(&flow, Purpose::Create, writer));
            }
            self.send_batch(&buffer, first)?;
            made += u64::from(batch);
        }
        Ok(made)
    }

    /// Sends a batch whose sequence numbers run from `first` to the current one, and waits for the
    /// answer to the last.
    fn send_batch(&mut self, batch: &[u8], first: u32) -> Result<()> {
        let operation = "create entries";
        let (last, port) = (self.sequence, self.socket.port());
        self.socket.send(batch, operation)?;
        let mut outcome = Ok(());
        loop {
            let length = self.socket.receive(operation)?;
            for message in Messages::new(self.socket.datagram(length)) {
                let sequence = message.map_or(0, |message| message.sequence);
                let sent = Sent { operation, sequence, port, bytes: Vec::new(), family: None };
                let message = message.map_err(|source| sent.malformed(source))?;
                if message.port != port || !(first..=last).contains(&sequence) {
                    continue;
                }
                if message.is_error() {
                    outcome = outcome.and(sent.outcome(&message));
                }
                if sequence == last || outcome.as_ref().is_err_and(|e| e.is_permission_denied()) {
                    // Without the privilege only the first request of a send is answered.
                    return outcome;
                }
            }
        }
    }
}
