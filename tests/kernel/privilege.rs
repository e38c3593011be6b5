//! Without the privilege: an error that says what would help.
//!
//! The test runs itself again as a child that enters one more user namespace and keeps the
//! network: it has every capability, but none over this network. That works for root and for an
//! ordinary user alike.

use std::process::Command;

use ctnetlink::{Conntrack, DumpOptions, Error, ErrorKind, Query};

use crate::support::{Skip, Test, flow, ports, tuple};

pub const TESTS: &[(&str, Test)] = &[("nothing_works_and_the_error_says_why", parent)];

/// Names the task of a child.
pub const TASK: &str = "CTNETLINK_TEST_TASK";

fn parent() -> Result<(), Skip> {
    let output = Command::new(std::env::current_exe().expect("this program"))
        .env(TASK, "no privilege")
        .output()
        .expect("a child");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "done\n");
    Ok(())
}

/// What the child does.
pub fn run_task(task: &str) {
    assert_eq!(task, "no privilege");
    nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWUSER).expect("a user namespace");
    let mut table = Conntrack::open().expect("opening needs no privilege");
    assert_denied(table.limits().expect_err("no privilege"), "read the size of the table");
    assert_denied(table.count().expect_err("no privilege"), "read the size of the table");
    assert_denied(table.scan(&Query::new()).expect_err("no privilege"), "read the size");
    let mut dump = table.dump(DumpOptions::new()).expect("the request is sent");
    assert_denied(dump.next_batch().expect_err("no privilege"), "dump the table");
    assert!(dump.next_batch().expect("an error ends the dump").is_none());
    assert_denied(table.stats().expect_err("no privilege"), "read the counters");
    let flow = flow(tuple(ctnetlink::flow::Protocol::UDP, false, ports(1, 2)));
    assert_denied(table.get(&flow).expect_err("no privilege"), "get an entry");
    assert_denied(table.delete(&flow).expect_err("no privilege"), "get an entry");
    let key = ctnetlink::flow::FlowKey::from(&flow).id(ctnetlink::flow::FlowId(1));
    assert_denied(table.delete(key).expect_err("no privilege"), "delete an entry");
    let flows = std::iter::repeat_n(flow, 300);
    let error = ctnetlink::testing::create(&mut table, flows).expect_err("no privilege");
    assert_denied(error, "create entries");
    println!("done");
}

fn assert_denied(error: Error, operation: &str) {
    assert!(error.is_permission_denied(), "{error}");
    assert!(!error.is_transient());
    assert!(matches!(error.kind(), ErrorKind::PermissionDenied { .. }));
    let text = error.to_string();
    assert!(text.starts_with(operation), "{text}");
    assert!(text.contains("CAP_NET_ADMIN") && text.contains("sudo"), "{text}");
}
