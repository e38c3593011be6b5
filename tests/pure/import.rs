//! Text read again: what `Line` writes, what others write, and what is no entry.

use std::io::Cursor;

use ctnetlink::Query;
use ctnetlink::aggregate::Aggregator;
use ctnetlink::field::Keys;
use ctnetlink::files::text::{Line, SaveLine};
use ctnetlink::files::text::{Lines, parse_line};
use ctnetlink::flow::{
    Counters, Endpoints, Flow, FlowId, FlowRef, ProtoInfo, Protocol, State, Status, Tuple,
};
use proptest::prelude::*;

use crate::strategy::flow;

/// Whether a line says all of it: the tracker is the protocol's own, say.
fn is_plain(flow: &Flow) -> bool {
    // `conntrack` prints these where there are no ports, so they are read as none.
    let made_up = |tuple: &Tuple| {
        [Protocol::DCCP, Protocol::UDPLITE].contains(&tuple.protocol)
            && tuple.endpoints == Endpoints::Ports { source: 0, destination: 0 }
    };
    if made_up(&flow.original) || made_up(&flow.reply) {
        return false;
    }
    let tracker = match (&flow.protoinfo, flow.original.protocol) {
        (Some(ProtoInfo::Tcp(_)), Protocol::TCP)
        | (Some(ProtoInfo::Sctp(_)), Protocol::SCTP)
        | (Some(ProtoInfo::Dccp(_)), Protocol::DCCP) => true,
        (None, protocol) => ![Protocol::TCP, Protocol::SCTP, Protocol::DCCP].contains(&protocol),
        _ => false,
    };
    // A state that is a number needs a timeout before it to be told from one; the kernel has both, or
    // neither.
    let timed = flow.timeout.is_some() || flow.protoinfo.is_none();
    tracker && timed && flow.original.protocol == flow.reply.protocol
}

proptest! {
    #[test]
    fn a_saved_line_is_read_as_it_was_written(flow in flow()) {
        prop_assume!(is_plain(&flow) && flow.protocol() != Protocol::DCCP);
        let pairs = [(flow.original.endpoints, flow.reply.endpoints)];
        prop_assume!(pairs.iter().all(|(there, back)| {
            std::mem::discriminant(there) == std::mem::discriminant(back)
        }));
        let bytes = flow.to_bytes();
        let written = SaveLine::of(&FlowRef::parse(&bytes).expect("what we wrote")).to_string();
        let read = parse_line(&written).expect("a line");
        prop_assert_eq!(read.original, flow.original);
        prop_assert_eq!((read.mark, read.zone), (flow.mark, flow.zone));
        prop_assert_eq!((read.reply.source, read.reply.destination), (flow.reply.source, flow.reply.destination));
        let tracked = |flow: &Flow| match flow.protoinfo {
            Some(ProtoInfo::Tcp(tcp)) => tcp.state.name(),
            Some(ProtoInfo::Sctp(sctp)) => sctp.state.name(),
            _ => None,
        };
        if let Some(state) = tracked(&flow) {
            prop_assert_eq!(tracked(&read), Some(state));
        }
        let longer = written.clone() + " --such none";
        prop_assert!(parse_line(&longer).is_err());
        prop_assert!(parse_line(&written.replacen(" -s ", " -x ", 1)).is_err());
    }

    #[test]
    fn a_line_is_read_as_it_was_written(
        flow in flow(),
        extended in any::<bool>(),
        id in any::<bool>(),
    ) {
        prop_assume!(is_plain(&flow));
        let bytes = flow.to_bytes();
        let written = Line::of(&FlowRef::parse(&bytes).expect("what we wrote"))
            .extended(extended)
            .id(id)
            .to_string();
        let read = parse_line(&written).expect("a line");
        prop_assert_eq!((read.original, read.reply), (flow.original, flow.reply), "{}", written);
        prop_assert_eq!(read.timeout, flow.timeout);
        prop_assert_eq!((read.mark, read.zone, read.use_count), (flow.mark, flow.zone, flow.use_count));
        prop_assert_eq!(read.counters_original, flow.counters_original);
        prop_assert_eq!(read.counters_reply, flow.counters_reply);
        prop_assert_eq!(read.id, flow.id.filter(|_| id));
        prop_assert_eq!(&read.security_context, &flow.security_context);
        prop_assert_eq!(
            read.helper.as_ref().map(|helper| helper.name.clone().into_owned()),
            flow.helper.as_ref().map(|helper| helper.name.clone().into_owned())
        );
        // Of status bits only those that are printed, and of these one.
        let printed = Status::SEEN_REPLY;
        prop_assert_eq!(read.status & printed, flow.status & printed, "{}", written);
        if flow.timeout.is_some() {
            prop_assert_eq!(read.state(), flow.state(), "{}", written);
        }
    }

    #[test]
    fn no_text_panics(text in "\\PC{0,80}|[a-z0-9=\\[\\] .:]{0,120}") {
        let _ = parse_line(&text);
        let _ = Lines::new(text.as_bytes()).scan(&Query::new());
    }
}

/// What `conntrack` says besides comes into the middle of an entry where both go into one file.
#[test]
fn a_list_with_all_that_happens_to_lists() {
    let entry = "udp 17 29 src=10.0.0.1 dst=10.0.0.2 sport=1 dport=2 \
                 src=10.0.0.2 dst=10.0.0.1 sport=2 dport=1";
    let (head, tail) = entry.split_at(20);
    let said = "conntrack v1.4.7 (conntrack-tools): 62 flow entries have been shown.\n";
    let (long, short) = ("x".repeat(300_000), "\u{7}".repeat(500));
    let text =
        format!("\u{feff}{entry}\r\n{head}{said}{tail}\n\n{long}\n{said}{entry}\ns {short}\n");
    let mut lines = Lines::new(text.as_bytes());
    let mut flows = Vec::new();
    while let Some(flow) = lines.next_flow().expect("text") {
        flows.push(flow);
    }
    assert_eq!(flows.len(), 3);
    assert!(flows.iter().all(|flow| *flow == flows[0]));
    let end = lines.end();
    assert_eq!((end.lines, end.malformed, end.bytes), (8, 2, text.len() as u64));
    let (line, why) = end.first_malformed.clone().expect("one");
    assert!(line == 5 && why.len() < 200, "{line} {why}");
}

#[test]
fn lines_of_others() {
    // The kernel's own list: IPv6 written out, and a zone that is always there.
    let listed = parse_line(
        "ipv6     10 udp      17 28 src=2001:0db8:0000:0000:0000:0000:0000:0001 \
         dst=2001:0db8:0000:0000:0000:0000:0000:0002 sport=5353 dport=53 packets=1 bytes=74 \
         [UNREPLIED] src=2001:0db8:0000:0000:0000:0000:0000:0002 \
         dst=2001:0db8:0000:0000:0000:0000:0000:0001 sport=53 dport=5353 packets=0 bytes=0 \
         mark=0 secctx=system_u:object_r:unlabeled_t:s0 zone=0 delta-time=3 use=2",
    )
    .expect("a line");
    assert_eq!(listed.original.source.to_string(), "2001:db8::1");
    assert_eq!((listed.state(), listed.zone), (State::UNREPLIED, Some(0)));
    assert_eq!(listed.counters_original, Some(Counters { packets: 1, bytes: 74 }));
    // With moments, which have blanks in them, labels, and an id after that of ICMP.
    let icmp = parse_line(
        "icmp     1 29 src=10.0.0.1 dst=10.0.0.2 type=8 code=0 id=77 src=10.0.0.2 dst=10.0.0.1 \
         type=0 code=0 id=77 mark=5 [start=Sat Nov 21 08:00:00 2026] labels=a,b use=1 id=3735928559",
    )
    .expect("a line");
    assert_eq!(icmp.original.endpoints, Endpoints::Icmp { icmp_type: 8, code: 0, id: 77 });
    assert_eq!((icmp.id, icmp.mark), (Some(FlowId(0xdead_beef)), Some(5)));
    // Without a timeout: in a flow table.
    let offloaded = parse_line(
        "tcp      6 src=10.0.0.1 dst=10.0.0.2 sport=1 dport=2 src=10.0.0.2 dst=10.0.0.1 sport=2 \
         dport=1 [OFFLOAD] mark=0 use=2",
    )
    .expect("a line");
    assert_eq!((offloaded.timeout, offloaded.state()), (None, State::OFFLOAD));
    let gre = parse_line(
        "ipv4     2 gre      47 179 timeout=0, stream_timeout=0 src=10.0.0.1 dst=10.0.0.2 srckey=0x1f dstkey=0x0 src=10.0.0.2 \
         dst=10.0.0.1 srckey=0x0 dstkey=0x1f use=1",
    )
    .expect("a line");
    assert_eq!(gre.original.endpoints, Endpoints::GreKeys { source: 31, destination: 0 });
}

#[test]
fn a_line_that_is_none_says_where() {
    for (line, word) in [
        ("", "expected a protocol, but the line ends"),
        ("tcp", "expected the number of the protocol, but"),
        ("tcp six", "expected a protocol name and number, found \"six\""),
        ("ipv4 x tcp 6", "expected the number of the family, found \"x\""),
        ("src=1.2.3.4 dst=5.6.7.8", "expected a protocol name and number, found \"src=1.2.3.4\""),
        ("tcp 6 1 CLOSE src=1.2.3.4", "expected dst=, but the line ends"),
        ("tcp 6 1 CLOSE src=1.2.3.4 dst=1.2.3 src=", "\"dst=1.2.3\""),
        ("tcp 6 1 CLOSE mark=1", "expected src= of one direction or two, found \"mark=1\""),
        (
            "tcp 6 1 CLOSE src=1.2.3.4 dst=5.6.7.8 src=1.2.3.4 dst=5.6.7.8 src=1.1.1.1",
            "\"src=1.1.1.1\"",
        ),
        ("tcp 6 1 CLOSE src=1.2.3.4 dst=5.6.7.8 sport=65536", "\"sport=65536\""),
        ("The quick brown fox", "\"quick\""),
    ] {
        let error = parse_line(line).expect_err(line).to_string();
        assert!(error.contains(word), "{line}: {error}");
    }
}

#[test]
fn a_list_is_counted_and_what_is_no_entry_is_too() {
    let flows: Vec<_> = ctnetlink::testing::Population::new(2_000).flows().collect();
    let mut text =
        String::from("conntrack v1.4.7 (conntrack-tools): 2000 flow entries have been shown.\n");
    let query =
        Query::new().group_by("source,dport,state".parse::<Keys>().expect("keys")).top(usize::MAX);
    let mut direct = Aggregator::new(&query);
    for (index, flow) in flows.iter().enumerate() {
        let bytes = flow.to_bytes();
        direct.record_bytes(&bytes).expect("what we wrote");
        let flow = FlowRef::parse(&bytes).expect("what we wrote");
        let line = Line::of(&flow).extended(index % 2 == 0);
        text += &format!("{line}\n");
        if index % 100 == 7 {
            text += "\nnonsense\n";
        }
    }
    let mut lines = Lines::new(Cursor::new(&text));
    assert_eq!(lines.scan(&query).expect("text"), direct.finish());
    let end = lines.end();
    assert_eq!((end.lines, end.entries, end.malformed), (2_041, 2_000, 20));
    let (first, why) = end.first_malformed.clone().expect("one");
    assert_eq!(
        (first, why.as_str()),
        (11, "expected the number of the protocol, but the line ends")
    );
    // A line without an end is no reason to run out of memory.
    let endless = std::io::BufReader::new(std::io::Read::take(std::io::repeat(b'x'), 8 << 20));
    let mut lines = Lines::new(endless);
    let memory = allocation_counter::measure(|| {
        assert_eq!(lines.scan(&query).expect("text").flows(), 0);
    });
    assert_eq!((lines.end().lines, lines.end().malformed, lines.end().bytes), (1, 1, 8 << 20));
    assert!(memory.bytes_max < 1 << 20, "{}", memory.bytes_max);
}
