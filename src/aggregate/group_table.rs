//! The groups of one list of keys: those with narrow keys, and those with wide ones.

use std::cmp::Ordering;
use std::time::SystemTime;

use super::groups::{Columns, Group, Groups, bytes};
use super::key_bytes::{self, Form};
use super::key_plan::KeyPlan;
use super::volume::Volume;
use crate::field::Key;
use crate::flow::{Counters, FlowRef};

/// An entry that is counted.
pub(super) struct Seen<'s, 'e> {
    pub(super) entry: &'s FlowRef<'e>,
    /// What it has carried, or has since an earlier look.
    pub(super) counters: [Option<Counters>; 2],
    /// The moment that ages are reckoned to.
    pub(super) now: SystemTime,
}

/// Groups by their keys, whatever the form.
#[derive(Debug, Clone)]
pub(super) struct GroupTable {
    keys: Vec<Key>,
    narrow: Groups,
    wide: Groups,
}

impl GroupTable {
    pub(super) fn new(keys: &[Key], columns: Columns) -> Self {
        let groups = |form| Groups::new(key_bytes::width(keys, form), columns);
        Self { keys: keys.to_vec(), narrow: groups(Form::Narrow), wide: groups(Form::Wide) }
    }

    /// Counts an entry that was decoded. `limit` is how many bytes the groups may have.
    #[inline]
    pub(super) fn count(&mut self, seen: &Seen<'_, '_>, limit: impl Fn() -> usize) {
        let Self { keys, narrow, wide } = self;
        let keys = &keys[..];
        let write = |form| {
            move |bytes: &mut [u8]| key_bytes::encode(keys, seen.entry, seen.now, form, bytes)
        };
        let sums = || Some(Volume::sums(seen.counters));
        let left = || limit().saturating_sub(wide.bytes());
        if narrow.count(write(Form::Narrow), sums, left).is_none() {
            let left = || limit().saturating_sub(narrow.bytes());
            wide.count(write(Form::Wide), sums, left);
        }
    }

    /// Counts an entry of a known layout; `None`, and not counted, where it is too short.
    #[inline]
    pub(super) fn count_bytes(
        &mut self,
        plan: &KeyPlan,
        entry: &[u8],
        limit: impl Fn() -> usize,
    ) -> Option<()> {
        let (groups, other) = match plan.form() {
            Form::Narrow => (&mut self.narrow, &self.wide),
            Form::Wide => (&mut self.wide, &self.narrow),
        };
        let left = || limit().saturating_sub(other.bytes());
        groups.count(|key| plan.write(entry, key), || plan.sums(entry), left)
    }

    /// Adds the groups of another one by the same fields.
    pub(super) fn merge(&mut self, other: Self, limit: usize) {
        self.narrow.merge(other.narrow, limit.saturating_sub(self.wide.bytes()));
        self.wide.merge(other.wide, limit.saturating_sub(self.narrow.bytes()));
    }

    /// Counts what waits.
    pub(super) fn settle(&mut self, limit: usize) {
        self.narrow.settle(limit.saturating_sub(self.wide.bytes()));
        self.wide.settle(limit.saturating_sub(self.narrow.bytes()));
    }

    /// Bytes of the groups.
    pub(super) fn bytes(&self) -> usize {
        self.narrow.bytes() + self.wide.bytes()
    }

    /// How many groups there are among the entries that were settled.
    pub(super) fn len(&self) -> usize {
        self.narrow.len() + self.wide.len()
    }

    /// What a group that is not there may weigh at most; `None` if all groups are.
    pub(super) fn missed(&self) -> Option<u64> {
        self.narrow.missed().max(self.wide.missed())
    }

    /// What all groups have carried together, those that were forgotten included.
    pub(super) fn volume(&self) -> Volume {
        let kept = self.groups().filter_map(|(_, group)| group.sums());
        let sums = kept.chain([self.narrow.forgotten(), self.wide.forgotten()]);
        sums.map(Volume::of).fold(Volume::default(), Volume::plus)
    }

    /// The groups of the entries that were settled, in no order.
    pub(super) fn groups(&self) -> impl Iterator<Item = (Form, Group<'_>)> {
        let narrow = self.narrow.groups().map(|group| (Form::Narrow, group));
        narrow.chain(self.wide.groups().map(|group| (Form::Wide, group)))
    }

    /// The groups that weigh most, heaviest first; those that weigh as much, in the order of their
    /// keys.
    pub(super) fn top(&self, limit: usize) -> Vec<(Form, Group<'_>)> {
        let order = |a: &(Form, Group<'_>), b: &(Form, Group<'_>)| {
            b.1.weight().cmp(&a.1.weight()).then_with(|| self.order(*a, *b))
        };
        // Twice the number asked for, so that what does not make it is thrown out now and then.
        let room = limit.saturating_mul(2).clamp(64, self.len().max(64));
        let mut top: Vec<(Form, Group<'_>)> = Vec::with_capacity(room);
        let mut least = 0;
        for group in self.groups().filter(|_| limit > 0) {
            if group.1.weight() < least {
                continue;
            }
            if top.len() == room && limit < room {
                let (_, last, _) = top.select_nth_unstable_by(limit, order);
                least = last.1.weight();
                top.truncate(limit);
            }
            top.push(group);
        }
        top.sort_unstable_by(order);
        top.truncate(limit);
        top
    }

    /// The order of two keys.
    pub(super) fn order(&self, a: (Form, Group<'_>), b: (Form, Group<'_>)) -> Ordering {
        match (a.0, b.0) {
            (Form::Narrow, Form::Wide) => {
                let (mut narrow, mut wide) = (Vec::new(), Vec::new());
                let (a, b) = (bytes(a.1.key(), &mut narrow), bytes(b.1.key(), &mut wide));
                key_bytes::compare(&self.keys, a, b)
            }
            (Form::Wide, Form::Narrow) => self.order(b, a).reverse(),
            _ => a.1.key().cmp(b.1.key()),
        }
    }
}
