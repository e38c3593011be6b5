//! Whether settings outlive a boot: which file sets what, and whether it comes in time.
//!
//! [`audit`] reads the files below a root, `/` or a copy, the way systemd does at boot. [`FilePlan`] says which files
//! would make settings last, and writes them.
//!
//! Nothing outside the root is read, not even through links. A file that cannot be read is a finding, and no error.

mod apply;
mod audit;
mod boot;
mod conf;
mod files;
mod loading_rules;
mod module;
mod number;
mod pattern;
mod plan;
mod script;
mod setting_rules;

pub use apply::{WrittenFile, apply};
pub use audit::{Audit, audit};
pub use boot::Assigned;
pub(crate) use files::{Entry, Root};
pub use module::{Loader, Module};
pub use plan::{FilePlan, PlannedFile, Want};
pub(crate) use setting_rules::too_few_buckets;
