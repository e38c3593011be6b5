//! An expectation to be made, and what one is found by.

use std::net::IpAddr;
use std::time::Duration;

use bytes::BytesMut;

use crate::flow::{
    Direction, Endpoints, Expectation, ExpectationFlags, ExpectationId, ExpectationNat, FlowKey,
    Tuple,
};
use crate::wire::ctnetlink::*;
use crate::wire::writer::Writer;

/// What an expectation is found by: its tuple, the zone of its master, and perhaps the id.
///
/// The kernel finds the first expectation that the tuple falls under, masks considered; where two
/// overlap, the one behind cannot be named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct ExpectationKey {
    /// The tuple.
    pub tuple: Tuple,
    /// The zone of the master; `None` for the default zone. The kernel does not send it.
    pub zone: Option<u16>,
    /// The id, if only the expectation with that one is meant.
    pub id: Option<ExpectationId>,
}

impl ExpectationKey {
    /// The expectation that this tuple falls under, in the default zone.
    pub const fn new(tuple: Tuple) -> Self {
        Self { tuple, zone: None, id: None }
    }

    /// Of a master in this zone.
    #[doc(alias = "CTA_EXPECT_ZONE")]
    #[must_use]
    pub const fn zone(mut self, zone: u16) -> Self {
        self.zone = Some(zone);
        self
    }

    /// The one with this id.
    #[doc(alias = "CTA_EXPECT_ID")]
    #[must_use]
    pub const fn id(mut self, id: ExpectationId) -> Self {
        self.id = Some(id);
        self
    }

    pub(crate) fn write(&self, writer: &mut Writer<'_>) {
        self.tuple.write(CTA_EXPECT_TUPLE, writer);
        if let Some(zone) = self.zone {
            writer.put_be16(CTA_EXPECT_ZONE, zone);
        }
        if let Some(id) = self.id {
            writer.put_be32(CTA_EXPECT_ID, id.0);
        }
    }
}

/// That very expectation: by its tuple and its id, in the default zone.
impl From<&Expectation> for ExpectationKey {
    fn from(expectation: &Expectation) -> Self {
        Self { tuple: expectation.tuple, zone: None, id: expectation.id }
    }
}

/// An expectation to be made.
///
/// ```
/// use ctnetlink::flow::{FlowKey, NewExpectation, Protocol, Tuple};
/// let client = "10.0.0.1".parse()?;
/// let server = "192.0.2.1".parse()?;
/// let control = Tuple::with_ports(Protocol::TCP, (client, 40000), (server, 21));
/// // Data will come from any port of the server to port 50000 of the client.
/// let data = Tuple::with_ports(Protocol::TCP, (server, 0), (client, 50000));
/// let new = NewExpectation::new(FlowKey::new(control), data);
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewExpectation {
    expectation: Expectation,
    zone: Option<u16>,
}

impl NewExpectation {
    /// Expects `tuple` on behalf of `master`, a flow with a helper. Addresses count whole; a port
    /// of 0 is any port, and others count whole.
    pub fn new(master: FlowKey, tuple: Tuple) -> Self {
        let expectation = Expectation {
            tuple,
            mask: whole(&tuple),
            master: master.tuple,
            timeout: None,
            id: None,
            helper: None,
            class: None,
            flags: ExpectationFlags::empty(),
            function: None,
            nat: None,
        };
        Self { expectation, zone: master.zone }
    }

    /// Which bits of the tuple count. The kernel takes the destination address whole.
    #[must_use]
    pub fn mask(mut self, mask: Tuple) -> Self {
        self.expectation.mask = mask;
        self
    }

    /// How long it is waited for, in whole seconds. The default is what the helper says.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.expectation.timeout = Some(timeout);
        self
    }

    /// The helper's class of expectations; 0 is the first.
    #[must_use]
    pub fn class(mut self, class: u32) -> Self {
        self.expectation.class = Some(class);
        self
    }

    /// How it behaves.
    #[must_use]
    pub fn flags(mut self, flags: ExpectationFlags) -> Self {
        self.expectation.flags = flags;
        self
    }

    /// The kernel's function that is called when it comes true, such as `nat-follow-master`.
    #[must_use]
    pub fn function(mut self, name: impl Into<String>) -> Self {
        self.expectation.function = Some(name.into());
        self
    }

    /// How the flow will be translated.
    #[must_use]
    pub fn nat(mut self, nat: ExpectationNat) -> Self {
        self.expectation.nat = Some(nat);
        self
    }

    /// What it will be.
    pub fn expectation(&self) -> &Expectation {
        &self.expectation
    }

    pub(crate) fn key(&self) -> ExpectationKey {
        ExpectationKey { tuple: self.expectation.tuple, zone: self.zone, id: None }
    }

    /// The attributes of the request.
    pub(crate) fn to_attributes(&self) -> BytesMut {
        let mut attributes = BytesMut::new();
        let mut writer = Writer::new(&mut attributes);
        let new = &self.expectation;
        new.master.write(CTA_EXPECT_MASTER, &mut writer);
        self.key().write(&mut writer);
        new.mask.write(CTA_EXPECT_MASK, &mut writer);
        if let Some(timeout) = self.seconds() {
            writer.put_be32(CTA_EXPECT_TIMEOUT, timeout);
        }
        if let Some(class) = new.class {
            writer.put_be32(CTA_EXPECT_CLASS, class);
        }
        if !new.flags.is_empty() {
            writer.put_be32(CTA_EXPECT_FLAGS, new.flags.bits());
        }
        if let Some(function) = &new.function {
            writer.put_text(CTA_EXPECT_FN, function);
        }
        if let Some(nat) = &new.nat {
            nat.write(&mut writer);
        }
        attributes
    }

    /// The timeout as the kernel takes it.
    pub(crate) fn seconds(&self) -> Option<u32> {
        let timeout = self.expectation.timeout?;
        let seconds = timeout.as_secs().saturating_add(u64::from(timeout.subsec_nanos() > 0));
        Some(u32::try_from(seconds).unwrap_or(u32::MAX))
    }
}

/// The mask under which a tuple counts whole, but for ports of 0.
fn whole(tuple: &Tuple) -> Tuple {
    let all = match tuple.source {
        IpAddr::V4(_) => IpAddr::from([0xff; 4]),
        IpAddr::V6(_) => IpAddr::from([0xff; 16]),
    };
    let bits = |number: u16| if number == 0 { 0 } else { u16::MAX };
    let endpoints = match tuple.endpoints {
        Endpoints::Ports { source, destination } => {
            Endpoints::Ports { source: bits(source), destination: bits(destination) }
        }
        Endpoints::GreKeys { source, destination } => {
            Endpoints::GreKeys { source: bits(source), destination: bits(destination) }
        }
        Endpoints::Icmp { .. } => {
            Endpoints::Icmp { icmp_type: u8::MAX, code: u8::MAX, id: u16::MAX }
        }
        Endpoints::None => Endpoints::None,
    };
    Tuple { source: all, destination: all, endpoints, zone: None, ..*tuple }
}

impl ExpectationNat {
    fn write(&self, writer: &mut Writer<'_>) {
        writer.nest(CTA_EXPECT_NAT, |writer| {
            writer.put_be32(CTA_EXPECT_NAT_DIR, u32::from(self.direction == Direction::Reply));
            self.tuple.write(CTA_EXPECT_NAT_TUPLE, writer);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::Protocol;

    fn new() -> NewExpectation {
        let ends = |last, port| (IpAddr::from([10, 0, 0, last]), port);
        let control = Tuple::with_ports(Protocol::TCP, ends(1, 40000), ends(2, 21));
        let data = Tuple::with_ports(Protocol::TCP, ends(2, 0), ends(1, 50000));
        let nat = ExpectationNat { direction: Direction::Reply, tuple: data };
        NewExpectation::new(FlowKey::new(control).zone(7), data)
            .timeout(Duration::from_millis(1500))
            .class(1)
            .flags(ExpectationFlags::from_bits_retain(0x81))
            .function("nat-follow-master")
            .nat(nat)
    }

    #[test]
    fn what_is_written_is_read() {
        let new = new();
        let read = Expectation::parse(&new.to_attributes()).unwrap();
        let mut expected = new.expectation().clone();
        expected.timeout = Some(Duration::from_secs(2)); // whole seconds, and not too few
        assert_eq!(read, expected);
        assert_eq!(
            read.to_string(),
            "2 proto=6 src=10.0.0.2 dst=10.0.0.1 sport=0 dport=50000 mask-src=255.255.255.255 \
             mask-dst=255.255.255.255 sport=0 dport=65535 master-src=10.0.0.1 master-dst=10.0.0.2 \
             sport=40000 dport=21 PERMANENT class=1"
        );
    }

    #[test]
    fn cut_and_changed_bytes_are_an_error_or_another_expectation() {
        let bytes = new().to_attributes();
        for length in 0..bytes.len() {
            let _ = Expectation::parse(bytes.get(..length).unwrap());
        }
        for index in 0..bytes.len() {
            for change in [1, 0x80, 0xff] {
                let mut bytes = bytes.to_vec();
                bytes[index] ^= change;
                let _ = Expectation::parse(&bytes);
            }
        }
        assert!(Expectation::parse(&[]).unwrap_err().to_string().contains("CTA_EXPECT_TUPLE"));
    }
}
