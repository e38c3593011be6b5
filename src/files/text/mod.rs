//! Entries out of text: what `conntrack -L` prints and what the kernel shows in `/proc` of old.
//!
//! For what people have already, in a file or a pipe. Text says less than the kernel does: of the
//! status bits only those that are printed, and no id unless it was asked for.
//!
//! This folder must not read files by itself.

mod lines;
mod made_up_ports;
mod read_line;
mod read_save;
#[cfg(feature = "json")]
mod record;
mod write_line;
mod write_save;

pub use lines::Lines;
pub use read_line::{LineError, parse_line};
pub use write_line::Line;
pub use write_save::SaveLine;
