//! The filters there are, one function each.
//!
//! Each says which option of `conntrack` it equals, and since which kernel it is applied there
//! (if it can be at all: see [`Filter::plan`]).

use std::ops::{Bound, RangeBounds};
use std::time::Duration;

use super::condition::{Comparison, Condition, Masked, Operator, Test};
use super::{Expression, Filter};
use crate::field::{Field, Kind, Networks, Numbers, nanoseconds};
use crate::flow::{Direction, Family, FlowId, Protocol, State, Status};

impl From<Condition> for Filter {
    fn from(condition: Condition) -> Self {
        Self(Expression::Is(condition))
    }
}

impl Filter {
    /// `family=ipv4`. `conntrack -f`; applied by every kernel.
    pub fn family(family: Family) -> Self {
        number(Field::Family, family.version())
    }

    /// `proto=tcp`. `conntrack -p`; applied by kernels from 5.8 on.
    #[doc(alias = "CTA_PROTO_NUM")]
    pub fn protocol(protocol: Protocol) -> Self {
        Self::protocols([protocol])
    }

    /// `proto=tcp,udp`: any of these.
    pub fn protocols(protocols: impl IntoIterator<Item = Protocol>) -> Self {
        set(
            Field::Protocol,
            protocols.into_iter().map(|Protocol(number)| u16::from(number)).collect(),
        )
    }

    /// `state=TIME_WAIT`: see [`State`]; every protocol has one. `conntrack --state` for TCP.
    /// Applied by no kernel.
    #[doc(alias = "CTA_PROTOINFO_TCP_STATE")]
    pub fn state(state: State) -> Self {
        Self::states([state])
    }

    /// `state=TIME_WAIT,CLOSE`: any of these.
    pub fn states(states: impl IntoIterator<Item = State>) -> Self {
        set(Field::State, states.into_iter().map(State::code).collect())
    }

    /// `src=10.0.0.0/8,2001:db8::/32`: who opened the flow. `conntrack -s`. A single IPv4 address
    /// is applied by kernels from 5.8 on; a network or an IPv6 address by none (with IPv6 ones, all
    /// kernels up to 6.18 return the entries that do *not* match).
    #[doc(alias = "CTA_IP_V4_SRC")]
    #[doc(alias = "CTA_IP_V6_SRC")]
    pub fn source(networks: impl Into<Networks>) -> Self {
        networks_of(Field::Source, networks.into())
    }

    /// `dst=`: where the flow was addressed to, before any NAT. `conntrack -d`. Applied as
    /// [`source`](Self::source) is.
    #[doc(alias = "CTA_IP_V4_DST")]
    #[doc(alias = "CTA_IP_V6_DST")]
    pub fn destination(networks: impl Into<Networks>) -> Self {
        networks_of(Field::Destination, networks.into())
    }

    /// `reply-src=`: who answers; behind destination NAT, the real server. `conntrack -r`. Applied
    /// as [`source`](Self::source) is.
    pub fn reply_source(networks: impl Into<Networks>) -> Self {
        networks_of(Field::ReplySource, networks.into())
    }

    /// `reply-dst=`: where answers go; behind source NAT, the gateway's address. `conntrack -q`.
    /// Applied as [`source`](Self::source) is.
    pub fn reply_destination(networks: impl Into<Networks>) -> Self {
        networks_of(Field::ReplyDestination, networks.into())
    }

    /// `host=`: either end, on either side of any NAT; so any of the four addresses. Applied by no
    /// kernel.
    pub fn host(networks: impl Into<Networks>) -> Self {
        networks_of(Field::Host, networks.into())
    }

    /// `sport=1024-65535`: the opener's port, of protocols that have ports. `conntrack --sport`. A
    /// single one of TCP or UDP is applied by kernels from 5.8 on; for other protocols they take
    /// it and ignore it.
    #[doc(alias = "CTA_PROTO_SRC_PORT")]
    pub fn source_port(ports: impl Into<Numbers>) -> Self {
        numbers(Field::SourcePort, ports)
    }

    /// `dport=80,8000-9000`: the port the flow was addressed to. `conntrack --dport`. Applied as
    /// [`source_port`](Self::source_port) is.
    #[doc(alias = "CTA_PROTO_DST_PORT")]
    pub fn destination_port(ports: impl Into<Numbers>) -> Self {
        numbers(Field::DestinationPort, ports)
    }

    /// `reply-sport=`: the port that answers. `conntrack --reply-port-src`. Applied as
    /// [`source_port`](Self::source_port) is.
    pub fn reply_source_port(ports: impl Into<Numbers>) -> Self {
        numbers(Field::ReplySourcePort, ports)
    }

    /// `reply-dport=`: the port that answers go to; behind source NAT, one of the gateway's.
    /// `conntrack --reply-port-dst`. Applied as [`source_port`](Self::source_port) is.
    pub fn reply_destination_port(ports: impl Into<Numbers>) -> Self {
        numbers(Field::ReplyDestinationPort, ports)
    }

    /// `port=`: of either end, on either side of any NAT. Applied by no kernel.
    pub fn port(ports: impl Into<Numbers>) -> Self {
        numbers(Field::Port, ports)
    }

    /// `srckey=`: the source key of GRE. `conntrack --srckey`. Applied by no kernel.
    pub fn source_key(keys: impl Into<Numbers>) -> Self {
        numbers(Field::SourceKey, keys)
    }

    /// `dstkey=`: the destination key of GRE. `conntrack --dstkey`. Applied by no kernel.
    pub fn destination_key(keys: impl Into<Numbers>) -> Self {
        numbers(Field::DestinationKey, keys)
    }

    /// `icmp-type=8`: the type of the message that opened the flow, of ICMP and ICMPv6. `conntrack
    /// --icmp-type`. With its protocol and family, a single one is applied by kernels from 5.8 on.
    #[doc(alias = "CTA_PROTO_ICMP_TYPE")]
    #[doc(alias = "CTA_PROTO_ICMPV6_TYPE")]
    pub fn icmp_type(types: impl Into<Numbers>) -> Self {
        numbers(Field::IcmpType, types)
    }

    /// `icmp-code=0`. `conntrack --icmp-code`. Applied as [`icmp_type`](Self::icmp_type) is.
    #[doc(alias = "CTA_PROTO_ICMP_CODE")]
    #[doc(alias = "CTA_PROTO_ICMPV6_CODE")]
    pub fn icmp_code(codes: impl Into<Numbers>) -> Self {
        numbers(Field::IcmpCode, codes)
    }

    /// `icmp-id=7`. `conntrack --icmp-id`. Applied as [`icmp_type`](Self::icmp_type) is.
    #[doc(alias = "CTA_PROTO_ICMP_ID")]
    #[doc(alias = "CTA_PROTO_ICMPV6_ID")]
    pub fn icmp_id(ids: impl Into<Numbers>) -> Self {
        numbers(Field::IcmpId, ids)
    }

    /// `status=SEEN_REPLY+ASSURED`: all of these bits are set. `conntrack --status`. Applied by
    /// kernels from 5.15 on.
    #[doc(alias = "CTA_STATUS")]
    pub fn status(bits: Status) -> Self {
        if bits.is_empty() {
            Self::new()
        } else {
            Condition::new(Field::Status, Test::AllOf(bits)).into()
        }
    }

    /// `status=SEEN_REPLY,ASSURED`: any of these bits is set. That none is (`!`), kernels from 5.15
    /// on apply.
    pub fn status_any(bits: Status) -> Self {
        match bits.bits().count_ones() {
            0 => Self::any([]),
            1 => Self::status(bits),
            _ => Condition::new(Field::Status, Test::AnyOf(bits)).into(),
        }
    }

    /// `assured`: not evicted early when the table is full. `conntrack --status ASSURED`. Applied
    /// as [`status`](Self::status) is.
    #[doc(alias = "IPS_ASSURED")]
    pub fn assured() -> Self {
        Self::status(Status::ASSURED)
    }

    /// `replied`: packets went both ways. `conntrack --status SEEN_REPLY`. Applied as
    /// [`status`](Self::status) is.
    #[doc(alias = "IPS_SEEN_REPLY")]
    pub fn replied() -> Self {
        Self::status(Status::SEEN_REPLY)
    }

    /// `unreplied`: no packet came back yet. `conntrack --status UNSET`, nearly. Applied as
    /// [`status`](Self::status) is.
    pub fn unreplied() -> Self {
        !Self::replied()
    }

    /// `snat`: source NAT changed the flow, its address, port or id. `conntrack --src-nat`. By the
    /// two tuples; so applied by no kernel.
    pub fn source_nat() -> Self {
        Condition::new(Field::SourceNat, Test::There).into()
    }

    /// `snat=203.0.113.1`: the same, to one of these addresses. `conntrack --src-nat ADDRESS`.
    pub fn source_nat_to(networks: impl Into<Networks>) -> Self {
        networks_of(Field::SourceNat, networks.into())
    }

    /// `dnat`: destination NAT changed the flow, its address or port. `conntrack --dst-nat`. By the
    /// two tuples; so applied by no kernel.
    pub fn destination_nat() -> Self {
        Condition::new(Field::DestinationNat, Test::There).into()
    }

    /// `dnat=10.0.0.7`: the same, to one of these addresses. `conntrack --dst-nat ADDRESS`.
    pub fn destination_nat_to(networks: impl Into<Networks>) -> Self {
        networks_of(Field::DestinationNat, networks.into())
    }

    /// `nat`: source or destination NAT changed the flow. `conntrack --any-nat`.
    pub fn nat() -> Self {
        Condition::new(Field::Nat, Test::There).into()
    }

    /// `nat=10.0.0.0/8`: the same, to one of these addresses. `conntrack --any-nat ADDRESS`.
    pub fn nat_to(networks: impl Into<Networks>) -> Self {
        networks_of(Field::Nat, networks.into())
    }

    /// `zone=7`: the zone, whichever direction it is for; 0 is the default zone. `conntrack -w`,
    /// which leaves out flows that have a zone in one direction only.
    /// A single one is applied by kernels from 6.8 on; earlier ones take it and ignore it.
    #[doc(alias = "CTA_ZONE")]
    pub fn zone(zones: impl Into<Numbers>) -> Self {
        numbers(Field::Zone, zones)
    }

    /// `orig-zone=7`: the zone that packets of the opener are looked up in; 0 is the default zone.
    /// `conntrack --orig-zone`. Applied by no kernel.
    #[doc(alias = "CTA_TUPLE_ZONE")]
    pub fn original_zone(zones: impl Into<Numbers>) -> Self {
        numbers(Field::OriginalZone, zones)
    }

    /// `reply-zone=7`: the zone that answers are looked up in. `conntrack --reply-zone`. Applied by
    /// no kernel.
    pub fn reply_zone(zones: impl Into<Numbers>) -> Self {
        numbers(Field::ReplyZone, zones)
    }

    /// `mark=0x5`. `conntrack -m`. Applied by every kernel. Undecided on kernels built without
    /// marks.
    #[doc(alias = "CTA_MARK")]
    pub fn mark(mark: u32) -> Self {
        Self::mark_masked(mark, u32::MAX)
    }

    /// `mark=0x1/0xff`: the bits of `mask` are those of `value`, of which the others are left out.
    /// `conntrack -m VALUE/MASK`. Applied by every kernel.
    #[doc(alias = "CTA_MARK_MASK")]
    pub fn mark_masked(value: u32, mask: u32) -> Self {
        let masked = Masked { value: value & mask, mask };
        Condition::new(Field::Mark, Test::Masked(vec![masked])).into()
    }

    /// `label=3`: any of these labels is set, by their numbers from 0 to 127. `conntrack -l`, which
    /// takes names. Applied by no kernel.
    #[doc(alias = "CTA_LABELS")]
    pub fn label(labels: impl Into<Numbers>) -> Self {
        numbers(Field::Label, labels)
    }

    /// `helper=ftp`: the helper attached. Applied by no kernel.
    #[doc(alias = "CTA_HELP_NAME")]
    pub fn helper(name: impl Into<String>) -> Self {
        Condition::new(Field::Helper, Test::Names(vec![name.into()])).into()
    }

    /// `id=12345`: the kernel's id, as `conntrack -o id` prints it. Not unique. Applied by no
    /// kernel.
    #[doc(alias = "CTA_ID")]
    pub fn id(id: FlowId) -> Self {
        number(Field::Id, id.0)
    }

    /// `timeout<30s`: how long the entry lives if no packet comes. Undecided for flows in a flow
    /// table. Applied by no kernel.
    #[doc(alias = "CTA_TIMEOUT")]
    pub fn timeout(range: impl RangeBounds<Duration>) -> Self {
        compare(Field::Timeout, range, |bound| nanoseconds(*bound))
    }

    /// `age>1h`: how long ago the flow began. Undecided unless `nf_conntrack_timestamp` was on
    /// then. Applied by no kernel.
    #[doc(alias = "CTA_TIMESTAMP_START")]
    pub fn age(range: impl RangeBounds<Duration>) -> Self {
        compare(Field::Age, range, |bound| nanoseconds(*bound))
    }

    /// `bytes>1M`: both directions together. Undecided unless `nf_conntrack_acct` was on when the
    /// flow began. Applied by no kernel.
    #[doc(alias = "CTA_COUNTERS_BYTES")]
    pub fn bytes(range: impl RangeBounds<u64>) -> Self {
        amount(Field::Bytes, range)
    }

    /// `orig-bytes>1M`, `reply-bytes>1M`: of one direction; see [`bytes`](Self::bytes).
    pub fn bytes_of(direction: Direction, range: impl RangeBounds<u64>) -> Self {
        match direction {
            Direction::Original => amount(Field::OriginalBytes, range),
            Direction::Reply => amount(Field::ReplyBytes, range),
        }
    }

    /// `packets<3`: both directions together; see [`bytes`](Self::bytes).
    #[doc(alias = "CTA_COUNTERS_PACKETS")]
    pub fn packets(range: impl RangeBounds<u64>) -> Self {
        amount(Field::Packets, range)
    }

    /// `orig-packets<3`, `reply-packets<3`: of one direction; see [`bytes`](Self::bytes).
    pub fn packets_of(direction: Direction, range: impl RangeBounds<u64>) -> Self {
        match direction {
            Direction::Original => amount(Field::OriginalPackets, range),
            Direction::Reply => amount(Field::ReplyPackets, range),
        }
    }

    /// `use>1`: how many users the entry has in the kernel at the moment, the table included. Applied
    /// by no kernel.
    #[doc(alias = "CTA_USE")]
    pub fn use_count(range: impl RangeBounds<u64>) -> Self {
        amount(Field::Use, range)
    }
}

/// A condition on a set of numbers, which is false of every entry if the set is empty.
pub(super) fn set(field: Field, numbers: Numbers) -> Filter {
    let numbers = match field.spec().kind {
        Kind::Number { most, .. } => numbers.up_to(most),
        Kind::Labels => numbers.up_to(127),
        _ => numbers,
    };
    let test = Test::Numbers(numbers);
    if test == Test::Numbers(Numbers::default()) {
        Filter::any([])
    } else {
        Condition::new(field, test).into()
    }
}

fn numbers(field: Field, numbers: impl Into<Numbers>) -> Filter {
    set(field, numbers.into())
}

fn number(field: Field, number: impl Into<u32>) -> Filter {
    let number = number.into();
    set(field, [number..=number].into_iter().collect())
}

fn networks_of(field: Field, networks: Networks) -> Filter {
    if networks.is_empty() {
        Filter::any([])
    } else {
        Condition::new(field, Test::Networks(networks)).into()
    }
}

fn amount(field: Field, range: impl RangeBounds<u64>) -> Filter {
    compare(field, range, |bound| *bound)
}

/// One condition per end of the range. A range without ends is one that holds where there is
/// something to compare.
fn compare<T>(field: Field, range: impl RangeBounds<T>, number: impl Fn(&T) -> u64) -> Filter {
    let from = match range.start_bound() {
        Bound::Included(from) => Some((Operator::AtLeast, number(from))),
        Bound::Excluded(from) => Some((Operator::More, number(from))),
        Bound::Unbounded => None,
    };
    let to = match range.end_bound() {
        Bound::Included(to) => Some((Operator::AtMost, number(to))),
        Bound::Excluded(to) => Some((Operator::Less, number(to))),
        Bound::Unbounded => None,
    };
    let ends = match (from, to) {
        (None, None) => vec![(Operator::AtLeast, 0)],
        ends => [ends.0, ends.1].into_iter().flatten().collect(),
    };
    Filter::all(ends.into_iter().map(|(operator, value)| {
        Condition::new(field, Test::Compared(Comparison { operator, value })).into()
    }))
}
