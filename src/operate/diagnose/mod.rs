//! What is wrong with connection tracking here, and what to do about it.
//!
//! [`diagnose`] looks at [`Facts`], which are values: of this machine ([`Facts::gather`]), of files, or made up. So
//! every rule is tested on facts. A fact that is not known is `None`, and the rules that need it say nothing. What
//! could not be looked at is in [`Facts::unseen`], so that an empty list of findings is not mistaken for a healthy
//! machine ([`Facts::is_complete`]).
//!
//! This folder must not change anything, nor run other programs.

mod clock;
#[cfg(all(target_os = "linux", not(ctnetlink_pure)))]
mod counted;
mod facts;
mod flows;
mod forwarding;
#[cfg(all(target_os = "linux", not(ctnetlink_pure)))]
mod gather;
#[cfg(all(target_os = "linux", not(ctnetlink_pure)))]
mod interfaces;
mod log;
mod logged;
#[cfg(all(target_os = "linux", not(ctnetlink_pure)))]
mod namespaces;
mod pressure;
mod rules;
#[cfg(feature = "files")]
mod snapshot;
mod timeouts;
mod traffic;
mod units;

pub use facts::{Facts, Interface, Unseen};
pub use flows::{FlowFacts, PortUse};
#[cfg(all(target_os = "linux", not(ctnetlink_pure)))]
pub use gather::Sources;
pub use log::{LogEvent, LogFacts, LogKind};
#[cfg(all(target_os = "linux", not(ctnetlink_pure)))]
pub use namespaces::{FoundNamespace, Namespaces, namespaces};
pub use rules::Rules;
pub use units::{Creator, creators};

use crate::operate::finding::Finding;

/// Everything the rules find in these facts, the worst first.
///
/// ```
/// use ctnetlink::operate::diagnose::{Facts, diagnose};
/// let mut facts = Facts::default();
/// facts.entries = Some(250_000);
/// facts.max = Some(262_144);
/// let findings = diagnose(&facts);
/// assert_eq!(findings[0].id, "TABLE_NEARLY_FULL");
/// ```
pub fn diagnose(facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    pressure::judge(facts, &mut findings);
    logged::judge(facts, &mut findings);
    timeouts::judge(facts, &mut findings);
    traffic::judge(facts, &mut findings);
    forwarding::judge(facts, &mut findings);
    if let Some(audit) = &facts.audit {
        let of_audit = audit.findings.iter().filter(|finding| !is_contradicted(finding, &findings));
        let of_audit: Vec<_> = of_audit.cloned().collect();
        findings.extend(of_audit);
    }
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    findings
}

/// Whether it says to do what a file says, where another finding says that the file is to say
/// something else.
fn is_contradicted(drift: &Finding, findings: &[Finding]) -> bool {
    let key = drift.seen.split(" is ").next().unwrap_or_default();
    let line = format!("\\n{key} = ");
    let mut commands = findings.iter().flat_map(|finding| &finding.commands);
    drift.id == "DRIFT" && commands.any(|command| command.contains(&line))
}
