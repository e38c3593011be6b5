//! An expectation to make.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use bytes::BytesMut;

use crate::flow::{
    Direction, Endpoints, Expectation, ExpectationFlags, ExpectationNat, FlowKey, Tuple,
};
use crate::wire::ctnetlink::*;
use crate::wire::writer::{Writer, text_fits};

/// An expectation to make, with [`create_expectation`](crate::Conntrack::create_expectation).
///
/// It needs a master and a tuple. A packet has to match the whole tuple, unless
/// [`any_source_port`](Self::any_source_port) or [`source_prefix`](Self::source_prefix) asks for
/// less. The kernel always compares the whole destination.
///
/// ```
/// use ctnetlink::flow::{FlowKey, NewExpectation, Protocol, Tuple};
/// use std::time::Duration;
///
/// let (client, server) = ("10.0.0.1".parse()?, "192.0.2.2".parse()?);
/// let control = Tuple::with_ports(Protocol::TCP, (client, 40000), (server, 21));
/// let data = Tuple::with_ports(Protocol::TCP, (server, 0), (client, 50000));
/// let expectation = NewExpectation::new(FlowKey::new(control), data)
///     .any_source_port()
///     .timeout(Duration::from_secs(30));
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewExpectation {
    pub(crate) master: FlowKey,
    pub(crate) tuple: Tuple,
    mask: Tuple,
    pub(crate) timeout: Option<Duration>,
    flags: Option<ExpectationFlags>,
    class: Option<u32>,
    nat: Option<ExpectationNat>,
    function: Option<String>,
}

impl NewExpectation {
    /// The flow `master`, which must have a helper, announces a flow with this tuple. The zone is the
    /// master's. A zone in `tuple` and an id in `master` are ignored.
    pub fn new(master: impl Into<FlowKey>, tuple: Tuple) -> Self {
        let ones = |address: IpAddr| prefix_mask(address, u8::MAX);
        let endpoints = with_numbers(tuple.endpoints, u16::MAX, u16::MAX);
        let (source, destination) = (ones(tuple.source), ones(tuple.destination));
        Self {
            master: master.into(),
            tuple: Tuple { zone: None, ..tuple },
            mask: Tuple { source, destination, endpoints, protocol: tuple.protocol, zone: None },
            timeout: None,
            flags: None,
            class: None,
            nat: None,
            function: None,
        }
    }

    /// Matches any source port; of GRE any source key, of ICMP any identifier.
    #[doc(alias = "CTA_EXPECT_MASK")]
    #[must_use]
    pub fn any_source_port(mut self) -> Self {
        match &mut self.mask.endpoints {
            Endpoints::Ports { source, .. } | Endpoints::GreKeys { source, .. } => *source = 0,
            Endpoints::Icmp { id, .. } => *id = 0,
            Endpoints::None => {}
        }
        self
    }

    /// Matches every source address that begins with the first `length` bits of the tuple's; 0 is any
    /// address. A length above that of the address means the whole address.
    #[doc(alias = "CTA_EXPECT_MASK")]
    #[must_use]
    pub fn source_prefix(mut self, length: u8) -> Self {
        self.mask.source = prefix_mask(self.mask.source, length);
        self
    }

    /// Expires after this time, rounded up to whole seconds. The default is the helper's.
    #[doc(alias = "CTA_EXPECT_TIMEOUT")]
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// With these flags. Recent kernels refuse those they do not know.
    #[doc(alias = "CTA_EXPECT_FLAGS")]
    #[must_use]
    pub fn flags(mut self, flags: ExpectationFlags) -> Self {
        self.flags = Some(flags);
        self
    }

    /// Sets the class, a number of the helper's; the default is 0. The kernel refuses classes that
    /// the helper does not have.
    #[doc(alias = "CTA_EXPECT_CLASS")]
    #[must_use]
    pub fn class(mut self, class: u32) -> Self {
        self.class = Some(class);
        self
    }

    /// Translates the flow to this address and port. Helpers with NAT use it. `direction` is that of
    /// the flow, seen from its master. An address and port of all zero are no translation.
    #[doc(alias = "CTA_EXPECT_NAT")]
    #[must_use]
    pub fn nat(mut self, direction: Direction, address: IpAddr, port: u16) -> Self {
        let destination = match address {
            IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        };
        let endpoints = with_numbers(self.tuple.endpoints, port, 0);
        let protocol = self.tuple.protocol;
        let tuple = Tuple { source: address, destination, protocol, endpoints, zone: None };
        self.nat = Some(ExpectationNat { direction, tuple });
        self
    }

    /// Has the kernel run this function of its own, such as `nat-follow-master`, on the new flow. The
    /// kernel refuses names it does not know.
    #[doc(alias = "CTA_EXPECT_FN")]
    #[must_use]
    pub fn function(mut self, name: impl Into<String>) -> Self {
        self.function = Some(name.into());
        self
    }

    /// The attributes of a request to make it; `None` if the function's name is not possible.
    #[allow(dead_code)] // Only where there is a kernel to ask.
    pub(crate) fn attributes(&self) -> Option<BytesMut> {
        if self.function.as_deref().is_some_and(|name| !text_fits(name, 255)) {
            return None;
        }
        let mut attributes = BytesMut::new();
        let mut writer = Writer::new(&mut attributes);
        self.tuple.write(CTA_EXPECT_TUPLE, &mut writer);
        self.mask.write(CTA_EXPECT_MASK, &mut writer);
        // The kernel takes no zone inside the tuple here.
        Tuple { zone: None, ..self.master.tuple }.write(CTA_EXPECT_MASTER, &mut writer);
        writer.when(self.zone(), |writer, zone| writer.put_be16(CTA_EXPECT_ZONE, zone));
        writer.when(self.nat, |writer, nat| {
            writer.nest(CTA_EXPECT_NAT, |writer| {
                writer.put_be32(CTA_EXPECT_NAT_DIR, nat.direction.pick(0, 1));
                nat.tuple.write(CTA_EXPECT_NAT_TUPLE, writer);
            });
        });
        writer.when(self.timeout, |writer, timeout| {
            let seconds = timeout.as_secs().saturating_add(u64::from(timeout.subsec_nanos() != 0));
            writer.put_be32(CTA_EXPECT_TIMEOUT, u32::try_from(seconds).unwrap_or(u32::MAX));
        });
        writer.when(self.flags, |writer, flags| writer.put_be32(CTA_EXPECT_FLAGS, flags.bits()));
        writer.when(self.class, |writer, class| writer.put_be32(CTA_EXPECT_CLASS, class));
        writer.when(self.function.as_ref(), |writer, name| writer.put_text(CTA_EXPECT_FN, name));
        Some(attributes)
    }

    /// The zone of the master.
    pub(crate) fn zone(&self) -> Option<u16> {
        self.master.zone.or(self.master.tuple.zone)
    }
}

/// The same expectation, to make again. It gets another id, and the helper is the master's.
impl From<&Expectation> for NewExpectation {
    fn from(expectation: &Expectation) -> Self {
        let mut master = FlowKey::new(expectation.master);
        master.zone = expectation.zone;
        let mut new = Self::new(master, expectation.tuple);
        new.mask.source = expectation.mask.source;
        match (&mut new.mask.endpoints, expectation.mask.endpoints) {
            (Endpoints::Ports { source: to, .. }, Endpoints::Ports { source: from, .. })
            | (Endpoints::GreKeys { source: to, .. }, Endpoints::GreKeys { source: from, .. })
            | (Endpoints::Icmp { id: to, .. }, Endpoints::Icmp { id: from, .. }) => *to = from,
            _ => {}
        }
        new.timeout = expectation.timeout;
        new.flags = expectation.flags;
        new.class = expectation.class;
        new.nat = expectation.nat;
        new.function.clone_from(&expectation.function);
        new
    }
}

/// Endpoints of the same kind with other ports or keys; of ICMP the identifier is the source. ICMP's
/// type stays, since the kernel wants one that exists even in a mask.
const fn with_numbers(endpoints: Endpoints, source: u16, destination: u16) -> Endpoints {
    match endpoints {
        Endpoints::Ports { .. } => Endpoints::Ports { source, destination },
        Endpoints::GreKeys { .. } => Endpoints::GreKeys { source, destination },
        Endpoints::Icmp { icmp_type, code, .. } => Endpoints::Icmp { icmp_type, code, id: source },
        Endpoints::None => Endpoints::None,
    }
}

/// The mask of the first `length` bits, in the family of `like`.
fn prefix_mask(like: IpAddr, length: u8) -> IpAddr {
    match like {
        IpAddr::V4(_) => {
            let bits = u32::MAX.checked_shl(32 - u32::from(length.min(32))).unwrap_or(0);
            Ipv4Addr::from_bits(bits).into()
        }
        IpAddr::V6(_) => {
            let bits = u128::MAX.checked_shl(128 - u32::from(length.min(128))).unwrap_or(0);
            Ipv6Addr::from_bits(bits).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::Protocol;
    use crate::wire::Attributes;

    fn new(source: &str) -> NewExpectation {
        let address: IpAddr = source.parse().unwrap();
        let tuple = Tuple::with_ports(Protocol::UDP, (address, 1), (address, 2));
        NewExpectation::new(FlowKey::new(tuple), tuple)
    }

    #[test]
    fn a_prefix_is_a_mask_of_its_family() {
        let mask = |source, length| new(source).source_prefix(length).mask.source.to_string();
        assert_eq!(mask("10.0.0.1", 0), "0.0.0.0");
        assert_eq!(mask("10.0.0.1", 25), "255.255.255.128");
        assert_eq!(mask("10.0.0.1", 33), "255.255.255.255");
        assert_eq!(mask("2001:db8::1", 0), "::");
        assert_eq!(mask("2001:db8::1", 33), "ffff:ffff:8000::");
        assert_eq!(mask("2001:db8::1", 255), new("2001:db8::1").mask.source.to_string());
    }

    #[test]
    fn the_request_has_what_was_asked_for_and_no_more() {
        let kinds = |new: &NewExpectation| -> Vec<u16> {
            let bytes = new.attributes().unwrap();
            Attributes::new(&bytes).map(|attribute| attribute.unwrap().kind).collect()
        };
        let least = [CTA_EXPECT_TUPLE, CTA_EXPECT_MASK, CTA_EXPECT_MASTER];
        assert_eq!(kinds(&new("10.0.0.1")), least);
        let mut zoned = new("10.0.0.1");
        zoned.master.tuple.zone = Some(3);
        assert_eq!(kinds(&zoned)[3..], [CTA_EXPECT_ZONE]);
        let long = new("::1").timeout(Duration::MAX).attributes().unwrap();
        let timeout = Attributes::new(&long).map(Result::unwrap).last().unwrap();
        assert_eq!((timeout.kind, timeout.payload), (CTA_EXPECT_TIMEOUT, &[255; 4][..]));
    }

    #[test]
    fn a_name_that_would_be_read_otherwise_is_refused() {
        for name in ["", "a\0b", "\0", &"x".repeat(256), &"x".repeat(70_000)] {
            assert_eq!(new("::1").function(name).attributes(), None);
        }
        assert!(new("::1").function("Q.931").attributes().is_some());
    }
}
