//! What the kernel answers when it refuses, or agrees: an error number and, since 4.12, a text
//! and the place in our request it speaks of (`NETLINK_EXT_ACK`).

use netlink_packet_core::{DoneBuffer, ErrorBuffer, NLM_F_ACK_TLVS, NLM_F_CAPPED};

use super::{Attributes, Message, Messages, WireError, align, ctnetlink};

const NLMSGERR_ATTR_MSG: u16 = 1;
const NLMSGERR_ATTR_OFFS: u16 = 2;

/// The outcome a `NLMSG_ERROR` or `NLMSG_DONE` message carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KernelStatus<'a> {
    /// The error number, positive; 0 for success.
    pub errno: i32,
    /// What the kernel says about it.
    pub extended: ExtendedAck<'a>,
}

/// The kernel's own words on an error.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ExtendedAck<'a> {
    /// A sentence, where the kernel has one. ctnetlink itself writes none; attribute validation
    /// does.
    pub message: Option<&'a [u8]>,
    /// Bytes from the start of the request to the attribute at fault.
    pub offset: Option<u32>,
}

impl<'a> KernelStatus<'a> {
    /// Reads the outcome out of a `NLMSG_ERROR` or `NLMSG_DONE` message.
    pub fn parse(message: &Message<'a>) -> Result<Self, WireError> {
        let payload = message.payload;
        let (what, code) = if message.is_done() {
            ("NLMSG_DONE", DoneBuffer::new_checked(&payload).map(|done| done.code()))
        } else {
            let code = |error: ErrorBuffer<_>| error.code().map_or(0, |code| code.get());
            ("NLMSG_ERROR", ErrorBuffer::new_checked(&payload).map(code))
        };
        // A dump may end in a DONE without any payload: that is success.
        let code = match code {
            Ok(code) => code,
            Err(_) if message.is_done() && payload.is_empty() => 0,
            Err(_) => return Err(WireError::truncated(what, 4, payload.len())),
        };
        let extended = if message.flags & NLM_F_ACK_TLVS == 0 {
            ExtendedAck::default()
        } else {
            // An error echoes our request's header, and the whole request unless it was capped.
            let skip = match payload.get(4..8).and_then(|length| length.first_chunk()) {
                _ if message.is_done() => 4,
                Some(length) if message.flags & NLM_F_CAPPED == 0 => {
                    4 + align(u32::from_ne_bytes(*length).min(u32::MAX / 2) as usize)
                }
                _ => 4 + Messages::HEADER,
            };
            ExtendedAck::parse(payload.get(skip..).unwrap_or_default())
        };
        Ok(Self { errno: code.saturating_neg(), extended })
    }
}

impl<'a> ExtendedAck<'a> {
    fn parse(attributes: &'a [u8]) -> Self {
        let mut ack = Self::default();
        // Help with an error must not become an error: what cannot be read is left out.
        for attribute in Attributes::new(attributes).map_while(Result::ok) {
            match attribute.kind {
                NLMSGERR_ATTR_MSG => ack.message = Some(attribute.text()),
                NLMSGERR_ATTR_OFFS => {
                    ack.offset = attribute.payload.first_chunk().map(|at| u32::from_ne_bytes(*at));
                }
                _ => {}
            }
        }
        ack
    }

    /// The kernel's name of the top-level attribute of `request` the offset points into, for a
    /// request to the conntrack subsystem, or to that of expectations.
    pub fn attribute(&self, request: &[u8]) -> Option<&'static str> {
        let offset = self.offset? as usize;
        let subsystem = Messages::new(request).next()?.ok()?.subsystem();
        let name = if subsystem == ctnetlink::NFNL_SUBSYS_CTNETLINK_EXP {
            ctnetlink::expectation_attribute_name
        } else {
            ctnetlink::attribute_name
        };
        let mut at = Messages::HEADER + 4;
        for attribute in Attributes::new(request.get(at..)?).map_while(Result::ok) {
            let end = at + align(Attributes::HEADER + attribute.payload.len());
            if (at..end).contains(&offset) {
                return Some(name(attribute.kind));
            }
            at = end;
        }
        None
    }
}
