//! Every entry of the table, streamed.

use std::ops::ControlFlow;

use super::Reader;
use super::sent::Sent;
use crate::error::{ErrorKind, Result};
use crate::flow::{Family, Flow, FlowRef};
use crate::socket::Request;
use crate::wire::ctnetlink::{IPCTNL_MSG_CT_GET, IPCTNL_MSG_CT_NEW, NFNL_SUBSYS_CTNETLINK};
use crate::wire::{Message, Messages, WireError};

use netlink_packet_core::{NLM_F_DUMP_FILTERED, NLM_F_DUMP_INTR};

/// What to dump. The default is the whole table.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DumpOptions {
    family: Option<Family>,
}

impl DumpOptions {
    /// The whole table: both families in one pass.
    pub const fn new() -> Self {
        Self { family: None }
    }

    /// Entries of one address family only. The kernel leaves the others out, on every version.
    #[must_use]
    pub const fn family(mut self, family: Family) -> Self {
        self.family = Some(family);
        self
    }
}

/// How a dump went.
///
/// A dump is not a snapshot: entries come and go while it runs. Those that were there all along
/// are seen once; those that came or went may be seen or not, and one whose neighbour went at the
/// wrong moment may be seen twice.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DumpEnd {
    /// Entries the kernel sent.
    pub entries: u64,
    /// Datagrams they came in.
    pub datagrams: u64,
    /// Bytes they came in.
    pub bytes: u64,
    /// The kernel said that the table changed under the dump in a way it cannot make up for. No
    /// kernel up to 6.18 says so for this table.
    #[doc(alias = "NLM_F_DUMP_INTR")]
    pub interrupted: bool,
    /// The kernel said that it applied a filter (5.8 and later; the family is one).
    #[doc(alias = "NLM_F_DUMP_FILTERED")]
    pub kernel_filtered: bool,
    /// Messages that were not an answer to this dump, and were skipped.
    pub foreign: u64,
}

impl DumpEnd {
    /// Notes what a datagram holds. Returns the outcome of the dump, if it is in there.
    fn note(&mut self, datagram: &[u8], sent: &Sent) -> Result<Option<Result<()>>> {
        let mut outcome = None;
        self.datagrams += 1;
        self.bytes += datagram.len() as u64;
        for message in Messages::new(datagram) {
            let message = message.map_err(|source| sent.malformed(source))?;
            if !sent.is_reply(&message) {
                self.foreign += 1;
                continue;
            }
            self.interrupted |= message.flags & NLM_F_DUMP_INTR != 0;
            if is_entry(&message) {
                self.entries += 1;
                self.kernel_filtered |= message.flags & NLM_F_DUMP_FILTERED != 0;
            } else if message.is_done() || message.is_error() {
                outcome = Some(sent.outcome(&message));
            } else if message.is_overrun() {
                return Err(ErrorKind::Overrun { operation: sent.operation }.into());
            } else {
                self.foreign += 1;
            }
        }
        Ok(outcome)
    }
}

/// A dump under way.
///
/// Read it to the end with [`next_batch`](Self::next_batch), [`for_each`](Self::for_each) or
/// [`flows`](Self::flows). Dropping it half-way is fine: the next request on the handle starts
/// clean.
#[derive(Debug)]
#[must_use = "a dump does nothing until it is read"]
pub struct Dump<'t> {
    table: &'t mut Reader,
    sent: Sent,
    end: DumpEnd,
    done: bool,
}

/// The entries of one datagram, borrowed from the receive buffer.
#[derive(Debug, Clone, Copy)]
pub struct Batch<'b> {
    datagram: &'b [u8],
    sequence: u32,
    port: u32,
}

impl Reader {
    /// Starts a dump of the table.
    ///
    /// # Errors
    ///
    /// [`PermissionDenied`](ErrorKind::PermissionDenied) and other refusals show when the dump is
    /// read.
    ///
    /// # Cost
    ///
    /// About 2 µs of kernel time per entry, spent inside the calls that read it, and a walk over
    /// the table of the whole host, other namespaces' entries included (0.2 µs each).
    ///
    /// ```no_run
    /// # fn main() -> ctnetlink::Result<()> {
    /// let mut table = ctnetlink::Conntrack::open()?;
    /// let mut dump = table.dump(Default::default())?;
    /// while let Some(batch) = dump.next_batch()? {
    ///     for flow in batch.flows().flatten() {
    ///         println!("{} {}", flow.protocol(), flow.original());
    ///     }
    /// }
    /// # Ok(()) }
    /// ```
    #[doc(alias = "IPCTNL_MSG_CT_GET")]
    pub fn dump(&mut self, options: DumpOptions) -> Result<Dump<'_>> {
        let request = Request::dump("dump the table", IPCTNL_MSG_CT_GET).family(options.family);
        let sent = self.send(&request)?;
        self.abandoned = true; // until its end was read
        Ok(Dump { table: self, sent, end: DumpEnd::default(), done: false })
    }
}

impl Dump<'_> {
    /// The next entries, or `None` at the end.
    ///
    /// # Errors
    ///
    /// Any error ends the dump. [`Overrun`](ErrorKind::Overrun) means: start it again.
    pub fn next_batch(&mut self) -> Result<Option<Batch<'_>>> {
        let length = match self.advance() {
            Ok(Some(length)) => length,
            Ok(None) => return Ok(None),
            Err(error) => {
                self.done = true;
                return Err(error);
            }
        };
        Ok(Some(Batch {
            datagram: self.table.socket.datagram(length),
            sequence: self.sent.sequence,
            port: self.sent.port,
        }))
    }

    /// Receives until a datagram holds entries, and says how long that one is.
    fn advance(&mut self) -> Result<Option<usize>> {
        while !self.done {
            let length = self.table.socket.receive(self.sent.operation)?;
            let before = self.end.entries;
            let datagram = self.table.socket.datagram(length);
            if let Some(outcome) = self.end.note(datagram, &self.sent)? {
                self.done = true;
                self.table.abandoned = false;
                outcome?;
            }
            if self.end.entries > before {
                return Ok(Some(length));
            }
        }
        Ok(None)
    }

    /// How it went so far; complete once [`next_batch`](Self::next_batch) has returned `None`.
    pub fn end(&self) -> DumpEnd {
        self.end
    }

    /// Shows every entry to `look`, until it breaks.
    ///
    /// # Errors
    ///
    /// As [`next_batch`](Self::next_batch), and
    /// [`Malformed`](ErrorKind::Malformed) for an entry that cannot be read.
    pub fn for_each(
        mut self,
        mut look: impl FnMut(FlowRef<'_>) -> ControlFlow<()>,
    ) -> Result<DumpEnd> {
        let operation = self.sent.operation;
        'dump: while let Some(batch) = self.next_batch()? {
            for flow in batch.flows() {
                let flow = flow.map_err(|source| ErrorKind::Malformed { operation, source })?;
                if look(flow).is_break() {
                    break 'dump;
                }
            }
        }
        Ok(self.end)
    }
}

impl<'t> Dump<'t> {
    /// The entries as an ordinary iterator of owned flows: the easy way, for tables that fit in
    /// memory or entries that are filtered at once.
    pub fn flows(self) -> Flows<'t> {
        Flows { dump: self, ready: Vec::new().into_iter() }
    }
}

impl<'b> Batch<'b> {
    /// The entries, each checked as it is taken. One that cannot be read is an error of its own;
    /// the ones behind it are not lost.
    pub fn flows(&self) -> impl Iterator<Item = Result<FlowRef<'b>, WireError>> + use<'b> {
        self.entries().map(|entry| FlowRef::parse(entry?))
    }

    /// The entries, as the attributes behind the netfilter header.
    pub(crate) fn entries(&self) -> impl Iterator<Item = Result<&'b [u8], WireError>> + use<'b> {
        let Self { datagram, sequence, port } = *self;
        Messages::new(datagram)
            .map_while(Result::ok) // checked by `judge`
            .filter(move |message| {
                message.sequence == sequence && message.port == port && is_entry(message)
            })
            .map(|message| message.netfilter().map(|(_, attributes)| attributes))
    }
}

fn is_entry(message: &Message<'_>) -> bool {
    message.kind == u16::from_be_bytes([NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_NEW])
}

/// The entries of a [`Dump`] as owned [`Flow`]s. Made by [`Dump::flows`].
#[derive(Debug)]
pub struct Flows<'t> {
    dump: Dump<'t>,
    ready: std::vec::IntoIter<Result<Flow, WireError>>,
}

impl Flows<'_> {
    /// How the dump went so far; complete once the iterator has ended.
    pub fn end(&self) -> DumpEnd {
        self.dump.end()
    }
}

impl Iterator for Flows<'_> {
    type Item = Result<Flow>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(flow) = self.ready.next() {
                return Some(flow.map_err(|source| self.dump.sent.malformed(source)));
            }
            match self.dump.next_batch() {
                Ok(Some(batch)) => {
                    let flows: Vec<_> =
                        batch.flows().map(|flow| flow.map(|flow| flow.to_owned())).collect();
                    self.ready = flows.into_iter();
                }
                Ok(None) => return None,
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

impl std::iter::FusedIterator for Flows<'_> {}

#[cfg(test)]
mod tests {
    use super::*;

    const ENTRY: u16 = 0x0100;
    const DONE: u16 = 3;
    const SENT: Sent = Sent { operation: "dump", sequence: 7, port: 9, bytes: Vec::new() };

    /// A message with `payload` behind its header.
    fn message(kind: u16, flags: u16, sequence: u32, port: u32, payload: &[u8]) -> Vec<u8> {
        let mut bytes = (16 + payload.len() as u32).to_ne_bytes().to_vec();
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(flags.to_ne_bytes());
        bytes.extend(sequence.to_ne_bytes());
        bytes.extend(port.to_ne_bytes());
        bytes.extend(payload);
        bytes
    }

    fn note(messages: &[Vec<u8>]) -> (DumpEnd, Result<Option<Result<()>>>) {
        let mut end = DumpEnd::default();
        let outcome = end.note(&messages.concat(), &SENT);
        (end, outcome)
    }

    #[test]
    fn only_answers_to_this_dump_count() {
        let messages = [
            message(ENTRY, 2, 7, 9, &[2, 0, 0, 0]),
            message(ENTRY, 2, 6, 9, &[2, 0, 0, 0]), // of an earlier request
            message(ENTRY, 2, 7, 8, &[2, 0, 0, 0]), // to another socket
            message(0x0a00, 2, 7, 9, &[2, 0, 0, 0]), // of another subsystem
            message(ENTRY, 2, 7, 9, &[10, 0, 0, 0]),
        ];
        let (end, outcome) = note(&messages);
        assert_eq!((end.entries, end.foreign, end.datagrams), (2, 3, 1));
        assert_eq!(end.bytes, 100);
        assert!(outcome.unwrap().is_none());

        let datagram = messages.concat();
        let batch = Batch { datagram: &datagram, sequence: 7, port: 9 };
        assert_eq!(batch.entries().count(), 2);
    }

    #[test]
    fn flags_of_the_kernel_are_noted() {
        let (end, _) = note(&[message(ENTRY, 0x22, 7, 9, &[2, 0, 0, 0])]);
        assert!(end.kernel_filtered && !end.interrupted);
        let (end, outcome) = note(&[message(DONE, 0x12, 7, 9, &[0; 4])]);
        assert!(end.interrupted && !end.kernel_filtered);
        assert!(outcome.unwrap().unwrap().is_ok());
    }

    #[test]
    fn a_dump_may_fail_at_its_end() {
        let code = (-105_i32).to_ne_bytes();
        let (end, outcome) =
            note(&[message(ENTRY, 2, 7, 9, &[2, 0, 0, 0]), message(DONE, 2, 7, 9, &code)]);
        assert_eq!(end.entries, 1);
        let error = outcome.unwrap().unwrap().unwrap_err();
        assert!(error.is_transient(), "{error}");
        // The end of another dump is not ours.
        assert!(note(&[message(DONE, 2, 6, 9, &code)]).1.unwrap().is_none());
    }

    #[test]
    fn an_overrun_or_a_broken_message_ends_it() {
        let (_, outcome) = note(&[message(4, 0, 7, 9, &[])]);
        assert!(matches!(outcome.unwrap_err().kind(), ErrorKind::Overrun { .. }));
        let (_, outcome) = note(&[message(ENTRY, 2, 7, 9, &[2, 0, 0, 0]), vec![1, 2, 3]]);
        assert!(matches!(outcome.unwrap_err().kind(), ErrorKind::Malformed { .. }));
    }
}
