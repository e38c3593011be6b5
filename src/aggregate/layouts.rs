//! The layouts that entries had so far.

use super::key_plan::KeyPlans;
use super::layout::{Layout, Places};
use super::query::Query;
use crate::flow::Needs;

/// A table has about two dozen of them: protocols times families, with and without this or that.
const ROOM: usize = 32;

/// Where there is no room or nothing was learned, so many entries pass before the next attempt,
/// since what was there first need not be what there is most of.
const SELDOM: u32 = 64;

/// After so many attempts it is as it is, and nothing is allocated any more.
const ATTEMPTS: u32 = 128;

/// The layouts that are known, those of most entries first.
#[derive(Debug, Clone, Default)]
pub(super) struct Layouts {
    known: Vec<Known>,
    attempts: u32,
    /// Entries to pass before the next attempt.
    pause: u32,
}

/// A layout, and what to do with entries of it.
#[derive(Debug, Clone)]
pub(super) struct Known {
    layout: Layout,
    entries: u32,
    #[cfg_attr(any(not(target_os = "linux"), ctnetlink_pure), allow(dead_code))]
    pub(super) places: Places,
    /// One for each query.
    pub(super) plans: Vec<KeyPlans>,
}

impl Known {
    fn of<'q>(
        entry: &[u8],
        needs: Needs,
        queries: impl Iterator<Item = &'q Query>,
        now: u64,
    ) -> Option<Self> {
        let (layout, places) = Layout::of(entry, needs)?;
        let plans = queries.map(|query| KeyPlans::new(query, &places, now));
        Some(Self { plans: plans.collect::<Option<_>>()?, layout, entries: 1, places })
    }

    /// A number of four bytes.
    #[cfg(all(target_os = "linux", not(ctnetlink_pure)))]
    #[inline]
    pub(super) fn number(&self, entry: &[u8], place: Option<usize>) -> Option<u32> {
        entry.get(place?..)?.first_chunk().copied().map(u32::from_be_bytes)
    }
}

impl Layouts {
    /// What is known of entries of this layout.
    #[inline]
    pub(super) fn find(&mut self, entry: &[u8]) -> Option<&Known> {
        let index = self.known.iter().position(|known| known.layout.fits(entry))?;
        let entries = self.known.get_mut(index).map(|known| {
            known.entries = known.entries.saturating_add(1);
            known.entries
        })?;
        // Those of most entries come first, and are looked at first.
        let before = index.checked_sub(1).and_then(|before| self.known.get(before));
        if before.is_some_and(|before| before.entries < entries) {
            self.known.swap(index - 1, index);
            return self.known.get(index - 1);
        }
        self.known.get(index)
    }

    /// Learns the layout of an entry that has none of the known ones and could be read.
    pub(super) fn learn<'q>(
        &mut self,
        entry: &[u8],
        needs: Needs,
        queries: impl Iterator<Item = &'q Query>,
        now: u64,
    ) {
        if self.pause > 0 || self.attempts == ATTEMPTS {
            self.pause = self.pause.saturating_sub(1);
            return;
        }
        self.attempts += 1;
        if self.known.len() == ROOM {
            self.known.pop();
            self.pause = SELDOM;
        }
        match Known::of(entry, needs, queries, now) {
            Some(known) => self.known.push(known),
            None => self.pause = SELDOM,
        }
    }
}
