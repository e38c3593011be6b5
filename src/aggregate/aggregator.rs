//! Entries in, a report out.

use super::groups::Groups;
use super::key;
use super::project::{Needs, Projection};
use super::query::Query;
use super::report::{Report, Row};
use crate::flow::FlowRef;
use crate::wire::WireError;

/// Counts entries by the groups of a [`Query`].
///
/// [`Conntrack::scan`](crate::Conntrack::scan) runs one over the table. By itself it takes entries
/// from anywhere: a capture, a filter of your own.
///
/// # Cost
///
/// Some 60 ns per entry; no allocation except for a group that was not there before.
#[derive(Debug, Clone)]
pub struct Aggregator {
    query: Query,
    needs: Needs,
    groups: Groups,
    flows: u64,
    key: Vec<u8>,
}

impl Aggregator {
    /// An empty one.
    pub fn new(query: &Query) -> Self {
        let width = key::width(query.fields());
        Self {
            query: query.clone(),
            needs: Needs::of(query.fields()),
            groups: Groups::new(width),
            flows: 0,
            key: Vec::with_capacity(width),
        }
    }

    /// Counts an entry.
    pub fn record(&mut self, flow: &FlowRef<'_>) {
        self.count(&Projection::from(flow));
    }

    /// Counts an entry given as its attributes, what stands behind the netfilter header of its
    /// message. Faster than [`record`](Self::record): attributes the query does not need are
    /// neither decoded nor checked.
    ///
    /// # Errors
    ///
    /// An attribute the query needs is malformed or, as a tuple, missing. The entry is not counted.
    #[inline]
    pub fn record_bytes(&mut self, attributes: &[u8]) -> Result<(), WireError> {
        self.count(&Projection::read(attributes, self.needs)?);
        Ok(())
    }

    #[inline]
    fn count(&mut self, entry: &Projection) {
        self.key.clear();
        key::encode(self.query.fields(), entry, &mut self.key);
        self.groups.count(&self.key);
        self.flows += 1;
    }

    /// The answer so far.
    pub fn finish(&self) -> Report {
        let fields = self.query.fields();
        let rows: Vec<_> = self
            .groups
            .top(self.query.rows())
            .into_iter()
            .map(|(key, flows)| Row { key: key::decode(fields, key), flows })
            .collect();
        let shown: u64 = rows.iter().map(|row| row.flows).sum();
        Report {
            fields: fields.to_vec(),
            flows: self.flows,
            distinct: self.groups.len() as u64,
            other: self.flows - shown,
            rows,
        }
    }
}
