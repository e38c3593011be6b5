//! Entries as lines of text: what `conntrack -L` prints, what `conntrack -R` loads, and what the kernel shows in
//! `/proc`.
//!
//! Text says less than the kernel does: of the status bits only those that are printed, and no id unless it was asked
//! for. This room reads no files by itself.

mod lines;
mod read;
mod write_line;
mod write_save;

pub use lines::Lines;
pub use read::{LineError, parse_line};
pub use write_line::Line;
pub use write_save::SaveLine;

use std::fmt;

use crate::flow::{Endpoints, Protocol, Status, Tuple};

/// Status bits that saved lines have, by their names.
const STATUS_NAMES: [(Status, &str); 3] = [
    (Status::SEEN_REPLY, "SEEN_REPLY"),
    (Status::ASSURED, "ASSURED"),
    (Status::FIXED_TIMEOUT, "FIXED_TIMEOUT"),
];

/// Writes a value behind its name, if there is one.
fn put(f: &mut fmt::Formatter<'_>, name: &str, value: Option<impl fmt::Display>) -> fmt::Result {
    value.map_or(Ok(()), |value| write!(f, "{name}{value}"))
}

/// Protocols whose ports `conntrack` prints and asks for, and that newer kernels have no tracker for: UDP-Lite since
/// Linux 7.1, DCCP since 6.17.
const HAD_PORTS: [Protocol; 2] = [Protocol::DCCP, Protocol::UDPLITE];

/// Whether `conntrack` makes up ports for a tuple, 0 and 0, since the kernel has none.
fn has_made_up_ports(tuple: &Tuple) -> bool {
    HAD_PORTS.contains(&tuple.protocol) && tuple.endpoints == Endpoints::None
}

/// The tuple that `conntrack` prints so, without the ports it makes up.
fn without_made_up_ports(mut tuple: Tuple) -> Tuple {
    const MADE_UP: Endpoints = Endpoints::Ports { source: 0, destination: 0 };
    if HAD_PORTS.contains(&tuple.protocol) && tuple.endpoints == MADE_UP {
        tuple.endpoints = Endpoints::None;
    }
    tuple
}
