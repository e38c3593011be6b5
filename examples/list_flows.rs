//! The entries of the table, one a line: as `conntrack -L` prints them, as JSON, or as CSV.
//!
//! ```text
//! cargo run --release --example list_flows -- --demo 1000 --limit 5
//! sudo target/release/examples/list_flows 'proto=tcp dport=443 unreplied' -o extended
//! ```

#[allow(dead_code)] // This one neither groups nor watches.
mod common;

use std::io::{BufWriter, IsTerminal, Write};
use std::process::ExitCode;
use std::str::FromStr;

use clap::{Parser, ValueEnum};
use common::selection::Selection;
use ctnetlink::export::{Line, Record};
use ctnetlink::flow::FlowRef;
use ctnetlink::{DumpEnd, DumpOptions, List};

/// The entries of the table, one a line, as they stream past: a table of any size takes no memory.
#[derive(Parser)]
#[command(after_help = common::AFTER_HELP, version)]
struct Options {
    #[command(flatten)]
    common: common::Shared,

    #[command(flatten)]
    only: Selection,

    /// How: plain, extended, id (or extended,id) as `conntrack` prints them; json, ndjson, csv
    #[arg(short, long, value_name = "FORMAT", default_value = "plain")]
    output: Format,

    /// Stop after N entries
    #[arg(long, value_name = "N", default_value_t = u64::MAX, hide_default_value = true)]
    limit: u64,

    /// Another list of the kernel's than the table
    #[arg(long, value_enum, default_value_t = Which::Table)]
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

#[derive(Clone, Copy, PartialEq)]
enum Format {
    Line { extended: bool, id: bool },
    Json,
    Ndjson,
    Csv,
}

impl FromStr for Format {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "json" => return Ok(Self::Json),
            "ndjson" => return Ok(Self::Ndjson),
            "csv" => return Ok(Self::Csv),
            _ => {}
        }
        let (mut extended, mut id) = (false, false);
        for word in text.split(',') {
            match word {
                "plain" => {}
                "extended" => extended = true,
                "id" => id = true,
                _ => {
                    return Err(format!(
                        "{word:?} is none of plain, extended, id, json, ndjson, csv"
                    ));
                }
            }
        }
        Ok(Self::Line { extended, id })
    }
}

fn main() -> ExitCode {
    common::exit(run(&Options::parse()))
}

fn run(options: &Options) -> common::Result {
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
    let mut out = BufWriter::with_capacity(64 * 1024, std::io::stdout().lock());
    if options.only.explain(&options.common, &mut out)? {
        return Ok(out.flush()?);
    }
    let format = if options.common.json { Format::Json } else { options.output };
    let mut table = options.common.open()?;
    let mut dump = table.dump(dump)?;
    match format {
        Format::Json => write!(out, "{{\"flows\":[")?,
        Format::Csv => writeln!(out, "{}", Record::COLUMNS.join(","))?,
        _ => {}
    }
    let (mut shown, mut malformed) = (0, 0_u64);
    let mut cut = options.limit == 0;
    while let Some(batch) = if cut { None } else { dump.next_batch()? } {
        for flow in batch.flows() {
            let Ok(flow) = flow else {
                malformed += 1;
                continue;
            };
            cut = shown == options.limit;
            if cut {
                break;
            }
            show(&flow, format, shown == 0, &mut out)?;
            shown += 1;
        }
    }
    finish(format, shown, cut, malformed, dump.end(), &mut out)?;
    out.flush()?;
    Ok(())
}

fn show(flow: &FlowRef<'_>, format: Format, first: bool, out: &mut impl Write) -> common::Result {
    match format {
        Format::Line { extended, id } => {
            writeln!(out, "{}", Line::of(flow).extended(extended).id(id))?;
        }
        Format::Csv => writeln!(out, "{}", Record::from(flow).csv())?,
        Format::Ndjson => common::json(&Record::from(flow), out)?,
        Format::Json => {
            write!(out, "{}", if first { "" } else { "," })?;
            serde_json::to_writer(&mut *out, &Record::from(flow)).map_err(std::io::Error::from)?;
        }
    }
    Ok(())
}

fn finish(
    format: Format,
    shown: u64,
    cut: bool,
    malformed: u64,
    end: DumpEnd,
    out: &mut impl Write,
) -> common::Result {
    let complete = !cut && malformed == 0 && !end.interrupted;
    let undecided = end.undecided;
    if format == Format::Json {
        writeln!(out, "],\"shown\":{shown},\"undecided\":{undecided},\"complete\":{complete}}}")?;
    }
    out.flush()?;
    // A person is told how much there was; what is missing, everybody.
    if std::io::stderr().is_terminal() {
        eprintln!("{shown} entries shown{}", if cut { "; there are more" } else { "" });
    }
    if undecided > 0 {
        eprintln!("note: {undecided} entries lack what the filter is about, and are left out");
    }
    if malformed > 0 {
        eprintln!("note: {malformed} entries could not be read");
    }
    Ok(())
}
