//! How a dump went, in numbers.

use std::ops::Range;

use netlink_packet_core::{NLM_F_DUMP_FILTERED, NLM_F_DUMP_INTR};

use super::exchange::PendingRequest;
use crate::error::{ErrorKind, Result};
use crate::wire::Messages;

/// How a dump went.
///
/// A dump is not a snapshot: entries come and go while it runs. Those that were there all along
/// are seen once; those that came or went may be seen or not, and one whose neighbour went at the
/// wrong moment may be seen twice. If the hash table gets another size meanwhile, none of this
/// holds: see [`interrupted`](Self::interrupted).
///
/// It is not the [`End`](crate::files::End) of a file: a file can be damaged, cut or put together, and a dump can be
/// interrupted or filtered by the kernel. They share little but the number of entries.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct DumpEnd {
    /// Entries the kernel sent.
    pub entries: u64,
    /// Entries of these that the filter is true of: all of them if there is none.
    pub matched: u64,
    /// Entries that lack what the filter is about (counters where accounting is off, and the like),
    /// so that it cannot be told whether they match. They are left out.
    pub undecided: u64,
    /// Datagrams they came in.
    pub datagrams: u64,
    /// Bytes they came in.
    pub bytes: u64,
    /// The table changed under the dump in a way that cannot be made up for, so dump it again.
    ///
    /// The host's hash table got another size (`nf_conntrack_buckets`). The kernel then goes on at the bucket
    /// of the same number: entries are seen twice if there are more buckets now, and left out if there
    /// are fewer (seen on 5.10, 6.1, 6.12 and 7.2). Or the kernel said so itself, which none up to 7.2 does
    /// for this table.
    #[doc(alias = "NLM_F_DUMP_INTR")]
    pub interrupted: bool,
    /// The kernel said that it applied a filter (5.8 and later; the family is one).
    #[doc(alias = "NLM_F_DUMP_FILTERED")]
    pub kernel_filtered: bool,
    /// The kernel refused the filter it was sent (a kernel without marks, say), so the table was
    /// dumped and judged here.
    pub refused: bool,
    /// Messages that were not an answer to this dump, and were skipped.
    pub foreign: u64,
}

impl DumpEnd {
    /// Adds how another dump went, of another part of the table.
    pub(super) fn add(&mut self, other: Self) {
        self.entries += other.entries;
        self.matched += other.matched;
        self.undecided += other.undecided;
        self.datagrams += other.datagrams;
        self.bytes += other.bytes;
        self.interrupted |= other.interrupted;
        self.kernel_filtered |= other.kernel_filtered;
        self.refused |= other.refused;
        self.foreign += other.foreign;
    }

    /// Notes what a datagram holds, and where in it the `entries` are. Returns the outcome of the
    /// dump, if it is in there.
    pub(super) fn note(
        &mut self,
        datagram: &[u8],
        sent: &PendingRequest,
        entries: &mut Vec<Range<usize>>,
    ) -> Result<Option<Result<()>>> {
        let mut outcome = None;
        entries.clear();
        self.datagrams += 1;
        self.bytes += datagram.len() as u64;
        let mut messages = Messages::new(datagram);
        loop {
            let start = datagram.len() - messages.left();
            let Some(message) = messages.next() else { break };
            let message = message.map_err(|source| sent.malformed(source))?;
            if !sent.is_reply(&message) {
                self.foreign += 1;
                continue;
            }
            self.interrupted |= message.flags & NLM_F_DUMP_INTR != 0;
            if sent.is_entry(&message) {
                let (_, attributes) =
                    message.netfilter().map_err(|source| sent.malformed(source))?;
                let end = start + Messages::HEADER + message.payload.len();
                entries.push(end - attributes.len()..end);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::dump::Batch;

    const ENTRY: u16 = 0x0100;
    const DONE: u16 = 3;
    const SENT: PendingRequest =
        PendingRequest { operation: "dump", sequence: 7, port: 9, bytes: Vec::new(), family: None };

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
        let outcome = end.note(&messages.concat(), &SENT, &mut Vec::new());
        (end, outcome)
    }

    #[test]
    fn only_answers_to_this_dump_count() {
        let messages = [
            message(ENTRY, 2, 7, 9, &[2, 0, 0, 0]),
            message(ENTRY, 2, 6, 9, &[2, 0, 0, 0]), // of an earlier request
            message(ENTRY, 2, 7, 8, &[2, 0, 0, 0]), // to another socket
            message(0x0a00, 2, 7, 9, &[2, 0, 0, 0]), // of another subsystem
            message(ENTRY, 2, 7, 9, &[10, 0, 0, 0, 1, 2, 3, 4]),
        ];
        let datagram = messages.concat();
        let (mut end, mut entries) = (DumpEnd::default(), vec![0..8; 3]);
        let outcome = end.note(&datagram, &SENT, &mut entries);
        assert_eq!((end.entries, end.foreign, end.datagrams), (2, 3, 1));
        assert_eq!(end.bytes, 104);
        assert!(outcome.unwrap().is_none());

        let batch = Batch { datagram: &datagram, entries: &entries };
        assert_eq!(batch.entries().collect::<Vec<_>>(), [&[][..], &[1, 2, 3, 4]]);
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
