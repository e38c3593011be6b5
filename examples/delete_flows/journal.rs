//! A file that says which entries are about to be deleted, and what became of them.
//!
//! A line is a JSON object; `step` says what kind of line it is. An empty line separates a run from
//! an earlier one.
//!
//! | `step` | what it says |
//! |---|---|
//! | `run` | a run begins: `filter`, and how many entries match it |
//! | `next` | entry `number` is about to be deleted: all its fields as `list_flows -o ndjson` has them, and `attributes`, all that the kernel said of it, in hexadecimal, as `FlowRef::parse` reads it. It is in the file before the entry is touched |
//! | `done` | what became of entry `number` is its `outcome`: `deleted`, `already-gone`, `replaced`, `changed`, `hidden`, `refused` (with `error`), `untouched`; or `later`: a later entry was deleted in its stead, whose fields and `attributes` are on the line |
//!
//! A `next` without a `done`, in a file that ends early, may have been deleted or not. If the last
//! line is cut off, it is about an entry that was not touched, or about an outcome that is not
//! known. The lines are handed to the system before the deletes, and are not forced to the disk:
//! they outlive the program, but perhaps not the machine. The table does not outlive the machine
//! either.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use ctnetlink::files::rows::Record;
use ctnetlink::flow::FlowRef;
use ctnetlink::origin::Origin;
use ctnetlink::{DeletePlan, DeleteStep, Deleted};
use serde::Serialize;

use crate::common::json;

pub struct Journal {
    path: PathBuf,
    out: BufWriter<File>,
    seen: Origin,
}

#[derive(Serialize)]
struct Run<'a> {
    step: &'a str,
    program: &'a str,
    filter: String,
    matched: u64,
}

#[derive(Default, Serialize)]
struct Line<'a> {
    step: &'a str,
    number: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    #[serde(flatten)]
    entry: Option<Entry>,
}

#[derive(Serialize)]
struct Entry {
    #[serde(flatten)]
    record: Record,
    attributes: String,
}

impl Journal {
    /// Opens it to append to. Nothing is written before the first entry is next.
    pub fn open(path: &Path, seen: Origin, plan: &DeletePlan<'_>) -> io::Result<Self> {
        let file = File::options().append(true).create(true).open(path);
        let named = |error| named(path, error);
        let file = file.map_err(named)?;
        // An earlier run may have ended in the middle of a line.
        let parted = file.metadata().is_ok_and(|file| file.len() > 0);
        let (path, out) = (path.to_owned(), BufWriter::new(file));
        let mut journal = Self { path, out, seen };
        if parted {
            writeln!(journal.out)?;
        }
        let program = concat!("delete_flows ", env!("CARGO_PKG_VERSION"));
        let (filter, matched) = (plan.filter().to_string(), plan.matched());
        json(&Run { step: "run", program, filter, matched }, &mut journal.out)?;
        Ok(journal)
    }

    pub fn note(&mut self, step: DeleteStep<'_>) -> io::Result<()> {
        self.write(step).map_err(|error| named(&self.path, error))
    }

    /// Writes what is not written yet.
    pub fn finish(&mut self) -> io::Result<()> {
        self.out.flush().map_err(|error| named(&self.path, error))
    }

    fn write(&mut self, step: DeleteStep<'_>) -> io::Result<()> {
        let done = |number, outcome| Line { step: "done", number, outcome, ..Line::default() };
        let line = match step {
            DeleteStep::Next { first, flows, .. } => {
                for (number, flow) in (first..).zip(flows) {
                    let entry = Some(self.entry(flow));
                    let line = Line { step: "next", number, entry, ..Line::default() };
                    json(&line, &mut self.out)?;
                }
                return self.out.flush();
            }
            DeleteStep::Done { number, outcome: Ok(Deleted::Later(flow)), .. } => {
                let bytes = flow.to_bytes();
                let entry = FlowRef::parse(&bytes).ok().map(|flow| self.entry(&flow));
                Line { entry, ..done(number, Some("later")) }
            }
            DeleteStep::Done { number, outcome: Ok(deleted), .. } => {
                done(number, Some(word(deleted)))
            }
            DeleteStep::Done { number, outcome: Err(error), .. } => {
                Line { error: Some(error.to_string()), ..done(number, Some("refused")) }
            }
            DeleteStep::Untouched { number, .. } => done(number, Some("untouched")),
            other => return Err(io::Error::other(format!("no line for {other:?}"))),
        };
        json(&line, &mut self.out)
    }

    fn entry(&self, flow: &FlowRef<'_>) -> Entry {
        let attributes = flow.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        Entry { record: Record::from(flow).observed(&self.seen), attributes }
    }
}

fn word(deleted: &Deleted) -> &'static str {
    match deleted {
        Deleted::Deleted => "deleted",
        Deleted::AlreadyGone => "already-gone",
        Deleted::Replaced => "replaced",
        Deleted::Changed => "changed",
        Deleted::Hidden => "hidden",
        _ => "other",
    }
}

/// The error with the file it is of.
fn named(path: &Path, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}
