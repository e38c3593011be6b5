//! Whether settings outlive a boot: which file sets what, and whether it comes in time.
//!
//! [`audit`] reads the files below a root, `/` or a copy, the way systemd does at boot; [`Plan`] says
//! which files would make settings last; [`Plan::apply`] writes them.
//!
//! Everything below the root is read and nothing else, links included. What cannot be read is a
//! finding, and no error.

mod apply;
mod audit;
mod boot;
mod conf;
mod files;
mod lasting;
mod module;
mod number;
mod pattern;
mod plan;
mod script;
mod tree;

pub use apply::Written;
pub(crate) use audit::ratio_of;
pub use audit::{Assigned, Audit, audit};
pub(crate) use lasting::quoted;
pub use module::{Loader, Module};
pub use plan::{Plan, Planned, Want};
pub(crate) use tree::{Leads, Tree};
