//! Will the settings outlive the next boot?
//!
//! ```text
//! target/release/examples/persist audit
//! target/release/examples/persist plan --max 1048576 --buckets 1048576
//! sudo target/release/examples/persist apply --max 1048576 --buckets 1048576 --yes
//! ```

#[allow(dead_code)] // This one looks at files alone.
mod common;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use common::{findings, wrong};
use ctnetlink::escape::Escaped;
use ctnetlink::operate::persist::{Audit, FilePlan, Want, apply, audit};

/// Will the table's settings outlive the next boot?
#[derive(Parser)]
#[command(after_help = AFTER_HELP, version)]
struct Options {
    /// The machine whose files are meant: / or a copy of one
    #[arg(long, value_name = "DIR", default_value = "/", global = true)]
    root: PathBuf,

    /// Print JSON: one document, on one line
    #[arg(long, global = true)]
    json: bool,

    #[command(subcommand)]
    task: Task,
}

const AFTER_HELP: &str = "\
Only files below --root are read, and only apply --yes writes any. Settings files are read as
systemd-sysctl reads them at boot; sysctl --system of procps differs here and there.

Exit code of audit: 0 fine, 1 a warning, 2 critical (or wrong arguments); else 0 done, 1 failed.";

#[derive(Subcommand)]
enum Task {
    /// Say which file sets what at boot, and what is wrong with that
    Audit,
    /// Show the files that make settings last
    Plan(Wanted),
    /// Write them, with --yes
    Apply {
        #[command(flatten)]
        wanted: Wanted,

        /// Really write them
        #[arg(long)]
        yes: bool,
    },
}

#[derive(clap::Args)]
struct Wanted {
    /// The most entries
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=0x7fff_ffff))]
    max: Option<u64>,

    /// The buckets; as many as entries make short chains
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=0x7fff_ffff))]
    buckets: Option<u64>,

    /// Other settings, tcp_timeout_time_wait=30 for example
    #[arg(value_name = "NAME=VALUE", value_parser = common::values::assignment)]
    settings: Vec<(String, i64)>,
}

fn main() -> ExitCode {
    common::exit_as(run(&common::arguments()))
}

fn run(options: &Options) -> common::Result<ExitCode> {
    if !options.root.is_dir() {
        return wrong(format_args!("--root {}: no directory", options.root.display()));
    }
    match &options.task {
        Task::Audit => {
            let audit = audit(&options.root);
            common::print(&audit, options.json, |out| {
                show(&audit, out)?;
                Ok(findings::whose_commands(&options.root, &audit.findings, out)?)
            })?;
            return Ok(findings::severity(&audit.findings));
        }
        Task::Apply { wanted, yes: true } => {
            let written = apply(&options.root, &wanted.want()?)?;
            common::print(&written, options.json, |out| {
                for file in &written {
                    let what = if file.changed { "written" } else { "unchanged" };
                    writeln!(out, "{}: {what}", Escaped(&file.path))?;
                }
                Ok(writeln!(out, "It takes effect at the next boot; for now: tune set.")?)
            })?;
        }
        Task::Plan(wanted) | Task::Apply { wanted, yes: false } => {
            let plan = FilePlan::new(&options.root, &wanted.want()?);
            common::print(&plan, options.json, |out| Ok(write!(out, "{plan}")?))?;
            if let Task::Apply { .. } = options.task {
                eprintln!("nothing was written; --yes writes it");
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

impl Wanted {
    fn want(&self) -> common::Result<Want> {
        if self.max.is_none() && self.buckets.is_none() && self.settings.is_empty() {
            return wrong("say what is to last: --max, --buckets or NAME=VALUE");
        }
        let mut want = Want::new();
        if let Some(max) = self.max {
            want = want.max(max);
        }
        if let Some(buckets) = self.buckets {
            want = want.buckets(buckets);
        }
        for (name, value) in &self.settings {
            want = want.setting(name, *value);
        }
        Ok(want)
    }
}

fn show(audit: &Audit, out: &mut dyn Write) -> common::Result {
    for setting in &audit.settings {
        writeln!(out, "{setting}")?;
        for (file, line) in &setting.overridden {
            writeln!(out, "  overridden: {}, line {line}", Escaped(file))?;
        }
    }
    if audit.settings.is_empty() {
        writeln!(out, "no file sets anything of connection tracking")?;
    }
    Ok(findings::show(&audit.findings, out)?)
}
