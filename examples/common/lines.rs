//! Entries, one a line, in the forms there are for that.

use std::io::{self, Write};
use std::str::FromStr;

use ctnetlink::files::rows::Record;
use ctnetlink::files::text::{Line, SaveLine};
use ctnetlink::flow::FlowRef;
use ctnetlink::origin::Origin;

use super::Result;

/// How entries are written.
#[derive(Clone, Copy, PartialEq)]
pub enum Format {
    Line { extended: bool, id: bool },
    Save,
    Json,
    Ndjson,
    Csv,
}

impl FromStr for Format {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        match text {
            "json" => return Ok(Self::Json),
            "ndjson" => return Ok(Self::Ndjson),
            "csv" => return Ok(Self::Csv),
            "save" => return Ok(Self::Save),
            _ => {}
        }
        let (mut extended, mut id) = (false, false);
        for word in text.split(',') {
            match word {
                "plain" => {}
                "extended" => extended = true,
                "id" => id = true,
                _ => {
                    return Err(format!(
                        "{word:?} is none of plain, extended, id, save, json, ndjson, csv"
                    ));
                }
            }
        }
        Ok(Self::Line { extended, id })
    }
}

impl Format {
    /// Whether it says where and when an entry was seen.
    pub fn is_record(self) -> bool {
        matches!(self, Self::Json | Self::Ndjson | Self::Csv)
    }

    /// What stands before the first entry.
    pub fn begin(self, out: &mut impl Write) -> io::Result<()> {
        match self {
            Self::Json => write!(out, "{{\"flows\":["),
            Self::Csv => writeln!(out, "{}", Record::COLUMNS.join(",")),
            _ => Ok(()),
        }
    }

    /// An entry.
    pub fn write(
        self,
        flow: &FlowRef<'_>,
        seen: &Origin,
        first: bool,
        out: &mut impl Write,
    ) -> Result {
        let record = || Record::from(flow).observed(seen);
        match self {
            Self::Line { extended, id } => {
                let line = Line::of(flow).extended(extended).id(id);
                let line = seen.time.map_or(line, |time| line.at(time.into()));
                writeln!(out, "{line}")?;
            }
            Self::Save => writeln!(out, "{}", SaveLine::of(flow))?,
            Self::Csv => writeln!(out, "{}", record().csv())?,
            Self::Ndjson => super::json(&record(), out)?,
            Self::Json => {
                write!(out, "{}", if first { "" } else { "," })?;
                super::document(&record(), out)?;
            }
        }
        Ok(())
    }

    /// What stands behind the last one.
    pub fn end(
        self,
        shown: u64,
        undecided: u64,
        complete: bool,
        out: &mut impl Write,
    ) -> io::Result<()> {
        if self == Self::Json {
            writeln!(
                out,
                "],\"shown\":{shown},\"undecided\":{undecided},\"complete\":{complete}}}"
            )?;
        }
        out.flush()
    }
}
