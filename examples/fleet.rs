//! The table of this node among those of a fleet: as Parquet, in Hive's layout, for DuckDB, DataFusion,
//! ClickHouse, Spark or Athena to query as it is (docs/fleet.md).
//!
//! ```text
//! sudo target/release/examples/fleet /var/lib/fleet             # once an hour
//! cargo run --release --example fleet -- /tmp/fleet --demo      # anywhere, without root
//! ```

#[allow(dead_code)] // This one shows no groups.
mod common;

use std::fs::File;
use std::io::Write;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use bytesize::ByteSize;
use clap::Parser;
use common::Usage;
use common::from::From;
use ctnetlink::DumpOptions;
use ctnetlink::aggregate::Aggregator;
use ctnetlink::escape::Escaped;
use ctnetlink::files::TableFacts;
use ctnetlink::files::parquet::{PartFile, Partition, Reader, Writer};
use ctnetlink::files::rows::{Record, Rollup, Row, TableStatus};
use ctnetlink::flow::FlowRef;
use ctnetlink::origin::{Origin, Timestamp};

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

/// A file that was written, as `--json` tells it.
#[derive(serde::Serialize)]
struct Written {
    table: &'static str,
    file: String,
    rows: u64,
    size: u64,
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
    let report = std::mem::replace(&mut look.rollup, Aggregator::new(&Rollup::query())).finish();
    let rollup = Rollup::of(&report, &look.facts.origin);
    let mut level = TableStatus::of(&look.facts);
    level.entries = level.entries.or(Some(look.entries));
    let mut files = vec![look.write("level", vec![level])?, look.write("rollup", rollup)?];
    if let Some(flows) = look.flows.take() {
        files.push(flows.finish(&look.facts)?);
    }
    let document = Document {
        node: look.facts.origin.node.unwrap_or_default(),
        observed_at: look.facts.origin.time.map(|time| time.to_string()).unwrap_or_default(),
        entries: look.entries,
        complete: look.facts.complete,
        files,
    };
    let mut out = common::stdout();
    if options.common.json {
        return Ok(common::json(&document, &mut out)?);
    }
    writeln!(out, "{} entries of {}", document.entries, Escaped(&document.node))?;
    for Written { file, rows, size, .. } in &document.files {
        let size = ByteSize(*size).display().iec().to_string();
        writeln!(out, "{rows:>9} rows, {size:>9}, in {}", Escaped(file))?;
    }
    if document.complete == Some(false) {
        writeln!(out, "note: not all of the table was seen")?;
    }
    Ok(())
}

/// A table as it is seen, once.
struct Look {
    place: Place,
    facts: TableFacts,
    rollup: Aggregator,
    flows: Option<Flows>,
    entries: u64,
}

impl Look {
    fn begin(mut facts: TableFacts, options: &Options) -> common::Result<Self> {
        let said = Origin { node: options.node.clone(), time: options.at, ..Origin::default() };
        facts.origin = said.or(facts.origin);
        let partition = Partition::of(&facts.origin).ok_or_else(|| {
            let missing = match facts.origin.time {
                None => "when it was: say --at",
                Some(_) => "of which node it is: say --node",
            };
            Usage(format!("the file does not say {missing}"))
        })?;
        let mut place = Place { root: options.root.clone(), partition, part: "part".to_owned() };
        match (&options.part, facts.origin.netns_inode) {
            (Some(part), _) => place.part.clone_from(part),
            // Two namespaces of a node are two files.
            (None, Some(inode)) if options.common.netns.is_some() || place.is_of_other(inode) => {
                place.part = format!("part-{inode}");
            }
            _ => {}
        }
        let flows = options.flows.then(|| Flows::begin(&place)).transpose()?;
        let rollup = Aggregator::new(&Rollup::query());
        Ok(Self { place, facts, rollup, flows, entries: 0 })
    }

    fn of_table(table: &mut ctnetlink::Reader, options: &Options) -> common::Result<Self> {
        let facts = table.facts()?;
        let bar = common::progress(facts.before)?;
        let mut look = Self::begin(facts, options)?;
        let mut dump = table.dump(DumpOptions::new())?;
        let mut malformed = 0;
        while let Some(batch) = dump.next_batch()? {
            for flow in batch.flows() {
                match flow {
                    Ok(flow) => look.take(&flow)?,
                    Err(_) => malformed += 1,
                }
            }
            bar.set_position(look.entries);
        }
        bar.finish_and_clear();
        let end = dump.end();
        look.facts.complete = Some(!end.interrupted && malformed == 0);
        look.facts.after = Some(table.limits()?.entries.into());
        Ok(look)
    }

    fn of_file(file: &Path, options: &Options) -> common::Result<Self> {
        let mut snapshot = common::from::open(file).map_err(|error| Usage(error.to_string()))?;
        let facts = snapshot.facts().clone();
        let bar = common::progress(facts.after.or(facts.before))?;
        let mut look = Self::begin(facts, options)?;
        let broken = snapshot.try_for_each(|flow| {
            if look.entries % 1024 == 0 {
                bar.set_position(look.entries);
            }
            match look.take(flow) {
                Ok(()) => ControlFlow::Continue(()),
                Err(error) => ControlFlow::Break(error),
            }
        })?;
        bar.finish_and_clear();
        if let ControlFlow::Break(error) = broken {
            return Err(error);
        }
        // A part of a table would take the place of the whole of it.
        let end = snapshot.end();
        common::from::outcome(file, &end)?;
        common::from::of_one_table(file, &end)?;
        if end.entries == 0 && end.complete.is_none() {
            return Err(Usage(format!("{}: there is no entry in it", file.display())).into());
        }
        look.facts.after = snapshot.facts().after;
        look.facts.complete = end.complete;
        Ok(look)
    }

    fn take(&mut self, flow: &FlowRef<'_>) -> common::Result {
        self.entries += 1;
        self.rollup.record(flow);
        if let Some(flows) = &mut self.flows {
            flows.writer.push(Record::from(flow).observed(&self.facts.origin))?;
            flows.rows += 1;
        }
        Ok(())
    }

    fn write<R: Row>(&self, table: &'static str, rows: Vec<R>) -> common::Result<Written> {
        let mut writer = self.place.create::<R>(table)?;
        let number = rows.len() as u64;
        for row in rows {
            writer.push(row)?;
        }
        finish(table, writer, number)
    }
}

/// Where the files go.
struct Place {
    root: PathBuf,
    partition: Partition,
    part: String,
}

impl Place {
    /// Whether the file there is of another namespace than this one.
    fn is_of_other(&self, inode: u32) -> bool {
        let name = format!("{}.parquet", self.part);
        let file = self.root.join("level").join(self.partition.path()).join(name);
        let level = File::open(file).ok().and_then(|file| Reader::<TableStatus>::new(file).ok());
        let row = level.and_then(|mut rows| rows.next()?.ok());
        row.and_then(|row| row.netns_inode).is_some_and(|found| found != inode)
    }

    fn create<R: Row>(&self, table: &str) -> common::Result<Writer<PartFile, R>> {
        let file = self.partition.create(&self.root.join(table), &self.part);
        let named = |error| Usage(format!("{}: {error}", self.root.display()));
        Ok(Writer::partitioned(file.map_err(named)?)?)
    }
}

/// The file of every flow, which is written while they stream past.
struct Flows {
    writer: Writer<PartFile, Record>,
    rows: u64,
}

impl Flows {
    fn begin(place: &Place) -> common::Result<Self> {
        Ok(Self { writer: place.create("flows")?, rows: 0 })
    }

    fn finish(mut self, facts: &TableFacts) -> common::Result<Written> {
        self.writer.facts(facts);
        finish("flows", self.writer, self.rows)
    }
}

fn finish<R: Row>(
    table: &'static str,
    writer: Writer<PartFile, R>,
    rows: u64,
) -> common::Result<Written> {
    let (path, size) = writer.finish()?.finish()?;
    Ok(Written { table, file: path.display().to_string(), rows, size })
}
