//! The kernel's numbers, under the kernel's names, and nothing else.
//!
//! From `linux/netfilter/nfnetlink.h`, `nfnetlink_conntrack.h` and `nfnetlink_compat.h`. Numbers
//! are never reused by the kernel, so one table serves every version.

#![allow(missing_docs)] // The names are the kernel's; what they mean is documented where they are typed.

// Subsystems and messages (high and low byte of `nlmsg_type`).
pub const NFNL_SUBSYS_CTNETLINK: u8 = 1;
pub const NFNL_SUBSYS_CTNETLINK_EXP: u8 = 2;
pub const NFNL_SUBSYS_CTNETLINK_TIMEOUT: u8 = 8;
pub const IPCTNL_MSG_CT_NEW: u8 = 0;
pub const IPCTNL_MSG_CT_GET: u8 = 1;
pub const IPCTNL_MSG_CT_DELETE: u8 = 2;
pub const IPCTNL_MSG_CT_GET_CTRZERO: u8 = 3;
pub const IPCTNL_MSG_CT_GET_STATS_CPU: u8 = 4;
pub const IPCTNL_MSG_CT_GET_STATS: u8 = 5;
pub const IPCTNL_MSG_CT_GET_DYING: u8 = 6;
pub const IPCTNL_MSG_CT_GET_UNCONFIRMED: u8 = 7;
pub const IPCTNL_MSG_EXP_NEW: u8 = 0;
pub const IPCTNL_MSG_EXP_GET: u8 = 1;
pub const IPCTNL_MSG_EXP_DELETE: u8 = 2;
pub const IPCTNL_MSG_EXP_GET_STATS_CPU: u8 = 3;
pub const IPCTNL_MSG_TIMEOUT_NEW: u8 = 0;
pub const IPCTNL_MSG_TIMEOUT_GET: u8 = 1;
pub const IPCTNL_MSG_TIMEOUT_DELETE: u8 = 2;
pub const IPCTNL_MSG_TIMEOUT_DEFAULT_SET: u8 = 3;
pub const IPCTNL_MSG_TIMEOUT_DEFAULT_GET: u8 = 4;

// `enum ctattr_timeout`, from `nfnetlink_cttimeout.h`.
pub const CTA_TIMEOUT_NAME: u16 = 1;
pub const CTA_TIMEOUT_L3PROTO: u16 = 2;
pub const CTA_TIMEOUT_L4PROTO: u16 = 3;
pub const CTA_TIMEOUT_DATA: u16 = 4;
pub const CTA_TIMEOUT_USE: u16 = 5;

// Families (`nfgen_family`).
pub const AF_UNSPEC: u8 = 0;
pub const AF_INET: u8 = 2;
pub const AF_INET6: u8 = 10;

// `enum ctattr_type`: the attributes of an entry.
pub const CTA_TUPLE_ORIG: u16 = 1;
pub const CTA_TUPLE_REPLY: u16 = 2;
pub const CTA_STATUS: u16 = 3;
pub const CTA_PROTOINFO: u16 = 4;
pub const CTA_HELP: u16 = 5;
pub const CTA_NAT_SRC: u16 = 6;
pub const CTA_TIMEOUT: u16 = 7;
pub const CTA_MARK: u16 = 8;
pub const CTA_COUNTERS_ORIG: u16 = 9;
pub const CTA_COUNTERS_REPLY: u16 = 10;
pub const CTA_USE: u16 = 11;
pub const CTA_ID: u16 = 12;
pub const CTA_NAT_DST: u16 = 13;
pub const CTA_TUPLE_MASTER: u16 = 14;
pub const CTA_SEQ_ADJ_ORIG: u16 = 15;
pub const CTA_SEQ_ADJ_REPLY: u16 = 16;
pub const CTA_SECMARK: u16 = 17;
pub const CTA_ZONE: u16 = 18;
pub const CTA_SECCTX: u16 = 19;
pub const CTA_TIMESTAMP: u16 = 20;
pub const CTA_MARK_MASK: u16 = 21;
pub const CTA_LABELS: u16 = 22;
pub const CTA_LABELS_MASK: u16 = 23;
pub const CTA_SYNPROXY: u16 = 24;
pub const CTA_FILTER: u16 = 25;
pub const CTA_STATUS_MASK: u16 = 26;
pub const CTA_TIMESTAMP_EVENT: u16 = 27;

// `enum ctattr_tuple`.
pub const CTA_TUPLE_IP: u16 = 1;
pub const CTA_TUPLE_PROTO: u16 = 2;
pub const CTA_TUPLE_ZONE: u16 = 3;

// `enum ctattr_filter`.
pub const CTA_FILTER_ORIG_FLAGS: u16 = 1;
pub const CTA_FILTER_REPLY_FLAGS: u16 = 2;

// `enum ctattr_ip`.
pub const CTA_IP_V4_SRC: u16 = 1;
pub const CTA_IP_V4_DST: u16 = 2;
pub const CTA_IP_V6_SRC: u16 = 3;
pub const CTA_IP_V6_DST: u16 = 4;

// `enum ctattr_l4proto`.
pub const CTA_PROTO_NUM: u16 = 1;
pub const CTA_PROTO_SRC_PORT: u16 = 2;
pub const CTA_PROTO_DST_PORT: u16 = 3;
pub const CTA_PROTO_ICMP_ID: u16 = 4;
pub const CTA_PROTO_ICMP_TYPE: u16 = 5;
pub const CTA_PROTO_ICMP_CODE: u16 = 6;
pub const CTA_PROTO_ICMPV6_ID: u16 = 7;
pub const CTA_PROTO_ICMPV6_TYPE: u16 = 8;
pub const CTA_PROTO_ICMPV6_CODE: u16 = 9;

// `enum ctattr_protoinfo` and the nests in it.
pub const CTA_PROTOINFO_TCP: u16 = 1;
pub const CTA_PROTOINFO_DCCP: u16 = 2;
pub const CTA_PROTOINFO_SCTP: u16 = 3;

pub const CTA_PROTOINFO_TCP_STATE: u16 = 1;
pub const CTA_PROTOINFO_TCP_WSCALE_ORIGINAL: u16 = 2;
pub const CTA_PROTOINFO_TCP_WSCALE_REPLY: u16 = 3;
pub const CTA_PROTOINFO_TCP_FLAGS_ORIGINAL: u16 = 4;
pub const CTA_PROTOINFO_TCP_FLAGS_REPLY: u16 = 5;

pub const CTA_PROTOINFO_DCCP_STATE: u16 = 1;
pub const CTA_PROTOINFO_DCCP_ROLE: u16 = 2;
pub const CTA_PROTOINFO_DCCP_HANDSHAKE_SEQ: u16 = 3;

pub const CTA_PROTOINFO_SCTP_STATE: u16 = 1;
pub const CTA_PROTOINFO_SCTP_VTAG_ORIGINAL: u16 = 2;
pub const CTA_PROTOINFO_SCTP_VTAG_REPLY: u16 = 3;

// `enum ctattr_counters`. 3 and 4 are the 32-bit counters of kernels before 2.6.28.
pub const CTA_COUNTERS_PACKETS: u16 = 1;
pub const CTA_COUNTERS_BYTES: u16 = 2;

// `enum ctattr_tstamp`.
pub const CTA_TIMESTAMP_START: u16 = 1;
pub const CTA_TIMESTAMP_STOP: u16 = 2;

// `enum ctattr_seqadj`.
pub const CTA_SEQADJ_CORRECTION_POS: u16 = 1;
pub const CTA_SEQADJ_OFFSET_BEFORE: u16 = 2;
pub const CTA_SEQADJ_OFFSET_AFTER: u16 = 3;

// `enum ctattr_synproxy`.
pub const CTA_SYNPROXY_ISN: u16 = 1;
pub const CTA_SYNPROXY_ITS: u16 = 2;
pub const CTA_SYNPROXY_TSOFF: u16 = 3;

// `enum ctattr_nat` and `enum ctattr_protonat`.
pub const CTA_NAT_V4_MINIP: u16 = 1;
pub const CTA_NAT_V4_MAXIP: u16 = 2;
pub const CTA_NAT_PROTO: u16 = 3;
pub const CTA_NAT_V6_MINIP: u16 = 4;
pub const CTA_NAT_V6_MAXIP: u16 = 5;
pub const CTA_PROTONAT_PORT_MIN: u16 = 1;
pub const CTA_PROTONAT_PORT_MAX: u16 = 2;

// `enum ctattr_help` and `enum ctattr_secctx`.
pub const CTA_HELP_NAME: u16 = 1;
pub const CTA_HELP_INFO: u16 = 2;
pub const CTA_SECCTX_NAME: u16 = 1;

// `enum ctattr_expect`: the attributes of an expectation.
pub const CTA_EXPECT_MASTER: u16 = 1;
pub const CTA_EXPECT_TUPLE: u16 = 2;
pub const CTA_EXPECT_MASK: u16 = 3;
pub const CTA_EXPECT_TIMEOUT: u16 = 4;
pub const CTA_EXPECT_ID: u16 = 5;
pub const CTA_EXPECT_HELP_NAME: u16 = 6;
pub const CTA_EXPECT_ZONE: u16 = 7;
pub const CTA_EXPECT_FLAGS: u16 = 8;
pub const CTA_EXPECT_CLASS: u16 = 9;
pub const CTA_EXPECT_NAT: u16 = 10;
pub const CTA_EXPECT_FN: u16 = 11;

// `enum ctattr_expect_nat`.
pub const CTA_EXPECT_NAT_DIR: u16 = 1;
pub const CTA_EXPECT_NAT_TUPLE: u16 = 2;

// `enum ctattr_stats_global`.
pub const CTA_STATS_GLOBAL_ENTRIES: u16 = 1;
pub const CTA_STATS_GLOBAL_MAX_ENTRIES: u16 = 2;

/// The kernel's name of an attribute of an entry, for messages to people.
pub fn attribute_name(kind: u16) -> &'static str {
    const NAMES: [&str; 28] = [
        "CTA_UNSPEC",
        "CTA_TUPLE_ORIG",
        "CTA_TUPLE_REPLY",
        "CTA_STATUS",
        "CTA_PROTOINFO",
        "CTA_HELP",
        "CTA_NAT_SRC",
        "CTA_TIMEOUT",
        "CTA_MARK",
        "CTA_COUNTERS_ORIG",
        "CTA_COUNTERS_REPLY",
        "CTA_USE",
        "CTA_ID",
        "CTA_NAT_DST",
        "CTA_TUPLE_MASTER",
        "CTA_SEQ_ADJ_ORIG",
        "CTA_SEQ_ADJ_REPLY",
        "CTA_SECMARK",
        "CTA_ZONE",
        "CTA_SECCTX",
        "CTA_TIMESTAMP",
        "CTA_MARK_MASK",
        "CTA_LABELS",
        "CTA_LABELS_MASK",
        "CTA_SYNPROXY",
        "CTA_FILTER",
        "CTA_STATUS_MASK",
        "CTA_TIMESTAMP_EVENT",
    ];
    NAMES.get(usize::from(kind)).copied().unwrap_or(UNKNOWN)
}

/// The kernel's name of an attribute of an expectation, for messages to people.
pub fn expectation_attribute_name(kind: u16) -> &'static str {
    const NAMES: [&str; 12] = [
        "CTA_EXPECT_UNSPEC",
        "CTA_EXPECT_MASTER",
        "CTA_EXPECT_TUPLE",
        "CTA_EXPECT_MASK",
        "CTA_EXPECT_TIMEOUT",
        "CTA_EXPECT_ID",
        "CTA_EXPECT_HELP_NAME",
        "CTA_EXPECT_ZONE",
        "CTA_EXPECT_FLAGS",
        "CTA_EXPECT_CLASS",
        "CTA_EXPECT_NAT",
        "CTA_EXPECT_FN",
    ];
    NAMES.get(usize::from(kind)).copied().unwrap_or(UNKNOWN)
}

const UNKNOWN: &str = "an attribute this crate does not know";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stand_at_their_numbers() {
        assert_eq!(attribute_name(CTA_LABELS), "CTA_LABELS");
        assert_eq!(attribute_name(CTA_TIMESTAMP_EVENT), "CTA_TIMESTAMP_EVENT");
        assert!(attribute_name(60).contains("does not know"));
        assert_eq!(expectation_attribute_name(CTA_EXPECT_FN), "CTA_EXPECT_FN");
        assert!(expectation_attribute_name(60).contains("does not know"));
    }
}
