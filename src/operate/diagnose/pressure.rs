//! How full the table is, what it has lost, and when it will be full.

use super::facts::Facts;
use crate::kernel::Version;
use crate::kernel::stats::Counter;
use crate::operate::finding::Severity::{Critical, Info, Warning};
use crate::operate::finding::{Finding, Severity};
use crate::operate::persist::{Module, too_few_buckets};
use crate::operate::tune::sizing::Sizes;

/// From here on the kernel's collector evicts, once the table was full.
const NEARLY_FULL: f64 = 0.95;

/// Where most alerts begin.
const FILLING: f64 = 0.75;

/// Seconds to full below which somebody should know now.
const SOON: f64 = 3600.0;

pub(super) fn judge(facts: &Facts, findings: &mut Vec<Finding>) {
    findings.extend(fill_level(facts));
    findings.extend(full_soon(facts));
    findings.extend(COUNTERS.iter().filter_map(|counter| counter.judge(facts)));
    if let (Some(max), Some(buckets), None) = (facts.max, facts.buckets, &facts.audit) {
        let kernel = facts.kernel.unwrap_or(Version::new(5, 15));
        findings.extend(too_few_buckets(kernel, Sizes { max, buckets }, Module::NotLoaded));
    }
}

/// How much of the limit is used.
fn load(facts: &Facts) -> Option<f64> {
    let max = facts.max.filter(|&max| max != 0)?;
    Some(facts.entries? as f64 / max as f64)
}

fn fill_level(facts: &Facts) -> Option<Finding> {
    let (load, entries, max) = (load(facts)?, facts.entries?, facts.max?);
    if load < FILLING {
        return None;
    }
    let level = format!("{entries} of {max} entries ({:.0} %)", load * 100.0);
    let who = largest_source(facts);
    let headroom = facts.flows.as_ref().map(|flows| flows.headroom);
    let dropping = facts.grown(Counter::DROP) > 0 || facts.counted(Counter::DROP) > 0;
    let finding = match headroom {
        _ if load < NEARLY_FULL => Finding::warning(
            "TABLE_FILLING",
            format!("{level}{who}"),
            "a burst may fill it; node_exporter's usual alert is at 75 %, too",
            "find out who fills it, and raise the limit in time",
        ),
        Some(headroom) if makes_room(facts) => Finding::warning(
            "FULL_BUT_EVICTING",
            format!(
                "full but evicting: {level}, of which {} can be dropped for new flows{who}",
                headroom.unassured
            ),
            "new flows are taken by dropping others that are not assured, silently; nothing is logged",
            "find out who fills it; raise the limit and the buckets if they are right",
        ),
        headroom if dropping || (headroom.is_some() && load >= 1.0) => {
            let seen = match headroom.map(|headroom| headroom.held + headroom.closing) {
                Some(stay) => {
                    format!("the table is full: {level}, of which {stay} are assured and stay{who}")
                }
                None => format!("the table is full, and packets are dropped: {level}{who}"),
            };
            Finding::critical(
                "TABLE_FULL",
                seen,
                "packets of new flows are dropped: connections time out, DNS first",
                "raise the limit now, then find out who fills it",
            )
        }
        _ => Finding::warning(
            "TABLE_NEARLY_FULL",
            format!("the table is nearly full: {level}{who}"),
            "beyond the limit packets of new flows are dropped unless an entry can be evicted",
            "find out who fills it, and raise the limit in time",
        ),
    };
    let finding = finding
        .command("top_sources -n 20")
        .command("tune advise")
        .command(format!("sysctl -w net.netfilter.nf_conntrack_max={}", max.saturating_mul(2)));
    Some(finding.source("nf_conntrack_alloc, early_drop: Linux 4.18 to 6.18"))
}

fn full_soon(facts: &Facts) -> Option<Finding> {
    let left = facts.max.filter(|&max| max != 0)?.checked_sub(facts.entries?).filter(|&n| n > 0)?;
    let (more, after) = facts.growth.filter(|(more, _)| *more > 0)?;
    let each = more as f64 / after.as_secs_f64().max(1e-3);
    let seconds = left as f64 / each;
    if seconds >= SOON {
        return None;
    }
    let minutes = seconds / 60.0;
    let finding = Finding::warning(
        "FULL_SOON",
        format!("it grows by {each:.0} entries a second, and is full in {minutes:.0} minutes"),
        "this is a straight line through two looks; entries that time out bend it",
        "look again, and at who opens flows now",
    )
    .command("top_sources --rate=5");
    Some(finding)
}

/// Whether a new flow nearly always finds an entry to evict.
fn makes_room(facts: &Facts) -> bool {
    let buckets = facts.buckets.map(|buckets| u32::try_from(buckets).unwrap_or(u32::MAX));
    let headroom = facts.flows.as_ref().map(|flows| flows.headroom);
    headroom.zip(buckets).is_some_and(|(headroom, buckets)| headroom.chance(buckets) >= 0.9)
}

/// The source with the most entries, for the end of a sentence.
fn largest_source(facts: &Facts) -> String {
    let Some(flows) = facts.flows.as_ref().filter(|flows| flows.total > 0) else {
        return String::new();
    };
    let share = |(source, has): &(String, u64)| {
        format!("; largest source: {source} ({:.0} %)", *has as f64 * 100.0 / flows.total as f64)
    };
    flows.top_source.as_ref().map(share).unwrap_or_default()
}

/// A counter, and what it means if it has moved.
struct CounterRule {
    counter: Counter,
    id: &'static str,
    /// The severity while it moves; later it is only worth knowing.
    severity: Severity,
    why: &'static str,
    remedy: &'static str,
    source: &'static str,
}

const COUNTERS: &[CounterRule] = &[
    CounterRule {
        counter: Counter::DROP,
        id: "DROP",
        severity: Critical,
        why: "packets were dropped: the table was full and nothing could be evicted, or an entry or its \
              helper could not be made",
        remedy: "raise nf_conntrack_max and the buckets, and find out who fills the table",
        source: "kernel: nf_conntrack_alloc",
    },
    CounterRule {
        counter: Counter::EARLY_DROP,
        id: "EARLY_DROP",
        severity: Warning,
        why: "the table was full: entries that are not assured were evicted, and nothing was logged",
        remedy: "raise nf_conntrack_max and the buckets, and find out who fills the table",
        source: "kernel: early_drop",
    },
    CounterRule {
        counter: Counter::INSERT_FAILED,
        id: "INSERT_FAILED",
        severity: Warning,
        why: "two packets made the same entry at once, and one was dropped: the five seconds of DNS in \
              containers, or source NAT that picks the same port",
        remedy: "resolvers: single-request-reopen, or a DNS cache on the node; NAT: --random-fully",
        source: "kernel: __nf_conntrack_confirm",
    },
    CounterRule {
        counter: Counter::CHAIN_TOOLONG,
        id: "CHAIN_TOO_LONG",
        severity: Critical,
        why: "entries were refused because their chain in the hash table is too long, whatever the limit",
        remedy: "raise the buckets, not the limit: as many as entries",
        source: "commit d7e7747ac5c2 (Linux 5.15)",
    },
];

impl CounterRule {
    fn judge(&self, facts: &Facts) -> Option<Finding> {
        let Self { counter, id, severity, why, remedy, source } = *self;
        let (all, new) = (facts.counted(counter), facts.grown(counter));
        if all == 0 && new == 0 {
            return None;
        }
        // Earlier losses matter now if the table still is as it was then.
        let full = load(facts).is_some_and(|load| load >= NEARLY_FULL);
        let still = match counter {
            Counter::DROP => full && !makes_room(facts),
            Counter::EARLY_DROP => full,
            _ => false,
        };
        let namespace = facts.namespace.map(|inode| format!(" in namespace {inode}"));
        let namespace = namespace.unwrap_or_default();
        let seen = format!("{counter} +{new} just now, {all} since boot{namespace}");
        let severity = if new > 0 || still { severity } else { Info };
        Some(Finding::new(id, severity, seen, why, remedy).source(source))
    }
}
