//! The examples on files and odd words, as programs: what takes neither a kernel nor a privilege.

mod cut;
mod output;
mod terminal;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use ctnetlink::testing::{Frames, Population};

/// `cargo test --workspace` builds the examples beside the tests.
fn command(example: &str) -> Command {
    let mut path = std::env::current_exe().expect("this program");
    path.pop();
    let path: PathBuf = path.join("../examples").join(example);
    assert!(path.exists(), "{} is not built: run `cargo test --workspace`", path.display());
    let mut command = Command::new(path);
    command.env_remove("SSH_CONNECTION");
    command
}

fn run(example: &str, arguments: &[&str]) -> Output {
    command(example).args(arguments).output().expect("a run")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("text")
}

fn path(folder: &Path, name: &str) -> String {
    folder.join(name).to_str().expect("text").to_owned()
}

/// The packets of a dump, as a capture of link type NETLINK has them.
fn packets(frames: &Frames) -> Vec<Vec<u8>> {
    let packet = |datagram: &[u8]| {
        let mut packet = vec![0, 4, 3, 56, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 12];
        packet.extend_from_slice(datagram);
        packet
    };
    frames.datagrams().map(packet).collect()
}

/// A pcap file of which each packet keeps so many bytes.
fn pcap(packets: &[Vec<u8>], snaplen: usize) -> Vec<u8> {
    let words = |numbers: &[u32]| numbers.iter().flat_map(|n| n.to_ne_bytes()).collect::<Vec<_>>();
    let mut file = words(&[0xa1b2_c3d4, 0x0004_0002, 0, 0, snaplen as u32, 253]);
    for packet in packets {
        let kept = &packet[..snaplen.min(packet.len())];
        file.extend(words(&[1_700_000_000, 0, kept.len() as u32, packet.len() as u32]));
        file.extend(kept);
    }
    file
}

fn frames(flows: u64) -> Frames {
    Frames::of(&Population::new(flows))
}
