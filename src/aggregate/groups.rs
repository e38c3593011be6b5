//! The table of groups: open addressing, with the count beside its key, and a bound if there has to
//! be one.
//!
//! A group is one row of words, the count first and the key last, so that finding it touches one
//! place in memory. Entries are taken in batches: the rows of all that wait are touched first and
//! counted then, so that memory is fetched for many at once instead of for one after the other.
//! That, not the hashing, is what a table of groups larger than the caches costs; an index with keys
//! and counts apart took twice as long per entry. The naive twin is in `tests/pure/naive.rs`.
//!
//! A table with a bound that is full throws out the half of its groups that weigh least, and
//! remembers how much the heaviest of them may have weighed. A group that comes (back) after that
//! may have weighed as much before, which stands in its row; so what a group weighs is known from
//! both sides, and whatever is not in the table weighs no more than was remembered. (This is the
//! lossy counting of Manku and Motwani, 2002, with the bound on memory instead of on the error.)

use foldhash::quality::RandomState;
use std::hash::{BuildHasher, Hasher};

use super::volume::{Measure, SUMS};

/// Entries that are counted together.
const BATCH: usize = 64;

/// Bytes of a word.
pub(super) const WORD: usize = size_of::<u64>();

/// Rows that are looked at to find the lighter half.
const LOOKED_AT: usize = 4096;

/// What a row has in front of its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Columns {
    /// What groups are ranked by: if not by entries, there are sums.
    pub(super) measure: Measure,
    /// Whether there is a bound: then there is what a group may have weighed before it came.
    pub(super) bounded: bool,
}

impl Columns {
    const fn sums(self) -> usize {
        if matches!(self.measure, Measure::Flows) { 0 } else { SUMS }
    }

    const fn len(self) -> usize {
        1 + self.bounded as usize + self.sums()
    }
}

/// A row: what a group has, and its key.
#[derive(Debug, Clone, Copy)]
pub(super) struct Group<'a> {
    columns: Columns,
    row: &'a [u64],
}

impl<'a> Group<'a> {
    pub(super) fn flows(self) -> u64 {
        self.row.first().copied().unwrap_or_default()
    }

    /// How much more than is known it may weigh.
    pub(super) fn missed(self) -> u64 {
        self.row.get(1).filter(|_| self.columns.bounded).copied().unwrap_or_default()
    }

    pub(super) fn sums(self) -> Option<[u64; SUMS]> {
        let sums = self.row.get(1 + usize::from(self.columns.bounded)..self.columns.len())?;
        sums.try_into().ok()
    }

    /// What is known of its weight.
    pub(super) fn weight(self) -> u64 {
        let of = |sums: Option<[u64; SUMS]>, index: usize| {
            let [a, b, c, d, _] = sums.unwrap_or_default();
            if index == 0 { a.saturating_add(c) } else { b.saturating_add(d) }
        };
        match self.columns.measure {
            Measure::Flows => self.flows(),
            Measure::Packets => of(self.sums(), 0),
            Measure::Bytes => of(self.sums(), 1),
        }
    }

    pub(super) fn key(self) -> &'a [u64] {
        self.row.get(self.columns.len()..).unwrap_or_default()
    }
}

#[derive(Debug, Clone)]
pub(super) struct Groups {
    columns: Columns,
    /// Words of a row, those of the columns included.
    stride: usize,
    /// How many rows there are.
    capacity: usize,
    /// A count of 0 marks a free row.
    rows: Vec<u64>,
    used: usize,
    /// What a group that is not in the table may weigh at most.
    missed: u64,
    /// Whether groups were thrown out, even ones that weighed nothing.
    lossy: bool,
    /// What the groups had carried that were thrown out.
    forgotten: [u64; SUMS],
    batch: Batch,
    // Seeded at random: who picks the addresses of a flood must not pick the rows.
    hasher: RandomState,
}

/// Entries that are not counted yet.
#[derive(Debug, Clone)]
struct Batch {
    /// Bytes of a key.
    width: usize,
    keys: Vec<u8>,
    sums: Vec<[u64; SUMS]>,
    hashes: [u64; BATCH],
    waiting: usize,
}

impl Groups {
    /// An empty table for keys of `width` bytes.
    pub(super) fn new(width: usize, columns: Columns) -> Self {
        // Everything in one group is a group, too.
        let words = width.div_ceil(WORD).max(1);
        let stride = columns.len() + words;
        let batch = Batch {
            width: words * WORD,
            keys: vec![0; BATCH * words * WORD],
            sums: vec![[0; SUMS]; if columns.sums() > 0 { BATCH } else { 0 }],
            hashes: [0; BATCH],
            waiting: 0,
        };
        let rows = vec![0; 4 * BATCH * stride];
        let hasher = RandomState::default();
        Self {
            columns,
            stride,
            capacity: 4 * BATCH,
            rows,
            used: 0,
            missed: 0,
            lossy: false,
            forgotten: [0; SUMS],
            batch,
            hasher,
        }
    }

    /// Counts one entry, now or soon, of the group whose key `write` writes, unless it writes none.
    /// `limit` is how many bytes the table may have.
    #[inline]
    pub(super) fn count(
        &mut self,
        write: impl FnOnce(&mut [u8]) -> Option<()>,
        sums: impl FnOnce() -> Option<[u64; SUMS]>,
        limit: impl FnOnce() -> usize,
    ) -> Option<()> {
        let Batch { width, keys, sums: waiting_sums, waiting, .. } = &mut self.batch;
        write(keys.get_mut(*waiting * *width..(*waiting + 1) * *width)?)?;
        if let Some(place) = waiting_sums.get_mut(*waiting) {
            *place = sums()?;
        }
        *waiting += 1;
        if *waiting == BATCH {
            self.settle(limit());
        }
        Some(())
    }

    /// Counts what waits. `limit` is how many bytes the table may have.
    pub(super) fn settle(&mut self, limit: usize) {
        self.make_room(limit);
        let Self { columns, stride, capacity, rows, used, missed, batch, hasher, .. } = self;
        let (stride, capacity) = (*stride, *capacity);
        let keys = batch.keys.chunks_exact(batch.width).take(batch.waiting);
        for (key, hash) in keys.zip(&mut batch.hashes) {
            *hash = hash_of(hasher, key);
        }
        // Nothing is done with what is read; reading it here brings the rows in, and so little else
        // is done that many of them are on their way at once.
        let mut touched = 0;
        for hash in batch.hashes.iter().take(batch.waiting) {
            let at = row_of(*hash, capacity) * stride;
            touched |= rows.get(at).copied().unwrap_or_default();
            touched |= rows.get(at + stride - 1).copied().unwrap_or_default();
        }
        std::hint::black_box(touched);
        let keys = batch.keys.chunks_exact(batch.width).take(batch.waiting);
        let mut sums = batch.sums.iter();
        for (key, hash) in keys.zip(&batch.hashes) {
            let more = sums.next();
            let place = find(rows, stride, capacity, columns.len(), *hash, words(key));
            let Some((row, new)) = place else { continue };
            if let Some(flows) = row.first_mut() {
                *flows += 1;
            }
            if new {
                *used += 1;
                if let Some(before) = row.get_mut(1).filter(|_| columns.bounded) {
                    *before = *missed;
                }
            }
            if let Some(more) = more {
                add(row.get_mut(1 + usize::from(columns.bounded)..).unwrap_or_default(), more);
            }
        }
        batch.waiting = 0;
    }

    /// Adds the groups of another table of the same keys.
    pub(super) fn merge(&mut self, mut other: Self, limit: usize) {
        self.settle(limit);
        other.settle(usize::MAX);
        let (missed, columns, stride) = (self.missed, self.columns, self.stride);
        if columns.bounded {
            for row in self.rows.chunks_exact_mut(stride).filter(|row| row.first() != Some(&0)) {
                if let Some(before) = row.get_mut(1) {
                    *before = before.saturating_add(other.missed);
                }
            }
        }
        self.missed = missed.saturating_add(other.missed);
        self.lossy |= other.lossy;
        add(&mut self.forgotten, &other.forgotten);
        let mut scratch = Vec::new();
        for group in other.groups() {
            self.make_room(limit);
            // What was thrown out while merging counts for the groups that come after it.
            let thrown = self.missed.saturating_sub(other.missed);
            let hash = hash_of(&self.hasher, bytes(group.key(), &mut scratch));
            let key = group.key().iter().copied();
            let place = find(&mut self.rows, stride, self.capacity, columns.len(), hash, key);
            let Some((row, new)) = place else { continue };
            self.used += usize::from(new);
            for (index, (own, its)) in row.iter_mut().zip(group.row).enumerate() {
                *own = match (columns.bounded && index == 1, new) {
                    (true, true) => its.saturating_add(thrown),
                    (true, false) => own.saturating_sub(other.missed).saturating_add(*its),
                    (false, _) => own.saturating_add(*its),
                };
            }
        }
    }

    /// Makes room for a batch.
    #[inline]
    fn make_room(&mut self, limit: usize) {
        while (self.used + BATCH) * 3 > self.capacity * 2 {
            if !self.grow(limit) {
                self.throw_out();
            }
        }
    }

    /// Makes the table larger, if it may be: a small one in long steps, since most of its short life
    /// would be spent on growing.
    #[cold]
    fn grow(&mut self, limit: usize) -> bool {
        let rows = self.capacity;
        let wanted = rows * if self.bytes() < 1 << 20 { 4 } else { 2 };
        // While it grows there are two of them, and half of one when it throws out.
        let allowed = limit / (self.stride * WORD);
        let larger = wanted.min(allowed.saturating_sub(rows)).min(allowed / 3 * 2);
        if self.columns.bounded && larger < rows + rows / 4 {
            return false;
        }
        let old = std::mem::replace(&mut self.rows, vec![0; larger * self.stride]);
        self.capacity = larger;
        self.take(old.chunks_exact(self.stride));
        true
    }

    /// Throws out the lighter half of the groups.
    #[cold]
    fn throw_out(&mut self) {
        let heaviest = |group: Group<'_>| group.weight().saturating_add(group.missed());
        let mut weights: Vec<_> = self.groups().take(LOOKED_AT).map(heaviest).collect();
        let middle = weights.len() / 2;
        if let Some((_, weight, _)) =
            (middle < weights.len()).then(|| weights.select_nth_unstable(middle))
        {
            self.missed = self.missed.max(*weight);
        }
        self.lossy = true;
        let mut kept = Vec::new();
        let mut forgotten = self.forgotten;
        for group in self.groups() {
            if heaviest(group) > self.missed {
                kept.extend_from_slice(group.row);
            } else {
                add(&mut forgotten, &group.sums().unwrap_or_default());
            }
        }
        self.forgotten = forgotten;
        self.rows.fill(0);
        self.used = kept.len() / self.stride;
        self.take(kept.chunks_exact(self.stride));
    }

    /// Puts rows into the table, which has none of their groups.
    fn take<'r>(&mut self, rows: impl Iterator<Item = &'r [u64]>) {
        let (columns, stride) = (self.columns, self.stride);
        let mut scratch = Vec::new();
        for row in rows.filter(|row| row.first() != Some(&0)) {
            let group = Group { columns, row };
            let hash = hash_of(&self.hasher, bytes(group.key(), &mut scratch));
            let key = group.key().iter().copied();
            let place = find(&mut self.rows, stride, self.capacity, columns.len(), hash, key);
            if let Some((place, _)) = place {
                for (to, from) in place.iter_mut().zip(row) {
                    *to = *from;
                }
            }
        }
    }

    /// Bytes of the table.
    pub(super) fn bytes(&self) -> usize {
        self.rows.len() * WORD
    }

    /// How many groups there are among the entries that were settled.
    pub(super) fn len(&self) -> usize {
        self.used
    }

    /// What a group that is not in the table may weigh at most; `None` if all groups are.
    pub(super) fn missed(&self) -> Option<u64> {
        self.lossy.then_some(self.missed)
    }

    /// What the groups had carried together that were thrown out.
    pub(super) fn forgotten(&self) -> [u64; SUMS] {
        self.forgotten
    }

    /// The groups of the entries that were settled, in no order.
    pub(super) fn groups(&self) -> impl Iterator<Item = Group<'_>> {
        let columns = self.columns;
        let rows = self.rows.chunks_exact(self.stride).map(move |row| Group { columns, row });
        rows.filter(|group| group.flows() != 0)
    }
}

#[inline]
fn add(sums: &mut [u64], more: &[u64]) {
    sums.iter_mut().zip(more).for_each(|(sum, more)| *sum = sum.saturating_add(*more));
}

#[inline]
fn words(key: &[u8]) -> impl Iterator<Item = u64> + Clone {
    let words = key.chunks_exact(WORD);
    // So that words sort as the bytes do.
    words.map(|word| u64::from_be_bytes(word.try_into().unwrap_or_default()))
}

/// The bytes of a key, which its words sort as.
pub(super) fn bytes<'s>(key: &[u64], scratch: &'s mut Vec<u8>) -> &'s [u8] {
    scratch.clear();
    key.iter().for_each(|word| scratch.extend(word.to_be_bytes()));
    scratch
}

#[inline]
fn hash_of(hasher: &RandomState, key: &[u8]) -> u64 {
    let mut hasher = hasher.build_hasher();
    hasher.write(key);
    hasher.finish()
}

/// The row a hash begins to look at.
#[inline]
fn row_of(hash: u64, rows: usize) -> usize {
    ((u128::from(hash) * rows as u128) >> 64) as usize
}

/// The columns of a group's row, and whether it is a free row that was given to the group. There
/// must be a free row.
#[inline]
fn find(
    rows: &mut [u64],
    stride: usize,
    capacity: usize,
    columns: usize,
    hash: u64,
    key: impl Iterator<Item = u64> + Clone,
) -> Option<(&mut [u64], bool)> {
    let mut at = row_of(hash, capacity);
    // Found first and borrowed then: a borrow that is returned from a loop lasts for all of it.
    let new = loop {
        let row = rows.get(at * stride..(at + 1) * stride)?;
        let (counts, found) = row.split_at_checked(columns)?;
        if counts.first() == Some(&0) {
            break true;
        }
        if found.iter().copied().eq(key.clone()) {
            break false;
        }
        at = if at + 1 == capacity { 0 } else { at + 1 };
    };
    let row = rows.get_mut(at * stride..(at + 1) * stride)?;
    let (counts, place) = row.split_at_mut_checked(columns)?;
    if new {
        place.iter_mut().zip(key).for_each(|(place, word)| *place = word);
    }
    Some((counts, new))
}
