//! What is wrong with connection tracking here, and what to do about it.
//!
//! ```text
//! sudo target/release/examples/doctor
//! cargo run --release --example doctor -- --demo          # anywhere, without root
//! target/release/examples/doctor --root /mnt/copy --kmsg /mnt/copy/var/log/dmesg
//! ```

#[allow(dead_code)] // This one counts what the library counts for it.
#[path = "../common/mod.rs"]
mod common;
mod gather;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use common::findings;
use common::from::From;
use ctnetlink::escape::Escaped;
use ctnetlink::operate::diagnose::{Facts, Unseen, diagnose};
use ctnetlink::operate::finding::{Finding, Severity, worst};

/// What is wrong with connection tracking here, and what to do about it.
///
/// It looks at the table, the kernel's counters (twice, a second apart), settings, files that are read
/// at boot and the kernel's log, and changes nothing.
#[derive(Parser)]
#[command(after_help = AFTER_HELP, version)]
struct Options {
    #[command(flatten)]
    common: common::Shared,

    #[command(flatten)]
    from: From,

    /// Look at the files of a copy of a machine alone, and not at this one; the table of it may be in
    /// --from
    #[arg(long, value_name = "DIR", conflicts_with_all = ["demo", "netns"])]
    root: Option<PathBuf>,

    /// The kernel's log, from dmesg, journalctl or a file [default: /dev/kmsg; none with --root]
    #[arg(long, value_name = "FILE")]
    kmsg: Option<PathBuf>,

    /// The packet filter's rules, as `nft list ruleset` or `iptables-save` prints them [default: asks
    /// these programs, if they are there]
    #[arg(long, value_name = "FILE")]
    rules: Option<PathBuf>,

    /// Between the two looks at the counters
    #[arg(long, value_name = "SECS", default_value = "1", value_parser = common::values::time)]
    interval: Duration,
}

const AFTER_HELP: &str = "\
To look at the table takes CAP_NET_ADMIN (sudo); without it, what everybody may read is judged (the
number of entries, the limit, counters, settings, files), and what was not seen is listed, with what
would make it seen. --demo fills a private table and needs nothing.

Exit code: 0 nothing is wrong, 1 a warning, 2 critical, or wrong arguments, 3 nothing was found, but not
everything could be looked at. What a copy (--root) or a file (--from) does not have is listed, and does
not count for that.";

/// The exit code for "cannot tell".
const UNSEEN: u8 = 3;

/// What `--json` prints.
#[derive(serde::Serialize)]
struct Document<'a> {
    severity: Option<Severity>,
    findings: &'a [Finding],
    /// Whether everything was seen that was to be looked at.
    complete: bool,
    unseen: &'a [Unseen],
    entries: Option<u64>,
    max: Option<u64>,
    buckets: Option<u64>,
    namespace: Option<u64>,
}

fn main() -> ExitCode {
    common::exit_as(run(&common::arguments()))
}

fn run(options: &Options) -> common::Result<ExitCode> {
    options.common.prepare()?;
    let facts = gather::facts(options)?;
    let findings = diagnose(&facts);
    let complete = facts.is_complete();
    let Facts { entries, max, buckets, namespace, .. } = facts;
    let document = Document {
        severity: worst(&findings),
        findings: &findings,
        complete,
        unseen: &facts.unseen,
        entries,
        max,
        buckets,
        namespace,
    };
    common::print(&document, options.common.json, |out| {
        if let (Some(entries), Some(max)) = (entries, max) {
            common::say(out, "table", format_args!("{entries} of {max} entries"))?;
        }
        if findings.is_empty() && !complete {
            writeln!(out, "\nnothing was found, but not everything could be looked at")?;
        } else {
            findings::show(&findings, out)?;
        }
        if let Some(root) = &options.root {
            findings::whose_commands(root, &findings, out)?;
        }
        for Unseen { what, remedy, .. } in &facts.unseen {
            writeln!(out, "not seen: {}", Escaped(what))?;
            if !remedy.is_empty() {
                writeln!(out, "  to see it: {}", Escaped(remedy))?;
            }
        }
        Ok(())
    })?;
    Ok(match worst(&findings) {
        None | Some(Severity::Info) if !complete => ExitCode::from(UNSEEN),
        _ => findings::severity(&findings),
    })
}
