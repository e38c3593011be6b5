//! Entries out of a file.

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

/// A capture that is read as it streams past.
///
/// ```no_run
/// use ctnetlink::{Query, aggregate::Field, files::capture::Capture};
/// # fn main() -> std::io::Result<()> {
/// let file = std::fs::File::open("table.pcapng")?;
/// let mut capture = Capture::new(file);
/// let report = capture.scan(&Query::new().by([Field::SOURCE]))?;
/// println!("{} flows, {:?}", report.flows(), capture.facts().origin.kernel);
/// if let Some(damage) = &capture.end().damage {
///     println!("at byte {}: {}", damage.offset, damage.what);
/// }
/// # Ok(()) }
/// ```
pub struct Capture<R> {
    file: File<R>,
    facts: TableFacts,
    entries: Vec<Range<usize>>,
    /// The entries are those of a datagram that nobody has had yet.
    held: bool,
    /// Files that were put together in this one.
    sections: u64,
    end: End,
}

impl<R> std::fmt::Debug for Capture<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Capture").field("end", &self.end).finish_non_exhaustive()
    }
}

impl<R: Read> Capture<R> {
    /// The longest block of a file that is read, and the most memory it takes, about.
    pub const LONGEST: usize = 4 << 20;

    /// Reads from here; no [`BufReader`](io::BufReader) is needed.
    pub fn new(reader: R) -> Self {
        Self {
            file: File::new(reader, Self::LONGEST),
            facts: TableFacts::default(),
            entries: Vec::new(),
            held: false,
            sections: 0,
            end: End { format: Format::Capture, ..End::default() },
        }
    }

    /// Reads as far as the first entries, so that [`facts`](Self::facts) are known. Nothing is lost by it.
    ///
    /// # Errors
    ///
    /// As [`next_entries`](Self::next_entries).
    pub fn begin(&mut self) -> io::Result<()> {
        self.held = self.held || self.next_entries()?.is_some();
        Ok(())
    }

    /// The entries that [`begin`](Self::begin) has found.
    pub(crate) fn held(&self) -> Option<impl Iterator<Item = &[u8]>> {
        self.held.then(|| self.found())
    }

    /// The entries of the next datagram that has any, each as the attributes behind the netfilter
    /// header; `None` at the end, or at the damage.
    ///
    /// # Errors
    ///
    /// The reader's. A file that is damaged is no error: see [`end`](Self::end).
    pub fn next_entries(&mut self) -> io::Result<Option<impl Iterator<Item = &[u8]>>> {
        if std::mem::take(&mut self.held) {
            return Ok(Some(self.found()));
        }
        while self.end.damage.is_none() {
            let offset = self.file.offset();
            match self.file.next()? {
                Piece::End => return Ok(None),
                Piece::Broken(what) => self.end.damage = Some(Damage { offset, what }),
                Piece::Section(text) => {
                    self.sections += 1;
                    self.comment(&text);
                }
                Piece::Comment(text) => self.comment(&text),
                Piece::Other => {}
                Piece::Packet(packet) => {
                    self.note(packet);
                    if !self.entries.is_empty() {
                        return Ok(Some(self.found()));
                    }
                }
            }
        }
        Ok(None)
    }

    /// Takes in what the first of several files that were put together says.
    fn comment(&mut self, text: &str) {
        if self.sections < 2 {
            self.facts.read_comment(text);
        }
    }

    fn found(&self) -> impl Iterator<Item = &[u8]> {
        self.entries.iter().map(|at| self.file.bytes(at.clone()))
    }

    /// Notes where in a packet entries are.
    fn note(&mut self, packet: Packet) {
        let Packet { link, at, cut, other_order } = packet;
        self.entries.clear();
        if other_order && link == DataLink::NETLINK {
            order::to_this_machine(self.file.bytes_mut(at.start + HEADER..at.end));
        }
        let packet = self.file.bytes(at.clone());
        let protocol = packet.get(HEADER - 2..HEADER);
        // What is cut before it says what it is may be of a dump.
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
            // A capture may cut packets; what is whole of them counts.
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

    /// Reads the rest, and answers the query from it. Ages are reckoned to when the capture was taken,
    /// if it says so.
    ///
    /// # Errors
    ///
    /// As [`next_entries`](Self::next_entries).
    pub fn scan(&mut self, query: &Query) -> io::Result<Report> {
        let mut reports = self.scan_all(std::slice::from_ref(query))?;
        // One for each query.
        Ok(reports.swap_remove(0))
    }

    /// As [`scan`](Self::scan), for many queries.
    ///
    /// # Errors
    ///
    /// As [`next_entries`](Self::next_entries).
    pub fn scan_all(&mut self, queries: &[Query]) -> io::Result<Vec<Report>> {
        self.begin()?;
        let mut aggregator = Aggregator::of(queries);
        if let Some(time) = self.facts.origin.time {
            aggregator = aggregator.at(time.into());
        }
        let mut malformed = 0;
        while let Some(entries) = self.next_entries()? {
            for entry in entries {
                malformed += u64::from(aggregator.record_bytes(entry).is_err());
            }
        }
        self.end.malformed += malformed;
        Ok(aggregator.finish_all())
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
        while let Some(entries) = self.next_entries()? {
            entries.for_each(|entry| look(FlowRef::parse(entry)));
        }
        Ok(())
    }

    /// Where it is from, as far as was read.
    pub fn facts(&self) -> &TableFacts {
        &self.facts
    }

    /// How it went so far.
    pub fn end(&self) -> End {
        let mut end = self.end.clone();
        // A capture of another tool says that it is complete by the end of a dump.
        let said = self.facts.complete.or((end.dumps == 1).then_some(true));
        end.dumps = end.dumps.max(self.sections);
        end.conclude(said)
    }
}

/// Whether a packet, which was cut, belongs to a dump of the table, as far as is left of it. A datagram holds
/// messages of one kind, so the first one tells.
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
