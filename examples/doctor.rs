//! What is wrong with connection tracking here, and what to do about it.
//!
//! ```text
//! sudo target/release/examples/doctor
//! cargo run --release --example doctor -- --demo          # anywhere, without root
//! target/release/examples/doctor --root /mnt/copy --kmsg /mnt/copy/var/log/dmesg
//! ```

#[allow(dead_code)] // This one counts what the library counts for it.
mod common;

use std::fs::File;
use std::io::{self, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

use anstyle::Style;
use clap::Parser;
use common::from::From;
use ctnetlink::ErrorKind;
use ctnetlink::escape::Escaped;
use ctnetlink::operate::diagnose::{Facts, LogFacts, Rules, Sources, Unseen, diagnose};
use ctnetlink::operate::finding::{Finding, Severity, worst};
use ctnetlink::operate::tune::Settings;

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
    #[arg(long, value_name = "SECS", default_value = "1", value_parser = common::time)]
    interval: Duration,
}

const AFTER_HELP: &str = "\
To look at the table takes CAP_NET_ADMIN (sudo); without it, what everybody may read is judged (the
number of entries, the limit, counters, settings, files), and what was not seen is listed, with what
would make it seen. --demo fills a private table and needs nothing.

Exit code: 0 nothing is wrong, 1 a warning, 2 critical, or wrong arguments, 3 nothing was found, but not
everything could be looked at. What a copy (--root) or a file (--from) does not have is listed, and does
not count for that.";

/// What the table's entries take.
const RIGHT: &str = "run it with sudo, or give it CAP_NET_ADMIN in the user namespace that owns \
    this network namespace";

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
    let facts = facts(options)?;
    let findings = diagnose(&facts);
    let complete = facts.is_complete();
    let mut out = common::stdout();
    if options.common.json {
        let severity = worst(&findings);
        let Facts { entries, max, buckets, namespace, .. } = facts;
        let (findings, unseen) = (&findings, &facts.unseen);
        let document =
            Document { severity, findings, complete, unseen, entries, max, buckets, namespace };
        common::json(&document, &mut out)?;
    } else {
        if let (Some(entries), Some(max)) = (facts.entries, facts.max) {
            let bold = Style::new().bold();
            writeln!(out, "{bold}table{bold:#}  {entries} of {max} entries")?;
        }
        if findings.is_empty() && !complete {
            writeln!(out, "\nnothing was found, but not everything could be looked at")?;
        } else {
            common::findings(&findings, &mut out)?;
        }
        if let Some(root) = &options.root {
            common::whose_commands(root, &findings, &mut out)?;
        }
        for Unseen { what, remedy, .. } in &facts.unseen {
            writeln!(out, "not seen: {}", Escaped(what))?;
            if !remedy.is_empty() {
                writeln!(out, "  to see it: {}", Escaped(remedy))?;
            }
        }
    }
    out.flush()?;
    Ok(match worst(&findings) {
        None | Some(Severity::Info) if !complete => ExitCode::from(UNSEEN),
        _ => common::severity(&findings),
    })
}

fn facts(options: &Options) -> common::Result<Facts> {
    let mut sources = Sources::default();
    sources.interval = options.interval;
    sources.rules = match &options.rules {
        Some(file) => Ok(std::fs::read_to_string(file)
            .map_err(|error| common::Usage(format!("--rules {}: {error}", file.display())))?),
        None if options.root.is_some() || options.from.from.is_some() => {
            Err("none were given".to_owned())
        }
        None if options.common.netns.is_some() => {
            Err("they are read here, and not in --netns".to_owned())
        }
        None => rules(),
    };
    if let Some(root) = &options.root {
        if !root.is_dir() {
            return Err(common::Usage(format!("--root {}: no directory", root.display())).into());
        }
        sources.root.clone_from(root);
        sources.log = options.kmsg.clone().unwrap_or_else(|| root.join("var/log/dmesg"));
        let mut facts = Facts::of_files(&sources);
        if let Some(file) = &options.from.from {
            read_table(&mut facts, file)?;
        }
        return Ok(facts);
    }
    if let Some(file) = &options.from.from {
        let mut facts = Facts::default();
        read_table(&mut facts, file)?;
        facts.rules = sources.rules.ok().as_deref().map(Rules::parse);
        if let Some(log) = &options.kmsg {
            let opened = File::open(log).and_then(|file| LogFacts::read(BufReader::new(file)));
            let named = |error| common::Usage(format!("--kmsg {}: {error}", log.display()));
            facts.log = Some(opened.map_err(named)?);
        }
        return Ok(facts);
    }
    if let Some(log) = &options.kmsg {
        sources.log.clone_from(log);
    }
    let settings = match options.common.namespace()? {
        Some(namespace) => Settings::of(&namespace)?,
        None => Settings::here(),
    };
    let gathered = options
        .common
        .open()
        .and_then(|mut table| Ok(Facts::gather(&mut table, &settings, &sources)?));
    match gathered {
        Ok(mut facts) => {
            if let Some(namespace) = options.common.namespace()? {
                // What is read from /proc is of the namespace this runs in.
                facts.namespace = namespace.inode();
                (facts.ip_forward, facts.keepalive, facts.sockets) = (None, None, None);
                (facts.ipv6_forward, facts.interfaces, facts.bridges) = (None, None, None);
                facts.unseen.push(Unseen::wanted(
                    "forwarding: it is read here, and not in --netns",
                    "run this program in there, by `ip netns exec` or `nsenter --net`",
                ));
            }
            Ok(facts)
        }
        Err(error) => {
            // What can be seen without the table is better than nothing.
            let kind = error.downcast_ref::<ctnetlink::Error>().map(ctnetlink::Error::kind);
            let unseen = match kind {
                Some(ErrorKind::PermissionDenied { .. }) => {
                    Unseen::wanted("the table's entries: not permitted", RIGHT)
                }
                Some(ErrorKind::NotSupported { remedy, .. }) => Unseen::wanted(
                    "the table: the kernel has none, and could not load the module",
                    *remedy,
                ),
                _ => return Err(error),
            };
            let mut facts = Facts::gather_unprivileged(&settings, &sources);
            facts.unseen.insert(0, unseen);
            Ok(facts)
        }
    }
}

/// The table of a file in place of the kernel's.
fn read_table(facts: &mut Facts, file: &Path) -> common::Result {
    let wrong = |error: std::io::Error| common::Usage(error.to_string());
    let mut snapshot = common::from::open(file).map_err(wrong)?;
    facts.read_snapshot(&mut snapshot).map_err(wrong)?;
    // A table of which nothing could be read is not fine.
    let end = snapshot.end();
    if end.entries == 0 && (end.malformed > 0 || end.is_damaged()) {
        let file = file.display();
        return Err(common::Usage(format!("{file}: nothing in it is an entry")).into());
    }
    Ok(())
}

/// What the packet filter's own programs print, of those that are there, or why that is not all.
fn rules() -> Result<String, String> {
    const PATH: &str = "/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin";
    let mut why = "neither nft nor iptables-save is installed".to_owned();
    let mut found = Vec::new();
    for (program, arguments) in
        [("nft", &["list", "ruleset"][..]), ("iptables-save", &[]), ("ip6tables-save", &[])]
    {
        let output = match Command::new(program).args(arguments).env("PATH", PATH).output() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(format!("{program}: {error}")),
            Ok(output) => output,
        };
        if output.status.success() {
            found.push(String::from_utf8_lossy(&output.stdout).into_owned());
        } else {
            let errors = String::from_utf8_lossy(&output.stderr);
            why = format!("{program}: {}", errors.lines().next().unwrap_or("it failed"));
            // What iptables has made on top of nftables, nft shows as well.
            if program == "nft" {
                break;
            }
        }
    }
    if found.is_empty() { Err(why) } else { Ok(found.join("\n")) }
}
