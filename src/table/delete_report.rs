//! What a delete plan would do, does and has done, in numbers.

use super::execute::{Deleted, Fate};
use std::fmt;

use crate::aggregate::Report;
use crate::error::{Error, Result};
use crate::flow::{Flow, FlowRef};

/// What a plan is about, in numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Summary {
    /// Entries that would be deleted.
    pub matched: u64,
    /// The same by protocol and state, all groups.
    pub groups: Report,
    /// Of these, those with a conversation in them: TCP and SCTP in `ESTABLISHED`, and flows of
    /// other protocols that are assured.
    pub established: u64,
    /// Of these, those that NAT changed. Deleted while they go on, they may get another
    /// translation, or none.
    pub nated: u64,
    /// Those that are both: deleting them probably cuts a conversation.
    pub established_and_nated: u64,
}

/// What became of the entries of a plan. The numbers add up to `matched`, except `confirmed`, which is a part of
/// `deleted`.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct DeleteReport {
    /// Entries of the plan.
    pub matched: u64,
    /// Deleted.
    pub deleted: u64,
    /// How many of the deleted entries the kernel reported the end of. They are known to be the entries that were
    /// looked at. The kernel reports entries that began while `nf_conntrack_events` was 1, or 2 with a listener.
    pub confirmed: u64,
    /// Gone before it was their turn.
    pub already_gone: u64,
    /// Gone before it was their turn, and a later entry has the tuple. It was left alone.
    pub replaced: u64,
    /// The filter was no longer true of them when it was their turn. They were left alone.
    pub changed: u64,
    /// The kernel finds other entries by both of their tuples. If they are still there, they were left alone.
    pub hidden: u64,
    /// Replaced between the look and the delete: the later entry was deleted, see `later`.
    pub deleted_later: u64,
    /// The later entries that were deleted, as the kernel reported them; before Linux 5.12 without a
    /// timeout.
    pub later: Vec<Flow>,
    /// Refused by the kernel.
    pub failed: u64,
    /// Sent to the kernel, which has not answered (8 at most): it is not known whether they are deleted.
    pub unanswered: u64,
    /// Not touched, since something went wrong before their turn.
    pub untried: u64,
    /// The first thing that went wrong.
    pub error: Option<Error>,
}

/// `3 deleted, 1 already gone`: what there is none of is left out, but for the deleted ones.
impl fmt::Display for DeleteReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} deleted", self.deleted)?;
        let counts = [
            (self.already_gone, "already gone"),
            (self.replaced, "replaced by later ones (left alone)"),
            (self.changed, "not matching any more (left alone)"),
            (self.hidden, "hidden by other entries with their tuples (left alone)"),
            (self.failed, "refused by the kernel"),
            (self.unanswered, "without an answer (deleted or not)"),
            (self.untried, "not tried"),
        ];
        let mut counts = counts.into_iter().filter(|(count, _)| *count > 0);
        counts.try_for_each(|(count, what)| write!(f, ", {count} {what}"))
    }
}

/// What the journal of an execution is told.
#[derive(Debug)]
#[non_exhaustive]
pub enum DeleteStep<'a> {
    /// These entries, as they were planned, are next. None of them is deleted before the journal
    /// returns, and none if it fails.
    #[non_exhaustive]
    Next {
        /// The place of the first in the plan, from 0.
        first: u64,
        /// The entries, one behind the other.
        flows: &'a [FlowRef<'a>],
    },
    /// What became of an entry that was next.
    #[non_exhaustive]
    Done {
        /// Its place in the plan.
        number: u64,
        /// The entry, as it was planned.
        flow: &'a FlowRef<'a>,
        /// What became of it, or why the kernel refused to delete it.
        outcome: Result<&'a Deleted, &'a Error>,
    },
    /// An entry that was next was not touched after all, since something went wrong before.
    #[non_exhaustive]
    Untouched {
        /// Its place in the plan.
        number: u64,
        /// The entry, as it was planned.
        flow: &'a FlowRef<'a>,
    },
}

impl DeleteReport {
    /// Counts what became of an entry.
    pub(super) fn add(&mut self, fate: Fate) {
        let place = match fate {
            Fate::Done(Deleted::Deleted) => &mut self.deleted,
            Fate::Confirmed => {
                self.confirmed += 1;
                &mut self.deleted
            }
            Fate::Done(Deleted::AlreadyGone) => &mut self.already_gone,
            Fate::Done(Deleted::Replaced) => &mut self.replaced,
            Fate::Done(Deleted::Changed) => &mut self.changed,
            Fate::Done(Deleted::Hidden) => &mut self.hidden,
            Fate::Done(Deleted::Later(flow)) => {
                self.later.push(*flow);
                &mut self.deleted_later
            }
            Fate::Failed(error) => {
                self.error.get_or_insert(error);
                &mut self.failed
            }
            Fate::Untried | Fate::Vanished | Fate::Covered => return,
            Fate::Unanswered => &mut self.unanswered,
        };
        *place += 1;
        self.untried -= 1;
    }
}
