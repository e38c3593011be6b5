//! Deletes the entries a filter is true of, after a look at them.
//!
//! ```text
//! cargo run --release --example delete_flows -- 'proto=udp dport=53 unreplied' --demo
//! sudo target/release/examples/delete_flows 'src=10.1.2.3' --yes
//! ```

#[allow(dead_code)] // This one does not watch.
mod common;

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use common::session::Session;
use common::{Usage, selection};
use ctnetlink::export::Record;
use ctnetlink::{DeletePlan, DeleteReport, Deleted, Summary};

/// Deletes the entries a filter is true of: those very entries, and none that came later.
///
/// Without --yes it shows what would be deleted, and deletes nothing. The SSH session it runs in
/// stays. Flows that go on get a new entry with their next packet, and perhaps another translation.
#[derive(Parser)]
#[command(after_help = common::AFTER_HELP, version)]
struct Options {
    #[command(flatten)]
    common: common::Shared,

    /// Which entries, such as 'proto=udp dport=53 unreplied'
    #[arg(value_name = "FILTER", long_help = selection::words())]
    filter: String,

    /// Delete them
    #[arg(long)]
    yes: bool,

    /// Delete none if there are more than N
    #[arg(long, value_name = "N", default_value_t = DeletePlan::MAX)]
    max: u64,

    /// How many of them to show
    #[arg(long, value_name = "N", default_value_t = 5)]
    show: usize,

    /// Append a line of JSON to FILE for every entry that is deleted, with all that was known of it
    #[arg(long, value_name = "FILE", requires = "yes")]
    journal: Option<PathBuf>,

    /// Delete the entry of one's own SSH session, too
    #[arg(long)]
    own_session_too: bool,
}

/// What `--json` prints.
#[derive(serde::Serialize)]
struct Document {
    filter: String,
    matched: u64,
    max: u64,
    own_session_kept: u64,
    undecided: u64,
    established: u64,
    nated: u64,
    established_and_nated: u64,
    groups: Vec<Group>,
    sample: Vec<String>,
    executed: bool,
    deleted: u64,
    already_gone: u64,
    replaced: u64,
    failed: u64,
    unanswered: u64,
}

#[derive(serde::Serialize)]
struct Group {
    protocol: String,
    state: String,
    flows: u64,
}

fn main() -> ExitCode {
    common::exit(run(&common::arguments()))
}

fn run(options: &Options) -> common::Result {
    let filter = selection::filter(&options.filter)?;
    if filter.is_everything() {
        let problem = "the filter leaves nothing out; to remove every entry there is flush_table";
        return Err(Usage(problem.to_owned()).into());
    }
    options.common.prepare()?;
    let mut table = options.common.open_to_write()?;
    let mut plan = table.delete_plan(&filter)?.max(options.max);
    let own = if options.own_session_too { None } else { Session::own() };
    let kept = own.map_or(0, |own| plan.retain(|flow| !own.is(flow)));

    let mut document = describe(options, &plan, kept);
    let mut out = common::stdout();
    if !options.common.json {
        preview(&document, plan.malformed(), &mut out)?;
        out.flush()?;
    }
    let mut failure = None;
    if options.yes {
        let (report, written) = execute(plan, options.journal.as_deref())?;
        document.note(&report);
        written?;
        failure = report.error;
    }
    if options.common.json {
        common::json(&document, &mut out)?;
    } else {
        conclude(options, &document, &mut out)?;
    }
    out.flush()?;
    failure.map_or(Ok(()), |error| Err(error.into()))
}

/// Deletes, and writes the journal; if that fails, the entries are deleted all the same.
fn execute(
    plan: DeletePlan<'_>,
    journal: Option<&Path>,
) -> common::Result<(DeleteReport, io::Result<()>)> {
    let Some(path) = journal else { return Ok((plan.execute()?, Ok(()))) };
    // Before anything is deleted: a journal that cannot be written is found out now.
    let file = File::options().append(true).create(true).open(path);
    let file = file.map_err(|error| Usage(format!("{}: {error}", path.display())))?;
    let mut journal = BufWriter::new(file);
    let mut written = Ok(());
    let report = plan.execute_with(|flow, outcome| {
        if matches!(outcome, Ok(Deleted::Deleted)) && written.is_ok() {
            written = common::json(&Record::from(flow), &mut journal);
        }
    })?;
    Ok((report, written.and_then(|()| journal.flush())))
}

fn describe(options: &Options, plan: &DeletePlan<'_>, own_session_kept: u64) -> Document {
    let Summary { matched, groups, established, nated, established_and_nated, .. } = plan.summary();
    let row = |row: &ctnetlink::aggregate::Row| {
        let mut values = row.key.iter().map(ToString::to_string);
        let mut next = || values.next().unwrap_or_default();
        Group { protocol: next(), state: next(), flows: row.flows }
    };
    Document {
        filter: plan.filter().to_string(),
        matched,
        max: options.max,
        own_session_kept,
        undecided: plan.end().undecided,
        established,
        nated,
        established_and_nated,
        groups: groups.rows().iter().map(row).collect(),
        sample: plan
            .flows()
            .take(options.show)
            .map(|flow| format!("{} {} {}", flow.protocol(), flow.state(), flow.original()))
            .collect(),
        executed: false,
        deleted: 0,
        already_gone: 0,
        replaced: 0,
        failed: 0,
        unanswered: 0,
    }
}

impl Document {
    fn note(&mut self, report: &DeleteReport) {
        self.executed = true;
        self.deleted = report.deleted;
        self.already_gone = report.already_gone;
        self.replaced = report.replaced;
        self.failed = report.failed;
        self.unanswered = report.unanswered;
    }
}

fn preview(plan: &Document, malformed: u64, out: &mut impl Write) -> common::Result {
    writeln!(out, "{} entries match: {}", plan.matched, plan.filter)?;
    for Group { protocol, state, flows } in &plan.groups {
        writeln!(out, "  {flows:>8}  {protocol} {state}")?;
    }
    if plan.matched > 0 {
        writeln!(
            out,
            "Conversations: {} ({} of them behind NAT); behind NAT in all: {}.",
            plan.established, plan.established_and_nated, plan.nated
        )?;
        writeln!(out, "Such as:")?;
        for line in &plan.sample {
            writeln!(out, "  {line}")?;
        }
    }
    if plan.own_session_kept > 0 {
        writeln!(out, "Your own SSH session is left out; --own-session-too takes it in.")?;
    }
    if plan.undecided > 0 {
        writeln!(
            out,
            "{} entries lack what the filter is about, and are left out.",
            plan.undecided
        )?;
    }
    if malformed > 0 {
        writeln!(out, "{malformed} entries could not be read, and are left out.")?;
    }
    Ok(())
}

fn conclude(options: &Options, outcome: &Document, out: &mut impl Write) -> common::Result {
    if outcome.executed {
        writeln!(
            out,
            "{} deleted, {} already gone, {} replaced by later ones (left alone), {} failed, {} \
             without an answer.",
            outcome.deleted,
            outcome.already_gone,
            outcome.replaced,
            outcome.failed,
            outcome.unanswered
        )?;
    } else if outcome.matched > options.max {
        writeln!(
            out,
            "Nothing was deleted. It takes --yes, and --max {} since {} is the most allowed.",
            outcome.matched, options.max
        )?;
    } else if outcome.matched > 0 {
        writeln!(out, "Nothing was deleted. --yes deletes them.")?;
    }
    Ok(())
}
