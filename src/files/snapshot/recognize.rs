//! Recognises the format of a file by its first bytes.

use std::io::{self, BufRead, BufReader, Read};

#[cfg(not(feature = "zstd"))]
use crate::error::lacks_feature;
use crate::files::end::{Format, is_damage};

/// The format of a file that begins so.
pub(super) fn format_of(begin: &[u8]) -> Format {
    let starts = |magic: &[u8; 4]| begin.starts_with(magic);
    if starts(&PARQUET) {
        Format::Parquet
    } else if CAPTURES.iter().any(starts) {
        Format::Capture
    } else if begin.starts_with(b"{") {
        Format::Json
    } else {
        Format::Text
    }
}

/// The content of a file.
pub(super) type Input<'r> = Box<dyn BufRead + 'r>;

/// Bytes that are read at a time.
const PIECE: usize = 256 * 1024;

/// The first bytes of a zstd file.
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// The first bytes of a Parquet file.
const PARQUET: [u8; 4] = *b"PAR1";

/// Formats that are not read, by their first bytes, and what to do.
const UNREADABLE: [(&[u8], &str); 5] = [
    (&[0x1f, 0x8b], "it is compressed by gzip: expand it, zcat FILE | ... -"),
    (&[0xfd, b'7', b'z'], "it is compressed by xz: expand it, xzcat FILE | ... -"),
    (&[0xff, 0xfe], "it is text in UTF-16: make it UTF-8, iconv -f utf-16 -t utf-8 FILE | ... -"),
    (&[0xfe, 0xff], "it is text in UTF-16: make it UTF-8, iconv -f utf-16 -t utf-8 FILE | ... -"),
    (b"obse", "CSV is written, and not read: keep NDJSON, Parquet or a capture"),
];

/// The first bytes of captures: pcapng, and pcap in both byte orders and both resolutions.
const CAPTURES: [[u8; 4]; 5] = [
    [0x0a, 0x0d, 0x0d, 0x0a],
    [0xd4, 0xc3, 0xb2, 0xa1],
    [0xa1, 0xb2, 0xc3, 0xd4],
    [0x4d, 0x3c, 0xb2, 0xa1],
    [0xa1, 0xb2, 0x3c, 0x4d],
];

/// The format of what is read, and its content, expanded if it is compressed.
pub(super) fn recognize<'r>(reader: impl Read + 'r) -> io::Result<(Format, Input<'r>)> {
    let (mut first, mut input) = begin(reader)?;
    if first == ZSTD {
        (first, input) = begin(expanded(input)?)?;
    }
    match UNREADABLE.iter().find(|(magic, _)| first.starts_with(magic)) {
        Some((_, text)) => Err(io::Error::new(io::ErrorKind::Unsupported, *text)),
        None => Ok((format_of(&first), input)),
    }
}

/// The first bytes of what is read, and all of it.
fn begin<'r>(mut reader: impl Read + 'r) -> io::Result<([u8; 4], Input<'r>)> {
    let mut first = Vec::new();
    let read = (&mut reader).take(4).read_to_end(&mut first);
    // Damage comes again when the rest is read.
    read.map(|_| ()).or_else(|error| if is_damage(&error) { Ok(()) } else { Err(error) })?;
    let begin = first.first_chunk().copied().unwrap_or_default();
    let whole = io::Cursor::new(first).chain(reader);
    Ok((begin, Box::new(BufReader::with_capacity(PIECE, whole))))
}

/// Expands compressed content. That it was changed is an error of the kind `InvalidData`, as damage is.
#[cfg(feature = "zstd")]
fn expanded<'r>(input: Input<'r>) -> io::Result<impl Read + 'r> {
    struct Expanded<R>(R);
    impl<R: Read> Read for Expanded<R> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.0.read(buffer).map_err(|error| match error.kind() {
                io::ErrorKind::Other => io::Error::new(io::ErrorKind::InvalidData, error),
                _ => error,
            })
        }
    }
    zstd::Decoder::with_buffer(input).map(Expanded)
}

#[cfg(not(feature = "zstd"))]
fn expanded<'r>(_: Input<'r>) -> io::Result<Input<'r>> {
    Err(lacks_feature("a compressed file", "zstd"))
}
