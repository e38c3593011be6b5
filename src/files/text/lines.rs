//! Reads entries from a text, line by line.

use std::io::{self, BufRead, Read};

use super::parse_line;
use crate::aggregate::{Aggregator, Query, Report};
use crate::files::end::End;
use crate::flow::Flow;
use crate::origin::Origin;

/// Bytes of a line that are read: no entry is as long.
const LINE: u64 = 64 * 1024;

/// A text with one entry on each line: as `conntrack -L` and the kernel print them and, with the feature `json`, as
/// [records](crate::files::rows::Record).
///
/// ```
/// use ctnetlink::{Query, field::Field, files::text::Lines};
/// let text = "tcp 6 9 ESTABLISHED src=10.0.0.1 dst=10.0.0.2 sport=1 dport=2 \
///             src=10.0.0.2 dst=10.0.0.1 sport=2 dport=1 [ASSURED] mark=0 use=1\nnonsense\n";
/// let mut lines = Lines::new(text.as_bytes());
/// let report = lines.scan(&Query::new().group_by([Field::Source]))?;
/// assert_eq!((report.flows(), lines.end().malformed), (1, 1));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct Lines<R> {
    reader: R,
    line: Vec<u8>,
    /// The beginning of an entry whose rest is in the next line.
    cut: Vec<u8>,
    origin: Option<Origin>,
    end: End,
}

impl<R: BufRead> Lines<R> {
    /// Reads from here.
    pub fn new(reader: R) -> Self {
        let (line, cut) = (Vec::new(), Vec::new());
        Self { reader, line, cut, origin: None, end: End::default() }
    }

    /// The next entry; `None` at the end. Lines that are not entries are counted.
    ///
    /// # Errors
    ///
    /// The reader's.
    pub fn next_flow(&mut self) -> io::Result<Option<Flow>> {
        while self.next_line()? {
            let text = String::from_utf8_lossy(&self.line);
            // Windows begins text files with this mark.
            let text = text.trim_start_matches('\u{feff}').trim();
            if let Some((before, after)) = around_summary(text) {
                self.cut.extend_from_slice(before.as_bytes());
                self.cut.extend_from_slice(after.as_bytes());
                continue;
            }
            if text.is_empty() {
                continue;
            }
            match parse(text) {
                Ok((flow, origin)) => {
                    self.end.entries += 1;
                    self.origin = origin;
                    return Ok(Some(flow));
                }
                Err(error) => {
                    self.end.malformed += 1;
                    self.end.first_malformed.get_or_insert((self.end.lines, error));
                }
            }
        }
        Ok(None)
    }

    /// Reads a line, after what was cut off the one before.
    fn next_line(&mut self) -> io::Result<bool> {
        self.line.clear();
        self.line.append(&mut self.cut);
        let kept = !self.line.is_empty();
        let read = (&mut self.reader).take(LINE).read_until(b'\n', &mut self.line)?;
        self.end.bytes += read as u64;
        if read == 0 {
            return Ok(kept);
        }
        self.end.lines += 1;
        if !self.line.ends_with(b"\n") {
            // No entry is as long: the rest of the line is skipped.
            self.end.bytes += self.reader.skip_until(b'\n')? as u64;
        }
        Ok(true)
    }

    /// Reads the rest, and answers the query from it.
    ///
    /// # Errors
    ///
    /// The reader's.
    pub fn scan(&mut self, query: &Query) -> io::Result<Report> {
        let mut aggregator = Aggregator::new(query);
        while let Some(flow) = self.next_flow()? {
            // It was written right here, so it can be read.
            let _ = aggregator.record_bytes(&flow.to_bytes());
        }
        Ok(aggregator.finish())
    }

    /// Where and when the last entry was seen, if it was a record. Other text does not say it.
    pub fn origin(&self) -> Option<&Origin> {
        self.origin.as_ref()
    }

    /// How reading went so far.
    pub fn end(&self) -> End {
        self.end.clone().conclude(None)
    }
}

/// The entry of a line, and where and when it was seen, if it says so.
fn parse(text: &str) -> Result<(Flow, Option<Origin>), String> {
    #[cfg(feature = "json")]
    if text.starts_with('{') {
        let record = serde_json::from_str::<crate::files::rows::Record>(text);
        let record = record.map_err(|error| error.to_string())?;
        let flow = Flow::try_from(&record).map_err(|error| error.to_string())?;
        return Ok((flow, Some(record.origin())));
    }
    Ok((parse_line(text).map_err(|error| error.to_string())?, None))
}

/// What is before and after the summary that `conntrack` prints. Where it went into the same file as the entries, it may
/// be in the middle of an entry, whose rest is in the next line.
fn around_summary(text: &str) -> Option<(&str, &str)> {
    let (before, rest) = text.split_once("conntrack v")?;
    let (_, after) = rest.split_once("have been shown.")?;
    Some((before, after.trim_start()))
}
