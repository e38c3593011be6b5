//! Packets out of a pcap or pcapng file.

use std::io::{self, Read};
use std::ops::Range;

use pcap_file::pcap::PcapParser;
use pcap_file::pcapng::blocks::interface_statistics::InterfaceStatisticsOption;
use pcap_file::pcapng::blocks::section_header::SectionHeaderOption;
use pcap_file::pcapng::{Block, PcapNgParser};
use pcap_file::{DataLink, Endianness, PcapError};

use crate::files::end::is_damage;

/// Bytes that are read at a time.
const PIECE: usize = 256 * 1024;

/// The most interfaces a section may describe, since each is kept in memory.
const INTERFACES: usize = 1024;

/// A piece of a file that was parsed.
pub(super) enum Piece {
    /// A packet.
    Packet(Packet),
    /// The beginning of a capture, of which a file may have several, with its comment.
    Section(String),
    /// A comment on the capture.
    Comment(String),
    /// Something else.
    Other,
    /// The end.
    End,
    /// Something that cannot be read, nor can anything after it.
    Broken(String),
}

/// Where a packet is, and of what kind.
pub(super) struct Packet {
    pub(super) link: DataLink,
    /// Where in the buffer it is.
    pub(super) at: Range<usize>,
    /// Whether the capture kept only its beginning.
    pub(super) cut: bool,
    /// Whether it was written on a machine of the other byte order.
    pub(super) other_order: bool,
}

enum Parser {
    Unknown,
    Pcap(PcapParser),
    PcapNg(PcapNgParser),
}

/// A file that is read in pieces.
pub(super) struct File<R> {
    reader: R,
    buffer: Vec<u8>,
    /// How much of the buffer was parsed.
    parsed: usize,
    /// Bytes of the file before the buffer.
    passed: u64,
    ended: bool,
    /// Why the reader ended, if not by itself.
    cut: Option<String>,
    longest: usize,
    parser: Parser,
}

impl<R: Read> File<R> {
    pub(super) fn new(reader: R, longest: usize) -> Self {
        let buffer = Vec::new();
        let (parsed, passed, ended, cut) = (0, 0, false, None);
        Self { reader, buffer, parsed, passed, ended, cut, longest, parser: Parser::Unknown }
    }

    /// Where in the file the next piece begins.
    pub(super) fn offset(&self) -> u64 {
        self.passed + self.parsed as u64
    }

    pub(super) fn buffer(&self) -> &[u8] {
        &self.buffer
    }

    pub(super) fn bytes_mut(&mut self, at: Range<usize>) -> &mut [u8] {
        self.buffer.get_mut(at).unwrap_or_default()
    }

    /// The next piece.
    pub(super) fn next(&mut self) -> io::Result<Piece> {
        loop {
            if self.parsed == self.buffer.len() && self.ended {
                return Ok(self.cut.take().map_or(Piece::End, Piece::Broken));
            }
            match self.parse() {
                Err(PcapError::IncompleteBuffer) if self.ended => {
                    let left = self.buffer.len() - self.parsed;
                    return Ok(Piece::Broken(format!(
                        "it ends in the middle of a block, {left} bytes into it"
                    )));
                }
                Err(PcapError::IncompleteBuffer) => {
                    if self.buffer.len() - self.parsed >= self.longest {
                        let longest = self.longest;
                        let what = format!("a block is longer than {longest} bytes");
                        return Ok(Piece::Broken(what));
                    }
                    self.fill()?;
                }
                Err(error) => return Ok(Piece::Broken(error.to_string())),
                Ok(piece) => return Ok(piece),
            }
        }
    }

    /// Reads more, after what was not parsed yet.
    fn fill(&mut self) -> io::Result<()> {
        self.buffer.drain(..self.parsed);
        self.passed += self.parsed as u64;
        self.parsed = 0;
        let room = PIECE.min(self.longest) as u64;
        match (&mut self.reader).take(room).read_to_end(&mut self.buffer) {
            Ok(read) => self.ended = read == 0,
            // What came before it is in the buffer.
            Err(error) if is_damage(&error) => {
                (self.ended, self.cut) = (true, Some(error.to_string()));
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn parse(&mut self) -> Result<Piece, PcapError> {
        let start = self.parsed;
        let bytes = self.buffer.get(start..).unwrap_or_default();
        let parsed = |rest: &[u8]| bytes.len() - rest.len();
        match &mut self.parser {
            Parser::Unknown => {
                if bytes.len() < 4 {
                    return Err(PcapError::IncompleteBuffer);
                }
                if bytes.starts_with(&[0x0a, 0x0d, 0x0d, 0x0a]) {
                    let (rest, parser) = PcapNgParser::new(bytes)?;
                    self.parsed = start + parsed(rest);
                    let comments = parser.section().options.iter().filter_map(of_section);
                    let piece = Piece::Section(joined(comments));
                    self.parser = Parser::PcapNg(parser);
                    return Ok(piece);
                }
                let (rest, parser) = PcapParser::new(bytes)?;
                self.parsed = start + parsed(rest);
                self.parser = Parser::Pcap(parser);
                Ok(Piece::Other)
            }
            Parser::Pcap(parser) => {
                // `next_packet` would refuse packets that were cut.
                let (rest, packet) = parser.next_raw_packet(bytes)?;
                let header = parser.header();
                if packet.incl_len > packet.orig_len {
                    return Err(PcapError::InvalidField("more captured of a packet than it had"));
                }
                if packet.incl_len > header.snaplen && header.snaplen > 0 {
                    return Err(PcapError::InvalidField(
                        "more captured of a packet than the snaplen",
                    ));
                }
                let end = start + parsed(rest);
                self.parsed = end;
                let cut = packet.incl_len < packet.orig_len;
                let at = end - packet.data.len()..end;
                let (link, other_order) =
                    (header.datalink, header.endianness != Endianness::native());
                Ok(Piece::Packet(Packet { link, at, cut, other_order }))
            }
            Parser::PcapNg(parser) => {
                if parser.interfaces().len() > INTERFACES {
                    return Err(PcapError::InvalidField("more interfaces than anybody has"));
                }
                let (rest, block) = parser.next_block(bytes)?;
                let end = start + parsed(rest);
                let piece = match &block {
                    Block::EnhancedPacket(packet) => {
                        let interface = parser.interfaces().get(packet.interface_id as usize);
                        let link = interface.map_or(DataLink::NULL, |interface| interface.linktype);
                        // After the block's type, length, interface, time and two lengths.
                        let data = start + 28;
                        let length = packet.data.len();
                        let cut = length < packet.original_len as usize;
                        let other_order = parser.section().endianness != Endianness::native();
                        Piece::Packet(Packet { link, at: data..data + length, cut, other_order })
                    }
                    Block::InterfaceStatistics(found) => Piece::Comment(joined(
                        found.options.iter().filter_map(|option| match option {
                            InterfaceStatisticsOption::Comment(text) => Some(text.as_ref()),
                            _ => None,
                        }),
                    )),
                    Block::SectionHeader(found) => {
                        Piece::Section(joined(found.options.iter().filter_map(of_section)))
                    }
                    _ => Piece::Other,
                };
                self.parsed = end;
                Ok(piece)
            }
        }
    }
}

fn of_section<'o>(option: &'o SectionHeaderOption<'_>) -> Option<&'o str> {
    match option {
        SectionHeaderOption::Comment(text) => Some(text.as_ref()),
        _ => None,
    }
}

fn joined<'o>(texts: impl Iterator<Item = &'o str>) -> String {
    texts.collect::<Vec<_>>().join("\n")
}
