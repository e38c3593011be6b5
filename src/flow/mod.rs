//! What an entry means: one file per noun of the kernel's.
//!
//! [`FlowRef`] reads in place, [`Flow`] keeps. A `FlowRef` borrows the receive buffer and allocates
//! nothing. Making one checks every attribute it knows, so its getters cannot fail, and `None` always
//! means that the kernel did not send the attribute. What this crate does not know (attributes,
//! states, protocols, status bits) is kept with its number.
//!
//! # As a log or an API carries it
//!
//! With the feature `serde` flows, tuples, keys and expectations serialize. What has a name is text:
//! `"tcp"`, `"ESTABLISHED"`, `"SEEN_REPLY|ASSURED"`; a protocol or state without a name is its number,
//! as text too. Times that an entry has left are whole seconds, and moments are text by RFC 3339, in
//! UTC. Labels are a list of their numbers, and bytes a list of numbers. What the kernel did not send
//! is `null`. A tuple has only the members that its protocol has.
//!
//! ```json
//! {"state": "ESTABLISHED",
//!  "original": {"protocol": "tcp", "source": "10.0.0.1", "destination": "10.0.0.2",
//!               "source_port": 40000, "destination_port": 443},
//!  "status": "SEEN_REPLY|ASSURED|CONFIRMED", "timeout": 431999, "mark": 0, "zone": null,
//!  "counters_original": {"packets": 9, "bytes": 1200}, "labels": [3, 7],
//!  "protoinfo": {"tcp": {"state": "ESTABLISHED", "window_scale_original": 7}}}
//! ```
//!
//! The other members are named like the fields.

// This folder turns bytes into values and back. It must not do I/O.

mod attached;
#[cfg(all(target_os = "linux", not(ctnetlink_pure)))]
mod change;
mod counters;
mod encode;
mod entry;
mod expectation;
mod flow_key;
#[cfg(all(target_os = "linux", not(ctnetlink_pure)))]
mod invalid;
mod nat;
mod needs;
#[cfg(all(target_os = "linux", not(ctnetlink_pure)))]
mod new;
mod new_expectation;
mod owned;
mod protocol;
mod protoinfo;
mod reference;
#[cfg(feature = "serde")]
mod serialize;
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
pub use entry::Entry;
pub use expectation::{Expectation, ExpectationFlags, ExpectationNat};
pub use flow_key::{ExpectationId, ExpectationKey, FlowId, FlowKey};
#[cfg(all(target_os = "linux", not(ctnetlink_pure)))]
pub(crate) use invalid::InvalidFlow;
pub use nat::{NatRange, Translation};
pub(crate) use needs::Needs;
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
