//! Entries of a file in another form.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use ctnetlink::files::parquet;
use ctnetlink::files::rows::Record;
use ctnetlink::files::{TableFacts, capture::Recorder};
use ctnetlink::flow::FlowRef;
use ctnetlink::origin::Origin;

use crate::Options;
use crate::common::lines::Format;
use crate::common::{self, Usage};
use crate::output::Output;
use crate::save::Written;

/// From what into what.
#[derive(clap::Args)]
pub struct Arguments {
    /// The file to read; - for the standard input
    from: PathBuf,

    /// The file to write, which must not be there yet; one that ends in .zst is compressed; - for the
    /// standard output
    to: PathBuf,

    /// What it becomes: pcapng, parquet, ndjson, csv, save (which conntrack -R loads), or plain, extended,
    /// id as conntrack prints them [default: by the end of its name]
    #[arg(long = "as", value_name = "FORM")]
    form: Option<Form>,

    /// The name of the machine it is of [default: what the file says]
    #[arg(long, value_name = "NAME")]
    node: Option<String>,

    /// Only entries that FILTER is true of
    #[arg(value_name = "FILTER")]
    filter: Vec<String>,
}

#[derive(Clone, Copy)]
enum Form {
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

/// Whether a file's name says that it is to be no capture.
pub fn is_named_otherwise(file: &Path) -> bool {
    form_of(file).is_some_and(|form| !matches!(form, Form::Capture))
}

/// The form that a file's name ends in.
fn form_of(file: &Path) -> Option<Form> {
    let name = file.file_name()?.to_str()?;
    let name = name.strip_suffix(".zst").unwrap_or(name);
    match name.rsplit_once('.')?.1 {
        "txt" => "plain".parse().ok(),
        "jsonl" => "ndjson".parse().ok(),
        end => end.parse().ok(),
    }
}

pub fn run(options: &Options, arguments: &Arguments) -> common::Result {
    let filter = common::selection::filter(&arguments.filter.join(" "))?;
    let form = arguments.form.or_else(|| form_of(&arguments.to)).ok_or_else(|| {
        let file = arguments.to.display();
        Usage(format!("{file}: say --as what: the end of the name is none of the forms"))
    })?;
    let compressed = arguments.to.extension().is_some_and(|extension| extension == "zst");
    if compressed && matches!(form, Form::Parquet) {
        return common::wrong("Parquet is compressed within: leave .zst away");
    }
    let mut snapshot = common::from::open(&arguments.from)?;
    let mut facts = snapshot.facts().clone();
    if let Some(node) = &arguments.node {
        facts.origin.node = Some(node.clone());
    }
    let moment = facts.origin.time.map_or_else(SystemTime::now, SystemTime::from);
    let is_text = matches!(form, Form::Lines(_));
    let mut sink = Sink::begin(form, Output::create(&arguments.to, is_text)?, &facts)?;
    let (mut entries, mut undecided) = (0, 0);
    common::progress::each(&mut snapshot, |flow| {
        match filter.judge(flow, moment) {
            Some(true) => {
                entries += 1;
                sink.write(flow, entries == 1)?;
            }
            Some(false) => {}
            None => undecided += 1,
        }
        Ok(())
    })?;
    let end = snapshot.end();
    common::from::of_one_table(&arguments.from, &end)?;
    // Some entries of a table are not the table.
    facts.complete = if filter.is_everything() { end.complete } else { Some(false) };
    let written = Written {
        file: arguments.to.display().to_string(),
        entries,
        undecided,
        malformed: end.malformed,
        size: sink.end(entries, undecided, &facts)?.finish()?,
        complete: facts.complete,
    };
    written.tell(options)?;
    common::from::outcome(&arguments.from, &end)
}

/// Where entries go.
enum Sink {
    Capture(Recorder<Output>),
    Parquet(parquet::Writer<Output, Record>, Origin),
    Lines(Format, Output, Origin),
}

impl Sink {
    fn begin(form: Form, mut output: Output, facts: &TableFacts) -> common::Result<Self> {
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

    fn write(&mut self, flow: &FlowRef<'_>, first: bool) -> common::Result {
        match self {
            Self::Capture(recorder) => {
                recorder.entry(flow.original().family(), flow.as_bytes())?;
            }
            Self::Parquet(writer, seen) => writer.push(Record::from(flow).observed(seen))?,
            Self::Lines(format, output, seen) => format.write(flow, seen, first, output)?,
        }
        Ok(())
    }

    fn end(self, shown: u64, undecided: u64, facts: &TableFacts) -> common::Result<Output> {
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
