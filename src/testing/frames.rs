//! A dump in memory.

use bytes::{Bytes, BytesMut};
use netlink_packet_core::{NLM_F_MULTIPART, NetlinkHeader};

use super::Population;
use crate::flow::{Counters, Flow, FlowId, Purpose, encode};
use crate::wire::ctnetlink::{IPCTNL_MSG_CT_NEW, NFNL_SUBSYS_CTNETLINK};
use crate::wire::writer::Writer;
use crate::wire::{Message, Messages};

/// The datagrams a dump of some flows would deliver, without a kernel.
///
/// They are laid out as Linux 6.18 does it, up to the 32,448 bytes it packs into one.
#[derive(Debug, Clone, Default)]
pub struct Frames {
    datagrams: Vec<Bytes>,
    flows: u64,
    bytes: usize,
}

/// What the kernel packs into one datagram at most.
const DATAGRAM: usize = 32_448;

impl Frames {
    /// The flows of a population, with what the kernel would add: an id, a use count, counters.
    pub fn of(population: &Population) -> Self {
        (0_u32..)
            .zip(population.flows())
            .map(|(index, mut flow)| {
                flow.id = Some(FlowId(index.wrapping_mul(0x9e37_79b1)));
                flow.use_count = Some(1);
                let counters = Counters { packets: u64::from(index % 100), bytes: 1500 };
                flow.counters_original = Some(counters);
                flow.counters_reply = Some(counters);
                flow
            })
            .collect()
    }

    /// The datagrams.
    pub fn datagrams(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        self.datagrams.iter().map(|datagram| &datagram[..])
    }

    /// The entries' attributes: what stands behind the netfilter header of each message.
    pub fn entries(&self) -> impl Iterator<Item = &[u8]> {
        self.datagrams()
            .flat_map(Messages::new)
            .filter_map(|message: Result<Message<'_>, _>| message.ok()?.netfilter().ok())
            .map(|(_, attributes)| attributes)
    }

    /// How many flows.
    pub fn len(&self) -> u64 {
        self.flows
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.flows == 0
    }

    /// How many bytes the datagrams have together.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

impl FromIterator<Flow> for Frames {
    fn from_iter<I: IntoIterator<Item = Flow>>(flows: I) -> Self {
        let mut frames = Self::default();
        let mut segment = BytesMut::new();
        for flow in flows {
            let start = segment.len();
            write_entry(&mut segment, &flow);
            if segment.len() > DATAGRAM && start > 0 {
                let next = segment.split_off(start);
                frames.push(std::mem::replace(&mut segment, next));
            }
            frames.flows += 1;
        }
        if !segment.is_empty() {
            frames.push(segment);
        }
        frames
    }
}

impl Frames {
    fn push(&mut self, datagram: BytesMut) {
        self.bytes += datagram.len();
        self.datagrams.push(datagram.freeze());
    }
}

fn write_entry(segment: &mut BytesMut, flow: &Flow) {
    let mut header = NetlinkHeader::default();
    header.message_type = u16::from_be_bytes([NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_NEW]);
    header.flags = NLM_F_MULTIPART;
    header.sequence_number = 1;
    header.port_number = 1;
    let family = flow.original.family().number();
    Writer::new(segment).message(header, family, |writer| encode(flow, Purpose::Dump, writer));
}
