//! Deletes the entries a filter is true of, after a look at them.
//!
//! ```text
//! cargo run --release --example delete_flows -- 'proto=udp dport=53 unreplied' --demo
//! sudo target/release/examples/delete_flows 'src=10.1.2.3' --yes
//! ```

#[allow(dead_code)] // This one does not watch.
#[path = "../common/mod.rs"]
mod common;
mod journal;
mod outcome;
mod text;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use common::{Usage, selection, wrong};
use ctnetlink::origin::Origin;
use ctnetlink::{DeletePlan, DeleteReport};
use journal::Journal;
use outcome::Document;

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

fn main() -> ExitCode {
    common::exit(run(&common::arguments()))
}

fn run(options: &Options) -> common::Result {
    let filter = selection::filter(&options.filter)?;
    if filter.is_everything() {
        return wrong("the filter leaves nothing out; to remove every entry there is flush_table");
    }
    options.common.prepare()?;
    let mut table = options.common.open_to_write()?;
    let seen = table.observe();
    let mut plan = table.delete_plan(&filter)?.max(options.max);
    let kept = if options.own_session_too { 0 } else { plan.spare_own_session() };

    let mut document = Document::of(&mut plan, kept, options)?;
    let mut out = common::stdout();
    if !options.common.json {
        let shown = document.preview(plan.malformed(), &mut out);
        match shown.and_then(|()| out.flush()) {
            // That nobody reads is no success where something was to be deleted.
            Err(error) if options.yes => {
                return Err(format!("nothing was deleted: the preview: {error}").into());
            }
            shown => shown?,
        }
    }
    if options.yes {
        // More than --max is refused by the plan.
        if document.everything && !options.whole_table && document.matched <= options.max {
            return wrong(format_args!(
                "nothing was deleted: the {} entries that match are all entries of the table; to \
                 delete them anyway, add --whole-table, or use flush_table",
                document.matched
            ));
        }
        let (report, written) = execute(plan, seen, options)?;
        document.note(report, written);
    }
    let told = common::print(&document, options.common.json, |out| Ok(document.conclude(out)?));
    // Whoever does not read the report has the exit code.
    document.outcome.error.map_or(told, |error| Err(error.into()))
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
