//! Without the privilege: an error that says what would help.
//!
//! Once by a thread that gives the capability away. And once by a child, this program again, that
//! enters one more user namespace and keeps the network: it has every capability, but none over
//! this network. Both work for root and for an ordinary user alike.

use std::process::Command;

use ctnetlink::flow::{ExpectationId, ExpectationKey, NewExpectation};
use ctnetlink::{Conntrack, DumpOptions, Error, ErrorKind, Query};
use rustix::thread::{CapabilitySet, capabilities, set_capabilities};

use crate::support::{Skip, Test, flow, ports, tuple};

pub const TESTS: &[(&str, Test)] = &[
    ("nothing_works_and_the_error_says_why", in_another_user_namespace),
    ("nothing_works_without_the_capability", without_the_capability),
    ("nothing_works_once_it_is_gone", once_it_is_gone),
];

/// Names the task of a child.
pub const TASK: &str = "CTNETLINK_TEST_TASK";

fn in_another_user_namespace() -> Result<(), Skip> {
    let output = Command::new(std::env::current_exe().expect("this program"))
        .env(TASK, "no privilege")
        .output()
        .expect("a child");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let said = String::from_utf8_lossy(&output.stdout);
    if let Some(reason) = said.strip_prefix(UNAVAILABLE) {
        return Err(Skip::Kernel(format!("no user namespace: {}", reason.trim_end())));
    }
    assert_eq!(said, "done\n");
    Ok(())
}

/// What a child says before the reason why it could not even begin.
const UNAVAILABLE: &str = "unavailable: ";

fn without_the_capability() -> Result<(), Skip> {
    in_a_thread(|| {
        give_away_the_capability();
        assert_nothing_works(Conntrack::open().expect("opening needs no privilege"));
    })
}

/// The privilege is asked for at each request, not at the first.
fn once_it_is_gone() -> Result<(), Skip> {
    in_a_thread(|| {
        let mut table = Conntrack::open().expect("a table");
        assert_eq!(table.count().expect("with the privilege"), 0);
        give_away_the_capability();
        assert_nothing_works(table);
    })
}

/// Capabilities are a thread's own, so a thread that goes afterwards is all it takes.
fn in_a_thread(test: fn()) -> Result<(), Skip> {
    std::thread::spawn(test).join().expect("no panic without the privilege");
    Ok(())
}

pub fn give_away_the_capability() {
    let mut sets = capabilities(None).expect("the capabilities");
    assert!(sets.effective.contains(CapabilitySet::NET_ADMIN), "it is there to give away");
    for set in [&mut sets.effective, &mut sets.permitted, &mut sets.inheritable] {
        set.remove(CapabilitySet::NET_ADMIN);
    }
    set_capabilities(None, sets).expect("fewer capabilities");
}

/// What the child does.
pub fn run_task(task: &str) {
    assert_eq!(task, "no privilege");
    if let Err(errno) = nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWUSER) {
        return println!("{UNAVAILABLE}{errno}");
    }
    assert_nothing_works(Conntrack::open().expect("opening needs no privilege"));
    println!("done");
}

fn assert_nothing_works(mut table: Conntrack) {
    assert_denied(table.limits().expect_err("no privilege"), "read the size of the table");
    assert_denied(table.count().expect_err("no privilege"), "read the size of the table");
    assert_denied(table.scan(&Query::new()).expect_err("no privilege"), "read the size");
    let mut dump = table.dump(DumpOptions::new()).expect("the request is sent");
    assert_denied(dump.next_batch().expect_err("no privilege"), "dump the table");
    assert!(dump.next_batch().expect("an error ends the dump").is_none());
    assert_denied(table.stats().expect_err("no privilege"), "read the counters");
    assert_denied(table.expectation_stats().expect_err("no privilege"), "read the counters");
    let mut flow = flow(tuple(ctnetlink::flow::Protocol::UDP, false, ports(1, 2)));
    assert_denied(table.get(&flow).expect_err("no privilege"), "get an entry");
    assert_denied(table.delete(&flow).expect_err("no privilege"), "delete an entry");
    flow.id = Some(ctnetlink::flow::FlowId(1));
    assert_denied(table.delete(&flow).expect_err("no privilege"), "delete entries");
    let key = ctnetlink::flow::FlowKey::from(&flow).id(ctnetlink::flow::FlowId(1));
    assert_denied(table.delete(key).expect_err("no privilege"), "delete an entry");
    let (tuple, minute) = (flow.original, std::time::Duration::from_secs(60));
    let new = ctnetlink::flow::NewFlow::new(tuple, minute);
    assert_denied(table.create(&new).expect_err("no privilege"), "create an entry");
    let change = ctnetlink::flow::Change::new().timeout(minute);
    let update = table.update(ctnetlink::flow::FlowKey::new(tuple), &change);
    assert_denied(update.expect_err("no privilege"), "update an entry");
    assert_denied(table.update(key, &change).expect_err("no privilege"), "get an entry");
    assert_denied(table.expectations().expect_err("no privilege"), "list expectations");
    assert_denied(table.expectations_of(&flow).expect_err("no privilege"), "list expectations");
    let expected = NewExpectation::new(&flow, flow.reply);
    let error = table.create_expectation(&expected).expect_err("no privilege");
    assert_denied(error, "create an expectation");
    let key = ExpectationKey::new(flow.reply);
    assert_denied(table.expectation(key).expect_err("no privilege"), "get an expectation");
    let key = key.id(ExpectationId(1));
    assert_denied(table.delete_expectation(key).expect_err("no privilege"), "delete an expect");
    let error = table.delete_expectations_of_helper("ftp").expect_err("no privilege");
    assert_denied(error, "delete expectations of a helper");
    assert_denied(table.flush_expectations().expect_err("no privilege"), "delete all expectations");
    let flows = std::iter::repeat_n(flow, 300);
    let error = ctnetlink::testing::create(&mut table, flows).expect_err("no privilege");
    assert_denied(error, "create entries");
}

fn assert_denied(error: Error, operation: &str) {
    assert!(error.is_permission_denied(), "{error}");
    assert!(!error.is_transient());
    assert!(matches!(error.kind(), ErrorKind::PermissionDenied { .. }));
    let text = error.to_string();
    assert!(text.starts_with(operation), "{text}");
    assert!(text.contains("CAP_NET_ADMIN") && text.contains("sudo"), "{text}");
}
