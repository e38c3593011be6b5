//! What is wrong with connection tracking here, and what to do about it.
//!
//! [`diagnose`] looks at [`Facts`], which are values: of this machine ([`Facts::gather`]), of files, or made up, as in
//! the tests. A fact that is not known is `None`, and the rules that need it find nothing. What could not be looked at
//! is in [`Facts::unseen`], so that nobody takes an empty list of findings for a healthy machine
//! ([`Facts::is_complete`]).
//!
//! This folder must not change anything, nor run other programs.

mod clock;
mod facts;
mod flows;
mod forwarding;
#[cfg(all(target_os = "linux", not(ctnetlink_pure)))]
mod gather;
mod log;
mod logged;
#[cfg(all(target_os = "linux", not(ctnetlink_pure)))]
mod namespaces;
mod nat_ports;
mod pressure;
#[cfg(all(target_os = "linux", not(ctnetlink_pure)))]
mod proc;
mod rules;
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
pub use nat_ports::NatPorts;
pub use rules::Rules;
pub use units::{PrivateNetworkUnit, private_network_units};

use crate::operate::finding::Finding;

/// Everything that is wrong by these facts, the worst first.
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
        let mut of_audit = audit.findings.clone();
        of_audit.retain(|finding| !is_contradicted(finding, &findings));
        findings.extend(of_audit);
    }
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    findings
}

/// Whether a drift asks for the value of a file, where another finding asks for another value in that file.
fn is_contradicted(drift: &Finding, findings: &[Finding]) -> bool {
    let key = drift.seen.split(" is ").next().unwrap_or_default();
    let line = format!("\\n{key} = ");
    let mut commands = findings.iter().flat_map(|finding| &finding.commands);
    drift.id == "DRIFT" && commands.any(|command| command.contains(&line))
}
