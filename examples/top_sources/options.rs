//! What top_sources is asked for.

use std::time::Duration;

use bytesize::ByteSize;
use clap::Parser;
use ctnetlink::aggregate::Measure;
use ctnetlink::field::{Key, Keys};
use ctnetlink::{Budget, DutyCycle, Query};

use crate::common;
use crate::common::from::From;
use crate::common::pace::Pace;
use crate::common::selection::Selection;

/// Who fills the connection-tracking table: its entries grouped and counted, the largest first.
#[derive(Parser)]
#[command(after_help = common::AFTER_HELP, version)]
pub struct Options {
    #[command(flatten)]
    pub common: common::Shared,

    #[command(flatten)]
    pub from: From,

    #[command(flatten)]
    pub only: Selection,

    /// How many groups to show
    #[arg(short = 'n', value_name = "ROWS", default_value_t = 10)]
    pub rows: usize,

    /// What to group by: a comma list, such as source/24 or destination,dport
    #[arg(long, value_name = "KEYS", default_value = "source", long_help = keys())]
    pub by: Keys,

    /// What to rank groups by; packets and bytes are counted where nf_conntrack_acct is on
    #[arg(long, value_name = "flows|packets|bytes", default_value_t = Measure::Flows)]
    pub measure: Measure,

    /// Show how many different KEYS each group has: who scans has many dport or destination
    #[arg(long, value_name = "KEYS", conflicts_with = "sample")]
    pub unique: Option<Keys>,

    /// Show the groups in the order of their keys
    #[arg(long, conflicts_with = "sample")]
    pub sorted: bool,

    /// Keep no more groups than fit into SIZE (16MiB, say): beyond that, small ones are forgotten,
    /// and it is shown how much every group may have more
    #[arg(long, value_name = "SIZE")]
    pub memory: Option<ByteSize>,

    /// Look at N entries only, and estimate the rest: at a bounded cost, whatever the table's size
    #[arg(long, value_name = "N", conflicts_with_all = ["placement", "measure", "from"],
          value_parser = some)]
    pub sample: Option<u64>,

    /// Read the table by up to N dumps at once, each on a processor of its own
    #[arg(long, value_name = "N", default_value_t = 1, conflicts_with_all = ["sample", "placement", "from"])]
    pub threads: usize,

    /// Take SECS seconds at most, and estimate what was not seen by then
    #[arg(long, value_name = "SECS", conflicts_with_all = ["sample", "threads", "placement", "from"],
          value_parser = common::values::time)]
    pub within: Option<Duration>,

    /// Look twice, SECS seconds apart, and show what has begun meanwhile: new flows per second, or
    /// with --measure what they and the others have carried since [default SECS: 1]
    #[arg(long, value_name = "SECS", num_args = 0..=1, require_equals = true,
          default_missing_value = "1", value_parser = common::values::seconds,
          conflicts_with_all = ["sample", "threads", "within", "placement", "from"])]
    pub rate: Option<Duration>,

    /// Look again, SECS seconds after the last look
    #[arg(long, value_name = "SECS", value_parser = common::values::seconds, conflicts_with = "from")]
    pub watch: Option<Duration>,

    /// Use PERCENT of one processor at most: a look ends when it has used that part of the SECS of --watch, and the
    /// rest of the table is estimated. With --rate, --measure, --unique, --threads or --placement, every look is
    /// complete, and the pauses are longer instead
    #[arg(long, value_name = "PERCENT", requires = "watch", value_parser = duty)]
    pub duty: Option<DutyCycle>,
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

impl Options {
    /// What is asked.
    pub fn query(&self) -> common::Result<Query> {
        let mut query = Query::new().group_by(self.by.clone()).top(self.rows).measure(self.measure);
        if let Some(size) = self.memory {
            query = query.memory(usize::try_from(size.as_u64())?);
        }
        if let Some(fields) = &self.unique {
            query = query.unique(fields.clone());
        }
        if self.sorted {
            query = query.in_key_order();
        }
        self.only.of(query)
    }

    /// What a look may cost; `None` if it is to be a whole one.
    pub fn budget(&self, pace: &Pace) -> Option<Budget> {
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
