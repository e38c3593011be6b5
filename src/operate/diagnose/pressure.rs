//! How full the table is, what it has lost, and when it will be full.

use super::facts::Facts;
use crate::kernel::Version;
use crate::kernel::stats::Counter;
use crate::operate::finding::{Finding, Severity};
use crate::operate::persist::Module;
use crate::operate::persist::too_few_buckets;
use crate::operate::tune::sizing::Sizes;

/// From here on the collector evicts, once the table was full.
const NEARLY_FULL: f64 = 0.95;

/// What most alerts begin at.
const FILLING: f64 = 0.75;

/// Time to full below which somebody should know now.
const SOON: f64 = 3600.0;

pub(super) fn judge(facts: &Facts, findings: &mut Vec<Finding>) {
    fill_level(facts, findings);
    counters(facts, findings);
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

fn fill_level(facts: &Facts, findings: &mut Vec<Finding>) {
    let (Some(load), Some(entries), Some(max)) = (load(facts), facts.entries, facts.max) else {
        return;
    };
    let level = format!("{entries} of {max} entries ({:.0} %)", load * 100.0);
    let who = who(facts);
    let raise = |finding: Finding| {
        finding
            .command("top_sources -n 20")
            .command("tune advise")
            .command(format!("sysctl -w net.netfilter.nf_conntrack_max={}", max.saturating_mul(2)))
            .source("nf_conntrack_alloc, early_drop: Linux 4.18 to 6.18")
    };
    if load >= NEARLY_FULL {
        let headroom = facts.flows.as_ref().map(|flows| flows.headroom);
        let dropping = facts.grown(Counter::DROP) > 0 || facts.counted(Counter::DROP) > 0;
        let finding = match (headroom, makes_room(facts)) {
            (Some(headroom), true) => Finding::new(
                "FULL_BUT_EVICTING",
                Severity::Warning,
                format!(
                    "full but evicting: {level}, of which {} can be dropped for new flows{who}",
                    headroom.unassured
                ),
                "new flows are taken by dropping others that are not assured, silently; nothing is \
                 logged",
                "find out who fills it; raise the limit and the buckets if they are right",
            ),
            (Some(headroom), _) if load >= 1.0 || dropping => Finding::new(
                "TABLE_FULL",
                Severity::Critical,
                format!(
                    "the table is full: {level}, of which {} are assured and stay{who}",
                    headroom.held + headroom.closing
                ),
                "packets of new flows are dropped: connections time out, DNS first",
                "raise the limit now, then find out who fills it",
            ),
            (None, _) if dropping => Finding::new(
                "TABLE_FULL",
                Severity::Critical,
                format!("the table is full, and packets are dropped: {level}{who}"),
                "packets of new flows are dropped: connections time out, DNS first",
                "raise the limit now, then find out who fills it",
            ),
            _ => Finding::new(
                "TABLE_NEARLY_FULL",
                Severity::Warning,
                format!("the table is nearly full: {level}{who}"),
                "beyond the limit packets of new flows are dropped unless an entry can be evicted",
                "find out who fills it, and raise the limit in time",
            ),
        };
        findings.push(raise(finding));
    } else if load >= FILLING {
        findings.push(raise(Finding::new(
            "TABLE_FILLING",
            Severity::Warning,
            format!("{level}{who}"),
            "a burst may fill it; node_exporter's usual alert is at 75 %, too",
            "find out who fills it, and raise the limit in time",
        )));
    }
    if let Some((more, after)) = facts.growth.filter(|(more, _)| *more > 0 && load < 1.0) {
        let each = more as f64 / after.as_secs_f64().max(1e-3);
        let seconds = max.saturating_sub(entries) as f64 / each;
        if seconds < SOON {
            findings.push(
                Finding::new(
                    "FULL_SOON",
                    Severity::Warning,
                    format!(
                        "it grows by {each:.0} entries a second, and is full in {:.0} minutes",
                        seconds / 60.0
                    ),
                    "this is a straight line through two looks; entries that time out bend it",
                    "look again, and at who opens flows now",
                )
                .command("top_sources --rate=5"),
            );
        }
    }
}

/// Whether a new flow nearly always finds one to drop.
fn makes_room(facts: &Facts) -> bool {
    let buckets = facts.buckets.map(|buckets| u32::try_from(buckets).unwrap_or(u32::MAX));
    let headroom = facts.flows.as_ref().map(|flows| flows.headroom);
    headroom.zip(buckets).is_some_and(|(headroom, buckets)| headroom.chance(buckets) >= 0.9)
}

/// Who has most, for the end of a sentence.
fn who(facts: &Facts) -> String {
    let Some(flows) = facts.flows.as_ref().filter(|flows| flows.total > 0) else {
        return String::new();
    };
    let share = |(source, has): &(String, u64)| {
        format!("; largest source: {source} ({:.0} %)", *has as f64 * 100.0 / flows.total as f64)
    };
    flows.top_source.as_ref().map(share).unwrap_or_default()
}

/// What each counter means, if it has moved. What was long ago is only worth knowing.
fn counters(facts: &Facts, findings: &mut Vec<Finding>) {
    let full = load(facts).is_some_and(|load| load >= NEARLY_FULL);
    let held = full && !makes_room(facts);
    let namespace =
        facts.namespace.map(|inode| format!(" in namespace {inode}")).unwrap_or_default();
    let mut counted = |counter: Counter, now: Severity, id, why, remedy: &str, source| {
        let (all, new) = (facts.counted(counter), facts.grown(counter));
        if all == 0 && new == 0 {
            return;
        }
        // What was lost before is a matter of now if the table still is as it was then.
        let still = match counter {
            Counter::DROP => held,
            Counter::EARLY_DROP => full,
            _ => false,
        };
        let urgent = new > 0 || still;
        let seen = format!("{counter} +{new} just now, {all} since boot{namespace}");
        let severity = if urgent { now } else { Severity::Info };
        findings.push(Finding::new(id, severity, seen, why, remedy).source(source));
    };
    counted(
        Counter::DROP,
        Severity::Critical,
        "DROP",
        "packets were dropped: the table was full and nothing could be evicted, or an entry or its \
         helper could not be made",
        "raise nf_conntrack_max and the buckets, and find out who fills the table",
        "kernel: nf_conntrack_alloc",
    );
    counted(
        Counter::EARLY_DROP,
        Severity::Warning,
        "EARLY_DROP",
        "the table was full, and flows that are not assured were forgotten for new ones, though \
         nothing was logged",
        "raise nf_conntrack_max and the buckets, and find out who fills the table",
        "kernel: early_drop",
    );
    counted(
        Counter::INSERT_FAILED,
        Severity::Warning,
        "INSERT_FAILED",
        "two packets made the same entry at once, and one was dropped: the five seconds of DNS in \
         containers, or source NAT that picks the same port",
        "resolvers: single-request-reopen, or a DNS cache on the node; NAT: --random-fully",
        "kernel: __nf_conntrack_confirm",
    );
    counted(
        Counter::CHAIN_TOOLONG,
        Severity::Critical,
        "CHAIN_TOO_LONG",
        "entries were refused because their chain in the hash table is too long, whatever the limit",
        "raise the buckets, not the limit: as many as entries",
        "commit d7e7747ac5c2 (Linux 5.15)",
    );
}
