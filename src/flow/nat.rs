//! What NAT made of a flow, derived from its two tuples.
//!
//! The kernel never sends the translation itself, and the status bits say only that it was
//! decided. Without NAT the reply tuple is the original's inverse; every difference is a
//! translation.

use std::net::IpAddr;

use crate::flow::{Endpoints, Tuple};

/// An end of a flow as the other side sees it.
#[doc(alias = "CTA_NAT_SRC")]
#[doc(alias = "CTA_NAT_DST")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Translation {
    /// The address it was translated to.
    pub address: IpAddr,
    /// The port it was translated to, for protocols with ports. It may be the original's.
    pub port: Option<u16>,
}

impl Translation {
    /// Source NAT: what the far end takes for the source, if that is not the original source.
    pub(crate) fn of_source(original: &Tuple, reply: &Tuple) -> Option<Self> {
        let seen = Self { address: reply.destination, port: reply.endpoints.destination_port() };
        let id_changed = match (original.endpoints, reply.endpoints) {
            (Endpoints::Icmp { id: was, .. }, Endpoints::Icmp { id: is, .. }) => was != is,
            _ => false,
        };
        let changed = seen.address != original.source
            || seen.port != original.endpoints.source_port()
            || id_changed;
        changed.then_some(seen)
    }

    /// Destination NAT: who answers, if that is not the original destination.
    pub(crate) fn of_destination(original: &Tuple, reply: &Tuple) -> Option<Self> {
        let seen = Self { address: reply.source, port: reply.endpoints.source_port() };
        let changed = seen.address != original.destination
            || seen.port != original.endpoints.destination_port();
        changed.then_some(seen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::Protocol;

    fn tcp(source: ([u8; 4], u16), destination: ([u8; 4], u16)) -> Tuple {
        Tuple::with_ports(
            Protocol::TCP,
            (source.0.into(), source.1),
            (destination.0.into(), destination.1),
        )
    }

    #[test]
    fn only_a_difference_is_a_translation() {
        let original = tcp(([10, 0, 0, 1], 1000), ([192, 0, 2, 1], 80));
        let plain = original.inverse();
        assert_eq!(Translation::of_source(&original, &plain), None);
        assert_eq!(Translation::of_destination(&original, &plain), None);

        let masqueraded = tcp(([192, 0, 2, 1], 80), ([203, 0, 113, 1], 1000));
        let seen = Translation::of_source(&original, &masqueraded).unwrap();
        assert_eq!((seen.address, seen.port), ([203, 0, 113, 1].into(), Some(1000)));
        assert_eq!(Translation::of_destination(&original, &masqueraded), None);

        let port_forwarded = tcp(([192, 0, 2, 1], 8080), ([10, 0, 0, 1], 1000));
        let seen = Translation::of_destination(&original, &port_forwarded).unwrap();
        assert_eq!(seen.port, Some(8080));
        assert_eq!(Translation::of_source(&original, &port_forwarded), None);
    }
}
