//! What flows have carried, how long they have lived and still have, of real packets.

use std::net::{Ipv4Addr, UdpSocket};
use std::time::Duration;

use ctnetlink::Query;
use ctnetlink::aggregate::{Measure, Report};
use ctnetlink::field::Keys;

use crate::support::{Skip, Test, set, table};
use crate::traffic::tracked_loopback;

pub const TESTS: &[(&str, Test)] = &[
    ("packets_and_bytes_of_each_direction", packets_and_bytes_of_each_direction),
    ("how_long_it_has_and_has_been", how_long_it_has_and_has_been),
];

fn scan(fields: &str, measure: Measure) -> Report {
    let query = Query::new().group_by(fields.parse::<Keys>().expect("fields")).measure(measure);
    table().scan(&query).expect("a scan").report
}

/// Sends so many packets of so many bytes to an address of loopback, and one of 10 back.
fn exchange(to: Ipv4Addr, packets: usize, bytes: usize) {
    let server = UdpSocket::bind((to, 0)).expect("a socket");
    let client = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a socket");
    for _ in 0..packets {
        client.send_to(&vec![0; bytes], server.local_addr().expect("an address")).expect("sent");
    }
    server.send_to(&[0; 10], client.local_addr().expect("an address")).expect("sent");
}

fn packets_and_bytes_of_each_direction() -> Result<(), Skip> {
    // A flow from before accounting: nobody knows what it carries.
    tracked_loopback()?;
    set("nf_conntrack_acct", "0");
    exchange(Ipv4Addr::new(127, 0, 0, 9), 1, 5000);
    set("nf_conntrack_acct", "1");
    exchange(Ipv4Addr::new(127, 0, 0, 2), 9, 10);
    exchange(Ipv4Addr::new(127, 0, 0, 3), 2, 1000);
    exchange(Ipv4Addr::new(127, 0, 0, 3), 1, 100);

    let rows = |measure| {
        let report = scan("destination", measure);
        let total = report.volume().expect("counters");
        assert_eq!((total.original.packets, total.reply.packets, total.uncounted), (12, 3, 1));
        assert_eq!(total.original.bytes, 9 * 38 + 2 * 1028 + 128, "with the headers of IP and UDP");
        assert_eq!(total.reply.bytes, 3 * 38);
        let row = |row: &ctnetlink::aggregate::Row| {
            let volume = row.volume.expect("counters");
            let (there, back) = (volume.original, volume.reply);
            (row.to_string(), row.flows, there.packets, there.bytes, back.packets, back.bytes)
        };
        report.rows().iter().map(row).collect::<Vec<_>>()
    };
    let many = ("127.0.0.2".to_owned(), 1, 9, 342, 1, 38);
    let large = ("127.0.0.3".to_owned(), 2, 3, 2184, 2, 76);
    let unknown = ("127.0.0.9".to_owned(), 1, 0, 0, 0, 0);
    assert_eq!(rows(Measure::Packets), [many.clone(), large.clone(), unknown.clone()]);
    assert_eq!(rows(Measure::Bytes), [large, many, unknown]);
    assert_eq!(scan("destination", Measure::Flows).volume(), None);
    Ok(())
}

fn how_long_it_has_and_has_been() -> Result<(), Skip> {
    tracked_loopback()?;
    set("nf_conntrack_timestamp", "0");
    exchange(Ipv4Addr::new(127, 0, 0, 2), 1, 10);
    set("nf_conntrack_timestamp", "1");
    set("nf_conntrack_udp_timeout", "100");
    exchange(Ipv4Addr::new(127, 0, 0, 3), 1, 10);
    std::thread::sleep(Duration::from_millis(1_100));
    let report = scan("destination,expires,age", Measure::Flows);
    let rows: Vec<_> = report.rows().iter().map(ToString::to_string).collect();
    // The kernel gives a UDP flow 30 seconds, unless told otherwise.
    assert_eq!(rows, ["127.0.0.2 10s-30s -", "127.0.0.3 1m-2m <10s"]);
    Ok(())
}
