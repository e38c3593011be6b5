//! What `/proc` and `/sys` show everybody: counters, interfaces, programs.

use std::fs;
use std::path::Path;

use super::facts::Interface;
use crate::kernel::stats::{Counter, Counts, CpuStats, Stats};

/// A file below `/proc/net`, of the thread's namespace.
fn net(root: &Path, name: &str) -> Option<String> {
    let of = |place: &str| fs::read_to_string(root.join(place).join(name));
    of("proc/thread-self/net").or_else(|_| of("proc/net")).ok()
}

/// The counters of the namespace, without privilege; `None` where this kernel does not show them.
pub(super) fn counters(root: &Path) -> Option<Stats<Counter>> {
    // A line of names, and one of hexadecimal numbers for each processor.
    let text = net(root, "stat/nf_conntrack")?;
    let mut lines = text.lines();
    let columns: Vec<_> = lines.next()?.split_whitespace().map(counter).collect();
    let counts = |line: &str| -> Counts<Counter> {
        let numbers = line.split_whitespace().map(|word| u64::from_str_radix(word, 16).ok());
        columns.iter().zip(numbers).filter_map(|(column, number)| (*column).zip(number)).collect()
    };
    let cpus: Vec<_> =
        (0..).zip(lines).map(|(cpu, line)| CpuStats { cpu, counts: counts(line) }).collect();
    (!cpus.is_empty()).then_some(Stats { cpus })
}

/// The counter of a column. Kernels that do not count chains have `delete_list` in the place of `chainlength`.
fn counter(column: &str) -> Option<Counter> {
    match column {
        "icmp_error" => Some(Counter::ERROR),
        "clashres" => Some(Counter::CLASH_RESOLVE),
        "chainlength" => Some(Counter::CHAIN_TOOLONG),
        name => (0..32).map(Counter).find(|counter| counter.name() == Some(name)),
    }
}

/// The interfaces of the namespace; `None` where the kernel's settings are not to be seen.
pub(super) fn interfaces(root: &Path) -> Option<Vec<Interface>> {
    // These are of the caller's namespace; what is below /sys is of whoever mounted it.
    let settings = root.join("proc/sys/net/ipv4/conf");
    let table = |name: &str| net(root, name).unwrap_or_default();
    let (routes, addresses, routes6) = (table("route"), table("if_inet6"), table("ipv6_route"));
    let mut names = names(&settings)?;
    names.retain(|name| name != "all" && name != "default");
    names.sort();
    let interface = |name: String| {
        let forwards = fs::read_to_string(settings.join(&name).join("forwarding"));
        let device = root.join("sys/class/net").join(&name);
        Interface {
            forwards: forwards.ok().and_then(|text| text.trim().parse().ok()),
            bridge: device.join("bridge").exists(),
            port: device.join("brport").exists(),
            default_route: routes.lines().any(|line| is_default(line, &name)),
            global_ipv6: addresses.lines().any(|line| is_global(line, &name)),
            advertised_route: routes6.lines().any(|line| is_advertised(line, &name)),
            name,
        }
    };
    Some(names.into_iter().map(interface).collect())
}

/// `/proc/net/route`: interface, destination, gateway, flags, ..., mask.
fn is_default(line: &str, name: &str) -> bool {
    let words: Vec<_> = line.split_whitespace().collect();
    matches!(words[..], [of, "00000000", _, _, _, _, _, "00000000", ..] if of == name)
}

/// `/proc/net/if_inet6`: address, index, length, scope (00 is global), flags, interface.
fn is_global(line: &str, name: &str) -> bool {
    let words: Vec<_> = line.split_whitespace().collect();
    matches!(words[..], [_, _, _, "00", _, of] if of == name)
}

/// `/proc/net/ipv6_route`: destination, its length, ..., flags, interface.
fn is_advertised(line: &str, name: &str) -> bool {
    /// Flag of a route that a router advertisement made (`RTF_ADDRCONF`).
    const ADVERTISED: u32 = 0x0004_0000;
    let words: Vec<_> = line.split_whitespace().collect();
    let [_, "00", _, _, _, _, _, _, flags, of] = words[..] else { return false };
    of == name && u32::from_str_radix(flags, 16).is_ok_and(|flags| flags & ADVERTISED != 0)
}

/// Sockets in use.
pub(super) fn sockets(root: &Path) -> Option<u64> {
    let text = fs::read_to_string(root.join("proc/net/sockstat")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("sockets: used "))?;
    line.trim().parse().ok()
}

/// The names of all programs that run.
pub(super) fn programs(root: &Path) -> Option<Vec<String>> {
    let proc = root.join("proc");
    let numbers = names(&proc)?.into_iter().filter(|name| name.parse::<u32>().is_ok());
    let program = |number: String| fs::read_to_string(proc.join(number).join("comm")).ok();
    Some(numbers.filter_map(program).map(|name| name.trim().to_owned()).collect())
}

fn names(directory: &Path) -> Option<Vec<String>> {
    let files = fs::read_dir(directory).ok()?;
    Some(files.filter_map(|file| file.ok()?.file_name().into_string().ok()).collect())
}
