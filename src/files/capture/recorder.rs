//! Writes a capture.

use std::borrow::Cow;
use std::io::{self, BufWriter, Write};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::BytesMut;
use netlink_packet_core::{NLM_F_MULTIPART, NLMSG_DONE, NetlinkHeader};
use pcap_file::pcapng::PcapNgWriter;
use pcap_file::pcapng::blocks::enhanced_packet::EnhancedPacketBlock;
use pcap_file::pcapng::blocks::interface_description::{
    InterfaceDescriptionBlock, InterfaceDescriptionOption,
};
use pcap_file::pcapng::blocks::interface_statistics::{
    InterfaceStatisticsBlock, InterfaceStatisticsOption,
};
use pcap_file::pcapng::blocks::section_header::{SectionHeaderBlock, SectionHeaderOption};
use pcap_file::{DataLink, Endianness, PcapError};

use super::{ARPHRD, HEADER, PROTOCOL};
use crate::files::facts::TableFacts;
use crate::flow::Family;
#[cfg(all(target_os = "linux", not(ctnetlink_pure)))]
use crate::table::{DumpEnd, DumpOptions, Reader};
use crate::wire::Messages;
use crate::wire::ctnetlink::{IPCTNL_MSG_CT_NEW, NFNL_SUBSYS_CTNETLINK};
use crate::wire::writer::Writer;

/// Bytes that are written at a time: a datagram of the kernel and what is around it.
const BUFFER: usize = 64 * 1024;

/// Writes a pcapng file, of datagrams as they came from the kernel, or of entries.
///
/// ```
/// use ctnetlink::files::{TableFacts, capture::Recorder};
/// # fn main() -> std::io::Result<()> {
/// let mut recorder = Recorder::new(Vec::new(), &TableFacts::default())?;
/// recorder.datagram(&[])?;
/// let file = recorder.finish(&TableFacts::default())?;
/// assert!(file.len() > 100);
/// # Ok(()) }
/// ```
pub struct Recorder<W: Write> {
    // A block is written in a dozen pieces.
    writer: PcapNgWriter<BufWriter<W>>,
    packet: Vec<u8>,
    /// Entries, for the next datagram.
    entries: BytesMut,
}

/// The most bytes that the kernel packs into one datagram.
const DATAGRAM: usize = 32_448;

impl<W: Write> std::fmt::Debug for Recorder<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Recorder").finish_non_exhaustive()
    }
}

impl<W: Write> Recorder<W> {
    /// Begins a file, with the facts that are known so far. No [`BufWriter`] is needed.
    ///
    /// # Errors
    ///
    /// The writer's.
    pub fn new(writer: W, facts: &TableFacts) -> io::Result<Self> {
        let section = SectionHeaderBlock {
            // Netlink's messages have the byte order of this machine.
            endianness: Endianness::native(),
            options: vec![
                SectionHeaderOption::Comment(facts.to_comment().into()),
                SectionHeaderOption::UserApplication("ctnetlink".into()),
            ],
            ..SectionHeaderBlock::default()
        };
        let writer = BufWriter::with_capacity(BUFFER, writer);
        let mut writer = PcapNgWriter::with_section_header(writer, section).map_err(error)?;
        let interface = InterfaceDescriptionBlock {
            linktype: DataLink::NETLINK,
            snaplen: 0,
            options: vec![
                InterfaceDescriptionOption::IfName("netlink".into()),
                // Nanoseconds.
                InterfaceDescriptionOption::IfTsResol(9),
            ],
        };
        writer.write_pcapng_block(interface).map_err(error)?;
        let [a, b] = ARPHRD.to_be_bytes();
        let [c, d] = PROTOCOL.to_be_bytes();
        // From the kernel to a program.
        let packet = vec![0, 6, a, b, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, c, d];
        Ok(Self { writer, packet, entries: BytesMut::new() })
    }

    /// Writes a datagram.
    ///
    /// # Errors
    ///
    /// The writer's.
    pub fn datagram(&mut self, datagram: &[u8]) -> io::Result<()> {
        self.packet.truncate(HEADER);
        self.packet.extend_from_slice(datagram);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        let block = EnhancedPacketBlock {
            interface_id: 0,
            timestamp: now,
            original_len: u32::try_from(self.packet.len()).unwrap_or(u32::MAX),
            data: Cow::Borrowed(&self.packet),
            options: Vec::new(),
        };
        self.writer.write_pcapng_block(block).map_err(error)?;
        Ok(())
    }

    /// Writes an entry, given as its attributes. Entries share datagrams, as in a dump.
    ///
    /// # Errors
    ///
    /// The writer's.
    pub fn entry(&mut self, family: Family, attributes: &[u8]) -> io::Result<()> {
        if self.entries.len() + Messages::HEADER + attributes.len() > DATAGRAM {
            self.flush_entries()?;
        }
        let kind = u16::from_be_bytes([NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_NEW]);
        self.message(kind, family.number(), attributes);
        Ok(())
    }

    fn message(&mut self, kind: u16, family: u8, attributes: &[u8]) {
        let mut header = NetlinkHeader::default();
        header.message_type = kind;
        header.flags = NLM_F_MULTIPART;
        header.sequence_number = 1;
        let mut writer = Writer::new(&mut self.entries);
        writer.message(header, family, |writer| writer.raw(attributes));
    }

    fn flush_entries(&mut self) -> io::Result<()> {
        let entries = self.entries.split();
        if entries.is_empty() { Ok(()) } else { self.datagram(&entries) }
    }

    /// Writes the end of the dump, as the kernel sends it.
    ///
    /// # Errors
    ///
    /// The writer's.
    pub fn done(&mut self) -> io::Result<()> {
        self.message(NLMSG_DONE, 0, &[]);
        self.flush_entries()
    }

    /// Ends the file with the facts that are known only now, and gives the writer back. A file without its end is a
    /// capture, too, but does not say that it is complete.
    ///
    /// # Errors
    ///
    /// The writer's.
    pub fn finish(mut self, facts: &TableFacts) -> io::Result<W> {
        self.flush_entries()?;
        let block = InterfaceStatisticsBlock {
            interface_id: 0,
            timestamp: 0,
            options: vec![InterfaceStatisticsOption::Comment(facts.to_comment().into())],
        };
        self.writer.write_pcapng_block(block).map_err(error)?;
        let mut writer = self.writer.into_inner().into_inner()?;
        writer.flush()?;
        Ok(writer)
    }
}

fn error(error: PcapError) -> io::Error {
    match error {
        PcapError::IoError(error) => error,
        other => io::Error::other(other),
    }
}

#[cfg(all(target_os = "linux", not(ctnetlink_pure)))]
impl Reader {
    /// The facts for a capture that begins now: where it is from, and how full the table is. What is only known
    /// after the last entry is `None`.
    ///
    /// # Errors
    ///
    /// As [`limits`](Self::limits).
    pub fn facts(&mut self) -> crate::Result<TableFacts> {
        let before = self.limits()?;
        Ok(TableFacts {
            origin: self.observe(),
            before: Some(before.entries.into()),
            max: before.max.map(u64::from),
            buckets: Self::buckets().map(u64::from),
            ..TableFacts::default()
        })
    }

    /// Writes the whole table into a file, as the kernel sends it. The file is a pcapng: Wireshark opens it, and
    /// [`Snapshot`](crate::files::snapshot::Snapshot) reads it on any machine, without privilege.
    ///
    /// # Errors
    ///
    /// As [`dump`](Self::dump), and [`Io`](crate::ErrorKind::Io) of the writer. What was written by then is
    /// a capture that does not say that it is complete.
    ///
    /// # Cost
    ///
    /// A dump, and the time to write 150 to 300 bytes for each entry, 64 KiB at a time.
    pub fn record<W: Write>(&mut self, writer: W) -> crate::Result<(DumpEnd, W)> {
        let io = |source| crate::ErrorKind::Io { operation: "write a capture", source };
        let mut facts = self.facts()?;
        let mut recorder = Recorder::new(writer, &facts).map_err(io)?;
        let mut dump = self.dump(DumpOptions::new())?;
        while let Some(batch) = dump.next_batch()? {
            recorder.datagram(batch.datagram).map_err(io)?;
        }
        let end = dump.end();
        if !end.interrupted {
            recorder.done().map_err(io)?;
        }
        facts.after = Some(self.limits()?.entries.into());
        facts.complete = Some(!end.interrupted);
        Ok((end, recorder.finish(&facts).map_err(io)?))
    }
}
