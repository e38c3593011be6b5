//! Which entries are meant: one expression over every field of an entry.
//!
//! A [`Filter`] is made by its functions and joined by `&`, `|` and `!`, or read from text:
//!
//! ```
//! use ctnetlink::field::Network;
//! use ctnetlink::filter::Filter;
//! use ctnetlink::flow::{Protocol, State};
//!
//! let typed = Filter::protocol(Protocol::TCP)
//!     & Filter::state(State::TIME_WAIT)
//!     & Filter::source("10.0.0.0/8".parse::<Network>()?)
//!     & Filter::destination_port([80, 8080])
//!     & !Filter::assured();
//! let text = "proto=tcp state=TIME_WAIT src=10.0.0.0/8 dport=80,8080 !assured";
//! assert_eq!(text.parse::<Filter>()?, typed);
//! assert_eq!(typed.to_string(), text);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! What an entry does not say is neither true nor false. Where accounting is off, `bytes>1000` and
//! its opposite hold for no entry at all: both are *undecided*, and so is what is made from them,
//! unless the rest decides it. Only entries a filter is true of are kept, or deleted. A port of a
//! protocol that has none is another matter: that an ICMP entry is not to port 80 is known, so
//! `dport!=80` is true of it, as it is of a TCP entry to port 81.
//!
//! A text that no entry can match is refused as a mistake, whatever the order of its words: `proto=icmp dport=80`. A
//! text that some entry can match is not refused, and neither is one that says `!()`, which matches nothing. A printed
//! filter reads back as the same filter. So a filter that was made by functions, and whose conditions exclude each
//! other, prints as `(proto=icmp dport=80) or !()`.
//!
//! [`Filter::plan`] says which part of a filter a kernel can apply, and why not the rest. That is
//! an optimisation and not an answer: whatever the kernel returns is judged again here.
//!
//! This folder judges and plans. It must not do I/O.

mod build;
mod check;
mod condition;
mod error;
mod explain;
mod kernel_filter;
mod parse;
#[cfg(all(target_os = "linux", not(ctnetlink_pure)))]
mod partition;
mod plan;
mod possible;
mod quoted;
mod text;
mod values;
mod words;

pub use error::ParseFilterError;
pub use kernel_filter::KernelFilter;
#[cfg(all(target_os = "linux", not(ctnetlink_pure)))]
pub(crate) use partition::{Traits, partition};
pub use plan::{Placement, Plan, Reason};

use std::ops::{BitAnd, BitOr, Not};
use std::time::SystemTime;

use self::condition::Condition;
use crate::field::Field;
use crate::flow::{Entry, FlowRef, Needs};

/// Which entries are meant. The default is all of them.
///
/// See the [module](self) for how to make one, and [`Filter::words`] for the text form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter(pub(crate) Expression);

/// Joined so that equal filters are equal values: no `All` directly in an `All`, no `Any` in an
/// `Any`, none of them around a single one, no double `Not`, and everything (an empty `All`) and nothing
/// (its opposite) never in another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Expression {
    All(Vec<Expression>),
    Any(Vec<Expression>),
    Not(Box<Expression>),
    Is(Condition),
}

impl Default for Filter {
    fn default() -> Self {
        Self::new()
    }
}

impl Filter {
    /// Every entry.
    pub const fn new() -> Self {
        Self(Expression::All(Vec::new()))
    }

    /// How deep filters may be nested: in parentheses, and in `!` before them. One condition is 1 deep, and conditions
    /// side by side are 2.
    ///
    /// A text that goes deeper is refused.
    pub const DEPTH: usize = 500;

    /// Entries that all of the filters are true of; without any filter, every entry.
    ///
    /// # Panics
    ///
    /// If filters would be nested more than [`DEPTH`](Self::DEPTH) deep; so do [`any`](Self::any), `&`, `|` and `!`.
    pub fn all(filters: impl IntoIterator<Item = Self>) -> Self {
        Self::of(Expression::all(filters.into_iter().map(|Self(filter)| filter)))
    }

    /// Entries that any of the filters is true of; without any filter, none.
    ///
    /// # Panics
    ///
    /// As [`all`](Self::all).
    pub fn any(filters: impl IntoIterator<Item = Self>) -> Self {
        Self::of(Expression::any(filters.into_iter().map(|Self(filter)| filter)))
    }

    fn of(expression: Expression) -> Self {
        let most = Self::DEPTH;
        assert!(expression.depth() <= most, "a filter is more than {most} others deep");
        Self(expression)
    }

    /// Whether it is true of every entry there can be, as far as that shows without looking at
    /// any: it has no condition, or only such as `src=0.0.0.0/0,::/0`.
    pub fn is_everything(&self) -> bool {
        self.0.constant() == Some(true)
    }

    /// Whether it is true of an entry, false, or (`None`) undecided, since the entry lacks what a
    /// condition is about: counters, a timeout, a time of birth, a mark. `now` is what ages are
    /// reckoned to.
    ///
    /// # Cost
    ///
    /// A few nanoseconds per condition; of a [`Flow`](crate::flow::Flow) an allocation, too.
    pub fn judge(&self, entry: &impl Entry, now: SystemTime) -> Option<bool> {
        entry.look(|entry| self.0.judge(entry, now)).flatten()
    }

    /// The attributes that its conditions are about.
    pub(crate) fn needs(&self) -> Needs {
        let needs = self.fields().into_iter().map(|field| field.spec().needs);
        needs.fold(Needs::NOTHING, Needs::and)
    }

    /// The fields that its conditions are about, each once, in their order.
    ///
    /// ```
    /// use ctnetlink::{Filter, field::Field};
    /// let filter: Filter = "proto=tcp (bytes>1M or proto=47)".parse()?;
    /// assert_eq!(filter.fields(), [Field::Protocol, Field::Bytes]);
    /// # Ok::<(), ctnetlink::filter::ParseFilterError>(())
    /// ```
    pub fn fields(&self) -> Vec<Field> {
        let mut fields = Vec::new();
        self.0.collect_fields(&mut fields);
        fields.sort_unstable();
        fields.dedup();
        fields
    }

    /// Whether it is true of an entry, at this moment.
    pub fn matches(&self, entry: &impl Entry) -> bool {
        self.judge(entry, SystemTime::now()) == Some(true)
    }
}

impl Expression {
    /// What no entry is.
    fn nothing() -> Self {
        Self::Not(Box::new(Self::All(Vec::new())))
    }

    fn is_everything(&self) -> bool {
        matches!(self, Self::All(parts) if parts.is_empty())
    }

    fn is_nothing(&self) -> bool {
        matches!(self, Self::Not(inner) if inner.is_everything())
    }

    fn all(all: impl IntoIterator<Item = Self>) -> Self {
        let mut parts = Vec::new();
        for part in all {
            match part {
                Self::All(inner) if parts.is_empty() => parts = inner,
                Self::All(inner) => parts.extend(inner),
                nothing if nothing.is_nothing() => return nothing,
                other => parts.push(other),
            }
        }
        match <[_; 1]>::try_from(parts) {
            Ok([only]) => only,
            Err(parts) => Self::All(parts),
        }
    }

    fn any(any: impl IntoIterator<Item = Self>) -> Self {
        let mut parts = Vec::new();
        for part in any {
            match part {
                Self::Any(inner) if parts.is_empty() => parts = inner,
                Self::Any(inner) => parts.extend(inner),
                everything if everything.is_everything() => return everything,
                nothing if nothing.is_nothing() => {}
                other => parts.push(other),
            }
        }
        match <[_; 1]>::try_from(parts) {
            Ok([only]) => only,
            Err(parts) if parts.is_empty() => Self::nothing(),
            Err(parts) => Self::Any(parts),
        }
    }

    fn not(self) -> Self {
        match self {
            Self::Not(inner) => *inner,
            other => Self::Not(Box::new(other)),
        }
    }

    /// How many of them are in each other.
    fn depth(&self) -> usize {
        1 + match self {
            Self::All(parts) | Self::Any(parts) => {
                parts.iter().map(Self::depth).max().unwrap_or_default()
            }
            Self::Not(inner) => inner.depth(),
            Self::Is(_) => 0,
        }
    }

    /// Kleene's logic: what is false, or true, whatever the undecided parts would turn out to be,
    /// is decided.
    fn judge(&self, entry: &FlowRef<'_>, now: SystemTime) -> Option<bool> {
        match self {
            Self::All(parts) => {
                let mut all = Some(true);
                for part in parts {
                    match part.judge(entry, now) {
                        Some(true) => {}
                        Some(false) => return Some(false),
                        None => all = None,
                    }
                }
                all
            }
            Self::Any(parts) => {
                let mut any = Some(false);
                for part in parts {
                    match part.judge(entry, now) {
                        Some(false) => {}
                        Some(true) => return Some(true),
                        None => any = None,
                    }
                }
                any
            }
            Self::Not(inner) => inner.judge(entry, now).map(|truth| !truth),
            Self::Is(condition) => condition.judge(entry, now),
        }
    }

    fn collect_fields(&self, fields: &mut Vec<Field>) {
        match self {
            Self::All(parts) | Self::Any(parts) => {
                parts.iter().for_each(|part| part.collect_fields(fields));
            }
            Self::Not(inner) => inner.collect_fields(fields),
            Self::Is(condition) => fields.push(condition.field),
        }
    }

    /// Whether it is true, or false, of every entry.
    fn constant(&self) -> Option<bool> {
        let all_of = |parts: &[Self], truth| {
            let mut all = Some(truth);
            for part in parts {
                match part.constant() {
                    Some(constant) if constant == truth => {}
                    Some(constant) => return Some(constant),
                    None => all = None,
                }
            }
            all
        };
        match self {
            Self::All(parts) => all_of(parts, true),
            Self::Any(parts) => all_of(parts, false),
            Self::Not(inner) => inner.constant().map(|truth| !truth),
            Self::Is(condition) => condition.is_always().then_some(true),
        }
    }
}

/// Entries both are true of.
impl BitAnd for Filter {
    type Output = Self;

    fn bitand(self, other: Self) -> Self {
        Self::all([self, other])
    }
}

/// Entries either is true of.
impl BitOr for Filter {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self::any([self, other])
    }
}

/// Entries it is false of.
impl Not for Filter {
    type Output = Self;

    fn not(self) -> Self {
        Self::of(Expression::not(self.0))
    }
}
