//! How large the table should be, and why.

use std::io::{self, Write};

use bytesize::ByteSize;
use ctnetlink::kernel::Version;
use ctnetlink::operate::tune::Settings;
use ctnetlink::operate::tune::sizing::{
    Advice, Need, PerEntry, Sizes, advise, buckets_are_read_only, defaults, set_buckets,
};

use crate::common::{self, Shared, say};

/// What the size depends on.
#[derive(clap::Args)]
pub struct Question {
    /// The most entries there were at a time [default: as many as there are]
    #[arg(long, value_name = "N")]
    peak: Option<u64>,

    /// How much more is to fit
    #[arg(long, value_name = "FACTOR", default_value_t = 2.0)]
    growth: f64,

    /// Memory of the machine [default: this one's]
    #[arg(long, value_name = "SIZE")]
    ram: Option<ByteSize>,

    /// The kernel, 5.10 for example [default: this one]
    #[arg(long, value_name = "VERSION")]
    kernel: Option<Version>,

    /// Network namespaces that use the table
    #[arg(long, value_name = "N", default_value_t = 1)]
    namespaces: u64,
}

/// What `advise --json` prints.
#[derive(serde::Serialize)]
struct Document<'a> {
    now: Option<Sizes>,
    own: Sizes,
    advice: &'a Advice,
}

impl Question {
    /// Says how large the table should be.
    pub fn answer(&self, common: &Shared) -> common::Result {
        let (need, now) = self.ask(common)?;
        let (advice, own) = (advise(&need), defaults(need.kernel, need.ram));
        let document = Document { now, own, advice: &advice };
        common::print(&document, common.json, |out| Ok(document.show(&need, out)?))
    }

    /// What is needed, and the sizes there are now.
    fn ask(&self, common: &Shared) -> common::Result<(Need, Option<Sizes>)> {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let kernel = match self.kernel {
            Some(kernel) => kernel,
            None => read("/proc/sys/kernel/osrelease").trim().parse()?,
        };
        let meminfo = read("/proc/meminfo");
        let total = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"));
        let total = total.and_then(|text| text.split_whitespace().next()?.parse::<u64>().ok());
        let ram = match self.ram {
            Some(size) => size.as_u64(),
            None => total.ok_or("say --ram: /proc/meminfo does not")? * 1024,
        };
        let settings = Settings::here();
        let value = |name: &str| u64::try_from(settings.get(name).ok()?.value).ok();
        let now = value("max").zip(value("buckets"));
        let peak = match self.peak {
            Some(peak) => peak,
            None => u64::from(common.open()?.count()?),
        };
        // Only root may read it.
        let per_entry = PerEntry::EXTENDED.with_slabinfo(&read("/proc/slabinfo"));
        let (growth, namespaces) = (self.growth, self.namespaces);
        let need = Need { kernel, ram, peak, growth, namespaces, per_entry };
        Ok((need, now.map(|(max, buckets)| Sizes { max, buckets })))
    }
}

impl Document<'_> {
    fn show(&self, need: &Need, out: &mut dyn Write) -> io::Result<()> {
        let Need { kernel, ram, .. } = need;
        let size = |bytes| ByteSize(bytes).display().iec();
        let sizes = |Sizes { max, buckets }: Sizes| format!("max {max}, buckets {buckets}");
        if let Some(now) = self.now {
            say(out, "now     ", sizes(now))?;
        }
        let machine = format!("(Linux {kernel} with {})", size(*ram));
        say(out, "default ", format_args!("{} {machine}", sizes(self.own)))?;
        let Advice { sizes: Sizes { max, buckets }, memory, load, .. } = *self.advice;
        let full = format!("{} when it is full, chains of {load:.1}", size(memory));
        say(out, "advice  ", format_args!("{}: {full}", sizes(self.advice.sizes)))?;
        for reason in &self.advice.reasons {
            writeln!(out, "  - {}\n    ({})", reason.text, reason.source)?;
        }
        let wait = "(packets wait while buckets change: off-peak)";
        writeln!(out, "for now     tune set buckets={buckets} max={max}   {wait}")?;
        if buckets_are_read_only(*kernel) {
            let by_hand = set_buckets(*kernel, buckets);
            writeln!(out, "by hand     {by_hand}   (Linux {kernel} has no sysctl for it)")?;
        }
        writeln!(out, "for good    persist plan --max {max} --buckets {buckets}")
    }
}
