//! What this kernel can do, asked of the kernel itself where it can be.

use bytes::BytesMut;
use rustix::io::Errno;

use super::Reader;
use crate::error::{ErrorKind, Result};
use crate::flow::{FlowKey, Protocol, Tuple};
use crate::kernel::{Capabilities, Version};
use crate::socket::Request;
use crate::wire::ctnetlink::{CTA_FILTER, CTA_STATUS_MASK, IPCTNL_MSG_CT_GET};
use crate::wire::writer::Writer;

use super::get::key_attributes;

impl Reader {
    /// What this kernel can do: by its version, and by asking where there is a way to ask, since
    /// distributions carry features back to older versions. Asked once per handle.
    ///
    /// # Errors
    ///
    /// [`PermissionDenied`](ErrorKind::PermissionDenied) without `CAP_NET_ADMIN`.
    ///
    /// # Cost
    ///
    /// Two requests the first time, which change nothing.
    pub fn capabilities(&mut self) -> Result<Capabilities> {
        if let Some(known) = self.capabilities {
            return Ok(known);
        }
        let release = rustix::system::uname();
        let version = release.release().to_str().ok().and_then(|text| text.parse::<Version>().ok());
        let mut kernel = version.map_or(Capabilities::UNKNOWN, Capabilities::of);
        kernel.tuple_filter = self.knows(CTA_FILTER)?;
        kernel.status_filter = self.knows(CTA_STATUS_MASK)?;
        self.capabilities = Some(kernel);
        Ok(kernel)
    }

    /// Relies on no more than a kernel that can do `less`: for one that says of itself more than is
    /// true, and for tests of what is done on older ones.
    ///
    /// # Errors
    ///
    /// As [`capabilities`](Self::capabilities).
    pub fn restrict(&mut self, less: &Capabilities) -> Result<()> {
        let kernel = self.capabilities()?;
        self.capabilities = Some(Capabilities {
            version: less.version.or(kernel.version),
            tuple_filter: kernel.tuple_filter && less.tuple_filter,
            status_filter: kernel.status_filter && less.status_filter,
            zone_filter: kernel.zone_filter && less.zone_filter,
            family_flush: kernel.family_flush && less.family_flush,
        });
        Ok(())
    }

    /// Whether the kernel knows an attribute. It is sent cut short, with a tuple nobody can have
    /// (of addresses kept for documentation): a kernel that knows it takes offence at its length, one
    /// that does not finds no entry.
    fn knows(&mut self, attribute: u16) -> Result<bool> {
        let tuple = Tuple::with_ports(
            Protocol::UDP,
            ([203, 0, 113, 1].into(), 1),
            ([203, 0, 113, 2].into(), 2),
        );
        let mut attributes: BytesMut = key_attributes(&FlowKey::new(tuple));
        Writer::new(&mut attributes).put(attribute, &[0]);
        let request = Request::once("ask what the kernel can do", IPCTNL_MSG_CT_GET)
            .family(Some(tuple.family()))
            .attributes(&attributes);
        match self.request(&request, |_| Ok(())) {
            Ok(()) => Ok(false),
            Err(error) if error.is_not_found() => Ok(false),
            Err(error) => match error.kind() {
                ErrorKind::Kernel { source, .. }
                    if [Errno::RANGE, Errno::INVAL]
                        .map(|errno| Some(errno.raw_os_error()))
                        .contains(&source.raw_os_error()) =>
                {
                    Ok(true)
                }
                _ => Err(error),
            },
        }
    }
}
