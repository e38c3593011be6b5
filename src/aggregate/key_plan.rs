//! A key made by copying, for entries of a known layout.
//!
//! What [`key_bytes::encode`](super::key_bytes::encode) does for an entry that was decoded, a [`KeyPlan`] does
//! for the bytes of an entry whose [`Layout`](super::layout::Layout) is known.

use super::key_bytes::{self, Form, V4, V6, width_of};
use super::layout::{Places, TuplePlaces};
use super::query::Query;
use super::volume::{SUMS, Volume};
use crate::field::{Field, Key, Prefix};
use crate::flow::{Counters, Protocol, State, Status};

/// How to make the keys of one query from the entries of one layout.
#[derive(Debug, Clone)]
pub(super) struct KeyPlan {
    form: Form,
    /// What is the same in all keys, and zero where a step writes.
    constant: Vec<u8>,
    steps: Vec<Step>,
    counters: [Option<[usize; 2]>; 2],
}

/// The plans of one query.
#[derive(Debug, Clone)]
pub(super) struct KeyPlans {
    /// For its groups.
    pub(super) groups: KeyPlan,
    /// For these distinct further, if it counts what is unique.
    pub(super) distinct: Option<KeyPlan>,
}

impl KeyPlans {
    /// As [`KeyPlan::new`].
    pub(super) fn new(query: &Query, places: &Places, now: u64) -> Option<Self> {
        let plan = |keys: &[Key]| KeyPlan::new(keys, places, now);
        let distinct = match query.all_keys() {
            Some(keys) => Some(plan(&keys)?),
            None => None,
        };
        Some(Self { groups: plan(query.keys())?, distinct })
    }
}

/// One part of a key: where it is written, and what is read for it.
#[derive(Debug, Clone, Copy)]
enum Step {
    Two { to: usize, from: usize },
    Four { to: usize, from: usize, mask: u32 },
    Sixteen { to: usize, from: usize, mask: u128 },
    Tracked { to: usize, from: usize, state: fn(u8) -> State },
    Untracked { to: usize, from: usize, protocol: Protocol },
    Seconds { to: usize, from: usize },
    Nanoseconds { to: usize, from: usize, now: u64 },
}

impl KeyPlan {
    /// The plan for keys of these fields. `None` where a tuple is needed that the layout has no
    /// place for. `now`, in nanoseconds, is what ages are reckoned to.
    pub(super) fn new(keys: &[Key], places: &Places, now: u64) -> Option<Self> {
        let mut addresses = keys.iter().map(|key| match key.field() {
            Field::Source | Field::Destination => places.original.map(|tuple| tuple.v6),
            Field::ReplySource | Field::ReplyDestination => places.reply.map(|tuple| tuple.v6),
            _ => Some(false),
        });
        let form = if addresses.any(|v6| v6 == Some(true)) { Form::Wide } else { Form::Narrow };
        let mut plan = Self {
            form,
            constant: vec![0; key_bytes::width(keys, form).next_multiple_of(8)],
            steps: Vec::new(),
            counters: places.counters,
        };
        let mut to = 0;
        for key in keys {
            plan.add(*key, places, to, now)?;
            to += width_of(*key, form);
        }
        Some(plan)
    }

    fn add(&mut self, key: Key, places: &Places, to: usize, now: u64) -> Option<()> {
        let prefix = key.prefix();
        match key.field() {
            Field::Family => self.set(to, &[if places.original?.v6 { V6 } else { V4 }]),
            Field::Protocol => self.set(to, &[places.original?.protocol.0]),
            Field::State => {
                let protocol = places.original?.protocol;
                match (places.tracked, places.status) {
                    (Some((from, state)), _) => self.steps.push(Step::Tracked { to, from, state }),
                    (None, Some(from)) => self.steps.push(Step::Untracked { to, from, protocol }),
                    (None, None) => {
                        let state = State::of_tracked(protocol, None, Status::empty());
                        self.set(to, &state.code().to_be_bytes());
                    }
                }
            }
            Field::Source => {
                self.address(to, places.original?, places.original?.source, prefix);
            }
            Field::Destination => {
                self.address(to, places.original?, places.original?.destination, prefix);
            }
            Field::ReplySource => {
                self.address(to, places.reply?, places.reply?.source, prefix);
            }
            Field::ReplyDestination => {
                self.address(to, places.reply?, places.reply?.destination, prefix);
            }
            Field::SourcePort => self.port(to, places.original?.ports.map(|[source, _]| source)),
            Field::DestinationPort => self.port(to, places.original?.ports.map(|[_, port]| port)),
            Field::ReplySourcePort => self.port(to, places.reply?.ports.map(|[source, _]| source)),
            Field::ReplyDestinationPort => self.port(to, places.reply?.ports.map(|[_, port]| port)),
            Field::Zone => {
                self.set(to, &[1]);
                self.steps.extend(places.zone.map(|from| Step::Two { to: to + 1, from }));
            }
            Field::Mark => {
                if let Some(from) = places.mark {
                    self.set(to, &[1]);
                    self.steps.push(Step::Four { to: to + 1, from, mask: u32::MAX });
                }
            }
            Field::Status => {
                let copy = |from| Step::Four { to, from, mask: u32::MAX };
                self.steps.extend(places.status.map(copy));
            }
            Field::Timeout => {
                self.steps.extend(places.timeout.map(|from| Step::Seconds { to, from }));
            }
            Field::Age => {
                self.steps.extend(places.start.map(|from| Step::Nanoseconds { to, from, now }));
            }
            // Any other is read the long way.
            _ => return None,
        }
        Some(())
    }

    fn set(&mut self, to: usize, bytes: &[u8]) {
        if let Some(place) = self.constant.get_mut(to..to + bytes.len()) {
            place.copy_from_slice(bytes);
        }
    }

    fn address(&mut self, to: usize, tuple: TuplePlaces, from: usize, prefix: Prefix) {
        let (v4, v6) = (prefix.v4_mask(), prefix.v6_mask());
        match (self.form, tuple.v6) {
            (Form::Narrow, _) => self.steps.push(Step::Four { to, from, mask: v4 }),
            (Form::Wide, false) => {
                self.set(to, &[V4]);
                self.steps.push(Step::Four { to: to + 1, from, mask: v4 });
            }
            (Form::Wide, true) => {
                self.set(to, &[V6]);
                self.steps.push(Step::Sixteen { to: to + 1, from, mask: v6 });
            }
        }
    }

    fn port(&mut self, to: usize, from: Option<usize>) {
        if let Some(from) = from {
            self.set(to, &[1]);
            self.steps.push(Step::Two { to: to + 1, from });
        }
    }

    /// The form of the keys.
    pub(super) const fn form(&self) -> Form {
        self.form
    }

    /// Writes the key of an entry; `key` has a multiple of eight bytes. `None` where the entry is
    /// shorter than the layout's.
    #[inline]
    pub(super) fn write(&self, entry: &[u8], key: &mut [u8]) -> Option<()> {
        // In words, since a call for so few bytes costs more than copying them.
        for (place, word) in key.chunks_exact_mut(8).zip(self.constant.chunks_exact(8)) {
            place.copy_from_slice(word);
        }
        for step in &self.steps {
            match *step {
                Step::Two { to, from } => put(key, to, read::<2>(entry, from)?)?,
                Step::Four { to, from, mask } => {
                    let value = u32::from_be_bytes(read(entry, from)?) & mask;
                    put(key, to, value.to_be_bytes())?;
                }
                Step::Sixteen { to, from, mask } => {
                    let value = u128::from_be_bytes(read(entry, from)?) & mask;
                    put(key, to, value.to_be_bytes())?;
                }
                Step::Tracked { to, from, state } => {
                    let [byte] = read(entry, from)?;
                    put(key, to, state(byte).code().to_be_bytes())?;
                }
                Step::Untracked { to, from, protocol } => {
                    let status = Status::from_bits_retain(u32::from_be_bytes(read(entry, from)?));
                    let state = State::of_tracked(protocol, None, status);
                    put(key, to, state.code().to_be_bytes())?;
                }
                Step::Seconds { to, from } => {
                    let seconds = u64::from(u32::from_be_bytes(read(entry, from)?));
                    put(key, to, [key_bytes::span(Some(seconds * 1_000_000_000))])?;
                }
                Step::Nanoseconds { to, from, now } => {
                    let age = now.saturating_sub(u64::from_be_bytes(read(entry, from)?));
                    put(key, to, [key_bytes::span(Some(age))])?;
                }
            }
        }
        Some(())
    }

    /// What an entry adds to the sums of its group.
    #[inline]
    pub(super) fn sums(&self, entry: &[u8]) -> Option<[u64; SUMS]> {
        let number = |from| Some(u64::from_be_bytes(read(entry, from)?));
        let counters = |places: Option<[usize; 2]>| match places {
            None => Some(None),
            Some([packets, bytes]) => {
                Some(Some(Counters { packets: number(packets)?, bytes: number(bytes)? }))
            }
        };
        let [original, reply] = self.counters;
        Some(Volume::sums([counters(original)?, counters(reply)?]))
    }
}

#[inline]
fn read<const N: usize>(entry: &[u8], from: usize) -> Option<[u8; N]> {
    entry.get(from..)?.first_chunk().copied()
}

#[inline]
fn put<const N: usize>(key: &mut [u8], to: usize, bytes: [u8; N]) -> Option<()> {
    *key.get_mut(to..)?.first_chunk_mut()? = bytes;
    Some(())
}
