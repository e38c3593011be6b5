//! A table out of a file, in place of the kernel's.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anstyle::Style;
use ctnetlink::aggregate::Report;
use ctnetlink::escape::Escaped;
use ctnetlink::field::{Field, Key};
use ctnetlink::files::snapshot::Snapshot;
use ctnetlink::files::{End, Format, TableFacts};
use ctnetlink::{Filter, Query};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

use super::{Result, Usage};

/// Where the table is from, for those that only look at it.
#[derive(clap::Args)]
pub struct From {
    /// Look at the table in FILE instead, which takes no privilege: a capture (snapshot save, tcpdump),
    /// text (conntrack -L), NDJSON or Parquet, perhaps compressed (zstd); - for the standard input
    #[arg(long, value_name = "FILE", conflicts_with_all = ["demo", "netns"])]
    pub from: Option<PathBuf>,
}

/// The capture that comes with the programs: beside them, or where they were built.
pub fn sample() -> Option<PathBuf> {
    const NAME: &str = "sample.pcapng";
    let sources = Path::new("examples").join(NAME);
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).join(&sources);
    [beside(NAME), Some(sources), Some(built)].into_iter().flatten().find(|file| file.is_file())
}

/// A file of this name where this program is, as it was called: there may be no `/proc` to ask.
pub fn beside(name: &str) -> Option<PathBuf> {
    let called = PathBuf::from(std::env::args_os().next()?);
    // A name alone was looked for in PATH.
    called.parent().filter(|folder| *folder != Path::new(""))?;
    Some(called.with_file_name(name))
}

/// A path as a word of a shell.
pub fn typed(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+".contains(c);
    if text.chars().all(plain) { text } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

/// Opens a file, or the standard input.
pub fn open(file: &Path) -> io::Result<Snapshot<'static>> {
    let opened = match file.to_str() {
        Some("-") => Snapshot::new(io::stdin()),
        _ => Snapshot::open(file),
    };
    opened.map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", file.display())))
}

/// A file that takes a while to read, in bytes.
const LONG: u64 = 64 << 20;

/// Opens a file, and shows on a terminal how far reading it is, if it takes a while.
fn open_shown(file: &Path) -> Result<(Snapshot<'static>, ProgressBar)> {
    let length = std::fs::metadata(file).map_or(0, |found| found.len());
    let bar = ProgressBar::with_draw_target(Some(length), ProgressDrawTarget::stderr_with_hz(5))
        .with_style(ProgressStyle::with_template("{bar:30} {percent}% of {total_bytes}")?);
    if length > LONG {
        match Snapshot::new(bar.wrap_read(File::open(file)?)) {
            // Not of a stream, but of a file.
            Err(error) if error.kind() == io::ErrorKind::Unsupported => {}
            opened => return Ok((opened?, bar)),
        }
    }
    Ok((open(file)?, bar))
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
    let (mut snapshot, bar) = open_shown(file).map_err(|error| Usage(error.to_string()))?;
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
pub struct Document<'a> {
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

impl Found {
    /// The answer to the first query.
    pub fn report(&self) -> &Report {
        &self.reports[0]
    }

    pub fn document(&self) -> Document<'_> {
        let TableFacts { before, after, max, .. } = self.facts;
        Document {
            table: Occupancy { entries_before: before, entries_after: after, max },
            file: self.file.display().to_string(),
            facts: &self.facts,
            read: &self.end,
            filter: Some(self.filter.to_string()).filter(|text| !text.is_empty()),
            mode: "file",
            complete: self.end.complete,
            report: self.report(),
        }
    }

    /// Fails for a file that is damaged, once what is whole of it was shown.
    pub fn outcome(&self) -> Result {
        outcome(&self.file, &self.end)
    }

    /// Lines on where it is from, and what of it could not be read.
    pub fn header(&self, out: &mut impl Write) -> io::Result<()> {
        let bold = Style::new().bold();
        let (facts, end) = (&self.facts, &self.end);
        let said = [
            facts.origin.node.clone(),
            facts.origin.kernel.as_ref().map(|kernel| format!("Linux {kernel}")),
            facts.origin.netns_inode.map(|inode| format!("netns {inode}")),
            facts
                .origin
                .time
                .map(|time| humantime::format_rfc3339_seconds(time.into()).to_string()),
            facts.max.map(|max| format!("at most {max} entries")),
        ];
        let said: Vec<_> = said.into_iter().flatten().collect();
        if !said.is_empty() {
            writeln!(out, "{bold}from{bold:#}   {}", Escaped(said.join(", ")))?;
        }
        writeln!(out, "{bold}file{bold:#}   {}, {} entries", end.format, end.entries)?;
        if let (Some(before), Some(after)) = (facts.before, facts.after) {
            writeln!(
                out,
                "{bold}dump{bold:#}   not atomic: {before} entries before, {after} after"
            )?;
        }
        for note in notes(&self.end) {
            writeln!(out, "{bold}note{bold:#}   {}", Escaped(note))?;
        }
        if let Some(note) = unsaid(end, &self.filter, self.report().keys()) {
            writeln!(out, "{bold}note{bold:#}   {note}")?;
        }
        if self.filter != Filter::new() {
            writeln!(out, "{bold}filter{bold:#} {}", self.filter)?;
        }
        if self.report().undecided() > 0 {
            writeln!(
                out,
                "{bold}note{bold:#}   {} entries lack what the filter is about, and are left out",
                self.report().undecided()
            )?;
        }
        if self.report().flows() == 0 {
            writeln!(out, "No entry matches.")?;
        }
        Ok(())
    }
}

/// Fails for a file that is damaged, or none of those that are read.
pub fn outcome(file: &Path, end: &End) -> Result {
    if end.is_damaged() {
        return Err(format!("{} is {}", file.display(), damage(end)).into());
    }
    if end.entries == 0 && end.malformed > 0 {
        return Err(format!("{}: nothing in it is an entry", file.display()).into());
    }
    Ok(())
}

/// Fails for many tables in one file, where one is to be written.
pub fn of_one_table(file: &Path, end: &End) -> Result {
    let (file, elsewhere) = (file.display(), end.elsewhere);
    if elsewhere > 0 {
        let text = format!("{file}: {elsewhere} of its entries are of other tables than the first");
        return Err(Usage(text).into());
    }
    if end.dumps > 1 {
        let text = format!("{file}: {} dumps are in it, and not one", end.dumps);
        return Err(Usage(text).into());
    }
    Ok(())
}

/// What text does not say, if a query asks for it.
pub fn unsaid(end: &End, filter: &Filter, keys: &[Key]) -> Option<String> {
    let asked = filter.fields().into_iter().chain(keys.iter().map(|key| key.field()));
    // Text does say what is assured and replied to, which are words of their own.
    let bits = filter.to_string().contains("status=");
    let bits = bits || keys.contains(&Field::Status.into());
    let hidden = |field: &Field| match field {
        Field::Status => bits,
        _ => [Field::Label, Field::Helper].contains(field),
    };
    let first = asked.filter(|_| end.format == Format::Text).find(hidden)?;
    Some(format!(
        "{first}: text has no labels, not all status bits, and helpers in some forms only; a capture has all"
    ))
}

fn damage(end: &End) -> String {
    let unit = if end.format == Format::Parquet { "row" } else { "byte" };
    let cut = format!(
        "damaged: {} packets were cut when they were captured (snaplen; tcpdump -s 0 keeps all of them), and \
         the entries behind the cuts are missing",
        end.cut
    );
    match &end.damage {
        None => cut,
        Some(damage) => format!("damaged at {unit} {}: {}", damage.offset, damage.what),
    }
}

/// What of a file was not read, or should not be there.
pub fn notes(end: &End) -> Vec<String> {
    let mut notes = Vec::new();
    if end.dumps > 1 {
        notes.push(format!("{} dumps are in it: entries count more than once", end.dumps));
    }
    if end.elsewhere > 0 {
        notes.push(format!(
            "{} entries are of another machine, namespace or time than the first",
            end.elsewhere
        ));
    }
    match &end.first_malformed {
        Some((line, why)) => notes
            .push(format!("{} lines are no entry; the first, line {line}: {why}", end.malformed)),
        None if end.malformed > 0 => notes.push(format!("{} entries unreadable", end.malformed)),
        None => {}
    }
    if end.foreign > 0 {
        notes.push(format!("{} packets of something else", end.foreign));
    }
    if end.damage.is_some() {
        notes.push(format!("{}; what is before that counts", damage(end)));
    } else if end.cut > 0 {
        notes.push(damage(end));
    } else if notes.is_empty() && end.complete == Some(false) {
        notes.push("not all of a table is in it".to_owned());
    } else if end.format == Format::Capture && end.complete.is_none() {
        notes.push("the file does not say that it is complete".to_owned());
    }
    notes
}
