//! Entries of a file in another form.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use bytesize::ByteSize;
use ctnetlink::capture::{CaptureFacts, Recorder};
use ctnetlink::export::{Observation, Record};
use ctnetlink::flow::FlowRef;
use ctnetlink::parquet;

use crate::Options;
use crate::common::lines::Format;
use crate::common::{self, Usage};
use crate::output::Output;

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

    /// The name of the machine it is of, where the file does not say it
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

/// What `--json` prints.
#[derive(serde::Serialize)]
struct Converted {
    file: String,
    entries: u64,
    undecided: u64,
    malformed: u64,
    size: Option<u64>,
    complete: bool,
}

pub fn run(options: &Options, arguments: &Arguments) -> common::Result {
    let filter = common::selection::filter(&arguments.filter.join(" "))?;
    let form = arguments.form.or_else(|| form_of(&arguments.to)).ok_or_else(|| {
        let file = arguments.to.display();
        Usage(format!("{file}: say --as what: the end of the name is none of the forms"))
    })?;
    let mut snapshot = common::from::open(&arguments.from).map_err(|e| Usage(e.to_string()))?;
    let mut facts = snapshot.facts().clone();
    facts.node = facts.node.or_else(|| arguments.node.clone());
    let moment = facts.moment().unwrap_or_else(SystemTime::now);
    let (mut entries, mut undecided) = (0, 0);
    let bar = common::progress(facts.after.or(facts.before))?;
    let size = Output::or_nothing(&arguments.to, || {
        let is_text = matches!(form, Form::Lines(_));
        let mut sink = Sink::begin(form, Output::create(&arguments.to, is_text)?, &facts)?;
        let mut outcome = Ok(());
        while let (Some(found), Ok(())) = (snapshot.next_entries()?, &outcome) {
            for (entry, flow) in found.map(|entry| (entry, FlowRef::parse(entry))) {
                // Those that cannot be read are counted by the snapshot, or here.
                let Ok(flow) = flow else { continue };
                match filter.judge(&flow, moment) {
                    Some(true) => {
                        entries += 1;
                        outcome = sink.write(entry, &flow, entries == 1);
                    }
                    Some(false) => {}
                    None => undecided += 1,
                }
                if outcome.is_err() {
                    break;
                }
            }
            bar.set_position(entries);
        }
        outcome?;
        facts.complete = Some(snapshot.is_complete() && arguments.filter.is_empty());
        sink.end(entries, undecided, &facts)?.finish()
    })?;
    bar.finish_and_clear();
    let end = snapshot.end();
    let converted = Converted {
        file: arguments.to.display().to_string(),
        entries,
        undecided,
        malformed: end.malformed,
        size,
        complete: snapshot.is_complete(),
    };
    report(options, &converted)?;
    match end.damage {
        None => Ok(()),
        Some(damage) => {
            let file = arguments.from.display();
            Err(format!("{file} is damaged at byte {}: {}", damage.offset, damage.what).into())
        }
    }
}

fn report(options: &Options, converted: &Converted) -> common::Result {
    // The standard output may be what was written.
    let mut out = anstream::stderr().lock();
    if options.common.json {
        return Ok(common::json(converted, &mut out)?);
    }
    let Converted { file, entries, undecided, malformed, size, .. } = converted;
    let size = size.map(|size| format!(", {}", ByteSize(size).display().iec()));
    writeln!(out, "{entries} entries{} in {file}", size.unwrap_or_default())?;
    if *undecided > 0 {
        writeln!(out, "note: {undecided} entries lack what the filter is about, and are left out")?;
    }
    if *malformed > 0 {
        writeln!(out, "note: {malformed} entries or lines could not be read, and are left out")?;
    }
    Ok(())
}

/// Where entries go.
enum Sink {
    Capture(Recorder<Output>),
    Parquet(parquet::Writer<Output, Record>, Observation),
    Lines(Format, Output, Observation),
}

impl Sink {
    fn begin(form: Form, mut output: Output, facts: &CaptureFacts) -> common::Result<Self> {
        let seen = facts.observation();
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

    fn write(&mut self, entry: &[u8], flow: &FlowRef<'_>, first: bool) -> common::Result {
        match self {
            Self::Capture(recorder) => recorder.entry(flow.original().family(), entry)?,
            Self::Parquet(writer, seen) => writer.push(Record::from(flow).observed(seen))?,
            Self::Lines(format, output, seen) => format.write(flow, seen, first, output)?,
        }
        Ok(())
    }

    fn end(self, shown: u64, undecided: u64, facts: &CaptureFacts) -> common::Result<Output> {
        Ok(match self {
            Self::Capture(recorder) => recorder.finish(facts)?,
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
