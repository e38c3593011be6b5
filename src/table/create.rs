//! One more entry.

use super::Conntrack;
use super::errno::{explained, invalid, of_create};
use crate::error::{ErrorKind, Result};
use crate::flow::{Endpoints, Flow, Labels, NewFlow, Tuple};
use crate::kernel::Capabilities;
use crate::socket::Request;
use crate::wire::ctnetlink::IPCTNL_MSG_CT_NEW;

const OPERATION: &str = "create an entry";

impl Conntrack {
    /// Creates an entry that is not there yet. It never changes one that is there.
    ///
    /// ```no_run
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use ctnetlink::{Conntrack, flow::{NewFlow, Protocol, Tuple}};
    /// use std::time::Duration;
    /// let client = ("10.0.0.1".parse()?, 40000);
    /// let server = ("10.0.0.2".parse()?, 53);
    /// let original = Tuple::with_ports(Protocol::UDP, client, server);
    ///
    /// let mut table = Conntrack::open()?;
    /// match table.create(&NewFlow::new(original, Duration::from_secs(30)).mark(7)) {
    ///     Err(error) if error.is_already_there() => println!("somebody was faster"),
    ///     done => done?,
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// To put back an entry read earlier, give a `NewFlow::from(&flow)`.
    ///
    /// # Errors
    ///
    /// Nothing was made with any of these but the last:
    ///
    /// - [`Invalid`](ErrorKind::Invalid), before anything is sent: what no kernel takes, or what
    ///   kernels pass over in silence, such as protocol information of another protocol.
    /// - [`NotSupported`](ErrorKind::NotSupported), before anything is made: the tuple has ports or
    ///   keys, and this kernel does not [track](crate::kernel::Capabilities::tracks) their protocol, such
    ///   as UDP-Lite since Linux 7.1. It would ignore them, and make one entry for all ports.
    /// - [`PermissionDenied`](ErrorKind::PermissionDenied) without `CAP_NET_ADMIN`.
    /// - [`Kernel`](ErrorKind::Kernel) with an explanation: `EEXIST` where an entry has either
    ///   tuple ([`is_already_there`](crate::Error::is_already_there)); `ENOMEM` where the table is
    ///   full, after the kernel tried to evict an entry that is not assured; `EOPNOTSUPP` for an
    ///   unknown helper, or without NAT in the kernel; `ENOENT` without the master; `EINVAL` if a
    ///   tuple lacks what its protocol needs.
    /// - [`Ignored`](ErrorKind::Ignored): the entry is there, but without its labels, since no rule
    ///   of the network namespace uses any.
    ///
    /// # Cost
    ///
    /// One request and its answer, about 5 µs; two with labels. The first entry with ports or keys of
    /// UDP-Lite, DCCP, SCTP or GRE asks for the [capabilities](crate::Reader::capabilities), too.
    ///
    /// `conntrack -I`
    #[doc(alias = "IPCTNL_MSG_CT_NEW")]
    #[doc(alias = "insert")]
    pub fn create(&mut self, new: &NewFlow) -> Result<()> {
        new.check().map_err(|objection| invalid(OPERATION, objection))?;
        self.check_tracker(new.original())?;
        let request = Request::once(OPERATION, IPCTNL_MSG_CT_NEW)
            .exclusive()
            .family(Some(new.original().family()))
            .attributes(&new.to_attributes());
        self.submit(&request).map_err(|error| explained(error, |errno| of_create(new, errno)))?;

        // The kernel does not say when it has no room for labels.
        let wanted = new.as_flow().labels.unwrap_or_default();
        let without = |made: Option<Flow>| made.is_some_and(|made| made.labels.is_none());
        if wanted != Labels::default() && without(self.get(new)?) {
            return Err(ErrorKind::Ignored {
                operation: OPERATION,
                what: "labels",
                remedy: "no rule of this network namespace uses labels; add one, such as nft's ct \
                         label set, before the entry is made",
            }
            .into());
        }
        Ok(())
    }

    /// Refuses ports that the kernel would ignore without an error.
    fn check_tracker(&mut self, tuple: &Tuple) -> Result<()> {
        let every_kernel = Capabilities::UNKNOWN.tracks(tuple.protocol);
        if every_kernel
            || tuple.endpoints == Endpoints::None
            || self.capabilities()?.tracks(tuple.protocol)
        {
            return Ok(());
        }
        Err(ErrorKind::NotSupported {
            operation: OPERATION,
            remedy: "it has no tracker for this protocol, so the entries have no ports or keys; \
                     leave them out of both tuples (Endpoints::None)",
        }
        .into())
    }
}
