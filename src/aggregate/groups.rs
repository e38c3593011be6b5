//! The table of groups: open addressing, with the count beside its key.
//!
//! A group is one row of bytes, the count and the key, so that finding it touches one place in
//! memory. Entries are taken in batches: the rows of all that wait are touched first and counted
//! then, so that memory is fetched for many at once instead of for one after the other. That, not
//! the hashing, is what a table of groups larger than the caches costs; an index with keys and
//! counts apart took twice as long per entry. The naive twin is in `tests/pure/naive.rs`.
//!
//! A row is eight bytes and the key; at most two thirds of the rows are in use, and once the table
//! is larger than a megabyte, at least one third.

use foldhash::quality::RandomState;
use std::hash::{BuildHasher, Hasher};

/// Entries that are counted together.
const BATCH: usize = 64;

/// Bytes of the count, and of the hash that stands in its place while an entry waits.
const HEAD: usize = size_of::<u64>();

#[derive(Debug, Clone)]
pub(crate) struct Groups {
    /// Bytes of a row: the count, then the key.
    stride: usize,
    /// A power of two of rows. A count of 0 marks a free one.
    rows: Vec<u8>,
    used: usize,
    /// Room for a batch of rows, filled with entries that are not counted yet: hash, then key.
    batch: Vec<u8>,
    waiting: usize,
    // Seeded at random: who picks the addresses of a flood must not pick the rows.
    hasher: RandomState,
}

impl Groups {
    /// An empty table for keys of `width` bytes.
    pub(crate) fn new(width: usize) -> Self {
        let stride = HEAD + width;
        Self {
            stride,
            rows: vec![0; 4 * BATCH * stride],
            used: 0,
            batch: vec![0; BATCH * stride],
            waiting: 0,
            hasher: RandomState::default(),
        }
    }

    /// Counts one entry, now or soon, of the group whose key `write` writes.
    #[inline]
    pub(crate) fn count(&mut self, write: impl FnOnce(&mut [u8])) {
        let place = self.batch.get_mut(self.waiting * self.stride..).unwrap_or_default();
        let Some((hash, rest)) = place.split_first_chunk_mut() else { return };
        let Some(key) = rest.get_mut(..self.stride - HEAD) else { return };
        write(key);
        *hash = hash_of(&self.hasher, key).to_ne_bytes();
        self.waiting += 1;
        if self.waiting == BATCH {
            self.settle();
        }
    }

    /// Counts what waits.
    pub(crate) fn settle(&mut self) {
        if (self.used + BATCH) * self.stride * 3 > self.rows.len() * 2 {
            self.grow();
        }
        let Self { stride, rows, used, batch, waiting, .. } = self;
        let mask = rows.len() / *stride - 1;
        let batch = batch.get(..*waiting * *stride).unwrap_or_default();
        // Nothing is done with what is read; reading it here brings the rows in.
        let mut touched = 0;
        for entry in batch.chunks_exact(*stride) {
            let Some((hash, _)) = entry.split_first_chunk() else { continue };
            let at = u64::from_ne_bytes(*hash) as usize & mask;
            touched |= rows.get(at * *stride).copied().unwrap_or_default();
            touched |= rows.get(at * *stride + *stride - 1).copied().unwrap_or_default();
        }
        std::hint::black_box(touched);
        for entry in batch.chunks_exact(*stride) {
            let Some((hash, key)) = entry.split_first_chunk() else { continue };
            *used += usize::from(add(rows, *stride, u64::from_ne_bytes(*hash), key, 1));
        }
        *waiting = 0;
    }

    /// Adds the groups of another table of the same keys.
    pub(crate) fn merge(&mut self, mut other: Self) {
        self.settle();
        other.settle();
        for (key, count) in groups(&other.rows, other.stride) {
            if (self.used + BATCH) * self.stride * 3 > self.rows.len() * 2 {
                self.grow();
            }
            let hash = hash_of(&self.hasher, key);
            self.used += usize::from(add(&mut self.rows, self.stride, hash, key, count));
        }
    }

    /// Makes the table larger: a small one in long steps, since most of its short life would be
    /// spent on growing.
    #[cold]
    fn grow(&mut self) {
        let factor = if self.rows.len() < 1 << 20 { 4 } else { 2 };
        let larger = vec![0; self.rows.len() * factor];
        let rows = std::mem::replace(&mut self.rows, larger);
        for (key, count) in groups(&rows, self.stride) {
            add(&mut self.rows, self.stride, hash_of(&self.hasher, key), key, count);
        }
    }

    /// How many groups there are among the entries that were settled.
    pub(crate) fn len(&self) -> usize {
        self.used
    }

    /// The groups with the most entries, most first; those with as many, in the order of their
    /// keys. Of the entries that were settled.
    pub(crate) fn top(&self, limit: usize) -> Vec<(&[u8], u64)> {
        let order = |a: &(&[u8], u64), b: &(&[u8], u64)| b.1.cmp(&a.1).then_with(|| a.0.cmp(b.0));
        // Twice the number asked for, so that what does not make it is thrown out now and then.
        let room = limit.saturating_mul(2).clamp(64, self.used.max(64));
        let mut top: Vec<(&[u8], u64)> = Vec::with_capacity(room);
        let mut least = 1;
        for group in groups(&self.rows, self.stride).filter(|_| limit > 0) {
            if group.1 < least {
                continue;
            }
            if top.len() == room && limit < room {
                let (_, last, _) = top.select_nth_unstable_by(limit, order);
                least = last.1;
                top.truncate(limit);
            }
            top.push(group);
        }
        top.sort_unstable_by(order);
        top.truncate(limit);
        top
    }
}

#[inline]
fn hash_of(hasher: &RandomState, key: &[u8]) -> u64 {
    let mut hasher = hasher.build_hasher();
    hasher.write(key);
    hasher.finish()
}

/// The rows in use: key and count.
fn groups(rows: &[u8], stride: usize) -> impl Iterator<Item = (&[u8], u64)> {
    rows.chunks_exact(stride)
        .filter_map(|row| row.split_first_chunk())
        .map(|(count, key)| (key, u64::from_ne_bytes(*count)))
        .filter(|(_, count)| *count != 0)
}

/// Adds to the count of a group, and says whether the group is new. There must be a free row.
#[inline]
fn add(rows: &mut [u8], stride: usize, hash: u64, key: &[u8], more: u64) -> bool {
    let mask = rows.len() / stride - 1;
    let mut at = hash as usize & mask;
    while let Some(row) = rows.get_mut(at * stride..(at + 1) * stride) {
        let Some((place, found)) = row.split_first_chunk_mut() else { break };
        let count = u64::from_ne_bytes(*place);
        let new = count == 0;
        if new {
            found.copy_from_slice(key);
        }
        if new || found == key {
            *place = (count + more).to_ne_bytes();
            return new;
        }
        at = (at + 1) & mask;
    }
    false
}
