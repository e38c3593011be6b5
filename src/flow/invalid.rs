//! What is wrong with an entry to make, or with a change. It is found before anything is sent.

use std::time::Duration;

use crate::flow::{Helper, ProtoInfo, Protocol, TcpFlags, TcpInfo, Timeouts};

/// Why the kernel would refuse, ignore or misunderstand it, and what to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct InvalidFlow {
    /// What is wrong.
    pub(crate) what: &'static str,
    /// What would be right.
    pub(crate) remedy: &'static str,
}

/// Refuses what is wrong, and says what would be right.
pub(super) fn refuse_if(
    wrong: bool,
    what: &'static str,
    remedy: &'static str,
) -> Result<(), InvalidFlow> {
    if wrong { Err(InvalidFlow { what, remedy }) } else { Ok(()) }
}

/// RFC 7323: the kernel shifts by what it is given, however far.
const LARGEST_SCALE: u8 = 14;

/// `NF_CT_HELPER_NAME_LEN`, without the zero, and the room a helper has for data of its own.
const HELPER_NAME: usize = 15;
const HELPER_INFO: usize = 32;

/// Window scaling was agreed on: `IP_CT_TCP_FLAG_WINDOW_SCALE`.
const WINDOW_SCALE: u8 = 0x01;

/// The kernel counts whole seconds. Rounded up, so that no time is lost and nothing becomes zero.
pub(super) fn whole_seconds(timeout: Duration) -> Duration {
    let more = u64::from(timeout.subsec_nanos() != 0);
    Duration::from_secs(timeout.as_secs().saturating_add(more))
}

pub(super) fn check_timeout(timeout: Duration) -> Result<(), InvalidFlow> {
    refuse_if(
        timeout > Timeouts::LONGEST,
        "a timeout longer than kernels can count",
        "give at most 2147483 seconds (24 days)",
    )?;
    Ok(())
}

pub(super) fn check_helper(helper: &Helper<'_>) -> Result<(), InvalidFlow> {
    refuse_if(
        helper.name.is_empty() || helper.name.len() > HELPER_NAME || helper.name.contains('\0'),
        "a name that no helper can have",
        "give one of 1 to 15 bytes, such as ftp",
    )?;
    refuse_if(
        helper.info.as_ref().is_some_and(|info| info.len() > HELPER_INFO),
        "more data than a helper keeps",
        "give at most 32 bytes",
    )?;
    Ok(())
}

/// Checks what the tracker of `protocol` is told.
pub(super) fn check_protoinfo(
    protoinfo: &ProtoInfo,
    protocol: Protocol,
) -> Result<(), InvalidFlow> {
    let (of, known) = match protoinfo {
        ProtoInfo::Tcp(tcp) => (Some(Protocol::TCP), tcp.state.name().is_some()),
        ProtoInfo::Sctp(sctp) => (Some(Protocol::SCTP), sctp.state.name().is_some()),
        ProtoInfo::Dccp(dccp) => (Some(Protocol::DCCP), dccp.state.name().is_some()),
        ProtoInfo::Other(_) => (None, true),
    };
    refuse_if(
        of != Some(protocol),
        "protocol information of another protocol, which the kernel would ignore",
        "give that of the tuple's protocol, or none",
    )?;
    // For SCTP some kernels use the number as an index without checking it.
    refuse_if(!known, "a state that no known kernel has", "give one of the named states")?;
    match protoinfo {
        ProtoInfo::Tcp(tcp) => {
            let (original, reply) = (tcp.window_scale_original, tcp.window_scale_reply);
            refuse_if(
                original.is_some() != reply.is_some(),
                "a TCP window scale for one direction, which the kernel would ignore",
                "give the scales of both directions",
            )?;
            refuse_if(
                original.max(reply) > Some(LARGEST_SCALE),
                "a window scale that TCP does not have",
                "give at most 14",
            )
        }
        ProtoInfo::Sctp(sctp) => refuse_if(
            sctp.vtag_original.is_none() || sctp.vtag_reply.is_none(),
            "an SCTP state without both verification tags",
            "give both tags; the kernel takes the three together or not at all",
        ),
        _ => Ok(()),
    }
}

/// The kernel takes window scales only where both directions agreed on scaling, in this request or
/// before it (`had`). Otherwise it silently ignores them.
pub(super) fn check_scaling(
    protoinfo: &ProtoInfo,
    had: Option<&ProtoInfo>,
) -> Result<(), InvalidFlow> {
    let ProtoInfo::Tcp(tcp) = protoinfo else { return Ok(()) };
    if tcp.window_scale_original.is_none() {
        return Ok(());
    }
    let had: Option<&TcpInfo> = match had {
        Some(ProtoInfo::Tcp(had)) => Some(had),
        _ => None,
    };
    let scaled = |new: Option<TcpFlags>, old: Option<TcpFlags>| {
        let old = old.map_or(0, |old| old.flags);
        let bits = new.map_or(old, |new| old & !new.mask | new.flags & new.mask);
        bits & WINDOW_SCALE != 0
    };
    let agreed = scaled(tcp.flags_original, had.and_then(|had| had.flags_original))
        && scaled(tcp.flags_reply, had.and_then(|had| had.flags_reply));
    refuse_if(
        !agreed,
        "TCP window scales where scaling was not agreed on, which the kernel would ignore",
        "give both directions the flag 0x01, in flags and mask",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::{
        Change, DccpInfo, DccpState, Endpoints, Flow, FlowKey, Labels, NatRange, NewFlow, SctpInfo,
        SctpState, Status, TcpState, Tuple,
    };
    use std::net::{IpAddr, Ipv6Addr};

    const V6: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);
    const MINUTE: Duration = Duration::from_secs(60);

    fn tcp() -> Tuple {
        Tuple::with_ports(Protocol::TCP, ([10, 0, 0, 1].into(), 1), ([10, 0, 0, 2].into(), 2))
    }

    fn new() -> NewFlow {
        NewFlow::new(tcp(), MINUTE)
    }

    fn scales(original: Option<u8>, reply: Option<u8>, flags: Option<u8>) -> TcpInfo {
        let flags = flags.map(|flags| TcpFlags { flags, mask: flags });
        TcpInfo {
            window_scale_original: original,
            window_scale_reply: reply,
            flags_original: flags,
            flags_reply: flags,
            ..TcpInfo::new(TcpState::ESTABLISHED)
        }
    }

    fn refused(result: Result<(), InvalidFlow>, words: &str) {
        let invalid = result.expect_err(words);
        assert!(invalid.what.contains(words), "{words}: {invalid:?}");
        assert!(!invalid.remedy.is_empty());
    }

    #[test]
    fn what_is_right_passes() {
        let to: IpAddr = [10, 0, 0, 9].into();
        for flow in [
            new(),
            new().zone(0).zone(9).source_nat(to).destination_nat((to, 9)),
            new().protoinfo(scales(Some(14), Some(0), Some(1))),
            new()
                .timeout(Timeouts::LONGEST)
                .helper(Helper { name: "a-name-this-long".into(), info: None })
                .helper(Helper { name: "fifteen-letters".into(), info: None }),
        ] {
            assert_eq!(flow.check(), Ok(()));
        }
    }

    #[test]
    fn tuples_that_do_not_go_together() {
        let mut other = tcp().inverse();
        other.source = V6;
        refused(new().reply(other).check(), "both families");
        refused(new().master(other).check(), "both families");
        refused(NewFlow::new(other, MINUTE).check(), "both families");
        let udp = Tuple { protocol: Protocol::UDP, ..tcp().inverse() };
        refused(new().reply(udp).check(), "another protocol");
        let zoned = Tuple { zone: Some(3), ..tcp() };
        refused(NewFlow::new(zoned, MINUTE).zone(5).check(), "more than one zone");
        refused(new().reply(Tuple { zone: Some(3), ..tcp().inverse() }).zone(5).check(), "zone");
        refused(new().master(zoned).check(), "master's tuple");
        assert_eq!(NewFlow::new(zoned, MINUTE).zone(0).check(), Ok(()));
    }

    #[test]
    fn timeouts() {
        refused(new().timeout(Duration::ZERO).check(), "no timeout");
        refused(new().timeout(Timeouts::LONGEST + Duration::from_nanos(1)).check(), "longer");
        refused(new().timeout(Duration::MAX).check(), "longer");
        assert_eq!(whole_seconds(Duration::from_nanos(1)), Duration::from_secs(1));
        assert_eq!(whole_seconds(Duration::from_secs(1)), Duration::from_secs(1));
        let offloaded = Flow::new(tcp(), tcp().inverse());
        refused(NewFlow::from(&offloaded).check(), "no timeout");
        assert_eq!(NewFlow::from(&offloaded).timeout(Duration::from_millis(1)).check(), Ok(()));
    }

    #[test]
    fn trackers() {
        let sctp = |vtag_reply| SctpInfo {
            state: SctpState::ESTABLISHED,
            vtag_original: Some(1),
            vtag_reply,
        };
        let dccp = DccpInfo { state: DccpState::OPEN, role: None, handshake_sequence: None };
        refused(new().protoinfo(sctp(Some(2))).check(), "another protocol");
        refused(new().protoinfo(dccp).check(), "another protocol");
        refused(new().protoinfo(ProtoInfo::Other(9)).check(), "another protocol");
        let over_sctp = NewFlow::new(Tuple { protocol: Protocol::SCTP, ..tcp() }, MINUTE);
        refused(over_sctp.clone().protoinfo(sctp(None)).check(), "both verification tags");
        assert_eq!(over_sctp.protoinfo(sctp(Some(0))).check(), Ok(()));
        refused(new().protoinfo(TcpInfo::new(TcpState(10))).check(), "state");
        for (original, reply, flags, words) in [
            (Some(7), None, Some(1), "one direction"),
            (None, Some(7), Some(1), "one direction"),
            (Some(15), Some(0), Some(1), "does not have"),
            (Some(7), Some(7), Some(2), "not agreed on"),
            (Some(7), Some(7), None, "not agreed on"),
        ] {
            refused(new().protoinfo(scales(original, reply, flags)).check(), words);
        }
    }

    #[test]
    fn translations_and_helpers() {
        let to: IpAddr = [10, 0, 0, 9].into();
        refused(new().source_nat(V6).check(), "other family");
        refused(new().destination_nat(NatRange::addresses(to..=V6)).check(), "other family");
        let before: IpAddr = [10, 0, 0, 8].into();
        refused(new().source_nat(NatRange::addresses(to..=before)).check(), "ends before");
        #[allow(clippy::reversed_empty_ranges)]
        let backwards = NatRange::address(to).ports(2..=1);
        refused(new().source_nat(backwards).check(), "ends before");
        let esp = Tuple { protocol: Protocol(50), endpoints: Endpoints::None, ..tcp() };
        refused(NewFlow::new(esp, MINUTE).source_nat((to, 1)).check(), "has none");
        refused(new().reply(tcp()).source_nat(to).check(), "reply tuple of one's own");
        for name in ["", "a-name-too-long-", "a\0b"] {
            let helper = Helper { name: name.into(), info: None };
            refused(new().helper(helper).check(), "name");
        }
        let info = Some(vec![0; 33].into());
        refused(new().helper(Helper { name: "x".into(), info }).check(), "more data");
    }

    #[test]
    fn a_flow_read_is_a_flow_to_make() {
        let mut flow = Flow::new(tcp(), tcp().inverse());
        flow.timeout = Some(MINUTE);
        flow.status = Status::from_bits_retain(0xffff_ffff) - Status::SRC_NAT - Status::DST_NAT;
        flow.protoinfo = Some(scales(Some(7), Some(8), Some(0xf7)).into());
        let new = NewFlow::from(&flow);
        assert_eq!(new.check(), Ok(()));
        let kept = Status::SEEN_REPLY | Status::ASSURED | Status::FIXED_TIMEOUT;
        assert_eq!(new.as_flow().status, kept | Status::CONFIRMED);
        let Some(ProtoInfo::Tcp(tcp_info)) = new.as_flow().protoinfo else { panic!("no TCP") };
        assert_eq!(tcp_info.flags_reply, Some(TcpFlags { flags: 0x07, mask: 0x0f }));
        assert_eq!(tcp_info.window_scale_reply, Some(8));
        // As the kernel shows an entry without scaling.
        flow.protoinfo = Some(scales(Some(0), Some(0), Some(0)).into());
        assert_eq!(NewFlow::from(&flow).check(), Ok(()));
        assert!(!NewFlow::from(&flow).has_nat());
        flow.status |= Status::SRC_NAT;
        flow.reply.destination = [203, 0, 113, 1].into();
        let new = NewFlow::from(&flow);
        assert!(new.has_nat());
        assert_eq!(new.as_flow().reply, tcp().inverse());
        assert_eq!(new.check(), Ok(()));
    }

    #[test]
    fn changes() {
        let key = FlowKey::new(tcp());
        let check = |change: Change| change.check(&key);
        let mut mask = Labels::default();
        assert!(mask.insert(3));
        refused(check(Change::new()), "nothing to change");
        refused(check(Change::new().timeout(Duration::ZERO)), "zero");
        refused(check(Change::new().timeout(Duration::MAX)), "longer");
        refused(check(Change::new().mark_masked(3, 2)), "outside");
        refused(check(Change::new().labels_masked(Labels([1; 16]), mask)), "outside");
        let udp = FlowKey::new(Tuple { protocol: Protocol::UDP, ..tcp() });
        let state = Change::new().protoinfo(TcpInfo::new(TcpState::CLOSE));
        refused(state.check(&udp), "another protocol");
        for change in [
            state,
            Change::new().mark(0),
            Change::new().mark_masked(0, 0xff),
            Change::new().labels(Labels::default()),
            Change::new().labels_masked(mask, mask),
            Change::new().timeout(Duration::from_nanos(1)),
            Change::new().seen_reply(),
        ] {
            assert_eq!(check(change), Ok(()));
        }
    }

    #[test]
    fn scaling_agreed_on_earlier_will_do() {
        let key = FlowKey::new(tcp());
        let change = Change::new().protoinfo(scales(Some(7), Some(7), None));
        assert_eq!(change.check(&key), Ok(()));
        assert!(change.depends_on_entry());
        let mut entry = Flow::new(tcp(), tcp().inverse());
        refused(change.check_against(&entry), "not agreed on");
        entry.protoinfo = Some(scales(Some(7), Some(7), Some(1)).into());
        assert_eq!(change.check_against(&entry), Ok(()));
        let revoked = TcpInfo {
            flags_reply: Some(TcpFlags { flags: 0, mask: 1 }),
            ..scales(Some(7), Some(7), None)
        };
        refused(Change::new().protoinfo(revoked).check_against(&entry), "not agreed on");
    }
}
