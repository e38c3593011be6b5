//! What a person is told of a plan, and of what became of it.

use std::io::{self, Write};

use ctnetlink::escape::Escaped;

use crate::outcome::{Document, Group};

impl Document {
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
