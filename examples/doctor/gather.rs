//! What is looked at: the table and the machine, a copy of one, or a file.

use std::fs::File;
use std::io::{self, BufReader};
use std::path::Path;
use std::process::Command;

use ctnetlink::ErrorKind;
use ctnetlink::operate::diagnose::{Facts, LogFacts, Rules, Sources, Unseen};

use crate::Options;
use crate::common::{self, Usage, wrong};

/// What the table's entries take.
const RIGHT: &str = "run it with sudo, or give it CAP_NET_ADMIN in the user namespace that owns \
    this network namespace";

pub fn facts(options: &Options) -> common::Result<Facts> {
    let mut sources = Sources::default();
    sources.interval = options.interval;
    sources.rules = match &options.rules {
        Some(file) => Ok(std::fs::read_to_string(file)
            .map_err(|error| Usage(format!("--rules {}: {error}", file.display())))?),
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
            return wrong(format_args!("--root {}: no directory", root.display()));
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
            let named = |error| Usage(format!("--kmsg {}: {error}", log.display()));
            facts.log = Some(opened.map_err(named)?);
        }
        return Ok(facts);
    }
    if let Some(log) = &options.kmsg {
        sources.log.clone_from(log);
    }
    let settings = options.common.settings()?;
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
    let mut snapshot = common::from::open(file)?;
    facts.read_snapshot(&mut snapshot).map_err(|error| Usage(error.to_string()))?;
    // A table of which nothing could be read is not fine.
    let end = snapshot.end();
    if end.entries == 0 && (end.malformed > 0 || end.is_damaged()) {
        return wrong(format_args!("{}: nothing in it is an entry", file.display()));
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
