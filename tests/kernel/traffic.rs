//! Real packets: a TCP and a UDP exchange over loopback, tracked because a rule asks for it.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::time::Duration;

use ctnetlink::flow::{Flow, Protocol, State, Status, Tuple};

use crate::support::{Skip, Test, entries, has_tool, need_tool, run, set, table};

pub const TESTS: &[(&str, Test)] =
    &[("tcp_over_loopback", tcp_over_loopback), ("udp_over_loopback", udp_over_loopback)];

/// Brings loopback up and turns tracking and accounting on. A network tracks nothing until a rule
/// needs it.
pub fn tracked_loopback() -> Result<(), Skip> {
    need_tool("ip")?;
    if !has_tool("nft") && !has_tool("iptables") {
        return Err(Skip::Tool("neither nft nor iptables is installed".to_owned()));
    }
    set("nf_conntrack_acct", "1");
    run("ip link set lo up");
    if has_tool("nft") {
        run("nft add table inet t");
        run("nft add chain inet t c { type filter hook input priority 0 ; }");
        run("nft add rule inet t c ct state new counter");
    } else {
        run("iptables -A INPUT -m conntrack --ctstate NEW");
        run("ip6tables -A INPUT -m conntrack --ctstate NEW");
    }
    Ok(())
}

/// The flow between two sockets. Its ports alone would not do: the families share them.
fn the_one(protocol: Protocol, from: SocketAddr, to: SocketAddr) -> Flow {
    let ends = |address: SocketAddr| (address.ip(), address.port());
    let original = Tuple::with_ports(protocol, ends(from), ends(to));
    let mut found = entries(&mut table());
    found.retain(|flow| flow.original == original);
    let [found] = <[Flow; 1]>::try_from(found).expect("one flow between them");
    found
}

fn tcp_over_loopback() -> Result<(), Skip> {
    tracked_loopback()?;
    for (number, address) in (1..).zip([Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]) {
        let listener = TcpListener::bind(SocketAddr::new(address, 0)).expect("a listener");
        let server = listener.local_addr().expect("an address");
        let mut client = TcpStream::connect(server).expect("a connection");
        let (mut accepted, _) = listener.accept().expect("its other end");
        client.write_all(&[1; 1000]).expect("sent");
        accepted.read_exact(&mut [0; 1000]).expect("received");
        accepted.write_all(&[2; 10]).expect("sent");
        client.read_exact(&mut [0; 10]).expect("received");

        let from = client.local_addr().expect("an address");
        let flow = the_one(Protocol::TCP, from, server);
        assert_eq!(flow.reply, flow.original.inverse());
        assert_eq!(flow.state(), State::ESTABLISHED);
        assert!(flow.status.contains(Status::SEEN_REPLY | Status::ASSURED | Status::CONFIRMED));
        let (there, back) =
            (flow.counters_original.expect("counters"), flow.counters_reply.expect("counters"));
        assert!(there.packets >= 3 && there.bytes >= 1000 + 40 * there.packets, "{there:?}");
        assert!(back.packets >= 2 && (10..500).contains(&back.bytes), "{back:?}");
        assert!(there.bytes < 2000);
        assert_as_conntrack_says(&flow, server.port());

        // Not by dropping them: a tool that another test starts at this moment holds copies of the
        // sockets until it runs, and they close with the last copy.
        for end in [&client, &accepted] {
            end.shutdown(Shutdown::Write).expect("an end");
        }
        let closed = the_one(Protocol::TCP, from, server);
        assert_ne!(closed.state(), State::ESTABLISHED);
        assert_eq!(closed.id, flow.id);
        assert_eq!(entries(&mut table()).len(), number, "no other flows");
    }
    Ok(())
}

fn udp_over_loopback() -> Result<(), Skip> {
    tracked_loopback()?;
    let bind = || UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a socket");
    let (client, server) = (bind(), bind());
    let (from, to) =
        (client.local_addr().expect("an address"), server.local_addr().expect("an address"));
    client.send_to(&[0; 100], to).expect("sent");
    server.recv(&mut [0; 100]).expect("received");
    let asked = the_one(Protocol::UDP, from, to);
    assert_eq!(asked.state(), State::UNREPLIED);
    let there = asked.counters_original.expect("counters");
    assert_eq!((there.packets, there.bytes), (1, 128));
    assert_eq!(asked.counters_reply.expect("counters").packets, 0);

    server.send_to(&[0; 50], from).expect("sent");
    client.recv(&mut [0; 50]).expect("received");
    let answered = the_one(Protocol::UDP, from, to);
    assert_eq!(answered.state(), State::REPLIED);
    let back = answered.counters_reply.expect("counters");
    assert_eq!((back.packets, back.bytes), (1, 78));
    assert_eq!(answered.id, asked.id);
    assert_as_conntrack_says(&answered, to.port());

    // A flow that goes on for two seconds is more than a question and its answer.
    std::thread::sleep(Duration::from_millis(2_100));
    client.send_to(&[0; 100], to).expect("sent");
    server.recv(&mut [0; 100]).expect("received");
    let goes_on = the_one(Protocol::UDP, from, to);
    assert_eq!((goes_on.state(), goes_on.id), (State::ASSURED, asked.id));
    assert_eq!(entries(&mut table()).len(), 1, "no other flows");
    Ok(())
}

/// The counters that `conntrack` lists for a flow, where it is installed.
fn assert_as_conntrack_says(flow: &Flow, port: u16) {
    if !has_tool("conntrack") {
        return;
    }
    let listed = run(&format!("conntrack -L -p {} --dport {port}", flow.protocol()));
    let numbers = |name: &str| -> Vec<u64> {
        let values = listed.split_whitespace().filter_map(|word| word.strip_prefix(name));
        values.map(|value| value.parse().expect("a number")).collect()
    };
    let ours = [flow.counters_original, flow.counters_reply].map(|c| c.expect("counters"));
    assert_eq!(numbers("packets="), ours.map(|counters| counters.packets));
    assert_eq!(numbers("bytes="), ours.map(|counters| counters.bytes));
}
