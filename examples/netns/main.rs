//! Network namespaces: how many entries each has, and who makes them.
//!
//! ```text
//! sudo target/release/examples/netns list
//! sudo target/release/examples/netns watch --interval 0.5
//! ```

#[allow(dead_code)] // This one opens every table there is.
#[path = "../common/mod.rs"]
mod common;
mod watch;

use std::collections::BTreeMap;
use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};
use ctnetlink::escape::Escaped;
use ctnetlink::operate::diagnose::{
    FoundNamespace, Namespaces, PrivateNetworkUnit, namespaces, private_network_units,
};

/// Network namespaces: how many entries each has, and who makes them.
#[derive(Parser)]
#[command(after_help = AFTER_HELP, version)]
struct Options {
    /// Print JSON: a document on each line
    #[arg(long, global = true)]
    json: bool,

    #[command(subcommand)]
    task: Task,
}

const AFTER_HELP: &str = "\
To look into other namespaces takes root (CAP_SYS_ADMIN). No table is dumped: the kernel keeps count.
What only a thread, an open file or a socket keeps is not seen.

Exit code: 0 done, 1 failed, 2 wrong arguments.";

#[derive(Subcommand)]
enum Task {
    /// Every namespace that a process is in or that is mounted, those with most entries first
    List,
    /// Tell when namespaces are made and go, and whose they are
    Watch {
        /// Look every SECS seconds; what comes and goes between two looks is not seen
        #[arg(long, value_name = "SECS", default_value = "1", value_parser = common::values::seconds)]
        interval: Duration,

        /// Stop after SECS seconds
        #[arg(long = "for", value_name = "SECS", value_parser = common::values::time)]
        total: Option<Duration>,
    },
    /// Units that get a namespace of their own each time they are started
    Units,
}

/// A namespace as `list` shows it.
#[derive(serde::Serialize)]
struct Listed {
    #[serde(flatten)]
    namespace: FoundNamespace,
    entries: Option<u32>,
    /// Why they cannot be told.
    error: Option<String>,
}

fn main() -> ExitCode {
    common::exit(run(&common::arguments()))
}

fn run(options: &Options) -> common::Result {
    match &options.task {
        Task::List => list(options.json),
        Task::Watch { interval, total } => watch::run(*interval, *total, options.json),
        Task::Units => {
            let units = private_network_units("/");
            common::print(&units, options.json, |out| {
                for PrivateNetworkUnit { unit, description, .. } in &units {
                    let line = Escaped(format_args!("{unit:<40} {description}")).to_string();
                    writeln!(out, "{}", line.trim_end())?;
                }
                Ok(())
            })
        }
    }
}

fn list(json: bool) -> common::Result {
    let listed = |namespace: FoundNamespace| match namespace.limits() {
        Ok(limits) => Listed { namespace, entries: Some(limits.entries), error: None },
        Err(error) => Listed { namespace, entries: None, error: Some(error.to_string()) },
    };
    let Namespaces { found, unseen, .. } = namespaces("/proc");
    let mut all: Vec<_> = found.into_iter().map(listed).collect();
    all.sort_by_key(|listed| std::cmp::Reverse(listed.entries));
    if json {
        unseen.iter().for_each(|what| eprintln!("not seen: {what}"));
    }
    common::print(&all, json, |out| {
        show(&all, out)?;
        Ok(unseen.iter().try_for_each(|what| writeln!(out, "not seen: {what}"))?)
    })
}

fn show(all: &[Listed], out: &mut dyn Write) -> common::Result {
    let head = ["entries", "namespace", "pid", "program", "unit", "processes", "mounted at"];
    let lines = all.iter().map(|Listed { namespace, entries, .. }| {
        let mounts = namespace.mounts.iter().map(|path| path.display().to_string());
        [
            entries.map_or("?".to_owned(), |entries| entries.to_string()),
            namespace.inode.to_string(),
            namespace.pid.map_or("-".to_owned(), |pid| pid.to_string()),
            Escaped(&namespace.program).to_string(),
            Escaped(&namespace.unit).to_string(),
            namespace.processes.to_string(),
            Escaped(mounts.collect::<Vec<_>>().join(" ")).to_string(),
        ]
    });
    common::columns::print(head, lines, |index| [0, 2, 5].contains(&index), out)?;
    let sum: u64 = all.iter().filter_map(|listed| listed.entries).map(u64::from).sum();
    writeln!(out, "{} in {}", counted(sum, "entr", ["y", "ies"]), of_namespaces(all.len()))?;
    let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
    for error in all.iter().filter_map(|listed| listed.error.as_deref()) {
        *reasons.entry(error).or_default() += 1;
    }
    for (reason, count) in reasons {
        writeln!(out, "? in {}: {reason}", of_namespaces(count))?;
    }
    Ok(())
}

/// `1 entry`, `2 entries`.
fn counted(count: u64, stem: &str, [one, many]: [&str; 2]) -> String {
    format!("{count} {stem}{}", if count == 1 { one } else { many })
}

fn of_namespaces(count: usize) -> String {
    counted(count as u64, "namespace", ["", "s"])
}
