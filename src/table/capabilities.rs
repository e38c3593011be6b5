//! What this kernel can do: known by its version, or asked of the kernel.

use rustix::io::Errno;

use super::Reader;
use super::errno::number;
use super::get::write_key;
use crate::error::Result;
use crate::flow::{Endpoints, FlowKey, Protocol, Tuple};
use crate::kernel::{Capabilities, Version};
use crate::socket::Request;
use crate::wire::ctnetlink::{CTA_FILTER, CTA_STATUS_MASK, IPCTNL_MSG_CT_GET};
use crate::wire::writer::Writer;

impl Reader {
    /// What this kernel can do. Most is known by its version. The kernel is asked whether it has
    /// filters by tuple and by status, and which trackers, since distributions carry features back to
    /// older versions. It is asked once per handle.
    ///
    /// # Errors
    ///
    /// [`PermissionDenied`](crate::ErrorKind::PermissionDenied) without `CAP_NET_ADMIN`.
    ///
    /// # Cost
    ///
    /// Six requests the first time, which change nothing.
    pub fn capabilities(&mut self) -> Result<Capabilities> {
        if let Some(known) = self.capabilities {
            return Ok(known);
        }
        let release = rustix::system::uname();
        let version = release.release().to_str().ok().and_then(|text| text.parse::<Version>().ok());
        let mut kernel = version.map_or(Capabilities::UNKNOWN, Capabilities::of);
        kernel.tuple_filter = self.knows(CTA_FILTER)?;
        kernel.status_filter = self.knows(CTA_STATUS_MASK)?;
        kernel.gre_tracker = self.has_tracker(Protocol::GRE)?;
        kernel.sctp_tracker = self.has_tracker(Protocol::SCTP)?;
        kernel.udplite_tracker = self.has_tracker(Protocol::UDPLITE)?;
        kernel.dccp_tracker = self.has_tracker(Protocol::DCCP)?;
        self.capabilities = Some(kernel);
        Ok(kernel)
    }

    /// Uses no more than a kernel that can do `less`: for a kernel that claims more than is true, and
    /// for tests of what is done on older ones.
    ///
    /// # Errors
    ///
    /// As [`capabilities`](Self::capabilities).
    pub fn restrict(&mut self, less: &Capabilities) -> Result<()> {
        let kernel = self.capabilities()?;
        self.capabilities = Some(kernel.and(less));
        Ok(())
    }

    /// Whether the kernel knows an attribute. It is sent too short: a kernel that knows the attribute
    /// refuses its length, and one that does not finds no entry.
    fn knows(&mut self, attribute: u16) -> Result<bool> {
        let endpoints = Endpoints::Ports { source: 1, destination: 2 };
        self.objects(Protocol::UDP, endpoints, |writer| writer.put(attribute, &[0]))
    }

    /// Whether the kernel has a tracker for a protocol. A tracker refuses a question without ports or
    /// keys; without a tracker no entry is found.
    fn has_tracker(&mut self, protocol: Protocol) -> Result<bool> {
        self.objects(protocol, Endpoints::None, |_| {})
    }

    /// Whether the kernel refuses a question for an entry. No table has it, since it is between
    /// addresses that are kept for documentation.
    fn objects(
        &mut self,
        protocol: Protocol,
        endpoints: Endpoints,
        more: impl FnOnce(&mut Writer<'_>),
    ) -> Result<bool> {
        let (source, destination) = ([203, 0, 113, 1].into(), [203, 0, 113, 2].into());
        let tuple = Tuple { source, destination, protocol, endpoints, zone: None };
        let request = Request::once("ask what the kernel can do", IPCTNL_MSG_CT_GET)
            .family(Some(tuple.family()))
            .with(|writer| write_key(&FlowKey::new(tuple), writer))
            .with(more);
        match self.submit(&request) {
            Ok(()) => Ok(false),
            Err(error) => match number(&error) {
                Some(Errno::NOENT) => Ok(false),
                Some(Errno::RANGE | Errno::INVAL) => Ok(true),
                _ => Err(error),
            },
        }
    }
}
