//! How flows and what they are made of serialize; the head of [`flow`](crate::flow) says in which shape.

use std::time::Duration;

use serde::ser::{Serialize, SerializeMap, Serializer};

use super::counters::bounded;
use crate::flow::{
    DccpState, Direction, Endpoints, ExpectationFlags, Family, Flow, Labels, Protocol, SctpState,
    State, Status, TcpState, Timestamps, Tuple,
};

/// Types that are shown as text, and serialize as it.
macro_rules! as_text {
    ($($type:ty),*) => {
        $(impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        })*
    };
}

as_text!(DccpState, ExpectationFlags, Family, Protocol, SctpState, State, Status, TcpState);

impl Serialize for Direction {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.pick("original", "reply"))
    }
}

/// The numbers of the labels that are set.
impl Serialize for Labels {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl Serialize for Tuple {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("protocol", &self.protocol)?;
        map.serialize_entry("source", &self.source)?;
        map.serialize_entry("destination", &self.destination)?;
        match self.endpoints {
            Endpoints::Ports { source, destination } => {
                map.serialize_entry("source_port", &source)?;
                map.serialize_entry("destination_port", &destination)?;
            }
            Endpoints::GreKeys { source, destination } => {
                map.serialize_entry("source_key", &source)?;
                map.serialize_entry("destination_key", &destination)?;
            }
            Endpoints::Icmp { icmp_type, code, id } => {
                map.serialize_entry("icmp_type", &icmp_type)?;
                map.serialize_entry("icmp_code", &code)?;
                map.serialize_entry("icmp_id", &id)?;
            }
            Endpoints::None => {}
        }
        if let Some(zone) = self.zone {
            map.serialize_entry("zone", &zone)?;
        }
        map.end()
    }
}

impl Serialize for Timestamps {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = |moment| humantime::format_rfc3339_nanos(bounded(moment)).to_string();
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("start", &text(self.start))?;
        map.serialize_entry("stop", &self.stop.map(text))?;
        map.end()
    }
}

/// Whole seconds.
pub(super) fn seconds<S: Serializer>(
    timeout: &Option<Duration>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    timeout.map(|timeout| timeout.as_secs()).serialize(serializer)
}

/// The state, and the fields as `derive` has them.
impl Serialize for Flow {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        struct Fields<'f>(&'f Flow);

        impl Serialize for Fields<'_> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                // What `derive` has made, not the trait's method.
                Flow::serialize(self.0, serializer)
            }
        }

        #[derive(serde::Serialize)]
        struct WithState<'f> {
            state: State,
            #[serde(flatten)]
            fields: Fields<'f>,
        }

        WithState { state: self.state(), fields: Fields(self) }.serialize(serializer)
    }
}
