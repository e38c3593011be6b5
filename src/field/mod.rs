//! The table of fields: what an entry says, one line for each.
//!
//! A [`Field`] is something an entry says: its source, its state, how many bytes it has carried. Filters compare
//! fields, and queries group by them. Everything about a field that is not in its line of the table comes from its
//! kind: how a value is read from text, shown, compared, and put into the key of a group.
//!
//! To add a field, add a variant of [`Field`] and its line of `FIELDS`. `tests/pure/fields.rs` walks the table.
//!
//! This folder must not do I/O.

mod datum;
mod key;
mod networks;
mod numbers;
mod span;
mod table;
mod value;

pub(crate) use datum::Datum;
pub use key::{Key, Keys, ParseKeyError, Prefix};
pub use networks::{Network, Networks, ParseNetworkError};
pub use numbers::Numbers;
pub use span::Span;
pub(crate) use table::{FIELDS, Get, Kind, age, nanoseconds};
pub use value::Value;

/// Something an entry says.
///
/// Those that have a key word can be [grouped by](crate::Query::group_by); all can be filtered by, as text and by
/// the functions of [`Filter`](crate::Filter).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Field {
    /// `family`: ipv4 or ipv6.
    Family,
    /// `protocol`, `proto`: the layer-4 protocol.
    Protocol,
    /// `state`: see [`State`](crate::flow::State); every protocol has one.
    State,
    /// `source`, `src`: who opened the flow.
    Source,
    /// `destination`, `dst`: where it was addressed to, before any NAT.
    Destination,
    /// `reply-source`, `reply-src`: who answers; behind destination NAT, the real server.
    ReplySource,
    /// `reply-destination`, `reply-dst`: where answers go; behind source NAT, the address of the gateway.
    ReplyDestination,
    /// `host`: either end, on either side of NAT. A filter only.
    Host,
    /// `sport`: source port, of protocols that have ports.
    SourcePort,
    /// `dport`: destination port, of protocols that have ports.
    DestinationPort,
    /// `reply-sport`: the port that answers.
    ReplySourcePort,
    /// `reply-dport`: the port that answers go to; behind source NAT, one of the gateway's.
    ReplyDestinationPort,
    /// `port`: of either end, on either side of NAT. A filter only.
    Port,
    /// `srckey`: source key of GRE. A filter only.
    SourceKey,
    /// `dstkey`: destination key of GRE. A filter only.
    DestinationKey,
    /// `icmp-type`: of ICMP and ICMPv6. A filter only.
    IcmpType,
    /// `icmp-code`: of ICMP and ICMPv6. A filter only.
    IcmpCode,
    /// `icmp-id`: of ICMP and ICMPv6. A filter only.
    IcmpId,
    /// `status`: all the status bits together.
    Status,
    /// `snat`: the address that source NAT put in. A filter only.
    SourceNat,
    /// `dnat`: the address that destination NAT put in. A filter only.
    DestinationNat,
    /// `nat`: an address that NAT put in. A filter only.
    Nat,
    /// `zone`: the zone, whichever direction it is for; 0 is the default zone.
    Zone,
    /// `orig-zone`: the zone of the original direction. A filter only.
    OriginalZone,
    /// `reply-zone`: the zone of the reply direction. A filter only.
    ReplyZone,
    /// `mark`: the mark.
    Mark,
    /// `label`: the labels. A filter only.
    Label,
    /// `helper`: the name of the helper. A filter only.
    Helper,
    /// `id`: the kernel's id. A filter only.
    Id,
    /// `timeout`, and `expires` as a key: how long until the entry goes if nothing comes. Grouped by ranges.
    Timeout,
    /// `age`: how long ago the flow began, where `nf_conntrack_timestamp` was on then. Grouped by ranges.
    Age,
    /// `bytes`: of both directions. A filter only.
    Bytes,
    /// `orig-bytes`: of the original direction. A filter only.
    OriginalBytes,
    /// `reply-bytes`: of the reply direction. A filter only.
    ReplyBytes,
    /// `packets`: of both directions. A filter only.
    Packets,
    /// `orig-packets`: of the original direction. A filter only.
    OriginalPackets,
    /// `reply-packets`: of the reply direction. A filter only.
    ReplyPackets,
    /// `use`: how many users the entry has in the kernel at the moment, the table included.
    Use,
}
