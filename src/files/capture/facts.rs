//! What a capture says about where it is from.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::origin::{Moment, Observation};

/// Where and when a capture was taken; `None` is what it does not say.
///
/// It travels as a comment of the file, one `name=value` on each line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct CaptureFacts {
    /// When it began, in seconds since 1970.
    pub time: Option<u64>,
    /// The machine.
    pub node: Option<String>,
    /// The kernel's release.
    pub kernel: Option<String>,
    /// The inode of the network namespace.
    pub namespace: Option<u64>,
    /// Entries right before.
    pub before: Option<u64>,
    /// Entries right after.
    pub after: Option<u64>,
    /// The most there may be.
    pub max: Option<u64>,
    /// Buckets of the host's table.
    pub buckets: Option<u64>,
    /// Whether it was written to its end, and the kernel left nothing out.
    pub complete: Option<bool>,
}

impl CaptureFacts {
    /// The moment it began, which ages are reckoned to.
    pub fn moment(&self) -> Option<SystemTime> {
        // Whoever wrote the file may have written anything.
        UNIX_EPOCH.checked_add(Duration::from_secs(self.time?))
    }

    /// Where and when, as rows of tables say it.
    pub fn observation(&self) -> Observation {
        Observation {
            at: self.moment().map(Moment::from),
            node: self.node.clone(),
            netns_inode: self.namespace.and_then(|inode| inode.try_into().ok()),
        }
    }

    /// Takes over where and when, if nothing of it is known yet.
    pub(crate) fn take(&mut self, seen: &Observation) {
        if self.observation() == Observation::default() {
            self.time = seen.at.map(|at| at.micros() / 1_000_000);
            self.node.clone_from(&seen.node);
            self.namespace = seen.netns_inode.map(u64::from);
        }
    }

    /// As lines of `name=value`.
    pub(crate) fn to_comment(&self) -> String {
        let number =
            |name: &str, value: Option<u64>| value.map(|value| format!("{name}={value}\n"));
        let text = |name: &str, value: &Option<String>| {
            value.as_ref().map(|value| format!("{name}={}\n", value.replace('\n', " ")))
        };
        let lines = [
            number("time", self.time),
            text("node", &self.node),
            text("kernel", &self.kernel),
            number("namespace", self.namespace),
            number("before", self.before),
            number("after", self.after),
            number("max", self.max),
            number("buckets", self.buckets),
            self.complete.map(|complete| format!("complete={complete}\n")),
        ];
        lines.into_iter().flatten().collect()
    }

    /// Takes what a comment says; lines that say something else are passed over.
    pub(crate) fn read_comment(&mut self, comment: &str) {
        for (name, value) in comment.lines().filter_map(|line| line.split_once('=')) {
            let number = value.parse().ok();
            match name {
                "time" => self.time = number.or(self.time),
                "node" => self.node = Some(value.to_owned()),
                "kernel" => self.kernel = Some(value.to_owned()),
                "namespace" => self.namespace = number.or(self.namespace),
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
