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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_machine_shows() {
        let root = tempfile::tempdir().unwrap();
        let file = |path: &str, text: &str| {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        assert_eq!(interfaces(root.path()), None);
        for (name, value) in
            [("all", "1"), ("default", "1"), ("lo", "1"), ("eth0", "0"), ("br-1", "1")]
        {
            file(&format!("proc/sys/net/ipv4/conf/{name}/forwarding"), &format!("{value}\n"));
        }
        file("sys/class/net/br-1/bridge/stp_state", "0\n");
        file("sys/class/net/other/bridge/stp_state", "0\n");
        file(
            "proc/net/route",
            "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\n\
             eth0\t00000000\t0102000A\t0003\t0\t0\t0\t00000000\t0\t0\t0\n\
             br-1\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n",
        );
        file(
            "proc/net/if_inet6",
            "fd000000000000000000000000000001 05 40 00 80     br-1\n\
             fe800000000000000000000000000001 02 40 20 80     eth0\n",
        );
        let none = "00000000000000000000000000000000";
        file(
            "proc/net/ipv6_route",
            &format!(
                "{none} 00 {none} 00 fe800000000000000000000000000009 00000400 00000001 00000000 00450003     eth0\n\
                 {none} 00 {none} 00 {none} ffffffff 00000001 00000000 00200200       lo\n"
            ),
        );
        let found = interfaces(root.path()).unwrap();
        let named = |name: &str| found.iter().find(|found| found.name == name).unwrap();
        assert_eq!(found.len(), 3, "{found:?}");
        let (eth0, bridge) = (named("eth0"), named("br-1"));
        assert!(eth0.default_route && eth0.advertised_route && !eth0.global_ipv6 && !eth0.bridge);
        assert!(bridge.bridge && bridge.global_ipv6 && !bridge.default_route);
        assert_eq!((eth0.forwards, bridge.forwards), (Some(0), Some(1)));
        assert!(!named("lo").advertised_route);
    }
}
