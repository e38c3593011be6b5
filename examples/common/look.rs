//! What queries found, in the kernel's table or in a file.

use std::io::{self, Write};

use ctnetlink::Scan;
use ctnetlink::aggregate::Report;
use ctnetlink::escape::Escaped;
use ctnetlink::files::{End, TableFacts};
use serde::{Serialize, Serializer};

use super::from::{Found, outcome, unsaid};
use super::{Result, groups, report, say};

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
            Ok(groups::show(self.report(), None, out)?)
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
