//! What the tests share: a network each, flows to make, tools to ask.

use std::fs::File;
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use ctnetlink::flow::{Endpoints, Flow, Protocol, Status, Tuple};
use ctnetlink::kernel::Version;
use ctnetlink::testing::{Population, create, enter_private_network, fill};
use ctnetlink::{Conntrack, DumpOptions};
use libtest_mimic::{Completion, Failed, Trial};

/// A test panics to fail, and returns a reason where it could not be made.
pub type Test = fn() -> Result<(), Skip>;

/// Why a test could not be made here.
pub enum Skip {
    /// A tool is missing.
    Tool(String),
    /// The kernel lacks something that it could have, or forbids it.
    Kernel(String),
    /// Kernels of this version do not have it, or this machine has no room for so many entries. Nobody
    /// could install or allow anything to change that.
    Version(String),
    /// Not everybody may do it, or it is not sure to happen: no machine can be required to have it.
    Chance(String),
}

/// A test as libtest knows it, in a network of its own.
pub fn trial(name: String, test: Test, unavailable: Option<String>) -> Trial {
    Trial::ignorable_test(name, move || {
        if let Some(reason) = unavailable {
            return missing("CTNETLINK_REQUIRE_KERNEL", reason);
        }
        // Threads are reused; what isolates a test is that it enters a network first.
        enter_private_network().map_err(|error| Failed::from(error.to_string()))?;
        outcome(test())
    })
}

/// How a test ended, as libtest knows it.
pub fn outcome(ended: Result<(), Skip>) -> Result<Completion, Failed> {
    match ended {
        Ok(()) => Ok(Completion::Completed),
        Err(Skip::Tool(reason)) => missing("CTNETLINK_REQUIRE_TOOLS", reason),
        Err(Skip::Kernel(reason)) => missing("CTNETLINK_REQUIRE_KERNEL", reason),
        Err(Skip::Version(reason) | Skip::Chance(reason)) => Ok(Completion::ignored_with(reason)),
    }
}

/// Goes on only where this kernel has it, whatever its version.
pub fn need_kernel(has_it: bool, what: &str) -> Result<(), Skip> {
    let release = rustix::system::uname();
    let release = release.release().to_string_lossy();
    if has_it { Ok(()) } else { Err(Skip::Version(format!("Linux {release} has no {what}"))) }
}

/// Goes on only where a table may have so many entries.
pub fn need_room(entries: u64) -> Result<(), Skip> {
    match table().limits().expect("limits").max {
        Some(max) if max != 0 && u64::from(max) < entries => Err(Skip::Version(format!(
            "the test makes {entries} entries, and the limit here is {max}"
        ))),
        _ => Ok(()),
    }
}

/// The kernel's list in `/proc` may leave entries out while other tests fill the table: before 6.1, which reads on
/// by counting, and on an emulated machine, which takes long over it.
pub fn may_lose_its_place(what: &str) -> Result<(), Skip> {
    let release = rustix::system::uname();
    let version: Version = release.release().to_string_lossy().parse().expect("a version");
    let chance = Skip::Chance(format!("{what}, while other tests filled the table"));
    if version < Version::new(6, 1) || is_emulated() { Err(chance) } else { Ok(()) }
}

fn missing(variable: &str, reason: String) -> Result<Completion, Failed> {
    match std::env::var_os(variable) {
        Some(value) if value != "0" => Err(format!("{reason} (and {variable} is set)").into()),
        _ => Ok(Completion::ignored_with(reason)),
    }
}

/// The kernel's log, where this program could open it.
pub static KMSG: OnceLock<File> = OnceLock::new();

pub fn open_kernel_log() {
    let nonblocking = rustix::fs::OFlags::NONBLOCK.bits();
    let mut options = File::options();
    options.read(true).custom_flags(i32::from_ne_bytes(nonblocking.to_ne_bytes()));
    if let Ok(log) = options.open("/dev/kmsg") {
        let _ = KMSG.set(log);
    }
}

pub fn table() -> Conntrack {
    Conntrack::open().expect("a table")
}

/// Every entry of the table.
pub fn entries(table: &mut Conntrack) -> Vec<Flow> {
    let dump = table.dump(DumpOptions::new()).expect("a dump");
    dump.flows().collect::<Result<_, _>>().expect("every entry")
}

/// A table with entries of every kind: both families, all protocols, zones of both directions and
/// of one, marks, NAT, all states.
pub fn menagerie(flows: u64) -> Vec<Flow> {
    let mut table = table();
    fill(&mut table, &Population::new(flows).sources(40)).expect("room");
    let mut more = Vec::new();
    for (number, v6) in (1..).zip([false, true, false, true, false, true]) {
        let mut zoned = flow(tuple(Protocol::UDP, v6, ports(number, 53)));
        match number {
            1 | 2 => zoned.original.zone = Some(7),
            3 | 4 => zoned.reply.zone = Some(7),
            _ => zoned.zone = Some(9),
        }
        more.push(zoned);
        let mut lite = flow(of_kernel(&mut table, Protocol::UDPLITE, v6, ports(number, 7)));
        lite.status |= Status::SEEN_REPLY;
        // Longer than any machine takes for a test.
        lite.timeout = Some(Duration::from_secs(3600 * u64::from(number)));
        more.push(lite);
        more.push(flow(of_kernel(&mut table, Protocol::SCTP, v6, ports(number, 3868))));
    }
    create(&mut table, more).expect("new entries");
    let all = entries(&mut table);
    for v6 in [false, true] {
        for zone in [None, Some(7)] {
            assert!(all.iter().any(|f| f.original.source.is_ipv6() == v6 && f.zone == zone));
        }
    }
    all
}

/// Creates a flow and reads it back.
pub fn round_trip(flow: &Flow) -> Flow {
    let mut table = table();
    let made = create(&mut table, [flow.clone()]);
    assert_eq!(made.unwrap_or_else(|error| panic!("{error}: {flow:?}")), 1);
    let mut found = entries(&mut table);
    found.retain(|found| found.original == flow.original && found.zone == flow.zone);
    let [found] = <[Flow; 1]>::try_from(found).expect("one entry with the tuple");
    found
}

pub fn tuple(protocol: Protocol, v6: bool, endpoints: Endpoints) -> Tuple {
    let (source, destination): (IpAddr, IpAddr) = if v6 {
        ("2001:db8::1".parse().expect("an address"), "2001:db8:1::2".parse().expect("an address"))
    } else {
        ([10, 0, 0, 1].into(), [192, 0, 2, 2].into())
    };
    Tuple { source, destination, protocol, endpoints, zone: None }
}

/// A tuple as this kernel can have it: where it has no tracker for the protocol, without ports, and
/// from an address of its own in place of the source port.
pub fn of_kernel(table: &mut Conntrack, protocol: Protocol, v6: bool, ends: Endpoints) -> Tuple {
    let kernel = table.capabilities().expect("an answer");
    if kernel.tracks(protocol) {
        return tuple(protocol, v6, ends);
    }
    let port = ends.source_port().unwrap_or_default();
    let [high, low] = port.to_be_bytes();
    let source: IpAddr = match v6 {
        true => [0x2001, 0xdb8, 0, 0, 0, 0, 1, port].into(),
        false => [10, 1, high, low].into(),
    };
    Tuple { source, ..tuple(protocol, v6, Endpoints::None) }
}

pub fn ports(source: u16, destination: u16) -> Endpoints {
    Endpoints::Ports { source, destination }
}

/// A flow the kernel will take: confirmed, with an hour to live and the plain way back.
pub fn flow(original: Tuple) -> Flow {
    let mut flow = Flow::new(original, original.inverse());
    flow.status = Status::CONFIRMED;
    flow.timeout = Some(Duration::from_secs(3600));
    flow.mark = Some(0);
    flow
}

/// The processor time this thread has used: the kernel's work for its calls is in it, and however
/// busy the machine is, nobody else's.
pub fn processor_time() -> Duration {
    let used = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(used.tv_sec as u64, used.tv_nsec as u32)
}

/// Whether this is an emulated machine, whose processor is ten times slower: the guests of
/// tests/kernels say so.
fn is_emulated() -> bool {
    std::env::var_os("CTNETLINK_EMULATED").is_some()
}

/// So many rounds of a test that draws lots; a third of them on an emulated machine.
pub fn rounds(all: u32) -> u32 {
    if is_emulated() { all.div_ceil(3) } else { all }
}

/// Writes a setting of this network namespace.
pub fn set(name: &str, value: &str) {
    let path = format!("/proc/sys/net/netfilter/{name}");
    std::fs::write(&path, value).unwrap_or_else(|error| panic!("{path}: {error}"));
}

/// Where tools are; an ordinary user's `PATH` lacks half of it.
const PATH: &str = "/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin";

pub fn has_tool(name: &str) -> bool {
    PATH.split(':').any(|directory| std::path::Path::new(directory).join(name).exists())
}

pub fn need_tool(name: &str) -> Result<(), Skip> {
    if has_tool(name) { Ok(()) } else { Err(Skip::Tool(format!("{name} is not installed"))) }
}

/// Runs a command line of words without quotes, and returns what it printed.
pub fn run(line: &str) -> String {
    let mut words = line.split_whitespace();
    let program = words.next().expect("a program");
    let output = Command::new(program)
        .args(words)
        .env("PATH", PATH)
        .output()
        .unwrap_or_else(|error| panic!("{line}: {error}"));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{line}: {errors}");
    String::from_utf8(output.stdout).expect("text")
}
