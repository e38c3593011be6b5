//! Entries whose end nobody took notice of: a listener that insists on every event and does not
//! read them.

use std::os::fd::AsFd;

use ctnetlink::filter::Filter;
use ctnetlink::flow::{Protocol, Status};
use ctnetlink::testing::create;
use ctnetlink::{Deleted, DumpOptions, List};
use netlink_sys::{Socket, protocols::NETLINK_NETFILTER};
use rustix::net::sockopt;

use crate::support::{Skip, Test, entries, flow, has_tool, ports, run, table, tuple};

pub const TESTS: &[(&str, Test)] = &[("entries_nobody_buries", entries_nobody_buries)];

/// `NFNLGRP_CONNTRACK_DESTROY`.
const DESTROYED: u32 = 3;

fn entries_nobody_buries() -> Result<(), Skip> {
    let mut listener = Socket::new(NETLINK_NETFILTER).expect("a socket");
    listener.bind_auto().expect("an address");
    listener.set_broadcast_error(true).expect("an option");
    sockopt::set_socket_recv_buffer_size(listener.as_fd(), 4096).expect("an option");
    listener.add_membership(DESTROYED).expect("a membership");

    let mut table = table();
    let flows = (1..=100).map(|port| flow(tuple(Protocol::UDP, port % 2 == 0, ports(port, 53))));
    create(&mut table, flows).expect("new entries");
    for flow in entries(&mut table) {
        assert_eq!(table.delete(&flow).expect("an answer"), Deleted::Deleted);
    }
    assert_eq!(entries(&mut table).len(), 0);

    let mut dying = |filter| {
        let options = DumpOptions::new().list(List::Dying).filter(filter);
        let dump = table.dump(options).expect("a dump");
        dump.flows().collect::<Result<Vec<_>, _>>().expect("every entry")
    };
    let all = dying(Filter::new());
    assert!(all.len() > 50, "{} of 100 wait", all.len());
    assert!(all.iter().all(|flow| flow.status.contains(Status::DYING)));
    let v6 = dying("family=ipv6".parse().expect("a filter"));
    assert!(v6.len() > 20 && v6.len() < all.len());
    assert!(v6.iter().all(|flow| flow.original.source.is_ipv6()));
    if has_tool("conntrack") {
        assert_eq!(run("conntrack -L dying").lines().count(), all.len());
        assert_eq!(run("conntrack -L unconfirmed").lines().count(), 0);
    }
    drop(listener);
    Ok(())
}
