//! A table out of a file.

use std::fmt;
use std::fs::File;
use std::io::{self, Read, Seek};
use std::ops::{ControlFlow, Range};
use std::path::Path;

use super::recognize::{Input, format_of, recognize};
use crate::aggregate::{Aggregator, Query, Report};
use crate::files::capture::Capture;
use crate::files::end::{Damage, End, Format, is_damage};
use crate::files::facts::TableFacts;
#[cfg(feature = "parquet")]
use crate::files::parquet::{FACTS, Reader};
#[cfg(feature = "parquet")]
use crate::files::rows::Record;
use crate::files::text::Lines;
use crate::flow::{Flow, FlowRef};
use crate::origin::Origin;

/// A table out of a file of any [format](Format).
///
/// ```no_run
/// use ctnetlink::{Query, field::Field, files::snapshot::Snapshot};
/// # fn main() -> std::io::Result<()> {
/// let mut snapshot = Snapshot::open("table.pcapng.zst")?;
/// let report = snapshot.scan(&Query::new().group_by([Field::Source]))?;
/// println!("{} flows, {:?}", report.flows(), snapshot.facts().origin.kernel);
/// if let Some(damage) = snapshot.end().damage {
///     println!("at byte {}: {}", damage.offset, damage.what);
/// }
/// # Ok(()) }
/// ```
pub struct Snapshot<'r> {
    source: Source<'r>,
    facts: TableFacts,
    /// What the source's own end does not say.
    end: End,
    /// Entries of a source without attributes, encoded, and where each of them is.
    encoded: (Vec<u8>, Vec<Range<usize>>),
    /// Whether the entries at hand were not given to anybody yet.
    held: bool,
    /// Where and when the first entry was seen.
    first: Option<Origin>,
}

enum Source<'r> {
    Capture(Box<Capture<Input<'r>>>),
    Text(Box<Lines<Input<'r>>>),
    #[cfg(feature = "parquet")]
    Parquet(Box<Reader<Record>>),
}

/// Entries that are encoded at a time.
const BATCH: usize = 256;

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
    /// The system's, and `Unsupported` for a format whose feature is not built.
    pub fn open(path: impl AsRef<Path>) -> io::Result<Self> {
        let mut file = File::open(path)?;
        let mut magic = Vec::new();
        (&mut file).take(4).read_to_end(&mut magic)?;
        if file.rewind().is_err() {
            // A pipe: what was read of it is put before the rest.
            return Self::new(io::Cursor::new(magic).chain(file));
        }
        if format_of(&magic) == Format::Parquet {
            return Self::of_parquet(file);
        }
        Self::new(file)
    }

    #[cfg(feature = "parquet")]
    fn of_parquet(file: File) -> io::Result<Self> {
        let rows = Reader::new(file)?;
        let mut facts = TableFacts::default();
        facts.read_comment(rows.fact(FACTS).unwrap_or_default());
        Self::of(Source::Parquet(Box::new(rows)), Format::Parquet, facts)
    }

    #[cfg(not(feature = "parquet"))]
    fn of_parquet(_: File) -> io::Result<Self> {
        Err(crate::error::lacks_feature("a Parquet file", "parquet"))
    }
}

impl<'r> Snapshot<'r> {
    /// Reads a stream of any format but Parquet, which takes a file. No [`BufReader`](io::BufReader) is needed.
    ///
    /// # Errors
    ///
    /// The reader's, and `Unsupported` for Parquet or a format whose feature is not built.
    pub fn new(reader: impl Read + 'r) -> io::Result<Self> {
        let (format, input) = recognize(reader)?;
        let source = match format {
            Format::Capture => Source::Capture(Box::new(Capture::new(input))),
            Format::Text | Format::Json => Source::Text(Box::new(Lines::new(input))),
            Format::Parquet => {
                let text = "Parquet has its index at the end: give a file in place of a stream";
                return Err(io::Error::new(io::ErrorKind::Unsupported, text));
            }
        };
        Self::of(source, format, TableFacts::default())
    }

    /// Reads as far as the first entries, which say where the table is from.
    fn of(source: Source<'r>, format: Format, facts: TableFacts) -> io::Result<Self> {
        let end = End { format, ..End::default() };
        let encoded = (Vec::new(), Vec::new());
        let mut new = Self { source, facts, end, encoded, held: false, first: None };
        new.held = new.advance()?;
        Ok(new)
    }

    /// The next entries, each as the attributes after the netfilter header; `None` at the end, or where the file is
    /// damaged.
    ///
    /// # Errors
    ///
    /// The reader's. A damaged file is not an error: see [`end`](Self::end).
    pub fn next_entries(&mut self) -> io::Result<Option<impl Iterator<Item = &[u8]>>> {
        Ok(self.advance()?.then(|| self.entries()))
    }

    /// Reads as far as the next entries, unless there are some that nobody got; `false` at the end.
    fn advance(&mut self) -> io::Result<bool> {
        if std::mem::take(&mut self.held) {
            return Ok(true);
        }
        if let Source::Capture(capture) = &mut self.source {
            return capture.advance();
        }
        self.encoded.0.clear();
        self.encoded.1.clear();
        while self.encoded.1.len() < BATCH {
            let Some(flow) = self.next_flow()? else { break };
            let (bytes, places) = &mut self.encoded;
            let start = bytes.len();
            bytes.extend_from_slice(&flow.to_bytes());
            places.push(start..bytes.len());
        }
        Ok(!self.encoded.1.is_empty())
    }

    /// The entries at hand.
    fn entries(&self) -> impl Iterator<Item = &[u8]> {
        let (bytes, places) = match &self.source {
            Source::Capture(capture) => capture.held(),
            _ => (&self.encoded.0[..], &self.encoded.1[..]),
        };
        places.iter().map(|at| bytes.get(at.clone()).unwrap_or_default())
    }

    /// The next entry of a source that is not a capture.
    fn next_flow(&mut self) -> io::Result<Option<Flow>> {
        while self.end.damage.is_none() {
            let next = match &mut self.source {
                Source::Capture(_) => return Ok(None),
                Source::Text(lines) => {
                    lines.next_flow().map(|flow| Some((flow?, lines.origin().cloned())))
                }
                #[cfg(feature = "parquet")]
                Source::Parquet(rows) => match rows.next().transpose() {
                    Ok(Some(record)) => {
                        let Ok(flow) = Flow::try_from(&record) else {
                            self.end.malformed += 1;
                            continue;
                        };
                        self.end.entries += 1;
                        Ok(Some((flow, Some(record.origin()))))
                    }
                    Ok(None) => Ok(None),
                    Err(error) => Err(error),
                },
            };
            match next {
                Ok(None) => return Ok(None),
                Ok(Some((flow, origin))) => {
                    self.note(origin);
                    return Ok(Some(flow));
                }
                Err(error) if is_damage(&error) => {
                    let offset = match &self.source {
                        Source::Text(lines) => lines.end().bytes,
                        _ => self.end.entries,
                    };
                    self.end.damage = Some(Damage { offset, what: error.to_string() });
                }
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    /// Notes where and when an entry was seen.
    fn note(&mut self, origin: Option<Origin>) {
        match (&self.first, origin) {
            (_, None) => {}
            (Some(first), Some(origin)) => self.end.elsewhere += u64::from(*first != origin),
            (None, Some(origin)) => {
                // The entries say the time more exactly, and the file may say what they leave out.
                self.facts.origin = origin.clone().or(std::mem::take(&mut self.facts.origin));
                self.first = Some(origin);
            }
        }
    }

    /// Reads the rest, and answers the query from it. Ages are counted up to the time the table was read, if the file
    /// says it.
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
        let mut aggregator = Aggregator::of(queries);
        if let Some(time) = self.facts().origin.time {
            aggregator = aggregator.at(time.into());
        }
        while self.advance()? {
            let wrong = self.entries().filter(|entry| aggregator.record_bytes(entry).is_err());
            self.end.malformed += wrong.count() as u64;
        }
        Ok(aggregator.finish_all())
    }

    /// Whether the entries have ids, judging by the first one; `None` if there is no entry.
    pub(super) fn has_ids(&self) -> Option<bool> {
        let first = self.entries().next().filter(|_| self.held)?;
        Some(FlowRef::parse(first).is_ok_and(|flow| flow.id().is_some()))
    }

    /// Reads the rest, and shows every entry to `look`, until that breaks off. Entries that cannot be read are
    /// [counted](End::malformed).
    ///
    /// # Errors
    ///
    /// As [`next_entries`](Self::next_entries).
    pub fn try_for_each<B>(
        &mut self,
        mut look: impl FnMut(&FlowRef<'_>) -> ControlFlow<B>,
    ) -> io::Result<ControlFlow<B>> {
        let mut malformed = 0;
        let mut flow = ControlFlow::Continue(());
        while flow.is_continue() && self.advance()? {
            flow = self.entries().try_for_each(|entry| match FlowRef::parse(entry) {
                Ok(flow) => look(&flow),
                Err(_) => {
                    malformed += 1;
                    ControlFlow::Continue(())
                }
            });
        }
        self.end.malformed += malformed;
        Ok(flow)
    }

    /// What the file says of the table, as far as it was read.
    pub fn facts(&self) -> &TableFacts {
        if let Source::Capture(capture) = &self.source { capture.facts() } else { &self.facts }
    }

    /// How reading went so far.
    pub fn end(&self) -> End {
        let mut end = match &self.source {
            Source::Capture(capture) => capture.end(),
            Source::Text(lines) => lines.end(),
            #[cfg(feature = "parquet")]
            Source::Parquet(_) => End { entries: self.end.entries, ..End::default() },
        };
        end.format = self.end.format;
        end.malformed += self.end.malformed;
        end.elsewhere = self.end.elsewhere;
        end.damage = end.damage.or(self.end.damage.clone());
        let said = end.complete.or(self.facts.complete);
        end.conclude(said)
    }
}
