//! A table out of a file, in place of the kernel's.

use std::io;
use std::path::{Path, PathBuf};

use ctnetlink::aggregate::Report;
use ctnetlink::field::{Field, Key};
use ctnetlink::files::snapshot::Snapshot;
use ctnetlink::files::{End, Format, TableFacts};
use ctnetlink::{Filter, Query};

use super::{Result, Usage, progress, wrong};

/// Where the table is from, for those that only look at it.
#[derive(clap::Args)]
pub struct From {
    /// Look at the table in FILE instead, which takes no privilege: a capture (snapshot save, tcpdump),
    /// text (conntrack -L), NDJSON or Parquet, perhaps compressed (zstd); - for the standard input
    #[arg(long, value_name = "FILE", conflicts_with_all = ["demo", "netns"])]
    pub from: Option<PathBuf>,
}

/// Opens a file, or the standard input.
pub fn open(file: &Path) -> Result<Snapshot<'static>, Usage> {
    open_named(file).map_err(|error| Usage(error.to_string()))
}

/// The same with an error of the system, which names the file.
pub fn open_named(file: &Path) -> io::Result<Snapshot<'static>> {
    let opened = match file.to_str() {
        Some("-") => Snapshot::new(io::stdin()),
        _ => Snapshot::open(file),
    };
    opened.map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", file.display())))
}

/// What was found in a file.
pub struct Found {
    pub file: PathBuf,
    pub filter: Filter,
    pub reports: Vec<Report>,
    pub facts: TableFacts,
    pub end: End,
}

/// Answers queries from a file.
pub fn scan(file: &Path, queries: &[Query]) -> Result<Found> {
    let (mut snapshot, bar) = progress::open(file).map_err(|error| Usage(error.to_string()))?;
    let reports = snapshot.scan_all(queries);
    bar.finish_and_clear();
    let reports = reports.map_err(|error| Usage(format!("{}: {error}", file.display())))?;
    Ok(Found {
        file: file.to_owned(),
        filter: queries.first().map(|query| query.filter.clone()).unwrap_or_default(),
        reports,
        facts: snapshot.facts().clone(),
        end: snapshot.end(),
    })
}

/// Fails for a file that is damaged, or none of those that are read.
pub fn outcome(file: &Path, end: &End) -> Result {
    let file = file.display();
    match end.damaged() {
        Some(damaged) => Err(format!("{file} is {damaged}").into()),
        None if end.entries == 0 && end.malformed > 0 => {
            Err(format!("{file}: nothing in it is an entry").into())
        }
        None => Ok(()),
    }
}

/// Fails for many tables in one file, where one is to be written.
pub fn of_one_table(file: &Path, end: &End) -> Result {
    let (file, elsewhere, dumps) = (file.display(), end.elsewhere, end.dumps);
    if elsewhere > 0 {
        return wrong(format_args!(
            "{file}: {elsewhere} of its entries are of other tables than the first"
        ));
    }
    if dumps > 1 {
        return wrong(format_args!("{file}: {dumps} dumps are in it, and not one"));
    }
    Ok(())
}

/// What text does not say, if a query asks for it.
pub fn unsaid(end: &End, filter: &Filter, keys: &[Key]) -> Option<String> {
    let asked = filter.fields().into_iter().chain(keys.iter().map(|key| key.field()));
    // Text does say what is assured and replied to, which are words of their own.
    let bits = filter.to_string().contains("status=") || keys.contains(&Field::Status.into());
    let hidden = |field: &Field| match field {
        Field::Status => bits,
        _ => [Field::Label, Field::Helper].contains(field),
    };
    let first = asked.filter(|_| end.format == Format::Text).find(hidden)?;
    Some(format!(
        "{first}: text has no labels, not all status bits, and helpers in some forms only; a capture has all"
    ))
}
