//! How long entries stay in each state.

use std::collections::BTreeMap;

use ctnetlink::ErrorKind;
use ctnetlink::flow::{Protocol, Timeouts};

use crate::common::{self, Shared};

const PROTOCOLS: [(&str, Protocol); 7] = [
    ("tcp", Protocol::TCP),
    ("udp", Protocol::UDP),
    ("icmp", Protocol::ICMP),
    ("icmpv6", Protocol::ICMPV6),
    ("gre", Protocol::GRE),
    ("sctp", Protocol::SCTP),
    ("generic", Timeouts::GENERIC),
];

/// The protocol of this name.
pub fn protocol(text: &str) -> Result<Protocol, String> {
    let found = PROTOCOLS.iter().find(|(name, _)| *name == text);
    let names = PROTOCOLS.map(|(name, _)| name).join(", ");
    found.map(|(_, protocol)| *protocol).ok_or(format!("there are {names}"))
}

/// Shows them by netlink, or where the kernel lacks that by the settings.
pub fn run(common: &Shared, only: Option<Protocol>) -> common::Result {
    let mut reader = common.open()?;
    let mut found = Vec::new();
    let mut by_settings = false;
    let asked = |protocol| only.is_none_or(|only| only == protocol);
    for (name, protocol) in PROTOCOLS.into_iter().filter(|(_, protocol)| asked(*protocol)) {
        let timeouts = match reader.default_timeouts(protocol) {
            Err(error) if matches!(error.kind(), ErrorKind::NotSupported { .. }) => {
                by_settings = true;
                common.settings()?.timeouts(protocol)
            }
            timeouts => timeouts?,
        };
        found.push((name, timeouts));
    }
    let document: BTreeMap<_, _> = found.iter().cloned().collect();
    common::print(&document, common.json, |out| {
        if by_settings {
            writeln!(out, "this kernel has no timeouts by netlink; these are the settings")?;
        }
        for (name, timeouts) in &found {
            for (state, timeout) in timeouts.iter() {
                writeln!(out, "{name:<8} {state:<18} {:>7} s", timeout.as_secs())?;
            }
        }
        Ok(())
    })
}
