//! How reading a file ended: how much of it was read, and what was not.

use std::{fmt, io};

/// How reading a file went so far. What a format does not have counts as 0: text has no packets, and Parquet no
/// lines.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct End {
    /// The format of the file.
    pub format: Format,
    /// Entries that were found.
    pub entries: u64,
    /// Entries, or lines, that could not be read.
    pub malformed: u64,
    /// The number of the first line that is not an entry, and why it is not.
    pub first_malformed: Option<(u64, String)>,
    /// Bytes that were read: all of a text, and of a capture the messages with entries.
    pub bytes: u64,
    /// Lines of text or JSON.
    pub lines: u64,
    /// Datagrams of a capture that hold entries.
    pub datagrams: u64,
    /// Complete dumps in a capture, or captures that were put together in one file. With more than one, entries may
    /// be there more than once, and the [facts](crate::files::TableFacts) are those of the first.
    pub dumps: u64,
    /// Packets of a dump of which the capture kept only the beginning (its `snaplen`, `tcpdump -s`). The entries after
    /// the cut are not in the file, and nobody knows how many they are.
    pub cut: u64,
    /// Packets of a capture that hold something else. They were skipped.
    pub foreign: u64,
    /// Entries from another machine, network namespace or time than the first one, as in many files put together. The
    /// [facts](crate::files::TableFacts) are those of the first.
    pub elsewhere: u64,
    /// Where reading had to stop, if the file is damaged. What is before that was used.
    pub damage: Option<Damage>,
    /// Once all was read: whether it is all of one table. `None` where the file does not say so, as text.
    pub complete: Option<bool>,
}

impl End {
    /// Whether the file lost something while it was written, or later: it could not be read to its end, or packets
    /// in it were cut.
    pub fn is_damaged(&self) -> bool {
        self.damage.is_some() || self.cut > 0
    }

    /// Says where the file is damaged, `damaged at byte 1024: ...` for example; `None` if it is not.
    pub fn damaged(&self) -> Option<String> {
        let unit = if self.format == Format::Parquet { "row" } else { "byte" };
        match &self.damage {
            Some(Damage { offset, what }) => Some(format!("damaged at {unit} {offset}: {what}")),
            None if self.cut > 0 => Some(format!(
                "damaged: {} packets were cut when they were captured (snaplen; tcpdump -s 0 keeps all of them), and \
                 the entries behind the cuts are missing",
                self.cut
            )),
            None => None,
        }
    }

    /// What a person has to know of how reading ended: a sentence for each kind of thing that was not read, or that
    /// makes entries count twice. Names that are quoted in it are not [escaped](crate::escape).
    pub fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if self.dumps > 1 {
            notes.push(format!("{} dumps are in it: entries count more than once", self.dumps));
        }
        if self.elsewhere > 0 {
            let elsewhere = self.elsewhere;
            notes.push(format!(
                "{elsewhere} entries are of another machine, namespace or time than the first"
            ));
        }
        let malformed = self.malformed;
        match &self.first_malformed {
            Some((line, why)) => {
                notes.push(format!("{malformed} lines are no entry; the first, line {line}: {why}"))
            }
            None if malformed > 0 => notes.push(format!("{malformed} entries unreadable")),
            None => {}
        }
        if self.foreign > 0 {
            notes.push(format!("{} packets of something else", self.foreign));
        }
        match self.damaged() {
            Some(damaged) if self.damage.is_some() => {
                notes.push(format!("{damaged}; what is before that counts"));
            }
            Some(damaged) => notes.push(damaged),
            None if notes.is_empty() && self.complete == Some(false) => {
                notes.push("not all of a table is in it".to_owned());
            }
            None if self.format == Format::Capture && self.complete.is_none() => {
                notes.push("the file does not say that it is complete".to_owned());
            }
            None => {}
        }
        notes
    }

    /// Concludes whether this is all of one table, from what the file says of that.
    pub(crate) fn conclude(mut self, said: Option<bool>) -> Self {
        let is_one = self.dumps < 2 && self.elsewhere == 0;
        let is_whole = !self.is_damaged() && self.malformed == 0;
        self.complete = if is_one && is_whole { said } else { Some(false) };
        self
    }
}

/// The format of a file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "lowercase"))]
#[non_exhaustive]
pub enum Format {
    /// pcapng or pcap, with the netlink messages of a dump.
    Capture,
    /// Lines as `conntrack -L` and the kernel print them. They show few of the status bits and no labels, and only
    /// some kinds of them show ids, counters and helpers.
    #[default]
    Text,
    /// [Records](crate::files::rows::Record) as JSON, one on each line.
    Json,
    /// Columns: see [`parquet`](mod@crate::files::parquet).
    Parquet,
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Capture => "capture",
            Self::Text => "text",
            Self::Json => "json",
            Self::Parquet => "parquet",
        })
    }
}

/// Where a file is damaged.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Damage {
    /// How many bytes into the file. In a compressed file it is bytes of the content, in Parquet it is rows.
    pub offset: u64,
    /// What is wrong there.
    pub what: String,
}

/// Whether a reader's error means that the content is damaged: a compressed file that is cut or was changed.
pub(crate) fn is_damage(error: &io::Error) -> bool {
    [io::ErrorKind::UnexpectedEof, io::ErrorKind::InvalidData].contains(&error.kind())
}
