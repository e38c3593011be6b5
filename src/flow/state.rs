//! The states of entries: those of each protocol's tracker, and one [`State`] for all of them.

use std::fmt;

use crate::flow::{Protocol, Status};

/// The state of an entry, by name, whatever its protocol.
///
/// TCP, SCTP and DCCP have the states of their trackers. All other protocols have
/// [`UNREPLIED`](Self::UNREPLIED), [`REPLIED`](Self::REPLIED) and [`ASSURED`](Self::ASSURED), from
/// the status bits. A name that two protocols share is one state: `ESTABLISHED` counts TCP and SCTP
/// together, as the column of `conntrack` does. To tell them apart, group by protocol too.
///
/// The kernel sends no state for a flow that a flow table has taken over. Such a flow is
/// [`OFFLOAD`](Self::OFFLOAD).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct State(u16);

/// The state of a TCP flow (`enum tcp_conntrack`), as seen from the middle.
#[doc(alias = "CTA_PROTOINFO_TCP_STATE")]
#[doc(alias = "tcp_conntrack")]
#[doc(alias = "LISTEN")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TcpState(pub u8);

/// The state of an SCTP flow (`enum sctp_conntrack`).
#[doc(alias = "CTA_PROTOINFO_SCTP_STATE")]
#[doc(alias = "sctp_conntrack")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SctpState(pub u8);

/// The state of a DCCP flow (`enum ct_dccp_states`). Kernels track DCCP up to 6.16.
#[doc(alias = "CTA_PROTOINFO_DCCP_STATE")]
#[doc(alias = "ct_dccp_states")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DccpState(pub u8);

/// Makes constants, names and the [`State`] of each state of one tracker.
macro_rules! tracker {
    ($tracker:ident: $($doc:literal $state:ident = $number:literal;)*) => {
        impl $tracker {
            $(#[doc = $doc] pub const $state: Self = Self($number);)*

            /// The name `conntrack` prints, for the states that have one.
            pub const fn name(self) -> Option<&'static str> {
                match self.0 {
                    $($number => Some(stringify!($state)),)*
                    _ => None,
                }
            }
        }

        impl From<$tracker> for State {
            #[inline]
            fn from(state: $tracker) -> Self {
                match state.0 {
                    $($number => Self::$state,)*
                    number => Self::unnamed(number),
                }
            }
        }

        /// The name, or the number of a state this crate has no name for.
        impl fmt::Display for $tracker {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self.name() {
                    Some(name) => f.pad(name),
                    None => fmt::Display::fmt(&self.0, f),
                }
            }
        }
    };
}

/// Takes the table of states: for each its meaning, its name, its code in [`State`], and its number
/// in every tracker that has it.
macro_rules! states {
    ($(
        #[doc = $doc:literal]
        $state:ident = $code:literal
            $(, tcp $tcp:literal)? $(, sctp $sctp:literal)? $(, dccp $dccp:literal)?;
    )*) => {
        impl State {
            $(#[doc = $doc] pub const $state: Self = Self($code);)*

            /// Every name, in the order of the protocols.
            pub(crate) const NAMES: &[&str] = &[$(stringify!($state)),*];

            /// The name, for states that have one.
            pub const fn name(self) -> Option<&'static str> {
                match self.0 {
                    $($code => Some(stringify!($state)),)*
                    _ => None,
                }
            }
        }

        tracker!(TcpState: $($($doc $state = $tcp;)?)*);
        tracker!(SctpState: $($($doc $state = $sctp;)?)*);
        tracker!(DccpState: $($($doc $state = $dccp;)?)*);
    };
}

states! {
    /// No packet was judged yet. Entries made by hand start here.
    NONE = 0, tcp 0, sctp 0, dccp 0;
    /// TCP: a SYN was seen.
    SYN_SENT = 1, tcp 1;
    /// TCP: a SYN was answered.
    SYN_RECV = 2, tcp 2;
    /// TCP and SCTP: open.
    ESTABLISHED = 3, tcp 3, sctp 4;
    /// TCP: a FIN was seen.
    FIN_WAIT = 4, tcp 4;
    /// TCP: the other side has acknowledged a FIN, and has not sent its own.
    CLOSE_WAIT = 5, tcp 5;
    /// TCP: both FINs were seen; one acknowledgement is missing.
    LAST_ACK = 6, tcp 6;
    /// TCP: closed in order.
    TIME_WAIT = 7, tcp 7;
    /// TCP: reset, or closed.
    CLOSE = 8, tcp 8;
    /// TCP: a second SYN crossed the first. Old kernels and tools call it `LISTEN`.
    SYN_SENT2 = 9, tcp 9;
    /// SCTP: closed.
    CLOSED = 16, sctp 1;
    /// SCTP: an INIT was seen.
    COOKIE_WAIT = 17, sctp 2;
    /// SCTP: a COOKIE ECHO was seen.
    COOKIE_ECHOED = 18, sctp 3;
    /// SCTP: the opener has sent a SHUTDOWN.
    SHUTDOWN_SENT = 19, sctp 5;
    /// SCTP: the other side has sent a SHUTDOWN.
    SHUTDOWN_RECD = 20, sctp 6;
    /// SCTP: the SHUTDOWN was acknowledged.
    SHUTDOWN_ACK_SENT = 21, sctp 7;
    /// SCTP: picked up by a heartbeat of another path.
    HEARTBEAT_SENT = 22, sctp 8;
    /// SCTP: the heartbeat was answered. Kernels since 6.0 do not send it.
    HEARTBEAT_ACKED = 23, sctp 9;
    /// DCCP: a REQUEST was seen.
    REQUEST = 32, dccp 1;
    /// DCCP: a RESPONSE was seen.
    RESPOND = 33, dccp 2;
    /// DCCP: the RESPONSE was acknowledged.
    PARTOPEN = 34, dccp 3;
    /// DCCP: open.
    OPEN = 35, dccp 4;
    /// DCCP: the server asks to close.
    CLOSEREQ = 36, dccp 5;
    /// DCCP: a CLOSE was seen.
    CLOSING = 37, dccp 6;
    /// DCCP: closed in order.
    TIMEWAIT = 38, dccp 7;
    /// DCCP: the last packet was passed without judging it.
    IGNORE = 39, dccp 8;
    /// DCCP: the last packet did not fit.
    INVALID = 40, dccp 9;
    /// No tracker, and no packet came back yet.
    UNREPLIED = 64;
    /// No tracker, and packets went both ways.
    REPLIED = 65;
    /// No tracker, packets went both ways for a while, and the entry is not evicted early.
    ASSURED = 66;
    /// In a flow table, in software or hardware.
    OFFLOAD = 67;
    /// A TCP or SCTP entry for which the kernel sent neither a state nor a reason.
    UNREPORTED = 68;
}

/// Where the codes of states without a name begin: this, and the protocol's number.
const UNNAMED: u16 = 0x100;

impl State {
    /// The state of an entry with this protocol and status; `tracked` is the tracker's state, where
    /// the protocol has one.
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

    /// The state of this name, or of the name that older kernels and tools have for it.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        let name = if name == "LISTEN" { "SYN_SENT2" } else { name };
        (0..UNNAMED).map(Self).find(|state| state.name() == Some(name))
    }

    /// A protocol's state without a name.
    pub(crate) const fn unnamed(number: u8) -> Self {
        Self(UNNAMED + number as u16)
    }

    /// Whether entries of this protocol can be in this state.
    pub(crate) fn is_possible_for(self, protocol: Protocol) -> bool {
        let of_tracker: fn(u8) -> Self = match protocol {
            Protocol::TCP => |number| TcpState(number).into(),
            Protocol::SCTP => |number| SctpState(number).into(),
            Protocol::DCCP => |number| DccpState(number).into(),
            _ => {
                return [Self::UNREPLIED, Self::REPLIED, Self::ASSURED, Self::OFFLOAD]
                    .contains(&self);
            }
        };
        match self {
            Self::OFFLOAD | Self(UNNAMED..) => true,
            // Kernels up to 6.16 have a tracker of DCCP, later ones have none.
            Self::UNREPLIED | Self::REPLIED | Self::ASSURED => protocol == Protocol::DCCP,
            Self::UNREPORTED => protocol != Protocol::DCCP,
            state => (0..16).any(|number| of_tracker(number) == state),
        }
    }

    pub(crate) const fn code(self) -> u16 {
        self.0
    }

    pub(crate) const fn from_code(code: u16) -> Self {
        Self(code)
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

    #[test]
    fn a_state_is_possible_for_the_protocols_that_have_it() {
        for protocol in (0..=u8::MAX).map(Protocol) {
            for number in 0..=u8::MAX {
                let tracked = match protocol {
                    Protocol::TCP => Some(TcpState(number).into()),
                    Protocol::SCTP => Some(SctpState(number).into()),
                    Protocol::DCCP => Some(DccpState(number).into()),
                    _ => None,
                };
                let status = Status::from_bits_retain(u32::from(number) << 1);
                for tracked in [None, tracked] {
                    let state = State::of_tracked(protocol, tracked, status);
                    assert!(state.is_possible_for(protocol), "{protocol} {state}");
                }
            }
        }
        assert!(!State::TIME_WAIT.is_possible_for(Protocol::UDP));
        assert!(!State::NONE.is_possible_for(Protocol::UDP));
        assert!(!State::ASSURED.is_possible_for(Protocol::TCP));
        assert!(!State::SHUTDOWN_SENT.is_possible_for(Protocol::TCP));
    }
}
