//! The handle that writes.

use std::ops::{Deref, DerefMut};

use super::reader::Reader;
use crate::error::Result;
use crate::socket::Namespace;

/// The connection-tracking table of one network namespace, to read and to change.
///
/// ```no_run
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mut table = ctnetlink::Conntrack::open()?;
/// let plan = table.delete_plan(&"proto=udp dport=53 unreplied".parse()?)?;
/// println!("{} entries match", plan.matched());
/// println!("{} deleted", plan.max(10_000).execute()?.deleted);
/// # Ok(()) }
/// ```
///
/// Everything that [`Reader`] can do works here as well. Give code that must only read a `Reader`:
/// where one is expected, `&mut table` is one.
///
/// | you want | you write | it costs |
/// |---|---|---|
/// | to read anything | the methods of [`Reader`] | |
/// | one more entry | [`create`](Self::create) | one round trip |
/// | to change an entry | [`update`](Self::update) | one or two round trips |
/// | to delete one entry | [`delete`](Self::delete) | two round trips |
/// | to delete what a filter matches, with a preview | [`delete_plan`](Self::delete_plan) | a dump, then 3 µs each |
/// | to announce a flow, or take that back | [`create_expectation`](Self::create_expectation), [`delete_expectation`](Self::delete_expectation) | one or two round trips |
/// | to empty the table | [`flush`](Self::flush), [`flush_family`](Self::flush_family) | about 1 µs each |
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
