//! The facts of a table that was kept for later.

use std::io;

use super::facts::{Facts, Unseen};
use super::flows::FlowFacts;
use crate::files::snapshot::Snapshot;

const AGAIN: &str = "take another one";

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
        self.unseen.push(Unseen::absent("counters and settings: a snapshot has none"));
        if self.max.is_none() {
            self.unseen.push(Unseen::absent("the limit: the snapshot does not say it"));
        }
        if end.entries == 0 {
            self.unseen.push(Unseen::absent("entries: there are none in the snapshot"));
        }
        if let Some(damage) = &end.damage {
            let what = format!("entries behind the damage: {}", damage.what);
            self.unseen.push(Unseen::wanted(what, AGAIN));
        } else if end.cut > 0 {
            let cut = end.cut;
            let what =
                format!("entries behind the cut: {cut} packets of the capture were cut (snaplen)");
            self.unseen.push(Unseen::wanted(what, AGAIN));
        } else if end.complete == Some(false) {
            let what = "entries: not all of one table are in the snapshot";
            self.unseen.push(Unseen::wanted(what, AGAIN));
        }
        if end.malformed > 0 {
            let what = format!("{} entries, which could not be read", end.malformed);
            self.unseen.push(Unseen::wanted(what, AGAIN));
        }
        Ok(())
    }
}
