//! The entries of a file.

use std::io::Write;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::SystemTime;

use crate::shown::Shown;
use crate::{Options, common};

/// Lists those that the filter is true of, and says what of the file was not read.
pub fn list(
    file: &Path,
    options: &Options,
    shown: &mut Shown,
    out: &mut impl Write,
) -> common::Result {
    let filter = options.only.of_file()?;
    let mut snapshot = common::from::open(file)?;
    let seen = snapshot.facts().origin.clone();
    let moment = seen.time.map_or_else(SystemTime::now, SystemTime::from);
    let mut undecided = 0;
    shown.format.begin(out)?;
    if !shown.is_enough {
        let broken = snapshot.try_for_each(|flow| {
            let outcome = match filter.judge(flow, moment) {
                Some(true) => shown.show(flow, &seen, out),
                judged => {
                    undecided += u64::from(judged.is_none());
                    Ok(())
                }
            };
            match outcome {
                Ok(()) if !shown.is_enough => ControlFlow::Continue(()),
                outcome => ControlFlow::Break(outcome),
            }
        })?;
        if let ControlFlow::Break(outcome) = broken {
            outcome?;
        }
    }
    let end = snapshot.end();
    shown.finish(undecided, end.complete != Some(false) && end.malformed == 0, out)?;
    if shown.is_enough {
        return Ok(());
    }
    let unsaid = common::from::unsaid(&end, &filter, &[]);
    end.notes().into_iter().chain(unsaid).for_each(|note| common::tell("note", note));
    if shown.format.is_record() {
        // They would all say the place and time of the first.
        common::from::of_one_table(file, &end)?;
    }
    common::from::outcome(file, &end)
}
