//! What a file says of the table in it as a whole.

use crate::origin::{Origin, Timestamp};

/// What a file says of the table in it as a whole: where it is from, and how full it was. What the file does not say
/// is `None`.
///
/// Captures and Parquet files keep it as a comment, one `name=value` on each line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct TableFacts {
    /// Where and when the table was read. Files keep the time in whole seconds.
    #[cfg_attr(feature = "serde", serde(flatten))]
    pub origin: Origin,
    /// Entries right before it was read.
    pub before: Option<u64>,
    /// Entries right after.
    pub after: Option<u64>,
    /// The table's limit (`nf_conntrack_max`).
    pub max: Option<u64>,
    /// The hash buckets of the machine's table.
    pub buckets: Option<u64>,
    /// Whether the file was written to its end, and the kernel left nothing out.
    pub complete: Option<bool>,
}

impl TableFacts {
    /// Where and when, and nothing else.
    pub fn of(origin: Origin) -> Self {
        Self { origin, ..Self::default() }
    }

    /// As lines of `name=value`.
    pub(crate) fn to_comment(&self) -> String {
        fn text(value: Option<impl ToString>) -> Option<String> {
            value.map(|value| value.to_string().replace('\n', " "))
        }
        let Origin { time, node, kernel, netns_inode } = &self.origin;
        let values = [
            ("time", text(time.map(|time| time.micros() / 1_000_000))),
            ("node", text(node.as_ref())),
            ("kernel", text(kernel.as_ref())),
            ("namespace", text(*netns_inode)),
            ("before", text(self.before)),
            ("after", text(self.after)),
            ("max", text(self.max)),
            ("buckets", text(self.buckets)),
            ("complete", text(self.complete)),
        ];
        let lines =
            values.into_iter().filter_map(|(name, value)| Some(format!("{name}={}\n", value?)));
        lines.collect()
    }

    /// Takes what a comment says. Lines that say something else are skipped.
    pub(crate) fn read_comment(&mut self, comment: &str) {
        let origin = &mut self.origin;
        for (name, value) in comment.lines().filter_map(|line| line.split_once('=')) {
            let number = value.parse().ok();
            match name {
                "time" => {
                    let time =
                        |seconds: u64| Timestamp::from_micros(seconds.saturating_mul(1_000_000));
                    origin.time = number.map(time).or(origin.time);
                }
                "node" => origin.node = Some(value.to_owned()),
                "kernel" => origin.kernel = Some(value.to_owned()),
                "namespace" => origin.netns_inode = value.parse().ok().or(origin.netns_inode),
                "before" => self.before = number.or(self.before),
                "after" => self.after = number.or(self.after),
                "max" => self.max = number.or(self.max),
                "buckets" => self.buckets = number.or(self.buckets),
                "complete" => self.complete = value.parse().ok().or(self.complete),
                _ => {}
            }
        }
    }
}
