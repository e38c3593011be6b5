//! Filters on the command line.

use std::io::Write;

use ctnetlink::Query;
use ctnetlink::filter::{Filter, Placement};

use super::{Result, Shared, Usage, wrong};

/// Which entries, for those that look at the table.
#[derive(clap::Args)]
pub struct Selection {
    /// Only entries that FILTER is true of, such as 'proto=tcp dport=443 src=10.0.0.0/8 !assured'
    #[arg(value_name = "FILTER", long_help = words())]
    words: Vec<String>,

    /// The same as an option
    #[arg(long, value_name = "FILTER")]
    filter: Option<String>,

    /// Where the filter is applied: the kernel may hold up packets of a processor for a walk over
    /// the table, doing it here takes more time in sum [default: by the size of the table]
    #[arg(long, value_name = "WHERE", value_enum)]
    placement: Option<Where>,

    /// Show what of the filter the kernel does, and what is done here, and stop
    #[arg(long)]
    explain: bool,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Where {
    /// The kernel does what it can: the least processor time
    Cpu,
    /// Everything is judged here: no packet waits
    Latency,
}

/// The text form of a filter, for a long help.
pub fn words() -> String {
    let words = Filter::words().map(|(word, meaning)| format!("\n  {word:<27} {meaning}"));
    format!(
        "Only entries that FILTER is true of. Conditions, with blanks between:\n{}",
        words.collect::<String>()
    )
}

/// A filter as text; an error that is the caller's.
pub fn filter(text: &str) -> Result<Filter> {
    Ok(text.parse::<Filter>().map_err(|error| Usage(format!("filter: {error}")))?)
}

impl Selection {
    pub fn filter(&self) -> Result<Filter> {
        let words = self.words.iter().chain(&self.filter).map(String::as_str);
        filter(&words.collect::<Vec<_>>().join(" "))
    }

    /// Whether it was said who applies the filter, so that it is not all done here.
    pub fn is_placed(&self) -> bool {
        self.placement.is_some()
    }

    /// The filter of a file's entries, which no kernel applies.
    pub fn of_file(&self) -> Result<Filter> {
        if self.explain || self.placement.is_some() {
            return wrong("--explain and --placement are about the kernel, and go without --from");
        }
        self.filter()
    }

    pub fn placement(&self) -> Option<Placement> {
        self.placement.map(|choice| match choice {
            Where::Cpu => Placement::LeastCpu,
            Where::Latency => Placement::LeastLatency,
        })
    }

    /// Adds the filter to a query.
    pub fn of(&self, query: Query) -> Result<Query> {
        Ok(query.filter(self.filter()?))
    }

    /// Explains the filter, if that is asked for, and says whether it was.
    pub fn explain(&self, common: &Shared, out: &mut dyn Write) -> Result<bool> {
        if self.explain {
            let plan = common.open()?.plan(&self.filter()?, self.placement())?;
            write!(out, "{}", plan.explain())?;
        }
        Ok(self.explain)
    }
}
