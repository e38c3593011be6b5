//! The crate against the real kernel, each test in a network namespace of its own.
//!
//! The user namespace is entered before any thread starts; then every test gets a fresh network in
//! it. That takes no privilege and touches nothing of the host. Where it cannot be had, every test
//! is reported as ignored, with the reason; with `CTNETLINK_REQUIRE_KERNEL=1` it fails instead.
//! A test that needs an outside tool is ignored where the tool is missing;
//! `CTNETLINK_REQUIRE_TOOLS=1` makes that a failure.

mod acceptance;
mod attributes;
mod budget;
mod capture;
mod create;
mod delete;
mod deploy;
mod doctor;
mod dump;
mod dying;
mod errata;
mod expectations;
mod filter;
mod findings;
mod fleet;
mod get;
mod grouping;
mod later;
mod measure;
#[allow(dead_code)] // Groups, and not their order.
#[path = "../pure/naive.rs"]
mod naive;
mod namespaces;
mod parallel;
mod peers;
mod persist;
mod plan;
mod private_root;
mod privilege;
mod programs;
mod protocol;
mod rates;
mod remedies;
mod sample;
mod snapshot;
#[path = "../pure/spec.rs"]
mod spec;
mod stats;
mod support;
mod text;
mod traffic;
mod trees;
mod tune;
mod unknown;
mod update;
mod zero;

use ctnetlink::testing::enter_private_namespace;
use libtest_mimic::{Arguments, Trial};

use support::{Test, trial};

fn main() {
    if let Some(task) = std::env::var_os(privilege::TASK) {
        privilege::run_task(&task.to_string_lossy());
        return;
    }
    let arguments = Arguments::from_args();
    // Root of a user namespace may not, so before that is entered.
    support::open_kernel_log();
    let unavailable = enter_private_namespace()
        .and_then(|()| ctnetlink::Conntrack::open()?.limits())
        .err()
        .map(|error| error.to_string());
    let areas: Vec<(&str, &[(&str, Test)])> = vec![
        ("acceptance", acceptance::TESTS),
        ("attributes", attributes::TESTS),
        ("budget", budget::TESTS),
        ("capture", capture::TESTS),
        ("create", create::TESTS),
        ("delete", delete::TESTS),
        ("deploy", deploy::TESTS),
        ("doctor", doctor::TESTS),
        ("dump", dump::TESTS),
        ("dying", dying::TESTS),
        ("errata", errata::TESTS),
        ("expectations", expectations::TESTS),
        ("filter", filter::TESTS),
        ("fleet", fleet::TESTS),
        ("get", get::TESTS),
        ("grouping", grouping::TESTS),
        ("later", later::TESTS),
        ("measure", measure::TESTS),
        ("namespaces", namespaces::TESTS),
        ("parallel", parallel::TESTS),
        ("peers", peers::TESTS),
        ("persist", persist::TESTS),
        ("plan", plan::TESTS),
        ("privilege", privilege::TESTS),
        ("programs", programs::TESTS),
        ("protocol", protocol::TESTS),
        ("rates", rates::TESTS),
        ("remedies", remedies::TESTS),
        ("sample", sample::TESTS),
        ("snapshot", snapshot::TESTS),
        ("stats", stats::TESTS),
        ("text", text::TESTS),
        ("traffic", traffic::TESTS),
        ("tune", tune::TESTS),
        ("unknown", unknown::TESTS),
        ("update", update::TESTS),
        ("zero", zero::TESTS),
    ];
    let trials: Vec<Trial> = areas
        .into_iter()
        .flat_map(|(area, tests)| tests.iter().map(move |test| (area, test)))
        .map(|(area, &(name, test))| trial(format!("{area}::{name}"), test, unavailable.clone()))
        .collect();
    // With one processor there is no other thread but this; the first one of the process stays where
    // it is.
    let run = std::thread::spawn(move || libtest_mimic::run(&arguments, trials));
    run.join().expect("a result").exit();
}
