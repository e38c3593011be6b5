//! The last check of what is sent.
//!
//! To the kernel a delete that names nothing is a flush. Only the functions that flush make one; this
//! check is for the mistake somebody will make one day.

use crate::wire::ctnetlink::*;
use crate::wire::{Attributes, Message, Messages};

/// Whether a datagram holds a request that empties a table, or may do so.
pub(super) fn flushes(datagram: &[u8]) -> bool {
    // What cannot be read here might be read otherwise by the kernel.
    Messages::new(datagram).any(|message| message.is_ok_and(|message| is_flush(&message)))
        || Messages::new(datagram).any(|message| message.is_err())
}

fn is_flush(message: &Message<'_>) -> bool {
    let names: fn(u16, &[u8]) -> bool = match (message.subsystem(), message.message()) {
        (NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_DELETE) => |kind, nest| {
            // A tuple beside CTA_FILTER is a part of the filter.
            [CTA_TUPLE_ORIG, CTA_TUPLE_REPLY].contains(&kind) && !nest.is_empty()
        },
        // By tuple, or by the name of a helper.
        (NFNL_SUBSYS_CTNETLINK_EXP, IPCTNL_MSG_EXP_DELETE) => |kind, payload| match kind {
            CTA_EXPECT_TUPLE => !payload.is_empty(),
            CTA_EXPECT_HELP_NAME => payload.first().is_some_and(|&byte| byte != 0),
            _ => false,
        },
        _ => return false,
    };
    let Ok((_, attributes)) = message.netfilter() else { return true };
    let mut all = Attributes::new(attributes);
    let mut named = false;
    while let Some(attribute) = all.step() {
        if attribute.kind == CTA_FILTER && message.subsystem() == NFNL_SUBSYS_CTNETLINK {
            return true;
        }
        named |= names(attribute.kind, attribute.payload);
    }
    !named || all.remainder().is_err()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A message of these attributes: kind and payload.
    fn request(subsystem: u8, message: u8, attributes: &[(u16, &[u8])]) -> Vec<u8> {
        let mut body = vec![2, 0, 0, 0];
        for (kind, payload) in attributes {
            body.extend((4 + payload.len() as u16).to_ne_bytes());
            body.extend(kind.to_ne_bytes());
            body.extend(*payload);
            body.resize(body.len().next_multiple_of(4), 0);
        }
        let mut bytes = (16 + body.len() as u32).to_ne_bytes().to_vec();
        bytes.extend(u16::from_be_bytes([subsystem, message]).to_ne_bytes());
        bytes.extend([5, 0, 1, 0, 0, 0, 0, 0, 0, 0]);
        bytes.extend(body);
        bytes
    }

    #[test]
    fn a_delete_has_to_name_its_victim() {
        let tuple = (CTA_TUPLE_ORIG, [0_u8; 8].as_slice());
        let reply = (CTA_TUPLE_REPLY | 0x8000, [0_u8; 8].as_slice());
        let id = (CTA_ID, [0_u8; 4].as_slice());
        for (attributes, flush) in [
            (vec![], true),
            (vec![id], true),
            (vec![(CTA_ZONE, [0, 7].as_slice())], true),
            (vec![(CTA_TUPLE_ORIG, [].as_slice()), id], true),
            (vec![tuple, (CTA_FILTER, [0; 8].as_slice())], true),
            (vec![tuple], false),
            (vec![reply], false),
            (vec![id, tuple], false),
        ] {
            let delete = request(1, IPCTNL_MSG_CT_DELETE, &attributes);
            assert_eq!(flushes(&delete), flush, "{attributes:?}");
            // Hidden behind a harmless one, too.
            let harmless = request(1, IPCTNL_MSG_CT_GET, &[]);
            assert!(!flushes(&harmless));
            assert_eq!(flushes(&[harmless, delete].concat()), flush);
        }
    }

    #[test]
    fn so_has_a_delete_of_expectations() {
        let delete =
            |kind, payload: &[u8]| flushes(&request(2, IPCTNL_MSG_EXP_DELETE, &[(kind, payload)]));
        assert!(flushes(&request(2, IPCTNL_MSG_EXP_DELETE, &[])));
        assert!(delete(CTA_EXPECT_ID, &[0; 4]) && delete(CTA_EXPECT_MASTER, &[0; 8]));
        assert!(delete(CTA_EXPECT_TUPLE, &[]) && delete(CTA_EXPECT_HELP_NAME, b"\0"));
        assert!(!delete(CTA_EXPECT_TUPLE, &[0; 8]) && !delete(CTA_EXPECT_HELP_NAME, b"ftp\0"));
    }

    #[test]
    fn what_cannot_be_read_does_not_pass() {
        let whole = request(1, IPCTNL_MSG_CT_DELETE, &[(CTA_TUPLE_ORIG, &[0; 8])]);
        assert!(!flushes(&whole));
        for length in 1..whole.len() {
            assert!(flushes(whole.get(..length).unwrap()), "{length}");
        }
    }
}
