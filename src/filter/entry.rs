//! What a filter looks at: an entry in either form.

use std::borrow::Cow;
use std::time::{Duration, SystemTime};

use crate::flow::{
    Counters, Direction, Flow, FlowId, FlowRef, Labels, State, Status, Translation, Tuple,
};

/// An entry that a [`Filter`](super::Filter) can judge: a [`FlowRef`] or a [`Flow`].
pub trait Entry: sealed::Parts {}

impl Entry for FlowRef<'_> {}
impl Entry for Flow {}

/// Closed, so that a filter may learn to look at more.
pub(crate) mod sealed {
    use super::*;

    pub trait Parts {
        fn tuple(&self, direction: Direction) -> &Tuple;
        fn state(&self) -> State;
        fn status(&self) -> Status;
        fn timeout(&self) -> Option<Duration>;
        fn mark(&self) -> Option<u32>;
        fn zone(&self) -> Option<u16>;
        fn id(&self) -> Option<FlowId>;
        fn counters(&self, direction: Direction) -> Option<Counters>;
        fn start(&self) -> Option<SystemTime>;
        fn labels(&self) -> Option<Labels>;
        fn helper(&self) -> Option<Cow<'_, str>>;

        fn source_nat(&self) -> Option<Translation> {
            Translation::of_source(self.tuple(Direction::Original), self.tuple(Direction::Reply))
        }

        fn destination_nat(&self) -> Option<Translation> {
            Translation::of_destination(
                self.tuple(Direction::Original),
                self.tuple(Direction::Reply),
            )
        }
    }

    impl Parts for FlowRef<'_> {
        fn tuple(&self, direction: Direction) -> &Tuple {
            self.tuple(direction)
        }
        fn state(&self) -> State {
            self.state()
        }
        fn status(&self) -> Status {
            self.status()
        }
        fn timeout(&self) -> Option<Duration> {
            self.timeout()
        }
        fn mark(&self) -> Option<u32> {
            self.mark()
        }
        fn zone(&self) -> Option<u16> {
            self.zone()
        }
        fn id(&self) -> Option<FlowId> {
            self.id()
        }
        fn counters(&self, direction: Direction) -> Option<Counters> {
            self.counters(direction)
        }
        fn start(&self) -> Option<SystemTime> {
            self.timestamps().map(|timestamps| timestamps.start)
        }
        fn labels(&self) -> Option<Labels> {
            self.labels()
        }
        fn helper(&self) -> Option<Cow<'_, str>> {
            self.helper().map(|helper| helper.name)
        }
    }

    impl Parts for Flow {
        fn tuple(&self, direction: Direction) -> &Tuple {
            match direction {
                Direction::Original => &self.original,
                Direction::Reply => &self.reply,
            }
        }
        fn state(&self) -> State {
            self.state()
        }
        fn status(&self) -> Status {
            self.status
        }
        fn timeout(&self) -> Option<Duration> {
            self.timeout
        }
        fn mark(&self) -> Option<u32> {
            self.mark
        }
        fn zone(&self) -> Option<u16> {
            self.zone
        }
        fn id(&self) -> Option<FlowId> {
            self.id
        }
        fn counters(&self, direction: Direction) -> Option<Counters> {
            match direction {
                Direction::Original => self.counters_original,
                Direction::Reply => self.counters_reply,
            }
        }
        fn start(&self) -> Option<SystemTime> {
            self.timestamps.map(|timestamps| timestamps.start)
        }
        fn labels(&self) -> Option<Labels> {
            self.labels
        }
        fn helper(&self) -> Option<Cow<'_, str>> {
            self.helper.as_ref().map(|helper| Cow::Borrowed(helper.name.as_ref()))
        }
    }
}
