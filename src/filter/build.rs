//! The filters there are, one function each.
//!
//! Each says which option of `conntrack` it equals, and since which kernel it is applied there
//! (if it can be at all: see [`Filter::plan`]).

use std::ops::{Bound, RangeBounds};
use std::time::Duration;

use super::condition::{
    Comparison, Condition, Icmp, Masked, Nat, Operator, Place, Unit, nanoseconds,
};
use super::networks::Networks;
use super::numbers::Numbers;
use super::{Expression, Filter};
use crate::flow::{Direction, Family, FlowId, Protocol, State, Status};

impl From<Condition> for Filter {
    fn from(condition: Condition) -> Self {
        Self(Expression::Is(condition))
    }
}

impl Filter {
    /// `family=ipv4`. `conntrack -f`; applied by every kernel.
    pub fn family(family: Family) -> Self {
        Condition::Family(family).into()
    }

    /// `proto=tcp`. `conntrack -p`; applied by kernels from 5.8 on.
    #[doc(alias = "CTA_PROTO_NUM")]
    pub fn protocol(protocol: Protocol) -> Self {
        Self::protocols([protocol])
    }

    /// `proto=tcp,udp`: any of these.
    pub fn protocols(protocols: impl IntoIterator<Item = Protocol>) -> Self {
        list(protocols, Condition::Protocol)
    }

    /// `state=TIME_WAIT`: see [`State`]; every protocol has one. `conntrack --state` for TCP.
    /// Applied by no kernel.
    #[doc(alias = "CTA_PROTOINFO_TCP_STATE")]
    pub fn state(state: State) -> Self {
        Self::states([state])
    }

    /// `state=TIME_WAIT,CLOSE`: any of these.
    pub fn states(states: impl IntoIterator<Item = State>) -> Self {
        list(states, Condition::State)
    }

    /// `src=10.0.0.0/8,2001:db8::/32`: who opened the flow. `conntrack -s`. A single IPv4 address
    /// is applied by kernels from 5.8 on; a network or an IPv6 address by none (with IPv6 ones, all
    /// kernels up to 6.18 return the entries that do *not* match).
    #[doc(alias = "CTA_IP_V4_SRC")]
    #[doc(alias = "CTA_IP_V6_SRC")]
    pub fn source(networks: impl Into<Networks>) -> Self {
        address(Place::Source, networks.into())
    }

    /// `dst=`: where the flow was addressed to, before any NAT. `conntrack -d`. Applied as
    /// [`source`](Self::source) is.
    #[doc(alias = "CTA_IP_V4_DST")]
    #[doc(alias = "CTA_IP_V6_DST")]
    pub fn destination(networks: impl Into<Networks>) -> Self {
        address(Place::Destination, networks.into())
    }

    /// `reply-src=`: who answers; behind destination NAT, the real server. `conntrack -r`. Applied
    /// as [`source`](Self::source) is.
    pub fn reply_source(networks: impl Into<Networks>) -> Self {
        address(Place::ReplySource, networks.into())
    }

    /// `reply-dst=`: where answers go; behind source NAT, the gateway's address. `conntrack -q`.
    /// Applied as [`source`](Self::source) is.
    pub fn reply_destination(networks: impl Into<Networks>) -> Self {
        address(Place::ReplyDestination, networks.into())
    }

    /// `host=`: either end, on either side of any NAT; so any of the four addresses. Applied by no
    /// kernel.
    pub fn host(networks: impl Into<Networks>) -> Self {
        address(Place::Either, networks.into())
    }

    /// `sport=1024-65535`: the opener's port, of protocols that have ports. `conntrack --sport`. A
    /// single one of TCP or UDP is applied by kernels from 5.8 on; for other protocols they take
    /// it and ignore it.
    #[doc(alias = "CTA_PROTO_SRC_PORT")]
    pub fn source_port(ports: impl Into<Numbers>) -> Self {
        numbers(ports.into(), |ports| Condition::Port(Place::Source, ports))
    }

    /// `dport=80,8000-9000`: the port the flow was addressed to. `conntrack --dport`. Applied as
    /// [`source_port`](Self::source_port) is.
    #[doc(alias = "CTA_PROTO_DST_PORT")]
    pub fn destination_port(ports: impl Into<Numbers>) -> Self {
        numbers(ports.into(), |ports| Condition::Port(Place::Destination, ports))
    }

    /// `reply-sport=`: the port that answers. `conntrack --reply-port-src`. Applied as
    /// [`source_port`](Self::source_port) is.
    pub fn reply_source_port(ports: impl Into<Numbers>) -> Self {
        numbers(ports.into(), |ports| Condition::Port(Place::ReplySource, ports))
    }

    /// `reply-dport=`: the port that answers go to; behind source NAT, one of the gateway's.
    /// `conntrack --reply-port-dst`. Applied as [`source_port`](Self::source_port) is.
    pub fn reply_destination_port(ports: impl Into<Numbers>) -> Self {
        numbers(ports.into(), |ports| Condition::Port(Place::ReplyDestination, ports))
    }

    /// `port=`: of either end, on either side of any NAT. Applied by no kernel.
    pub fn port(ports: impl Into<Numbers>) -> Self {
        numbers(ports.into(), |ports| Condition::Port(Place::Either, ports))
    }

    /// `srckey=`: the source key of GRE. `conntrack --srckey`. Applied by no kernel.
    pub fn source_key(keys: impl Into<Numbers>) -> Self {
        numbers(keys.into(), |keys| Condition::Key(Place::Source, keys))
    }

    /// `dstkey=`: the destination key of GRE. `conntrack --dstkey`. Applied by no kernel.
    pub fn destination_key(keys: impl Into<Numbers>) -> Self {
        numbers(keys.into(), |keys| Condition::Key(Place::Destination, keys))
    }

    /// `icmp-type=8`: the type of the message that opened the flow, of ICMP and ICMPv6. `conntrack
    /// --icmp-type`. With its protocol and family, a single one is applied by kernels from 5.8 on.
    #[doc(alias = "CTA_PROTO_ICMP_TYPE")]
    #[doc(alias = "CTA_PROTO_ICMPV6_TYPE")]
    pub fn icmp_type(types: impl Into<Numbers>) -> Self {
        numbers(types.into().up_to(255), |types| Condition::Icmp(Icmp::Type, types))
    }

    /// `icmp-code=0`. `conntrack --icmp-code`. Applied as [`icmp_type`](Self::icmp_type) is.
    #[doc(alias = "CTA_PROTO_ICMP_CODE")]
    #[doc(alias = "CTA_PROTO_ICMPV6_CODE")]
    pub fn icmp_code(codes: impl Into<Numbers>) -> Self {
        numbers(codes.into().up_to(255), |codes| Condition::Icmp(Icmp::Code, codes))
    }

    /// `icmp-id=7`. `conntrack --icmp-id`. Applied as [`icmp_type`](Self::icmp_type) is.
    #[doc(alias = "CTA_PROTO_ICMP_ID")]
    #[doc(alias = "CTA_PROTO_ICMPV6_ID")]
    pub fn icmp_id(ids: impl Into<Numbers>) -> Self {
        numbers(ids.into(), |ids| Condition::Icmp(Icmp::Id, ids))
    }

    /// `status=SEEN_REPLY+ASSURED`: all of these bits are set. `conntrack --status`. Applied by
    /// kernels from 5.15 on.
    #[doc(alias = "CTA_STATUS")]
    pub fn status(bits: Status) -> Self {
        if bits.is_empty() { Self::new() } else { Condition::StatusAll(bits).into() }
    }

    /// `status=SEEN_REPLY,ASSURED`: any of these bits is set. That none is (`!`), kernels from 5.15
    /// on apply.
    pub fn status_any(bits: Status) -> Self {
        match bits.bits().count_ones() {
            0 => Self::any([]),
            1 => Self::status(bits),
            _ => Condition::StatusAny(bits).into(),
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
        Condition::Nat(Nat::Source, None).into()
    }

    /// `snat=203.0.113.1`: the same, to one of these addresses. `conntrack --src-nat ADDRESS`.
    pub fn source_nat_to(networks: impl Into<Networks>) -> Self {
        nat(Nat::Source, networks.into())
    }

    /// `dnat`: destination NAT changed the flow, its address or port. `conntrack --dst-nat`. By the
    /// two tuples; so applied by no kernel.
    pub fn destination_nat() -> Self {
        Condition::Nat(Nat::Destination, None).into()
    }

    /// `dnat=10.0.0.7`: the same, to one of these addresses. `conntrack --dst-nat ADDRESS`.
    pub fn destination_nat_to(networks: impl Into<Networks>) -> Self {
        nat(Nat::Destination, networks.into())
    }

    /// `nat`: source or destination NAT changed the flow. `conntrack --any-nat`.
    pub fn nat() -> Self {
        Condition::Nat(Nat::Either, None).into()
    }

    /// `nat=10.0.0.0/8`: the same, to one of these addresses. `conntrack --any-nat ADDRESS`.
    pub fn nat_to(networks: impl Into<Networks>) -> Self {
        nat(Nat::Either, networks.into())
    }

    /// `zone=7`: the zone, whichever direction it is for; 0 is the default zone. `conntrack -w`,
    /// which leaves out flows that have a zone in one direction only.
    /// A single one is applied by kernels from 6.8 on; earlier ones take it and ignore it.
    #[doc(alias = "CTA_ZONE")]
    pub fn zone(zones: impl Into<Numbers>) -> Self {
        numbers(zones.into(), |zones| Condition::Zone(None, zones))
    }

    /// `orig-zone=7`: the zone that packets of the opener are looked up in; 0 is the default zone.
    /// `conntrack --orig-zone`. Applied by no kernel.
    #[doc(alias = "CTA_TUPLE_ZONE")]
    pub fn original_zone(zones: impl Into<Numbers>) -> Self {
        numbers(zones.into(), |zones| Condition::Zone(Some(Direction::Original), zones))
    }

    /// `reply-zone=7`: the zone that answers are looked up in. `conntrack --reply-zone`. Applied by
    /// no kernel.
    pub fn reply_zone(zones: impl Into<Numbers>) -> Self {
        numbers(zones.into(), |zones| Condition::Zone(Some(Direction::Reply), zones))
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
        Condition::Mark(vec![Masked { value: value & mask, mask }]).into()
    }

    /// `label=3`: any of these labels is set, by their numbers from 0 to 127. `conntrack -l`, which
    /// takes names. Applied by no kernel.
    #[doc(alias = "CTA_LABELS")]
    pub fn label(labels: impl Into<Numbers>) -> Self {
        numbers(labels.into().up_to(127), Condition::Label)
    }

    /// `helper=ftp`: the helper attached. Applied by no kernel.
    #[doc(alias = "CTA_HELP_NAME")]
    pub fn helper(name: impl Into<String>) -> Self {
        Condition::Helper(vec![name.into()]).into()
    }

    /// `id=12345`: the kernel's id, as `conntrack -o id` prints it. Not unique. Applied by no
    /// kernel.
    #[doc(alias = "CTA_ID")]
    pub fn id(id: FlowId) -> Self {
        Condition::Id(vec![id.0]).into()
    }

    /// `timeout<30s`: how long the entry lives if no packet comes. Undecided for flows in a flow
    /// table. Applied by no kernel.
    #[doc(alias = "CTA_TIMEOUT")]
    pub fn timeout(range: impl RangeBounds<Duration>) -> Self {
        compare(range, |bound| nanoseconds(*bound), Condition::Timeout)
    }

    /// `age>1h`: how long ago the flow began. Undecided unless `nf_conntrack_timestamp` was on
    /// then. Applied by no kernel.
    #[doc(alias = "CTA_TIMESTAMP_START")]
    pub fn age(range: impl RangeBounds<Duration>) -> Self {
        compare(range, |bound| nanoseconds(*bound), Condition::Age)
    }

    /// `bytes>1M`: both directions together. Undecided unless `nf_conntrack_acct` was on when the
    /// flow began. Applied by no kernel.
    #[doc(alias = "CTA_COUNTERS_BYTES")]
    pub fn bytes(range: impl RangeBounds<u64>) -> Self {
        amount(Unit::Bytes, None, range)
    }

    /// `orig-bytes>1M`, `reply-bytes>1M`: of one direction; see [`bytes`](Self::bytes).
    pub fn bytes_of(direction: Direction, range: impl RangeBounds<u64>) -> Self {
        amount(Unit::Bytes, Some(direction), range)
    }

    /// `packets<3`: both directions together; see [`bytes`](Self::bytes).
    #[doc(alias = "CTA_COUNTERS_PACKETS")]
    pub fn packets(range: impl RangeBounds<u64>) -> Self {
        amount(Unit::Packets, None, range)
    }

    /// `orig-packets<3`, `reply-packets<3`: of one direction; see [`bytes`](Self::bytes).
    pub fn packets_of(direction: Direction, range: impl RangeBounds<u64>) -> Self {
        amount(Unit::Packets, Some(direction), range)
    }
}

/// A condition on a list, which is false of every entry if the list is empty.
fn list<T: Ord>(
    items: impl IntoIterator<Item = T>,
    condition: impl FnOnce(Vec<T>) -> Condition,
) -> Filter {
    let mut items: Vec<_> = items.into_iter().collect();
    items.sort();
    items.dedup();
    if items.is_empty() { Filter::any([]) } else { condition(items).into() }
}

fn numbers(set: Numbers, condition: impl FnOnce(Numbers) -> Condition) -> Filter {
    if set.is_empty() { Filter::any([]) } else { condition(set).into() }
}

fn address(place: Place, networks: Networks) -> Filter {
    if networks.is_empty() { Filter::any([]) } else { Condition::Address(place, networks).into() }
}

fn nat(kind: Nat, networks: Networks) -> Filter {
    if networks.is_empty() { Filter::any([]) } else { Condition::Nat(kind, Some(networks)).into() }
}

fn amount(unit: Unit, direction: Option<Direction>, range: impl RangeBounds<u64>) -> Filter {
    compare(range, |bound| *bound, |comparison| Condition::Amount(unit, direction, comparison))
}

/// One condition per end of the range. A range without ends is one that holds where there is
/// something to compare.
fn compare<T>(
    range: impl RangeBounds<T>,
    number: impl Fn(&T) -> u64,
    condition: impl Fn(Comparison) -> Condition,
) -> Filter {
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
    Filter::all(
        ends.into_iter()
            .map(|(operator, value)| condition(Comparison::new(operator, value)).into()),
    )
}
