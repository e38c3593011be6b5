//! One state for every entry, whatever its protocol.

use std::fmt;

use crate::flow::{DccpState, ProtoInfo, Protocol, SctpState, Status, TcpState};

/// The state of an entry, by name, whatever its protocol.
///
/// Protocols with a tracker of their own have its states (TCP, SCTP, DCCP); all others have
/// [`UNREPLIED`](Self::UNREPLIED), [`REPLIED`](Self::REPLIED) and [`ASSURED`](Self::ASSURED), from
/// the status bits. A name shared by two protocols is one state: `ESTABLISHED` counts TCP and
/// SCTP together, as the column `conntrack` prints does. Group by protocol too to part them.
///
/// A flow that a flow table has taken over has no protocol information; it is
/// [`OFFLOAD`](Self::OFFLOAD), since what its last known state was nobody says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct State(u16);

/// Where the states without a name begin, each its protocol's number further on.
const UNNAMED: u16 = 0x100;

macro_rules! states {
    ($($(#[$doc:meta])* $state:ident = $code:literal $text:literal,)*) => {
        impl State {
            $($(#[$doc])* pub const $state: Self = Self($code);)*

            /// The name, for states that have one.
            pub const fn name(self) -> Option<&'static str> {
                match self.0 {
                    $($code => Some($text),)*
                    _ => None,
                }
            }

            /// Every name, in the order of the protocols.
            pub(crate) const NAMES: &[&str] = &[$($text),*];

            fn named(name: &str) -> Option<Self> {
                match name {
                    $($text => Some(Self($code)),)*
                    _ => None,
                }
            }
        }
    };
}

states! {
    /// Tracked, but no packet was judged yet.
    NONE = 0 "NONE",
    /// TCP: see [`TcpState::SYN_SENT`].
    SYN_SENT = 1 "SYN_SENT",
    /// TCP: see [`TcpState::SYN_RECV`].
    SYN_RECV = 2 "SYN_RECV",
    /// TCP and SCTP: open.
    ESTABLISHED = 3 "ESTABLISHED",
    /// TCP: see [`TcpState::FIN_WAIT`].
    FIN_WAIT = 4 "FIN_WAIT",
    /// TCP: see [`TcpState::CLOSE_WAIT`].
    CLOSE_WAIT = 5 "CLOSE_WAIT",
    /// TCP: see [`TcpState::LAST_ACK`].
    LAST_ACK = 6 "LAST_ACK",
    /// TCP: see [`TcpState::TIME_WAIT`].
    TIME_WAIT = 7 "TIME_WAIT",
    /// TCP: see [`TcpState::CLOSE`].
    CLOSE = 8 "CLOSE",
    /// TCP: see [`TcpState::SYN_SENT2`].
    SYN_SENT2 = 9 "SYN_SENT2",
    /// SCTP: see [`SctpState::CLOSED`].
    CLOSED = 16 "CLOSED",
    /// SCTP: see [`SctpState::COOKIE_WAIT`].
    COOKIE_WAIT = 17 "COOKIE_WAIT",
    /// SCTP: see [`SctpState::COOKIE_ECHOED`].
    COOKIE_ECHOED = 18 "COOKIE_ECHOED",
    /// SCTP: see [`SctpState::SHUTDOWN_SENT`].
    SHUTDOWN_SENT = 19 "SHUTDOWN_SENT",
    /// SCTP: see [`SctpState::SHUTDOWN_RECD`].
    SHUTDOWN_RECD = 20 "SHUTDOWN_RECD",
    /// SCTP: see [`SctpState::SHUTDOWN_ACK_SENT`].
    SHUTDOWN_ACK_SENT = 21 "SHUTDOWN_ACK_SENT",
    /// SCTP: see [`SctpState::HEARTBEAT_SENT`].
    HEARTBEAT_SENT = 22 "HEARTBEAT_SENT",
    /// SCTP: see [`SctpState::HEARTBEAT_ACKED`].
    HEARTBEAT_ACKED = 23 "HEARTBEAT_ACKED",
    /// DCCP: see [`DccpState::REQUEST`].
    REQUEST = 32 "REQUEST",
    /// DCCP: see [`DccpState::RESPOND`].
    RESPOND = 33 "RESPOND",
    /// DCCP: see [`DccpState::PARTOPEN`].
    PARTOPEN = 34 "PARTOPEN",
    /// DCCP: see [`DccpState::OPEN`].
    OPEN = 35 "OPEN",
    /// DCCP: see [`DccpState::CLOSEREQ`].
    CLOSEREQ = 36 "CLOSEREQ",
    /// DCCP: see [`DccpState::CLOSING`].
    CLOSING = 37 "CLOSING",
    /// DCCP: see [`DccpState::TIMEWAIT`].
    TIMEWAIT = 38 "TIMEWAIT",
    /// DCCP: see [`DccpState::IGNORE`].
    IGNORE = 39 "IGNORE",
    /// DCCP: see [`DccpState::INVALID`].
    INVALID = 40 "INVALID",
    /// No tracker, and no packet came back yet.
    UNREPLIED = 64 "UNREPLIED",
    /// No tracker, and packets went both ways.
    REPLIED = 65 "REPLIED",
    /// No tracker, packets went both ways for a while, and the entry is not evicted early.
    ASSURED = 66 "ASSURED",
    /// In a flow table, in software or hardware.
    OFFLOAD = 67 "OFFLOAD",
    /// A TCP or SCTP entry the kernel sent no state for, and no reason either.
    UNREPORTED = 68 "UNREPORTED",
}

impl State {
    /// The state of an entry with this protocol, protocol information and status.
    pub fn of(protocol: Protocol, protoinfo: Option<ProtoInfo>, status: Status) -> Self {
        Self::of_tracked(protocol, protoinfo.and_then(|info| info.state()), status)
    }

    /// As [`of`](Self::of), with the tracker's state, where the protocol has one.
    #[inline]
    pub(crate) fn of_tracked(protocol: Protocol, tracked: Option<Self>, status: Status) -> Self {
        if let Some(state) = tracked {
            state
        } else if status.intersects(Status::OFFLOAD.union(Status::HW_OFFLOAD)) {
            Self::OFFLOAD
        } else if protocol == Protocol::TCP || protocol == Protocol::SCTP {
            Self::UNREPORTED
        } else if status.contains(Status::ASSURED) {
            Self::ASSURED
        } else if status.contains(Status::SEEN_REPLY) {
            Self::REPLIED
        } else {
            Self::UNREPLIED
        }
    }

    /// The state of this name, or of one that older kernels and tools have for it.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        if name == "LISTEN" { Some(Self::SYN_SENT2) } else { Self::named(name) }
    }

    /// A protocol's state without a name.
    pub(crate) const fn unnamed(number: u8) -> Self {
        Self(UNNAMED + number as u16)
    }

    /// Whether entries of this protocol can be in it.
    pub(crate) fn is_possible_for(self, protocol: Protocol) -> bool {
        let tracked = [Protocol::TCP, Protocol::SCTP, Protocol::DCCP].contains(&protocol);
        match self {
            Self::OFFLOAD => true,
            // Up to Linux 6.16 DCCP has a tracker, and since then none.
            Self::UNREPLIED | Self::REPLIED | Self::ASSURED => {
                !tracked || protocol == Protocol::DCCP
            }
            Self::UNREPORTED => protocol == Protocol::TCP || protocol == Protocol::SCTP,
            Self::NONE => tracked,
            Self(UNNAMED..) => tracked,
            state => {
                let is = |name: Option<&str>| name.is_some() && name == state.name();
                (0..16).any(|number| match protocol {
                    Protocol::TCP => is(TcpState(number).name()),
                    Protocol::SCTP => is(SctpState(number).name()),
                    Protocol::DCCP => is(DccpState(number).name()),
                    _ => false,
                })
            }
        }
    }

    pub(crate) const fn code(self) -> u16 {
        self.0
    }

    pub(crate) const fn from_code(code: u16) -> Self {
        Self(code)
    }

    fn from_parts(name: Option<&str>, number: u8) -> Self {
        name.and_then(Self::named).unwrap_or(Self::unnamed(number))
    }
}

impl From<TcpState> for State {
    #[inline]
    fn from(state: TcpState) -> Self {
        // The first ten codes are TCP's own numbers.
        if state.0 <= 9 { Self(u16::from(state.0)) } else { Self::from_parts(None, state.0) }
    }
}

impl From<SctpState> for State {
    fn from(state: SctpState) -> Self {
        Self::from_parts(state.name(), state.0)
    }
}

impl From<DccpState> for State {
    fn from(state: DccpState) -> Self {
        Self::from_parts(state.name(), state.0)
    }
}

/// The name `conntrack` prints, or the number of a state without a name.
impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.pad(name),
            None => fmt::Display::fmt(&self.0.wrapping_sub(UNNAMED), f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::TcpInfo;

    #[test]
    fn every_state_of_every_protocol_keeps_its_name_or_number() {
        for number in 0..=u8::MAX {
            let tcp = TcpState(number);
            assert_eq!(State::from(tcp).to_string(), tcp.to_string());
            let sctp = SctpState(number);
            assert_eq!(State::from(sctp).to_string(), sctp.to_string());
            let dccp = DccpState(number);
            assert_eq!(State::from(dccp).to_string(), dccp.to_string());
        }
        assert_eq!(State::from(TcpState::ESTABLISHED), State::from(SctpState::ESTABLISHED));
    }

    #[test]
    fn an_offloaded_flow_has_a_state_of_its_own() {
        let offloaded = Status::OFFLOAD | Status::ASSURED;
        assert_eq!(State::of(Protocol::TCP, None, offloaded), State::OFFLOAD);
        assert_eq!(State::of(Protocol::UDP, None, offloaded), State::OFFLOAD);
        assert_eq!(State::of(Protocol::TCP, None, Status::ASSURED), State::UNREPORTED);
        let known = Some(ProtoInfo::Tcp(TcpInfo::new(TcpState::CLOSE_WAIT)));
        assert_eq!(State::of(Protocol::TCP, known, offloaded), State::CLOSE_WAIT);
    }

    #[test]
    fn a_state_is_possible_for_the_protocols_that_have_it() {
        for protocol in (0..=u8::MAX).map(Protocol) {
            for number in 0..=u8::MAX {
                let status = Status::from_bits_retain(u32::from(number) << 1);
                assert!(State::of(protocol, None, status).is_possible_for(protocol));
                assert!(
                    protocol != Protocol::TCP
                        || State::from(TcpState(number)).is_possible_for(protocol)
                );
                assert!(
                    protocol != Protocol::SCTP
                        || State::from(SctpState(number)).is_possible_for(protocol)
                );
                assert!(
                    protocol != Protocol::DCCP
                        || State::from(DccpState(number)).is_possible_for(protocol)
                );
            }
        }
        assert!(!State::TIME_WAIT.is_possible_for(Protocol::UDP));
        assert!(!State::ASSURED.is_possible_for(Protocol::TCP));
        assert!(!State::SHUTDOWN_SENT.is_possible_for(Protocol::TCP));
    }

    #[test]
    fn protocols_without_a_tracker_have_states_too() {
        let of = |status| State::of(Protocol::UDP, None, status);
        assert_eq!(of(Status::CONFIRMED), State::UNREPLIED);
        assert_eq!(of(Status::CONFIRMED | Status::SEEN_REPLY), State::REPLIED);
        assert_eq!(of(Status::SEEN_REPLY | Status::ASSURED), State::ASSURED);
    }
}
