//! Deletes of planned entries, each after a second look.
//!
//! One datagram carries the deletes of what the last look found, and the next look. So an entry is usually deleted
//! about twenty microseconds after it was looked at, and the answer to a look shows that the deletes before it are done.

use std::time::SystemTime;

use bytes::BytesMut;

use super::Conntrack;
use super::delete_request::{append_deletion, deletion_event};
use super::exchange::{PendingRequest, is_entry};
use super::get::write_key_of;
use super::same::{exclude, is_same, is_what_was_looked_at};
use crate::error::{Error, ErrorKind, Result};
use crate::filter::Filter;
use crate::flow::{Direction, Flow, FlowId, FlowRef};
use crate::socket::Request;
use crate::wire::ctnetlink::IPCTNL_MSG_CT_GET;
use crate::wire::{Messages, WireError};

const OPERATION: &str = "delete entries";

/// Entries per look. More entries save calls, but leave more time between look and delete.
const BATCH: usize = 8;

/// The most answers to a delete and a look: the delete's event or error, and the look's answer.
const ANSWERS: usize = 2;

/// What became of an entry that was to be deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Deleted {
    /// It is deleted.
    Deleted,
    /// It was not there any more.
    AlreadyGone,
    /// It was not there any more; a later entry has its tuple, and was left alone.
    Replaced,
    /// The filter of the plan no longer matches the entry with its tuple and id: the entry has
    /// changed, or it is a later one that cannot be told apart. It was left alone.
    Changed,
    /// The kernel finds other entries by both of its tuples, so the one that is meant cannot be
    /// named. This happens only with zones of one direction. If it is still there, it was left
    /// alone.
    Hidden,
    /// A later entry took over its tuple and its id between the look and the delete, and was
    /// deleted. This is that entry, as the kernel's event shows it. [`Conntrack::create`] can make
    /// it again. Before Linux 5.12 the event has no timeout, and a new entry needs one: set it first.
    Later(Box<Flow>),
}

/// Entries kept as they came, one behind the other.
#[derive(Debug, Default)]
pub(super) struct Entries {
    bytes: Vec<u8>,
    /// Where each ends.
    ends: Vec<usize>,
}

impl Entries {
    /// With room for so many, as large as most are.
    pub(super) fn with_capacity(entries: usize) -> Self {
        Self { bytes: Vec::with_capacity(320 * entries), ends: Vec::with_capacity(entries) }
    }

    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(super) fn push(&mut self, entry: &[u8]) {
        self.bytes.extend_from_slice(entry);
        self.ends.push(self.bytes.len());
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = FlowRef<'_>> {
        let starts = [0].into_iter().chain(self.ends.iter().copied());
        let entries = starts.zip(&self.ends).filter_map(|(start, &end)| self.bytes.get(start..end));
        entries.filter_map(|entry| FlowRef::parse(entry).ok()) // read before it was kept
    }
}

/// How far the delete of an entry is.
#[derive(Debug)]
pub(super) enum Fate {
    /// Nothing was done to it.
    Untried,
    /// Its delete was sent, and the answer is lost, or still to come.
    Unanswered,
    /// It was there at the look, and not at the delete.
    Vanished,
    /// By its original tuple the kernel finds another entry, which may be there beside it.
    Covered,
    Done(Deleted),
    /// Deleted, and the event of its end says so.
    Confirmed,
    Failed(Error),
}

/// An entry to be deleted, and its place among the fates.
#[derive(Clone, Copy)]
struct Meant<'e> {
    at: usize,
    flow: &'e FlowRef<'e>,
    id: FlowId,
}

/// Entries that were looked at and are now to be deleted, and what each look showed.
#[derive(Default)]
struct Doomed<'e> {
    meant: Vec<Meant<'e>>,
    looks: Entries,
}

impl Conntrack {
    /// Looks at each of `flows` again and deletes it, if it is still there and the filter true of
    /// it. Says of each how far it got, and what stopped the work, if something did.
    pub(super) fn delete_those(
        &mut self,
        flows: &[FlowRef<'_>],
        filter: &Filter,
    ) -> (Vec<Fate>, Option<Error>) {
        let fate_of = |flow: &FlowRef<'_>| match flow.id() {
            Some(_) => Fate::Untried,
            // The kernel gives every entry an id; one without is none that it sent.
            None => Fate::Failed(malformed(WireError::missing("entry", "CTA_ID"))),
        };
        let mut fates: Vec<_> = flows.iter().map(fate_of).collect();
        let error = self.passes(flows, filter, &mut fates).err();
        for fate in &mut fates {
            match fate {
                Fate::Vanished => *fate = Fate::Done(Deleted::AlreadyGone),
                Fate::Covered if error.is_some() => *fate = Fate::Untried,
                Fate::Covered => *fate = Fate::Done(Deleted::Hidden),
                _ => {}
            }
        }
        (fates, error)
    }

    fn passes(&mut self, flows: &[FlowRef<'_>], filter: &Filter, fates: &mut [Fate]) -> Result<()> {
        self.settle()?;
        let mut pass = |direction, which: fn(&Fate) -> bool| {
            let all = flows.iter().zip(&*fates).enumerate();
            let meant: Vec<_> = all
                .filter(|(_, (_, fate))| which(fate))
                .filter_map(|(at, (flow, _))| Some(Meant { at, flow, id: flow.id()? }))
                .collect();
            self.pass(&meant, filter, direction, fates)
        };
        pass(Direction::Original, |fate| matches!(fate, Fate::Untried))?;
        pass(Direction::Original, |fate| matches!(fate, Fate::Vanished))?;
        pass(Direction::Reply, |fate| matches!(fate, Fate::Covered))
    }

    /// Looks at entries by their tuple of a direction, a few at a time, and deletes them.
    fn pass(
        &mut self,
        meant: &[Meant<'_>],
        filter: &Filter,
        direction: Direction,
        fates: &mut [Fate],
    ) -> Result<()> {
        let size = (self.socket.answers() / ANSWERS).clamp(1, BATCH);
        let mut doomed = Doomed::default();
        for batch in meant.chunks(size) {
            doomed = self.turn(&doomed, batch, filter, direction, fates)?;
        }
        if !doomed.meant.is_empty() {
            self.turn(&doomed, &[], filter, direction, fates)?;
        }
        Ok(())
    }

    /// Deletes what the last turn has found, looks at more, and returns what is to be deleted of
    /// that.
    fn turn<'e>(
        &mut self,
        doomed: &Doomed<'e>,
        looks: &[Meant<'e>],
        filter: &Filter,
        direction: Direction,
        fates: &mut [Fate],
    ) -> Result<Doomed<'e>> {
        let (first, port) = (self.sequence.wrapping_add(1), self.socket.port());
        let (deletes, count) = (doomed.meant.len(), doomed.meant.len() + looks.len());
        let mut buffer = BytesMut::with_capacity(count * 160);
        for (index, meant) in doomed.meant.iter().chain(looks).enumerate() {
            let number = (self.next_sequence(), port);
            if index < deletes {
                // Errors come unasked, and before the answer to the last of a send.
                let is_last = index + 1 == count;
                append_deletion(&mut buffer, number, (meant.flow, meant.id), direction, is_last);
            } else {
                let look = Request::one_of_many(OPERATION, IPCTNL_MSG_CT_GET);
                let look = look.family(Some(meant.flow.original().family()));
                look.append(&mut buffer, number.0, number.1, |writer| {
                    write_key_of(meant.flow, direction, writer);
                });
            }
        }
        self.socket.send(&buffer, OPERATION)?;
        self.abandoned = true; // until the last was answered
        for meant in &doomed.meant {
            set(fates, meant, Fate::Unanswered);
        }

        let (mut next, mut now) = (Doomed::with_capacity(looks.len()), None);
        loop {
            let length = self.socket.receive(OPERATION)?;
            for message in Messages::new(self.socket.datagram(length)) {
                let message = message.map_err(malformed)?;
                if message.port != port {
                    continue;
                }
                if let Some(event) = deletion_event(&message) {
                    doomed.hear(&event, fates);
                    continue;
                }
                let index = message.sequence.wrapping_sub(first) as usize;
                let Some(meant) = doomed.meant.iter().chain(looks).nth(index) else { continue };
                if message.is_error() {
                    let pending = PendingRequest::one_of(&buffer, message.sequence, OPERATION);
                    match pending.outcome(&message) {
                        Ok(()) => {}
                        Err(error) if error.is_permission_denied() && index == 0 => {
                            // Only the first request of a send is answered, and none is done.
                            doomed.meant.iter().for_each(|meant| set(fates, meant, Fate::Untried));
                            self.abandoned = false;
                            return Err(error);
                        }
                        Err(error) if !error.is_not_found() => {
                            set(fates, meant, Fate::Failed(error));
                        }
                        Err(_) if index < deletes => set(fates, meant, Fate::Vanished),
                        Err(_) => set(fates, meant, Fate::Done(Deleted::AlreadyGone)),
                    }
                } else if is_entry(&message) && index >= deletes {
                    let (_, attributes) = message.netfilter().map_err(malformed)?;
                    let found = FlowRef::parse(attributes).map_err(malformed)?;
                    let now = *now.get_or_insert_with(SystemTime::now);
                    match judge(meant.flow, &found, direction, |found| {
                        filter.judge(found, now) == Some(true)
                    }) {
                        Some(fate) => set(fates, meant, fate),
                        None => next.push(meant, &found),
                    }
                } else {
                    continue;
                }
                if index + 1 == count {
                    self.abandoned = false;
                    doomed.are_deleted(fates);
                    return Ok(next);
                }
            }
        }
    }
}

/// What `found` means for the entry that was looked for: `None` if it is to be deleted.
fn judge(
    meant: &FlowRef<'_>,
    found: &FlowRef<'_>,
    direction: Direction,
    still: impl FnOnce(&FlowRef<'_>) -> bool,
) -> Option<Fate> {
    if is_same(meant, found) {
        return (!still(found)).then_some(Fate::Done(Deleted::Changed));
    }
    Some(if exclude(found, meant) {
        Fate::Done(Deleted::Replaced)
    } else if direction == Direction::Original {
        Fate::Covered
    } else {
        Fate::Done(Deleted::Hidden)
    })
}

impl<'e> Doomed<'e> {
    fn with_capacity(entries: usize) -> Self {
        Self { meant: Vec::with_capacity(entries), looks: Entries::with_capacity(entries) }
    }

    fn push(&mut self, meant: &Meant<'e>, look: &FlowRef<'_>) {
        self.meant.push(*meant);
        self.looks.push(look.as_bytes());
    }

    /// Takes in the event of an end, which tells what it was that was deleted.
    fn hear(&self, event: &FlowRef<'_>, fates: &mut [Fate]) {
        for (meant, looked) in self.meant.iter().zip(self.looks.iter()) {
            let is_its = looked.id() == event.id() && looked.original() == event.original();
            if is_its && matches!(fates.get(meant.at), Some(Fate::Unanswered)) {
                let later = || Fate::Done(Deleted::Later(Box::new(Flow::from(event))));
                let meant_one = is_what_was_looked_at(&looked, event);
                set(fates, meant, if meant_one { Fate::Confirmed } else { later() });
                return;
            }
        }
    }

    /// All answers are in, and where there was no error the delete is done.
    fn are_deleted(&self, fates: &mut [Fate]) {
        for meant in &self.meant {
            if matches!(fates.get(meant.at), Some(Fate::Unanswered)) {
                set(fates, meant, Fate::Done(Deleted::Deleted));
            }
        }
    }
}

fn set(fates: &mut [Fate], meant: &Meant<'_>, fate: Fate) {
    if let Some(place) = fates.get_mut(meant.at) {
        *place = fate;
    }
}

fn malformed(source: WireError) -> Error {
    ErrorKind::Malformed { operation: OPERATION, source }.into()
}
