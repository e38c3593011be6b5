//! Synthetic entries, many to a send: it adds what is not there, and nothing else.

use std::ops::ControlFlow;

use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};

use super::Conntrack;
use super::pipeline::Kind;
use crate::error::Result;
use crate::flow::{Flow, Purpose, encode};
use crate::wire::ctnetlink::IPCTNL_MSG_CT_NEW;
use crate::wire::writer::Writer;

struct Creation;

impl Kind<Flow> for Creation {
    const OPERATION: &'static str = "create entries";
    const MESSAGE: u8 = IPCTNL_MSG_CT_NEW;
    const FLAGS: u16 = NLM_F_CREATE | NLM_F_EXCL;

    fn family(flow: &Flow) -> u8 {
        flow.original.family().number()
    }

    fn attributes(flow: &Flow, writer: &mut Writer<'_>) {
        encode(flow, Purpose::Create, writer);
    }
}

impl Conntrack {
    /// Creates `flows`, all of which must be new, and returns how many it made.
    ///
    /// # Errors
    ///
    /// The first refusal of the kernel. Entries before it, and up to a batch of those behind it,
    /// are made.
    pub(crate) fn create_all(&mut self, flows: impl IntoIterator<Item = Flow>) -> Result<u64> {
        let (mut made, mut outcome) = (0, Ok(()));
        self.pipeline::<_, Creation>(flows, |_, answer| match answer {
            Ok(()) => {
                made += 1;
                ControlFlow::Continue(())
            }
            Err(error) => {
                outcome = Err(error);
                ControlFlow::Break(())
            }
        })?;
        outcome.map(|()| made)
    }
}
