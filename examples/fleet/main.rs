//! The table of this node among those of a fleet: as Parquet, in Hive's layout, for DuckDB, DataFusion,
//! ClickHouse, Spark or Athena to query as it is (docs/fleet.md).
//!
//! ```text
//! sudo target/release/examples/fleet /var/lib/fleet             # once an hour
//! cargo run --release --example fleet -- /tmp/fleet --demo      # anywhere, without root
//! ```

#[allow(dead_code)] // This one shows no groups.
#[path = "../common/mod.rs"]
mod common;
mod look;
mod place;

use std::path::PathBuf;
use std::process::ExitCode;

use bytesize::ByteSize;
use clap::Parser;
use common::from::From;
use ctnetlink::escape::Escaped;
use ctnetlink::files::TableFacts;
use ctnetlink::origin::Timestamp;
use look::Look;
use place::Written;

/// The table of this node among those of a fleet: as Parquet, in Hive's layout.
///
/// Below ROOT it writes level/ (how full the table is: a row) and rollup/ (entries by network of sources,
/// protocol, port and state: some thousand rows, a hundred thousand in a flood) and, if they are asked for, flows/ (every entry), each as
/// dt=.../hour=.../node=.../part.parquet.
#[derive(Parser)]
#[command(after_help = AFTER_HELP, version)]
struct Options {
    #[command(flatten)]
    common: common::Shared,

    #[command(flatten)]
    from: From,

    /// The folder of the fleet's tables; it may be on shared storage
    root: PathBuf,

    /// Every flow as well, at 15 to 20 bytes each and 80 MB of memory
    #[arg(long)]
    flows: bool,

    /// The name of the node [default: its host name, or what --from says]
    #[arg(long, value_name = "NAME")]
    node: Option<String>,

    /// When the table was looked at, such as 2026-11-21T10:00:00Z [default: what --from says]
    #[arg(long, value_name = "TIME", requires = "from")]
    at: Option<Timestamp>,

    /// The name of the files; an earlier one of the same node and hour is replaced [default: part, and with
    /// --netns, or beside files of another namespace, part- and its number]
    #[arg(long, value_name = "NAME", value_parser = part)]
    part: Option<String>,
}

const AFTER_HELP: &str = "\
To look at the table takes CAP_NET_ADMIN (sudo); --demo fills a private table, and --from takes one out of a file.
Files are written whole or not at all, and not from a damaged file. docs/fleet.md has the queries.

Exit code: 0 done, 1 failed, 2 not permitted or wrong arguments.";

fn part(text: &str) -> Result<String, String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        Ok(text.to_owned())
    } else {
        Err("letters, digits, - and _".to_owned())
    }
}

fn main() -> ExitCode {
    common::exit(run(&common::arguments()))
}

/// What `--json` prints.
#[derive(serde::Serialize)]
struct Document {
    node: String,
    observed_at: String,
    entries: u64,
    /// Null where --from does not say it.
    complete: Option<bool>,
    files: Vec<Written>,
}

fn run(options: &Options) -> common::Result {
    options.common.prepare()?;
    let mut look = match &options.from.from {
        Some(file) => Look::of_file(file, options)?,
        None => Look::of_table(&mut options.common.open()?, options)?,
    };
    let files = look.files()?;
    let TableFacts { origin, complete, .. } = look.facts;
    let document = Document {
        node: origin.node.unwrap_or_default(),
        observed_at: origin.time.map(|time| time.to_string()).unwrap_or_default(),
        entries: look.entries,
        complete,
        files,
    };
    common::print(&document, options.common.json, |out| {
        writeln!(out, "{} entries of {}", document.entries, Escaped(&document.node))?;
        for Written { file, rows, size, .. } in &document.files {
            let size = ByteSize(*size).display().iec().to_string();
            writeln!(out, "{rows:>9} rows, {size:>9}, in {}", Escaped(file))?;
        }
        if document.complete == Some(false) {
            writeln!(out, "note: not all of the table was seen")?;
        }
        Ok(())
    })
}
