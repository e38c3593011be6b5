//! A table in a file: written as it came from the kernel, and read anywhere.
//!
//! A capture is a pcapng file of link type NETLINK, which Wireshark and `tshark` open. Reading takes no privilege and
//! no kernel; what `tcpdump -i nlmon0` has written, pcap or pcapng, is a capture, too. The machine it was written on
//! may have the other byte order. Damaged files are used up to the damage, which is reported with its place, and never
//! need more memory than [`Capture::LONGEST`]. Packets that were cut when they were captured are read up to the cut,
//! and [counted](crate::files::End::cut).
//!
//! This folder must not talk to a kernel.

mod file;
mod order;
mod reader;
#[cfg(all(target_os = "linux", not(ctnetlink_pure)))]
mod record;
mod recorder;

pub use reader::Capture;
pub use recorder::Recorder;

/// What every packet begins with: the header of link type NETLINK.
const HEADER: usize = 16;

/// `ARPHRD_NETLINK`, in that header.
const ARPHRD: u16 = 824;

/// `NETLINK_NETFILTER`, in that header.
const PROTOCOL: u16 = 12;
