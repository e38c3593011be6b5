//! A table out of a file, in place of the kernel's.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use ctnetlink::aggregate::Report;
use ctnetlink::escape::Escaped;
use ctnetlink::field::{Field, Key};
use ctnetlink::files::snapshot::Snapshot;
use ctnetlink::files::{End, Format, TableFacts};
use ctnetlink::{Filter, Query, Scan};
use serde::{Serialize, Serializer};

use super::{Result, Usage, progress, report, say, wrong};

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

/// What `--json` prints: the document of a scan of the kernel's table, as far as a file knows.
#[derive(Serialize)]
struct Document<'a> {
    table: Occupancy,
    file: String,
    facts: &'a TableFacts,
    read: &'a End,
    filter: Option<String>,
    mode: &'static str,
    /// Null where the file does not say it.
    complete: Option<bool>,
    #[serde(flatten)]
    report: &'a Report,
}

#[derive(Serialize)]
struct Occupancy {
    entries_before: Option<u64>,
    entries_after: Option<u64>,
    max: Option<u64>,
}

impl Serialize for Found {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let TableFacts { before, after, max, .. } = self.facts;
        let document = Document {
            table: Occupancy { entries_before: before, entries_after: after, max },
            file: self.file.display().to_string(),
            facts: &self.facts,
            read: &self.end,
            filter: Some(self.filter.to_string()).filter(|text| !text.is_empty()),
            mode: "file",
            complete: self.end.complete,
            report: &self.reports[0],
        };
        document.serialize(serializer)
    }
}

/// What a query found, in the kernel's table or in a file.
#[derive(Serialize)]
#[serde(untagged)]
pub enum Look {
    Table(Scan),
    File(Found),
}

impl Look {
    /// The answer to the first query.
    pub fn report(&self) -> &Report {
        match self {
            Self::Table(scan) => &scan.report,
            Self::File(found) => &found.reports[0],
        }
    }

    /// Lines on where it is from, and what of it could not be read.
    pub fn header(&self, out: &mut dyn Write) -> io::Result<()> {
        match self {
            Self::Table(scan) => report::header(scan, out),
            Self::File(found) => found.header(out),
        }
    }

    /// Prints it as JSON, or for a person.
    pub fn print(&self, as_json: bool) -> Result {
        super::print(self, as_json, |out| {
            self.header(out)?;
            report::notes(self.report(), out)?;
            Ok(report::groups(self.report(), None, out)?)
        })?;
        self.outcome()
    }

    /// Fails for a file that is damaged, once what is whole of it was shown.
    pub fn outcome(&self) -> Result {
        match self {
            Self::Table(_) => Ok(()),
            Self::File(found) => outcome(&found.file, &found.end),
        }
    }
}

impl Found {
    fn header(&self, out: &mut dyn Write) -> io::Result<()> {
        let TableFacts { origin, before, after, max, .. } = &self.facts;
        let time = |time: &ctnetlink::origin::Timestamp| {
            humantime::format_rfc3339_seconds((*time).into()).to_string()
        };
        let said = [
            origin.node.clone(),
            origin.kernel.as_ref().map(|kernel| format!("Linux {kernel}")),
            origin.netns_inode.map(|inode| format!("netns {inode}")),
            origin.time.as_ref().map(time),
            max.map(|max| format!("at most {max} entries")),
        ];
        let said: Vec<_> = said.into_iter().flatten().collect();
        if !said.is_empty() {
            say(out, "from", Escaped(said.join(", ")))?;
        }
        say(out, "file", format_args!("{}, {} entries", self.end.format, self.end.entries))?;
        if let (Some(before), Some(after)) = (before, after) {
            let text = format_args!("not atomic: {before} entries before, {after} after");
            say(out, "dump", text)?;
        }
        let report = &self.reports[0];
        let unsaid = unsaid(&self.end, &self.filter, report.keys());
        for note in self.end.notes().into_iter().chain(unsaid) {
            say(out, "note", Escaped(note))?;
        }
        report::judged(&self.filter, report, "", out)?;
        if report.flows() == 0 { writeln!(out, "No entry matches.") } else { Ok(()) }
    }
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
