//! The table grouped and counted while it streams past.
//!
//! A [`Query`] says what to group by and how many groups to show; an [`Aggregator`] takes entries
//! and counts; a [`Report`] is the answer. An entry is decoded only as far as the query needs, and
//! nothing is allocated per entry: memory grows with the number of distinct groups.
//!
//! This folder must not touch sockets, nor the clock, but for ages that a filter is about.

mod aggregator;
mod baseline;
#[cfg(feature = "serde")]
pub(crate) mod document;
mod estimate;
mod group_table;
mod groups;
mod headroom;
mod key_bytes;
mod key_plan;
mod layout;
mod layouts;
mod query;
mod query_state;
mod report;
mod sampled;
mod volume;

pub use aggregator::Aggregator;
pub use baseline::Baseline;
pub use estimate::Interval;
pub use headroom::Headroom;
pub use query::Query;
pub use report::{Report, Row};
pub use sampled::{Sampled, SampledRow};
pub use volume::{Measure, ParseMeasureError, Volume};
