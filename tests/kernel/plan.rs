//! Many entries go, those that were meant, and every other stays.

use std::collections::BTreeSet;
use std::time::Duration;

use ctnetlink::filter::Filter;
use ctnetlink::flow::{Change, Endpoints, Family, Flow, FlowId, FlowKey, Protocol};
use ctnetlink::kernel::{Capabilities, Version};
use ctnetlink::testing::{Population, create, fill};
use ctnetlink::{Conntrack, DeletePlan, DeleteStep, Deleted, ErrorKind};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;

use crate::filter::key;
use crate::spec;
use crate::support::{
    Skip, Test, entries, flow, menagerie, need_tool, ports, rounds, run, table, tuple,
};

pub const TESTS: &[(&str, Test)] = &[
    ("random_plans_leave_the_rest", random_plans_leave_the_rest),
    ("random_calls_delete_only_what_they_name", random_calls_delete_only_what_they_name),
    ("a_filter_that_leaves_nothing_out_is_refused", a_filter_that_leaves_nothing_out_is_refused),
    ("more_than_allowed_is_none_at_all", more_than_allowed_is_none_at_all),
    ("what_happens_in_between_is_told_apart", what_happens_in_between_is_told_apart),
    ("nothing_is_left_to_delete", nothing_is_left_to_delete),
    ("what_is_taken_out_stays", what_is_taken_out_stays),
    ("what_cannot_be_recorded_is_not_deleted", what_cannot_be_recorded_is_not_deleted),
    ("a_plan_knows_whether_anything_would_be_left", a_plan_knows_whether_anything_would_be_left),
    ("the_journal_can_be_played_back", the_journal_can_be_played_back),
    ("a_summary_adds_up", a_summary_adds_up),
    ("what_was_not_counted_stays", what_was_not_counted_stays),
    ("a_flush_of_one_family_leaves_the_other", a_flush_of_one_family_leaves_the_other),
    ("a_flush_takes_all", a_flush_takes_all),
    ("conntrack_deletes_the_same", conntrack_deletes_the_same),
];

fn keys(flows: &[Flow]) -> BTreeSet<String> {
    flows.iter().map(key).collect()
}

/// What an entry made anew has in common with the one before.
pub fn without_id(flow: &Flow) -> String {
    let mut flow = flow.clone();
    flow.id = None;
    key(&flow)
}

fn plan<'t>(table: &'t mut Conntrack, text: &str) -> DeletePlan<'t> {
    table.delete_plan(&text.parse().expect("a filter")).expect("a plan")
}

/// Bystanders of both families, in zone 0 and zone 7, of all protocols are always there.
fn random_plans_leave_the_rest() -> Result<(), Skip> {
    let mut table = table();
    let mut runner = TestRunner::deterministic();
    let (mut cases, mut some, mut all, mut sure) = (0_u64, 0, 0, 0);
    while cases < 80 {
        let spec = spec::spec().new_tree(&mut runner).expect("a filter").current();
        let filter = spec.filter();
        if filter.is_everything() {
            continue;
        }
        table.flush().expect("room");
        menagerie(200);
        fill(&mut table, &Population::new(300).seed(cases + 1).sources(10)).ok();
        let before = entries(&mut table);
        // What is left of timeouts goes on while this runs.
        let is_steady = |flow: &&Flow| {
            (1..=5).all(|seconds| {
                let later =
                    |timeout: Duration| timeout.saturating_sub(Duration::from_secs(seconds));
                let mut aged = (*flow).clone();
                aged.timeout = aged.timeout.map(later);
                spec.keeps(&aged) == spec.keeps(flow)
            })
        };
        let steady: Vec<&Flow> = before.iter().filter(is_steady).collect();
        let plan = table.delete_plan(&filter).expect("a plan").max(u64::MAX);
        let planned = keys(&plan.flows().map(|flow| flow.to_owned()).collect::<Vec<_>>());
        let matched = plan.matched();
        let report = plan.execute().expect("a report");
        let left = keys(&entries(&mut table));
        for flow in &steady {
            let (key, kept) = (key(flow), spec.keeps(flow));
            assert_eq!((planned.contains(&key), left.contains(&key)), (kept, !kept), "{filter}");
        }
        let unsteady = (before.len() - steady.len()) as u64;
        assert_eq!(report.deleted + report.changed, matched, "{filter}: {report:?}");
        assert!(report.changed <= unsteady, "{filter}: {report:?}");
        assert_eq!(left.len() as u64, before.len() as u64 - report.deleted, "{filter}");
        assert!(report.error.is_none());
        sure += u64::from(unsteady == 0);
        (cases, some) = (cases + 1, some + u64::from(matched > 0));
        all += u64::from(left.is_empty());
    }
    assert!(some > 20 && all < 60 && sure > 40, "{some} {all} {sure}");
    Ok(())
}

/// The socket refuses what would empty the table, so not even a mistake would show in the table
/// alone: it would be an error.
fn random_calls_delete_only_what_they_name() -> Result<(), Skip> {
    menagerie(200);
    let mut table = table();
    let mut runner = TestRunner::deterministic();
    let mut deleted = 0;
    for step in 0..rounds(400) {
        let before = entries(&mut table);
        let mut dice = |sides: usize| (0..sides).new_tree(&mut runner).expect("a roll").current();
        let one = &before[dice(before.len())];
        let mut key = FlowKey::from(one);
        // A key with less in it, or with what is not so.
        match dice(8) {
            0 => key.id = None,
            1 => key.zone = Some(3),
            2 => key.id = key.id.map(|id| FlowId(id.0 ^ 1)),
            3 => key.tuple = one.reply,
            4 => key.tuple.endpoints = Endpoints::None,
            5 => key.tuple.endpoints = Endpoints::Icmp { icmp_type: 0, code: 0, id: 0 },
            6 => (key.zone, key.id) = (None, None),
            _ => {}
        }
        let call = dice(5);
        let max = [0, 1, 5, 1000][dice(4)];
        let spec = spec::spec().new_tree(&mut runner).expect("a filter").current();
        let (error, may_go): (_, Vec<_>) = match call {
            0 | 1 => (table.delete(key).err(), vec![one]),
            2 => {
                let plan = table.delete_plan(&spec.filter());
                let error = plan.and_then(|plan| plan.max(max).execute()).err();
                (error, before.iter().filter(|flow| spec.keeps(flow)).collect())
            }
            3 => (table.get_and_zero(key).err(), vec![]),
            _ => (table.update(key, &Change::new().mark(step)).err(), vec![]),
        };
        let refused = error.as_ref().is_some_and(|error| {
            matches!(error.kind(), ErrorKind::Unguarded { .. } | ErrorKind::Io { .. })
        });
        assert!(!refused, "{error:?}");
        let left = keys(&entries(&mut table));
        let may_go: BTreeSet<_> = may_go.into_iter().map(self::key).collect();
        let gone: Vec<_> = keys(&before).difference(&left).cloned().collect();
        assert!(gone.iter().all(|key| may_go.contains(key)), "{call}: {gone:?}");
        deleted += gone.len();
        if left.len() < 100 {
            table.flush().expect("room");
            menagerie(200);
        }
    }
    assert!(deleted > rounds(100) as usize, "{deleted}");
    Ok(())
}

fn a_filter_that_leaves_nothing_out_is_refused() -> Result<(), Skip> {
    let before = keys(&menagerie(200));
    let mut table = table();
    for text in ["", "()", "src=0.0.0.0/0,::/0", "!(!())", "zone=0-65535"] {
        let error = table.delete_plan(&text.parse().expect("a filter")).expect_err(text);
        assert!(matches!(error.kind(), ErrorKind::Everything { .. }), "{error}");
        assert!(error.to_string().contains("flush the table"), "{error}");
    }
    assert_eq!(keys(&entries(&mut table)), before);
    Ok(())
}

fn more_than_allowed_is_none_at_all() -> Result<(), Skip> {
    fill(&mut table(), &Population::new(1500)).expect("room");
    let mut table = table();
    let before = keys(&entries(&mut table));
    let all = !Filter::mark(77);
    for (max, allowed) in [(None, 1000), (Some(1499), 1499), (Some(0), 0)] {
        let plan = table.delete_plan(&all).expect("a plan");
        let plan = if let Some(max) = max { plan.max(max) } else { plan };
        let error = plan.execute().expect_err("too many");
        let ErrorKind::TooMany { matched, max, .. } = *error.kind() else { panic!("{error}") };
        assert_eq!((matched, max), (1500, allowed));
        assert_eq!(keys(&entries(&mut table)), before);
    }
    let report = table.delete_plan(&all).expect("a plan").max(1500).execute().expect("a report");
    assert_eq!(report.deleted, 1500);
    Ok(())
}

fn what_happens_in_between_is_told_apart() -> Result<(), Skip> {
    let before = menagerie(200);
    let mut table = table();
    let made = |port| flow(tuple(Protocol::TCP, false, ports(port, 9999)));
    create(&mut table, (1..=300).map(made)).expect("new entries");

    let plan = plan(&mut table, "proto=tcp dport=9999");
    assert_eq!(plan.matched(), 300);
    // Somebody else deletes a hundred of them, and fifty come back.
    let mut other = Conntrack::open().expect("a table");
    for port in 1..=100 {
        let key = FlowKey::new(made(port).original);
        assert_eq!(other.delete(key).expect("an answer"), Deleted::Deleted);
    }
    // What comes first takes the memory of what went last; those that follow find other.
    let spacers = (1..=200).map(|port| flow(tuple(Protocol::UDP, false, ports(port, 9999))));
    create(&mut other, spacers).expect("new entries");
    create(&mut other, (1..=50).map(made)).expect("new entries");

    let report = plan.execute().expect("a report");
    assert_eq!((report.matched, report.deleted), (300, 200));
    assert_eq!((report.already_gone, report.replaced), (50, 50));
    assert_eq!((report.failed, report.unanswered), (0, 0));
    assert!(report.error.is_none());
    let left = entries(&mut table);
    assert_eq!(left.len(), before.len() + 200 + 50);
    for port in 1..=50 {
        assert!(left.iter().any(|flow| flow.original == made(port).original), "{port} lives");
    }
    Ok(())
}

/// Every answer is an error, more than a thousand of them.
fn nothing_is_left_to_delete() -> Result<(), Skip> {
    fill(&mut table(), &Population::new(3000)).expect("room");
    let mut table = table();
    let plan = table.delete_plan(&!Filter::mark(77)).expect("a plan").max(5000);
    assert_eq!(plan.matched(), 3000);
    Conntrack::open().expect("a table").flush().expect("a flush");
    let report = plan.execute().expect("a report");
    assert_eq!((report.deleted, report.already_gone, report.replaced), (0, 3000, 0));
    assert!(report.error.is_none());
    assert_eq!(table.count().expect("a count"), 0);
    Ok(())
}

fn what_is_taken_out_stays() -> Result<(), Skip> {
    let before = menagerie(300);
    let mut table = table();
    let mut plan = plan(&mut table, "proto=udp");
    let udp = plan.matched();
    let spared = plan.retain(|flow| flow.original().source.is_ipv4());
    assert!(spared > 0 && plan.matched() == udp - spared);
    assert!(plan.flows().all(|flow| flow.original().source.is_ipv4()));
    let report = plan.execute().expect("a report");
    assert_eq!(report.deleted, udp - spared);
    let left: Vec<_> = before
        .into_iter()
        .filter(|flow| flow.protocol() != Protocol::UDP || flow.original.source.is_ipv6())
        .collect();
    assert_eq!(keys(&entries(&mut table)), keys(&left));
    Ok(())
}

/// The journal fails at one step after the other.
fn what_cannot_be_recorded_is_not_deleted() -> Result<(), Skip> {
    let mut table = table();
    for fails in [0, 1, 200, 256, 257, 258, 400, 513] {
        table.flush().expect("room");
        menagerie(700);
        let (mut step, mut announced, mut done) = (0, BTreeSet::new(), 0);
        let before = keys(&entries(&mut table));
        let plan = table.delete_plan(&!Filter::mark(77)).expect("a plan").max(1000);
        let report = plan.execute_with(|told| {
            step += 1;
            if step > fails {
                return Err(std::io::Error::other("the disk is full"));
            }
            match told {
                DeleteStep::Next { first, flows, .. } => {
                    assert_eq!(first, announced.len() as u64);
                    announced.extend(flows.iter().map(|flow| key(&flow.to_owned())));
                }
                DeleteStep::Done { .. } => done += 1,
                other => panic!("{other:?}"),
            }
            Ok(())
        });
        let report = report.expect("a report");
        let left = keys(&entries(&mut table));
        let gone: BTreeSet<_> = before.difference(&left).cloned().collect();
        assert!(gone.is_subset(&announced), "{fails}");
        assert_eq!(gone.len() as u64, report.deleted, "{fails}");
        assert_eq!(report.deleted + report.untried, report.matched, "{fails}: {report:?}");
        assert!(report.untried > 0 && report.deleted >= done, "{fails}: {report:?}");
        let error = report.error.expect("an error").to_string();
        assert!(error.contains("write the journal: the disk is full"), "{error}");
        if fails == 0 {
            assert_eq!(report.deleted, 0);
        }
    }
    Ok(())
}

fn a_plan_knows_whether_anything_would_be_left() -> Result<(), Skip> {
    let mut table = table();
    let of = |protocol, number| flow(tuple(protocol, false, ports(number, 9)));
    create(&mut table, (1..=300).map(|number| of(Protocol::UDP, number))).expect("new entries");
    for (text, everything) in [
        ("proto=udp", true),
        ("zone=0", true),
        ("mark=0", true),
        ("src=0.0.0.0/0", true),
        ("dport=9", true),
        ("sport=1-299", false),
        ("proto=tcp", false),
        ("bytes<1000", false),
    ] {
        let is = plan(&mut table, text).is_everything().expect("an answer");
        assert_eq!(is, everything, "{text}");
    }
    create(&mut table, [of(Protocol::TCP, 1)]).expect("a new entry");
    for text in ["proto=udp", "zone=0 proto=udp"] {
        assert!(!plan(&mut table, text).is_everything().expect("an answer"), "{text}");
    }
    assert!(plan(&mut table, "dport=9").is_everything().expect("an answer"));
    Ok(())
}

fn the_journal_can_be_played_back() -> Result<(), Skip> {
    let before = menagerie(300);
    let mut table = table();
    let mut journal = Vec::new();
    let report = plan(&mut table, "zone=7 or proto=sctp")
        .execute_with(|step| {
            if let DeleteStep::Done { flow, outcome, .. } = step {
                assert_eq!(outcome.ok(), Some(&Deleted::Deleted));
                journal.push(flow.to_owned());
            }
            Ok(())
        })
        .expect("a report");
    assert!(report.deleted > 10 && report.deleted == journal.len() as u64);
    create(&mut table, journal).expect("what was there before");
    let tuples = |flows: &[Flow]| -> BTreeSet<String> { flows.iter().map(without_id).collect() };
    assert_eq!(tuples(&entries(&mut table)), tuples(&before));
    Ok(())
}

fn a_summary_adds_up() -> Result<(), Skip> {
    let before = menagerie(500);
    let mut table = table();
    let filter: Filter = "proto=tcp,udp".parse().expect("a filter");
    let plan = table.delete_plan(&filter).expect("a plan");
    let summary = plan.summary();
    let count = |wanted: &dyn Fn(&Flow) -> bool| {
        before.iter().filter(|flow| filter.matches(*flow) && wanted(flow)).count() as u64
    };
    let nated = |flow: &Flow| flow.source_nat().is_some() || flow.destination_nat().is_some();
    let talks = |flow: &Flow| ["ESTABLISHED", "ASSURED"].contains(&&*flow.state().to_string());
    assert_eq!(summary.matched, count(&|_| true));
    assert_eq!(summary.established, count(&talks));
    assert_eq!(summary.nated, count(&nated));
    assert_eq!(summary.established_and_nated, count(&|flow| talks(flow) && nated(flow)));
    assert!(summary.established_and_nated > 0);
    let rows: u64 = summary.groups.rows().iter().map(|row| row.flows).sum();
    assert_eq!(rows, summary.matched);
    assert_eq!((plan.filter(), plan.malformed()), (&filter, 0));
    // It was only looked at.
    drop(plan);
    assert_eq!(keys(&entries(&mut table)), keys(&before));
    Ok(())
}

fn what_was_not_counted_stays() -> Result<(), Skip> {
    let before = keys(&menagerie(200));
    let mut table = table();
    for text in ["bytes<1000", "!bytes>1000", "packets=0", "age>1s", "!age<1s"] {
        let plan = plan(&mut table, text);
        assert_eq!((plan.matched(), plan.end().undecided), (0, before.len() as u64), "{text}");
        assert_eq!(plan.execute().expect("a report").deleted, 0);
    }
    assert_eq!(keys(&entries(&mut table)), before);
    Ok(())
}

fn a_flush_of_one_family_leaves_the_other() -> Result<(), Skip> {
    let mut table = table();
    // As this kernel does it, and as it has to be done on one that would flush both.
    for older in [None, Some(Version::new(4, 18))] {
        for family in [Family::Ipv4, Family::Ipv6] {
            table.flush().expect("a flush");
            let mut left = menagerie(1500);
            left.retain(|flow| flow.original.family() != family);
            if let Some(version) = older {
                table.restrict(&Capabilities::of(version)).expect("an answer");
                assert!(!table.capabilities().expect("an answer").family_flush);
            }
            table.flush_family(family).expect("a flush");
            assert!(!left.is_empty());
            assert_eq!(keys(&entries(&mut table)), keys(&left), "{family} {older:?}");
        }
    }
    Ok(())
}

fn a_flush_takes_all() -> Result<(), Skip> {
    menagerie(500);
    let mut table = table();
    table.flush().expect("a flush");
    assert_eq!(entries(&mut table).len(), 0);
    table.flush().expect("a flush of an empty table");
    Ok(())
}

fn conntrack_deletes_the_same() -> Result<(), Skip> {
    need_tool("conntrack")?;
    let mut table = table();
    for (options, text) in [
        ("-p udp --dport 53", "proto=udp dport=53"),
        ("-p tcp --state TIME_WAIT", "proto=tcp state=TIME_WAIT"),
        ("-s 10.0.0.1", "src=10.0.0.1"),
        // `conntrack` means a zone of both directions.
        ("-w 7", "orig-zone=7 reply-zone=7"),
        ("-m 1", "mark=1"),
        ("-f ipv6", "family=ipv6"),
    ] {
        let left = [true, false].map(|ours| {
            table.flush().expect("a flush");
            menagerie(600);
            if ours {
                assert!(plan(&mut table, text).execute().expect("a report").deleted > 0);
            } else {
                run(&format!("conntrack -D {options}"));
            }
            let left = entries(&mut table);
            left.iter().map(without_id).collect::<BTreeSet<_>>()
        });
        let differ: Vec<_> = left[0].symmetric_difference(&left[1]).collect();
        assert!(differ.is_empty(), "conntrack -D {options}: {differ:?}");
    }
    Ok(())
}
