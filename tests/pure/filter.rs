//! A filter keeps what the obvious reading of it keeps, and a plan leaves out none of that.

use std::net::IpAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use ctnetlink::filter::{Filter, KernelFilter, Placement};
use ctnetlink::flow::{Endpoints, Family, Flow, FlowRef, Protocol};
use ctnetlink::kernel::{Capabilities, Version};
use ctnetlink::wire::Attributes;
use ctnetlink::wire::ctnetlink::*;
use proptest::prelude::*;

use crate::spec::{self, Spec};
use crate::strategy;

/// The moment that ages are reckoned to: before every entry began.
const NOW: SystemTime = UNIX_EPOCH;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn kept_is_what_the_obvious_reading_keeps(spec in spec::spec(), flow in strategy::flow()) {
        let filter = spec.filter();
        let expected = match spec.judge(&flow) {
            0 => Some(false),
            2 => Some(true),
            _ => None,
        };
        prop_assert_eq!(filter.judge(&flow, NOW), expected, "{}", filter);
        let bytes = flow.to_bytes();
        let borrowed = FlowRef::parse(&bytes).expect("an entry");
        prop_assert_eq!(filter.judge(&borrowed, NOW), expected, "{}", filter);
    }

    #[test]
    fn text_reads_back_as_the_same_filter(spec in spec::spec()) {
        let filter = spec.filter();
        match filter.to_string().parse::<Filter>() {
            Ok(read) => prop_assert_eq!(read, filter),
            // The only fault the text of a filter may have.
            Err(error) => prop_assert!(error.to_string().contains(" at once"), "{}", error),
        }
    }

    #[test]
    fn what_is_refused_as_impossible_keeps_nothing(spec in spec::spec(), flow in strategy::flow()) {
        // Without negation: the opposite of the impossible is refused as a mistake, too.
        let text = spec.filter().to_string();
        if !text.contains(['!']) && !text.contains("unreplied") && text.parse::<Filter>().is_err() {
            // An alternative that is impossible leaves the others.
            prop_assume!(!text.contains(" or "));
            prop_assert!(!spec.keeps(&flow), "{}", text);
        }
    }

    #[test]
    fn any_text_is_a_filter_or_an_error(text in "[a-z=!<>()0-9,/.:| -]{0,40}") {
        match text.parse::<Filter>() {
            Ok(filter) => {
                prop_assert_eq!(filter.to_string().parse::<Filter>(), Ok(filter));
            }
            Err(error) => {
                prop_assert_eq!(error.to_string().lines().count(), 1);
                prop_assert!(text[error.position()..].starts_with(error.word()));
            }
        }
    }

    #[test]
    fn a_plan_asks_for_all_that_matches_and_once(
        spec in spec::spec(),
        flow in kernels_flow(),
        minor in prop::sample::select(vec![(4, 18), (5, 4), (5, 10), (5, 15), (6, 1), (6, 8), (6, 18)]),
    ) {
        let kernel = Capabilities::of(Version::new(minor.0, minor.1));
        let filter = spec.filter();
        for placement in [Placement::LeastCpu, Placement::LeastLatency] {
            let plan = filter.plan(&kernel, placement);
            let sent = plan.requests().iter().filter(|request| sends(&kernel, request, &flow)).count();
            prop_assert!(sent <= 1, "sent twice: {}", filter);
            if spec.keeps(&flow) {
                prop_assert_eq!(sent, 1, "{}\n{}", filter, plan.explain());
            }
            if plan.is_exact() {
                prop_assert_eq!(sent == 1, spec.keeps(&flow), "{}\n{}", filter, plan.explain());
            }
            if placement == Placement::LeastLatency {
                prop_assert!(plan.requests().iter().all(KernelFilter::is_empty));
            }
            prop_assert!(!plan.explain().is_empty());
        }
    }
}

/// A flow as a kernel with marks can have it: both directions are of one family and protocol.
fn kernels_flow() -> impl Strategy<Value = Flow> {
    strategy::flow().prop_map(|mut flow| {
        flow.mark.get_or_insert(3);
        if flow.zone.is_some() {
            (flow.original.zone, flow.reply.zone) = (None, None);
        }
        // Zone 0 is no zone, and one direction's is that of the other if both have one.
        flow.zone = flow.zone.filter(|zone| *zone != 0);
        flow.original.zone = flow.original.zone.filter(|zone| *zone != 0);
        flow.reply.zone = flow.reply.zone.filter(|zone| *zone != 0 && flow.original.zone.is_none());
        flow
    })
}

/// What a kernel does with a request, faults and all, as far as requests may go.
fn sends(kernel: &Capabilities, request: &KernelFilter, flow: &Flow) -> bool {
    let family = request.family();
    let of_flow = if flow.original.source.is_ipv4() { Family::Ipv4 } else { Family::Ipv6 };
    if family.is_some_and(|family| family != of_flow) {
        return false;
    }
    let bytes = request.to_bytes();
    let find =
        |kind| Attributes::new(&bytes).map(Result::unwrap).find(|attribute| attribute.kind == kind);
    let number = |kind| find(kind).map(|attribute| attribute.be32("it").expect("a number"));
    let masked = |value, mask, is: u32| match (number(value), number(mask)) {
        (None, None) => true,
        (Some(value), Some(mask)) => is & mask == value,
        half => panic!("a value without its mask: {half:?}"),
    };
    if !masked(CTA_MARK, CTA_MARK_MASK, flow.mark.unwrap_or(0)) {
        return false;
    }
    if find(CTA_STATUS).is_some() {
        assert!(kernel.version >= Some(Version::new(5, 15)), "ignored by the kernel");
        assert_ne!(number(CTA_STATUS_MASK), Some(0), "refused by the kernel");
        if !masked(CTA_STATUS, CTA_STATUS_MASK, flow.status.bits()) {
            return false;
        }
    }
    if let Some(zone) = find(CTA_ZONE) {
        assert!(kernel.version >= Some(Version::new(6, 8)), "ignored by the kernel");
        let of_flow = flow.zone.or(flow.original.zone).or(flow.reply.zone).unwrap_or(0);
        if zone.be16("zone") != Ok(of_flow) {
            return false;
        }
    }
    let Some(filter) = find(CTA_FILTER) else {
        assert!(find(CTA_TUPLE_ORIG).is_none() && find(CTA_TUPLE_REPLY).is_none());
        return true;
    };
    assert!(kernel.version >= Some(Version::new(5, 8)), "ignored by the kernel");
    let family = family.expect("refused without a family");
    [
        (CTA_FILTER_ORIG_FLAGS, CTA_TUPLE_ORIG, &flow.original),
        (CTA_FILTER_REPLY_FLAGS, CTA_TUPLE_REPLY, &flow.reply),
    ]
    .into_iter()
    .all(|(flags, tuple, of_flow)| {
        let flags = filter.attributes().map(Result::unwrap).find(|nested| nested.kind == flags);
        let tuple = find(tuple);
        assert_eq!(flags.is_some(), tuple.is_some());
        let (Some(flags), Some(tuple)) = (flags, tuple) else { return true };
        let flags = u32::from_ne_bytes(flags.payload.try_into().expect("four bytes"));
        assert_ne!(flags, 0);
        let inside = |nest, kind| {
            let nest = tuple.attributes().map(Result::unwrap).find(|part| part.kind == nest)?;
            let part = nest.attributes().map(Result::unwrap).find(|part| part.kind == kind)?;
            Some(part.payload.to_vec())
        };
        let part = |nest, kind| inside(nest, kind).expect("refused without the value");
        let has = |bit: u32| flags >> bit & 1 == 1;
        let icmp = match of_flow.endpoints {
            Endpoints::Icmp { icmp_type, code, id } => Some((icmp_type, code, id)),
            _ => None,
        };
        let address = |address: IpAddr| match address {
            IpAddr::V4(address) => address.octets().to_vec(),
            IpAddr::V6(_) => panic!("inverted by the kernel"),
        };
        let (ip, proto) = (CTA_TUPLE_IP, CTA_TUPLE_PROTO);
        if has(0) && part(ip, CTA_IP_V4_SRC) != address(of_flow.source) {
            return false;
        }
        if has(1) && part(ip, CTA_IP_V4_DST) != address(of_flow.destination) {
            return false;
        }
        assert!(!has(2), "without effect in the kernel");
        if flags >> 4 != 0 {
            assert!(has(3), "refused without the protocol");
        }
        if has(3) && part(proto, CTA_PROTO_NUM) != [of_flow.protocol.0] {
            return false;
        }
        if has(4) || has(5) {
            assert!([Protocol::TCP, Protocol::UDP].contains(&of_flow.protocol), "ignored");
        }
        let source = of_flow.endpoints.source_port().unwrap_or(0).to_be_bytes();
        let destination = of_flow.endpoints.destination_port().unwrap_or(0).to_be_bytes();
        if has(4) && part(proto, CTA_PROTO_SRC_PORT) != source {
            return false;
        }
        if has(5) && part(proto, CTA_PROTO_DST_PORT) != destination {
            return false;
        }
        let (icmp_bits, kinds) = if family == Family::Ipv4 {
            (6, [CTA_PROTO_ICMP_TYPE, CTA_PROTO_ICMP_CODE, CTA_PROTO_ICMP_ID])
        } else {
            (9, [CTA_PROTO_ICMPV6_TYPE, CTA_PROTO_ICMPV6_CODE, CTA_PROTO_ICMPV6_ID])
        };
        assert_eq!(flags >> 6 & !(0b111 << (icmp_bits - 6)), 0, "bits of the other family");
        (0..3).all(|part_of| {
            if !has(icmp_bits + part_of) {
                return true;
            }
            let (icmp_type, code, id) = icmp.expect("checked by the protocol");
            let id = id.to_be_bytes();
            let [one_type, one_code] = [[icmp_type], [code]];
            let is: [&[u8]; 3] = [&one_type, &one_code, &id];
            part(proto, kinds[part_of as usize]) == is[part_of as usize]
        })
    })
}

/// What people write, and what they get wrong.
#[test]
fn an_error_names_the_word() {
    for (text, word, problem) in [
        ("src=10.0.0.0/33", "src=10.0.0.0/33", "0 to 32"),
        ("proto=tcp dst=2001:db8::/129", "dst=2001:db8::/129", "0 to 128"),
        ("src=10.0.0.1/8", "src=10.0.0.1/8", "write 10.0.0.0/8"),
        ("src=localhost", "src=localhost", "names are not looked up"),
        ("dport=80,9000-8000", "dport=80,9000-8000", "ends before it begins"),
        ("dport=70000", "dport=70000", "0 to 65535"),
        ("dport=-1", "dport=-1", "0 to 65535"),
        ("dport=+1", "dport=+1", "0 to 65535"),
        ("proto=tcp dprot=80", "dprot=80", "no such condition; there are family, proto"),
        ("proto=udp state=TIME_WAIT", "state=TIME_WAIT", "udp has the states UNREPLIED, REPLIED"),
        ("state=TIME_WAIT proto=udp", "proto=udp", "\"state=TIME_WAIT\" at once"),
        ("proto=udp (assured or state=CLOSE)", "state=CLOSE", "at once"),
        ("proto=udp !state=CLOSE", "state=CLOSE", "at once"),
        ("proto=icmp dport=80", "dport=80", "at once"),
        ("family=ipv6 src=10.0.0.0/8", "src=10.0.0.0/8", "at once"),
        ("proto=tcpp", "proto=tcpp", "no protocol; there are icmp, tcp"),
        ("state=OPENED", "state=OPENED", "no state; there are NONE, SYN_SENT"),
        ("status=ASURED", "status=ASURED", "no status bit"),
        ("status=0x", "status=0x", "no status bit"),
        ("mark=0x1ff/0xff", "mark=0x1ff/0xff", "leaves out"),
        ("mark=x", "mark=x", "a number of 32 bits"),
        ("icmp-type=256", "icmp-type=256", "0 to 255"),
        ("label=128", "label=128", "0 to 127"),
        ("timeout<30x", "timeout<30x", "ms, s, m, h or d"),
        ("bytes>99999999999999999999", "bytes>99999999999999999999", "an amount is a number"),
        ("bytes>1,2", "bytes>1,2", "one number"),
        ("dport>80", "dport>80", "only timeout, age, bytes and packets"),
        ("dport", "dport", "a value is missing: dport=…"),
        ("dport=", "dport=", "a value is missing"),
        ("dport=80,,81", "dport=80,,81", "beside a comma"),
        ("assured=1", "assured=1", "takes no value"),
        ("family=ipx", "family=ipx", "ipv4 or ipv6"),
        ("(proto=tcp", "(", "not closed"),
        ("proto=tcp)", ")", "not opened"),
        ("proto=tcp or", "or", "missing on one side"),
        ("or proto=tcp", "or", "missing on one side"),
        ("proto=tcp and", "and", "missing on one side"),
        ("assured and or replied", "and", "missing on one side"),
        ("assured !", "", "missing at the end"),
        ("not )", ")", "missing before it"),
    ] {
        let error = text.parse::<Filter>().expect_err(text);
        assert_eq!(error.word(), word, "{text}: {error}");
        assert!(error.to_string().contains(problem), "{text}: {error}");
        assert_eq!(error.to_string().lines().count(), 1, "{error}");
    }
}

#[test]
fn the_same_thing_may_be_said_in_many_ways() {
    for (text, same) in [
        ("", ""),
        ("  ( ) ", ""),
        ("protocol=TCP source=10.0.0.0/8", "proto=6 src=10.0.0.0/8"),
        ("proto=tcp and !assured", "proto=tcp not assured"),
        ("dport!=80", "!dport=80"),
        ("!!assured", "assured"),
        ("!replied", "unreplied"),
        ("assured or replied or nat", "(assured or replied) || nat"),
        ("assured replied or nat", "(assured and replied) or nat"),
        ("state=time_wait,listen", "state=SYN_SENT2,TIME_WAIT"),
        ("status=assured+seen-reply", "status=0x6"),
        ("status=ASSURED,SEEN_REPLY", "status=SEEN_REPLY,ASSURED"),
        ("status=ASSURED+SEEN_REPLY,DYING", "(status=SEEN_REPLY+ASSURED or status=DYING)"),
        ("timeout<90", "timeout<90s"),
        ("timeout=1m", "timeout=60"),
        ("bytes=1k-2KiB", "bytes>=1000 bytes<=2048"),
        ("mark=1", "mark=0x1/0xffffffff"),
        ("icmp-type=8 proto=ipv6-icmp", "icmp-type=8 proto=58"),
    ] {
        let read = |text: &str| text.parse::<Filter>().unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(read(text), read(same), "{text}");
    }
}

#[test]
fn a_filter_that_leaves_nothing_out_is_known_as_such() {
    for text in
        ["", "()", "src=0.0.0.0/0,::/0", "!(!())", "zone=0-65535", "mark=0/0", "assured or ()"]
    {
        // `or ()` is refused as text, since it is a mistake; typed, it is a filter.
        let filter = text.parse().unwrap_or_else(|_| Filter::assured() | Filter::new());
        assert!(filter.is_everything(), "{text}");
    }
    for text in ["assured", "src=0.0.0.0/0", "!()", "assured or replied", "bytes>0"] {
        assert!(!text.parse::<Filter>().expect(text).is_everything(), "{text}");
    }
}

#[test]
fn a_plan_says_what_stays_here_and_why() {
    let explain = |text: &str, version| {
        let filter: Filter = text.parse().expect(text);
        filter.plan(&Capabilities::of(version), Placement::LeastCpu).explain()
    };
    let text = "proto=tcp dport=443,8443 src=10.0.0.0/8 dst=192.0.2.1 !assured zone=7 state=CLOSE";
    assert_eq!(
        explain(text, Version::new(6, 1)),
        "\
Linux 6.1 is asked for a part of the table, ipv4
there: proto=tcp dst=192.0.2.1 !assured
here:  dport=443,8443 (the kernel compares with one whole value only)
here:  src=10.0.0.0/8 (the kernel compares with one whole value only)
here:  zone=7 (this kernel ignores it, 6.8 and later do not)
here:  state=CLOSE (the kernel has no filter for it)
whatever it sends is judged by the whole filter again
"
    );
    assert_eq!(
        explain("proto=udp dport=53", Version::new(6, 18)),
        "\
Linux 6.18 is asked for ipv4 and ipv6, one after the other
there: proto=udp dport=53
whatever it sends is judged by the whole filter again
"
    );
    assert!(explain("dst=2001:db8::1", Version::new(6, 18)).contains("IPv6 is inverted"));
    assert!(explain("dport=53", Version::new(6, 18)).contains("needs to know of which"));
    assert!(explain("proto=sctp dport=53", Version::new(6, 18)).contains("TCP and UDP only"));
    assert!(explain("a".replace('a', "").as_str(), Version::new(6, 18)).contains("whole table"));
    let apart = Filter::family(Family::Ipv6) & Filter::source(IpAddr::from([10, 0, 0, 1]));
    let plan = apart.plan(&Capabilities::of(Version::new(6, 18)), Placement::LeastCpu);
    assert!(plan.requests().is_empty(), "no entry is of both families");
    assert!(explain("!()", Version::new(6, 18)).contains("no entry can match"));
}

#[test]
fn the_default_placement_bounds_the_walk() {
    assert_eq!(Placement::for_table(0, None), Placement::LeastCpu);
    assert_eq!(Placement::for_table(47_000, None), Placement::LeastCpu);
    assert_eq!(Placement::for_table(48_000, None), Placement::LeastLatency);
    assert_eq!(Placement::for_table(0, Some(4_000_000)), Placement::LeastLatency);
    assert_eq!(Placement::for_table(u32::MAX, Some(u32::MAX)), Placement::LeastLatency);
}

/// `Spec` is only as good as the cases it makes.
#[test]
fn random_filters_are_of_all_kinds() {
    use proptest::strategy::ValueTree;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let (mut kept, mut exact, mut two) = (0, 0, 0);
    for _ in 0..2000 {
        let spec = spec::spec().new_tree(&mut runner).expect("a filter").current();
        let flow = strategy::flow().new_tree(&mut runner).expect("a flow").current();
        kept += u32::from(spec.keeps(&flow));
        let plan = spec.filter().plan(&Capabilities::of(Version::new(6, 18)), Placement::LeastCpu);
        exact += u32::from(plan.is_exact());
        two += u32::from(plan.requests().len() == 2);
    }
    assert!(kept > 200 && exact > 100 && two > 20, "{kept} {exact} {two}");
    let _ = Spec::All(Vec::new());
}
