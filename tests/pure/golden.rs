//! Captured dumps decode to what stands beside them. (`tests/wire.rs` asks another decoder, too.)
//!
//! `CTNETLINK_BLESS=1` writes the texts anew; read the difference before you commit it.

use std::fmt::Write;
use std::path::PathBuf;
use std::time::UNIX_EPOCH;

use ctnetlink::flow::{Flow, FlowRef};
use ctnetlink::wire::Messages;

/// The captures.
pub const NAMES: [&str; 3] = ["mixed", "states", "traffic"];

pub fn capture(name: &str) -> Vec<u8> {
    std::fs::read(path(name, "nl")).expect("a capture")
}

/// The entries of a capture, as attributes.
pub fn entries(capture: &[u8]) -> Vec<&[u8]> {
    Messages::new(capture)
        .map(|message| message.expect("a whole message").netfilter().expect("a header").1)
        .collect()
}

fn path(name: &str, extension: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "data", &format!("{name}.{extension}")].iter().collect()
}

/// An entry on one line: what is there, and nothing for what is not.
fn line(flow: &Flow) -> String {
    let mut line = format!("{} {} {}", flow.original.family(), flow.protocol(), flow.state());
    let mut part = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            write!(line, " {name}={value}").expect("text");
        }
    };
    let tuple = |tuple: &ctnetlink::flow::Tuple| {
        let zone = tuple.zone.map(|zone| format!(" zone={zone}")).unwrap_or_default();
        Some(format!("[{tuple}{zone}]"))
    };
    part("original", tuple(&flow.original));
    part("reply", tuple(&flow.reply));
    part("master", flow.master.as_ref().and_then(tuple));
    part("snat", flow.source_nat().map(|nat| format!("{}:{:?}", nat.address, nat.port)));
    part("dnat", flow.destination_nat().map(|nat| format!("{}:{:?}", nat.address, nat.port)));
    part("status", Some(flow.status.to_string()));
    part("zone", flow.zone.map(|zone| zone.to_string()));
    part("mark", flow.mark.map(|mark| mark.to_string()));
    part("id", flow.id.map(|id| id.to_string()));
    part("use", flow.use_count.map(|count| count.to_string()));
    part("timeout", flow.timeout.map(|timeout| timeout.as_secs().to_string()));
    for (name, counters) in
        [("counters", flow.counters_original), ("counters-reply", flow.counters_reply)]
    {
        part(name, counters.map(|counters| format!("{}/{}", counters.packets, counters.bytes)));
    }
    let nanoseconds = flow.timestamps.map(|times| times.start.duration_since(UNIX_EPOCH));
    part("start", nanoseconds.map(|since| since.expect("after 1970").as_nanos().to_string()));
    part("protoinfo", flow.protoinfo.map(|info| format!("{info:?}")));
    part("labels", flow.labels.map(|labels| format!("{:?}", labels.iter().collect::<Vec<_>>())));
    part("helper", flow.helper.as_ref().map(|helper| format!("{helper:?}")));
    part("synproxy", flow.synproxy.map(|synproxy| format!("{synproxy:?}")));
    for unknown in &flow.unknown {
        part("unknown", Some(format!("{}:{:02x?}", unknown.kind, unknown.payload)));
    }
    line
}

#[test]
#[cfg_attr(target_endian = "big", ignore = "the dumps are of a little-endian kernel")]
fn captures_say_what_stands_beside_them() {
    for name in NAMES {
        let capture = capture(name);
        let text: String = entries(&capture)
            .into_iter()
            .map(|entry| line(&FlowRef::parse(entry).expect("an entry").to_owned()) + "\n")
            .collect();
        if std::env::var_os("CTNETLINK_BLESS").is_some() {
            std::fs::write(path(name, "txt"), &text).expect("written");
        }
        assert_eq!(text, std::fs::read_to_string(path(name, "txt")).expect("a text"), "{name}");
    }
}

#[test]
#[cfg_attr(target_endian = "big", ignore = "the dumps are of a little-endian kernel")]
fn what_is_read_is_written_back_to_the_byte() {
    // But for attributes that are empty here or that only the kernel knows the order of, writing
    // is the exact inverse of reading.
    for name in NAMES {
        let capture = capture(name);
        for entry in entries(&capture) {
            let flow = FlowRef::parse(entry).expect("an entry").to_owned();
            let mut ours = sorted(&flow.to_bytes());
            let mut theirs = sorted(entry);
            ours.sort();
            theirs.sort();
            assert_eq!(ours, theirs, "{name}: {flow:?}");
        }
    }
}

/// The attributes of an entry, whatever their order.
fn sorted(entry: &[u8]) -> Vec<(u16, Vec<u8>)> {
    let attributes = ctnetlink::wire::Attributes::new(entry);
    attributes
        .map(|attribute| attribute.expect("a whole attribute"))
        .map(|attribute| (attribute.kind, attribute.payload.to_vec()))
        .collect()
}
