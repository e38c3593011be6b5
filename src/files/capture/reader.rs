//! Reads a capture.

use std::io::{self, Read};
use std::ops::Range;

use netlink_packet_core::{NLM_F_MULTIPART, NLM_F_REQUEST, NLMSG_DONE};
use pcap_file::DataLink;

use super::file::{File, Packet, Piece};
use super::order;
use super::{HEADER, PROTOCOL};
use crate::aggregate::{Aggregator, Query, Report};
use crate::files::end::{Damage, End, Format};
use crate::files::facts::TableFacts;
use crate::flow::FlowRef;
use crate::wire::ctnetlink::{IPCTNL_MSG_CT_NEW, NFNL_SUBSYS_CTNETLINK};
use crate::wire::{Messages, WireError};

/// A capture, read as a stream.
///
/// This is for those who know that a file is a capture. A [`Snapshot`](crate::files::snapshot::Snapshot) reads all
/// formats, answers many queries at once, and knows the facts before the first entry.
///
/// ```no_run
/// use ctnetlink::{Query, field::Field, files::capture::Capture};
/// # fn main() -> std::io::Result<()> {
/// let file = std::fs::File::open("table.pcapng")?;
/// let mut capture = Capture::new(file);
/// let report = capture.scan(&Query::new().group_by([Field::Source]))?;
/// println!("{} flows, {:?}", report.flows(), capture.facts().origin.kernel);
/// if let Some(damage) = capture.end().damage {
///     println!("at byte {}: {}", damage.offset, damage.what);
/// }
/// # Ok(()) }
/// ```
pub struct Capture<R> {
    file: File<R>,
    facts: TableFacts,
    /// Where in the file's buffer the entries of the last datagram are.
    entries: Vec<Range<usize>>,
    /// Captures that were put together in this file.
    sections: u64,
    end: End,
}

impl<R> std::fmt::Debug for Capture<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Capture").field("end", &self.end).finish_non_exhaustive()
    }
}

impl<R: Read> Capture<R> {
    /// The longest block of a file that is read, and about the most memory that reading takes.
    pub const LONGEST: usize = 4 << 20;

    /// Reads from here; no [`BufReader`](io::BufReader) is needed.
    pub fn new(reader: R) -> Self {
        Self {
            file: File::new(reader, Self::LONGEST),
            facts: TableFacts::default(),
            entries: Vec::new(),
            sections: 0,
            end: End { format: Format::Capture, ..End::default() },
        }
    }

    /// The entries of the next datagram that has any, each as the attributes after the netfilter header; `None` at
    /// the end, or where the file is damaged.
    ///
    /// # Errors
    ///
    /// The reader's. A damaged file is not an error: see [`end`](Self::end).
    pub fn next_entries(&mut self) -> io::Result<Option<impl Iterator<Item = &[u8]>>> {
        Ok(self.advance()?.then(|| self.entries()))
    }

    /// Reads as far as the next datagram with entries; `false` where there is none.
    pub(crate) fn advance(&mut self) -> io::Result<bool> {
        self.entries.clear();
        while self.end.damage.is_none() && self.entries.is_empty() {
            let offset = self.file.offset();
            match self.file.next()? {
                Piece::End => return Ok(false),
                Piece::Broken(what) => self.end.damage = Some(Damage { offset, what }),
                Piece::Section(text) => {
                    self.sections += 1;
                    self.comment(&text);
                }
                Piece::Comment(text) => self.comment(&text),
                Piece::Other => {}
                Piece::Packet(packet) => self.note(packet),
            }
        }
        Ok(!self.entries.is_empty())
    }

    /// The entries of the last datagram: the bytes they are in, and where.
    pub(crate) fn held(&self) -> (&[u8], &[Range<usize>]) {
        (self.file.buffer(), &self.entries)
    }

    fn entries(&self) -> impl Iterator<Item = &[u8]> {
        let (bytes, places) = self.held();
        places.iter().map(|at| bytes.get(at.clone()).unwrap_or_default())
    }

    /// Takes a comment. Of several captures in one file, the first one's count.
    fn comment(&mut self, text: &str) {
        if self.sections < 2 {
            self.facts.read_comment(text);
        }
    }

    /// Notes where the entries of a packet are.
    fn note(&mut self, packet: Packet) {
        let Packet { link, at, cut, other_order } = packet;
        if other_order && link == DataLink::NETLINK {
            order::to_this_machine(self.file.bytes_mut(at.start + HEADER..at.end));
        }
        let packet = self.file.buffer().get(at.clone()).unwrap_or_default();
        let protocol = packet.get(HEADER - 2..HEADER);
        self.end.cut += u64::from(cut && link == DataLink::NETLINK && may_be_of_a_dump(packet));
        if link != DataLink::NETLINK || protocol != Some(&PROTOCOL.to_be_bytes()) {
            self.end.foreign += 1;
            return;
        }
        let datagram = packet.get(HEADER..).unwrap_or_default();
        let first = at.start + HEADER;
        let mut position = 0;
        let mut known = false;
        for message in Messages::new(datagram) {
            // Packets may be cut: their whole messages count.
            let Ok(message) = message else {
                self.end.malformed += 1;
                break;
            };
            let end = position + Messages::HEADER + message.payload.len();
            position = crate::wire::align(end);
            let is_dumped =
                message.flags & NLM_F_REQUEST == 0 && message.flags & NLM_F_MULTIPART != 0;
            if message.is_done() && is_dumped {
                self.end.dumps += 1;
                known = true;
                continue;
            }
            let is_entry = message.subsystem() == NFNL_SUBSYS_CTNETLINK
                && message.message() == IPCTNL_MSG_CT_NEW
                && is_dumped;
            let Ok((_, attributes)) = message.netfilter() else { continue };
            if is_entry {
                self.entries.push(first + end - attributes.len()..first + end);
            }
        }
        if self.entries.is_empty() {
            self.end.foreign += u64::from(!known);
        } else {
            self.end.datagrams += 1;
            self.end.entries += self.entries.len() as u64;
            self.end.bytes += datagram.len() as u64;
        }
    }

    /// Reads the rest, and answers the query from it. Ages are counted up to the time of the capture, if the file
    /// says it before the first entry.
    ///
    /// # Errors
    ///
    /// As [`next_entries`](Self::next_entries).
    pub fn scan(&mut self, query: &Query) -> io::Result<Report> {
        let mut more = self.advance()?;
        let mut aggregator = Aggregator::new(query);
        if let Some(time) = self.facts.origin.time {
            aggregator = aggregator.at(time.into());
        }
        while more {
            let wrong = self.entries().filter(|entry| aggregator.record_bytes(entry).is_err());
            self.end.malformed += wrong.count() as u64;
            more = self.advance()?;
        }
        Ok(aggregator.finish())
    }

    /// Reads the rest, and shows every entry to `look`, or why it cannot be read.
    ///
    /// # Errors
    ///
    /// As [`next_entries`](Self::next_entries).
    pub fn for_each(
        &mut self,
        mut look: impl FnMut(Result<FlowRef<'_>, WireError>),
    ) -> io::Result<()> {
        while self.advance()? {
            self.entries().for_each(|entry| look(FlowRef::parse(entry)));
        }
        Ok(())
    }

    /// What the file says of the table, as far as it was read.
    pub fn facts(&self) -> &TableFacts {
        &self.facts
    }

    /// How reading went so far.
    pub fn end(&self) -> End {
        let mut end = self.end.clone();
        // Other tools write no facts, but the end of a dump is there.
        let said = self.facts.complete.or((end.dumps == 1).then_some(true));
        end.dumps = end.dumps.max(self.sections);
        end.conclude(said)
    }
}

/// Whether a packet that was cut may belong to a dump of the table, as far as what is left of it tells. A datagram
/// holds messages of one kind, so the first one tells.
fn may_be_of_a_dump(packet: &[u8]) -> bool {
    let Some((header, datagram)) = packet.split_at_checked(HEADER) else { return true };
    if !header.ends_with(&PROTOCOL.to_be_bytes()) {
        return false;
    }
    let Some(&[t0, t1, f0, f1]) = datagram.get(4..8).and_then(<[u8]>::first_chunk) else {
        return true;
    };
    let (kind, flags) = (u16::from_ne_bytes([t0, t1]), u16::from_ne_bytes([f0, f1]));
    let entry = u16::from_be_bytes([NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_NEW]);
    flags & NLM_F_REQUEST == 0
        && flags & NLM_F_MULTIPART != 0
        && (kind == entry || kind == NLMSG_DONE)
}
