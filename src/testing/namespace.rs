//! Moves into a network namespace of one's own.

use std::fs;

use nix::errno::Errno;
use nix::sched::{CloneFlags, unshare};

use crate::error::{Error, ErrorKind, Result};

/// Moves the calling thread into a fresh user namespace and a fresh network namespace in it. No
/// privilege is needed; inside, the thread has every capability over its own, empty network.
///
/// Threads and programs that this thread starts afterwards are inside as well. There is no way back.
/// The namespaces end with their last thread or socket. Where the system forbids user namespaces but
/// lets the caller make network namespaces, the thread only gets a new network namespace.
///
/// Call it before other threads start: a program with several threads cannot enter a user
/// namespace. [`enter_private_network`] can then give each thread a network of its own.
///
/// # Errors
///
/// [`Namespace`](ErrorKind::Namespace) with the remedy, where the system forbids it or the
/// program has threads already.
pub fn enter_private_namespace() -> Result<()> {
    let (user, group) = (rustix::process::geteuid(), rustix::process::getegid());
    if let Err(errno) = unshare(CloneFlags::CLONE_NEWUSER) {
        return enter_private_network().map_err(|_| {
            namespace_error("enter a private user namespace", errno.into(), remedy(errno))
        });
    }
    // Root inside is who we are outside, so that the files which the kernel gives to the owner of
    // the network (sysctls, /proc/net) are ours.
    for (file, text) in [
        ("/proc/self/setgroups", "deny".to_owned()),
        ("/proc/self/uid_map", format!("0 {user} 1")),
        ("/proc/self/gid_map", format!("0 {group} 1")),
    ] {
        fs::write(file, text).map_err(|source| {
            namespace_error("map the user into a private namespace", source, FORBIDDEN)
        })?;
    }
    enter_private_network()
}

/// Moves the calling thread, and no other, into a fresh network namespace of the user namespace it
/// is in. It needs `CAP_SYS_ADMIN` there, which [`enter_private_namespace`] gives.
///
/// # Errors
///
/// [`Namespace`](ErrorKind::Namespace) without that capability.
pub fn enter_private_network() -> Result<()> {
    unshare(CloneFlags::CLONE_NEWNET).map_err(|errno| {
        let remedy = match errno {
            Errno::ENOSPC => NO_MORE_NETWORKS,
            _ => FORBIDDEN,
        };
        namespace_error("enter a private network namespace", errno.into(), remedy)
    })
}

const FORBIDDEN: &str = "run it as root, or allow user namespaces \
    (sysctl user.max_user_namespaces, kernel.unprivileged_userns_clone and \
    kernel.apparmor_restrict_unprivileged_userns); containers and chroots may forbid them, too";

/// Each user namespace has limits of its own, and those of the ones around it.
const NO_MORE_USERS: &str =
    "the limit is reached: root of the host can raise sysctl user.max_user_namespaces";
const NO_MORE_NETWORKS: &str =
    "the limit is reached: root of the host can raise sysctl user.max_net_namespaces";

fn remedy(errno: Errno) -> &'static str {
    match errno {
        Errno::EINVAL => {
            "enter it before the program starts a second thread; a kernel without user namespaces \
             says the same"
        }
        Errno::ENOSPC | Errno::EUSERS => NO_MORE_USERS,
        _ => FORBIDDEN,
    }
}

fn namespace_error(step: &'static str, source: std::io::Error, remedy: &'static str) -> Error {
    ErrorKind::Namespace { step: step.into(), source, remedy }.into()
}
