//! What a table costs in the kernel, against what is said of it.
//!
//! A program of its own, since nothing else may come and go on the host while it measures.

use std::fs;
use std::time::Duration;

use ctnetlink::Conntrack;
use ctnetlink::kernel::Version;
use ctnetlink::operate::tune::sizing::{PerEntry, memory};
use ctnetlink::testing::{Population, create, enter_private_namespace};
use libtest_mimic::{Arguments, Completion, Failed, Trial};

/// Entries that take the places which earlier tables have left half-empty in the kernel's slabs.
const FIRST: u64 = 60_000;

/// Entries that are measured.
const ENTRIES: u64 = 140_000;

/// With fewer, other users of the host's memory change it by more than the entries do.
const FEWEST: u64 = 20_000;

fn main() {
    let arguments = Arguments::from_args();
    let unavailable = enter_private_namespace().err().map(|error| error.to_string());
    let test =
        Trial::ignorable_test("check_1_5_memory_is_what_is_said", move || match unavailable {
            None => measure(),
            Some(error) if std::env::var_os("CTNETLINK_REQUIRE_KERNEL").is_some() => {
                Err(error.into())
            }
            Some(error) => Ok(Completion::ignored_with(error)),
        });
    libtest_mimic::run(&arguments, vec![test]).exit();
}

/// Memory of the kernel that it cannot give back, in bytes.
fn unreclaimable() -> u64 {
    let text = fs::read_to_string("/proc/meminfo").expect("a file");
    let line = text.lines().find_map(|line| line.strip_prefix("SUnreclaim:")).expect("a line");
    let kibibytes = line.trim().trim_end_matches(" kB").trim().parse::<u64>().expect("a number");
    kibibytes * 1024
}

fn measure() -> Result<Completion, Failed> {
    // As much of it as there is room for; above 95 % entries may be evicted.
    let max = Conntrack::open()?.limits()?.max.filter(|max| *max != 0);
    let room = max.map_or(u64::MAX, |max| u64::from(max) / 100 * 95);
    let first = FIRST.min(room / 3);
    let entries = ENTRIES.min(room - first);
    if entries < FEWEST {
        let reason = format!("a limit of {room} entries leaves too few to measure");
        return Ok(Completion::ignored_with(reason));
    }
    let release = rustix::system::uname();
    let version = release.release().to_str()?.parse::<Version>()?;
    if version < Version::new(6, 1) {
        let reason = "what is said is of Linux 6.1 and later; 5.10 takes 470 bytes an entry";
        return Ok(Completion::ignored_with(reason));
    }
    let said = memory(version, entries, PerEntry::EXTENDED, 0, 1);
    let mut tries = Vec::new();
    // The host does other things, too, and gives memory back when it likes.
    for _ in 0..5 {
        let mut table = Conntrack::open().expect("a table");
        let mut flows = Population::new(first + entries).flows();
        create(&mut table, flows.by_ref().take(usize::try_from(first)?)).expect("room");
        let before = unreclaimable();
        create(&mut table, flows).expect("room");
        let measured = unreclaimable().saturating_sub(before);
        table.flush().expect("a flush");
        if (measured as f64 / said as f64 - 1.0).abs() < 0.05 {
            return Ok(Completion::Completed);
        }
        tries.push(measured / entries);
        std::thread::sleep(Duration::from_secs(2));
    }
    let said = said / entries;
    Err(format!("{tries:?} bytes an entry were measured, {said} are said").into())
}
