//! What of a filter a kernel applies, and what is left to do here.
//!
//! Two rules: what is sent must never leave out an entry the filter is true of, and whatever comes
//! back is judged by the whole filter. So a kernel that ignores a part costs time, and nothing else.

use std::net::IpAddr;

use super::condition::{Condition, Masked, Test};
use super::kernel_filter::KernelFilter;
use super::{Expression, Filter};
use crate::field::{Field, Kind, Numbers};
use crate::flow::{Family, Protocol, Status};
use crate::kernel::{Capabilities, STATUS_FILTER, TUPLE_FILTER, Version, ZONE_FILTER};

/// Where a filter is applied.
///
/// A filtered dump walks the table without a pause until a buffer is full of entries that match.
/// If few do, that is all of the table at once: soft interrupts, so all packets, of that processor
/// wait for it, and so do other programs' conntrack requests on the whole host. On Linux 6.18 a
/// filter that matched nothing took 49 ms with 250,000 entries in the table and 2 s with 5 million;
/// a full dump never holds a processor for more than about 0.4 ms at a time, but takes five to ten
/// times as long in sum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Placement {
    /// The kernel does what it can: the least processor time.
    LeastCpu,
    /// Everything is dumped and judged here: no packet waits.
    LeastLatency,
}

impl Placement {
    /// The default for a table: the least processor time as long as the longest walk is short, by
    /// estimate at most 20 ms; above that, the least latency.
    ///
    /// The estimate is 0.2 µs per entry and 40 ns per bucket, as measured on a virtual machine with
    /// Linux 6.18; other machines are up to four times as fast. Entries of other network
    /// namespaces are walked over, too, but nobody can count them from here. Where `buckets` is not
    /// known it is taken for the usual 262,144.
    ///
    /// ```
    /// use ctnetlink::filter::Placement;
    /// assert_eq!(Placement::for_table(20_000, Some(262_144)), Placement::LeastCpu);
    /// assert_eq!(Placement::for_table(200_000, Some(262_144)), Placement::LeastLatency);
    /// ```
    pub fn for_table(entries: u32, buckets: Option<u32>) -> Self {
        let walk = u64::from(entries) * 200 + u64::from(buckets.unwrap_or(262_144)) * 40;
        if walk <= 20_000_000 { Self::LeastCpu } else { Self::LeastLatency }
    }
}

/// Why a condition is judged here and not by the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// No kernel has a filter for it.
    NoSuchFilter,
    /// The kernel compares with one whole value: no network, range or list.
    SeveralValues,
    /// The kernel returns what does not match.
    Ipv6Inverted,
    /// The kernel compares ports of TCP and UDP, and has to be told of which.
    NeedsProtocol,
    /// The kernel has to be told protocol and family, and that they belong together.
    NeedsProtocolAndFamily,
    /// This kernel ignores it; the version is the first that does not.
    TooOld(Version),
    /// Everything sent has to hold at once.
    Alternative,
    /// Another condition on the same field is sent already.
    Contradiction,
    /// It was asked that no packet wait: [`Placement::LeastLatency`].
    LeastLatency,
}

/// How a filter is put to a kernel. Made by [`Filter::plan`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    pub(super) requests: Vec<KernelFilter>,
    pub(super) there: Vec<Filter>,
    pub(super) here: Vec<(Filter, Reason)>,
    pub(super) kernel: Capabilities,
}

impl Plan {
    /// The dumps to make, which have no entry in common: none if the filter cannot be true of any,
    /// two if the kernel has to be asked for each family.
    pub fn requests(&self) -> &[KernelFilter] {
        &self.requests
    }

    /// The conditions the kernel applies.
    pub fn there(&self) -> &[Filter] {
        &self.there
    }

    /// The conditions that only this crate applies, and why. (It judges the others again, too.)
    pub fn here(&self) -> &[(Filter, Reason)] {
        &self.here
    }

    /// The dump of a part of the table.
    #[cfg(all(target_os = "linux", not(ctnetlink_pure)))]
    pub(crate) fn of_part(part: KernelFilter, kernel: Capabilities) -> Self {
        Self { requests: vec![part], there: Vec::new(), here: Vec::new(), kernel }
    }

    /// Whether the kernel applies all of the filter.
    pub fn is_exact(&self) -> bool {
        self.here.is_empty()
    }
}

impl Filter {
    /// Splits the filter into what this kernel applies, correctly, and what is left.
    ///
    /// ```
    /// use ctnetlink::filter::{Filter, Placement};
    /// use ctnetlink::kernel::{Capabilities, Version};
    ///
    /// let filter: Filter = "proto=tcp dport=443 src=10.0.0.0/8 !assured".parse()?;
    /// let plan = filter.plan(&Capabilities::of(Version::new(6, 18)), Placement::LeastCpu);
    /// let there: Vec<_> = plan.there().iter().map(ToString::to_string).collect();
    /// assert_eq!(there, ["proto=tcp", "dport=443", "!assured"]);
    /// assert_eq!(plan.here()[0].0.to_string(), "src=10.0.0.0/8");
    /// assert_eq!(plan.requests().len(), 1); // 10.0.0.0/8 is of one family
    /// println!("{}", plan.explain());
    /// # Ok::<(), ctnetlink::filter::ParseFilterError>(())
    /// ```
    pub fn plan(&self, kernel: &Capabilities, placement: Placement) -> Plan {
        let conditions: &[Expression] = match &self.0 {
            Expression::All(parts) => parts,
            other => std::slice::from_ref(other),
        };
        let mut planner = Planner::new(kernel, conditions);
        let (mut there, mut here) = (Vec::new(), Vec::new());
        for condition in conditions {
            let outcome = match placement {
                Placement::LeastCpu => planner.take(condition),
                Placement::LeastLatency => Err(Reason::LeastLatency),
            };
            match outcome {
                Ok(()) => there.push(Filter(condition.clone())),
                Err(reason) => here.push((Filter(condition.clone()), reason)),
            }
        }
        let request = match placement {
            Placement::LeastCpu => planner.request,
            Placement::LeastLatency => KernelFilter::default(),
        };
        let impossible = self.0.constant() == Some(false) || self.0.possible().yes.is_empty();
        let requests = if impossible {
            Vec::new()
        } else if request.needs_family() && request.family.is_none() {
            [Family::Ipv4, Family::Ipv6]
                .map(|family| KernelFilter { family: Some(family), ..request })
                .to_vec()
        } else {
            vec![request]
        };
        Plan { requests, there, here, kernel: *kernel }
    }
}

struct Planner<'k> {
    kernel: &'k Capabilities,
    request: KernelFilter,
    /// The protocol, if there is only one the entries can have.
    protocol: Option<Protocol>,
}

impl<'k> Planner<'k> {
    /// Family and protocol first, since other conditions depend on them wherever they stand.
    fn new(kernel: &'k Capabilities, conditions: &[Expression]) -> Self {
        let (mut family, mut protocol) = (None, None);
        for condition in conditions {
            if let Expression::Is(condition) = condition {
                if let Some(only) = condition.family() {
                    family = Some(only);
                }
                if let (Field::Protocol, Test::Numbers(set)) = (condition.field, &condition.test) {
                    protocol = byte(set).map(Protocol).or(protocol);
                }
            }
        }
        let request = KernelFilter { family, ..KernelFilter::default() };
        Self { kernel, request, protocol }
    }

    /// Puts a condition into the request, or says why not.
    fn take(&mut self, expression: &Expression) -> Result<(), Reason> {
        match expression {
            Expression::Is(condition) => self.take_condition(condition),
            Expression::Not(inner) => match &**inner {
                Expression::Is(condition) => match condition.test {
                    Test::AnyOf(bits) => self.status(Status::empty(), bits),
                    Test::AllOf(bits) if bits.bits().is_power_of_two() => {
                        self.status(Status::empty(), bits)
                    }
                    _ => Err(Reason::NoSuchFilter),
                },
                _ => Err(Reason::Alternative),
            },
            Expression::All(_) | Expression::Any(_) => Err(Reason::Alternative),
        }
    }

    fn take_condition(&mut self, condition: &Condition) -> Result<(), Reason> {
        let field = condition.field;
        match (field.spec().kind, &condition.test) {
            (Kind::Family, _) => {
                set(&mut self.request.family, condition.family().ok_or(Reason::SeveralValues)?)
            }
            (Kind::Mark, Test::Masked(marks)) => {
                let [wanted] = marks[..] else { return Err(Reason::SeveralValues) };
                merge(&mut self.request.mark, wanted)
            }
            (_, Test::AllOf(bits)) => self.status(*bits, *bits),
            (Kind::Protocol, Test::Numbers(numbers)) => {
                let protocol = byte(numbers).map(Protocol).ok_or(Reason::SeveralValues)?;
                self.can_filter_tuples()?;
                set(&mut self.request.original.protocol, protocol)
            }
            (Kind::Address, Test::Networks(networks)) => match networks.single() {
                None => Err(Reason::SeveralValues),
                Some(IpAddr::V6(_)) => Err(Reason::Ipv6Inverted),
                Some(IpAddr::V4(address)) => {
                    self.can_filter_tuples()?;
                    let (original, reply) = (&mut self.request.original, &mut self.request.reply);
                    let place = match field {
                        Field::Source => &mut original.source,
                        Field::Destination => &mut original.destination,
                        Field::ReplySource => &mut reply.source,
                        Field::ReplyDestination => &mut reply.destination,
                        _ => return Err(Reason::NoSuchFilter),
                    };
                    set(place, address)
                }
            },
            (Kind::Number { .. }, Test::Numbers(numbers)) => self.take_number(field, numbers),
            _ => Err(Reason::NoSuchFilter),
        }
    }

    /// A number: a zone, a port, or one of ICMP's. There are kernels with a filter for those.
    fn take_number(&mut self, field: Field, numbers: &Numbers) -> Result<(), Reason> {
        let is_icmp = matches!(field, Field::IcmpType | Field::IcmpCode | Field::IcmpId);
        match field {
            Field::Zone | Field::IcmpType | Field::IcmpCode | Field::IcmpId => {}
            _ if matches!(field.spec().kind, Kind::Number { only: [Protocol::TCP, ..], .. }) => {}
            _ => return Err(Reason::NoSuchFilter),
        }
        let number = numbers.single().and_then(|number| u16::try_from(number).ok());
        let number = number.ok_or(Reason::SeveralValues)?;
        if field == Field::Zone {
            if !self.kernel.zone_filter {
                return Err(Reason::TooOld(ZONE_FILTER));
            }
            return set(&mut self.request.zone, number);
        }
        let protocol = if is_icmp { self.icmp()? } else { self.protocol_with_ports()? };
        self.can_filter_tuples()?;
        let (original, reply) = (&mut self.request.original, &mut self.request.reply);
        let tuple = match field {
            Field::Port => return Err(Reason::NoSuchFilter),
            Field::ReplySourcePort | Field::ReplyDestinationPort => reply,
            _ => original,
        };
        set(&mut tuple.protocol, protocol)?;
        let byte = || u8::try_from(number).map_err(|_| Reason::Contradiction);
        match field {
            Field::IcmpType => set(&mut tuple.icmp_type, byte()?),
            Field::IcmpCode => set(&mut tuple.icmp_code, byte()?),
            Field::IcmpId => set(&mut tuple.icmp_id, number),
            Field::SourcePort | Field::ReplySourcePort => set(&mut tuple.source_port, number),
            _ => set(&mut tuple.destination_port, number),
        }
    }

    fn protocol_with_ports(&self) -> Result<Protocol, Reason> {
        let compared = |protocol: &_| [Protocol::TCP, Protocol::UDP].contains(protocol);
        self.protocol.filter(compared).ok_or(Reason::NeedsProtocol)
    }

    fn icmp(&self) -> Result<Protocol, Reason> {
        let protocol = match self.request.family {
            Some(Family::Ipv4) => Protocol::ICMP,
            Some(Family::Ipv6) => Protocol::ICMPV6,
            None => return Err(Reason::NeedsProtocolAndFamily),
        };
        self.protocol.filter(|one| *one == protocol).ok_or(Reason::NeedsProtocolAndFamily)
    }

    fn can_filter_tuples(&self) -> Result<(), Reason> {
        if self.kernel.tuple_filter { Ok(()) } else { Err(Reason::TooOld(TUPLE_FILTER)) }
    }

    fn status(&mut self, value: Status, mask: Status) -> Result<(), Reason> {
        if !self.kernel.status_filter {
            return Err(Reason::TooOld(STATUS_FILTER));
        }
        merge(&mut self.request.status, Masked { value: value.bits(), mask: mask.bits() })
    }
}

/// The number, if it is the only one.
fn byte(numbers: &Numbers) -> Option<u8> {
    numbers.single().and_then(|number| number.try_into().ok())
}

/// Fills a place that is empty, or holds the same.
fn set<T: PartialEq>(place: &mut Option<T>, value: T) -> Result<(), Reason> {
    match place {
        Some(there) if *there != value => Err(Reason::Contradiction),
        _ => {
            *place = Some(value);
            Ok(())
        }
    }
}

/// Joins two conditions on bits, if they agree where they overlap.
fn merge(place: &mut Option<Masked>, more: Masked) -> Result<(), Reason> {
    let there = place.unwrap_or(Masked { value: 0, mask: 0 });
    if (there.value ^ more.value) & there.mask & more.mask != 0 {
        return Err(Reason::Contradiction);
    }
    *place = Some(Masked { value: there.value | more.value, mask: there.mask | more.mask });
    Ok(())
}
