//! The table of a network namespace: one verb a file.
//!
//! This folder asks and reads answers. It must not parse attributes by hand (that is `flow`) nor
//! put requests together by hand (that is `socket`).

mod batch;
mod budget;
mod count;
mod create;
#[cfg(feature = "testing")]
mod create_all;
mod delete;
#[cfg(feature = "serde")]
mod document;
mod dump;
mod dump_end;
mod execute;
mod expect;
mod expect_change;
mod flush;
mod get;
mod options;
mod parallel;
#[cfg(feature = "testing")]
mod pipeline;
mod plan;
mod probe;
mod rates;
mod read_stats;
mod reader;
mod refusal;
mod same;
mod sample;
mod scan;
mod sent;
mod timeouts;
mod update;
mod zero;

pub use batch::Batch;
pub use budget::{Budget, DutyCycle, Limit};
pub use count::Limits;
pub use delete::{DeleteTarget, Deleted};
pub use dump::{Dump, Flows};
pub use dump_end::DumpEnd;
pub use options::{DumpOptions, List};
pub use plan::{DeletePlan, DeleteReport, DeleteStep, Summary};
pub use rates::{Look, Rates};
pub use reader::Reader;
pub use sample::Sample;
pub use scan::{Progress, Scan};
pub use update::Updated;

use std::ops::{Deref, DerefMut};

use crate::error::Result;
use crate::socket::Namespace;

/// The connection-tracking table of one network namespace, to look at and to change.
///
/// All that reads is [`Reader`]'s, and works here as well. To code that is only to look, give the
/// `Reader`: `&mut table` is one where one is expected.
///
/// | you want | you write | it costs |
/// |---|---|---|
/// | to read anything | the methods of [`Reader`] | |
/// | an entry more | [`create`](Self::create) | one round trip |
/// | an entry changed | [`update`](Self::update) | one or two round trips |
/// | to delete one entry | [`delete`](Self::delete) | two round trips |
/// | to delete what a filter matches, with a preview | [`delete_plan`](Self::delete_plan) | a dump, then 3 µs each |
/// | flows announced, or no more | [`create_expectation`](Self::create_expectation), [`delete_expectation`](Self::delete_expectation) | one or two round trips |
/// | all gone | [`flush`](Self::flush), [`flush_family`](Self::flush_family) | about 1 µs each |
///
/// # Privileges
///
/// As [`Reader`]: `CAP_NET_ADMIN` in the user namespace that owns the network namespace, at the
/// time of each request.
#[derive(Debug)]
pub struct Conntrack {
    reader: Reader,
}

impl Conntrack {
    /// Opens the table of the calling thread's network namespace.
    ///
    /// # Errors
    ///
    /// As [`Reader::open`].
    pub fn open() -> Result<Self> {
        Ok(Self { reader: Reader::open()? })
    }

    /// Opens the table of another network namespace. The calling thread stays where it is.
    ///
    /// # Errors
    ///
    /// As [`Reader::open_in`].
    pub fn open_in(namespace: &Namespace) -> Result<Self> {
        Ok(Self { reader: Reader::open_in(namespace)? })
    }
}

impl Deref for Conntrack {
    type Target = Reader;

    fn deref(&self) -> &Reader {
        &self.reader
    }
}

impl DerefMut for Conntrack {
    fn deref_mut(&mut self) -> &mut Reader {
        &mut self.reader
    }
}
