//! Whether this kernel has the errors that `ERRATA` lists, found out by requests the crate never sends.
//!
//! A test fails if the kernel has an error that `ERRATA` does not give its version. If it lacks one that
//! `ERRATA` gives it, its distribution may have fixed that, so the test prints a finding.

use ctnetlink::DumpOptions;
use ctnetlink::flow::{Family, Flow, FlowRef, Protocol};
use ctnetlink::kernel::{ERRATA, Version};
use ctnetlink::testing::{Population, create, fill};
use ctnetlink::wire::{KernelStatus, Messages};

use crate::expectations::deletes_by_id;
use crate::protocol::{ask, dump_request, receive, request, socket};
use crate::support::{Skip, Test, entries, flow, need_kernel, ports, table, tuple};
use crate::unknown::{finding, release};

pub const TESTS: &[(&str, Test)] = &[
    ("every_erratum_is_asked_for", every_erratum_is_asked_for),
    ("an_ipv6_address_is_inverted", an_ipv6_address_is_inverted),
    ("ports_of_sctp_are_ignored", ports_of_sctp_are_ignored),
    ("an_unknown_filter_is_ignored", an_unknown_filter_is_ignored),
    ("a_zone_is_ignored", a_zone_is_ignored),
    ("a_delete_without_a_tuple_is_a_flush", a_delete_without_a_tuple_is_a_flush),
    ("a_flush_of_one_family_takes_both", a_flush_of_one_family_takes_both),
    ("one_answer_says_that_more_come", one_answer_says_that_more_come),
    ("an_expectation_has_two_ids", an_expectation_has_two_ids),
    ("a_change_under_a_dump_is_not_told", a_change_under_a_dump_is_not_told),
];

/// An erratum by some of its words, and the test here that asks the kernel.
const ASKED: &[(&str, &str)] = &[
    ("IPv6 address in CTA_FILTER", "an_ipv6_address_is_inverted"),
    ("ports in CTA_FILTER", "ports_of_sctp_are_ignored"),
    ("filters a kernel does not know", "an_unknown_filter_is_ignored"),
    ("CTA_ZONE in a dump", "a_zone_is_ignored"),
    ("a delete without a tuple", "a_delete_without_a_tuple_is_a_flush"),
    ("a flush of one family", "a_flush_of_one_family_takes_both"),
    ("NLM_F_MULTI", "one_answer_says_that_more_come"),
    ("an expectation is shown", "an_expectation_has_two_ids"),
    ("NLM_F_DUMP_INTR", "a_change_under_a_dump_is_not_told"),
];

/// Not asked here: what takes packets at the very moment of a dump, and what is the host's, which
/// `tests/machine` asks.
const NOT_ASKED: [&str; 2] = ["a dump that zeroes counters", "a hash table that grows"];

const DELETE: u16 = 0x0102;
const REQUEST: u16 = 0x0001;
const ACKNOWLEDGE: u16 = 0x0004;
const MULTI: u16 = 0x0002;
const INTERRUPTED: u16 = 0x0010;

const TUPLE_ORIGINAL: u16 = 1;
const ZONE: u16 = 18;
const FILTER: u16 = 25;
const NESTED: u16 = 0x8000;

fn every_erratum_is_asked_for() -> Result<(), Skip> {
    for erratum in ERRATA {
        let asked = ASKED.iter().find(|(words, _)| erratum.what.contains(words));
        match asked {
            Some((_, test)) => assert!(TESTS.iter().any(|(name, _)| name == test), "{test}"),
            None => {
                let listed = NOT_ASKED.iter().any(|words| erratum.what.contains(words));
                assert!(listed, "{}", erratum.what);
            }
        }
    }
    assert_eq!(ASKED.len() + NOT_ASKED.len(), ERRATA.len());
    Ok(())
}

/// Compares what this kernel does with what is said of it.
fn compare(words: &str, has_it: bool) {
    let erratum = ERRATA.into_iter().find(|erratum| erratum.what.contains(words));
    let erratum = erratum.expect("an erratum with these words");
    let version: Version = release().parse().expect("a version");
    if has_it {
        assert!(erratum.affects(version), "Linux {version} has it: {}", erratum.what);
    } else if erratum.affects(version) {
        finding(&format!("does not do any more: {}", erratum.what));
    }
}

fn attribute(kind: u16, payload: &[u8]) -> Vec<u8> {
    let mut bytes = (4 + payload.len() as u16).to_ne_bytes().to_vec();
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(payload);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

fn nest(kind: u16, parts: &[Vec<u8>]) -> Vec<u8> {
    attribute(kind | NESTED, &parts.concat())
}

/// The flags of a filter are in the order of the host.
fn filter(flags: u32) -> Vec<u8> {
    nest(FILTER, &[attribute(1, &flags.to_ne_bytes())])
}

/// The entries of a dump.
fn dump(family: Family, attributes: &[u8]) -> Vec<Flow> {
    let socket = socket();
    let mut found = Vec::new();
    let mut datagram = ask(&socket, &dump_request(family.number(), attributes));
    loop {
        for message in Messages::new(&datagram) {
            let message = message.expect("a whole message");
            if message.is_done() {
                return found;
            }
            assert!(!message.is_error(), "{:?}", KernelStatus::parse(&message));
            let (_, attributes) = message.netfilter().expect("a header");
            found.push(FlowRef::parse(attributes).expect("an entry").to_owned());
        }
        datagram = receive(&socket);
    }
}

fn need_tuple_filter() -> Result<(), Skip> {
    let kernel = table().capabilities().expect("an answer");
    need_kernel(kernel.tuple_filter, "filter by tuple (since 5.8)")
}

fn an_ipv6_address_is_inverted() -> Result<(), Skip> {
    need_tuple_filter()?;
    let one = tuple(Protocol::UDP, true, ports(1, 2));
    let mut other = one;
    other.source = "2001:db8::9".parse().expect("an address");
    create(&mut table(), [flow(one), flow(other)]).expect("room");
    let source = attribute(3, &"2001:db8::1".parse::<std::net::Ipv6Addr>().expect("one").octets());
    let asked = [nest(TUPLE_ORIGINAL, &[nest(1, &[source])]), filter(1)].concat();
    let found: Vec<_> = dump(Family::Ipv6, &asked).iter().map(|flow| flow.original).collect();
    assert!(found == [one] || found == [other], "{found:?}");
    compare("IPv6 address in CTA_FILTER", found == [other]);
    Ok(())
}

fn ports_of_sctp_are_ignored() -> Result<(), Skip> {
    need_tuple_filter()?;
    let kernel = table().capabilities().expect("an answer");
    need_kernel(kernel.tracks(Protocol::SCTP), "tracker for SCTP")?;
    let of = |port| tuple(Protocol::SCTP, false, ports(port, 9));
    create(&mut table(), [flow(of(1)), flow(of(2))]).expect("room");
    let protocol = nest(2, &[attribute(1, &[132]), attribute(2, &1_u16.to_be_bytes())]);
    let number_and_source_port = 1 << 3 | 1 << 4;
    let asked = [nest(TUPLE_ORIGINAL, &[protocol]), filter(number_and_source_port)].concat();
    let found = dump(Family::Ipv4, &asked);
    assert!(found.iter().any(|flow| flow.original == of(1)));
    compare("ports in CTA_FILTER", found.len() == 2);
    Ok(())
}

fn an_unknown_filter_is_ignored() -> Result<(), Skip> {
    const NO_KERNEL_HAS_IT: u16 = 200;
    fill(&mut table(), &Population::new(50).only(Family::Ipv4)).expect("room");
    let found = dump(Family::Ipv4, &attribute(NO_KERNEL_HAS_IT, &[1, 2, 3, 4]));
    compare("filters a kernel does not know", found.len() == 50);
    Ok(())
}

fn a_zone_is_ignored() -> Result<(), Skip> {
    let plain = flow(tuple(Protocol::UDP, false, ports(1, 2)));
    let mut zoned = plain.clone();
    zoned.zone = Some(7);
    create(&mut table(), [plain, zoned]).expect("room");
    let found = dump(Family::Ipv4, &attribute(ZONE, &7_u16.to_be_bytes()));
    let kernel = table().capabilities().expect("an answer");
    assert!(found.len() == 2 || kernel.zone_filter, "more than is known");
    compare("CTA_ZONE in a dump", found.len() == 2);
    Ok(())
}

/// In a network of its own, as all that is done here.
fn delete(header: [u8; 2], attributes: &[u8]) {
    let reply = ask(&socket(), &request(DELETE, REQUEST | ACKNOWLEDGE, header, attributes));
    let message = Messages::new(&reply).next().expect("a message").expect("a whole one");
    assert_eq!(KernelStatus::parse(&message).expect("a status").errno, 0);
}

fn both_families() -> usize {
    fill(&mut table(), &Population::new(100)).expect("room");
    let v6 = entries(&mut table()).iter().filter(|flow| flow.original.source.is_ipv6()).count();
    assert!(v6 > 0 && v6 < 100);
    v6
}

fn a_delete_without_a_tuple_is_a_flush() -> Result<(), Skip> {
    const ID: u16 = 12;
    both_families();
    let one = entries(&mut table()).remove(0);
    delete([0, 0], &attribute(ID, &one.id.expect("an id").0.to_be_bytes()));
    let left = table().count().expect("a count");
    compare("a delete without a tuple", left == 0);
    Ok(())
}

fn a_flush_of_one_family_takes_both() -> Result<(), Skip> {
    let v6 = both_families();
    delete([Family::Ipv4.number(), 0], &[]);
    let left = entries(&mut table()).len();
    assert!(left == 0 || left == v6, "{left} of {v6}");
    compare("a flush of one family", left == 0);
    Ok(())
}

fn one_answer_says_that_more_come() -> Result<(), Skip> {
    let socket = socket();
    const GET_STATS: u16 = 0x0105;
    let reply = ask(&socket, &request(GET_STATS, REQUEST | ACKNOWLEDGE, [0, 0], &[]));
    let mut messages: Vec<(bool, bool, u16)> = Vec::new();
    let mut look = |datagram: &[u8]| {
        for message in Messages::new(datagram) {
            let message = message.expect("a whole message");
            messages.push((message.is_done(), message.is_error(), message.flags));
        }
        messages.len()
    };
    // The acknowledgement may come in a datagram of its own.
    if look(&reply) < 2 {
        look(&receive(&socket));
    }
    let [(false, false, flags), (false, true, _)] = messages[..] else { panic!("{messages:?}") };
    compare("NLM_F_MULTI", flags & MULTI != 0);
    Ok(())
}

fn an_expectation_has_two_ids() -> Result<(), Skip> {
    let has_two = !deletes_by_id()?;
    compare("an expectation is shown", has_two);
    Ok(())
}

fn a_change_under_a_dump_is_not_told() -> Result<(), Skip> {
    let mut table = table();
    fill(&mut table, &Population::new(3_000)).expect("room");
    let socket = socket();
    let mut datagram = ask(&socket, &dump_request(0, &[]));
    for one in entries(&mut table).iter().step_by(3) {
        table.delete(one).expect("an answer");
    }
    let mut told = false;
    loop {
        let mut done = false;
        for message in Messages::new(&datagram) {
            let message = message.expect("a whole message");
            told |= message.flags & INTERRUPTED != 0;
            done |= message.is_done();
        }
        if done {
            break;
        }
        datagram = receive(&socket);
    }
    compare("NLM_F_DUMP_INTR", !told);
    // The crate's own dump of the same table.
    let dump = table.dump(DumpOptions::new()).expect("a dump");
    assert!(!dump.end().interrupted);
    Ok(())
}
