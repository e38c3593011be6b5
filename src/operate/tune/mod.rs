//! The table's settings: what they are and mean, how large they should be, and how they last.
//!
//! `Settings` reads and sets what the kernel shows as files; [`Timeouts`](crate::flow::Timeouts) are
//! the same storage by netlink, with more names. [`sizing`] is arithmetic on numbers. Nothing in here
//! changes anything unless it is told to.
//!
//! [`persist`](super::persist) looks at the files that set everything at boot, and writes them.
//!
//! This folder must not dump entries, nor talk to a kernel but through the files it is given.

mod name;
#[cfg(all(target_os = "linux", not(ctnetlink_pure)))]
mod setting;
#[cfg(all(target_os = "linux", not(ctnetlink_pure)))]
mod settings;
pub mod sizing;

pub use name::bare_name;
#[cfg(all(target_os = "linux", not(ctnetlink_pure)))]
pub use setting::{Scope, Setting, Unit};
#[cfg(all(target_os = "linux", not(ctnetlink_pure)))]
pub use settings::{Changed, Restore, Settings};
