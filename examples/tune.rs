//! The table's settings: what they are, set to what, and how large the table should be.
//!
//! ```text
//! cargo run --release --example tune -- --demo 1 get       # anywhere, without root
//! sudo target/release/examples/tune set nf_conntrack_tcp_timeout_time_wait=30
//! target/release/examples/tune advise --peak 400000
//! ```

#[allow(dead_code)] // This one counts nothing.
mod common;

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use anstyle::Style;
use bytesize::ByteSize;
use clap::{Parser, Subcommand};
use comfy_table::{CellAlignment, Table, presets};
use common::Usage;
use ctnetlink::ErrorKind;
use ctnetlink::flow::{Protocol, Timeouts};
use ctnetlink::kernel::Version;
use ctnetlink::operate::tune::sizing::{
    Advice, Need, PerEntry, Sizes, advise, buckets_are_read_only, defaults, set_buckets,
};
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
        #[arg(value_name = "NAME=VALUE", required = true, value_parser = common::assignment)]
        assignments: Vec<(String, i64)>,
    },
    /// Show how long entries stay in each state, by netlink
    Timeouts {
        /// Only of this protocol: tcp, udp, icmp, icmpv6, gre, sctp or generic
        #[arg(value_name = "PROTOCOL", value_parser = protocol)]
        protocol: Option<Protocol>,
    },
    /// Say how large the table should be, and why
    Advise(Question),
}

#[derive(clap::Args)]
struct Question {
    /// The most entries there were at a time [default: as many as there are]
    #[arg(long, value_name = "N")]
    peak: Option<u64>,

    /// How much more is to fit
    #[arg(long, value_name = "FACTOR", default_value_t = 2.0)]
    growth: f64,

    /// Memory of the machine [default: this one's]
    #[arg(long, value_name = "SIZE")]
    ram: Option<ByteSize>,

    /// The kernel, 5.10 for example [default: this one]
    #[arg(long, value_name = "VERSION")]
    kernel: Option<Version>,

    /// Network namespaces that use the table
    #[arg(long, value_name = "N", default_value_t = 1)]
    namespaces: u64,
}

const PROTOCOLS: [(&str, Protocol); 7] = [
    ("tcp", Protocol::TCP),
    ("udp", Protocol::UDP),
    ("icmp", Protocol::ICMP),
    ("icmpv6", Protocol::ICMPV6),
    ("gre", Protocol::GRE),
    ("sctp", Protocol::SCTP),
    ("generic", Timeouts::GENERIC),
];

fn protocol(text: &str) -> Result<Protocol, String> {
    let found = PROTOCOLS.iter().find(|(name, _)| *name == text);
    let names = PROTOCOLS.map(|(name, _)| name).join(", ");
    found.map(|(_, protocol)| *protocol).ok_or(format!("there are {names}"))
}

fn main() -> ExitCode {
    common::exit(run(&common::arguments()))
}

fn run(options: &Options) -> common::Result {
    options.common.prepare()?;
    let mut out = common::stdout();
    let settings = || -> common::Result<Settings> {
        Ok(match options.common.namespace()? {
            Some(namespace) => Settings::of(&namespace)?,
            None => Settings::here(),
        })
    };
    let json = options.common.json;
    match &options.task {
        Task::Get { words, changed } => {
            let mut found = settings()?.all()?;
            found.retain(|setting| {
                let is_it = |word: &String| bare_name(word) == bare_name(&setting.name);
                let named =
                    words.iter().any(|word| setting.name.contains(word.as_str()) || is_it(word));
                (words.is_empty() || named) && (!changed || setting.is_default() == Some(false))
            });
            if found.is_empty() && !words.is_empty() && !changed {
                return Err(
                    Usage(format!("no setting has {} in its name", words.join(" or "))).into()
                );
            }
            if json { common::json(&found, &mut out)? } else { show(&found, &mut out)? }
        }
        Task::Set { assignments } => set(&settings()?, assignments, json, &mut out)?,
        Task::Timeouts { protocol } => timeouts(options, settings, *protocol, &mut out)?,
        Task::Advise(question) => {
            let (need, now) = question.ask(options)?;
            let advice = advise(&need);
            if json {
                let own = defaults(need.kernel, need.ram);
                common::json(&Document { now, own, advice: &advice }, &mut out)?;
            } else {
                explain(&need, now, &advice, &mut out)?;
            }
        }
    }
    out.flush()?;
    Ok(())
}

fn show(settings: &[Setting], out: &mut impl Write) -> common::Result {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["setting", "value", "", "default", "of", "what it does"]);
    for setting in settings {
        let default = setting.default.map_or("-".to_owned(), |default| default.to_string());
        let mark = if setting.is_default() == Some(false) { "*" } else { "" };
        let scope = match setting.scope {
            Scope::Namespace => "namespace",
            Scope::Host => "host",
            _ => "read only",
        };
        let cells =
            [&setting.name, &setting.value.to_string(), mark, &default, scope, setting.about];
        table.add_row(cells);
    }
    for column in [1, 3] {
        let column = table.column_mut(column).expect("a column");
        column.set_cell_alignment(CellAlignment::Right);
    }
    for row in table.lines() {
        writeln!(out, "{}", row.trim_end())?;
    }
    Ok(())
}

/// Sets one after the other; those before a failure stay set, and were shown.
fn set(
    settings: &Settings,
    assignments: &[(String, i64)],
    json: bool,
    out: &mut impl Write,
) -> common::Result {
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
        common::json(&done, out)?;
    }
    outcome
}

fn timeouts(
    options: &Options,
    settings: impl Fn() -> common::Result<Settings>,
    only: Option<Protocol>,
    out: &mut impl Write,
) -> common::Result {
    let mut reader = options.common.open()?;
    let mut found = Vec::new();
    let mut by_settings = false;
    for (name, protocol) in PROTOCOLS {
        if only.is_some_and(|only| only != protocol) {
            continue;
        }
        let timeouts = match reader.default_timeouts(protocol) {
            Ok(timeouts) => timeouts,
            Err(error) if matches!(error.kind(), ErrorKind::NotSupported { .. }) => {
                by_settings = true;
                read_settings(&settings()?, protocol)
            }
            Err(error) => return Err(error.into()),
        };
        found.push((name, timeouts));
    }
    if options.common.json {
        let found: std::collections::BTreeMap<_, _> = found.into_iter().collect();
        return Ok(common::json(&found, out)?);
    }
    if by_settings {
        writeln!(out, "this kernel has no timeouts by netlink; these are the settings")?;
    }
    for (name, timeouts) in found {
        for (state, timeout) in timeouts.iter() {
            writeln!(out, "{name:<8} {state:<18} {:>7} s", timeout.as_secs())?;
        }
    }
    Ok(())
}

/// The same from the settings, where the kernel lacks them by netlink.
fn read_settings(settings: &Settings, protocol: Protocol) -> Timeouts {
    let mut timeouts = Timeouts::of(protocol);
    for name in timeouts.names().collect::<Vec<_>>() {
        let setting = timeouts.setting(name).and_then(|setting| settings.get(&setting).ok());
        let seconds = setting.and_then(|setting| u64::try_from(setting.value).ok());
        if let Some(seconds) = seconds {
            timeouts.set(name, Duration::from_secs(seconds));
        }
    }
    timeouts
}

/// What `advise --json` prints.
#[derive(serde::Serialize)]
struct Document<'a> {
    now: Option<Sizes>,
    own: Sizes,
    advice: &'a Advice,
}

impl Question {
    /// What is needed, and the sizes there are now.
    fn ask(&self, options: &Options) -> common::Result<(Need, Option<Sizes>)> {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let kernel = match self.kernel {
            Some(kernel) => kernel,
            None => read("/proc/sys/kernel/osrelease").trim().parse()?,
        };
        let meminfo = read("/proc/meminfo");
        let total = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"));
        let total = total.and_then(|text| text.split_whitespace().next()?.parse::<u64>().ok());
        let ram = match self.ram {
            Some(size) => size.as_u64(),
            None => total.ok_or("say --ram: /proc/meminfo does not")? * 1024,
        };
        let settings = Settings::here();
        let value = |name: &str| u64::try_from(settings.get(name).ok()?.value).ok();
        let now = value("max").zip(value("buckets"));
        let peak = match self.peak {
            Some(peak) => peak,
            None => u64::from(options.common.open()?.count()?),
        };
        // Only root may read it.
        let per_entry = PerEntry::EXTENDED.with_slabinfo(&read("/proc/slabinfo"));
        let (growth, namespaces) = (self.growth, self.namespaces);
        let need = Need { kernel, ram, peak, growth, namespaces, per_entry };
        Ok((need, now.map(|(max, buckets)| Sizes { max, buckets })))
    }
}

fn explain(
    need: &Need,
    now: Option<Sizes>,
    advice: &Advice,
    out: &mut impl Write,
) -> common::Result {
    let bold = Style::new().bold();
    let own = defaults(need.kernel, need.ram);
    let ram = ByteSize(need.ram).display().iec();
    if let Some(Sizes { max, buckets }) = now {
        writeln!(out, "{bold}now{bold:#}      max {max}, buckets {buckets}")?;
    }
    let Sizes { max, buckets } = own;
    writeln!(
        out,
        "{bold}default{bold:#}  max {max}, buckets {buckets} (Linux {} with {ram})",
        need.kernel
    )?;
    let Sizes { max, buckets } = advice.sizes;
    let memory = ByteSize(advice.memory).display().iec();
    writeln!(
        out,
        "{bold}advice{bold:#}   max {max}, buckets {buckets}: {memory} when it is full, chains of {:.1}",
        advice.load
    )?;
    for reason in &advice.reasons {
        writeln!(out, "  - {}\n    ({})", reason.text, reason.source)?;
    }
    writeln!(
        out,
        "for now     tune set buckets={buckets} max={max}   (packets wait while buckets change: off-peak)"
    )?;
    if buckets_are_read_only(need.kernel) {
        let by_hand = set_buckets(need.kernel, buckets);
        writeln!(out, "by hand     {by_hand}   (Linux {} has no sysctl for it)", need.kernel)?;
    }
    writeln!(out, "for good    persist plan --max {max} --buckets {buckets}")?;
    Ok(())
}
