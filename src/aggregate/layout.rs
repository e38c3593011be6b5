//! Entries laid out alike, known at one look.
//!
//! A kernel writes all entries of a kind in the same layout: the same attributes, in the same order
//! and of the same lengths, and only the values differ. A [`Layout`] is such a layout, learned from
//! an entry that was read attribute by attribute: the bytes that all entries of the layout have in
//! common, which are the headers on the way to the last attribute that is needed, and where the
//! values stand. An entry with those bytes is read by copying from these places. An entry that
//! differs in a single header byte has another layout, or is read the long way: this one gives the
//! same answer or none, which `a_layout_answers_as_the_long_way_or_not_at_all` holds it to, whatever
//! bytes are changed.

use std::ops::Range;

use crate::flow::{DccpState, Needs, Protocol, SctpState, State, TcpState};
use crate::wire::Attributes;
use crate::wire::ctnetlink::*;

/// Bytes compared at once.
const BLOCK: usize = 64;

/// Bytes of a word.
const WORD: usize = size_of::<u64>();

/// What all entries of a layout have in common.
#[derive(Debug, Clone)]
pub(super) struct Layout {
    blocks: Vec<Block>,
    /// An entry has at least as many bytes; or just as many, where it has to be known that an
    /// attribute is not there.
    length: usize,
    exact: bool,
}

/// A piece of an entry: where it is, its bytes, and which of their bits all entries have in common.
///
/// Blocks are all of one size, and for that may overlap, so that they are compared without a branch.
#[derive(Debug, Clone)]
struct Block {
    at: usize,
    values: [u64; BLOCK / WORD],
    masks: [u64; BLOCK / WORD],
}

/// Where in the entries of a layout the values stand.
#[derive(Debug, Clone, Default)]
pub(super) struct Places {
    pub(super) original: Option<TuplePlaces>,
    pub(super) reply: Option<TuplePlaces>,
    pub(super) status: Option<usize>,
    pub(super) mark: Option<usize>,
    pub(super) zone: Option<usize>,
    pub(super) timeout: Option<usize>,
    pub(super) start: Option<usize>,
    /// Packets and bytes of the original direction, and of the reply direction.
    pub(super) counters: [Option<[usize; 2]>; 2],
    pub(super) tracked: Option<Tracked>,
}

/// The byte with the tracker's state, and what it says.
pub(super) type Tracked = (usize, fn(u8) -> State);

#[derive(Debug, Clone, Copy)]
pub(super) struct TuplePlaces {
    pub(super) v6: bool,
    pub(super) protocol: Protocol,
    pub(super) source: usize,
    pub(super) destination: usize,
    /// Source and destination port, for protocols that have ports.
    pub(super) ports: Option<[usize; 2]>,
}

impl Layout {
    /// Whether an entry is of this layout.
    #[inline]
    pub(super) fn fits(&self, entry: &[u8]) -> bool {
        let long = if self.exact { entry.len() == self.length } else { entry.len() >= self.length };
        let Some((first, others)) = self.blocks.split_first() else { return long };
        // Most layouts differ from others in the first block; those behind it are one question.
        long && first.differing(entry) == 0
            && others.iter().fold(0, |bits, block| bits | block.differing(entry)) == 0
    }

    /// Learns the layout of an entry that was read the long way without an error. `None` where it is
    /// laid out in a way that no kernel is known for; such entries are always read the long way.
    pub(super) fn of(entry: &[u8], needs: Needs) -> Option<(Self, Places)> {
        let mut survey = Survey { entry, common: vec![0; entry.len()], length: 0 };
        let mut places = Places::default();
        let mut missing = needs;
        for (kind, payload) in survey.level(0..entry.len())? {
            if missing.is_none() {
                break;
            }
            survey.header(&payload)?;
            if !needs.contains(kind) {
                continue;
            }
            if !missing.contains(kind) {
                return None; // The long way takes the last of two.
            }
            missing = missing.without(kind);
            survey.length = payload.end;
            match kind {
                CTA_TUPLE_ORIG => places.original = Some(survey.tuple(payload)?),
                CTA_TUPLE_REPLY => places.reply = Some(survey.tuple(payload)?),
                CTA_STATUS => places.status = Some(place(&payload, 4)?),
                CTA_MARK => places.mark = Some(place(&payload, 4)?),
                CTA_ZONE => places.zone = Some(place(&payload, 2)?),
                CTA_TIMEOUT => places.timeout = Some(place(&payload, 4)?),
                CTA_PROTOINFO => places.tracked = survey.tracked(payload)?,
                CTA_TIMESTAMP => {
                    places.start = Some(survey.numbers(payload, &[CTA_TIMESTAMP_START])?[0]);
                }
                CTA_COUNTERS_ORIG => places.counters[0] = Some(survey.counters(payload)?),
                CTA_COUNTERS_REPLY => places.counters[1] = Some(survey.counters(payload)?),
                _ => return None,
            }
        }
        let last = survey.common.iter().rposition(|&bits| bits != 0)?;
        // What has to be there, be it compared or copied from.
        let end = survey.length.max(last + 1);
        let whole = entry.len().checked_sub(BLOCK)?;
        let mut blocks: Vec<Block> = Vec::new();
        for at in (0..end).filter(|&at| survey.common.get(at).is_some_and(|&bits| bits != 0)) {
            if blocks.last().is_none_or(|block| block.at + BLOCK <= at) {
                blocks.push(Block::of(entry, &survey.common, at.min(whole))?);
            }
        }
        let exact = !missing.is_none();
        let length = if exact { entry.len() } else { end };
        Some((Self { blocks, length, exact }, places))
    }
}

impl Block {
    fn of(entry: &[u8], common: &[u8], at: usize) -> Option<Self> {
        let block = |bytes: &[u8]| -> Option<[u64; BLOCK / WORD]> {
            let words = bytes.get(at..at + BLOCK)?.chunks_exact(WORD);
            let words = words.map(|word| u64::from_ne_bytes(word.try_into().unwrap_or_default()));
            words.collect::<Vec<_>>().try_into().ok()
        };
        Some(Self { at, values: block(entry)?, masks: block(common)? })
    }

    /// The bits in which an entry differs from the block, in all its words together.
    #[inline]
    fn differing(&self, entry: &[u8]) -> u64 {
        let block: Option<&[u8; BLOCK]> = entry.get(self.at..).and_then(<[u8]>::first_chunk);
        let Some(block) = block else { return u64::MAX };
        let words = block.chunks_exact(WORD).zip(&self.values).zip(&self.masks);
        // Without a branch in it, so that several words are compared at a time.
        words.fold(0, |bits, ((word, value), mask)| {
            bits | ((u64::from_ne_bytes(word.try_into().unwrap_or_default()) ^ value) & mask)
        })
    }
}

/// A look at all headers of an entry.
struct Survey<'a> {
    entry: &'a [u8],
    /// For every byte, which of its bits all entries of the layout have in common.
    common: Vec<u8>,
    /// Bytes up to the end of the last attribute that is needed.
    length: usize,
}

impl Survey<'_> {
    /// The attributes of a nest: kinds and payloads.
    fn level(&self, nest: Range<usize>) -> Option<Vec<(u16, Range<usize>)>> {
        let mut walk = Attributes::new(self.entry.get(nest.clone())?);
        let mut found = Vec::new();
        loop {
            let at = nest.end - walk.left();
            let Some(attribute) = walk.step() else { break };
            let start = at + Attributes::HEADER;
            found.push((attribute.kind, start..start + attribute.payload.len()));
        }
        walk.remainder().is_ok().then_some(found)
    }

    fn same(&mut self, bytes: Range<usize>) -> Option<()> {
        self.common.get_mut(bytes)?.fill(u8::MAX);
        Some(())
    }

    /// All entries of the layout have the header of this attribute.
    fn header(&mut self, payload: &Range<usize>) -> Option<()> {
        self.same(payload.start.checked_sub(Attributes::HEADER)?..payload.start)
    }

    /// The attributes of a nest, whose headers all entries have.
    fn nest(&mut self, payload: Range<usize>) -> Option<Vec<(u16, Range<usize>)>> {
        let level = self.level(payload)?;
        level.iter().try_for_each(|(_, payload)| self.header(payload))?;
        Some(level)
    }

    fn tuple(&mut self, payload: Range<usize>) -> Option<TuplePlaces> {
        let level = self.nest(payload)?;
        let [(CTA_TUPLE_IP, addresses), (CTA_TUPLE_PROTO, proto)] = &level[..] else { return None };
        let addresses = self.nest(addresses.clone())?;
        let (v6, source, destination) = match &addresses[..] {
            [(CTA_IP_V4_SRC, source), (CTA_IP_V4_DST, destination)] => (false, source, destination),
            [(CTA_IP_V6_SRC, source), (CTA_IP_V6_DST, destination)] => (true, source, destination),
            _ => return None,
        };
        let length = if v6 { 16 } else { 4 };
        let proto = self.nest(proto.clone())?;
        let ((CTA_PROTO_NUM, number), rest) = proto.split_first()? else { return None };
        let number = place(number, 1)?;
        // What a protocol has besides its number depends on the number.
        self.same(number..number + 1)?;
        let protocol = Protocol(*self.entry.get(number)?);
        let ports = match rest {
            [] => None,
            [(CTA_PROTO_SRC_PORT, source), (CTA_PROTO_DST_PORT, destination)] => {
                let ports = [place(source, 2)?, place(destination, 2)?];
                Some(ports).filter(|_| protocol != Protocol::GRE)
            }
            [(CTA_PROTO_ICMP_ID, _), (CTA_PROTO_ICMP_TYPE, _), (CTA_PROTO_ICMP_CODE, _)]
            | [(CTA_PROTO_ICMPV6_ID, _), (CTA_PROTO_ICMPV6_TYPE, _), (CTA_PROTO_ICMPV6_CODE, _)] => {
                None
            }
            _ => return None,
        };
        let (source, destination) = (place(source, length)?, place(destination, length)?);
        Some(TuplePlaces { v6, protocol, source, destination, ports })
    }

    /// Where the tracker's state stands; the inner `None` for a nest without one.
    fn tracked(&mut self, payload: Range<usize>) -> Option<Option<Tracked>> {
        let level = self.nest(payload)?;
        let [(kind, inner)] = &level[..] else { return None };
        let name: fn(u8) -> State = match *kind {
            CTA_PROTOINFO_TCP => |state| TcpState(state).into(),
            CTA_PROTOINFO_DCCP => |state| DccpState(state).into(),
            CTA_PROTOINFO_SCTP => |state| SctpState(state).into(),
            _ => return Some(None),
        };
        // The state is the first of them; what follows it is of no interest.
        let (CTA_PROTOINFO_TCP_STATE, state) = self.level(inner.clone())?.into_iter().next()?
        else {
            return None;
        };
        self.header(&state)?;
        Some(Some((place(&state, 1)?, name)))
    }

    fn counters(&mut self, payload: Range<usize>) -> Option<[usize; 2]> {
        self.numbers(payload, &[CTA_COUNTERS_PACKETS, CTA_COUNTERS_BYTES])
    }

    /// Where the numbers of eight bytes stand that a nest has first, of these kinds and no other.
    fn numbers<const N: usize>(
        &mut self,
        payload: Range<usize>,
        kinds: &[u16; N],
    ) -> Option<[usize; N]> {
        let level = self.nest(payload)?;
        // Padding, by which some architectures align the numbers, has a kind of its own.
        let known: Vec<_> = level.iter().filter(|(kind, _)| kinds.contains(kind)).collect();
        let mut places = [0; N];
        if known.len() != N {
            return None;
        }
        for ((place_of, kind), (found, payload)) in places.iter_mut().zip(kinds).zip(known) {
            *place_of = place(payload, 8).filter(|_| found == kind)?;
        }
        Some(places)
    }
}

/// Where a payload of this length stands.
fn place(payload: &Range<usize>, length: usize) -> Option<usize> {
    (payload.len() == length).then_some(payload.start)
}
