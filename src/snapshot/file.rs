//! A table out of a file.

use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek};
use std::path::Path;

use crate::aggregate::{Aggregator, Query, Report};
use crate::capture::{Capture, CaptureFacts, Damage};
#[cfg(feature = "parquet")]
use crate::export::Record;
use crate::flow::{Flow, FlowRef};
use crate::import::Lines;
#[cfg(feature = "parquet")]
use crate::parquet::Reader;
use crate::wire::WireError;

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "lowercase"))]
#[non_exhaustive]
pub enum Form {
    /// A pcapng or pcap of netlink's messages.
    Capture,
    /// Lines: as `conntrack -L` and the kernel print them, or records as JSON.
    Text,
    /// Columns: see the module `parquet`.
    Parquet,
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Capture => "capture",
            Self::Text => "text",
            Self::Parquet => "parquet",
        })
    }
}

/// How reading went so far.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct SnapshotEnd {
    /// What the file is.
    pub form: Form,
    /// Entries.
    pub entries: u64,
    /// Entries, or lines, that could not be read.
    pub malformed: u64,
    /// The number of the first line that is no entry, and why.
    pub first_malformed: Option<(u64, String)>,
    /// Packets of a capture that are of something else, and were passed over.
    pub foreign: u64,
    /// Dumps of a capture that came to their end. With more than one, every entry may be there more
    /// than once.
    pub dumps: u64,
    /// Where the file could not be read any further, if anywhere; of one that is compressed, in what it
    /// holds.
    pub damage: Option<Damage>,
}

/// A table out of a file, whatever its form.
///
/// ```no_run
/// use ctnetlink::{Query, aggregate::Field, snapshot::Snapshot};
/// # fn main() -> std::io::Result<()> {
/// let mut snapshot = Snapshot::open("table.pcapng.zst")?;
/// let report = snapshot.scan(&Query::new().by([Field::SOURCE]))?;
/// println!("{} flows, {:?}", report.flows(), snapshot.facts().kernel);
/// if let Some(damage) = snapshot.end().damage {
///     println!("at byte {}: {}", damage.offset, damage.what);
/// }
/// # Ok(()) }
/// ```
pub struct Snapshot<'r> {
    source: Source<'r>,
    facts: CaptureFacts,
    damage: Option<Damage>,
    /// Entries of a form that has them not as attributes, and where each ends.
    encoded: (Vec<u8>, Vec<usize>),
    /// Nobody has had these yet.
    held: bool,
    malformed: u64,
}

type Input<'r> = Box<dyn BufRead + 'r>;

enum Source<'r> {
    Capture(Box<Capture<Input<'r>>>),
    Text(Lines<Input<'r>>),
    #[cfg(feature = "parquet")]
    Parquet {
        rows: Box<Reader<Record>>,
        entries: u64,
    },
}

/// What is read at a time.
const PIECE: usize = 256 * 1024;

/// Entries that are encoded at a time.
const BATCH: usize = 256;

/// What a file of zstd begins with.
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// What a file of columns begins with.
const PARQUET: [u8; 4] = *b"PAR1";

/// What captures begin with: pcapng, and pcap in both byte orders and both resolutions.
const CAPTURES: [[u8; 4]; 5] = [
    [0x0a, 0x0d, 0x0d, 0x0a],
    [0xd4, 0xc3, 0xb2, 0xa1],
    [0xa1, 0xb2, 0xc3, 0xd4],
    [0x4d, 0x3c, 0xb2, 0xa1],
    [0xa1, 0xb2, 0x3c, 0x4d],
];

impl fmt::Debug for Snapshot<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshot").field("end", &self.end()).finish_non_exhaustive()
    }
}

impl Snapshot<'static> {
    /// Opens a file.
    ///
    /// # Errors
    ///
    /// The system's, and `Unsupported` for a form whose feature is not there.
    pub fn open(path: impl AsRef<Path>) -> io::Result<Self> {
        let mut file = File::open(path)?;
        let mut magic = Vec::new();
        (&mut file).take(4).read_to_end(&mut magic)?;
        if file.rewind().is_err() {
            // A pipe: what was read of it is put before the rest.
            return Self::new(io::Cursor::new(magic).chain(file));
        }
        if magic == PARQUET {
            return Self::of_columns(file);
        }
        Self::new(file)
    }

    #[cfg(feature = "parquet")]
    fn of_columns(file: File) -> io::Result<Self> {
        let rows = Reader::new(file)?;
        let mut facts = CaptureFacts::default();
        if let Some(text) = rows.fact(crate::parquet::FACTS) {
            facts.read_comment(text);
        }
        Self::of(Source::Parquet { rows: Box::new(rows), entries: 0 }, facts)
    }

    #[cfg(not(feature = "parquet"))]
    fn of_columns(_: File) -> io::Result<Self> {
        Err(unsupported("a Parquet file", "parquet"))
    }
}

#[cfg(not(all(feature = "parquet", feature = "zstd")))]
fn unsupported(what: &str, feature: &str) -> io::Error {
    let text =
        format!("{what}: this program was built without the feature {feature} that reads it");
    io::Error::new(io::ErrorKind::Unsupported, text)
}

impl<'r> Snapshot<'r> {
    /// Reads from here, as a stream: all forms but Parquet, which takes a file. No
    /// [`BufReader`] is needed.
    ///
    /// # Errors
    ///
    /// The reader's, and `Unsupported` for Parquet or a form whose feature is not there.
    pub fn new(reader: impl Read + 'r) -> io::Result<Self> {
        let mut input: Input<'r> = Box::new(BufReader::with_capacity(PIECE, reader));
        if input.fill_buf()?.starts_with(&ZSTD) {
            input = expanded(input)?;
        }
        let begin = match input.fill_buf() {
            Ok(begin) => begin.first_chunk().copied().unwrap_or_default(),
            // What was compressed has less than that.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => [0; 4],
            Err(error) => return Err(error),
        };
        if begin == PARQUET {
            let text = "Parquet has its index at the end: give a file in place of a stream";
            return Err(io::Error::new(io::ErrorKind::Unsupported, text));
        }
        let source = match CAPTURES.contains(&begin) {
            true => Source::Capture(Box::new(Capture::new(input))),
            false => Source::Text(Lines::new(input)),
        };
        Self::of(source, CaptureFacts::default())
    }

    /// Reads as far as the first entries, by which it is known where the table is from.
    fn of(mut source: Source<'r>, facts: CaptureFacts) -> io::Result<Self> {
        if let Source::Capture(capture) = &mut source {
            capture.begin()?;
        }
        let encoded = (Vec::new(), Vec::new());
        let mut new = Self { source, facts, damage: None, encoded, held: false, malformed: 0 };
        new.held = new.encode()?;
        Ok(new)
    }

    /// The next entries, each as the attributes behind the netfilter header; `None` at the end, or at the
    /// damage.
    ///
    /// # Errors
    ///
    /// The reader's. A file that is damaged is no error: see [`end`](Self::end).
    pub fn next_entries(&mut self) -> io::Result<Option<impl Iterator<Item = &[u8]>>> {
        type Entries<'e> = Box<dyn Iterator<Item = &'e [u8]> + 'e>;
        if matches!(self.source, Source::Capture(_)) {
            let Source::Capture(capture) = &mut self.source else { return Ok(None) };
            return Ok(capture.next_entries()?.map(|entries| Box::new(entries) as Entries<'_>));
        }
        Ok(self.encode()?.then(|| Box::new(self.encoded()) as Entries<'_>))
    }

    /// Encodes the next entries of a form that has none; `false` at the end.
    fn encode(&mut self) -> io::Result<bool> {
        if std::mem::take(&mut self.held) {
            return Ok(true);
        }
        self.encoded.0.clear();
        self.encoded.1.clear();
        while self.encoded.1.len() < BATCH {
            let Some(flow) = self.next_flow()? else { break };
            self.encoded.0.extend_from_slice(&flow.to_bytes());
            self.encoded.1.push(self.encoded.0.len());
        }
        Ok(!self.encoded.1.is_empty())
    }

    fn encoded(&self) -> impl Iterator<Item = &[u8]> {
        let (bytes, ends) = &self.encoded;
        let starts = std::iter::once(&0).chain(ends);
        starts.zip(ends).map(|(start, end)| bytes.get(*start..*end).unwrap_or_default())
    }

    fn next_flow(&mut self) -> io::Result<Option<Flow>> {
        match &mut self.source {
            Source::Capture(_) => Ok(None),
            Source::Text(lines) => {
                let flow = match lines.next_flow() {
                    // What was compressed is cut.
                    Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                        let (offset, what) = (lines.end().bytes, error.to_string());
                        self.damage = Some(Damage { offset, what });
                        None
                    }
                    flow => flow?,
                };
                self.facts.take(lines.observation());
                Ok(flow)
            }
            #[cfg(feature = "parquet")]
            Source::Parquet { rows, entries } => {
                for record in rows.by_ref() {
                    let record = record?;
                    self.facts.take(Some(&record.observation()));
                    match Flow::try_from(&record) {
                        Ok(flow) => {
                            *entries += 1;
                            return Ok(Some(flow));
                        }
                        Err(_) => self.malformed += 1,
                    }
                }
                Ok(None)
            }
        }
    }

    /// Reads the rest, and answers the query from it. Ages are reckoned to when the table was looked at,
    /// if the file says so.
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
        if let Source::Capture(capture) = &mut self.source {
            return capture.scan_all(queries);
        }
        let mut aggregator = Aggregator::of(queries);
        if let Some(moment) = self.facts.moment() {
            aggregator = aggregator.at(moment);
        }
        while self.encode()? {
            let wrong = self.encoded().filter(|entry| aggregator.record_bytes(entry).is_err());
            let wrong = wrong.count() as u64;
            self.malformed += wrong;
        }
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

    /// Where it is from, as far as it says and was read.
    pub fn facts(&self) -> &CaptureFacts {
        if let Source::Capture(capture) = &self.source { capture.facts() } else { &self.facts }
    }

    /// Whether, once it was read, all of the table was in it, as far as it says: it is not damaged, every
    /// entry could be read, and a capture says that it is complete or, of another tool, has the end of a
    /// dump.
    pub fn is_complete(&self) -> bool {
        let (end, said) = (self.end(), self.facts().complete);
        let whole = match end.form {
            Form::Capture => end.dumps < 2 && said.unwrap_or(end.dumps == 1),
            Form::Text | Form::Parquet => said.unwrap_or(true),
        };
        whole && end.damage.is_none() && end.malformed == 0
    }

    /// How it went so far.
    pub fn end(&self) -> SnapshotEnd {
        let end = SnapshotEnd {
            form: Form::Text,
            entries: 0,
            malformed: self.malformed,
            first_malformed: None,
            foreign: 0,
            dumps: 0,
            damage: self.damage.clone(),
        };
        match &self.source {
            Source::Capture(capture) => {
                let read = capture.end().clone();
                SnapshotEnd {
                    form: Form::Capture,
                    entries: read.entries,
                    malformed: self.malformed + read.malformed,
                    foreign: read.foreign,
                    dumps: read.dumps,
                    damage: read.damage,
                    ..end
                }
            }
            Source::Text(lines) => {
                let read = lines.end().clone();
                let malformed = self.malformed + read.unread;
                let (entries, first_malformed) = (read.entries, read.first_unread);
                SnapshotEnd { entries, malformed, first_malformed, ..end }
            }
            #[cfg(feature = "parquet")]
            Source::Parquet { entries, .. } => {
                SnapshotEnd { form: Form::Parquet, entries: *entries, ..end }
            }
        }
    }
}

#[cfg(feature = "zstd")]
fn expanded<'r>(input: Input<'r>) -> io::Result<Input<'r>> {
    let expanded = zstd::Decoder::with_buffer(input)?;
    Ok(Box::new(BufReader::with_capacity(PIECE, expanded)))
}

#[cfg(not(feature = "zstd"))]
fn expanded<'r>(_: Input<'r>) -> io::Result<Input<'r>> {
    Err(unsupported("a compressed file", "zstd"))
}
