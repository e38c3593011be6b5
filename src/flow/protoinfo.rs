//! What the tracker of TCP, SCTP or DCCP keeps about a flow.

use crate::flow::{DccpState, Protocol, SctpState, State, Status, TcpState};
use crate::wire::ctnetlink::*;
use crate::wire::writer::Writer;
use crate::wire::{Attribute, Attributes, WireError};

/// What the tracker of a stateful protocol keeps about a flow.
///
/// The kernel sends it for TCP, SCTP and (up to Linux 6.16) DCCP, and leaves it out where a flow
/// table has taken the flow over.
#[doc(alias = "CTA_PROTOINFO")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "lowercase"))]
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

/// What TCP tracking keeps. A part that the kernel did not send is `None`. In a dump the kernel sends
/// all parts; with the event of a flow's end it sends only the state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
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
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct TcpFlags {
    /// The bits.
    pub flags: u8,
    /// Which of the bits an update sets; in a dump the kernel sends 0.
    pub mask: u8,
}

/// What SCTP tracking keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
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
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
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
            // The state has the same number in all three.
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

impl State {
    /// The state of an entry with this protocol, protocol information and status.
    pub fn of(protocol: Protocol, protoinfo: Option<ProtoInfo>, status: Status) -> Self {
        Self::of_tracked(protocol, protoinfo.and_then(|info| info.state()), status)
    }
}

/// The number of the state, which each of the three nests must have.
fn state(state: Option<Attribute<'_>>, nest: &'static str) -> Result<u8, WireError> {
    state.ok_or(WireError::missing(nest, "the state"))?.u8(nest)
}

impl TcpInfo {
    fn parse(nest: Attributes<'_>) -> Result<Self, WireError> {
        let [number, scale_original, scale_reply, flags_original, flags_reply] = nest.by_kind()?;
        let scale =
            |scale: Option<Attribute<'_>>, what| scale.map(|scale| scale.u8(what)).transpose();
        let flags = |flags: Option<Attribute<'_>>| flags.map(TcpFlags::parse).transpose();
        Ok(Self {
            state: TcpState(state(number, "CTA_PROTOINFO_TCP")?),
            window_scale_original: scale(scale_original, "CTA_PROTOINFO_TCP_WSCALE_ORIGINAL")?,
            window_scale_reply: scale(scale_reply, "CTA_PROTOINFO_TCP_WSCALE_REPLY")?,
            flags_original: flags(flags_original)?,
            flags_reply: flags(flags_reply)?,
        })
    }

    fn write(&self, writer: &mut Writer<'_>) {
        writer.put_u8(CTA_PROTOINFO_TCP_STATE, self.state.0);
        for (kind, scale) in [
            (CTA_PROTOINFO_TCP_WSCALE_ORIGINAL, self.window_scale_original),
            (CTA_PROTOINFO_TCP_WSCALE_REPLY, self.window_scale_reply),
        ] {
            writer.when(scale, |writer, scale| writer.put_u8(kind, scale));
        }
        for (kind, flags) in [
            (CTA_PROTOINFO_TCP_FLAGS_ORIGINAL, self.flags_original),
            (CTA_PROTOINFO_TCP_FLAGS_REPLY, self.flags_reply),
        ] {
            writer.when(flags, |writer, TcpFlags { flags, mask }| writer.put(kind, &[flags, mask]));
        }
    }
}

impl TcpFlags {
    fn parse(attribute: Attribute<'_>) -> Result<Self, WireError> {
        let &[flags, mask] = attribute.payload else {
            return Err(WireError::length("CTA_PROTOINFO_TCP_FLAGS", attribute.payload.len()));
        };
        Ok(Self { flags, mask })
    }
}

impl SctpInfo {
    fn parse(nest: Attributes<'_>) -> Result<Self, WireError> {
        let [number, original, reply] = nest.by_kind()?;
        let vtag = |vtag: Option<Attribute<'_>>, what| vtag.map(|vtag| vtag.be32(what)).transpose();
        Ok(Self {
            state: SctpState(state(number, "CTA_PROTOINFO_SCTP")?),
            vtag_original: vtag(original, "CTA_PROTOINFO_SCTP_VTAG_ORIGINAL")?,
            vtag_reply: vtag(reply, "CTA_PROTOINFO_SCTP_VTAG_REPLY")?,
        })
    }

    fn write(&self, writer: &mut Writer<'_>) {
        writer.put_u8(CTA_PROTOINFO_SCTP_STATE, self.state.0);
        for (kind, vtag) in [
            (CTA_PROTOINFO_SCTP_VTAG_ORIGINAL, self.vtag_original),
            (CTA_PROTOINFO_SCTP_VTAG_REPLY, self.vtag_reply),
        ] {
            writer.when(vtag, |writer, vtag| writer.put_be32(kind, vtag));
        }
    }
}

impl DccpInfo {
    fn parse(nest: Attributes<'_>) -> Result<Self, WireError> {
        let [number, role, sequence] = nest.by_kind()?;
        let sequence = sequence.map(|sequence| sequence.be64("CTA_PROTOINFO_DCCP_HANDSHAKE_SEQ"));
        Ok(Self {
            state: DccpState(state(number, "CTA_PROTOINFO_DCCP")?),
            role: role.map(|role| role.u8("CTA_PROTOINFO_DCCP_ROLE")).transpose()?,
            handshake_sequence: sequence.transpose()?,
        })
    }

    fn write(&self, writer: &mut Writer<'_>) {
        writer.put_u8(CTA_PROTOINFO_DCCP_STATE, self.state.0);
        writer.when(self.role, |writer, role| writer.put_u8(CTA_PROTOINFO_DCCP_ROLE, role));
        writer.when(self.handshake_sequence, |writer, sequence| {
            writer.put_be64(CTA_PROTOINFO_DCCP_HANDSHAKE_SEQ, sequence);
        });
    }
}
