//! The table's settings: what they are, set to what, and how large the table should be.
//!
//! ```text
//! cargo run --release --example tune -- --demo 1 get       # anywhere, without root
//! sudo target/release/examples/tune set nf_conntrack_tcp_timeout_time_wait=30
//! target/release/examples/tune advise --peak 400000
//! ```

mod advise;
#[allow(dead_code)] // This one counts nothing.
#[path = "../common/mod.rs"]
mod common;
mod timeouts;

use std::io::Write;
use std::process::ExitCode;

use advise::Question;
use clap::{Parser, Subcommand};
use common::wrong;
use ctnetlink::flow::Protocol;
use ctnetlink::operate::tune::{Changed, Scope, Setting, Settings, bare_name};

/// The table's settings: what they are, set to what, and how large the table should be.
#[derive(Parser)]
#[command(after_help = AFTER_HELP, version)]
struct Options {
    #[command(flatten)]
    common: common::Shared,

    #[command(subcommand)]
    task: Task,
}

const AFTER_HELP: &str = "\
Settings are those of the network namespace it runs in, or of --netns. To set one takes root, or
CAP_NET_ADMIN over the namespace, and lasts until the next boot: see the example persist. --demo makes
a namespace to try things in, and needs nothing.

Exit code: 0 done, 1 failed, 2 not permitted or wrong arguments.";

#[derive(Subcommand)]
enum Task {
    /// Show settings, all of them or those whose name has WORD in it
    Get {
        /// Part of a name, `timeout` or `max` for example, or a whole one in any spelling
        #[arg(value_name = "WORD")]
        words: Vec<String>,

        /// Only those that do not have their default value
        #[arg(long)]
        changed: bool,
    },
    /// Set settings, and show what they were
    Set {
        /// A name and a value: `nf_conntrack_acct=1`, short `acct=1`, or as sysctl and /proc spell it
        #[arg(value_name = "NAME=VALUE", required = true, value_parser = common::values::assignment)]
        assignments: Vec<(String, i64)>,
    },
    /// Show how long entries stay in each state, by netlink
    Timeouts {
        /// Only of this protocol: tcp, udp, icmp, icmpv6, gre, sctp or generic
        #[arg(value_name = "PROTOCOL", value_parser = timeouts::protocol)]
        protocol: Option<Protocol>,
    },
    /// Say how large the table should be, and why
    Advise(Question),
}

fn main() -> ExitCode {
    common::exit(run(&common::arguments()))
}

fn run(options: &Options) -> common::Result {
    options.common.prepare()?;
    let json = options.common.json;
    match &options.task {
        Task::Get { words, changed } => {
            let mut found = options.common.settings()?.all()?;
            found.retain(|setting| {
                let is_it = |word: &String| bare_name(word) == bare_name(&setting.name);
                let named =
                    words.iter().any(|word| setting.name.contains(word.as_str()) || is_it(word));
                (words.is_empty() || named) && (!changed || setting.is_default() == Some(false))
            });
            if found.is_empty() && !words.is_empty() && !changed {
                return wrong(format_args!("no setting has {} in its name", words.join(" or ")));
            }
            common::print(&found, json, |out| show(&found, out))
        }
        Task::Set { assignments } => set(&options.common.settings()?, assignments, json),
        Task::Timeouts { protocol } => timeouts::run(&options.common, *protocol),
        Task::Advise(question) => question.answer(&options.common),
    }
}

fn show(settings: &[Setting], out: &mut dyn Write) -> common::Result {
    let head = ["setting", "value", "", "default", "of", "what it does"];
    let lines = settings.iter().map(|setting| {
        let default = setting.default.map_or("-".to_owned(), |default| default.to_string());
        let mark = if setting.is_default() == Some(false) { "*" } else { "" };
        let scope = match setting.scope {
            Scope::Namespace => "namespace",
            Scope::Host => "host",
            _ => "read only",
        };
        let (name, value) = (setting.name.clone(), setting.value.to_string());
        [name, value, mark.to_owned(), default, scope.to_owned(), setting.about.to_owned()]
    });
    Ok(common::columns::print(head, lines, |index| [1, 3].contains(&index), out)?)
}

/// Sets one after the other; those before a failure stay set, and were shown.
fn set(settings: &Settings, assignments: &[(String, i64)], json: bool) -> common::Result {
    let mut out = common::stdout();
    let mut done: Vec<Changed> = Vec::new();
    let outcome = assignments.iter().try_for_each(|(name, value)| -> common::Result {
        let changed = settings.set(name, *value)?;
        if !json {
            let rounded = if changed.new == *value { "" } else { " (as the kernel rounds it)" };
            writeln!(out, "{}: {} -> {}{rounded}", changed.name, changed.old, changed.new)?;
        }
        done.push(changed);
        Ok(())
    });
    if json {
        common::json(&done, &mut out)?;
    }
    out.flush()?;
    outcome
}
