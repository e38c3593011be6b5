//! A first look, to tell at a second one what is new.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher};

use foldhash::quality::RandomState;

use super::query::Query;
use super::volume::Measure;
use crate::flow::Counters;
use crate::wire::ctnetlink::*;
use crate::wire::{Attributes, WireError};

/// Which entries there were at a first look, and what they had carried by then.
///
/// An entry is known again by 64 bits made of its original tuple, its zone and its id: that two of a
/// million share them happens once in tens of millions of looks.
///
/// # Cost
///
/// Memory: 10 to 20 bytes for each entry; 65 to 130 for queries by packets or bytes.
#[derive(Debug, Clone)]
pub struct Baseline {
    entries: Entries,
    // Seeded at random, as for the groups.
    hasher: RandomState,
}

#[derive(Debug, Clone)]
enum Entries {
    Known(HashMap<u64, (), RandomState>),
    Counted(HashMap<u64, [Option<Counters>; 2], RandomState>),
}

impl Baseline {
    /// An empty one, for what this query measures.
    pub fn new(query: &Query) -> Self {
        Self {
            entries: match query.measure {
                Measure::Flows => Entries::Known(HashMap::default()),
                Measure::Packets | Measure::Bytes => Entries::Counted(HashMap::default()),
            },
            hasher: RandomState::default(),
        }
    }

    /// An empty one that knows entries by the same marks, for the next look.
    #[cfg(all(target_os = "linux", not(ctnetlink_pure)))]
    pub(crate) fn next(&self) -> Self {
        let entries = match &self.entries {
            Entries::Known(entries) => Entries::Known(room(entries.len())),
            Entries::Counted(entries) => Entries::Counted(room(entries.len())),
        };
        Self { entries, hasher: self.hasher.clone() }
    }

    /// Remembers an entry, given as its attributes.
    ///
    /// # Errors
    ///
    /// A malformed entry, or one without its original tuple; it is not remembered.
    pub fn record_bytes(&mut self, attributes: &[u8]) -> Result<(), WireError> {
        let observation = self.observation(attributes)?;
        self.remember(observation);
        Ok(())
    }

    pub(crate) fn remember(&mut self, observation: Observation) {
        match &mut self.entries {
            Entries::Known(entries) => _ = entries.insert(observation.mark, ()),
            Entries::Counted(entries) => _ = entries.insert(observation.mark, observation.counters),
        }
    }

    /// What an entry had carried, if it was there; counters only where they are measured.
    pub(crate) fn find(&self, observation: &Observation) -> Option<[Option<Counters>; 2]> {
        match &self.entries {
            Entries::Known(entries) => entries.get(&observation.mark).map(|()| [None; 2]),
            Entries::Counted(entries) => entries.get(&observation.mark).copied(),
        }
    }

    /// What an entry is known again by, and what it has carried.
    pub(crate) fn observation(&self, attributes: &[u8]) -> Result<Observation, WireError> {
        let counted = matches!(self.entries, Entries::Counted(_));
        let (mut tuple, mut zone, mut id) = (None, None, None);
        let mut counters = [None; 2];
        let mut walk = Attributes::new(attributes);
        while let Some(attribute) = walk.step() {
            match attribute.kind {
                CTA_TUPLE_ORIG => tuple = Some(attribute.payload),
                CTA_ZONE => zone = Some(attribute.payload),
                CTA_ID => id = Some(attribute.payload),
                CTA_COUNTERS_ORIG if counted => {
                    counters[0] = Some(Counters::parse(attribute.payload)?);
                }
                CTA_COUNTERS_REPLY if counted => {
                    counters[1] = Some(Counters::parse(attribute.payload)?);
                }
                _ => {}
            }
        }
        walk.remainder()?;
        let mut hasher = self.hasher.build_hasher();
        hasher.write(tuple.ok_or(WireError::missing("entry", "CTA_TUPLE_ORIG"))?);
        // What is absent must not look like what is there.
        for part in [zone, id] {
            hasher.write_u8(part.is_some().into());
            hasher.write(part.unwrap_or_default());
        }
        Ok(Observation { mark: hasher.finish(), counters })
    }

    /// How many entries there were.
    pub fn len(&self) -> usize {
        match &self.entries {
            Entries::Known(entries) => entries.len(),
            Entries::Counted(entries) => entries.len(),
        }
    }

    /// Whether there were none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Room for about as many as there were the last time.
#[cfg(all(target_os = "linux", not(ctnetlink_pure)))]
fn room<V>(entries: usize) -> HashMap<u64, V, RandomState> {
    HashMap::with_capacity_and_hasher(entries, RandomState::default())
}

/// What of an entry a baseline is about.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Observation {
    mark: u64,
    pub(crate) counters: [Option<Counters>; 2],
}

impl Observation {
    /// What was carried since; all of it, if the counters were set back meanwhile.
    pub(crate) fn since(&self, before: [Option<Counters>; 2]) -> [Option<Counters>; 2] {
        let [original, reply] = self.counters;
        [less(original, before[0]), less(reply, before[1])]
    }
}

fn less(now: Option<Counters>, before: Option<Counters>) -> Option<Counters> {
    let (now, before) = (now?, before.unwrap_or_default());
    let packets = now.packets.checked_sub(before.packets);
    let bytes = now.bytes.checked_sub(before.bytes);
    Some(packets.zip(bytes).map_or(now, |(packets, bytes)| Counters { packets, bytes }))
}
