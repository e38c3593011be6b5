//! Tables of rows: their columns, what stands in them, and a row as a line of CSV.
// Types, order and reading are for Parquet.
#![cfg_attr(not(feature = "parquet"), allow(dead_code))]

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;

use crate::escape::Escaped;
use crate::flow::Labels;
use crate::origin::Timestamp;

/// What stands in one column of one row.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Scalar<'r> {
    Nothing,
    Bool(bool),
    Number(u64),
    Text(Cow<'r, str>),
    Address(IpAddr),
    Labels(Labels),
    Timestamp(Timestamp),
}

/// The type of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Bool,
    /// An unsigned number of so many bits.
    Number(u8),
    Text,
    Address,
    Labels,
    Timestamp,
}

/// A column.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Column {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    /// Whether it may be missing.
    pub(crate) optional: bool,
    /// Whether nearly every row has another value, so that a dictionary would only make the file larger.
    pub(crate) distinct: bool,
}

/// Marks a [distinct](Column::distinct) column in [`row!`].
pub(crate) const DISTINCT: bool = true;

/// The type of a field, and how it goes into a column and comes out of it.
pub(crate) trait Cell: Sized {
    const KIND: Kind;
    const OPTIONAL: bool = false;

    fn scalar(&self) -> Scalar<'_>;

    /// `None` if it is not of this type.
    fn from_scalar(scalar: Scalar<'_>) -> Option<Self>;
}

macro_rules! cells {
    ($($type:ty, $kind:ident $(($bits:literal))?: |$value:ident| $to:expr, |$given:ident| $from:expr;)*) => {
        $(impl Cell for $type {
            const KIND: Kind = Kind::$kind $(($bits))?;

            fn scalar(&self) -> Scalar<'_> {
                let $value = self;
                Scalar::$kind($to)
            }

            fn from_scalar(scalar: Scalar<'_>) -> Option<Self> {
                if let Scalar::$kind($given) = scalar { $from } else { None }
            }
        })*
    };
}

cells! {
    bool, Bool: |value| *value, |given| Some(given);
    u8, Number(8): |value| u64::from(*value), |given| given.try_into().ok();
    u16, Number(16): |value| u64::from(*value), |given| given.try_into().ok();
    u32, Number(32): |value| u64::from(*value), |given| given.try_into().ok();
    u64, Number(64): |value| *value, |given| Some(given);
    IpAddr, Address: |value| *value, |given| Some(given);
    Timestamp, Timestamp: |value| *value, |given| Some(given);
    Labels, Labels: |value| *value, |given| Some(given);
    String, Text: |value| Cow::Borrowed(&**value), |given| Some(given.into_owned());
    Cow<'static, str>, Text: |value| Cow::Borrowed(&**value), |given| Some(Cow::Owned(given.into_owned()));
}

impl<T: Cell> Cell for Option<T> {
    const KIND: Kind = T::KIND;
    const OPTIONAL: bool = true;

    fn scalar(&self) -> Scalar<'_> {
        self.as_ref().map_or(Scalar::Nothing, T::scalar)
    }

    fn from_scalar(scalar: Scalar<'_>) -> Option<Self> {
        if scalar == Scalar::Nothing { Some(None) } else { T::from_scalar(scalar).map(Some) }
    }
}

/// The labels of these numbers; there are none above 127.
pub(crate) fn labels_of(numbers: impl IntoIterator<Item = u8>) -> Labels {
    let mut labels = Labels::default();
    numbers.into_iter().for_each(|number| _ = labels.insert(number));
    labels
}

/// Labels in JSON: the list of their numbers.
#[cfg(feature = "serde")]
pub(crate) mod labels {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use crate::flow::Labels;

    pub(crate) fn serialize<S: Serializer>(
        labels: &Option<Labels>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        labels.map(|labels| labels.iter().collect::<Vec<_>>()).serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Labels>, D::Error> {
        Ok(Option::<Vec<u8>>::deserialize(deserializer)?.map(super::labels_of))
    }
}

/// A row as a line of CSV (RFC 4180), without the end of the line. What is missing is empty.
///
/// Text is shown as [`Escaped`] shows it, so that a row is one line. Spreadsheets take a cell that begins with `=`,
/// `+`, `-` or `@` for a formula: such text gets a `'` before it. Numbers and times are not changed. The original
/// text cannot be recovered from a row; JSON and Parquet keep it.
#[derive(Debug, Clone)]
pub struct CsvRow<'r> {
    pub(crate) cells: Vec<Scalar<'r>>,
}

impl fmt::Display for CsvRow<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut comma = "";
        for cell in &self.cells {
            f.write_str(comma)?;
            comma = ",";
            match cell {
                Scalar::Nothing => {}
                Scalar::Bool(value) => write!(f, "{value}")?,
                Scalar::Number(value) => write!(f, "{value}")?,
                Scalar::Address(value) => write!(f, "{value}")?,
                Scalar::Timestamp(value) => write!(f, "{value}")?,
                Scalar::Text(text) => {
                    let quoted = if text.contains([',', '"']) { "\"" } else { "" };
                    let formula = if text.starts_with(['=', '+', '-', '@']) { "'" } else { "" };
                    write!(f, "{quoted}{formula}{}{quoted}", Escaped(text.replace('"', "\"\"")))?;
                }
                Scalar::Labels(labels) => {
                    let mut blank = "";
                    for label in labels.iter() {
                        write!(f, "{blank}{label}")?;
                        blank = " ";
                    }
                }
            }
        }
        Ok(())
    }
}

/// A row of a table: a [`Record`](super::Record), a [`Rollup`](super::Rollup) or a
/// [`TableStatus`](super::TableStatus), and nothing else.
#[allow(private_bounds)] // So that it is nothing else.
pub trait Row: Cells {}

impl<T: Cells> Row for T {}

/// What stands in a row.
pub(crate) trait Cells: Sized {
    /// The columns.
    const SCHEMA: &[Column];
    /// The name of the column that rows are sorted by first.
    const SORTED: &str;

    /// The key that rows are sorted by. Columns are compared as text.
    fn sort_key(&self) -> (String, String, u32);

    fn scalars(&self) -> impl Iterator<Item = Scalar<'_>>;

    /// A row of what `next` gives, one column after the other; `None` if something does not fit its column.
    fn from_scalars<'s>(next: impl FnMut() -> Scalar<'s>) -> Option<Self>;
}

/// A table: a struct whose fields are the columns. Every table begins with where and when its rows were seen.
///
/// `by` is the key that rows are sorted by: the first column, a second one as text, and a number. `= DISTINCT` marks a
/// column in which nearly every row has another value.
macro_rules! row {
    (by $sorted:ident, |$self:ident| $key:expr; $(#[$meta:meta])* $row:ident { $($columns:tt)* }) => {
        $crate::files::rows::schema::row! {
            @all by $sorted, |$self| $key;
            $(#[$meta])*
            $row {
                /// When the table was read.
                observed_at: Option<$crate::origin::Timestamp>,
                /// The host name of the machine.
                node: Option<String>,
                /// The inode of the network namespace.
                netns_inode: Option<u32>,
                $($columns)*
            }
        }
    };
    (
        @all by $sorted:ident, |$self:ident| $key:expr;
        $(#[$meta:meta])*
        $row:ident { $($(#[$attribute:meta])* $name:ident: $type:ty $(= $distinct:ident)?,)* }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        #[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
        #[non_exhaustive]
        pub struct $row {
            $($(#[$attribute])* pub $name: $type,)*
        }

        impl $row {
            /// The names of the columns, in order.
            pub const COLUMNS: &[&str] = &[$(stringify!($name)),*];

            /// The values in the order of [`COLUMNS`](Self::COLUMNS), as a line of CSV without its end.
            pub fn csv(&self) -> $crate::files::rows::CsvRow<'_> {
                let cells = $crate::files::rows::schema::Cells::scalars(self).collect();
                $crate::files::rows::CsvRow { cells }
            }

            /// The row, with where and when it was seen.
            #[must_use]
            pub fn observed(mut self, origin: &$crate::origin::Origin) -> Self {
                self.observed_at = origin.time;
                self.node.clone_from(&origin.node);
                self.netns_inode = origin.netns_inode;
                self
            }

            /// Where and when it was seen.
            pub fn origin(&self) -> $crate::origin::Origin {
                $crate::origin::Origin {
                    time: self.observed_at,
                    node: self.node.clone(),
                    netns_inode: self.netns_inode,
                    kernel: None,
                }
            }
        }

        impl $crate::files::rows::schema::Cells for $row {
            const SCHEMA: &[$crate::files::rows::schema::Column] = &[
                $($crate::files::rows::schema::Column {
                    name: stringify!($name),
                    kind: <$type as $crate::files::rows::schema::Cell>::KIND,
                    optional: <$type as $crate::files::rows::schema::Cell>::OPTIONAL,
                    distinct: false $(|| $distinct)?,
                }),*
            ];
            const SORTED: &str = stringify!($sorted);

            fn sort_key(&self) -> (String, String, u32) {
                let $self = self;
                $key
            }

            fn scalars(&self) -> impl Iterator<Item = $crate::files::rows::schema::Scalar<'_>> {
                [$($crate::files::rows::schema::Cell::scalar(&self.$name)),*].into_iter()
            }

            fn from_scalars<'s>(
                mut next: impl FnMut() -> $crate::files::rows::schema::Scalar<'s>,
            ) -> Option<Self> {
                Some(Self { $($name: $crate::files::rows::schema::Cell::from_scalar(next())?,)* })
            }
        }
    };
}
pub(crate) use row;
