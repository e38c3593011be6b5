//! The parts of an entry, as a row or a line of text has them: each may be missing.

use std::borrow::Cow;
use std::net::IpAddr;

use crate::flow::{
    Counters, DccpInfo, DccpState, Endpoints, ProtoInfo, Protocol, SctpInfo, SctpState, State,
    TcpInfo, TcpState, Tuple,
};

/// One direction of an entry.
#[derive(Debug, Default)]
pub(crate) struct Half {
    pub(crate) source: Option<IpAddr>,
    pub(crate) destination: Option<IpAddr>,
    /// The source port and the destination port.
    pub(crate) ports: [Option<u16>; 2],
    /// The keys of GRE, in the same order.
    pub(crate) keys: [Option<u16>; 2],
    /// Type, code and identifier of ICMP.
    pub(crate) icmp: (Option<u8>, Option<u8>, Option<u16>),
    pub(crate) zone: Option<u16>,
    pub(crate) packets: Option<u64>,
    pub(crate) bytes: Option<u64>,
}

impl Half {
    #[inline]
    pub(crate) fn of(tuple: &Tuple, counters: Option<Counters>) -> Self {
        let mut half = Self {
            source: Some(tuple.source),
            destination: Some(tuple.destination),
            zone: tuple.zone,
            packets: counters.map(|counters| counters.packets),
            bytes: counters.map(|counters| counters.bytes),
            ..Self::default()
        };
        match tuple.endpoints {
            Endpoints::Ports { source, destination } => {
                half.ports = [Some(source), Some(destination)];
            }
            Endpoints::GreKeys { source, destination } => {
                half.keys = [Some(source), Some(destination)];
            }
            Endpoints::Icmp { icmp_type, code, id } => {
                half.icmp = (Some(icmp_type), Some(code), Some(id));
            }
            Endpoints::None => {}
        }
        half
    }

    /// The tuple. Addresses and endpoints that are missing are taken from `other`. It is `None` if an address is in
    /// neither.
    #[inline]
    pub(crate) fn tuple(&self, protocol: Protocol, other: Option<Tuple>) -> Option<Tuple> {
        let endpoints = self.endpoints().or(other.map(|other| other.endpoints));
        Some(Tuple {
            source: self.source.or(other.map(|other| other.source))?,
            destination: self.destination.or(other.map(|other| other.destination))?,
            protocol,
            endpoints: endpoints.unwrap_or(Endpoints::None),
            zone: self.zone,
        })
    }

    /// The endpoints, if they are complete. One port without the other does not count.
    #[inline]
    fn endpoints(&self) -> Option<Endpoints> {
        match (self.ports, self.keys, self.icmp) {
            ([Some(source), Some(destination)], ..) => {
                Some(Endpoints::Ports { source, destination })
            }
            (_, [Some(source), Some(destination)], _) => {
                Some(Endpoints::GreKeys { source, destination })
            }
            (.., (Some(icmp_type), Some(code), Some(id))) => {
                Some(Endpoints::Icmp { icmp_type, code, id })
            }
            _ => None,
        }
    }

    pub(crate) fn counters(&self) -> Option<Counters> {
        Some(Counters { packets: self.packets?, bytes: self.bytes? })
    }
}

/// The name of a state, or the number of one that has no name.
pub(crate) fn state_name(state: State) -> Cow<'static, str> {
    state.name().map_or_else(|| state.to_string().into(), Cow::Borrowed)
}

/// What a protocol's tracker keeps of an entry in this state, by its name or number. `None` for a protocol without a
/// tracker, and for a state that it does not have.
pub(crate) fn tracked(protocol: Protocol, state: &str) -> Option<ProtoInfo> {
    let number = |name: fn(u8) -> Option<&'static str>| {
        let named = (0..=u8::MAX).find(|number| name(*number) == Some(state));
        named.or_else(|| state.parse().ok())
    };
    Some(match protocol {
        Protocol::TCP => TcpInfo::new(TcpState(number(|number| TcpState(number).name())?)).into(),
        Protocol::SCTP => {
            let state = SctpState(number(|number| SctpState(number).name())?);
            SctpInfo { state, vtag_original: None, vtag_reply: None }.into()
        }
        Protocol::DCCP => {
            let state = DccpState(number(|number| DccpState(number).name())?);
            DccpInfo { state, role: None, handshake_sequence: None }.into()
        }
        _ => return None,
    })
}
