//! An entry in either form.

use super::{Flow, FlowRef};

/// An entry in either form: a [`FlowRef`] or a [`Flow`].
///
/// A `Flow` is looked at as the attributes it would be sent as, which takes an allocation.
pub trait Entry: sealed::Look {}

impl Entry for FlowRef<'_> {}
impl Entry for Flow {}

pub(crate) mod sealed {
    use super::*;

    pub trait Look {
        /// `None` for a `Flow` that no kernel could send, such as one with addresses of both families in a tuple.
        fn look<T>(&self, at: impl FnOnce(&FlowRef<'_>) -> T) -> Option<T>;
    }

    impl Look for FlowRef<'_> {
        #[inline]
        fn look<T>(&self, at: impl FnOnce(&FlowRef<'_>) -> T) -> Option<T> {
            Some(at(self))
        }
    }

    impl Look for Flow {
        fn look<T>(&self, at: impl FnOnce(&FlowRef<'_>) -> T) -> Option<T> {
            FlowRef::parse(&self.to_bytes()).ok().as_ref().map(at)
        }
    }
}
