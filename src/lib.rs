//! The Linux connection-tracking table from Rust: dump, count and group millions of entries, over
//! netlink and in constant memory.
//!
//! ```no_run
//! use ctnetlink::{Query, Reader, field::Field};
//!
//! fn main() -> ctnetlink::Result<()> {
//!     let mut table = Reader::open()?;
//!     let limits = table.limits()?;
//!     println!("{} entries of at most {:?}", limits.entries, limits.max);
//!
//!     let scan = table.scan(&Query::new().group_by([Field::Source]).top(10))?;
//!     for row in scan.report.rows() {
//!         println!("{:>8} {row}", row.flows);
//!     }
//!     Ok(())
//! }
//! ```
//!
//! # The map
//!
//! ```text
//! kernel ------.
//!              v
//! wire --> flow --> field --> filter --> aggregate   pure: bytes in, values out, on any system
//!   |        |                   |
//!   '--> socket ----------> table (Conntrack)        Linux: the only half that talks to a kernel
//!                                |
//!                testing    files    operate         built on it, each behind a feature
//! ```
//!
//! - [`wire`]: netlink messages and attributes, read in place.
//! - [`flow`]: what an entry means; [`FlowRef`](flow::FlowRef) looks, [`Flow`](flow::Flow) keeps.
//! - [`field`]: the table of fields, which entries are filtered and grouped by.
//! - [`kernel`]: what kernels can do, and what they do wrong.
//! - [`filter`]: which entries are meant, typed or as text.
//! - [`aggregate`]: what to group by, and the groups.
//! - [`origin`]: where and when a table was looked at.
//! - [`escape`]: text that others wrote, escaped to be shown.
//! - [`Conntrack`]: the table of a network namespace; [`Reader`]: the half of it that cannot write.
//! - [`testing`]: a table of your own to try things on, without root (feature `testing`).
//! - [`files`]: tables kept and exchanged (feature `files`): [captures](files::capture) that Wireshark opens, the
//!   [lines](files::text) of `conntrack`, [rows](files::rows) for JSON and CSV, [Parquet](files::parquet), and
//!   [snapshots](files::snapshot) of any of these forms.
//! - [`operate`]: operations (feature `operate`): [settings](operate::tune), how they [last](operate::persist), and
//!   what is [wrong](operate::diagnose) on a machine.
//!
//! # Which call do I want?
//!
//! | you want | call |
//! |---|---|
//! | the table of a container | [`Reader::open_in`] |
//! | the network namespaces of a host, to open each | [`operate::diagnose::namespaces()`] |
//! | how full the table is, at no cost | [`Reader::limits`] |
//! | what it lost, and why | [`Reader::stats`] |
//! | who fills it | [`Reader::scan`] |
//! | many answers from one dump | [`Reader::scan`] with several queries |
//! | the same in less time, on more processors | [`Reader::scan_with`] [threads](ScanOptions::threads) |
//! | who fills it, about, at a bounded cost | [`Reader::scan_with`] a [sample](ScanOptions::sample) |
//! | a scan that must not cost more than so much | [`Reader::scan_with`] a [`Budget`]; [`DutyCycle`] for agents |
//! | who opens flows right now, and how fast | [`Reader::rates`] |
//! | what is wrong here, and what to do | [`operate::diagnose`](mod@operate::diagnose) |
//! | a setting, and what it does | [`operate::tune::Settings`] |
//! | how large the table should be | [`operate::tune::sizing::advise`] |
//! | settings that outlive a boot | [`operate::persist`] |
//! | how long entries stay | [`Reader::default_timeouts`] |
//! | one entry you know | [`Reader::get`] |
//! | what a flow was before NAT | [`Reader::get_translated`] |
//! | to look at every entry as it streams past | [`Reader::dump`], [`Dump::next_batch`] |
//! | some entries to keep | [`Reader::dump`], [`Dump::flows`] |
//! | an entry more, or one put back | [`Conntrack::create`] |
//! | an entry changed: its timeout, mark, labels, state | [`Conntrack::update`] |
//! | delete one entry | [`Conntrack::delete`] |
//! | delete what a filter matches, with a preview | [`Conntrack::delete_plan`] |
//! | all gone | [`Conntrack::flush`] |
//! | flows that helpers have announced | [`Reader::expectations`] |
//! | the table in a file, and to group it elsewhere | [`Reader::record`], [`files::snapshot::Snapshot`] |
//! | to group what `conntrack -L` has printed | [`files::text::Lines`] |
//! | what two such files differ in | [`files::snapshot::Difference`] |
//! | a file to show to others | [`files::snapshot::Redactor`] (feature `redact`) |
//! | many machines in one query | [`files::rows::Rollup`], [`files::parquet::Writer`] (feature `parquet`) |
//! | to group entries from elsewhere | [`Aggregator`](aggregate::Aggregator) |
//!
//! # What is there and what is not
//!
//! Absent is `None`, zero is zero: a table without accounting has no counters rather than zeroes,
//! a flow in a flow table has no timeout. What this crate does not know (attributes, states,
//! protocols, status bits of later kernels) is kept with its number.
//!
//! A dump is not atomic. A [`Scan`] says how full the table was before and after, and whether
//! everything the kernel sent is in it.
//!
//! # Privileges
//!
//! Every request, reading included, needs `CAP_NET_ADMIN` in the user namespace that owns the
//! network namespace, and needs it at the time of the request: opening the table as root and
//! dropping privileges afterwards does not work. Nothing in this crate changes a setting of the
//! system, and only the methods of [`Conntrack`] itself change the table; [`Reader`] has none.
//!
//! # Kernels
//!
//! Linux 4.18 and later; earlier ones should do, but do not say what the table's limit is. Tested
//! on 5.10, 6.1, 6.12, 6.18 and 7.2. The table must be compiled in or loaded
//! (`nf_conntrack_netlink`); the kernel loads it by itself where it may.
//!
//! # Cost
//!
//! A dump is the kernel's work: 1 to 2.5 µs per entry, in the thread that reads it. Grouping adds
//! 4 to 7 % to that, and memory for the groups only. `docs/figures.md` has the figures.
//!
//! # Features
//!
//! On by default, since the examples take them; `default-features = false` leaves them out:
//!
//! - `files`: the module [`files`], tables kept and exchanged.
//! - `operate`: the module [`operate`], settings and diagnosis.
//! - `json`: reading entries written as JSON, one a line; with it, `serde` and `files`.
//! - `testing`: the module [`testing`], a private namespace and synthetic entries.
//!
//! Off by default:
//!
//! - `serde`: results serialize; [`Scan`] and its like to the documents that the examples print with
//!   `--json`.
//! - `zstd`: reading compressed captures and text, and Parquet compressed by zstd. The only feature that
//!   needs a C compiler.
//! - `parquet`: the module [`files::parquet`], tables in columns; compressed by Snappy, unless `zstd` is on.
//! - `redact`: other addresses in place of the true ones.
//!
//! On systems other than Linux the crate is its pure half: decoding and grouping work, and
//! [`Conntrack`] and its company do not exist.

#![warn(missing_docs, unreachable_pub)]
// docs.rs shows at each item which feature or system has it.
#![cfg_attr(docsrs, feature(doc_cfg), doc(auto_cfg(hide(ctnetlink_pure))))]
// What a feature or Linux brings is linked, too. Documentation is checked, and made by docs.rs, with all of them.
#![cfg_attr(
    not(all(
        feature = "operate",
        feature = "parquet",
        feature = "redact",
        feature = "testing",
        target_os = "linux",
        not(ctnetlink_pure)
    )),
    allow(rustdoc::broken_intra_doc_links)
)]
#![cfg_attr(
    not(test),
    warn(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)
)]

pub mod aggregate;
mod error;
pub mod escape;
pub mod field;
pub mod filter;
pub mod flow;
pub mod kernel;
#[cfg(feature = "operate")]
pub mod operate;
pub mod origin;
#[cfg(any(feature = "files", feature = "operate"))]
#[doc(hidden)]
pub mod replace;
pub mod wire;

#[cfg(all(target_os = "linux", not(ctnetlink_pure)))]
mod socket;
#[cfg(all(target_os = "linux", not(ctnetlink_pure)))]
mod table;
#[cfg(feature = "testing")]
pub mod testing;

// Behind `table`, so that its calls come first on the pages of `Reader` and `Conntrack`.
#[cfg(feature = "files")]
pub mod files;

pub use aggregate::Query;
pub use error::{Error, ErrorKind, Result};
pub use filter::Filter;
#[cfg(all(target_os = "linux", not(ctnetlink_pure)))]
pub use socket::Namespace;
#[cfg(all(target_os = "linux", not(ctnetlink_pure)))]
pub use table::{
    Batch, Budget, Conntrack, DeletePlan, DeleteReport, DeleteStep, DeleteTarget, Deleted, Dump,
    DumpEnd, DumpOptions, DutyCycle, Flows, Limit, Limits, List, Progress, Queries, Rates,
    RatesBaseline, Reader, Sample, Scan, ScanOptions, Summary, Updated,
};

/// The README's code is a test, too.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
