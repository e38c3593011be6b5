//! Every finding, by what there is to do about it: a command that is typed, or none.

/// Every finding that prints a command, and the test of the kernel suite that types it.
pub const TYPED: &[(&str, &str)] = &[
    ("CLOSE_WAIT_BELOW_KUBE_PROXY", "close_wait_below_kube_proxy"),
    ("DNS_TABLE_FULL", "looks_at_what_there_is"),
    ("DOCKER_CHAINS_MISSING", "docker_lost_its_chains"),
    ("DRIFT", "settings_drift"),
    ("ESTABLISHED_BELOW_KEEPALIVE", "timeouts_that_harm"),
    ("FORWARDED_WITHOUT_ANSWER", "looks_at_what_there_is"),
    ("FORWARD_DROPS", "docker_lost_its_chains"),
    ("FULL_BUT_EVICTING", "a_table_that_fills"),
    ("FULL_SOON", "looks_at_what_there_is"),
    ("GENERIC_SHORT", "timeouts_that_harm"),
    ("INTERFACE_FORWARD_OFF", "an_interface_does_not_forward"),
    ("IPV6_FORWARD_LOST_AT_BOOT", "forwarding_is_lost_at_boot"),
    ("IPV6_FORWARD_NOT_PERSISTED", "forwarding_is_not_persisted"),
    ("IPV6_FORWARD_OFF", "forwarding_is_off"),
    ("IP_FORWARD_LOST_AT_BOOT", "forwarding_is_lost_at_boot"),
    ("IP_FORWARD_NOT_PERSISTED", "forwarding_is_not_persisted"),
    ("IP_FORWARD_OFF", "forwarding_is_off"),
    ("LOADER_NEVER_RUNS", "settings_before_their_module"),
    ("LOG_TABLE_FULL", "looks_at_what_there_is"),
    ("MAX_WITHOUT_BUCKETS", "a_limit_without_buckets"),
    ("NAMESPACES_COME_AND_GO", "looks_at_what_there_is"),
    ("NAT_PORTS_EXHAUSTED", "looks_at_what_there_is"),
    ("OVERLAY_TRACKED", "an_overlay_is_tracked"),
    ("SYN_FLOOD", "looks_at_what_there_is"),
    ("SYSCTL_BEFORE_MODULE", "settings_before_their_module"),
    ("TABLE_FILLING", "a_table_that_fills"),
    ("TABLE_FULL", "a_table_that_fills"),
    ("TABLE_NEARLY_FULL", "a_table_that_fills"),
    ("TIME_WAIT_LONG", "timeouts_that_harm"),
    ("TIME_WAIT_SHORT", "timeouts_that_harm"),
    ("TUNNEL_UNANSWERED", "tunnels_without_an_answer"),
    ("UDP_LONG", "timeouts_that_harm"),
    ("UDP_SHORT", "timeouts_that_harm"),
    ("UDP_STREAM_SHORT", "timeouts_that_harm"),
    ("UNORDERED_LOADER", "settings_before_their_module"),
];

/// Findings that print no command: what there is to do is a decision, or nothing.
pub const NO_COMMAND: &[&str] = &[
    "CHAIN_TOO_LONG",
    "DNS_RACE",
    "DROP",
    "EARLY_DROP",
    "HASHSIZE_SETS_MAX",
    "INSERT_FAILED",
    "IN_USE_BY",
    "MALFORMED_LINE",
    "NEARLY_EMPTY",
    "NOT_A_NUMBER",
    "NOT_READ_AT_BOOT",
    "OVERLAY_TRACKED_BEFORE",
    "PATTERN_UNRESOLVED",
    "RAISED",
    "SET_BY_SCRIPT",
    "TAKEN_BACK",
    "UNREADABLE",
    "VALUE_REFUSED",
    "VALUE_UNCERTAIN",
    "VMALLOC_OF_ANOTHER_KERNEL",
];

/// Words in capitals in the files that make findings, but that are not names of findings.
#[allow(dead_code)] // For the one who reads the sources.
pub const OTHER_WORDS: &[&str] = &["DOCKER", "VXLAN"];
