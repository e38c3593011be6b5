//! Who fills the connection-tracking table?
//!
//! ```text
//! cargo run --release --example top_sources -- --demo      # anywhere, without root
//! sudo target/release/examples/top_sources --by source/24,dport -n 20
//! sudo target/release/examples/top_sources 'state=SYN_SENT dport=443'
//! ```

#[allow(dead_code)] // This one changes nothing.
mod common;

use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use bytesize::ByteSize;
use clap::Parser;
use common::from::{From, Look};
use common::pace::Pace;
use common::selection::Selection;
use ctnetlink::aggregate::Measure;
use ctnetlink::field::{Key, Keys};
use ctnetlink::{Budget, DutyCycle, Query, Reader, Scan, ScanOptions};

/// Who fills the connection-tracking table: its entries grouped and counted, the largest first.
#[derive(Parser)]
#[command(after_help = common::AFTER_HELP, version)]
struct Options {
    #[command(flatten)]
    common: common::Shared,

    #[command(flatten)]
    from: From,

    #[command(flatten)]
    only: Selection,

    /// How many groups to show
    #[arg(short = 'n', value_name = "ROWS", default_value_t = 10)]
    rows: usize,

    /// What to group by: a comma list, such as source/24 or destination,dport
    #[arg(long, value_name = "KEYS", default_value = "source", long_help = keys())]
    by: Keys,

    /// What to rank groups by; packets and bytes are counted where nf_conntrack_acct is on
    #[arg(long, value_name = "flows|packets|bytes", default_value_t = Measure::Flows)]
    measure: Measure,

    /// Show how many different KEYS each group has: who scans has many dport or destination
    #[arg(long, value_name = "KEYS", conflicts_with = "sample")]
    unique: Option<Keys>,

    /// Show the groups in the order of their keys
    #[arg(long, conflicts_with = "sample")]
    sorted: bool,

    /// Keep no more groups than fit into SIZE (16MiB, say): beyond that, small ones are forgotten,
    /// and it is shown how much every group may have more
    #[arg(long, value_name = "SIZE")]
    memory: Option<ByteSize>,

    /// Look at N entries only, and estimate the rest: at a bounded cost, whatever the table's size
    #[arg(long, value_name = "N", conflicts_with_all = ["placement", "measure", "from"],
          value_parser = some)]
    sample: Option<u64>,

    /// Read the table by up to N dumps at once, each on a processor of its own
    #[arg(long, value_name = "N", default_value_t = 1, conflicts_with_all = ["sample", "placement", "from"])]
    threads: usize,

    /// Take SECS seconds at most, and estimate what was not seen by then
    #[arg(long, value_name = "SECS", conflicts_with_all = ["sample", "threads", "placement", "from"],
          value_parser = common::time)]
    within: Option<Duration>,

    /// Look twice, SECS seconds apart, and show what has begun meanwhile: new flows per second, or
    /// with --measure what they and the others have carried since [default SECS: 1]
    #[arg(long, value_name = "SECS", num_args = 0..=1, require_equals = true,
          default_missing_value = "1", value_parser = common::seconds,
          conflicts_with_all = ["sample", "threads", "within", "placement", "from"])]
    rate: Option<Duration>,

    /// Look again, SECS seconds after the last look
    #[arg(long, value_name = "SECS", value_parser = common::seconds, conflicts_with = "from")]
    watch: Option<Duration>,

    /// Use PERCENT of one processor at most: a look ends when it has used that part of the SECS of --watch, and the
    /// rest of the table is estimated. With --rate, --measure, --unique, --threads or --placement, every look is
    /// complete, and the pauses are longer instead
    #[arg(long, value_name = "PERCENT", requires = "watch", value_parser = duty)]
    duty: Option<DutyCycle>,
}

fn some(text: &str) -> Result<u64, String> {
    match text.parse() {
        Ok(0) | Err(_) => Err("a number of entries, 10000 for example".to_owned()),
        Ok(number) => Ok(number),
    }
}

fn duty(text: &str) -> Result<DutyCycle, String> {
    let percent = text.trim_end_matches('%').parse().ok();
    percent.and_then(DutyCycle::percent).ok_or("more than 0 and 100 at most".to_owned())
}

fn keys() -> String {
    let words = Key::words().map(|(word, meaning)| format!("\n  {word:<18} {meaning}"));
    format!("What to group by: a comma list of\n{}", words.collect::<String>())
}

fn main() -> ExitCode {
    common::exit(run(&common::arguments()))
}

fn run(options: &Options) -> common::Result {
    let mut query =
        Query::new().group_by(options.by.clone()).top(options.rows).measure(options.measure);
    if let Some(size) = options.memory {
        query = query.memory(usize::try_from(size.as_u64())?);
    }
    if let Some(fields) = &options.unique {
        query = query.unique(fields.clone());
    }
    if options.sorted {
        query = query.in_key_order();
    }
    let query = options.only.of(query)?;
    let json = options.common.json;
    if let Some(file) = &options.from.from {
        options.only.of_file()?;
        return Look::File(common::from::scan(file, &[query])?).print(json);
    }
    options.common.prepare()?;
    if options.only.explain(&options.common, &mut common::stdout())? {
        return Ok(());
    }
    let mut pace = Pace::new(options.duty);
    if let Some(pause) = options.rate {
        return rates(&query, pause, options, &mut pace);
    }
    loop {
        // A look begins with opening the socket, and so does its time.
        let start = Instant::now();
        let mut table = options.common.open()?;
        let opened = start.elapsed();
        clear(options)?;
        let budget = options.budget(&pace);
        let mut scan = pace.look(|| look(&mut table, &query, budget, options))?;
        scan.elapsed += opened;
        if options.sample.is_some() || scan.stopped.is_some() {
            let sample = scan.estimate();
            common::print(&sample, json, |out| Ok(common::sample::show(&sample, out)?))?;
        } else {
            Look::Table(scan).print(json)?;
        }
        let Some(pause) = options.watch else { return Ok(()) };
        pace.wait(pause);
    }
}

impl Options {
    /// What a look may cost; `None` if it is to be a whole one.
    fn budget(&self, pace: &Pace) -> Option<Budget> {
        // Only flows can be estimated, and only by one dump that shows all of them.
        let whole = self.measure != Measure::Flows || self.unique.is_some();
        let whole = whole || self.threads > 1 || self.only.is_placed();
        let part = self.watch.filter(|_| !whole).and_then(|watch| pace.time(watch));
        let time = [self.within, part].into_iter().flatten().min();
        let budget = self.sample.map(|entries| Budget::new().entries(entries));
        match time {
            Some(time) => Some(budget.unwrap_or_default().time(time)),
            None => budget,
        }
    }
}

/// Before a look that replaces another one.
fn clear(options: &Options) -> std::io::Result<()> {
    let screen = options.watch.is_some() && std::io::stdout().is_terminal();
    let replaces = screen && !options.common.json;
    if replaces { write!(common::stdout(), "{}", common::CLEAR) } else { Ok(()) }
}

/// Shows what is new at every look but the first.
fn rates(query: &Query, first: Duration, options: &Options, pace: &mut Pace) -> common::Result {
    let mut table = options.common.open()?;
    let mut last = table.baseline(query)?;
    let mut pause = first;
    loop {
        pace.wait(pause);
        let rates = table.rates(query, &mut last)?;
        clear(options)?;
        common::print(&rates, options.common.json, |out| {
            common::report::rates_header(&rates, out)?;
            common::report::notes(&rates.report, out)?;
            Ok(common::report::groups(&rates.report, Some(&rates), out)?)
        })?;
        let Some(watch) = options.watch else { return Ok(()) };
        pause = watch;
    }
}

/// Looks at the table in the way that is asked for.
fn look(
    table: &mut Reader,
    query: &Query,
    budget: Option<Budget>,
    options: &Options,
) -> common::Result<Scan> {
    if let Some(budget) = budget {
        return Ok(table.scan_with(query, &ScanOptions::new().budget(budget))?);
    }
    if options.threads > 1 {
        return Ok(table.scan_with(query, &ScanOptions::new().threads(options.threads))?);
    }
    common::progress::scan(table, query, options.only.placement())
}
