//! Tables of other networks, from a thread that stays in its own.

use std::sync::mpsc;

use ctnetlink::flow::Protocol;
use ctnetlink::testing::{Population, create, enter_private_network, fill};
use ctnetlink::{Conntrack, DumpOptions, ErrorKind, Namespace};

use crate::support::{Skip, Test, entries, flow, ports, table, tuple};

pub const TESTS: &[(&str, Test)] = &[
    ("three_networks_side_by_side", three_networks_side_by_side),
    ("a_process_and_its_network", a_process_and_its_network),
    ("what_is_no_namespace", what_is_no_namespace),
];

/// A network with that many entries, held by a thread until the sender is dropped.
fn network(count: u64) -> (Namespace, mpsc::Sender<()>) {
    let (ready, path) = mpsc::channel();
    let (done, wait) = mpsc::channel();
    std::thread::spawn(move || {
        enter_private_network().expect("a network");
        fill(&mut table(), &Population::new(count)).expect("room");
        let task = std::fs::read_link("/proc/thread-self").expect("this thread");
        ready.send(task).expect("somebody listens");
        let _ = wait.recv();
    });
    let task = path.recv().expect("a network");
    let path = std::path::Path::new("/proc").join(task).join("ns/net");
    (Namespace::at(path).expect("its file"), done)
}

fn three_networks_side_by_side() -> Result<(), Skip> {
    create(&mut table(), [flow(tuple(Protocol::UDP, false, ports(1, 2)))]).expect("an entry");
    let (first, first_lives) = network(100);
    let (second, _second_lives) = network(2_000);
    let mut tables = [
        Conntrack::open_in(&first).expect("the first"),
        table(),
        Conntrack::open_in(&second).expect("the second"),
        Conntrack::open_in(&second).expect("the second again"),
    ];
    let expected = [100, 1, 2_000, 2_000];
    // The file keeps the network even when its thread has gone.
    drop(first_lives);
    for (table, count) in tables.iter_mut().zip(expected) {
        assert_eq!(table.count().expect("a count"), count);
        // A dump nobody reads to its end leaves the handle in its network.
        let mut dump = table.dump(DumpOptions::new()).expect("a dump");
        assert!(dump.next_batch().expect("a batch").is_some());
        drop(dump);
        assert_eq!(entries(table).len(), count as usize);
    }
    assert_eq!(table().count().expect("a count"), 1, "this thread has not moved");
    Ok(())
}

fn a_process_and_its_network() -> Result<(), Skip> {
    create(&mut table(), [flow(tuple(Protocol::UDP, false, ports(1, 2)))]).expect("an entry");
    // The first thread of this process is in the network it began with; nothing is in there.
    let process = Namespace::of_process(std::process::id()).expect("its file");
    assert_eq!(Conntrack::open_in(&process).expect("a table").count().expect("a count"), 0);
    let own = std::fs::File::open("/proc/thread-self/ns/net").expect("its file");
    let own = Namespace::from(std::os::fd::OwnedFd::from(own));
    assert_eq!(Conntrack::open_in(&own).expect("a table").count().expect("a count"), 1);
    Ok(())
}

fn what_is_no_namespace() -> Result<(), Skip> {
    let error = Namespace::named("no-such-network").expect_err("there is none");
    assert!(matches!(error.kind(), ErrorKind::Namespace { .. }));
    let text = error.to_string();
    assert!(text.contains("/run/netns/no-such-network: No such file"), "{text}");
    for path in ["/proc/self/ns/uts", "/dev/null"] {
        let namespace = Namespace::at(path).expect("a file");
        let error = Conntrack::open_in(&namespace).expect_err("not a network");
        assert!(error.to_string().contains("it is not a network namespace"), "{error}");
    }
    Ok(())
}
