//! Tables in files of any format: read, compared, and redacted for others.
//!
//! A [`Snapshot`] reads captures and text and, with the features `zstd`, `json` and `parquet`, compressed files, JSON and
//! Parquet. It finds out by itself which format a file has, and answers queries as a table does, without privilege and
//! on any system. This room must not talk to a kernel.

mod difference;
#[cfg(feature = "serde")]
mod document;
mod file;
mod recognize;
#[cfg(feature = "redact")]
mod redact;

pub use difference::{Difference, GroupChange, Transition};
pub use file::Snapshot;
#[cfg(feature = "redact")]
pub use redact::{Redactor, WeakKey};
