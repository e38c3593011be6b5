//! What an entry means: one file per noun of the kernel's.
//!
//! [`FlowRef`] looks, [`Flow`] keeps; there is no third form. A `FlowRef` borrows the receive
//! buffer and allocates nothing; every attribute it knows was checked when it was made, so its
//! getters cannot fail, and `None` always means that the kernel did not send the attribute. What
//! this crate does not know (attributes, states, protocols, status bits) survives with its number.
//!
//! This folder turns bytes into values and back. It must not do I/O.

mod attached;
#[cfg(all(target_os = "linux", not(ctnetlink_pure)))]
mod change;
mod counters;
mod encode;
mod expectation;
mod flow_key;
#[cfg(all(target_os = "linux", not(ctnetlink_pure)))]
mod invalid;
mod nat;
#[cfg(all(target_os = "linux", not(ctnetlink_pure)))]
mod new;
mod new_expectation;
mod owned;
mod protocol;
mod protoinfo;
mod reference;
mod state;
mod status;
mod timeouts;
mod tuple;
mod tuple_bytes;

pub use attached::{Helper, Labels, SequenceAdjustment, Synproxy};
#[cfg(all(target_os = "linux", not(ctnetlink_pure)))]
pub use change::Change;
pub use counters::{Counters, Timestamps};
#[cfg(feature = "testing")]
pub(crate) use encode::{Purpose, encode};
pub use expectation::{Expectation, ExpectationFlags, ExpectationNat};
pub use flow_key::{ExpectationId, ExpectationKey, FlowId, FlowKey};
#[cfg(all(target_os = "linux", not(ctnetlink_pure)))]
pub(crate) use invalid::InvalidFlow;
pub use nat::{NatRange, Translation};
#[cfg(all(target_os = "linux", not(ctnetlink_pure)))]
pub use new::NewFlow;
pub use new_expectation::NewExpectation;
pub use owned::{Flow, UnknownAttribute};
pub use protocol::{Family, Protocol};
pub use protoinfo::{DccpInfo, ProtoInfo, SctpInfo, TcpFlags, TcpInfo};
pub use reference::FlowRef;
pub use state::{DccpState, SctpState, State, TcpState};
pub use status::Status;
pub use timeouts::{TimeoutPolicy, Timeouts};
pub use tuple::{Direction, Endpoints, Tuple};
