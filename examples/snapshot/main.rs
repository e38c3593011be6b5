//! The table in a file, and the file on any machine.
//!
//! ```text
//! sudo target/release/examples/snapshot save table.pcapng.zst
//! target/release/examples/snapshot show table.pcapng.zst --by source/24,dport
//! target/release/examples/snapshot convert table.pcapng.zst table.parquet
//! ```

#[allow(dead_code)] // This one reads a table once.
#[path = "../common/mod.rs"]
mod common;
mod convert;
mod diff;
mod output;
mod redact;
mod save;
mod sink;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use common::look::Look;
use ctnetlink::Query;
use ctnetlink::aggregate::Measure;
use ctnetlink::field::Keys;

/// The table in a file, and the file on any machine.
#[derive(Parser)]
#[command(after_help = AFTER_HELP, version)]
struct Options {
    #[command(flatten)]
    common: common::Shared,

    #[command(subcommand)]
    task: Task,
}

const AFTER_HELP: &str = "\
What is saved is a pcapng of netlink's messages, which Wireshark and tshark open, too. What is read is one of
these, a pcap that tcpdump -i nlmon0 has written, text that conntrack -L has printed, NDJSON or Parquet; all but
the last perhaps compressed (zstd). To save takes CAP_NET_ADMIN (sudo) or --demo; all else takes nothing, on any
machine.

Exit code: 0 done, 1 failed (or a file that is damaged), 2 not permitted or wrong arguments.";

#[derive(Subcommand)]
enum Task {
    /// Write the whole table into a file
    Save {
        /// The file, which must not be there yet; one that ends in .zst is compressed; - for the standard
        /// output
        file: PathBuf,
    },
    /// Group the entries of a file
    Show {
        /// The file; - for the standard input
        file: PathBuf,

        #[command(flatten)]
        grouping: Grouping,

        /// What to rank groups by
        #[arg(long, value_name = "flows|packets|bytes", default_value_t = Measure::Flows)]
        measure: Measure,
    },
    /// Say what two snapshots differ in: what has begun, ended and changed, and which groups grew
    Diff(diff::Arguments),
    /// Write the entries of a file in another form
    Convert(convert::Arguments),
    /// Write a capture with other addresses in place of the true ones, to be shown to others
    Redact(redact::Arguments),
}

/// By what entries are grouped, and which of them.
#[derive(clap::Args)]
struct Grouping {
    /// How many groups to show; of a difference, how many of those that grew, and of those that shrank
    #[arg(short = 'n', value_name = "ROWS", default_value_t = 10)]
    rows: usize,

    /// What to group by, as in top_sources
    #[arg(long, value_name = "KEYS", default_value = "source")]
    by: Keys,

    /// Only entries that FILTER is true of
    #[arg(value_name = "FILTER")]
    filter: Vec<String>,
}

impl Grouping {
    fn query(&self) -> common::Result<Query> {
        let filter = common::selection::filter(&self.filter.join(" "))?;
        Ok(Query::new().group_by(self.by.clone()).top(self.rows).filter(filter))
    }
}

fn main() -> ExitCode {
    common::exit(run(&common::arguments()))
}

fn run(options: &Options) -> common::Result {
    let common = &options.common;
    let of_kernel = common.demo.is_some() || common.netns.is_some();
    if of_kernel && !matches!(options.task, Task::Save { .. }) {
        return common::wrong("--demo and --netns are about the kernel's table, and go with save");
    }
    match &options.task {
        Task::Save { file } => save::run(options, file),
        Task::Diff(arguments) => diff::run(options, arguments),
        Task::Convert(arguments) => convert::run(options, arguments),
        Task::Redact(arguments) => redact::run(options, arguments),
        Task::Show { file, grouping, measure } => {
            let query = grouping.query()?.measure(*measure);
            Look::File(common::from::scan(file, &[query])?).print(common.json)
        }
    }
}
