//! What a tracker has to say of an entry, out of the name of its state.

use crate::flow::{
    DccpInfo, DccpState, ProtoInfo, Protocol, SctpInfo, SctpState, TcpInfo, TcpState,
};

impl ProtoInfo {
    /// The state of a protocol's tracker by its name, or by its number; `None` for a protocol without
    /// a tracker, and a state that it does not have.
    pub(crate) fn of_state(protocol: Protocol, state: &str) -> Option<Self> {
        let number = |name: fn(u8) -> Option<&'static str>| {
            let known = (0..=u8::MAX).find(|number| name(*number) == Some(state));
            known.or_else(|| state.parse().ok())
        };
        Some(match protocol {
            Protocol::TCP => {
                let number = number(|number| TcpState(number).name())?;
                Self::Tcp(TcpInfo::new(TcpState(number)))
            }
            Protocol::SCTP => {
                let state = SctpState(number(|number| SctpState(number).name())?);
                Self::Sctp(SctpInfo { state, vtag_original: None, vtag_reply: None })
            }
            Protocol::DCCP => {
                let state = DccpState(number(|number| DccpState(number).name())?);
                Self::Dccp(DccpInfo { state, role: None, handshake_sequence: None })
            }
            _ => return None,
        })
    }
}
