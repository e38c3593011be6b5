//! What an entry means: one file per noun of the kernel's.
//!
//! [`FlowRef`] looks, [`Flow`] keeps; there is no third form. A `FlowRef` borrows the receive
//! buffer and allocates nothing; every attribute it knows was checked when it was made, so its
//! getters cannot fail, and `None` always means that the kernel did not send the attribute. What
//! this crate does not know (attributes, states, protocols, status bits) survives with its number.
//!
//! This folder turns bytes into values and back. It must not do I/O.

#[cfg(all(target_os = "linux", not(ctnetlink_pure)))]
mod change;
mod counters;
mod encode;
mod expectation;
mod expectation_key;
mod extension;
mod key;
mod layout;
mod nat;
#[cfg(all(target_os = "linux", not(ctnetlink_pure)))]
mod nat_range;
#[cfg(all(target_os = "linux", not(ctnetlink_pure)))]
mod new;
mod new_expectation;
#[cfg(all(target_os = "linux", not(ctnetlink_pure)))]
mod objection;
mod owned;
mod protocol;
mod protoinfo;
mod reference;
mod state;
mod status;
mod time;
mod timeouts;
mod tuple;

#[cfg(all(target_os = "linux", not(ctnetlink_pure)))]
pub use change::Change;
pub use counters::Counters;
#[cfg(feature = "testing")]
pub(crate) use encode::{Purpose, encode};
pub use expectation::{Expectation, ExpectationFlags, ExpectationNat};
pub use expectation_key::{ExpectationId, ExpectationKey};
pub use extension::{Helper, Labels, SequenceAdjustment, Synproxy};
pub use key::FlowKey;
pub use nat::Translation;
#[cfg(all(target_os = "linux", not(ctnetlink_pure)))]
pub use nat_range::NatRange;
#[cfg(all(target_os = "linux", not(ctnetlink_pure)))]
pub use new::NewFlow;
pub use new_expectation::NewExpectation;
#[cfg(all(target_os = "linux", not(ctnetlink_pure)))]
pub(crate) use objection::Objection;
pub use owned::{Flow, UnknownAttribute};
pub use protocol::{Family, Protocol};
pub use protoinfo::{
    DccpInfo, DccpState, ProtoInfo, SctpInfo, SctpState, TcpFlags, TcpInfo, TcpState,
};
pub use reference::{FlowId, FlowRef};
pub use state::State;
pub use status::Status;
pub use time::Timestamps;
pub use timeouts::{TimeoutPolicy, Timeouts};
pub use tuple::{Direction, Endpoints, Tuple};
