//! The table in a file, and the file on any machine.
//!
//! ```text
//! sudo target/release/examples/snapshot save table.pcapng
//! target/release/examples/snapshot show table.pcapng --by source/24,dport
//! ```

#[allow(dead_code)] // This one reads a table once.
mod common;

use std::fs::File;
use std::io::{BufRead, BufReader, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anstyle::Style;
use bytesize::ByteSize;
use clap::{Parser, Subcommand};
use comfy_table::{CellAlignment, Table, presets};
use common::Usage;
use ctnetlink::Query;
use ctnetlink::aggregate::{Fields, Measure, Report};
use ctnetlink::capture::{Capture, CaptureEnd, CaptureFacts, Change, Difference};
use ctnetlink::import::{Lines, TextEnd};

/// The table in a file, and the file on any machine.
#[derive(Parser)]
#[command(after_help = AFTER_HELP, version)]
struct Options {
    #[command(flatten)]
    common: common::Shared,

    #[command(subcommand)]
    task: Task,
}

const AFTER_HELP: &str = "\
Files are pcapng, which Wireshark and tshark open, too, perhaps compressed (zstd); a pcap that tcpdump -i nlmon0 has written can be
shown as well, and so can text that conntrack -L has printed. To save takes CAP_NET_ADMIN (sudo) or --demo; to show takes nothing, on any machine.

Exit code: 0 done, 1 failed (or a file that is damaged), 2 not permitted or wrong arguments.";

#[derive(Subcommand)]
enum Task {
    /// Write the whole table into a file
    Save {
        /// The file, which must not be there yet; one that ends in .zst is compressed; - for the standard
        /// output
        file: PathBuf,
    },
    /// Say what two captures differ in: what has begun, what has ended, and which groups grew
    Diff {
        /// The earlier one
        first: PathBuf,

        /// The later one
        second: PathBuf,

        /// How many groups to show, of those that grew and of those that shrank
        #[arg(short = 'n', value_name = "ROWS", default_value_t = 10)]
        rows: usize,

        /// What to group by, as in top_sources
        #[arg(long, value_name = "KEYS", default_value = "source")]
        by: Fields,

        /// Only entries that FILTER is true of
        #[arg(value_name = "FILTER")]
        filter: Vec<String>,
    },
    /// Group the entries of a file
    Show {
        /// The file; - for the standard input
        file: PathBuf,

        /// How many groups to show
        #[arg(short = 'n', value_name = "ROWS", default_value_t = 10)]
        rows: usize,

        /// What to group by, as in top_sources
        #[arg(long, value_name = "KEYS", default_value = "source")]
        by: Fields,

        /// What to rank groups by
        #[arg(long, value_name = "flows|packets|bytes", default_value_t = Measure::Flows)]
        measure: Measure,

        /// Only entries that FILTER is true of
        #[arg(value_name = "FILTER")]
        filter: Vec<String>,
    },
}

/// How hard it compresses.
const LEVEL: i32 = 9;

/// Opens a file to read, compressed or not.
fn open(file: &Path) -> std::io::Result<Box<dyn Read>> {
    let input: Box<dyn Read> = match file.to_str() {
        Some("-") => Box::new(std::io::stdin()),
        _ => Box::new(File::open(file)?),
    };
    let mut input = BufReader::with_capacity(256 * 1024, input);
    let compressed = input.fill_buf()?.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]);
    Ok(if compressed { Box::new(zstd::Decoder::with_buffer(input)?) } else { Box::new(input) })
}

/// What `save --json` prints.
#[derive(serde::Serialize)]
struct Saved {
    file: String,
    entries: u64,
    datagrams: u64,
    bytes: u64,
}

/// What `show --json` prints.
#[derive(serde::Serialize)]
struct Shown<'a> {
    facts: Option<&'a CaptureFacts>,
    capture: Option<&'a CaptureEnd>,
    text: Option<&'a TextEnd>,
    flows: u64,
    undecided: u64,
    by: Vec<String>,
    distinct: u64,
    groups: Vec<Group>,
    other: u64,
}

#[derive(serde::Serialize)]
struct Group {
    key: Vec<String>,
    flows: u64,
    share: f64,
}

fn main() -> ExitCode {
    common::exit_as(run(&Options::parse()))
}

fn run(options: &Options) -> common::Result<ExitCode> {
    let json = options.common.json;
    match &options.task {
        Task::Save { file } => save(options, file),
        Task::Diff { first, second, rows, by, filter } => {
            let filter = common::selection::filter(&filter.join(" "))?;
            let query = Query::new().by(by.clone()).top(*rows).of(filter);
            let input = |file: &PathBuf| {
                open(file).map_err(|error| std::io::Error::new(error.kind(), named(file, &error)))
            };
            let found = Difference::of(|| input(first), || input(second), &query)
                .map_err(|error| Usage(error.to_string()))?;
            let mut out = anstream::stdout().lock();
            if json {
                common::json(&differs(&found), &mut out)?;
            } else {
                show_difference(&found, &mut out)?;
            }
            out.flush()?;
            let damaged = [&found.first, &found.second].iter().any(|end| end.damage.is_some());
            Ok(if damaged { ExitCode::FAILURE } else { ExitCode::SUCCESS })
        }
        Task::Show { file, rows, by, measure, filter } => {
            let filter = common::selection::filter(&filter.join(" "))?;
            let query = Query::new().by(by.clone()).top(*rows).measure(*measure).of(filter);
            let source = open(file).and_then(|input| Source::read(input, &query));
            let source = source.map_err(|error| named(file, &error))?;
            let mut out = anstream::stdout().lock();
            if json {
                common::json(&shown(&source), &mut out)?;
            } else {
                head(&source, &mut out)?;
                common::report::notes(&source.report, &mut out)?;
                common::report::groups(&source.report, &mut out)?;
            }
            out.flush()?;
            let damaged = source.capture.is_some_and(|(_, end)| end.damage.is_some());
            Ok(if damaged { ExitCode::FAILURE } else { ExitCode::SUCCESS })
        }
    }
}

fn named(file: &Path, error: &std::io::Error) -> Usage {
    Usage(format!("{}: {error}", file.display()))
}

fn save(options: &Options, file: &Path) -> common::Result<ExitCode> {
    options.common.prepare()?;
    let mut table = options.common.open()?;
    let (end, name) = if file.to_str() == Some("-") {
        if std::io::stdout().is_terminal() {
            return Err(Usage("it is no text: pipe it, or name a file".to_owned()).into());
        }
        (table.record(std::io::stdout().lock())?.0, "-".to_owned())
    } else {
        let target = File::create_new(file).map_err(|error| named(file, &error))?;
        let (end, target) = if file.extension().is_some_and(|extension| extension == "zst") {
            let (end, encoder) = table.record(zstd::Encoder::new(target, LEVEL)?)?;
            (end, encoder.finish()?)
        } else {
            table.record(target)?
        };
        target.sync_all()?;
        (end, file.display().to_string())
    };
    let saved =
        Saved { file: name, entries: end.entries, datagrams: end.datagrams, bytes: end.bytes };
    // The standard output may be the capture.
    let mut out = anstream::stderr().lock();
    if options.common.json {
        common::json(&saved, &mut out)?;
    } else {
        let size = ByteSize(saved.bytes).display().iec();
        writeln!(out, "{} entries, {size}, in {}", saved.entries, saved.file)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// What a file says, of either kind.
struct Source {
    report: Report,
    capture: Option<(CaptureFacts, CaptureEnd)>,
    text: Option<TextEnd>,
}

impl Source {
    /// Reads a capture, or text if it does not begin as one.
    fn read(input: Box<dyn Read>, query: &Query) -> std::io::Result<Self> {
        // pcapng, and pcap in both byte orders and both resolutions.
        const MAGIC: [[u8; 4]; 5] = [
            [0x0a, 0x0d, 0x0d, 0x0a],
            [0xd4, 0xc3, 0xb2, 0xa1],
            [0xa1, 0xb2, 0xc3, 0xd4],
            [0x4d, 0x3c, 0xb2, 0xa1],
            [0xa1, 0xb2, 0x3c, 0x4d],
        ];
        let mut input = BufReader::with_capacity(256 * 1024, input);
        let is_capture = input.fill_buf()?.first_chunk().is_some_and(|first| MAGIC.contains(first));
        if is_capture {
            let mut capture = Capture::new(input);
            let report = capture.scan(query)?;
            let capture = Some((capture.facts().clone(), capture.end().clone()));
            return Ok(Self { report, capture, text: None });
        }
        let mut lines = Lines::new(input);
        let report = lines.scan(query)?;
        Ok(Self { report, capture: None, text: Some(lines.end().clone()) })
    }
}

fn head(source: &Source, out: &mut impl Write) -> common::Result {
    let bold = Style::new().bold();
    if let Some(text) = &source.text {
        writeln!(out, "{bold}text{bold:#}   {} entries in {} lines", text.entries, text.lines)?;
        if let Some((line, why)) = &text.first_unread {
            writeln!(
                out,
                "{bold}note{bold:#}   {} of {} lines are no entry; the first, line {line}: {why}",
                text.unread, text.lines
            )?;
        }
    }
    let Some((facts, end)) = &source.capture else { return Ok(()) };
    let said = [
        facts.kernel.as_ref().map(|kernel| format!("Linux {kernel}")),
        facts.namespace.map(|inode| format!("netns {inode}")),
        facts.moment().map(|moment| humantime::format_rfc3339_seconds(moment).to_string()),
        facts.max.map(|max| format!("at most {max} entries")),
    ];
    let said: Vec<_> = said.into_iter().flatten().collect();
    if !said.is_empty() {
        writeln!(out, "{bold}from{bold:#}   {}", said.join(", "))?;
    }
    writeln!(out, "{bold}file{bold:#}   {} entries in {} datagrams", end.entries, end.datagrams)?;
    if let (Some(before), Some(after)) = (facts.before, facts.after) {
        writeln!(out, "{bold}dump{bold:#}   not atomic: {before} entries before, {after} after")?;
    }
    if end.dumps > 1 {
        writeln!(
            out,
            "{bold}note{bold:#}   {} dumps are in it: entries count more than once",
            end.dumps
        )?;
    }
    if end.malformed + end.foreign > 0 {
        let (malformed, foreign) = (end.malformed, end.foreign);
        writeln!(
            out,
            "{bold}note{bold:#}   {malformed} entries unreadable, {foreign} packets of something else"
        )?;
    }
    match &end.damage {
        Some(damage) => writeln!(
            out,
            "{bold}note{bold:#}   damaged at byte {}: {}; what is before that counts",
            damage.offset, damage.what
        )?,
        None if facts.complete != Some(true) => {
            writeln!(out, "{bold}note{bold:#}   the file does not say that it is complete")?;
        }
        None => {}
    }
    Ok(())
}

fn shown(source: &Source) -> Shown<'_> {
    let report = &source.report;
    let group = |row: &ctnetlink::aggregate::Row| Group {
        key: row.key.iter().map(ToString::to_string).collect(),
        flows: row.flows,
        share: report.share_of(row),
    };
    Shown {
        facts: source.capture.as_ref().map(|(facts, _)| facts),
        capture: source.capture.as_ref().map(|(_, end)| end),
        text: source.text.as_ref(),
        flows: report.flows(),
        undecided: report.undecided(),
        by: report.fields().iter().map(ToString::to_string).collect(),
        distinct: report.distinct(),
        groups: report.rows().iter().map(group).collect(),
        other: report.other(),
    }
}

/// What `diff --json` prints.
#[derive(serde::Serialize)]
struct Differs<'a> {
    first: &'a CaptureEnd,
    second: &'a CaptureEnd,
    born: u64,
    died: u64,
    stayed: u64,
    by: Vec<String>,
    groups: Vec<Grown>,
}

#[derive(serde::Serialize)]
struct Grown {
    key: Vec<String>,
    growth: i64,
    before: u64,
    after: u64,
    born: u64,
    died: u64,
}

fn differs(found: &Difference) -> Differs<'_> {
    let group = |change: &Change| Grown {
        key: change.key.iter().map(ToString::to_string).collect(),
        growth: change.growth(),
        before: change.before,
        after: change.after,
        born: change.born,
        died: change.died,
    };
    Differs {
        first: &found.first,
        second: &found.second,
        born: found.born,
        died: found.died,
        stayed: found.stayed,
        by: found.fields.iter().map(ToString::to_string).collect(),
        groups: found.rows.iter().map(group).collect(),
    }
}

fn show_difference(found: &Difference, out: &mut impl Write) -> common::Result {
    let bold = Style::new().bold();
    let Difference { born, died, stayed, .. } = found;
    writeln!(
        out,
        "{bold}entries{bold:#} {born} have begun, {died} have ended, {stayed} have stayed"
    )?;
    for (name, end) in [("first", &found.first), ("second", &found.second)] {
        if let Some(damage) = &end.damage {
            let (offset, what) = (damage.offset, &damage.what);
            writeln!(out, "{bold}note{bold:#}    the {name} is damaged at byte {offset}: {what}")?;
        }
    }
    if found.rows.is_empty() {
        writeln!(out, "No group has changed.")?;
        return Ok(());
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    let names = found.fields.iter().map(ToString::to_string);
    let columns = ["growth", "before", "after", "begun", "ended"];
    table.set_header(names.chain(columns.map(str::to_owned)));
    for change in &found.rows {
        let numbers = [change.before, change.after, change.born, change.died];
        let growth = format!("{:+}", change.growth());
        let key = change.key.iter().map(ToString::to_string);
        table.add_row(key.chain([growth]).chain(numbers.map(|number| number.to_string())));
    }
    for (index, column) in table.column_iter_mut().enumerate() {
        if index >= found.fields.len() {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    for row in table.lines() {
        writeln!(out, "{}", row.trim_end())?;
    }
    Ok(())
}
