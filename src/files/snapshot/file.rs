//! A table out of a file.

use std::fmt;
use std::fs::File;
use std::io::{self, Read, Seek};
use std::ops::ControlFlow;
use std::path::Path;

use super::recognize::{Input, format_of, recognize};
use crate::aggregate::{Aggregator, Query, Report};
use crate::files::capture::Capture;
use crate::files::end::{Damage, End, Format, is_damage};
use crate::files::facts::TableFacts;
#[cfg(feature = "parquet")]
use crate::files::parquet::Reader;
#[cfg(feature = "parquet")]
use crate::files::rows::Record;
use crate::files::text::Lines;
use crate::flow::{Flow, FlowRef};
use crate::origin::Origin;

/// A table out of a file, whatever its form.
///
/// ```no_run
/// use ctnetlink::{Query, aggregate::Field, files::snapshot::Snapshot};
/// # fn main() -> std::io::Result<()> {
/// let mut snapshot = Snapshot::open("table.pcapng.zst")?;
/// let report = snapshot.scan(&Query::new().by([Field::SOURCE]))?;
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
    /// Entries of a form that has them not as attributes, and where each ends.
    encoded: (Vec<u8>, Vec<usize>),
    /// Nobody has had these yet.
    held: bool,
    /// Where and when the first entry was seen.
    first: Option<Origin>,
}

enum Source<'r> {
    Capture(Box<Capture<Input<'r>>>),
    Text(Lines<Input<'r>>),
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
    /// The system's, and `Unsupported` for a form whose feature is not there.
    pub fn open(path: impl AsRef<Path>) -> io::Result<Self> {
        let mut file = File::open(path)?;
        let mut magic = Vec::new();
        (&mut file).take(4).read_to_end(&mut magic)?;
        if file.rewind().is_err() {
            // A pipe: what was read of it is put before the rest.
            return Self::new(io::Cursor::new(magic).chain(file));
        }
        if format_of(&magic) == Format::Parquet {
            return Self::of_columns(file);
        }
        Self::new(file)
    }

    #[cfg(feature = "parquet")]
    fn of_columns(file: File) -> io::Result<Self> {
        let rows = Reader::new(file)?;
        let mut facts = TableFacts::default();
        if let Some(text) = rows.fact(crate::files::parquet::FACTS) {
            facts.read_comment(text);
        }
        Self::of(Source::Parquet(Box::new(rows)), Format::Parquet, facts)
    }

    #[cfg(not(feature = "parquet"))]
    fn of_columns(_: File) -> io::Result<Self> {
        Err(crate::error::lacks_feature("a Parquet file", "parquet"))
    }
}

impl<'r> Snapshot<'r> {
    /// Reads from here, as a stream: all forms but Parquet, which takes a file. No
    /// [`BufReader`](io::BufReader) is needed.
    ///
    /// # Errors
    ///
    /// The reader's, and `Unsupported` for Parquet or a form whose feature is not there.
    pub fn new(reader: impl Read + 'r) -> io::Result<Self> {
        let (format, input) = recognize(reader)?;
        let source = match format {
            Format::Capture => Source::Capture(Box::new(Capture::new(input))),
            Format::Text | Format::Json => Source::Text(Lines::new(input)),
            Format::Parquet => {
                let text = "Parquet has its index at the end: give a file in place of a stream";
                return Err(io::Error::new(io::ErrorKind::Unsupported, text));
            }
        };
        Self::of(source, format, TableFacts::default())
    }

    /// Reads as far as the first entries, by which it is known where the table is from.
    fn of(mut source: Source<'r>, format: Format, facts: TableFacts) -> io::Result<Self> {
        if let Source::Capture(capture) = &mut source {
            capture.begin()?;
        }
        let mut new = Self {
            source,
            facts,
            end: End { format, ..End::default() },
            encoded: (Vec::new(), Vec::new()),
            held: false,
            first: None,
        };
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
                Ok(Some((flow, seen))) => {
                    self.note(seen);
                    return Ok(Some(flow));
                }
                Err(error) if is_damage(&error) => {
                    let offset = match &self.source {
                        Source::Capture(_) => 0,
                        Source::Text(lines) => lines.end().bytes,
                        #[cfg(feature = "parquet")]
                        Source::Parquet(_) => self.end.entries,
                    };
                    self.end.damage = Some(Damage { offset, what: error.to_string() });
                }
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    /// Notes where and when an entry was seen.
    fn note(&mut self, seen: Option<Origin>) {
        let Some(seen) = seen else { return };
        match &self.first {
            Some(first) => self.end.elsewhere += u64::from(*first != seen),
            None => {
                // What each entry says is nearer to the truth.
                self.facts.origin = seen.clone().or(std::mem::take(&mut self.facts.origin));
                self.first = Some(seen);
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
        if let Some(time) = self.facts.origin.time {
            aggregator = aggregator.at(time.into());
        }
        while self.encode()? {
            let wrong = self.encoded().filter(|entry| aggregator.record_bytes(entry).is_err());
            let wrong = wrong.count() as u64;
            self.end.malformed += wrong;
        }
        Ok(aggregator.finish_all())
    }

    /// Whether the entries have ids, as far as the first one tells; `None` if there is none.
    pub(super) fn has_ids(&self) -> Option<bool> {
        let has = |entry: &[u8]| FlowRef::parse(entry).is_ok_and(|flow| flow.id().is_some());
        match &self.source {
            Source::Capture(capture) => capture.held().and_then(|mut held| held.next()).map(has),
            _ => self.encoded().next().filter(|_| self.held).map(has),
        }
    }

    /// Reads the rest, and shows every entry to `look`, until that breaks it off. Entries that cannot be read
    /// are [counted](End::malformed).
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
        while flow.is_continue() {
            let Some(mut entries) = self.next_entries()? else { break };
            flow = entries.try_for_each(|entry| match FlowRef::parse(entry) {
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

    /// Where it is from, as far as it says and was read.
    pub fn facts(&self) -> &TableFacts {
        if let Source::Capture(capture) = &self.source { capture.facts() } else { &self.facts }
    }

    /// How it went so far.
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
