//! What to dump, and how.

use crate::filter::{Filter, Placement};

/// What to dump, and how. The default is the whole table.
///
/// ```
/// use ctnetlink::DumpOptions;
/// let options = DumpOptions::new().filter("proto=tcp state=TIME_WAIT".parse()?);
/// # Ok::<(), ctnetlink::filter::ParseFilterError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DumpOptions {
    pub(super) filter: Filter,
    pub(super) placement: Option<Placement>,
    pub(super) list: List,
}

impl DumpOptions {
    /// The whole table: both families in one pass.
    pub const fn new() -> Self {
        Self { filter: Filter::new(), placement: None, list: List::Table }
    }

    /// Only entries the filter is true of.
    #[must_use]
    pub fn filter(mut self, filter: Filter) -> Self {
        self.filter = filter;
        self
    }

    /// Where the filter is applied. The default is [`Placement::for_table`] of the table at hand.
    #[must_use]
    pub const fn placement(mut self, placement: Placement) -> Self {
        self.placement = Some(placement);
        self
    }

    /// Another list than the table.
    #[must_use]
    pub const fn list(mut self, list: List) -> Self {
        self.list = list;
        self
    }
}

/// Where the kernel keeps entries.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum List {
    /// The table.
    #[default]
    #[doc(alias = "IPCTNL_MSG_CT_GET")]
    Table,
    /// Entries that were removed, but whose end could not be told to a listener that insists on
    /// being told: a stuck one fills the table with them, since they still count. `conntrack -L
    /// dying`.
    #[doc(alias = "IPCTNL_MSG_CT_GET_DYING")]
    Dying,
    /// Entries of packets still on their way through the host. Kernels from 5.19 on keep no such
    /// list and answer with an empty one. `conntrack -L unconfirmed`.
    #[doc(alias = "IPCTNL_MSG_CT_GET_UNCONFIRMED")]
    Unconfirmed,
}
