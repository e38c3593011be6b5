//! Tests that need a whole machine for themselves: they load modules, fill and resize the host's
//! table, and change settings of the host.
//!
//! `tests/kernels/run` boots such a machine and sets `CTNETLINK_OWN_MACHINE=1` there. Without it every
//! test is reported as ignored, and nothing is touched. The tests run one after the other, as root in
//! the initial network namespace, and each leaves an empty table and the settings it has found.

mod capture;
mod full;
mod huge;
mod machine;
mod modules;
mod namespaces;
mod resized;
mod settings;
#[allow(dead_code)] // Each test there has a network of its own, and here none.
#[path = "../kernel/support.rs"]
mod support;

use libtest_mimic::{Arguments, Completion, Trial};

use support::{Test, outcome};

const REASON: &str =
    "it changes the settings of the whole machine; tests/kernels/run boots one for it";

fn main() {
    let mut arguments = Arguments::from_args();
    // They share the machine, and the first ones need it as it was booted.
    arguments.test_threads = Some(1);
    let is_own = std::env::var_os("CTNETLINK_OWN_MACHINE").is_some_and(|value| value == "1");
    let areas: &[(&str, &[(&str, Test)])] = &[
        ("modules", modules::TESTS),
        ("settings", settings::TESTS),
        ("full", full::TESTS),
        ("namespaces", namespaces::TESTS),
        ("capture", capture::TESTS),
        ("resized", resized::TESTS),
        ("huge", huge::TESTS),
    ];
    let tests = areas.iter().flat_map(|(area, tests)| tests.iter().map(move |test| (area, test)));
    let trials = tests
        .map(|(area, &(name, test))| {
            Trial::ignorable_test(format!("{area}::{name}"), move || match is_own {
                true => {
                    // Any of the others may be the only one that is run.
                    if *area != "modules" {
                        machine::load();
                    }
                    outcome(test())
                }
                false => Ok(Completion::ignored_with(REASON)),
            })
        })
        .collect();
    libtest_mimic::run(&arguments, trials).exit();
}
