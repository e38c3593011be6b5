//! A table in a file as it came from the kernel.
//!
//! A capture is a pcapng file of link type NETLINK, which Wireshark and `tshark` open. What `tcpdump -i nlmon0` writes,
//! pcap or pcapng, is a capture, too. Reading takes no privilege and no kernel, and works on machines of either byte
//! order. Damaged files are read up to the damage, which is reported with its place, and take no more memory than
//! [`Capture::LONGEST`]. Packets that were cut when they were captured are read up to the cut, and
//! [counted](crate::files::End::cut).

mod file;
mod order;
mod reader;
mod recorder;

pub use reader::Capture;
pub use recorder::Recorder;

/// Bytes of the header that every packet begins with, that of link type NETLINK.
const HEADER: usize = 16;

/// `ARPHRD_NETLINK`, in that header.
const ARPHRD: u16 = 824;

/// `NETLINK_NETFILTER`, in that header.
const PROTOCOL: u16 = 12;
