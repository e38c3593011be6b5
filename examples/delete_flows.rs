//! Deletes the entries a filter is true of, after a look at them.
//!
//! ```text
//! cargo run --release --example delete_flows -- 'proto=udp dport=53 unreplied' --demo
//! sudo target/release/examples/delete_flows 'src=10.1.2.3' --yes
//! ```

#[allow(dead_code)] // This one does not watch.
mod common;
#[path = "delete_flows/journal.rs"]
mod journal;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use common::{Usage, selection};
use ctnetlink::escape::Escaped;
use ctnetlink::files::text::Line;
use ctnetlink::flow::{Flow, FlowRef};
use ctnetlink::origin::Origin;
use ctnetlink::{DeletePlan, DeleteReport, Summary};
use journal::Journal;

/// Deletes the entries a filter is true of.
///
/// Without --yes it shows what would be deleted, and deletes nothing. Each entry is looked at again right before it is
/// deleted. A later entry that has its tuple is left alone, and so is one that no longer matches. The SSH session it
/// runs in is left alone, too. A flow that goes on gets a new entry with its next packet, and perhaps another
/// translation.
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

    /// Append lines of JSON to FILE: every entry before it is deleted, with everything the kernel said of it, and then
    /// what became of it. If a line cannot be written, no more entries are deleted
    #[arg(long, value_name = "FILE", requires = "yes")]
    journal: Option<PathBuf>,

    /// Delete them even if they are all that the table holds
    #[arg(long, requires = "yes")]
    whole_table: bool,

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
    /// Whether nothing in the table would be left.
    everything: bool,
    journal: Option<String>,
    executed: bool,
    deleted: u64,
    confirmed: u64,
    already_gone: u64,
    replaced: u64,
    changed: u64,
    hidden: u64,
    deleted_later: u64,
    later: Vec<String>,
    failed: u64,
    unanswered: u64,
    untried: u64,
    error: Option<String>,
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
    let seen = table.observe();
    let mut plan = table.delete_plan(&filter)?.max(options.max);
    let kept = if options.own_session_too { 0 } else { plan.spare_own_session() };

    let everything = plan.is_everything()?;
    let mut document = describe(options, &plan, kept, everything);
    let mut out = common::stdout();
    if !options.common.json {
        let shown = preview(&document, plan.malformed(), &mut out);
        match shown.and_then(|()| Ok(out.flush()?)) {
            // That nobody reads is no success where something was to be deleted.
            Err(error) if options.yes => {
                return Err(format!("nothing was deleted: the preview: {error}").into());
            }
            shown => shown?,
        }
    }
    let mut failure = None;
    if options.yes {
        // More than --max is refused by the plan.
        if everything && !options.whole_table && document.matched <= options.max {
            let problem = format!(
                "nothing was deleted: the {} entries that match are all entries of the table; to \
                 delete them anyway, add --whole-table, or use flush_table",
                document.matched
            );
            return Err(Usage(problem).into());
        }
        let (report, written) = execute(plan, seen, options)?;
        failure = report.error.as_ref().map(ToString::to_string).or(written);
        document.note(report, failure.clone());
    }
    let told = if options.common.json {
        common::json(&document, &mut out).map_err(Into::into)
    } else {
        conclude(options, &document, &mut out)
    };
    let told = told.and_then(|()| Ok(out.flush()?));
    // Whoever does not read the report has the exit code.
    failure.map_or(told, |error| Err(error.into()))
}

/// Deletes, and writes the journal. Says also what went wrong with the end of that.
fn execute(
    plan: DeletePlan<'_>,
    seen: Origin,
    options: &Options,
) -> common::Result<(DeleteReport, Option<String>)> {
    let Some(path) = &options.journal else { return Ok((plan.execute()?, None)) };
    // Before anything is deleted: a journal that cannot be written is found out now.
    let journal = Journal::open(path, seen, &plan);
    let mut journal = journal.map_err(|error| Usage(error.to_string()))?;
    let report = plan.execute_with(|step| journal.note(step))?;
    let written = journal.finish().err().map(|error| format!("write the journal: {error}"));
    Ok((report, written))
}

fn describe(
    options: &Options,
    plan: &DeletePlan<'_>,
    own_session_kept: u64,
    everything: bool,
) -> Document {
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
        everything,
        journal: options.journal.as_ref().map(|path| path.display().to_string()),
        executed: false,
        deleted: 0,
        confirmed: 0,
        already_gone: 0,
        replaced: 0,
        changed: 0,
        hidden: 0,
        deleted_later: 0,
        later: Vec::new(),
        failed: 0,
        unanswered: 0,
        untried: 0,
        error: None,
    }
}

impl Document {
    fn note(&mut self, report: DeleteReport, error: Option<String>) {
        self.executed = true;
        self.deleted = report.deleted;
        self.confirmed = report.confirmed;
        self.already_gone = report.already_gone;
        self.replaced = report.replaced;
        self.changed = report.changed;
        self.hidden = report.hidden;
        self.deleted_later = report.deleted_later;
        self.later = report.later.iter().filter_map(line).collect();
        self.failed = report.failed;
        self.unanswered = report.unanswered;
        self.untried = report.untried;
        self.error = error;
    }
}

fn line(flow: &Flow) -> Option<String> {
    let bytes = flow.to_bytes();
    FlowRef::parse(&bytes).ok().map(|flow| Line::of(&flow).to_string())
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
        let counts = [
            (outcome.already_gone, "already gone"),
            (outcome.replaced, "replaced by later ones (left alone)"),
            (outcome.changed, "not matching any more (left alone)"),
            (outcome.hidden, "hidden by other entries with their tuples (left alone)"),
            (outcome.failed, "refused by the kernel"),
            (outcome.unanswered, "without an answer (deleted or not)"),
            (outcome.untried, "not tried"),
        ];
        write!(out, "{} deleted", outcome.deleted)?;
        for (count, what) in counts {
            if count > 0 {
                write!(out, ", {count} {what}")?;
            }
        }
        writeln!(out, ".")?;
        if outcome.deleted_later > 0 {
            writeln!(
                out,
                "later entries that were deleted in place of planned ones: {}",
                outcome.deleted_later
            )?;
            for line in &outcome.later {
                writeln!(out, "  {line}")?;
            }
        }
        if let Some(journal) = &outcome.journal {
            writeln!(out, "Journal: {}", Escaped(journal))?;
        }
    } else if outcome.matched > options.max || outcome.everything {
        let mut takes = "--yes".to_owned();
        if outcome.matched > options.max {
            takes += &format!(" --max {}", outcome.matched);
        }
        if outcome.everything {
            takes += " --whole-table, since nothing else is in the table";
        }
        writeln!(out, "Nothing was deleted. It takes {takes}.")?;
    } else if outcome.matched > 0 {
        writeln!(out, "Nothing was deleted. --yes deletes them.")?;
    }
    Ok(())
}
