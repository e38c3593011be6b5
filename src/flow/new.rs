//! An entry to make.

use std::time::Duration;

use bytes::BytesMut;

use super::encode::{Purpose, encode};
use super::invalid::{
    InvalidFlow, check_helper, check_protoinfo, check_scaling, check_timeout, refuse_if,
    whole_seconds,
};
use crate::flow::{
    Direction, Endpoints, Flow, FlowKey, Helper, Labels, NatRange, ProtoInfo, SequenceAdjustment,
    Status, Synproxy, TcpFlags, Tuple,
};
use crate::wire::ctnetlink::{CTA_NAT_DST, CTA_NAT_SRC};
use crate::wire::writer::Writer;

/// An entry to make: what the kernel requires, and what it takes besides.
///
/// `Conntrack::create` makes it. What only the kernel decides cannot be set: id, counters,
/// timestamps, and the status bits that it sets by itself.
///
/// ```
/// use ctnetlink::flow::{NatRange, NewFlow, Protocol, TcpInfo, TcpState, Tuple};
/// use std::time::Duration;
/// let client = ("10.0.0.1".parse()?, 40000);
/// let server = ("198.51.100.7".parse()?, 443);
/// let original = Tuple::with_ports(Protocol::TCP, client, server);
/// let flow = NewFlow::new(original, Duration::from_secs(600))
///     .protoinfo(TcpInfo::new(TcpState::ESTABLISHED))
///     .seen_reply()
///     .assured()
///     .source_nat(NatRange::from(("203.0.113.5".parse()?, 6000)))
///     .mark(7);
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
#[doc(alias = "IPCTNL_MSG_CT_NEW")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewFlow {
    flow: Flow,
    source_nat: Option<NatRange>,
    destination_nat: Option<NatRange>,
}

impl NewFlow {
    /// An entry with this original tuple that ends after `timeout`, unless packets renew it.
    ///
    /// The reply tuple is the original's [inverse](Tuple::inverse). The timeout counts in whole
    /// seconds and is rounded up; 1 to 2,147,483 seconds are possible.
    ///
    /// `conntrack -I -p … -s … -d … --sport … --dport … --timeout …`
    #[doc(alias = "CTA_TUPLE_ORIG")]
    #[doc(alias = "CTA_TIMEOUT")]
    pub fn new(original: Tuple, timeout: Duration) -> Self {
        let mut flow = Flow::new(original, original.inverse());
        flow.status = Status::CONFIRMED;
        flow.timeout = Some(whole_seconds(timeout));
        Self { flow, source_nat: None, destination_nat: None }
    }

    /// Ends after this time, unless packets renew it. Rounded up to whole seconds.
    #[doc(alias = "CTA_TIMEOUT")]
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.flow.timeout = Some(whole_seconds(timeout));
        self
    }

    /// Sets the reply tuple. One that is not the original's inverse looks like NAT, but translates no
    /// packet. For NAT, see [`source_nat`](Self::source_nat).
    ///
    /// `conntrack -I -r … -q … --reply-port-src … --reply-port-dst …`
    #[doc(alias = "CTA_TUPLE_REPLY")]
    #[must_use]
    pub fn reply(mut self, reply: Tuple) -> Self {
        self.flow.reply = reply;
        self
    }

    /// As if packets had been seen in both directions. `conntrack -I --status SEEN_REPLY`
    #[doc(alias = "IPS_SEEN_REPLY")]
    #[must_use]
    pub fn seen_reply(mut self) -> Self {
        self.flow.status |= Status::SEEN_REPLY;
        self
    }

    /// Not to be evicted early when the table is full. `conntrack -I --status ASSURED`
    #[doc(alias = "IPS_ASSURED")]
    #[must_use]
    pub fn assured(mut self) -> Self {
        self.flow.status |= Status::ASSURED;
        self
    }

    /// Neither packets nor requests change the timeout any more.
    /// `conntrack -I --status FIXED_TIMEOUT`
    #[doc(alias = "IPS_FIXED_TIMEOUT")]
    #[must_use]
    pub fn fixed_timeout(mut self) -> Self {
        self.flow.status |= Status::FIXED_TIMEOUT;
        self
    }

    /// With this mark; the default is 0. `conntrack -I --mark`
    #[doc(alias = "CTA_MARK")]
    #[must_use]
    pub fn mark(mut self, mark: u32) -> Self {
        self.flow.mark = Some(mark);
        self
    }

    /// With these labels; the default is none. The kernel has room for labels only while some rule
    /// of the network namespace uses them. `conntrack -I --label-add`
    #[doc(alias = "CTA_LABELS")]
    #[must_use]
    pub fn labels(mut self, labels: Labels) -> Self {
        self.flow.labels = Some(labels);
        self
    }

    /// In this zone, in both directions. For a zone of one direction, set
    /// [`Tuple::zone`] in its tuple. `conntrack -I --zone`, `--orig-zone`, `--reply-zone`
    #[doc(alias = "CTA_ZONE")]
    #[must_use]
    pub fn zone(mut self, zone: u16) -> Self {
        self.flow.zone = Some(zone);
        self
    }

    /// Sets what the protocol's tracker keeps; the default is the state `NONE`.
    ///
    /// TCP: the kernel learns sequence numbers from the next packets, but window scales only from a
    /// handshake. It takes the scales of both directions together, and only where both have the flag
    /// 0x01. If you do not know them, set the flag 0x08, which lets packets outside of the window pass
    /// (`conntrack -I` sets it, and 0x02). SCTP: give the state and both tags, or nothing.
    ///
    /// `conntrack -I --state`, `--orig-vtag`, `--reply-vtag`
    #[doc(alias = "CTA_PROTOINFO")]
    #[must_use]
    pub fn protoinfo(mut self, protoinfo: impl Into<ProtoInfo>) -> Self {
        self.flow.protoinfo = Some(protoinfo.into());
        self
    }

    /// Translates the source to this address, which the far end then sees. The kernel makes the reply
    /// tuple.
    ///
    /// Packets are translated where the network namespace tracks connections and has a NAT chain,
    /// even an empty one; without one the kernel has no hook there. `conntrack -I --src-nat`
    #[doc(alias = "CTA_NAT_SRC")]
    #[must_use]
    pub fn source_nat(mut self, to: impl Into<NatRange>) -> Self {
        self.source_nat = Some(to.into());
        self
    }

    /// Translates the destination to this address, which then answers. The kernel makes the reply
    /// tuple. As with [`source_nat`](Self::source_nat), it takes a NAT chain. `conntrack -I --dst-nat`
    #[doc(alias = "CTA_NAT_DST")]
    #[must_use]
    pub fn destination_nat(mut self, to: impl Into<NatRange>) -> Self {
        self.destination_nat = Some(to.into());
        self
    }

    /// Attaches this helper. The kernel must have it for the entry's protocol.
    #[doc(alias = "CTA_HELP")]
    #[must_use]
    pub fn helper(mut self, helper: Helper<'static>) -> Self {
        self.flow.helper = Some(helper);
        self
    }

    /// Sets the master, the entry that announced this one. It must exist, in the same zone.
    #[doc(alias = "CTA_TUPLE_MASTER")]
    #[must_use]
    pub fn master(mut self, master: Tuple) -> Self {
        self.flow.master = Some(master);
        self
    }

    /// Shifts the sequence numbers of this direction.
    #[doc(alias = "CTA_SEQ_ADJ_ORIG")]
    #[doc(alias = "CTA_SEQ_ADJ_REPLY")]
    #[must_use]
    pub fn sequence_adjustment(
        mut self,
        direction: Direction,
        adjustment: SequenceAdjustment,
    ) -> Self {
        let flow = &mut self.flow;
        *direction
            .pick(&mut flow.sequence_adjustment_original, &mut flow.sequence_adjustment_reply) =
            Some(adjustment);
        self
    }

    /// Sets what the SYN proxy keeps. A kernel without a SYN proxy ignores it.
    #[doc(alias = "CTA_SYNPROXY")]
    #[must_use]
    pub fn synproxy(mut self, synproxy: Synproxy) -> Self {
        self.flow.synproxy = Some(synproxy);
        self
    }

    /// The original tuple.
    pub fn original(&self) -> &Tuple {
        &self.flow.original
    }

    pub(crate) fn as_flow(&self) -> &Flow {
        &self.flow
    }

    pub(crate) fn has_nat(&self) -> bool {
        self.source_nat.is_some() || self.destination_nat.is_some()
    }

    /// What no kernel takes, and what kernels take and ignore.
    pub(crate) fn check(&self) -> Result<(), InvalidFlow> {
        let Flow { original, reply, .. } = &self.flow;
        let same = |tuple: &Tuple| {
            tuple.source.is_ipv4() == original.source.is_ipv4()
                && tuple.destination.is_ipv4() == original.source.is_ipv4()
        };
        refuse_if(
            !same(original) || !same(reply) || !self.flow.master.as_ref().is_none_or(same),
            "addresses of both families in one entry",
            "give both tuples, and the master's, addresses of one family",
        )?;
        refuse_if(
            original.protocol != reply.protocol,
            "a reply tuple of another protocol",
            "give it the protocol of the original tuple",
        )?;
        let timeout = self.flow.timeout.unwrap_or_default();
        refuse_if(
            timeout.is_zero(),
            "no timeout: the entry would end as it begins",
            "give one of a second or more",
        )?;
        check_timeout(timeout)?;
        let zones = [self.flow.zone, original.zone, reply.zone];
        refuse_if(
            zones.iter().filter(|zone| zone.is_some_and(|zone| zone != 0)).count() > 1,
            "more than one zone",
            "give one: of both directions, of the original, or of the reply tuple",
        )?;
        refuse_if(
            self.flow.master.is_some_and(|master| master.zone.is_some()),
            "a zone in the master's tuple",
            "leave it out; the master is looked for in the zone of the entry",
        )?;
        if let Some(protoinfo) = &self.flow.protoinfo {
            check_protoinfo(protoinfo, original.protocol)?;
            check_scaling(protoinfo, None)?;
        }
        if let Some(helper) = &self.flow.helper {
            check_helper(helper)?;
        }
        for range in [&self.source_nat, &self.destination_nat].into_iter().flatten() {
            range.check(original)?;
            refuse_if(
                Tuple { zone: None, ..*reply } != original.inverse(),
                "NAT and a reply tuple of one's own",
                "leave the reply tuple out; NAT makes it",
            )?;
        }
        Ok(())
    }

    pub(crate) fn to_attributes(&self) -> BytesMut {
        let mut attributes = BytesMut::new();
        let mut writer = Writer::new(&mut attributes);
        encode(&self.flow, Purpose::Create, &mut writer);
        for (range, kind) in [(&self.source_nat, CTA_NAT_SRC), (&self.destination_nat, CTA_NAT_DST)]
        {
            writer.when(range.as_ref(), |writer, range| range.write(kind, writer));
        }
        attributes
    }
}

/// An entry read earlier, to put back.
///
/// NAT goes to the same address and port again. What only the kernel can know and what this crate
/// does not know is left out. So are the TCP flags that go with sequence numbers, which the kernel
/// does not send.
///
/// An entry without a timeout (in a flow table), or with less than a second left, needs a new one:
/// [`timeout`](NewFlow::timeout).
impl From<&Flow> for NewFlow {
    fn from(flow: &Flow) -> Self {
        let kept = Status::SEEN_REPLY | Status::ASSURED | Status::FIXED_TIMEOUT;
        let mut new = Self::new(flow.original, flow.timeout.unwrap_or_default());
        new.flow.reply = flow.reply;
        new.flow.status |= flow.status & kept;
        if flow.status.intersects(Status::SRC_NAT | Status::DST_NAT) {
            new.flow.reply = Tuple { zone: flow.reply.zone, ..flow.original.inverse() };
            new.source_nat = flow.source_nat().map(|seen| match flow.reply.endpoints {
                Endpoints::Icmp { id, .. } => NatRange::address(seen.address).ports(id..=id),
                _ => seen.into(),
            });
            new.destination_nat = flow.destination_nat().map(Into::into);
        }
        new.flow.mark = flow.mark;
        new.flow.zone = flow.zone;
        new.flow.protoinfo = flow.protoinfo.and_then(to_be_told);
        new.flow.labels = flow.labels;
        new.flow.helper.clone_from(&flow.helper);
        new.flow.master = flow.master.map(|master| Tuple { zone: None, ..master });
        new.flow.sequence_adjustment_original = flow.sequence_adjustment_original;
        new.flow.sequence_adjustment_reply = flow.sequence_adjustment_reply;
        new.flow.synproxy = flow.synproxy;
        new
    }
}

/// What was read of a tracker, as the kernel takes it back.
fn to_be_told(read: ProtoInfo) -> Option<ProtoInfo> {
    // Window scaling, SACK, "closed first" and "be liberal".
    const MASK: u8 = 0x0f;
    match read {
        ProtoInfo::Tcp(mut tcp) => {
            for flags in [&mut tcp.flags_original, &mut tcp.flags_reply].into_iter().flatten() {
                *flags = TcpFlags { flags: flags.flags & MASK, mask: MASK };
            }
            let scaled = |flags: Option<TcpFlags>| flags.is_some_and(|flags| flags.flags & 1 == 1);
            if !(scaled(tcp.flags_original) && scaled(tcp.flags_reply)) {
                // They are 0 then, and the kernel would not take them.
                (tcp.window_scale_original, tcp.window_scale_reply) = (None, None);
            }
            Some(ProtoInfo::Tcp(tcp))
        }
        ProtoInfo::Other(_) => None,
        other => Some(other),
    }
}

/// The key of the entry to make.
impl From<&NewFlow> for FlowKey {
    fn from(new: &NewFlow) -> Self {
        Self { zone: new.flow.zone, ..Self::new(new.flow.original) }
    }
}
