//! Entries out of text: what `conntrack -L` prints and what the kernel shows in `/proc` of old.
//!
//! For what people have already, in a file or a pipe. Text says less than the kernel does: of the
//! status bits only those that are printed, and no id unless it was asked for.
//!
//! This folder must not read files by itself.

mod line;
#[cfg(feature = "json")]
mod record;
mod save;
mod table;

pub use line::{LineError, parse_line};
pub use table::{Lines, TextEnd};
