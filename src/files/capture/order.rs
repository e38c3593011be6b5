//! Converts datagrams from a machine of the other byte order.

use netlink_packet_core::{NLA_F_NESTED, NLA_TYPE_MASK};

use crate::wire::ctnetlink::{CTA_LABELS, NFNL_SUBSYS_CTNETLINK};
use crate::wire::{Attributes, Messages, align};

/// How deep the attributes of an entry are nested: tuple, protocol, port. The kernel nests none deeper.
const DEEPEST: u8 = 3;

/// Bytes of the netfilter header, after the netlink header.
const NETFILTER: usize = 4;

/// Bytes of a word of labels on the other machine. Kernels of 32 bits have words of 4 bytes, which matters if they
/// store the highest byte first; a capture does not say how many bits its kernel had.
const WORD: usize = 8;

/// Puts a datagram into the byte order of this machine, in place: the headers of messages and attributes,
/// and labels. The kernel sends everything else in network order on every machine.
///
/// In a datagram that is cut or damaged, this goes as far as it can. The reader reports the rest.
pub(super) fn to_this_machine(mut datagram: &mut [u8]) {
    while let Some(length) = number(datagram, 4) {
        // Length, kind, flags, sequence and port.
        let mut rest = &mut *datagram;
        for field in [4, 2, 2, 4, 4] {
            let Some((bytes, behind)) = rest.split_at_mut_checked(field) else { return };
            bytes.reverse();
            rest = behind;
        }
        let kind = datagram.get(4..6).and_then(|kind| kind.first_chunk().copied());
        let [subsystem, _] = u16::from_ne_bytes(kind.unwrap_or_default()).to_be_bytes();
        let end = length.min(datagram.len());
        if let Some(attributes) = datagram.get_mut(Messages::HEADER + NETFILTER..end) {
            if subsystem == NFNL_SUBSYS_CTNETLINK {
                put_attributes(attributes, 0);
            }
        }
        if !(Messages::HEADER..=datagram.len()).contains(&length) {
            return;
        }
        let Some(behind) = datagram.get_mut(align(length)..) else { return };
        datagram = behind;
    }
}

fn put_attributes(mut attributes: &mut [u8], depth: u8) {
    while let Some(length) = number(attributes, 2) {
        let Some((header, _)) = attributes.split_at_mut_checked(Attributes::HEADER) else { return };
        let (lower, upper) = header.split_at_mut(2);
        lower.reverse();
        upper.reverse();
        let kind = u16::from_ne_bytes(upper.first_chunk().copied().unwrap_or_default());
        let end = length.min(attributes.len());
        let Some(payload) = attributes.get_mut(Attributes::HEADER..end) else { return };
        if kind & NLA_F_NESTED != 0 && depth < DEEPEST {
            put_attributes(payload, depth + 1);
        } else if depth == 0 && kind & NLA_TYPE_MASK == CTA_LABELS {
            payload.chunks_mut(WORD).for_each(<[u8]>::reverse);
        }
        let Some(behind) = attributes.get_mut(align(length)..) else { return };
        attributes = behind;
    }
}

/// The number of so many bytes, two or four, at the beginning, in the order of the other machine.
fn number(bytes: &[u8], size: usize) -> Option<usize> {
    let bytes = bytes.get(..size)?;
    let add = |number: usize, byte: &u8| number << 8 | usize::from(*byte);
    Some(if cfg!(target_endian = "little") {
        bytes.iter().fold(0, add)
    } else {
        bytes.iter().rev().fold(0, add)
    })
}
