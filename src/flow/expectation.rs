//! An expectation: a flow that another flow has announced, and that has not come yet.

use std::fmt;
use std::time::Duration;

use bitflags::bitflags;

use super::status::write_names;
use crate::escape::Word;
use crate::flow::{Direction, ExpectationId, ExpectationKey, Tuple};
use crate::wire::{Attribute, Attributes, WireError};

/// A flow that a helper, or a program, expects because another flow (its *master*) announced it:
/// the data connection of FTP, the media of SIP.
///
/// The first packet that fits makes a flow that is [`EXPECTED`](crate::flow::Status::EXPECTED),
/// and uses the expectation up unless that is [`PERMANENT`](ExpectationFlags::PERMANENT). An
/// expectation ends with its master.
#[doc(alias = "nf_conntrack_expect")]
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Expectation {
    /// What packets of the flow look like, where the mask has bits.
    #[doc(alias = "CTA_EXPECT_TUPLE")]
    pub tuple: Tuple,
    /// Which bits of the tuple packets are compared with. The kernel keeps a mask for the source
    /// only: the destination is always compared as a whole.
    #[doc(alias = "CTA_EXPECT_MASK")]
    pub mask: Tuple,
    /// The flow that announced it, by its original tuple.
    #[doc(alias = "CTA_EXPECT_MASTER")]
    pub master: Tuple,
    /// The time until it expires, in whole seconds.
    #[doc(alias = "CTA_EXPECT_TIMEOUT")]
    #[cfg_attr(feature = "serde", serde(serialize_with = "super::serialize::seconds"))]
    pub timeout: Option<Duration>,
    /// The kernel's id.
    #[doc(alias = "CTA_EXPECT_ID")]
    pub id: Option<ExpectationId>,
    /// The name of the master's helper, such as `ftp`.
    #[doc(alias = "CTA_EXPECT_HELP_NAME")]
    pub helper: Option<String>,
    /// The zone of the master; `None` for the default zone, or an unknown one. Kernels up to 6.18 at
    /// least do not send it. [`expectations_of`](crate::Reader::expectations_of) and
    /// [`expectation`](crate::Reader::expectation) fill in the zone they were asked for.
    #[doc(alias = "CTA_EXPECT_ZONE")]
    pub zone: Option<u16>,
    /// The flags.
    #[doc(alias = "CTA_EXPECT_FLAGS")]
    pub flags: Option<ExpectationFlags>,
    /// The class: helpers number the kinds of flows they expect, from 0.
    #[doc(alias = "CTA_EXPECT_CLASS")]
    pub class: Option<u32>,
    /// What NAT the flow will get.
    #[doc(alias = "CTA_EXPECT_NAT")]
    pub nat: Option<ExpectationNat>,
    /// The name of the kernel's function that is run on the new flow, if it has one with a name.
    #[doc(alias = "CTA_EXPECT_FN")]
    pub function: Option<String>,
}

/// What NAT a flow that comes of an expectation will get.
#[doc(alias = "CTA_EXPECT_NAT")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct ExpectationNat {
    /// The direction of the flow, seen from its master.
    #[doc(alias = "CTA_EXPECT_NAT_DIR")]
    pub direction: Direction,
    /// Its source is the address and port to translate to; the destination is all zero.
    #[doc(alias = "CTA_EXPECT_NAT_TUPLE")]
    pub tuple: Tuple,
}

bitflags! {
    /// The flags of an expectation. Bits the crate has no name for are kept.
    #[doc(alias = "CTA_EXPECT_FLAGS")]
    #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub struct ExpectationFlags: u32 {
        /// It stays after the first flow that fits.
        #[doc(alias = "NF_CT_EXPECT_PERMANENT")]
        const PERMANENT = 1;
        /// Packets are not compared with it until it is made active.
        #[doc(alias = "NF_CT_EXPECT_INACTIVE")]
        const INACTIVE = 2;
        /// A program in user space made it. Linux 6.18 accepts the flag and does not keep it.
        #[doc(alias = "NF_CT_EXPECT_USERSPACE")]
        const USERSPACE = 4;

        // Bits of later kernels are values, too.
        const _ = !0;
    }
}

/// The names of the bits, joined by `,`, as `conntrack -L expect` prints them; unknown bits as one
/// hexadecimal number; nothing for none.
impl fmt::Display for ExpectationFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_names(*self, ",", f)
    }
}

impl Expectation {
    /// Reads the attributes of an expectation, as they follow the netfilter header of a message.
    /// Attributes this crate does not know are skipped.
    ///
    /// # Errors
    ///
    /// If an attribute is malformed, or if the tuple, the mask or the master is missing.
    pub fn parse(attributes: &[u8]) -> Result<Self, WireError> {
        let [master, tuple, mask, timeout, id, helper, zone, flags, class, nat, function] =
            Attributes::new(attributes).by_kind()?;
        let required = |tuple: Option<Attribute<'_>>, name| {
            Tuple::parse(tuple.ok_or(WireError::missing("expectation", name))?.payload, name)
        };
        let number = |number: Option<Attribute<'_>>, name| number.map(|n| n.be32(name)).transpose();
        let text = |text: Option<Attribute<'_>>| {
            text.map(|text| String::from_utf8_lossy(text.text()).into_owned())
        };
        Ok(Self {
            tuple: required(tuple, "CTA_EXPECT_TUPLE")?,
            mask: required(mask, "CTA_EXPECT_MASK")?,
            master: required(master, "CTA_EXPECT_MASTER")?,
            timeout: number(timeout, "CTA_EXPECT_TIMEOUT")?
                .map(|seconds| Duration::from_secs(seconds.into())),
            id: number(id, "CTA_EXPECT_ID")?.map(ExpectationId),
            helper: text(helper),
            zone: zone.map(|zone| zone.be16("CTA_EXPECT_ZONE")).transpose()?,
            flags: number(flags, "CTA_EXPECT_FLAGS")?.map(ExpectationFlags::from_bits_retain),
            class: number(class, "CTA_EXPECT_CLASS")?,
            nat: nat.map(|nat| ExpectationNat::parse(nat.attributes())).transpose()?,
            function: text(function),
        })
    }
}

impl ExpectationNat {
    fn parse(nest: Attributes<'_>) -> Result<Self, WireError> {
        let missing = |part| WireError::missing("CTA_EXPECT_NAT", part);
        let [direction, tuple] = nest.by_kind()?;
        let direction = direction.map(|direction| direction.be32("CTA_EXPECT_NAT_DIR"));
        let tuple = tuple.ok_or(missing("CTA_EXPECT_NAT_TUPLE"))?;
        Ok(Self {
            direction: match direction.transpose()? {
                Some(0) => Direction::Original,
                Some(1) => Direction::Reply,
                _ => return Err(missing("one of the two directions")),
            },
            tuple: Tuple::parse(tuple.payload, "CTA_EXPECT_NAT_TUPLE")?,
        })
    }
}

/// Exactly that expectation, by its tuple and its id, and by its zone where that is known.
impl From<&Expectation> for ExpectationKey {
    fn from(expectation: &Expectation) -> Self {
        Self { tuple: expectation.tuple, zone: expectation.zone, id: expectation.id }
    }
}

/// As `conntrack -L expect` prints it. What the kernel did not send is left out.
impl fmt::Display for Expectation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(timeout) = self.timeout {
            write!(f, "{} ", timeout.as_secs())?;
        }
        write!(f, "proto={} {}", self.tuple.protocol.0, self.tuple)?;
        write_prefixed(f, "mask", &self.mask)?;
        write_prefixed(f, "master", &self.master)?;
        if let Some(flags) = self.flags.filter(|flags| !flags.is_empty()) {
            write!(f, " {flags}")?;
        }
        if let Some(class) = self.class {
            write!(f, " class={class}")?;
        }
        match &self.helper {
            Some(helper) => write!(f, " helper={}", Word(helper)),
            None => Ok(()),
        }
    }
}

/// ` NAME-src=… NAME-dst=… sport=… dport=…`
fn write_prefixed(f: &mut fmt::Formatter<'_>, name: &str, tuple: &Tuple) -> fmt::Result {
    write!(f, " {name}-src={} {name}-dst={}", tuple.source, tuple.destination)?;
    tuple.endpoints.write_text(f)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::{Endpoints, NewExpectation, Protocol};
    use crate::wire::ctnetlink::*;
    use crate::wire::writer::Writer;
    use bytes::BytesMut;
    use std::net::IpAddr;

    /// All that a kernel can say about an expectation.
    fn full(v6: bool) -> (BytesMut, Expectation) {
        let ends: [&str; 2] =
            if v6 { ["2001:db8::1", "2001:db8::2"] } else { ["10.0.0.1", "10.0.0.2"] };
        let [client, server] = ends.map(|text| text.parse::<IpAddr>().unwrap());
        let master = Tuple::with_ports(Protocol::TCP, (client, 40000), (server, 21));
        let tuple = Tuple::with_ports(Protocol::TCP, (server, 0), (client, 50000));
        let new = NewExpectation::new(crate::flow::FlowKey::new(master).zone(7), tuple)
            .any_source_port()
            .timeout(Duration::from_millis(59_001))
            .flags(ExpectationFlags::from_bits_retain(0x8000_0001))
            .class(2)
            .nat(Direction::Reply, client, 1234)
            .function("nat-follow-master");
        let mut bytes = new.attributes().unwrap();
        let mut writer = Writer::new(&mut bytes);
        writer.put_be32(CTA_EXPECT_ID, 9);
        writer.put_text(CTA_EXPECT_HELP_NAME, "ftp");
        writer.put(60, &[1; 5]); // of a later kernel
        let expectation = Expectation::parse(&bytes).unwrap();
        assert_eq!(expectation.tuple, tuple);
        assert_eq!(expectation.master, master);
        let again = NewExpectation::from(&expectation);
        assert_eq!(again, new.timeout(Duration::from_secs(60)));
        (bytes, expectation)
    }

    #[test]
    fn every_attribute_is_read() {
        let (_, read) = full(false);
        assert_eq!(
            read.mask,
            Tuple::with_ports(Protocol::TCP, ([255; 4].into(), 0), ([255; 4].into(), u16::MAX))
        );
        assert_eq!(read.timeout, Some(Duration::from_secs(60)), "rounded up");
        assert_eq!(read.id, Some(ExpectationId(9)));
        assert_eq!(read.helper.as_deref(), Some("ftp"));
        assert_eq!(read.zone, Some(7));
        assert_eq!(read.class, Some(2));
        assert_eq!(read.function.as_deref(), Some("nat-follow-master"));
        let nat = read.nat.unwrap();
        assert_eq!(nat.direction, Direction::Reply);
        assert_eq!(nat.tuple.endpoints, Endpoints::Ports { source: 1234, destination: 0 });
        assert_eq!(
            read.to_string(),
            "60 proto=6 src=10.0.0.2 dst=10.0.0.1 sport=0 dport=50000 mask-src=255.255.255.255 \
             mask-dst=255.255.255.255 sport=0 dport=65535 master-src=10.0.0.1 master-dst=10.0.0.2 \
             sport=40000 dport=21 PERMANENT,0x80000000 class=2 helper=ftp"
        );
    }

    #[test]
    fn no_bytes_make_it_panic() {
        for v6 in [false, true] {
            let (bytes, whole) = full(v6);
            for length in 0..bytes.len() {
                if let Ok(cut) = Expectation::parse(&bytes[..length]) {
                    assert_eq!(cut.tuple, whole.tuple, "cut after the attributes it needs");
                    let _ = cut.to_string();
                }
            }
            for at in 0..bytes.len() {
                for value in [0, 1, 4, 0x7f, 0xff, bytes[at] ^ 0x80, bytes[at].wrapping_add(1)] {
                    let mut damaged = bytes.to_vec();
                    damaged[at] = value;
                    if let Ok(read) = Expectation::parse(&damaged) {
                        let _ = read.to_string();
                        let _ = NewExpectation::from(&read).attributes();
                    }
                }
            }
        }
    }

    #[test]
    fn what_it_cannot_be_without_is_named() {
        let (bytes, _) = full(false);
        let keep = |skip: u16| {
            let mut kept = BytesMut::new();
            let mut writer = Writer::new(&mut kept);
            for attribute in Attributes::new(&bytes).map(Result::unwrap) {
                if attribute.kind != skip {
                    writer.put(attribute.kind, attribute.payload);
                }
            }
            Expectation::parse(&kept)
        };
        for kind in [CTA_EXPECT_TUPLE, CTA_EXPECT_MASK, CTA_EXPECT_MASTER] {
            let name = expectation_attribute_name(kind);
            assert_eq!(keep(kind), Err(WireError::missing("expectation", name)));
        }
        for kind in CTA_EXPECT_TIMEOUT..=CTA_EXPECT_FN {
            assert!(keep(kind).is_ok());
        }
        assert_eq!(keep(CTA_EXPECT_FLAGS).unwrap().flags, None);
        assert_eq!(keep(CTA_EXPECT_ZONE).unwrap().zone, None);
    }
}
