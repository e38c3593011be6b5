//! Writes attributes and messages: appends them to one reused buffer, without a value per attribute.
//!
//! `socket::request` puts single requests together.

use std::net::IpAddr;

use bytes::{BufMut, BytesMut};
use netlink_packet_core::{Emitable, NLA_F_NESTED, NetlinkHeader};

use super::{Attributes, align};

/// Whether the kernel would read this text as it stands: not empty, at most `longest` bytes, and
/// without the zero byte that ends a text.
#[allow(dead_code)] // Only where there is a kernel to ask.
pub(crate) fn text_fits(text: &str, longest: usize) -> bool {
    (1..=longest).contains(&text.len()) && !text.contains('\0')
}

/// Appends messages to a buffer it borrows.
#[derive(Debug)]
pub(crate) struct Writer<'b> {
    buffer: &'b mut BytesMut,
}

impl<'b> Writer<'b> {
    pub(crate) fn new(buffer: &'b mut BytesMut) -> Self {
        Self { buffer }
    }

    /// Appends a message: header, `nfgenmsg` of `family`, and what `attributes` writes.
    #[allow(dead_code)] // Only where there is a kernel to ask, or a file to write.
    pub(crate) fn message(
        &mut self,
        mut header: NetlinkHeader,
        family: u8,
        attributes: impl FnOnce(&mut Self),
    ) {
        let start = self.buffer.len();
        self.buffer.put_bytes(0, super::Messages::HEADER);
        self.buffer.put_slice(&[family, 0, 0, 0]);
        attributes(self);
        if let Some(message) = self.buffer.get_mut(start..) {
            header.length = u32::try_from(message.len()).unwrap_or(u32::MAX);
            header.emit(message);
        }
    }

    /// Appends attributes that are put together already.
    #[cfg(feature = "files")]
    pub(crate) fn raw(&mut self, attributes: &[u8]) {
        self.buffer.put_slice(attributes);
        self.buffer.put_bytes(0, align(attributes.len()) - attributes.len());
    }

    /// Appends an attribute.
    pub(crate) fn put(&mut self, kind: u16, payload: &[u8]) {
        // Every caller's payload is a few bytes long but for labels, names and captured unknowns,
        // which came out of an attribute.
        let length = u16::try_from(Attributes::HEADER + payload.len()).unwrap_or(u16::MAX);
        self.buffer.put_slice(&length.to_ne_bytes());
        self.buffer.put_slice(&kind.to_ne_bytes());
        self.buffer.put_slice(payload);
        self.buffer.put_bytes(0, align(payload.len()) - payload.len());
    }

    pub(crate) fn put_u8(&mut self, kind: u16, value: u8) {
        self.put(kind, &[value]);
    }

    pub(crate) fn put_be16(&mut self, kind: u16, value: u16) {
        self.put(kind, &value.to_be_bytes());
    }

    pub(crate) fn put_be32(&mut self, kind: u16, value: u32) {
        self.put(kind, &value.to_be_bytes());
    }

    pub(crate) fn put_be64(&mut self, kind: u16, value: u64) {
        self.put(kind, &value.to_be_bytes());
    }

    /// Appends an address, as the attribute of its family.
    pub(crate) fn put_address(&mut self, address: IpAddr, v4: u16, v6: u16) {
        match address {
            IpAddr::V4(address) => self.put(v4, &address.octets()),
            IpAddr::V6(address) => self.put(v6, &address.octets()),
        }
    }

    /// Appends what `write` makes of a value, if there is one.
    pub(crate) fn when<T>(&mut self, value: Option<T>, write: impl FnOnce(&mut Self, T)) {
        if let Some(value) = value {
            write(self, value);
        }
    }

    /// Appends a zero-terminated string.
    pub(crate) fn put_text(&mut self, kind: u16, text: &str) {
        let mut bytes = Vec::with_capacity(text.len() + 1);
        bytes.extend_from_slice(text.as_bytes());
        bytes.push(0);
        self.put(kind, &bytes);
    }

    /// Appends an attribute whose payload is what `inside` writes.
    pub(crate) fn nest(&mut self, kind: u16, inside: impl FnOnce(&mut Self)) {
        let start = self.buffer.len();
        self.put(kind | NLA_F_NESTED, &[]);
        inside(self);
        let length = u16::try_from(self.buffer.len() - start).unwrap_or(u16::MAX);
        if let Some(header) = self.buffer.get_mut(start..start + 2) {
            header.copy_from_slice(&length.to_ne_bytes());
        }
    }
}
