//! The table of groups: keys of one width side by side, counts beside them, and an index.
//!
//! A group costs its key, eight bytes for the count and about six for the index. An entry that
//! falls into a known group costs one hash and one compare, and no allocation.

use hashbrown::{DefaultHashBuilder, HashTable, hash_table::Entry};
use std::hash::BuildHasher;

#[derive(Debug, Clone)]
pub(crate) struct Groups {
    width: usize,
    keys: Vec<u8>,
    counts: Vec<u64>,
    index: HashTable<u32>,
    // Seeded at random: who picks the addresses of a flood must not pick the hash chains.
    hasher: DefaultHashBuilder,
}

impl Groups {
    /// An empty table for keys of `width` bytes.
    pub(crate) fn new(width: usize) -> Self {
        Self {
            width,
            keys: Vec::new(),
            counts: Vec::new(),
            index: HashTable::new(),
            hasher: DefaultHashBuilder::default(),
        }
    }

    /// Counts one entry of the group `key`.
    #[inline]
    pub(crate) fn count(&mut self, key: &[u8]) {
        let Self { width, keys, counts, index, hasher } = self;
        let hash = |key: &[u8]| hasher.hash_one(key);
        let group = index.entry(
            hash(key),
            |&group| key_at(keys, *width, group) == key,
            |&group| hash(key_at(keys, *width, group)),
        );
        match group {
            Entry::Occupied(group) => {
                if let Some(count) = counts.get_mut(*group.get() as usize) {
                    *count += 1;
                }
            }
            Entry::Vacant(place) => {
                // The kernel's own count of entries is 32 bits wide, so groups are, too.
                let group = u32::try_from(counts.len()).unwrap_or(u32::MAX);
                place.insert(group);
                keys.extend_from_slice(key);
                counts.push(1);
            }
        }
    }

    /// How many groups there are.
    pub(crate) fn len(&self) -> usize {
        self.counts.len()
    }

    /// The groups with the most entries, most first; those with as many, in the order of their
    /// keys.
    pub(crate) fn top(&self, limit: usize) -> Vec<(&[u8], u64)> {
        let mut groups: Vec<_> = (0_u32..)
            .zip(&self.counts)
            .map(|(group, &count)| (key_at(&self.keys, self.width, group), count))
            .collect();
        let order = |a: &(&[u8], u64), b: &(&[u8], u64)| b.1.cmp(&a.1).then_with(|| a.0.cmp(b.0));
        if limit < groups.len() {
            groups.select_nth_unstable_by(limit, order);
            groups.truncate(limit);
        }
        groups.sort_unstable_by(order);
        groups
    }
}

#[inline]
fn key_at(keys: &[u8], width: usize, group: u32) -> &[u8] {
    let start = group as usize * width;
    keys.get(start..start + width).unwrap_or_default()
}
