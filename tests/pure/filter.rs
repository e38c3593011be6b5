//! A filter keeps what the obvious reading of it keeps, and a plan leaves out none of that.

use std::net::IpAddr;
use std::time::Duration;

use ctnetlink::filter::{Filter, KernelFilter, Placement};
use ctnetlink::flow::{Family, Flow, FlowRef, ProtoInfo, Protocol, State};
use ctnetlink::kernel::{Capabilities, Version};
use proptest::prelude::*;

use crate::asked::sends;
use crate::naive::now;
use crate::spec::{self, Condition, Sign, Spec};
use crate::strategy;

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
        prop_assert_eq!(filter.judge(&flow, now()), expected, "{}", filter);
        let bytes = flow.to_bytes();
        let borrowed = FlowRef::parse(&bytes).expect("an entry");
        prop_assert_eq!(filter.judge(&borrowed, now()), expected, "{}", filter);
    }

    #[test]
    fn text_reads_back_as_the_same_filter(spec in spec::spec()) {
        let filter = spec.filter();
        prop_assert_eq!(filter.to_string().parse::<Filter>(), Ok(filter));
    }

    #[test]
    fn what_an_entry_matches_is_never_refused(
        spec in spec::spec(),
        flow in kernels_flow(),
        seed in any::<u64>(),
    ) {
        if spec.keeps(&flow) {
            let text = text(&spec, &mut chance(seed));
            let filter = text.parse::<Filter>();
            prop_assert!(filter.is_ok_and(|filter| filter.judge(&flow, now()) == Some(true)), "{}", text);
        }
    }

    #[test]
    fn the_order_of_its_words_does_not_decide_whether_a_text_is_refused(
        spec in spec::spec(),
        flow in strategy::flow(),
        seeds in any::<[u64; 4]>(),
    ) {
        let texts = seeds.map(|seed| text(&spec, &mut chance(seed)));
        let [first, others @ ..] = texts.each_ref().map(|text| text.parse::<Filter>());
        for (other, text) in others.iter().zip(&texts[1..]) {
            prop_assert_eq!(first.is_ok(), other.is_ok(), "{}\n{}\n{:?}\n{:?}", texts[0], text, first, other);
            let judge = |read: &Result<Filter, _>| read.as_ref().map(|read| read.judge(&flow, now())).ok();
            prop_assert_eq!(judge(&first), judge(other), "{}\n{}", texts[0], text);
        }
    }

    #[test]
    fn any_text_is_a_filter_or_an_error(text in "[a-z=!<>()0-9,/.:| \"\\\\-]{0,40}") {
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
        // Nothing is known of what its protocol does not have.
        flow.protoinfo = flow.protoinfo.filter(|info| match info {
            ProtoInfo::Tcp(_) => flow.original.protocol == Protocol::TCP,
            ProtoInfo::Sctp(_) => flow.original.protocol == Protocol::SCTP,
            ProtoInfo::Dccp(_) => flow.original.protocol == Protocol::DCCP,
            _ => false,
        });
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
        ("proto=udp (state=CLOSE or srckey=1)", "state=CLOSE", "udp has the states"),
        ("(state=CLOSE or srckey=1) proto=udp", "state=CLOSE", "\"proto=udp\" at once"),
        ("(proto=icmp dport=80) or (proto=tcp icmp-id=1)", "dport=80", "\"proto=icmp\" at once"),
        (
            "(proto=tcp or proto=udp) (srckey=1 or icmp-id=1)",
            "srckey=1",
            "\"proto=tcp or proto=udp\" at",
        ),
        (
            "proto=tcp,gre proto=gre,udp proto=udp,tcp",
            "proto=udp,tcp",
            "\"proto=tcp,gre\" and \"proto=gre,udp\" at",
        ),
        ("proto=tcp !proto=tcp", "proto=tcp", "\"proto=tcp\" at once"),
        ("!(proto!=tcp or assured) srckey=1", "proto!=tcp", "\"srckey=1\" at once"),
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
        ("dport>80", "dport>80", "only these have more and less: timeout, age, bytes"),
        ("dport", "dport", "a value is missing: dport=…"),
        ("dport=", "dport=", "a value is missing"),
        ("dport=80,,81", "dport=80,,81", "beside a comma"),
        ("helper=ftp,,sip", "helper=ftp,,sip", "beside a comma"),
        ("helper=\"a b", "helper=\"a b", "the quote is not closed"),
        ("helper=\"a\"b", "helper=\"a\"b", "behind the quote"),
        ("helper=\"\\n\"", "helper=\"\\n\"", "u{…}"),
        ("dport=\"80 81\"", "dport=\"80 81\"", "a port is a number"),
        ("(assured or ())", "or", "missing on one side"),
        ("(() ()) or assured", "or", "missing on one side"),
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
        ("helper=\"ftp\",\"a b\"", "helper=\"a b\",ftp"),
        ("helper=a\"b", "helper=\"a\\\"b\""),
        ("assured or !()", "assured"),
        ("(proto=icmp dport=80) or !()", "!() or proto=icmp and dport=80"),
        ("proto=icmp dport=80 !()", "!()"),
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

/// Texts of these words, in every order.
fn orders(words: &[&str]) -> Vec<String> {
    let [first, rest @ ..] = words else { return vec![String::new()] };
    (0..=rest.len())
        .flat_map(|at| {
            let mut left = rest.to_vec();
            let word = if at == 0 { *first } else { std::mem::replace(&mut left[at - 1], first) };
            orders(&left).into_iter().map(move |order| format!("{word} {order}"))
        })
        .collect()
}

#[test]
fn a_filter_that_an_entry_can_match_is_accepted_in_every_order() {
    assert_eq!(orders(&["a", "b", "c"]).len(), 6);
    for words in [
        &["dport!=80", "proto=icmp"][..],
        &["sport!=7", "srckey=6"],
        &["proto=udp", "!state=CLOSE", "assured"],
        &["(proto=icmp dport=80 or proto=tcp)", "dport=80"],
        &["proto=udp", "(assured or state=CLOSE)"],
        &["!(proto=icmp dport=80)", "proto=icmp"],
        &["family=ipv6", "src!=10.0.0.0/8", "icmp-type=8"],
        &["proto=icmp", "dport=80", "!()"],
    ] {
        for text in orders(words) {
            assert!(text.parse::<Filter>().is_ok(), "{text}: {:?}", text.parse::<Filter>());
        }
    }
    for words in [
        &["proto=icmp", "dport=80"][..],
        &["proto=udp", "state=TIME_WAIT", "assured"],
        &["family=ipv6", "src=10.0.0.0/8", "mark=1"],
        &["(proto=icmp or proto=gre)", "!assured", "dport=80"],
        &["proto!=tcp", "state=SYN_SENT"],
        &["srckey=1", "(dport=1 or (icmp-id=1 assured))"],
    ] {
        for text in orders(words) {
            let error = text.parse::<Filter>().expect_err(&text).to_string();
            assert!(error.contains("at once"), "{text}: {error}");
        }
    }
}

#[test]
fn what_was_put_together_from_functions_reads_back() {
    let icmp = || Filter::protocol(Protocol::ICMP);
    let port = || Filter::destination_port(80);
    let nothing = || !Filter::new();
    let both = icmp() & port();
    assert!(both.judge(&a_flow(), now()) == Some(false));
    for (filter, text) in [
        (!Filter::source_port(7) & Filter::source_key(6), "!sport=7 srckey=6"),
        (both.clone(), "(proto=icmp dport=80) or !()"),
        (!both.clone(), "!(proto=icmp dport=80)"),
        (both.clone() | (port() & icmp()), "(proto=icmp dport=80) or (dport=80 proto=icmp) or !()"),
        (both.clone() | Filter::assured(), "(proto=icmp dport=80) or assured"),
        (!(both | Filter::new()), "!()"),
        (Filter::new(), ""),
        (nothing(), "!()"),
        (!nothing(), ""),
        (Filter::assured() | nothing(), "assured"),
        (Filter::assured() & nothing(), "!()"),
        (Filter::assured() | Filter::new(), ""),
        (Filter::any([nothing(), Filter::any([])]), "!()"),
        (Filter::state(State::CLOSE) & icmp(), "(state=CLOSE proto=icmp) or !()"),
        (Filter::helper(""), "helper=\"\""),
        (Filter::helper("a b"), "helper=\"a b\""),
        (Filter::helper("a\n"), "helper=\"a\\u{a}\""),
        (!Filter::helper("a,\"(\\"), r#"!helper="a,\"(\\""#),
    ] {
        assert_eq!(filter.to_string(), text);
        assert_eq!(text.parse(), Ok(filter), "{text}");
    }
    // A part that nothing can match stands in parentheses in a plan, too.
    let kernel = Capabilities::of(Version::new(6, 18));
    let filter = Filter::assured() & !(!icmp() | !port());
    let plan = filter.plan(&kernel, Placement::LeastCpu);
    assert!(plan.requests().is_empty(), "{}", plan.explain());
    let plan = (icmp() & port()).plan(&kernel, Placement::LeastLatency);
    assert!(plan.requests().is_empty(), "{}", plan.explain());
}

fn a_flow() -> Flow {
    use proptest::strategy::ValueTree;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    kernels_flow().new_tree(&mut runner).expect("a flow").current()
}

/// Words, `!` and parentheses in each other, as deep as they may be and deeper, on a thread of 2 MiB.
#[test]
fn depth_is_bounded() {
    for text in [
        "(".repeat(100_000),
        format!("{}assured{}", "(".repeat(100_000), ")".repeat(100_000)),
        format!("{}assured", "!".repeat(100_000)),
        format!("{}assured", "not ".repeat(100_000)),
        "(assured or ".repeat(100_000),
        format!("{}assured{}", "(assured or !(assured ".repeat(100_000), "))".repeat(100_000)),
    ] {
        let error = text.parse::<Filter>().expect_err("too deep").to_string();
        assert!(error.contains("too many parentheses"), "{error}");
    }
    // Side by side there may be as many as there is memory.
    for between in [" ", " or ", " or !()", ") (", " (assured) "] {
        let text = format!("(assured{})", format!("{between} nat").repeat(100_000));
        let text = text.replace("!() nat", "!()");
        assert!(
            text.parse::<Filter>().is_ok_and(|filter| filter.to_string().parse() == Ok(filter))
        );
    }
    let flow = a_flow();
    let thread = std::thread::Builder::new().stack_size(2 << 20).spawn(move || {
        let mut filter = Filter::assured();
        for depth in 2..=Filter::DEPTH {
            filter = match depth % 3 {
                0 => filter & Filter::nat(),
                1 => filter | Filter::replied(),
                _ => !filter,
            };
        }
        let text = filter.to_string();
        assert!(text.len() > Filter::DEPTH);
        assert_eq!(text.parse::<Filter>().as_ref(), Ok(&filter));
        assert!(filter.judge(&flow, now()).is_some());
        let kernel = Capabilities::of(Version::new(6, 18));
        let plan = filter.plan(&kernel, Placement::LeastCpu);
        assert!(plan.explain().contains("no alternatives"), "{}", plan.explain());
        assert!(
            !filter.is_everything() && format!("{filter:?}") == format!("{:?}", filter.clone())
        );
        // One that nothing can match is put in parentheses once more.
        let mut nothing = Filter::protocol(Protocol::ICMP) & Filter::destination_port(80);
        while let Ok(deeper) = std::panic::catch_unwind(|| {
            let or = nothing.clone() | (Filter::source_key(1) & Filter::destination_port(1));
            or & Filter::replied()
        }) {
            nothing = deeper;
        }
        let text = nothing.to_string();
        assert!(text.ends_with(" or !()") && text.starts_with(&"(".repeat(Filter::DEPTH / 2 - 2)));
        assert_eq!(text.parse(), Ok(nothing));
    });
    thread.expect("a thread").join().expect("no overflow");
}

/// A text of a filter, with its parts in an order and in parentheses as `chance` has it.
fn text(spec: &Spec, chance: &mut impl FnMut(usize) -> usize) -> String {
    // What holds for all entries, in words: `()` beside `or` is refused.
    const ALWAYS: &str = "src=0.0.0.0/0,::/0";
    let (parts, between) = match spec {
        Spec::Not(inner) => {
            let not = ["!", "not "][chance(2)];
            return format!("{not}({})", text(inner, chance));
        }
        Spec::Is(_) => {
            let text = spec.filter().to_string();
            return if text.is_empty() { ALWAYS.to_owned() } else { text };
        }
        Spec::All(parts) if parts.is_empty() => return ALWAYS.to_owned(),
        Spec::Any(parts) if parts.is_empty() => return "!()".to_owned(),
        Spec::All(parts) => (parts, [" ", " and "]),
        Spec::Any(parts) => (parts, [" or ", " || "]),
    };
    let in_place = |part: &Spec, text: String| match part {
        Spec::All(_) | Spec::Any(_) => format!("({text})"),
        _ => text,
    };
    let mut texts: Vec<_> =
        parts.iter().map(|part| in_place(part, text(part, &mut *chance))).collect();
    while texts.len() > 1 {
        let one = texts.swap_remove(chance(texts.len()));
        let other = texts.swap_remove(chance(texts.len()));
        let both = format!("{one}{}{other}", between[chance(2)]);
        // Beside its like it may stand without parentheses.
        let both = if chance(2) == 0 { format!("({both})") } else { both };
        texts.push(both);
    }
    texts.swap_remove(0)
}

/// Numbers from a seed.
fn chance(mut seed: u64) -> impl FnMut(usize) -> usize {
    move |below| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as usize % below
    }
}

#[test]
fn a_filter_that_leaves_nothing_out_is_known_as_such() {
    for text in
        ["", "()", "src=0.0.0.0/0,::/0", "!(!())", "zone=0-65535", "mark=0/0", "assured or ()"]
    {
        // `or ()` is refused as text, since it is a mistake; put together from functions, it is a filter.
        let filter = match text {
            "assured or ()" => Filter::assured() | Filter::new(),
            text => text.parse().expect(text),
        };
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

/// Every comparison is true of some age and false of another, so that the reading above is one.
#[test]
fn ages_are_reckoned_to_now() {
    use Sign::{AtLeast, AtMost, Less, More};
    let ends = |last| (IpAddr::from([10, 0, 0, last]), 53);
    let original = ctnetlink::flow::Tuple::with_ports(Protocol::UDP, ends(1), ends(2));
    let mut flow = Flow::new(original, original.inverse());
    let start = now() - Duration::from_secs(60);
    flow.timestamps = Some(ctnetlink::flow::Timestamps { start, stop: None });
    for (sign, seconds, expected) in [
        (More, 59, true),
        (More, 60, false),
        (AtLeast, 60, true),
        (AtLeast, 61, false),
        (Less, 61, true),
        (Less, 60, false),
        (AtMost, 60, true),
        (AtMost, 59, false),
    ] {
        let spec = Spec::Is(Condition::Age(sign, seconds));
        assert_eq!(spec.keeps(&flow), expected, "{spec:?}");
        assert_eq!(spec.filter().judge(&flow, now()), Some(expected), "{spec:?}");
    }
}
