//! The forms a file may have, and what writes entries in them.

use ctnetlink::files::capture::Recorder;
use ctnetlink::files::rows::Record;
use ctnetlink::files::{TableFacts, parquet};
use ctnetlink::flow::FlowRef;
use ctnetlink::origin::Origin;

use crate::common::{self, lines::Format};
use crate::output::Output;

/// What a file becomes.
#[derive(Clone, Copy)]
pub enum Form {
    Capture,
    Parquet,
    Lines(Format),
}

impl std::str::FromStr for Form {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "pcapng" => Ok(Self::Capture),
            "parquet" => Ok(Self::Parquet),
            _ => text.parse().map(Self::Lines).map_err(|error| format!("{error}, pcapng, parquet")),
        }
    }
}

/// Where entries go.
pub enum Sink {
    Capture(Recorder<Output>),
    Parquet(parquet::Writer<Output, Record>, Origin),
    Lines(Format, Output, Origin),
}

impl Sink {
    /// Begins it.
    pub fn begin(form: Form, mut output: Output, facts: &TableFacts) -> common::Result<Self> {
        let seen = facts.origin.clone();
        Ok(match form {
            Form::Capture => {
                let mut begin = facts.clone();
                begin.complete = None;
                Self::Capture(Recorder::new(output, &begin)?)
            }
            Form::Parquet => Self::Parquet(parquet::Writer::new(output)?, seen),
            Form::Lines(format) => {
                format.begin(&mut output)?;
                Self::Lines(format, output, seen)
            }
        })
    }

    /// Writes an entry.
    pub fn write(&mut self, flow: &FlowRef<'_>, first: bool) -> common::Result {
        match self {
            Self::Capture(recorder) => {
                recorder.entry(flow.original().family(), flow.as_bytes())?;
            }
            Self::Parquet(writer, seen) => writer.push(Record::from(flow).observed(seen))?,
            Self::Lines(format, output, seen) => format.write(flow, seen, first, output)?,
        }
        Ok(())
    }

    /// Ends it, and gives back what was written to.
    pub fn end(self, shown: u64, undecided: u64, facts: &TableFacts) -> common::Result<Output> {
        Ok(match self {
            Self::Capture(mut recorder) => {
                if facts.complete == Some(true) {
                    recorder.done()?;
                }
                recorder.finish(facts)?
            }
            Self::Parquet(mut writer, _) => {
                writer.facts(facts);
                writer.finish()?
            }
            Self::Lines(format, mut output, _) => {
                format.end(shown, undecided, facts.complete == Some(true), &mut output)?;
                output
            }
        })
    }
}
