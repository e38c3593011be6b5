//! What `--json` tells of a plan, and of what became of it.

use ctnetlink::aggregate::Row;
use ctnetlink::files::text::Line;
use ctnetlink::flow::{Flow, FlowRef};
use ctnetlink::{DeletePlan, DeleteReport, Summary};
use serde::Serialize;

use crate::{Options, common};

/// What `--json` prints.
#[derive(Serialize)]
pub struct Document {
    pub filter: String,
    pub matched: u64,
    pub max: u64,
    pub own_session_kept: u64,
    pub undecided: u64,
    pub established: u64,
    pub nated: u64,
    pub established_and_nated: u64,
    pub groups: Vec<Group>,
    pub sample: Vec<String>,
    /// Whether nothing in the table would be left.
    pub everything: bool,
    pub journal: Option<String>,
    #[serde(flatten)]
    pub outcome: Outcome,
    /// The counts of the outcome as a person reads them.
    #[serde(skip)]
    pub counts: String,
}

#[derive(Serialize)]
pub struct Group {
    pub protocol: String,
    pub state: String,
    pub flows: u64,
}

/// What became of the plan; all 0 if it was only looked at.
#[derive(Default, Serialize)]
pub struct Outcome {
    pub executed: bool,
    deleted: u64,
    confirmed: u64,
    already_gone: u64,
    replaced: u64,
    changed: u64,
    hidden: u64,
    pub deleted_later: u64,
    pub later: Vec<String>,
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
}
