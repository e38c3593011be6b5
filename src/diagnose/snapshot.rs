//! The facts of a table that was kept for later.

use std::io;

use super::facts::Facts;
use super::flows::FlowFacts;
use crate::snapshot::Snapshot;

impl Facts {
    /// Takes over what a snapshot says: its entries, and how many there may be, of which machine. What no
    /// snapshot has, counters and settings, is told in [`unseen`](Self::unseen).
    ///
    /// # Errors
    ///
    /// As [`Snapshot::scan_all`].
    pub fn read_snapshot(&mut self, snapshot: &mut Snapshot<'_>) -> io::Result<()> {
        let reports = snapshot.scan_all(&FlowFacts::queries())?;
        self.flows = FlowFacts::of(&reports);
        let (facts, end) = (snapshot.facts(), snapshot.end());
        self.entries = facts.after.or(facts.before).or(Some(end.entries));
        self.max = facts.max.or(self.max);
        self.buckets = facts.buckets.or(self.buckets);
        self.namespace = facts.namespace.or(self.namespace);
        let release = facts.kernel.as_ref().and_then(|release| release.parse().ok());
        self.kernel = release.or(self.kernel);
        self.unseen.push("counters and settings: a snapshot has none".to_owned());
        if self.max.is_none() {
            self.unseen.push("the limit: the snapshot does not say it".to_owned());
        }
        if end.entries == 0 {
            self.unseen.push("entries: there are none in the snapshot".to_owned());
        }
        if let Some(damage) = &end.damage {
            self.unseen.push(format!("entries behind the damage: {}", damage.what));
        } else if end.complete == Some(false) {
            self.unseen.push("entries: not all of one table are in the snapshot".to_owned());
        }
        if end.malformed > 0 {
            self.unseen.push(format!("{} entries, which could not be read", end.malformed));
        }
        Ok(())
    }
}
