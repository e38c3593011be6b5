//! A table of your own: a private network namespace, and synthetic entries to fill it with.
//!
//! The examples, tests and benches of this crate run on it, and yours may (feature `testing`).
//! [`enter_private_namespace`] moves the calling thread to a network of its own, without root, where
//! it cannot touch the host's. [`fill`] puts a [`Population`] into the *kernel's* table there.
//! [`Frames`] holds the same entries in memory, as a dump would deliver them, on any system.

#[cfg(all(target_os = "linux", not(ctnetlink_pure)))]
mod fill;
mod frames;
#[cfg(all(target_os = "linux", not(ctnetlink_pure)))]
mod namespace;
mod population;

#[cfg(all(target_os = "linux", not(ctnetlink_pure)))]
pub use fill::{create, fill, room};
pub use frames::Frames;
#[cfg(all(target_os = "linux", not(ctnetlink_pure)))]
pub use namespace::{enter_private_namespace, enter_private_network};
pub use population::Population;
