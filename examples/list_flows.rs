//! The entries of the table, one a line: as `conntrack -L` prints them, as JSON, or as CSV.
//!
//! ```text
//! cargo run --release --example list_flows -- --demo 1000 --limit 5
//! sudo target/release/examples/list_flows 'proto=tcp dport=443 unreplied' -o extended
//! ```

#[allow(dead_code)] // This one neither groups nor watches.
mod common;

use std::io::{BufWriter, IsTerminal, Write};
use std::ops::ControlFlow;
use std::path::Path;
use std::process::ExitCode;
use std::time::SystemTime;

use clap::{Parser, ValueEnum};
use common::Usage;
use common::from::From;
use common::lines::Format;
use common::selection::Selection;
use ctnetlink::flow::FlowRef;
use ctnetlink::origin::Origin;
use ctnetlink::{DumpOptions, List};

/// The entries of the table, one a line, as they stream past: a table of any size takes no memory.
#[derive(Parser)]
#[command(after_help = common::AFTER_HELP, version)]
struct Options {
    #[command(flatten)]
    common: common::Shared,

    #[command(flatten)]
    from: From,

    #[command(flatten)]
    only: Selection,

    /// How: plain, extended, id (or extended,id) as `conntrack` prints them; save, which `conntrack -R`
    /// loads; json, ndjson, csv
    #[arg(short, long, value_name = "FORMAT", default_value = "plain")]
    output: Format,

    /// Stop after N entries
    #[arg(long, value_name = "N", default_value_t = u64::MAX, hide_default_value = true)]
    limit: u64,

    /// Another list of the kernel's than the table
    #[arg(long, value_enum, default_value_t = Which::Table, conflicts_with = "from")]
    list: Which,
}

#[derive(Clone, Copy, ValueEnum)]
enum Which {
    /// The table
    Table,
    /// Entries that are gone, but whose end a listener did not take notice of
    Dying,
    /// Entries of packets on their way through; none on kernels from 5.19 on
    Unconfirmed,
}

fn main() -> ExitCode {
    common::exit(run(&common::arguments()))
}

fn run(options: &Options) -> common::Result {
    let format = if options.common.json { Format::Json } else { options.output };
    let mut out = BufWriter::with_capacity(64 * 1024, common::stdout());
    if let Some(file) = &options.from.from {
        return from_file(file, format, options, &mut out);
    }
    let list = match options.list {
        Which::Table => List::Table,
        Which::Dying => List::Dying,
        Which::Unconfirmed => List::Unconfirmed,
    };
    let mut dump = DumpOptions::new().filter(options.only.filter()?).list(list);
    if let Some(placement) = options.only.placement() {
        dump = dump.placement(placement);
    }
    options.common.prepare()?;
    if options.only.explain(&options.common, &mut out)? {
        return Ok(out.flush()?);
    }
    let mut table = options.common.open()?;
    let seen = table.observe();
    let mut dump = table.dump(dump)?;
    let mut shown = Shown { format, limit: options.limit, ..Shown::default() };
    format.begin(&mut out)?;
    while !shown.is_enough() {
        let Some(batch) = dump.next_batch()? else { break };
        for flow in batch.flows() {
            match flow {
                Ok(flow) => shown.show(&flow, &seen, &mut out)?,
                Err(_) => shown.malformed += 1,
            }
            if shown.is_enough() {
                break;
            }
        }
    }
    let end = dump.end();
    shown.finish(end.undecided, !end.interrupted, &mut out)?;
    if shown.malformed > 0 {
        eprintln!("note: {} entries could not be read", shown.malformed);
    }
    Ok(())
}

/// The entries of a file.
fn from_file(
    file: &Path,
    format: Format,
    options: &Options,
    out: &mut impl Write,
) -> common::Result {
    let filter = options.only.of_file()?;
    let mut snapshot = common::from::open(file).map_err(|error| Usage(error.to_string()))?;
    let mut shown = Shown { format, limit: options.limit, ..Shown::default() };
    let seen = snapshot.facts().origin.clone();
    let moment = seen.time.map_or_else(SystemTime::now, SystemTime::from);
    let mut undecided = 0;
    format.begin(out)?;
    let broken = if shown.is_enough() {
        ControlFlow::Break(Ok(()))
    } else {
        snapshot.try_for_each(|flow| {
            match filter.judge(flow, moment) {
                Some(false) => return ControlFlow::Continue(()),
                None => undecided += 1,
                Some(true) => {
                    if let Err(error) = shown.show(flow, &seen, out) {
                        return ControlFlow::Break(Err(error));
                    }
                }
            }
            if shown.is_enough() { ControlFlow::Break(Ok(())) } else { ControlFlow::Continue(()) }
        })?
    };
    let cut = broken.is_break();
    if let ControlFlow::Break(outcome) = broken {
        outcome?;
    }
    let end = snapshot.end();
    shown.malformed = end.malformed;
    shown.finish(undecided, end.complete != Some(false), out)?;
    if cut {
        return Ok(());
    }
    let unsaid = common::from::unsaid(&end, &filter, &[]);
    for note in common::from::notes(&end).into_iter().chain(unsaid) {
        common::tell("note", note);
    }
    if format.is_record() {
        // They would all say the place and time of the first.
        common::from::of_one_table(file, &end)?;
    }
    common::from::outcome(file, &end)
}

/// What was shown so far.
struct Shown {
    format: Format,
    limit: u64,
    shown: u64,
    malformed: u64,
    /// There are more than were to be shown.
    cut: bool,
}

impl Default for Shown {
    fn default() -> Self {
        let format = Format::Line { extended: false, id: false };
        Self { format, limit: u64::MAX, shown: 0, malformed: 0, cut: false }
    }
}

impl Shown {
    /// Whether there is no use in more of them.
    fn is_enough(&self) -> bool {
        self.cut || self.limit == 0
    }

    fn show(&mut self, flow: &FlowRef<'_>, seen: &Origin, out: &mut impl Write) -> common::Result {
        self.cut |= self.shown == self.limit;
        if !self.cut {
            self.format.write(flow, seen, self.shown == 0, out)?;
            self.shown += 1;
        }
        Ok(())
    }

    fn finish(&self, undecided: u64, complete: bool, out: &mut impl Write) -> common::Result {
        let Self { shown, malformed, .. } = *self;
        let complete = complete && !self.is_enough() && malformed == 0;
        self.format.end(shown, undecided, complete, out)?;
        // A person is told how much there was; what is missing, everybody.
        if std::io::stderr().is_terminal() {
            eprintln!("{shown} entries shown{}", if self.cut { "; there are more" } else { "" });
        }
        if undecided > 0 {
            eprintln!("note: {undecided} entries lack what the filter is about, and are left out");
        }
        Ok(())
    }
}
