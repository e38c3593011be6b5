//! The entries that are shown, up to a limit.

use std::io::{IsTerminal, Write};

use ctnetlink::flow::FlowRef;
use ctnetlink::origin::Origin;

use crate::common::{self, lines::Format};

/// What was shown so far.
pub struct Shown {
    pub format: Format,
    pub limit: u64,
    pub shown: u64,
    /// There is no use in more of them: there are more than were to be shown.
    pub is_enough: bool,
}

impl Shown {
    /// Shows one, if it is not one too many.
    pub fn show(
        &mut self,
        flow: &FlowRef<'_>,
        seen: &Origin,
        out: &mut impl Write,
    ) -> common::Result {
        self.is_enough = self.shown == self.limit;
        if !self.is_enough {
            self.format.write(flow, seen, self.shown == 0, out)?;
            self.shown += 1;
        }
        Ok(())
    }

    /// Ends the list, and says what is not in it.
    pub fn finish(&self, undecided: u64, complete: bool, out: &mut impl Write) -> common::Result {
        self.format.end(self.shown, undecided, complete && !self.is_enough, out)?;
        // A person is told how much there was; what is missing, everybody.
        if std::io::stderr().is_terminal() {
            let more = if self.is_enough && self.limit > 0 { "; there are more" } else { "" };
            eprintln!("{} entries shown{more}", self.shown);
        }
        if undecided > 0 {
            eprintln!("note: {undecided} entries lack what the filter is about, and are left out");
        }
        Ok(())
    }
}
