//! A dump into a file.

use std::io::Write;

use super::Recorder;
use crate::error::{ErrorKind, Result};
use crate::files::facts::TableFacts;
use crate::table::{DumpEnd, DumpOptions, Reader};

impl Reader {
    /// What a capture that begins now says of where it is from: machine, kernel, namespace, and how full the
    /// table is. What is known only behind its last entry is `None`.
    ///
    /// # Errors
    ///
    /// As [`limits`](Self::limits).
    pub fn facts(&mut self) -> Result<TableFacts> {
        let before = self.limits()?;
        Ok(TableFacts {
            origin: self.observe(),
            before: Some(before.entries.into()),
            max: before.max.map(u64::from),
            buckets: Self::buckets().map(u64::from),
            ..TableFacts::default()
        })
    }

    /// Writes the whole table into a file, as the kernel sends it: a pcapng that Wireshark opens and
    /// [`Capture`](crate::files::capture::Capture) reads, on any machine and without privilege.
    ///
    /// # Errors
    ///
    /// As [`dump`](Self::dump), and [`Io`](ErrorKind::Io) of the writer; what was written by then is
    /// a capture that does not say it is complete.
    ///
    /// # Cost
    ///
    /// A dump, and what it takes to write 150 to 300 bytes an entry, 64 KiB at a time.
    pub fn record<W: Write>(&mut self, writer: W) -> Result<(DumpEnd, W)> {
        const OPERATION: &str = "write a capture";
        let io = |source| ErrorKind::Io { operation: OPERATION, source };
        let mut facts = self.facts()?;
        let mut recorder = Recorder::new(writer, &facts).map_err(io)?;
        let mut dump = self.dump(DumpOptions::new())?;
        while let Some(batch) = dump.next_batch()? {
            recorder.datagram(batch.datagram).map_err(io)?;
        }
        let end = dump.end();
        if !end.interrupted {
            recorder.done().map_err(io)?;
        }
        facts.after = Some(self.limits()?.entries.into());
        facts.complete = Some(!end.interrupted);
        Ok((end, recorder.finish(&facts).map_err(io)?))
    }
}
