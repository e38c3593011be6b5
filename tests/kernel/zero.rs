//! Counters that are read and set back: of what was asked for, and of nothing else.

use std::net::{Ipv4Addr, UdpSocket};

use ctnetlink::ErrorKind;
use ctnetlink::filter::Filter;
use ctnetlink::flow::{Flow, FlowId, FlowKey};

use crate::support::{Skip, Test, entries, table};
use crate::traffic::tracked_loopback;

pub const TESTS: &[(&str, Test)] = &[
    ("only_what_matches_is_zeroed", only_what_matches_is_zeroed),
    ("what_the_kernel_cannot_tell_apart_is_refused", what_the_kernel_cannot_tell_apart_is_refused),
    ("one_entry_is_zeroed", one_entry_is_zeroed),
];

/// One packet of a hundred bytes to each of these ports of loopback.
fn traffic(ports: &[u16]) -> Result<(), Skip> {
    tracked_loopback()?;
    let client = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a socket");
    for port in ports {
        let server = UdpSocket::bind((Ipv4Addr::LOCALHOST, *port)).expect("a socket");
        client.send_to(&[0; 100], server.local_addr().expect("an address")).expect("sent");
        server.recv(&mut [0; 100]).expect("received");
    }
    Ok(())
}

/// The port of each flow with the packets it counts.
fn packets() -> Vec<(u16, u64)> {
    let mut packets: Vec<_> = entries(&mut table()).iter().map(counted).collect();
    packets.sort();
    packets
}

fn counted(flow: &Flow) -> (u16, u64) {
    let port = flow.original.endpoints.destination_port().expect("a port");
    (port, flow.counters_original.expect("counters").packets)
}

fn only_what_matches_is_zeroed() -> Result<(), Skip> {
    traffic(&[1001, 1002, 1003])?;
    let mut table = table();
    let filter: Filter = "family=ipv4 proto=udp dport=1002".parse().expect("a filter");
    let read: Vec<_> = table
        .dump_and_zero(&filter)
        .expect("a dump")
        .flows()
        .map(|flow| counted(&flow.expect("an entry")))
        .collect();
    assert_eq!(read, [(1002, 1)]);
    assert_eq!(packets(), [(1001, 1), (1002, 0), (1003, 1)]);

    let all = table.dump_and_zero(&Filter::new()).expect("a dump").flows();
    assert_eq!(all.count(), 3);
    assert_eq!(packets(), [(1001, 0), (1002, 0), (1003, 0)]);
    Ok(())
}

fn what_the_kernel_cannot_tell_apart_is_refused() -> Result<(), Skip> {
    traffic(&[1001, 1002])?;
    let mut table = table();
    for (text, word) in [
        ("proto=udp dport=1001,1002", "dport=1001-1002"),
        ("proto=udp dport=1001 bytes>5", "bytes>5"),
        ("proto=udp src=127.0.0.0/8", "src=127.0.0.0/8"),
        ("assured or proto=udp", "assured or proto=udp"),
    ] {
        let error = table.dump_and_zero(&text.parse().expect("a filter")).expect_err(text);
        assert!(matches!(error.kind(), ErrorKind::Inexact { .. }), "{error}");
        assert!(error.to_string().contains(word), "{error}");
    }
    assert_eq!(packets(), [(1001, 1), (1002, 1)]);
    Ok(())
}

fn one_entry_is_zeroed() -> Result<(), Skip> {
    traffic(&[1001, 1002])?;
    let mut table = table();
    let all = entries(&mut table);
    let one = all.iter().find(|flow| counted(flow).0 == 1001).expect("one");
    let forged = FlowKey::from(one).id(FlowId(one.id.expect("an id").0.wrapping_add(1)));
    assert_eq!(table.get_and_zero(forged).expect("an answer"), None);
    assert_eq!(packets(), [(1001, 1), (1002, 1)]);
    let read = table.get_and_zero(one).expect("an answer").expect("the entry");
    assert_eq!(counted(&read), (1001, 1));
    assert_eq!(packets(), [(1001, 0), (1002, 1)]);
    let again = table.get_and_zero(FlowKey::new(one.original)).expect("an answer");
    assert_eq!(counted(&again.expect("the entry")), (1001, 0));
    Ok(())
}
