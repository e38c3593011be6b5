//! The SSH session somebody sits in, so as not to cut it off.

use std::net::{IpAddr, SocketAddr};

use ctnetlink::flow::{FlowRef, Protocol, Tuple};

/// The two ends of a TCP connection.
pub struct Session {
    client: SocketAddr,
    server: SocketAddr,
}

impl Session {
    /// The session this process runs in, if it does: what `sshd` put into its environment, or, since
    /// `sudo` takes that out, into that of a parent.
    pub fn own() -> Option<Self> {
        let own = std::env::var("SSH_CONNECTION").ok().and_then(|text| Self::parse(&text));
        own.or_else(|| Self::parse(&of_a_parent()?))
    }

    /// `SSH_CONNECTION`: address and port of the client, and of the server.
    pub fn parse(text: &str) -> Option<Self> {
        let mut words = text.split_whitespace();
        let mut end = || {
            let address: IpAddr = words.next()?.parse().ok()?;
            Some(SocketAddr::new(address.to_canonical(), words.next()?.parse().ok()?))
        };
        Some(Self { client: end()?, server: end()? })
    }

    /// Whether an entry is of the session, on either side of any NAT.
    pub fn is(&self, flow: &FlowRef<'_>) -> bool {
        let of = |tuple: &Tuple| {
            let source = tuple.endpoints.source_port().map(|p| SocketAddr::new(tuple.source, p));
            let destination =
                tuple.endpoints.destination_port().map(|p| SocketAddr::new(tuple.destination, p));
            let ends = (source, destination);
            ends == (Some(self.client), Some(self.server))
                || ends == (Some(self.server), Some(self.client))
        };
        flow.protocol() == Protocol::TCP && (of(flow.original()) || of(flow.reply()))
    }
}

fn of_a_parent() -> Option<String> {
    let mut process = std::process::id();
    while process > 1 {
        let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
        process =
            status.lines().find_map(|line| line.strip_prefix("PPid:"))?.trim().parse().ok()?;
        // Not every parent may be looked into.
        let environment = std::fs::read(format!("/proc/{process}/environ")).unwrap_or_default();
        let found = environment
            .split(|&byte| byte == 0)
            .find_map(|variable| variable.strip_prefix(b"SSH_CONNECTION="));
        if let Some(found) = found {
            return String::from_utf8(found.to_vec()).ok();
        }
    }
    None
}
