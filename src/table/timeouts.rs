//! Timeouts by netlink: the defaults of each protocol, and policies under a name.

use std::time::Duration;

use rustix::io::Errno;

use super::errno::{explained, number};
use super::{Conntrack, Reader};
use crate::error::{Error, ErrorKind, Result};
use crate::flow::{Family, Protocol, TimeoutPolicy, Timeouts};
use crate::socket::Request;
use crate::wire::ctnetlink::*;
use crate::wire::writer::{Writer, text_fits};
use crate::wire::{Attributes, WireError};

/// The longest name of a policy.
const NAME: usize = 31;

impl Reader {
    /// How long entries of a protocol stay in each of its states, unless a rule says otherwise.
    ///
    /// ```no_run
    /// # fn main() -> ctnetlink::Result<()> {
    /// use ctnetlink::{Reader, flow::Protocol};
    /// let timeouts = Reader::open()?.default_timeouts(Protocol::TCP)?;
    /// println!("idle connections stay for {:?}", timeouts.get("established"));
    /// # Ok(()) }
    /// ```
    ///
    /// These are the values of the `nf_conntrack_*_timeout*` settings, and of one TCP state that has
    /// none.
    ///
    /// # Errors
    ///
    /// [`NotSupported`](ErrorKind::NotSupported) before Linux 3.13, without the module
    /// `nfnetlink_cttimeout` (then read the [settings](crate::operate::tune::Settings)), or for a protocol
    /// without timeouts of its own; those share [`Timeouts::GENERIC`].
    ///
    /// # Cost
    ///
    /// One request and its answer.
    #[doc(alias = "IPCTNL_MSG_TIMEOUT_DEFAULT_GET")]
    pub fn default_timeouts(&mut self, protocol: Protocol) -> Result<Timeouts> {
        const OPERATION: &str = "read the timeouts of a protocol";
        let request = once(OPERATION, IPCTNL_MSG_TIMEOUT_DEFAULT_GET).with(|writer| {
            // Asked for and not looked at.
            writer.put_be16(CTA_TIMEOUT_L3PROTO, AF_INET.into());
            writer.put_u8(CTA_TIMEOUT_L4PROTO, protocol.0);
        });
        let last = self.policies(&request)?.pop();
        Ok(last.map_or(Timeouts::of(protocol), |policy| policy.timeouts))
    }

    /// All timeout policies of the network namespace.
    ///
    /// # Errors
    ///
    /// [`NotSupported`](ErrorKind::NotSupported) before Linux 3.4 or without the module
    /// `nfnetlink_cttimeout`.
    #[doc(alias = "IPCTNL_MSG_TIMEOUT_GET")]
    pub fn timeout_policies(&mut self) -> Result<Vec<TimeoutPolicy>> {
        let request = Request::dump("list the timeout policies", IPCTNL_MSG_TIMEOUT_GET);
        self.policies(&request.subsystem(NFNL_SUBSYS_CTNETLINK_TIMEOUT))
    }

    /// The timeout policy of this name; `None` if there is none.
    ///
    /// # Errors
    ///
    /// As [`timeout_policies`](Self::timeout_policies).
    pub fn timeout_policy(&mut self, name: &str) -> Result<Option<TimeoutPolicy>> {
        let request = about("read a timeout policy", IPCTNL_MSG_TIMEOUT_GET, name)?;
        match self.policies(&request) {
            Ok(found) => Ok(found.into_iter().next()),
            Err(error) if number(&error) == Some(Errno::NOENT) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn policies(&mut self, request: &Request) -> Result<Vec<TimeoutPolicy>> {
        let mut policies = Vec::new();
        let outcome = self.request(request, |_, attributes| {
            policies.push(parse(attributes)?);
            Ok(())
        });
        outcome.map_err(unsupported)?;
        Ok(policies)
    }
}

impl Conntrack {
    /// Sets how long entries of a protocol stay, in those states that `timeouts` has; the others are
    /// left alone. Entries there are keep their timeout until their next packet.
    ///
    /// It is what writing the `nf_conntrack_*_timeout*` settings does, in one step, for this network
    /// namespace alone, and until the next boot.
    ///
    /// # Errors
    ///
    /// As [`default_timeouts`](Reader::default_timeouts); and [`Invalid`](ErrorKind::Invalid) if
    /// there are none.
    #[doc(alias = "IPCTNL_MSG_TIMEOUT_DEFAULT_SET")]
    pub fn set_default_timeouts(&mut self, timeouts: &Timeouts) -> Result<()> {
        const OPERATION: &str = "set the timeouts of a protocol";
        if timeouts.is_empty() {
            let (what, remedy) = ("no timeout is given", "set at least one");
            return Err(ErrorKind::Invalid { operation: OPERATION, what, remedy }.into());
        }
        let request = once(OPERATION, IPCTNL_MSG_TIMEOUT_DEFAULT_SET).with(|writer| {
            // As for reading; kernels up to 6.1 at least refuse the request without it, newer ones do not.
            writer.put_be16(CTA_TIMEOUT_L3PROTO, AF_INET.into());
            write(timeouts, writer);
        });
        self.submit(&request).map_err(unsupported)
    }

    /// Makes a timeout policy. One of that name that is there is left alone.
    ///
    /// # Errors
    ///
    /// As [`timeout_policies`](Reader::timeout_policies);
    /// [`is_already_there`](crate::Error::is_already_there); [`Invalid`](ErrorKind::Invalid) for a
    /// name that is empty, has a zero byte or is longer than 31 bytes.
    #[doc(alias = "IPCTNL_MSG_TIMEOUT_NEW")]
    pub fn create_timeout_policy(&mut self, policy: &TimeoutPolicy) -> Result<()> {
        let request = about("create a timeout policy", IPCTNL_MSG_TIMEOUT_NEW, &policy.name)?;
        let request = request.exclusive().with(|writer| {
            writer.put_be16(CTA_TIMEOUT_L3PROTO, policy.family.number().into());
            write(&policy.timeouts, writer);
        });
        self.submit(&request).map_err(unsupported)
    }

    /// Deletes the timeout policy of this name; says whether there was one.
    ///
    /// # Errors
    ///
    /// As [`timeout_policies`](Reader::timeout_policies); [`Kernel`](ErrorKind::Kernel) with `EBUSY`
    /// while a rule uses it.
    #[doc(alias = "IPCTNL_MSG_TIMEOUT_DELETE")]
    pub fn delete_timeout_policy(&mut self, name: &str) -> Result<bool> {
        // Never without a name: that would delete all that are not in use.
        let request = about("delete a timeout policy", IPCTNL_MSG_TIMEOUT_DELETE, name)?;
        match self.submit(&request) {
            Ok(()) => Ok(true),
            Err(error) if number(&error) == Some(Errno::NOENT) => Ok(false),
            Err(error) => Err(explained(unsupported(error), |errno| match errno {
                Errno::BUSY => Some("a rule uses it; delete that one first".into()),
                _ => None,
            })),
        }
    }
}

fn once(operation: &'static str, message: u8) -> Request {
    Request::once(operation, message).subsystem(NFNL_SUBSYS_CTNETLINK_TIMEOUT)
}

/// A request about the policy of this name.
fn about(operation: &'static str, message: u8, name: &str) -> Result<Request> {
    if !text_fits(name, NAME) {
        let (what, remedy) = ("a name that is empty or too long", "give 1 to 31 bytes");
        return Err(ErrorKind::Invalid { operation, what, remedy }.into());
    }
    Ok(once(operation, message).with(|writer| writer.put_text(CTA_TIMEOUT_NAME, name)))
}

fn write(timeouts: &Timeouts, writer: &mut Writer<'_>) {
    writer.put_u8(CTA_TIMEOUT_L4PROTO, timeouts.protocol().0);
    writer.nest(CTA_TIMEOUT_DATA, |writer| {
        timeouts.seconds().for_each(|(number, seconds)| writer.put_be32(number, seconds));
    });
}

fn parse(attributes: &[u8]) -> Result<TimeoutPolicy, WireError> {
    let mut policy = TimeoutPolicy::new("", Family::Ipv4, Timeouts::of(Timeouts::GENERIC));
    let mut data: &[u8] = &[];
    for attribute in Attributes::new(attributes) {
        let attribute = attribute?;
        match attribute.kind {
            CTA_TIMEOUT_NAME => {
                policy.name = String::from_utf8_lossy(attribute.text()).into_owned()
            }
            CTA_TIMEOUT_L3PROTO
                if attribute.be16("CTA_TIMEOUT_L3PROTO")? == u16::from(AF_INET6) =>
            {
                policy.family = Family::Ipv6;
            }
            CTA_TIMEOUT_L4PROTO => {
                policy.timeouts = Timeouts::of(Protocol(attribute.u8("CTA_TIMEOUT_L4PROTO")?));
            }
            CTA_TIMEOUT_DATA => data = attribute.payload,
            CTA_TIMEOUT_USE => policy.uses = attribute.be32("CTA_TIMEOUT_USE")?,
            _ => {}
        }
    }
    for attribute in Attributes::new(data) {
        let attribute = attribute?;
        let seconds = attribute.be32("CTA_TIMEOUT_DATA")?;
        policy.timeouts.put(attribute.kind, Duration::from_secs(seconds.into()));
    }
    Ok(policy)
}

/// The kernel says `EINVAL` of a subsystem it does not have, and `EOPNOTSUPP` of a protocol.
fn unsupported(error: Error) -> Error {
    let ErrorKind::Kernel { operation, .. } = *error.kind() else { return error };
    let remedy = match number(&error) {
        Some(Errno::INVAL) => {
            "load the module (modprobe nfnetlink_cttimeout), or use the settings \
             (nf_conntrack_*_timeout*)"
        }
        Some(Errno::OPNOTSUPP) => "this protocol has no timeouts here; the generic ones apply",
        _ => return error,
    };
    ErrorKind::NotSupported { operation, remedy }.into()
}
