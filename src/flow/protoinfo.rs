//! What the tracker of a protocol keeps: TCP, SCTP and DCCP state and its company.

use std::fmt;

use crate::flow::State;
use crate::wire::ctnetlink::*;
use crate::wire::writer::Writer;
use crate::wire::{Attributes, WireError};

/// What the tracker of a stateful protocol keeps about a flow.
///
/// The kernel sends it for TCP, SCTP and (up to Linux 6.16) DCCP, and leaves it out where a flow
/// table has taken the flow over.
#[doc(alias = "CTA_PROTOINFO")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProtoInfo {
    /// TCP.
    #[doc(alias = "CTA_PROTOINFO_TCP")]
    Tcp(TcpInfo),
    /// DCCP.
    #[doc(alias = "CTA_PROTOINFO_DCCP")]
    Dccp(DccpInfo),
    /// SCTP.
    #[doc(alias = "CTA_PROTOINFO_SCTP")]
    Sctp(SctpInfo),
    /// A nest this crate does not know, by its number.
    Other(u16),
}

macro_rules! state_type {
    ($(#[$doc:meta])* $name:ident { $($(#[$state_doc:meta])* $state:ident = $number:literal $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u8);

        impl $name {
            $($(#[$state_doc])* pub const $state: Self = Self($number);)*

            /// The name `conntrack` prints, for the states that have one.
            pub const fn name(self) -> Option<&'static str> {
                match self.0 {
                    $($number => Some($text),)*
                    _ => None,
                }
            }
        }

        /// The name, or the number of a state this crate has no name for.
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self.name() {
                    Some(name) => f.pad(name),
                    None => fmt::Display::fmt(&self.0, f),
                }
            }
        }
    };
}

state_type! {
    /// The state of a TCP flow (`enum tcp_conntrack`), as seen from the middle.
    #[doc(alias = "CTA_PROTOINFO_TCP_STATE")]
    #[doc(alias = "tcp_conntrack")]
    TcpState {
        /// No packet was judged yet; entries made by hand start here.
        NONE = 0 "NONE",
        /// A SYN was seen.
        SYN_SENT = 1 "SYN_SENT",
        /// A SYN was answered.
        SYN_RECV = 2 "SYN_RECV",
        /// Open.
        ESTABLISHED = 3 "ESTABLISHED",
        /// A FIN was seen.
        FIN_WAIT = 4 "FIN_WAIT",
        /// A FIN was acknowledged by the other side, which has not sent its own.
        CLOSE_WAIT = 5 "CLOSE_WAIT",
        /// Both FINs were seen, one acknowledgement is missing.
        LAST_ACK = 6 "LAST_ACK",
        /// Closed in order.
        TIME_WAIT = 7 "TIME_WAIT",
        /// Reset, or closed.
        CLOSE = 8 "CLOSE",
        /// A second SYN crossed the first (`TCP_CONNTRACK_SYN_SENT2`; `LISTEN` in old kernels).
        #[doc(alias = "LISTEN")]
        SYN_SENT2 = 9 "SYN_SENT2",
    }
}

state_type! {
    /// The state of an SCTP flow (`enum sctp_conntrack`).
    #[doc(alias = "CTA_PROTOINFO_SCTP_STATE")]
    #[doc(alias = "sctp_conntrack")]
    SctpState {
        /// No chunk was judged yet.
        NONE = 0 "NONE",
        /// Closed.
        CLOSED = 1 "CLOSED",
        /// An INIT was seen.
        COOKIE_WAIT = 2 "COOKIE_WAIT",
        /// A COOKIE ECHO was seen.
        COOKIE_ECHOED = 3 "COOKIE_ECHOED",
        /// Open.
        ESTABLISHED = 4 "ESTABLISHED",
        /// A SHUTDOWN was sent by the opener.
        SHUTDOWN_SENT = 5 "SHUTDOWN_SENT",
        /// A SHUTDOWN was sent by the other side.
        SHUTDOWN_RECD = 6 "SHUTDOWN_RECD",
        /// The SHUTDOWN was acknowledged.
        SHUTDOWN_ACK_SENT = 7 "SHUTDOWN_ACK_SENT",
        /// Picked up by a heartbeat of another path.
        HEARTBEAT_SENT = 8 "HEARTBEAT_SENT",
        /// The heartbeat was answered (not sent by kernels since 6.0).
        HEARTBEAT_ACKED = 9 "HEARTBEAT_ACKED",
    }
}

state_type! {
    /// The state of a DCCP flow (`enum ct_dccp_states`). Kernels track DCCP up to 6.16.
    #[doc(alias = "CTA_PROTOINFO_DCCP_STATE")]
    #[doc(alias = "ct_dccp_states")]
    DccpState {
        /// No packet was judged yet.
        NONE = 0 "NONE",
        /// A REQUEST was seen.
        REQUEST = 1 "REQUEST",
        /// A RESPONSE was seen.
        RESPOND = 2 "RESPOND",
        /// The RESPONSE was acknowledged.
        PARTOPEN = 3 "PARTOPEN",
        /// Open.
        OPEN = 4 "OPEN",
        /// The server asks to close.
        CLOSEREQ = 5 "CLOSEREQ",
        /// A CLOSE was seen.
        CLOSING = 6 "CLOSING",
        /// Closed in order.
        TIMEWAIT = 7 "TIMEWAIT",
        /// A packet to be passed without judging it.
        IGNORE = 8 "IGNORE",
        /// A packet that does not fit.
        INVALID = 9 "INVALID",
    }
}

/// What TCP tracking keeps. `None` where the kernel did not send the part; it sends all of them
/// in a dump and only the state with the event of a flow's end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TcpInfo {
    /// The state.
    pub state: TcpState,
    /// Window scale of the original direction, in bits to shift.
    #[doc(alias = "CTA_PROTOINFO_TCP_WSCALE_ORIGINAL")]
    pub window_scale_original: Option<u8>,
    /// Window scale of the reply direction, in bits to shift.
    #[doc(alias = "CTA_PROTOINFO_TCP_WSCALE_REPLY")]
    pub window_scale_reply: Option<u8>,
    /// Tracking flags of the original direction.
    #[doc(alias = "CTA_PROTOINFO_TCP_FLAGS_ORIGINAL")]
    pub flags_original: Option<TcpFlags>,
    /// Tracking flags of the reply direction.
    #[doc(alias = "CTA_PROTOINFO_TCP_FLAGS_REPLY")]
    pub flags_reply: Option<TcpFlags>,
}

impl TcpInfo {
    /// The state alone.
    pub const fn new(state: TcpState) -> Self {
        Self {
            state,
            window_scale_original: None,
            window_scale_reply: None,
            flags_original: None,
            flags_reply: None,
        }
    }
}

/// Flags of TCP tracking, such as "window scaling was agreed on" (0x01), "SACK is permitted"
/// (0x02) and "be liberal" (0x08): the `IP_CT_TCP_FLAG_…` bits of
/// `linux/netfilter/nf_conntrack_tcp.h`.
#[doc(alias = "nf_ct_tcp_flags")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TcpFlags {
    /// The bits.
    pub flags: u8,
    /// Which of the bits an update sets; in a dump the kernel sends 0.
    pub mask: u8,
}

/// What SCTP tracking keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SctpInfo {
    /// The state.
    pub state: SctpState,
    /// Verification tag of the original direction.
    #[doc(alias = "CTA_PROTOINFO_SCTP_VTAG_ORIGINAL")]
    pub vtag_original: Option<u32>,
    /// Verification tag of the reply direction.
    #[doc(alias = "CTA_PROTOINFO_SCTP_VTAG_REPLY")]
    pub vtag_reply: Option<u32>,
}

/// What DCCP tracking keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DccpInfo {
    /// The state.
    pub state: DccpState,
    /// Role of the original direction: 0 client, 1 server.
    #[doc(alias = "CTA_PROTOINFO_DCCP_ROLE")]
    pub role: Option<u8>,
    /// Sequence number of the handshake.
    #[doc(alias = "CTA_PROTOINFO_DCCP_HANDSHAKE_SEQ")]
    pub handshake_sequence: Option<u64>,
}

impl From<TcpInfo> for ProtoInfo {
    fn from(tcp: TcpInfo) -> Self {
        Self::Tcp(tcp)
    }
}

impl From<SctpInfo> for ProtoInfo {
    fn from(sctp: SctpInfo) -> Self {
        Self::Sctp(sctp)
    }
}

impl From<DccpInfo> for ProtoInfo {
    fn from(dccp: DccpInfo) -> Self {
        Self::Dccp(dccp)
    }
}

impl ProtoInfo {
    /// Reads the nest of a `CTA_PROTOINFO` attribute. `None` if it is empty.
    #[inline]
    pub(crate) fn parse(nest: &[u8]) -> Result<Option<Self>, WireError> {
        let Some(inner) = Attributes::new(nest).next().transpose()? else {
            return Ok(None);
        };
        let attributes = inner.attributes();
        Ok(Some(match inner.kind {
            CTA_PROTOINFO_TCP => Self::Tcp(TcpInfo::parse(attributes)?),
            CTA_PROTOINFO_DCCP => Self::Dccp(DccpInfo::parse(attributes)?),
            CTA_PROTOINFO_SCTP => Self::Sctp(SctpInfo::parse(attributes)?),
            other => Self::Other(other),
        }))
    }

    /// Reads the state alone out of the nest of a `CTA_PROTOINFO` attribute.
    #[inline]
    pub(crate) fn parse_state(nest: &[u8]) -> Result<Option<State>, WireError> {
        let Some(inner) = Attributes::new(nest).next().transpose()? else {
            return Ok(None);
        };
        let (what, name): (_, fn(u8) -> State) = match inner.kind {
            CTA_PROTOINFO_TCP => ("CTA_PROTOINFO_TCP", |state| TcpState(state).into()),
            CTA_PROTOINFO_DCCP => ("CTA_PROTOINFO_DCCP", |state| DccpState(state).into()),
            CTA_PROTOINFO_SCTP => ("CTA_PROTOINFO_SCTP", |state| SctpState(state).into()),
            _ => return Ok(None),
        };
        for attribute in inner.attributes() {
            let attribute = attribute?;
            // One number for all three.
            if attribute.kind == CTA_PROTOINFO_TCP_STATE {
                return attribute.u8(what).map(|state| Some(name(state)));
            }
        }
        Err(WireError::missing(what, "the state"))
    }

    /// The state, by the name it shares with other protocols.
    pub(crate) fn state(&self) -> Option<State> {
        match self {
            Self::Tcp(tcp) => Some(tcp.state.into()),
            Self::Sctp(sctp) => Some(sctp.state.into()),
            Self::Dccp(dccp) => Some(dccp.state.into()),
            Self::Other(_) => None,
        }
    }

    /// Writes the `CTA_PROTOINFO` attribute.
    pub(crate) fn write(&self, writer: &mut Writer<'_>) {
        writer.nest(CTA_PROTOINFO, |writer| match self {
            Self::Tcp(tcp) => writer.nest(CTA_PROTOINFO_TCP, |writer| tcp.write(writer)),
            Self::Dccp(dccp) => writer.nest(CTA_PROTOINFO_DCCP, |writer| dccp.write(writer)),
            Self::Sctp(sctp) => writer.nest(CTA_PROTOINFO_SCTP, |writer| sctp.write(writer)),
            Self::Other(kind) => writer.nest(*kind, |_| {}),
        });
    }
}

impl TcpInfo {
    fn parse(attributes: Attributes<'_>) -> Result<Self, WireError> {
        let mut state = None;
        let mut info = Self::new(TcpState::NONE);
        for attribute in attributes {
            let attribute = attribute?;
            match attribute.kind {
                CTA_PROTOINFO_TCP_STATE => {
                    state = Some(TcpState(attribute.u8("CTA_PROTOINFO_TCP_STATE")?));
                }
                CTA_PROTOINFO_TCP_WSCALE_ORIGINAL => {
                    info.window_scale_original =
                        Some(attribute.u8("CTA_PROTOINFO_TCP_WSCALE_ORIGINAL")?);
                }
                CTA_PROTOINFO_TCP_WSCALE_REPLY => {
                    info.window_scale_reply = Some(attribute.u8("CTA_PROTOINFO_TCP_WSCALE_REPLY")?);
                }
                CTA_PROTOINFO_TCP_FLAGS_ORIGINAL => {
                    info.flags_original = Some(TcpFlags::parse(attribute.payload)?);
                }
                CTA_PROTOINFO_TCP_FLAGS_REPLY => {
                    info.flags_reply = Some(TcpFlags::parse(attribute.payload)?);
                }
                _ => {}
            }
        }
        info.state = state.ok_or(WireError::missing("CTA_PROTOINFO_TCP", "the state"))?;
        Ok(info)
    }

    fn write(&self, writer: &mut Writer<'_>) {
        writer.put_u8(CTA_PROTOINFO_TCP_STATE, self.state.0);
        for (kind, scale) in [
            (CTA_PROTOINFO_TCP_WSCALE_ORIGINAL, self.window_scale_original),
            (CTA_PROTOINFO_TCP_WSCALE_REPLY, self.window_scale_reply),
        ] {
            if let Some(scale) = scale {
                writer.put_u8(kind, scale);
            }
        }
        for (kind, flags) in [
            (CTA_PROTOINFO_TCP_FLAGS_ORIGINAL, self.flags_original),
            (CTA_PROTOINFO_TCP_FLAGS_REPLY, self.flags_reply),
        ] {
            if let Some(TcpFlags { flags, mask }) = flags {
                writer.put(kind, &[flags, mask]);
            }
        }
    }
}

impl TcpFlags {
    fn parse(payload: &[u8]) -> Result<Self, WireError> {
        let &[flags, mask] = payload else {
            return Err(WireError::length("CTA_PROTOINFO_TCP_FLAGS", payload.len()));
        };
        Ok(Self { flags, mask })
    }
}

impl SctpInfo {
    fn parse(attributes: Attributes<'_>) -> Result<Self, WireError> {
        let (mut state, mut vtag_original, mut vtag_reply) = (None, None, None);
        for attribute in attributes {
            let attribute = attribute?;
            match attribute.kind {
                CTA_PROTOINFO_SCTP_STATE => {
                    state = Some(SctpState(attribute.u8("CTA_PROTOINFO_SCTP_STATE")?));
                }
                CTA_PROTOINFO_SCTP_VTAG_ORIGINAL => {
                    vtag_original = Some(attribute.be32("CTA_PROTOINFO_SCTP_VTAG_ORIGINAL")?);
                }
                CTA_PROTOINFO_SCTP_VTAG_REPLY => {
                    vtag_reply = Some(attribute.be32("CTA_PROTOINFO_SCTP_VTAG_REPLY")?);
                }
                _ => {}
            }
        }
        let state = state.ok_or(WireError::missing("CTA_PROTOINFO_SCTP", "the state"))?;
        Ok(Self { state, vtag_original, vtag_reply })
    }

    fn write(&self, writer: &mut Writer<'_>) {
        writer.put_u8(CTA_PROTOINFO_SCTP_STATE, self.state.0);
        if let Some(vtag) = self.vtag_original {
            writer.put_be32(CTA_PROTOINFO_SCTP_VTAG_ORIGINAL, vtag);
        }
        if let Some(vtag) = self.vtag_reply {
            writer.put_be32(CTA_PROTOINFO_SCTP_VTAG_REPLY, vtag);
        }
    }
}

impl DccpInfo {
    fn parse(attributes: Attributes<'_>) -> Result<Self, WireError> {
        let (mut state, mut role, mut handshake_sequence) = (None, None, None);
        for attribute in attributes {
            let attribute = attribute?;
            match attribute.kind {
                CTA_PROTOINFO_DCCP_STATE => {
                    state = Some(DccpState(attribute.u8("CTA_PROTOINFO_DCCP_STATE")?));
                }
                CTA_PROTOINFO_DCCP_ROLE => {
                    role = Some(attribute.u8("CTA_PROTOINFO_DCCP_ROLE")?);
                }
                CTA_PROTOINFO_DCCP_HANDSHAKE_SEQ => {
                    handshake_sequence = Some(attribute.be64("CTA_PROTOINFO_DCCP_HANDSHAKE_SEQ")?);
                }
                _ => {}
            }
        }
        let state = state.ok_or(WireError::missing("CTA_PROTOINFO_DCCP", "the state"))?;
        Ok(Self { state, role, handshake_sequence })
    }

    fn write(&self, writer: &mut Writer<'_>) {
        writer.put_u8(CTA_PROTOINFO_DCCP_STATE, self.state.0);
        if let Some(role) = self.role {
            writer.put_u8(CTA_PROTOINFO_DCCP_ROLE, role);
        }
        if let Some(sequence) = self.handshake_sequence {
            writer.put_be64(CTA_PROTOINFO_DCCP_HANDSHAKE_SEQ, sequence);
        }
    }
}
