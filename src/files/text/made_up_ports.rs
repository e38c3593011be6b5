//! Ports that `conntrack` prints though the kernel has none.

use crate::flow::{Endpoints, Protocol, Tuple};

/// Protocols whose ports `conntrack` prints and asks for, and that newer kernels have no tracker for:
/// UDP-Lite since Linux 7.1, DCCP since 6.17.
const HAD_PORTS: [Protocol; 2] = [Protocol::DCCP, Protocol::UDPLITE];

impl Tuple {
    /// Whether `conntrack` makes up ports for it, since the kernel has none: 0 and 0.
    pub(crate) fn has_made_up_ports(&self) -> bool {
        HAD_PORTS.contains(&self.protocol) && self.endpoints == Endpoints::None
    }

    /// The tuple that `conntrack` prints so, without the ports it makes up.
    pub(crate) fn without_made_up_ports(mut self) -> Self {
        const MADE_UP: Endpoints = Endpoints::Ports { source: 0, destination: 0 };
        if HAD_PORTS.contains(&self.protocol) && self.endpoints == MADE_UP {
            self.endpoints = Endpoints::None;
        }
        self
    }
}
