//! A table kept for later, whatever it was kept in: read, compared, and made fit to be shown to others.
//!
//! [`Snapshot`] reads captures and text and, with the features `zstd`, `json` and `parquet`, what these
//! write, and finds out by itself which of them a file is. It answers queries as a table does, without
//! privilege and on any system.
//!
//! This folder must not talk to a kernel.

mod difference;
#[cfg(feature = "serde")]
mod document;
mod file;
mod recognize;
#[cfg(feature = "redact")]
mod redact;

pub use difference::{Change, Difference, Transition};
pub use file::Snapshot;
#[cfg(feature = "redact")]
pub use redact::{Redactor, WeakKey};
