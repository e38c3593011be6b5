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
    let mut shown = Shown { format, limit: options.limit, shown: 0, is_enough: options.limit == 0 };
    match &options.from.from {
        Some(file) => of_file(file, options, &mut shown, &mut out),
        None => of_table(options, &mut shown, &mut out),
    }
}

fn of_table(options: &Options, shown: &mut Shown, out: &mut impl Write) -> common::Result {
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
    if options.only.explain(&options.common, out)? {
        return Ok(out.flush()?);
    }
    let mut table = options.common.open()?;
    let seen = table.observe();
    let mut dump = table.dump(dump)?;
    let mut malformed = 0;
    shown.format.begin(out)?;
    while !shown.is_enough {
        let Some(batch) = dump.next_batch()? else { break };
        for flow in batch.flows() {
            match flow {
                Ok(flow) => shown.show(&flow, &seen, out)?,
                Err(_) => malformed += 1,
            }
            if shown.is_enough {
                break;
            }
        }
    }
    let end = dump.end();
    shown.finish(end.undecided, !end.interrupted && malformed == 0, out)?;
    if malformed > 0 {
        eprintln!("note: {malformed} entries could not be read");
    }
    Ok(())
}

fn of_file(
    file: &Path,
    options: &Options,
    shown: &mut Shown,
    out: &mut impl Write,
) -> common::Result {
    let filter = options.only.of_file()?;
    let mut snapshot = common::from::open(file)?;
    let seen = snapshot.facts().origin.clone();
    let moment = seen.time.map_or_else(SystemTime::now, SystemTime::from);
    let mut undecided = 0;
    shown.format.begin(out)?;
    if !shown.is_enough {
        let broken = snapshot.try_for_each(|flow| {
            let outcome = match filter.judge(flow, moment) {
                Some(true) => shown.show(flow, &seen, out),
                judged => {
                    undecided += u64::from(judged.is_none());
                    Ok(())
                }
            };
            match outcome {
                Ok(()) if !shown.is_enough => ControlFlow::Continue(()),
                outcome => ControlFlow::Break(outcome),
            }
        })?;
        if let ControlFlow::Break(outcome) = broken {
            outcome?;
        }
    }
    let end = snapshot.end();
    shown.finish(undecided, end.complete != Some(false) && end.malformed == 0, out)?;
    if shown.is_enough {
        return Ok(());
    }
    let unsaid = common::from::unsaid(&end, &filter, &[]);
    end.notes().into_iter().chain(unsaid).for_each(|note| common::tell("note", note));
    if shown.format.is_record() {
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
    /// There is no use in more of them: there are more than were to be shown.
    is_enough: bool,
}

impl Shown {
    fn show(&mut self, flow: &FlowRef<'_>, seen: &Origin, out: &mut impl Write) -> common::Result {
        self.is_enough = self.shown == self.limit;
        if !self.is_enough {
            self.format.write(flow, seen, self.shown == 0, out)?;
            self.shown += 1;
        }
        Ok(())
    }

    fn finish(&self, undecided: u64, complete: bool, out: &mut impl Write) -> common::Result {
        self.format.end(self.shown, undecided, complete && !self.is_enough, out)?;
        // A person is told how much there was; what is missing, everybody.
        if std::io::stderr().is_terminal() {
            let more = if self.is_enough && self.limit > 0 { "; there are more" } else { "" };
            eprintln!("{} entries shown{more}", self.shown);
        }
        if undecided > 0 {
            eprintln!("note: {undecided} entries lack what the filter is about, and are left out");
        }
        Ok(())
    }
}
