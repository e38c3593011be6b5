//! Namespaces as they come and go.

use std::collections::HashMap;
use std::io::Write;
use std::time::{Duration, Instant};

use ctnetlink::escape::Escaped;
use ctnetlink::operate::diagnose::{FoundNamespace, namespaces};

use crate::common;

/// What `watch --json` prints.
#[derive(serde::Serialize)]
struct Event<'a> {
    event: &'a str,
    #[serde(flatten)]
    namespace: &'a FoundNamespace,
    lived_ms: Option<u128>,
}

/// Tells of them until `total` is over, and then whose they were.
pub fn run(interval: Duration, total: Option<Duration>, json: bool) -> common::Result {
    let mut out = common::stdout();
    let start = Instant::now();
    // Those that were there before have no beginning.
    let mut known: HashMap<u64, (FoundNamespace, Option<Instant>)> =
        namespaces("/proc").found.into_iter().map(|found| (found.inode, (found, None))).collect();
    let mut made: HashMap<String, u64> = HashMap::new();
    let mut tell = |event: &str, namespace: &FoundNamespace, lived: Option<Duration>| {
        if json {
            let lived_ms = lived.map(|lived| lived.as_millis());
            return common::json(&Event { event, namespace, lived_ms }, &mut out);
        }
        let (inode, owner) = (namespace.inode, namespace.owner());
        let owner = Escaped(&owner);
        let lived = lived.map(|lived| format!(" after {:.1} s", lived.as_secs_f64()));
        writeln!(out, "{event:<4} {inode} {owner}{}", lived.unwrap_or_default())?;
        out.flush()
    };
    while total.is_none_or(|total| start.elapsed() < total) {
        std::thread::sleep(interval);
        let now: HashMap<u64, FoundNamespace> =
            namespaces("/proc").found.into_iter().map(|found| (found.inode, found)).collect();
        let gone: Vec<u64> =
            known.keys().filter(|inode| !now.contains_key(inode)).copied().collect();
        for inode in gone {
            if let Some((namespace, since)) = known.remove(&inode) {
                tell("gone", &namespace, since.map(|since| since.elapsed()))?;
            }
        }
        for (inode, namespace) in now {
            if let Some((known, _)) = known.get_mut(&inode) {
                // A program that makes one often becomes another then: `unshare` does.
                *known = namespace;
            } else {
                tell("made", &namespace, None)?;
                let whose = match namespace.pid {
                    None => namespace.owner(),
                    Some(_) if namespace.unit.is_empty() => namespace.program.clone(),
                    Some(_) => namespace.unit.clone(),
                };
                *made.entry(whose).or_default() += 1;
                known.insert(inode, (namespace, Some(Instant::now())));
            }
        }
    }
    if !json {
        let minutes = start.elapsed().as_secs_f64() / 60.0;
        let mut made: Vec<_> = made.into_iter().collect();
        made.sort_by_key(|(whose, count)| (std::cmp::Reverse(*count), whose.clone()));
        for (whose, count) in made {
            let whose = Escaped(whose);
            writeln!(out, "{count} by {whose}: {:.1} a minute", count as f64 / minutes)?;
        }
    }
    Ok(out.flush()?)
}
