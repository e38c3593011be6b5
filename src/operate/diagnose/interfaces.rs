//! The interfaces of the namespace, as far as forwarding is concerned.

use std::fs;
use std::path::Path;

use super::facts::Interface;

/// Flag of a route that a router advertisement made (`RTF_ADDRCONF`).
const ADVERTISED: u32 = 0x0004_0000;

/// The interfaces of the namespace that `root` shows, and what `default` is for those to come.
/// `None` where the kernel's settings are not to be seen.
pub(super) fn interfaces(root: &Path) -> Option<Vec<Interface>> {
    // These are of the caller's namespace; what is below /sys is of whoever mounted it.
    let settings = root.join("proc/sys/net/ipv4/conf");
    let names = fs::read_dir(&settings).ok()?;
    let names = names.filter_map(|file| file.ok()?.file_name().into_string().ok());
    let (routes, addresses) = (table(root, "route"), table(root, "if_inet6"));
    let routes6 = table(root, "ipv6_route");
    let mut found: Vec<Interface> = names
        .filter(|name| name != "all" && name != "default")
        .map(|name| {
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
        })
        .collect();
    found.sort_by(|one, other| one.name.cmp(&other.name));
    Some(found)
}

/// A table below `/proc/net`, of the thread's namespace.
fn table(root: &Path, name: &str) -> String {
    let of = |place: &str| fs::read_to_string(root.join(place).join(name));
    of("proc/thread-self/net").or_else(|_| of("proc/net")).unwrap_or_default()
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
    let words: Vec<_> = line.split_whitespace().collect();
    let [_, "00", _, _, _, _, _, _, flags, of] = words[..] else { return false };
    of == name && u32::from_str_radix(flags, 16).is_ok_and(|flags| flags & ADVERTISED != 0)
}
