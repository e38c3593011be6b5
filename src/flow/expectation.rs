//! A flow that a helper has announced: FTP's data connection before it comes.

use std::fmt;
use std::time::Duration;

use bitflags::bitflags;

use crate::flow::{Direction, Tuple};
use crate::wire::ctnetlink::*;
use crate::wire::{Attributes, WireError};

/// A flow that is expected: announced inside another one, its master, and let through as related
/// to it when it comes.
///
/// It prints as `conntrack -L expect` does.
#[doc(alias = "nf_conntrack_expect")]
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Expectation {
    /// What its first packet will look like, as far as the mask goes.
    #[doc(alias = "CTA_EXPECT_TUPLE")]
    pub tuple: Tuple,
    /// Which bits of the tuple count: 255.255.255.255 for a whole address, port 0 for any port.
    #[doc(alias = "CTA_EXPECT_MASK")]
    pub mask: Tuple,
    /// The original tuple of the flow that announced it.
    #[doc(alias = "CTA_EXPECT_MASTER")]
    pub master: Tuple,
    /// How long it is waited for, in whole seconds.
    #[doc(alias = "CTA_EXPECT_TIMEOUT")]
    pub timeout: Option<Duration>,
    /// The kernel's id.
    #[doc(alias = "CTA_EXPECT_ID")]
    pub id: Option<ExpectationId>,
    /// The helper of the master.
    #[doc(alias = "CTA_EXPECT_HELP_NAME")]
    pub helper: Option<String>,
    /// The helper's class of expectations; each has a limit and a timeout of its own.
    #[doc(alias = "CTA_EXPECT_CLASS")]
    pub class: Option<u32>,
    /// How it behaves.
    #[doc(alias = "CTA_EXPECT_FLAGS")]
    pub flags: ExpectationFlags,
    /// The kernel's function that is called when it comes true, by its name.
    #[doc(alias = "CTA_EXPECT_FN")]
    pub function: Option<String>,
    /// How the flow will be translated.
    #[doc(alias = "CTA_EXPECT_NAT")]
    pub nat: Option<ExpectationNat>,
}

/// The kernel's id of an expectation. Not unique.
#[doc(alias = "CTA_EXPECT_ID")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExpectationId(pub u32);

/// How an expected flow will be translated.
#[doc(alias = "CTA_EXPECT_NAT")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExpectationNat {
    /// The direction of the master it goes in.
    #[doc(alias = "CTA_EXPECT_NAT_DIR")]
    pub direction: Direction,
    /// The address and port, as the source of a tuple.
    #[doc(alias = "CTA_EXPECT_NAT_TUPLE")]
    pub tuple: Tuple,
}

bitflags! {
    /// How an expectation behaves. Bits the crate has no name for are kept.
    #[doc(alias = "NF_CT_EXPECT_PERMANENT")]
    #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
    pub struct ExpectationFlags: u32 {
        /// Stays when it has come true.
        const PERMANENT = 1;
        /// Not to be matched yet.
        const INACTIVE = 2;
        /// Made by a helper in user space.
        const USERSPACE = 4;

        // Bits of later kernels are values, too.
        const _ = !0;
    }
}

impl Expectation {
    /// Reads the attributes of an `IPCTNL_MSG_EXP_NEW` message, behind its netfilter header.
    ///
    /// # Errors
    ///
    /// A part is malformed, or the tuple, its mask or the master is missing.
    pub fn parse(attributes: &[u8]) -> Result<Self, WireError> {
        let (mut tuple, mut mask, mut master) = (None, None, None);
        let (mut timeout, mut id, mut helper, mut class) = (None, None, None, None);
        let (mut flags, mut function, mut nat) = (ExpectationFlags::empty(), None, None);
        let text = |payload: &[u8]| Some(String::from_utf8_lossy(payload).into_owned());
        for attribute in Attributes::new(attributes) {
            let attribute = attribute?;
            let nest = attribute.payload;
            match attribute.kind {
                CTA_EXPECT_TUPLE => tuple = Some(Tuple::parse(nest, "CTA_EXPECT_TUPLE")?),
                CTA_EXPECT_MASK => mask = Some(Tuple::parse(nest, "CTA_EXPECT_MASK")?),
                CTA_EXPECT_MASTER => master = Some(Tuple::parse(nest, "CTA_EXPECT_MASTER")?),
                CTA_EXPECT_TIMEOUT => {
                    let seconds = attribute.be32("CTA_EXPECT_TIMEOUT")?;
                    timeout = Some(Duration::from_secs(seconds.into()));
                }
                CTA_EXPECT_ID => id = Some(ExpectationId(attribute.be32("CTA_EXPECT_ID")?)),
                CTA_EXPECT_HELP_NAME => helper = text(attribute.text()),
                CTA_EXPECT_CLASS => class = Some(attribute.be32("CTA_EXPECT_CLASS")?),
                CTA_EXPECT_FLAGS => {
                    let bits = attribute.be32("CTA_EXPECT_FLAGS")?;
                    flags = ExpectationFlags::from_bits_retain(bits);
                }
                CTA_EXPECT_FN => function = text(attribute.text()),
                CTA_EXPECT_NAT => nat = Some(ExpectationNat::parse(nest)?),
                _ => {}
            }
        }
        let missing = |part| WireError::missing("expectation", part);
        Ok(Self {
            tuple: tuple.ok_or(missing("CTA_EXPECT_TUPLE"))?,
            mask: mask.ok_or(missing("CTA_EXPECT_MASK"))?,
            master: master.ok_or(missing("CTA_EXPECT_MASTER"))?,
            timeout,
            id,
            helper,
            class,
            flags,
            function,
            nat,
        })
    }
}

impl ExpectationNat {
    fn parse(nest: &[u8]) -> Result<Self, WireError> {
        let (mut direction, mut tuple) = (Direction::Original, None);
        for attribute in Attributes::new(nest) {
            let attribute = attribute?;
            match attribute.kind {
                CTA_EXPECT_NAT_DIR if attribute.be32("CTA_EXPECT_NAT_DIR")? != 0 => {
                    direction = Direction::Reply;
                }
                CTA_EXPECT_NAT_TUPLE => {
                    tuple = Some(Tuple::parse(attribute.payload, "CTA_EXPECT_NAT_TUPLE")?);
                }
                _ => {}
            }
        }
        let tuple = tuple.ok_or(WireError::missing("CTA_EXPECT_NAT", "CTA_EXPECT_NAT_TUPLE"))?;
        Ok(Self { direction, tuple })
    }
}

/// What `conntrack -L expect` prints.
impl fmt::Display for Expectation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(timeout) = self.timeout {
            write!(f, "{} ", timeout.as_secs())?;
        }
        write!(f, "proto={} {}", self.tuple.protocol.0, self.tuple)?;
        for (name, tuple) in [("mask", &self.mask), ("master", &self.master)] {
            // Only the addresses have a name that says whose they are.
            let tuple = tuple.to_string().replace("src=", &format!("{name}-src="));
            write!(f, " {}", tuple.replacen("dst=", &format!("{name}-dst="), 1))?;
        }
        let mut separator = ' ';
        for (flag, name) in
            [(ExpectationFlags::PERMANENT, "PERMANENT"), (ExpectationFlags::INACTIVE, "INACTIVE")]
        {
            if self.flags.contains(flag) {
                write!(f, "{separator}{name}")?;
                separator = ',';
            }
        }
        if let Some(class) = self.class {
            write!(f, " class={class}")?;
        }
        match &self.helper {
            Some(helper) => write!(f, " helper={helper}"),
            None => Ok(()),
        }
    }
}
