//! The status bits of an entry.

use std::fmt;

use bitflags::{Flags, bitflags};

bitflags! {
    /// The status bits of an entry (`enum ip_conntrack_status`).
    ///
    /// Bits the crate has no name for are kept and print as a hexadecimal number.
    #[doc(alias = "CTA_STATUS")]
    #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub struct Status: u32 {
        /// Another flow announced it (FTP data and the like).
        #[doc(alias = "IPS_EXPECTED")]
        const EXPECTED = 1;
        /// Packets were seen in both directions. Its absence is `[UNREPLIED]`.
        #[doc(alias = "IPS_SEEN_REPLY")]
        const SEEN_REPLY = 1 << 1;
        /// Not to be evicted early when the table is full.
        #[doc(alias = "IPS_ASSURED")]
        const ASSURED = 1 << 2;
        /// In the table: its first packet left the host.
        #[doc(alias = "IPS_CONFIRMED")]
        const CONFIRMED = 1 << 3;
        /// Needs source NAT.
        #[doc(alias = "IPS_SRC_NAT")]
        const SRC_NAT = 1 << 4;
        /// Needs destination NAT.
        #[doc(alias = "IPS_DST_NAT")]
        const DST_NAT = 1 << 5;
        /// TCP sequence numbers are adjusted.
        #[doc(alias = "IPS_SEQ_ADJUST")]
        const SEQ_ADJUST = 1 << 6;
        /// Source NAT was decided; the decision may be none.
        #[doc(alias = "IPS_SRC_NAT_DONE")]
        const SRC_NAT_DONE = 1 << 7;
        /// Destination NAT was decided; the decision may be none.
        #[doc(alias = "IPS_DST_NAT_DONE")]
        const DST_NAT_DONE = 1 << 8;
        /// Being removed.
        #[doc(alias = "IPS_DYING")]
        const DYING = 1 << 9;
        /// The timeout is not renewed by packets.
        #[doc(alias = "IPS_FIXED_TIMEOUT")]
        const FIXED_TIMEOUT = 1 << 10;
        /// A template, not a flow.
        #[doc(alias = "IPS_TEMPLATE")]
        const TEMPLATE = 1 << 11;
        /// Lost a race for its tuple. (Before Linux 4.12: untracked.)
        #[doc(alias = "IPS_NAT_CLASH")]
        #[doc(alias = "IPS_UNTRACKED")]
        const NAT_CLASH = 1 << 12;
        /// A helper was assigned by a rule.
        #[doc(alias = "IPS_HELPER")]
        const HELPER = 1 << 13;
        /// Handled by a flow table (4.16 and later): no timeout, no protocol information.
        #[doc(alias = "IPS_OFFLOAD")]
        const OFFLOAD = 1 << 14;
        /// Handled by hardware (5.7 and later).
        #[doc(alias = "IPS_HW_OFFLOAD")]
        const HW_OFFLOAD = 1 << 15;

        // Bits of later kernels are values, too.
        const _ = !0;
    }
}

/// The names of the bits, joined by `|`; unknown bits as one hexadecimal number; `0` for none.
impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() { f.write_str("0") } else { write_names(*self, "|", f) }
    }
}

/// Writes the names of the bits that are set, and the other bits as one hexadecimal number.
pub(super) fn write_names<F: Flags<Bits = u32>>(
    flags: F,
    separator: &str,
    f: &mut fmt::Formatter<'_>,
) -> fmt::Result {
    let mut before = "";
    let mut names = flags.iter_names();
    for (name, _) in names.by_ref() {
        write!(f, "{before}{name}")?;
        before = separator;
    }
    match names.remaining().bits() {
        0 => Ok(()),
        unknown => write!(f, "{before}{unknown:#x}"),
    }
}

impl Status {
    /// Every bit the crate has a name for.
    pub fn named() -> Self {
        Self::all().iter_names().map(|(_, bit)| bit).collect()
    }
}
