//! What a table of rows has: columns with names and types, and what stands in them.
// Types, order and the way back are for formats that have them.
#![cfg_attr(not(feature = "parquet"), allow(dead_code))]

use std::borrow::Cow;
use std::net::IpAddr;

use super::Labels;
use crate::origin::Moment;

/// What stands in a column of a row.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Scalar<'r> {
    Nothing,
    Bool(bool),
    Number(u64),
    Text(Cow<'r, str>),
    Address(IpAddr),
    Labels(Cow<'r, Labels>),
    Moment(Moment),
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
    Moment,
}

/// A column.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Column {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    /// Whether it may be missing.
    pub(crate) optional: bool,
}

/// The type of a field, and how it goes into a column and comes out of it.
pub(crate) trait Cell: Sized {
    const KIND: Kind;
    const OPTIONAL: bool = false;

    fn scalar(&self) -> Scalar<'_>;

    /// `None` if it is not of this type.
    fn from_scalar(scalar: Scalar<'_>) -> Option<Self>;
}

macro_rules! numbers {
    ($($type:ty)*) => {
        $(impl Cell for $type {
            const KIND: Kind = Kind::Number(<$type>::BITS as u8);

            fn scalar(&self) -> Scalar<'_> {
                Scalar::Number((*self).into())
            }

            fn from_scalar(scalar: Scalar<'_>) -> Option<Self> {
                if let Scalar::Number(number) = scalar { number.try_into().ok() } else { None }
            }
        })*
    };
}

numbers! { u8 u16 u32 u64 }

macro_rules! values {
    ($($type:ty, $kind:ident: |$value:ident| $to:expr, |$given:ident| $from:expr;)*) => {
        $(impl Cell for $type {
            const KIND: Kind = Kind::$kind;

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

values! {
    bool, Bool: |value| *value, |given| Some(given);
    IpAddr, Address: |value| *value, |given| Some(given);
    Moment, Moment: |value| *value, |given| Some(given);
    Labels, Labels: |value| Cow::Borrowed(value), |given| Some(given.into_owned());
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

/// A row of a table: a [`Record`](super::Record), a [`Rollup`](super::Rollup) or a
/// [`Level`](super::Level), and nothing else.
#[allow(private_bounds)] // So that it is nothing else.
pub trait Row: Cells {}

impl<T: Cells> Row for T {}

/// What stands in a row.
pub(crate) trait Cells: Sized {
    /// The columns.
    const SCHEMA: &[Column];
    /// Which of them rows are sorted by, before all others.
    const SORTED: usize;

    /// By what rows are sorted, as their columns are compared as text.
    fn sort_key(&self) -> (String, String, u32);

    fn scalars(&self) -> impl Iterator<Item = Scalar<'_>>;

    /// A row of what `next` gives for one column after the other; `None` if that does not fit it.
    fn from_scalars<'s>(next: impl FnMut() -> Scalar<'s>) -> Option<Self>;
}

/// A struct whose fields are the columns of a table.
///
/// `by` is what rows are sorted by: a column of text, a second one, and a number.
macro_rules! row {
    (by $sorted:ident, |$self:ident| $key:expr; $(#[$meta:meta])* $row:ident { $($(#[$doc:meta])* $name:ident: $type:ty,)* }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        #[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
        #[non_exhaustive]
        pub struct $row {
            $($(#[$doc])* pub $name: $type,)*
        }

        impl $row {
            /// The names of the columns, in order.
            pub const COLUMNS: &[&str] = &[$(stringify!($name)),*];

            /// The values in the order of [`COLUMNS`](Self::COLUMNS), with commas between: a line of
            /// CSV, without its end.
            pub fn csv(&self) -> $crate::files::rows::CsvRow<'_> {
                $crate::files::rows::CsvRow::of(self)
            }
        }

        /// The numbers of the columns.
        #[allow(non_camel_case_types, dead_code)]
        enum Columns {
            $($name),*
        }

        impl $crate::files::rows::schema::Cells for $row {
            const SCHEMA: &[$crate::files::rows::schema::Column] = &[
                $($crate::files::rows::schema::Column {
                    name: stringify!($name),
                    kind: <$type as $crate::files::rows::schema::Cell>::KIND,
                    optional: <$type as $crate::files::rows::schema::Cell>::OPTIONAL,
                }),*
            ];
            const SORTED: usize = Columns::$sorted as usize;

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
