//! Messages, attributes and answers of the kernel: whole ones, and ones that are cut or damaged.

use ctnetlink::wire::ctnetlink::*;
use ctnetlink::wire::{
    Attribute, Attributes, ExtendedAck, KernelStatus, Message, Messages, NetfilterHeader,
};
use netlink_packet_core::{NLA_F_NESTED, NLM_F_CAPPED};

fn bytes(length: u16, kind: u16, payload: &[u8]) -> Vec<u8> {
    [&length.to_ne_bytes()[..], &kind.to_ne_bytes(), payload].concat()
}

#[test]
fn the_last_attribute_may_be_unpadded() {
    let mut buffer = bytes(6, 18, &[0, 5, 0, 0]);
    buffer.extend(bytes(5, 1 | NLA_F_NESTED, &[9]));
    let all: Vec<_> = Attributes::new(&buffer).map(Result::unwrap).collect();
    assert_eq!(all[0], Attribute { kind: 18, nested: false, payload: &[0, 5] });
    assert_eq!(all[1], Attribute { kind: 1, nested: true, payload: &[9] });
    assert_eq!(all.len(), 2);
}

#[test]
fn a_broken_length_is_reported_once() {
    for (buffer, problem) in [
        (bytes(3, 1, &[]), "length 3 is not possible here"),
        (bytes(9, 1, &[0; 4]), "9 bytes needed, 8 there"),
        (vec![0; 3], "4 bytes needed, 3 there"),
    ] {
        let mut attributes = Attributes::new(&buffer);
        let error = attributes.next().unwrap().unwrap_err();
        assert_eq!(error.to_string(), format!("malformed attribute: {problem}"));
        assert_eq!(attributes.next(), None);
    }
}

#[test]
fn a_number_of_the_wrong_size_is_refused() {
    let attribute = Attribute { kind: 8, nested: false, payload: &[1, 2] };
    assert_eq!(attribute.be16("CTA_ZONE"), Ok(0x0102));
    let error = attribute.be32("CTA_MARK").unwrap_err();
    assert_eq!(error.to_string(), "malformed CTA_MARK: length 2 is not possible here");
}

#[test]
fn text_ends_at_the_zero_byte() {
    let text = |payload| Attribute { kind: 1, nested: false, payload }.text();
    assert_eq!(text(b"ftp\0"), b"ftp");
    assert_eq!(text(b"ftp"), b"ftp");
    assert_eq!(text(b""), b"");
}

fn header(length: u32) -> Vec<u8> {
    let mut bytes = length.to_ne_bytes().to_vec();
    bytes.extend(0x0100_u16.to_ne_bytes());
    bytes.extend([2, 0, 7, 0, 0, 0, 9, 0, 0, 0]);
    bytes
}

#[test]
fn an_unaligned_last_message_is_read() {
    let mut datagram = header(22);
    datagram.extend([2, 0, 0, 3, 0xaa, 0xbb]);
    let [message] = Messages::new(&datagram).collect::<Vec<_>>()[..] else { panic!() };
    let message = message.unwrap();
    assert_eq!((message.subsystem(), message.message()), (1, 0));
    let (netfilter, attributes) = message.netfilter().unwrap();
    assert_eq!(netfilter, NetfilterHeader { family: 2, version: 0, resource: 3 });
    assert_eq!(attributes, [0xaa, 0xbb]);
}

#[test]
fn a_length_that_cannot_be_ends_the_datagram() {
    for (length, problem) in [
        (0, "length 0 is not possible here"),
        (15, "length 15 is not possible here"),
        (17, "17 bytes needed, 16 there"),
        (u32::MAX, "4294967295 bytes needed, 16 there"),
    ] {
        let datagram = header(length);
        let mut messages = Messages::new(&datagram);
        let error = messages.next().unwrap().unwrap_err();
        assert_eq!(error.to_string(), format!("malformed nlmsghdr: {problem}"));
        assert_eq!(messages.next(), None);
    }
}

const ACK: Message<'static> =
    Message { kind: 2, flags: NLM_F_CAPPED, sequence: 1, port: 1, payload: &[0; 20] };

#[test]
fn an_acknowledgement_is_errno_zero() {
    let status = KernelStatus::parse(&ACK).unwrap();
    assert_eq!(status, KernelStatus { errno: 0, extended: ExtendedAck::default() });
}

#[test]
fn a_dump_may_end_in_an_error() {
    let failed = (-105_i32).to_ne_bytes();
    let done = Message { kind: 3, payload: &failed, ..ACK };
    assert_eq!(KernelStatus::parse(&done).unwrap().errno, 105);
    let empty = Message { kind: 3, payload: &[], ..ACK };
    assert_eq!(KernelStatus::parse(&empty).unwrap().errno, 0);
}

#[test]
fn an_attribute_is_named_by_its_subsystem() {
    let ack = ExtendedAck { offset: Some(28), ..ExtendedAck::default() };
    for (subsystem, name) in [(1, "CTA_MARK"), (2, "CTA_EXPECT_FLAGS")] {
        let mut request = 36_u32.to_ne_bytes().to_vec();
        request.extend(u16::from_be_bytes([subsystem, 0]).to_ne_bytes());
        request.resize(20, 0);
        for kind in [1_u16, 8] {
            request.extend(8_u16.to_ne_bytes());
            request.extend(kind.to_ne_bytes());
            request.extend([0; 4]);
        }
        assert_eq!(ack.attribute(&request), Some(name));
        assert_eq!(ack.attribute(&request[..28]), None);
    }
}

#[test]
fn an_error_too_short_for_a_code_is_malformed() {
    let short = Message { payload: &[1, 2], ..ACK };
    let error = KernelStatus::parse(&short).unwrap_err();
    assert_eq!(error.to_string(), "malformed NLMSG_ERROR: 4 bytes needed, 2 there");
}

#[test]
fn names_stand_at_their_numbers() {
    assert_eq!(attribute_name(CTA_LABELS), "CTA_LABELS");
    assert_eq!(attribute_name(CTA_TIMESTAMP_EVENT), "CTA_TIMESTAMP_EVENT");
    assert!(attribute_name(60).contains("does not know"));
    assert_eq!(expectation_attribute_name(CTA_EXPECT_FN), "CTA_EXPECT_FN");
    assert!(expectation_attribute_name(60).contains("does not know"));
}
