//! Entries of a file in another form.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::Options;
use crate::common::{self, Usage};
use crate::output::Output;
use crate::save::Written;
use crate::sink::{Form, Sink};

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
