//! Replaces addresses, so that a table can be shown to others.

use std::fmt;
use std::net::IpAddr;

use ipcrypt_rs::IpcryptPfx;

use crate::flow::Flow;

/// Replaces addresses, the same one always by the same one, so that a table can be shown to others and still be counted
/// and grouped.
///
/// Two addresses have as long a prefix in common afterwards as before: networks stay networks, and `source/24` makes the
/// same groups. Addresses stay in their family. Loopback and multicast addresses are replaced like all others, and
/// cannot be told from them.
///
/// # What it hides, and what not
///
/// Whoever has the key can turn every address back. Whoever does not, but recognises one flow (by a port, a mark, a
/// time), knows its addresses, and of every other address how many bits it shares with them: the price of keeping
/// networks. Ports, marks, labels, the names of helpers, times and counters stay as they are. So show such a file to
/// people who may know that much, and not to the public.
///
/// This is `ipcrypt-pfx` of the draft `draft-denis-ipcrypt`: AES-128, keyed, one address at a time.
///
/// ```
/// use ctnetlink::files::snapshot::Redactor;
/// let mut key = [7; 32];
/// key[31] = 8;
/// let redactor = Redactor::new(key)?;
/// let [a, b] = ["10.1.2.3", "10.1.2.77"].map(|text| text.parse().unwrap());
/// let [hidden, other] = [a, b].map(|address| redactor.address(address));
/// assert!(hidden != a && hidden == redactor.address(a));
/// let network = |address: &str| address.rsplit_once('.').map(|(network, _)| network.to_owned());
/// assert_eq!(network(&hidden.to_string()), network(&other.to_string()));
/// # Ok::<(), ctnetlink::files::snapshot::WeakKey>(())
/// ```
pub struct Redactor {
    cipher: IpcryptPfx,
}

/// A key whose two halves are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WeakKey;

impl fmt::Display for WeakKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the two halves of the key are the same; take 32 random bytes")
    }
}

impl std::error::Error for WeakKey {}

/// Without the key.
impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redactor").finish_non_exhaustive()
    }
}

impl Redactor {
    /// Replaces addresses by this key. It should be random, and kept secret or thrown away.
    ///
    /// # Errors
    ///
    /// A key whose two halves are the same.
    pub fn new(key: [u8; 32]) -> Result<Self, WeakKey> {
        let (first, second) = key.split_at(16);
        if first == second { Err(WeakKey) } else { Ok(Self { cipher: IpcryptPfx::new(key) }) }
    }

    /// The address in place of this one.
    ///
    /// # Cost
    ///
    /// 32 or 128 times two blocks of AES.
    pub fn address(&self, address: IpAddr) -> IpAddr {
        like(address, self.cipher.encrypt_ipaddr(address))
    }

    /// The address that this one replaces.
    pub fn true_address(&self, address: IpAddr) -> IpAddr {
        like(address, self.cipher.decrypt_ipaddr(address))
    }

    /// Replaces the addresses of a flow.
    ///
    /// Removes what may hold addresses, too: attributes that this crate does not know, the data of helpers, and the
    /// security context.
    pub fn flow(&self, flow: &mut Flow) {
        replace(flow, |address| self.address(address));
        flow.unknown.clear();
        flow.security_context = None;
        if let Some(helper) = &mut flow.helper {
            helper.info = None;
        }
    }

    /// Puts the addresses of a flow that was [redacted](Self::flow) back.
    pub fn undo(&self, flow: &mut Flow) {
        replace(flow, |address| self.true_address(address));
    }
}

/// The second address in the family of the first: an IPv4-mapped one is still an IPv6 address.
fn like(first: IpAddr, second: IpAddr) -> IpAddr {
    match second {
        IpAddr::V4(second) if first.is_ipv6() => second.to_ipv6_mapped().into(),
        second => second,
    }
}

fn replace(flow: &mut Flow, by: impl Fn(IpAddr) -> IpAddr) {
    for tuple in [&mut flow.original, &mut flow.reply].into_iter().chain(&mut flow.master) {
        tuple.source = by(tuple.source);
        tuple.destination = by(tuple.destination);
    }
}
