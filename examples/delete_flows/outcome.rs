//! What is told of a plan, and of what became of it.

use std::io::{self, Write};

use ctnetlink::aggregate::Row;
use ctnetlink::escape::Escaped;
use ctnetlink::files::text::Line;
use ctnetlink::flow::{Flow, FlowRef};
use ctnetlink::{DeletePlan, DeleteReport, Summary};
use serde::Serialize;

use crate::{Options, common};

/// What `--json` prints.
#[derive(Serialize)]
pub struct Document {
    filter: String,
    pub matched: u64,
    max: u64,
    own_session_kept: u64,
    undecided: u64,
    established: u64,
    nated: u64,
    established_and_nated: u64,
    groups: Vec<Group>,
    sample: Vec<String>,
    /// Whether nothing in the table would be left.
    pub everything: bool,
    journal: Option<String>,
    #[serde(flatten)]
    pub outcome: Outcome,
    /// The counts of the outcome as a person reads them.
    #[serde(skip)]
    counts: String,
}

#[derive(Serialize)]
struct Group {
    protocol: String,
    state: String,
    flows: u64,
}

/// What became of the plan; all 0 if it was only looked at.
#[derive(Default, Serialize)]
pub struct Outcome {
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
    pub error: Option<String>,
}

fn line(flow: &Flow) -> Option<String> {
    let bytes = flow.to_bytes();
    FlowRef::parse(&bytes).ok().map(|flow| Line::of(&flow).to_string())
}

impl Document {
    pub fn of(
        plan: &mut DeletePlan<'_>,
        own_session_kept: u64,
        options: &Options,
    ) -> common::Result<Self> {
        let everything = plan.is_everything()?;
        let Summary { matched, groups, established, nated, established_and_nated, .. } =
            plan.summary();
        let group = |row: &Row| {
            let mut values = row.key.iter().map(ToString::to_string);
            let mut next = || values.next().unwrap_or_default();
            Group { protocol: next(), state: next(), flows: row.flows }
        };
        let sample = plan.flows().take(options.show);
        let sample =
            sample.map(|flow| format!("{} {} {}", flow.protocol(), flow.state(), flow.original()));
        Ok(Self {
            filter: plan.filter().to_string(),
            matched,
            max: options.max,
            own_session_kept,
            undecided: plan.end().undecided,
            established,
            nated,
            established_and_nated,
            groups: groups.rows().iter().map(group).collect(),
            sample: sample.collect(),
            everything,
            journal: options.journal.as_ref().map(|path| path.display().to_string()),
            outcome: Outcome::default(),
            counts: String::new(),
        })
    }

    /// Takes what became of it, and what went wrong with the journal.
    pub fn note(&mut self, report: DeleteReport, written: Option<String>) {
        self.counts = report.to_string();
        self.outcome = Outcome {
            executed: true,
            deleted: report.deleted,
            confirmed: report.confirmed,
            already_gone: report.already_gone,
            replaced: report.replaced,
            changed: report.changed,
            hidden: report.hidden,
            deleted_later: report.deleted_later,
            later: report.later.iter().filter_map(line).collect(),
            failed: report.failed,
            unanswered: report.unanswered,
            untried: report.untried,
            error: report.error.map(|error| error.to_string()).or(written),
        };
    }

    /// What would be deleted.
    pub fn preview(&self, malformed: u64, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{} entries match: {}", self.matched, self.filter)?;
        for Group { protocol, state, flows } in &self.groups {
            writeln!(out, "  {flows:>8}  {protocol} {state}")?;
        }
        if self.matched > 0 {
            let Self { established, established_and_nated: both, nated, .. } = self;
            let nated = format!("({both} of them behind NAT); behind NAT in all: {nated}");
            writeln!(out, "Conversations: {established} {nated}.\nSuch as:")?;
            self.sample.iter().try_for_each(|line| writeln!(out, "  {line}"))?;
        }
        if self.own_session_kept > 0 {
            writeln!(out, "Your own SSH session is left out; --own-session-too takes it in.")?;
        }
        if self.undecided > 0 {
            let lack = "entries lack what the filter is about, and are left out";
            writeln!(out, "{} {lack}.", self.undecided)?;
        }
        if malformed > 0 {
            writeln!(out, "{malformed} entries could not be read, and are left out.")?;
        }
        Ok(())
    }

    /// What became of it, or what it takes.
    pub fn conclude(&self, out: &mut dyn Write) -> io::Result<()> {
        let Self { matched, max, everything, outcome, .. } = self;
        if outcome.executed {
            writeln!(out, "{}.", self.counts)?;
            if outcome.deleted_later > 0 {
                let later = "later entries that were deleted in place of planned ones";
                writeln!(out, "{later}: {}", outcome.deleted_later)?;
                outcome.later.iter().try_for_each(|line| writeln!(out, "  {line}"))?;
            }
            if let Some(journal) = &self.journal {
                writeln!(out, "Journal: {}", Escaped(journal))?;
            }
        } else if matched > max || *everything {
            let more = if matched > max { format!(" --max {matched}") } else { String::new() };
            let whole = " --whole-table, since nothing else is in the table";
            let whole = if *everything { whole } else { "" };
            writeln!(out, "Nothing was deleted. It takes --yes{more}{whole}.")?;
        } else if *matched > 0 {
            writeln!(out, "Nothing was deleted. --yes deletes them.")?;
        }
        Ok(())
    }
}
