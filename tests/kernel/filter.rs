//! What a filter keeps of the kernel's table, wherever it is applied: the same as the obvious
//! reading keeps of the same entries.

use std::collections::BTreeSet;

use ctnetlink::field::{Field, Keys};
use ctnetlink::filter::{Filter, Placement};
use ctnetlink::flow::{Family, Flow, Protocol};
use ctnetlink::kernel::{Capabilities, Version};
use ctnetlink::testing::{Population, create, fill};
use ctnetlink::{DumpEnd, DumpOptions, List, Query, Reader, ScanOptions};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;

use crate::peers::mixed_table;
use crate::spec;
use crate::support::{Skip, Test, entries, menagerie, need_kernel, need_room, rounds, run, table};

pub const TESTS: &[(&str, Test)] = &[
    ("the_kernel_says_what_it_can_do", the_kernel_says_what_it_can_do),
    ("random_filters_keep_what_they_should", random_filters_keep_what_they_should),
    ("older_kernels_are_asked_for_less", older_kernels_are_asked_for_less),
    ("an_ipv6_address_is_not_inverted", an_ipv6_address_is_not_inverted),
    ("both_families_are_asked", both_families_are_asked),
    ("every_part_that_is_sent_is_applied", every_part_that_is_sent_is_applied),
    ("conntrack_keeps_the_same", conntrack_keeps_the_same),
    ("a_scan_counts_what_matches", a_scan_counts_what_matches),
    ("one_scan_answers_many_questions", one_scan_answers_many_questions),
    ("what_cannot_be_decided_is_told", what_cannot_be_decided_is_told),
    ("the_default_depends_on_the_table", the_default_depends_on_the_table),
    ("no_entry_is_unconfirmed", no_entry_is_unconfirmed),
];

const BOTH: [Placement; 2] = [Placement::LeastCpu, Placement::LeastLatency];

/// What tells entries apart.
pub fn key(flow: &Flow) -> String {
    let zones = (flow.zone, flow.original.zone, flow.reply.zone);
    format!("{} {} {zones:?} {:?}", flow.original, flow.protocol(), flow.id)
}

fn keys<'f>(flows: impl IntoIterator<Item = &'f Flow>) -> BTreeSet<String> {
    flows.into_iter().map(key).collect()
}

fn kept(table: &mut Reader, filter: &Filter, placement: Placement) -> (Vec<Flow>, DumpEnd) {
    let options = DumpOptions::new().filter(filter.clone()).placement(placement);
    let mut flows = table.dump(options).expect("a dump").flows();
    let kept = flows.by_ref().collect::<Result<Vec<_>, _>>().expect("every entry");
    (kept, flows.end())
}

fn the_kernel_says_what_it_can_do() -> Result<(), Skip> {
    let mut table = table();
    let found = table.capabilities().expect("an answer");
    let release = rustix::system::uname();
    let version: Version = release.release().to_str().expect("text").parse().expect("a version");
    let expected = Capabilities::of(version);
    assert_eq!(found.version, Some(version));
    // What is carried back to an older version is more, and nothing is less.
    assert!(found.tuple_filter >= expected.tuple_filter);
    assert!(found.status_filter >= expected.status_filter);
    // Trackers may be left out of a kernel, and none comes back.
    for protocol in (0..=u8::MAX).map(Protocol) {
        assert!(found.tracks(protocol) <= expected.tracks(protocol), "{protocol}");
    }
    if version >= Version::new(5, 15) {
        assert_eq!((found.tuple_filter, found.status_filter), (true, true), "{found:?}");
        assert_eq!(found.zone_filter, expected.zone_filter);
        assert_eq!(found.family_flush, expected.family_flush);
    }
    assert_eq!(table.capabilities().expect("an answer"), found);
    assert_eq!(entries(&mut table).len(), 0, "asking makes no entry");
    Ok(())
}

fn random_filters_keep_what_they_should() -> Result<(), Skip> {
    menagerie(1500);
    let mut table = table();
    let mut runner = TestRunner::deterministic();
    let (mut some, mut exact) = (0, 0);
    let rounds = rounds(150);
    for _ in 0..rounds {
        let spec = spec::spec().new_tree(&mut runner).expect("a filter").current();
        let filter = spec.filter();
        // Timeouts run; a second that ended in between is another table.
        loop {
            let of = |flows: &[Flow]| keys(flows.iter().filter(|flow| spec.keeps(flow)));
            let before = of(&entries(&mut table));
            let ours = BOTH.map(|placement| kept(&mut table, &filter, placement));
            if of(&entries(&mut table)) != before {
                continue;
            }
            for (flows, end) in &ours {
                assert_eq!(keys(flows), before, "{filter}");
                assert_eq!(flows.len(), before.len(), "{filter}: once each");
                assert_eq!(end.matched, flows.len() as u64);
                assert!(!end.refused, "{filter}");
            }
            let plan = table.plan(&filter, Some(Placement::LeastCpu)).expect("a plan");
            if plan.is_exact() {
                let (flows, end) = &ours[0];
                assert_eq!(end.entries, flows.len() as u64, "{filter}: the kernel did all of it");
                exact += 1;
            }
            some += u32::from(!before.is_empty());
            break;
        }
    }
    assert!(some > rounds * 4 / 15 && exact > rounds / 15, "{some} {exact}");
    Ok(())
}

/// Planned as for kernels that would take a filter and ignore it: less is sent, and the same kept.
fn older_kernels_are_asked_for_less() -> Result<(), Skip> {
    let all = menagerie(800);
    let filter: Filter =
        "family=ipv4 proto=tcp replied zone=0 mark=0 dport=443".parse().expect("a filter");
    let wanted = keys(all.iter().filter(|flow| filter.matches(*flow)));
    let mut sent = Vec::new();
    let kernel = table().capabilities().expect("an answer");
    // Those that can do no more than this one.
    let older = [
        (4, 18, true),
        (5, 8, kernel.tuple_filter),
        (5, 15, kernel.status_filter),
        (6, 8, kernel.zone_filter),
    ];
    for (major, minor, possible) in older {
        if !possible {
            continue;
        }
        let mut table = table();
        table.restrict(&Capabilities::of(Version::new(major, minor))).expect("an answer");
        let plan = table.plan(&filter, Some(Placement::LeastCpu)).expect("a plan");
        let (flows, end) = kept(&mut table, &filter, Placement::LeastCpu);
        assert_eq!(keys(&flows), wanted, "{major}.{minor}");
        assert!(!end.refused && end.kernel_filtered);
        sent.push((plan.there().len(), end.entries));
    }
    assert!(sent.windows(2).all(|two| two[0].0 < two[1].0), "{sent:?}");
    assert!(sent.windows(2).all(|two| two[0].1 >= two[1].1), "{sent:?}");
    let last = sent.last().expect("four");
    if kernel.zone_filter {
        assert_eq!(*last, (6, wanted.len() as u64));
    }
    need_kernel(
        sent.len() > 1,
        "filter by tuple (since 5.8), so there is no lesser kernel to compare it with",
    )?;
    assert!(sent[0].1 > last.1 && !wanted.is_empty());
    Ok(())
}

fn an_ipv6_address_is_not_inverted() -> Result<(), Skip> {
    let all = menagerie(500);
    let mut table = table();
    let source =
        all.iter().find(|flow| flow.original.source.is_ipv6()).expect("one").original.source;
    let wanted = keys(all.iter().filter(|flow| flow.original.source == source));
    for text in [format!("src={source}"), format!("family=ipv6 src={source}")] {
        let filter: Filter = text.parse().expect("a filter");
        let (flows, _) = kept(&mut table, &filter, Placement::LeastCpu);
        assert_eq!(keys(&flows), wanted);
        assert!(flows.len() < all.len() / 2);
    }
    Ok(())
}

fn both_families_are_asked() -> Result<(), Skip> {
    menagerie(500);
    let mut table = table();
    let kernel = table.capabilities().expect("an answer");
    need_kernel(kernel.tuple_filter, "filter by tuple (since 5.8)")?;
    let assured = kernel.status_filter.then_some("proto=tcp dport=443 assured");
    for text in ["proto=tcp", "proto=udp dport=53"].into_iter().chain(assured) {
        let filter: Filter = text.parse().expect("a filter");
        let plan = table.plan(&filter, Some(Placement::LeastCpu)).expect("a plan");
        assert_eq!(plan.requests().len(), 2, "{text}");
        let (flows, end) = kept(&mut table, &filter, Placement::LeastCpu);
        for family in [Family::Ipv4, Family::Ipv6] {
            assert!(flows.iter().any(|flow| flow.original.family() == family), "{text}");
        }
        assert!(end.kernel_filtered && end.entries == end.matched, "{text}: {end:?}");
        // A dump that is given up between the two leaves a handle that works.
        let options = DumpOptions::new().filter(filter).placement(Placement::LeastCpu);
        assert!(table.dump(options).expect("a dump").next_batch().expect("entries").is_some());
        assert!(table.count().expect("a count") > 0);
    }
    Ok(())
}

/// One condition at a time, each the kernel's alone: it returns what matches, and no more.
fn every_part_that_is_sent_is_applied() -> Result<(), Skip> {
    let all = menagerie(1500);
    let mut table = table();
    let kernel = table.capabilities().expect("an answer");
    if !(kernel.tuple_filter && kernel.status_filter && kernel.zone_filter) {
        return need_kernel(false, "filter by zone (since 6.8), status (5.15) or tuple (5.8)");
    }
    let v4 = |flow: &&Flow| flow.original.source.is_ipv4();
    let one = all.iter().find(|flow| v4(flow) && flow.source_nat().is_some()).expect("one");
    let tcp = all.iter().find(|flow| flow.protocol().0 == 6).expect("one");
    let (sport, dport) = (
        tcp.original.endpoints.source_port().expect("a port"),
        tcp.original.endpoints.destination_port().expect("a port"),
    );
    for text in [
        "family=ipv6".to_owned(),
        "assured".to_owned(),
        "!assured".to_owned(),
        "replied !status=ASSURED,DYING".to_owned(),
        "zone=7".to_owned(),
        "zone=0".to_owned(),
        "zone=9".to_owned(),
        "mark=0x2".to_owned(),
        "mark=0x0/0x3".to_owned(),
        "proto=132".to_owned(),
        "proto=gre family=ipv4".to_owned(),
        format!("src={}", one.original.source),
        format!("dst={}", one.original.destination),
        format!("reply-src={}", one.reply.source),
        format!("reply-dst={}", one.reply.destination),
        format!("proto=tcp sport={sport}"),
        format!("proto=tcp dport={dport}"),
        format!("proto=tcp reply-sport={dport}"),
        format!("proto=tcp reply-dport={sport}"),
        format!(
            "proto=tcp dport={dport} reply-dst={} mark=0 zone=0 replied",
            one.reply.destination
        ),
        "proto=icmp family=ipv4 icmp-type=8 icmp-code=0".to_owned(),
        "proto=icmpv6 family=ipv6 icmp-type=128".to_owned(),
    ] {
        let filter: Filter = text.parse().unwrap_or_else(|error| panic!("{error}"));
        let plan = table.plan(&filter, Some(Placement::LeastCpu)).expect("a plan");
        assert!(plan.is_exact(), "{text}: {}", plan.explain());
        let (flows, end) = kept(&mut table, &filter, Placement::LeastCpu);
        assert_eq!(keys(&flows), keys(all.iter().filter(|flow| filter.matches(*flow))), "{text}");
        assert!(!flows.is_empty() && flows.len() < all.len(), "{text}: {}", flows.len());
        assert_eq!(end.entries, end.matched, "{text}: the kernel left out the rest");
        assert!(end.kernel_filtered, "{text}");
    }
    let id = all.iter().find_map(|flow| match flow.original.endpoints {
        ctnetlink::flow::Endpoints::Icmp { id, .. } if v4(&flow) => Some(id),
        _ => None,
    });
    let text = format!("family=ipv4 proto=icmp icmp-id={}", id.expect("a ping"));
    let (flows, end) = kept(&mut table, &text.parse().expect("a filter"), Placement::LeastCpu);
    assert_eq!((flows.len(), end.entries), (1, 1));
    Ok(())
}

fn conntrack_keeps_the_same() -> Result<(), Skip> {
    mixed_table()?;
    let mut table = table();
    for (options, text) in [
        ("-p tcp", "proto=tcp"),
        ("-p udp --dport 53", "proto=udp dport=53"),
        ("-p tcp --sport 5001", "proto=tcp sport=5001"),
        ("-p tcp --reply-port-src 8080", "proto=tcp reply-sport=8080"),
        ("-f ipv4", "family=ipv4"),
        ("-f ipv6", "family=ipv6"),
        ("-s 10.0.0.1", "src=10.0.0.1"),
        ("-s 10.0.0.0/30", "src=10.0.0.0/30"),
        ("-f ipv6 -d 2001:db8:ffff::1", "dst=2001:db8:ffff::1"),
        ("-r 172.16.0.9", "reply-src=172.16.0.9"),
        ("-q 203.0.113.5", "reply-dst=203.0.113.5"),
        ("-p tcp --state TIME_WAIT", "proto=tcp state=TIME_WAIT"),
        ("-p tcp --state ESTABLISHED", "proto=tcp state=ESTABLISHED"),
        ("-p sctp --state COOKIE_WAIT", "proto=sctp state=COOKIE_WAIT"),
        ("-u ASSURED", "assured"),
        ("-u SEEN_REPLY", "replied"),
        ("-w 5", "zone=5"),
        ("--orig-zone 8", "orig-zone=8 !reply-zone=8"),
        ("--reply-zone 9", "reply-zone=9 !orig-zone=9"),
        ("-m 7", "mark=7"),
        ("-m 1/1", "mark=1/1"),
        // `conntrack` asks for a status bit, too, which entries made with two tuples lack.
        ("-d 192.0.2.1 -n", "dst=192.0.2.1 snat"),
        ("-n 203.0.113.5", "snat=203.0.113.5"),
        ("-d 192.0.2.1 -g", "dst=192.0.2.1 dnat"),
        ("-d 192.0.2.1 -j", "dst=192.0.2.1 nat"),
        ("-p icmp --icmp-type 8", "proto=icmp icmp-type=8"),
        ("-p gre", "proto=gre"),
    ] {
        let listed = run(&format!("conntrack -L {options}")).lines().count();
        let filter: Filter = text.parse().unwrap_or_else(|error| panic!("{error}"));
        for placement in BOTH {
            let (flows, _) = kept(&mut table, &filter, placement);
            assert_eq!(flows.len(), listed, "conntrack -L {options} = {text}");
        }
        assert!(listed > 0, "conntrack -L {options}");
    }
    Ok(())
}

fn a_scan_counts_what_matches() -> Result<(), Skip> {
    let all = menagerie(1500);
    let mut table = table();
    for text in ["", "proto=tcp", "dport=443,53 src=10.0.0.0/8", "!()", "state=TIME_WAIT or nat"] {
        let filter: Filter = text.parse().expect("a filter");
        let expected = all.iter().filter(|flow| filter.matches(*flow)).count() as u64;
        for placement in BOTH {
            let query = Query::new().group_by([Field::Source]).filter(filter.clone());
            let options = ScanOptions::new().placement(placement);
            let scan = table.scan_with(&query, &options).expect("a scan");
            assert_eq!(scan.report.flows(), expected, "{text}");
            let listed: u64 = scan.report.rows().iter().map(|row| row.flows).sum();
            assert_eq!(listed + scan.report.other(), expected);
            assert_eq!((scan.end.matched, scan.end.undecided), (expected, 0));
            assert!(scan.is_complete());
            assert_eq!(scan.filter, filter);
        }
    }
    Ok(())
}

fn one_scan_answers_many_questions() -> Result<(), Skip> {
    menagerie(1500);
    let mut table = table();
    let fields = ["source", "state,protocol", "", "mark,zone", "source/24,dport"];
    let filters = ["", "proto=tcp", "!assured or nat", "bytes>1"];
    let queries: Vec<Query> = fields
        .iter()
        .flat_map(|fields| filters.iter().map(move |filter| (fields, filter)))
        .map(|(fields, filter)| {
            let fields = if fields.is_empty() { None } else { fields.parse::<Keys>().ok() };
            let by = fields.map(|fields| fields.as_slice().to_vec()).unwrap_or_default();
            Query::new().group_by(by).filter(filter.parse().expect("a filter")).top(7)
        })
        .collect();
    let together = table.scan(&queries).expect("scans");
    assert_eq!(together.len(), queries.len());
    for (query, scan) in queries.iter().zip(&together) {
        let alone = table.scan(query).expect("a scan");
        assert_eq!(scan.report, alone.report, "{:?} {}", query.keys(), query.filter);
        assert_eq!(scan.end.matched, alone.end.matched);
    }
    // All of one filter: the kernel is asked for no more than that.
    let same: Vec<_> =
        queries.iter().map(|query| query.clone().filter(Filter::assured())).collect();
    let by_kernel = ScanOptions::new().placement(BOTH[0]);
    let scans = table.scan_with(&same, &by_kernel).expect("scans");
    let by_status = table.capabilities().expect("an answer").status_filter;
    assert!(scans.iter().all(|scan| scan.end.entries == scan.end.matched) || !by_status);
    // A filter for all of them is beside their own, and the kernel applies it whatever those are.
    let assured = by_kernel.filter(Filter::assured());
    let narrowed = table.scan_with(&queries, &assured).expect("scans");
    let all = scans[0].end.entries;
    assert!(narrowed.iter().all(|scan| scan.end.entries == all));
    for (query, scan) in queries.iter().zip(&narrowed) {
        let both = query.clone().filter(Filter::assured() & query.filter.clone());
        assert_eq!(scan.report, table.scan(&both).expect("a scan").report, "{}", scan.filter);
        assert_eq!(scan.filter, both.filter);
    }
    assert!(table.scan(&[] as &[Query]).expect("nothing asked").is_empty());
    Ok(())
}

fn what_cannot_be_decided_is_told() -> Result<(), Skip> {
    let all = menagerie(300).len() as u64;
    let mut table = table();
    // Made by hand, without accounting: no entry has counters.
    for text in ["bytes>1", "!bytes>1", "packets=0-5"] {
        let filter: Filter = text.parse().expect("a filter");
        let (flows, end) = kept(&mut table, &filter, Placement::LeastLatency);
        assert_eq!((flows.len(), end.matched, end.undecided), (0, 0, all), "{text}");
        let scan = table.scan(&Query::new().filter(filter)).expect("a scan");
        assert_eq!((scan.report.flows(), scan.report.undecided()), (0, all), "{text}");
    }
    Ok(())
}

fn the_default_depends_on_the_table() -> Result<(), Skip> {
    fill(&mut table(), &Population::new(100)).expect("room");
    let mut table = table();
    let filter = Filter::assured();
    let kernel = table.capabilities().expect("an answer");
    let small = table.plan(&filter, None).expect("a plan");
    let buckets = std::fs::read_to_string("/proc/sys/net/netfilter/nf_conntrack_buckets");
    let buckets: u32 = buckets.expect("readable").trim().parse().expect("a number");
    let placement = Placement::for_table(table.count().expect("a count"), Some(buckets));
    assert_eq!(small, filter.plan(&table.capabilities().expect("an answer"), placement));
    need_kernel(kernel.status_filter, "filter by status (since 5.15)")?;
    need_room(120_100)?;
    if buckets <= 262_144 {
        assert!(small.is_exact(), "a small table is the kernel's");
        fill(&mut table, &Population::new(120_000).seed(7)).expect("room");
        let large = table.plan(&filter, None).expect("a plan");
        assert!(!large.is_exact() && large.requests()[0].is_empty(), "a large one is not");
    }
    Ok(())
}

fn no_entry_is_unconfirmed() -> Result<(), Skip> {
    let one = menagerie(100).into_iter().next().expect("one");
    let mut table = table();
    let options = DumpOptions::new().list(List::Unconfirmed);
    assert_eq!(table.dump(options).expect("a dump").flows().count(), 0);
    assert!(create(&mut ctnetlink::Conntrack::open().expect("a table"), [one]).is_err());
    Ok(())
}
