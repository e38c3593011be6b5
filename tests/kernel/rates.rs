//! What begins, ends and is carried between two readings of the kernel's table.

use std::net::{Ipv4Addr, UdpSocket};
use std::time::{Duration, Instant};

use ctnetlink::Query;
use ctnetlink::aggregate::Measure;
use ctnetlink::field::Field;
use ctnetlink::flow::Protocol;
use ctnetlink::testing::{Population, create, fill};

use crate::support::{Skip, Test, entries, flow, ports, table, tuple};
use crate::traffic::tracked_loopback;

pub const TESTS: &[(&str, Test)] =
    &[("what_begins_and_ends", what_begins_and_ends), ("what_is_carried", what_is_carried)];

fn what_begins_and_ends() -> Result<(), Skip> {
    let mut table = table();
    fill(&mut table, &Population::new(5_000)).expect("room");
    let query = Query::new().group_by([Field::Protocol, Field::DestinationPort]);
    let start = Instant::now();
    let mut last = table.baseline(&query).expect("a reading");
    assert_eq!(last.entries().len(), 5_000);

    let rates = table.rates(&query, &mut last).expect("a reading");
    assert_eq!((rates.began, rates.ended, rates.report.flows()), (0, 0, 0));

    let new = (0..70).map(|port| flow(tuple(Protocol::UDP, false, ports(2_000 + port, 7_777))));
    create(&mut table, new).expect("room");
    for old in entries(&mut table).iter().filter(|flow| flow.protocol() == Protocol::TCP).take(30) {
        table.delete(old).expect("an answer");
    }
    std::thread::sleep(Duration::from_millis(50));
    let rates = table.rates(&query, &mut last).expect("a reading");
    assert_eq!((rates.began, rates.ended), (70, 30));
    let rows: Vec<_> = rates.report.rows().iter().map(|row| (row.to_string(), row.flows)).collect();
    assert_eq!(rows, [("udp 7777".to_owned(), 70)]);
    assert!(rates.interval >= Duration::from_millis(50) && rates.interval <= start.elapsed());
    let each = rates.per_second(70);
    assert!((each * rates.interval.as_secs_f64() - 70.0).abs() < 1e-6);
    assert!(rates.is_complete() && rates.table.entries == 5_040);

    // It is compared with the last reading now, not with the first.
    let rates = table.rates(&query, &mut last).expect("a reading");
    assert_eq!((rates.began, rates.ended), (0, 0));
    let filtered = query.filter("dport=7777 proto=udp".parse().expect("a filter"));
    let mut last = table.baseline(&filtered).expect("a reading");
    assert_eq!(last.entries().len(), 5_040, "whatever the filter");
    let new = (0..9).flat_map(|port| {
        [7_777, 8_888].map(|to| flow(tuple(Protocol::UDP, false, ports(4_000 + port, to))))
    });
    create(&mut table, new).expect("room");
    let rates = table.rates(&filtered, &mut last).expect("a reading");
    assert_eq!((rates.began, rates.report.flows()), (18, 9));
    Ok(())
}

fn what_is_carried() -> Result<(), Skip> {
    tracked_loopback()?;
    let bind = || UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a socket");
    let (old, idle, new, server) = (bind(), bind(), bind(), bind());
    let to = server.local_addr().expect("an address");
    let send = |from: &UdpSocket, bytes: usize| {
        from.send_to(&vec![0; bytes], to).expect("sent");
    };
    send(&old, 1_000);
    send(&idle, 5_000);
    let query = Query::new().group_by([Field::SourcePort]).measure(Measure::Bytes);
    let mut table = table();
    let mut last = table.baseline(&query).expect("a reading");
    send(&old, 300);
    send(&old, 300);
    send(&new, 72);
    let rates = table.rates(&query, &mut last).expect("a reading");
    let port = |socket: &UdpSocket| socket.local_addr().expect("an address").port().to_string();
    let rows: Vec<_> = rates
        .report
        .rows()
        .iter()
        .map(|row| (row.to_string(), row.volume.expect("counters").original.bytes))
        .collect();
    assert_eq!(rows, [(port(&old), 2 * 328), (port(&new), 100)], "and nothing of the idle one");
    assert_eq!((rates.began, rates.ended), (1, 0));
    assert_eq!(rates.report.weight(), 756);
    Ok(())
}
