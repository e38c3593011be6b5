//! The table of a network namespace: one verb a file.
//!
//! This folder asks and reads answers. It must not parse attributes by hand (that is `flow`) nor
//! put requests together by hand (that is `socket`).

// In the order in which the documentation pages show the calls.
mod reader;

mod conntrack;

mod capabilities;
mod options;
mod parallel;
mod scan;

mod rates;

mod dump;
mod get;

mod create;
#[cfg(feature = "testing")]
mod create_many;
mod update;

mod delete;
mod delete_plan;
mod expect;
mod expect_change;
mod timeouts;

// What these are made of.
mod budget;
mod delete_report;
mod delete_request;
#[cfg(feature = "serde")]
mod document;
mod dump_end;
mod errno;
mod exchange;
mod execute;
mod same;

pub use budget::{Budget, DutyCycle, Limit};
pub use conntrack::Conntrack;
pub use delete::DeleteTarget;
pub use delete_plan::DeletePlan;
pub use delete_report::{DeleteReport, DeleteStep, Summary};
pub use dump::{Batch, Dump, Flows};
pub use dump_end::DumpEnd;
pub use execute::Deleted;
pub use options::{DumpOptions, List, Progress, ScanOptions};
pub use rates::{Rates, RatesBaseline};
pub use reader::{Limits, Reader};
pub use scan::{Queries, Sample, Scan};
pub use update::Updated;
