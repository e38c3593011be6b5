//! Where the examples print: text that others wrote is escaped before it reaches a terminal.
//!
//! Code that prints a name escapes it ([`Escaped`]), line breaks included. What it forgets is escaped here, except line
//! breaks: they cannot be told from the program's own.

use std::io::{self, Write};

use anstyle::Style;
use ctnetlink::escape::{Escaped, is_plain};

/// Clears the terminal.
pub const CLEAR: &str = "\x1b[H\x1b[2J";

/// What the examples print besides text: bold, three colours, and the end of both.
const OURS: [&str; 6] = [CLEAR, "\x1b[0m", "\x1b[1m", "\x1b[31m", "\x1b[33m", "\x1b[34m"];

/// The standard output, or another stream, which gets plain text; the only control sequences are the program's own
/// styles, and these only on a terminal.
pub struct Screen<W> {
    out: W,
}

/// The standard output, for text.
pub fn stdout() -> Screen<impl Write> {
    Screen { out: anstream::stdout().lock() }
}

/// An error of writing to the standard output, with a message that says so. A broken pipe stays one.
pub fn of_stdout(error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("standard output: {error}"))
}

impl<W: Write> Write for Screen<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let plain = |byte: &u8| (b' '..=b'~').contains(byte) || *byte == b'\n';
        let written = if bytes.iter().all(plain) {
            self.out.write_all(bytes)
        } else {
            self.out.write_all(shown(&String::from_utf8_lossy(bytes)).as_bytes())
        };
        written.map(|()| bytes.len()).map_err(of_stdout)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush().map_err(of_stdout)
    }
}

fn shown(text: &str) -> String {
    let (mut shown, mut rest) = (String::with_capacity(text.len()), text);
    while let Some(c) = rest.chars().next() {
        let ours = OURS.iter().find(|ours| rest.starts_with(**ours));
        let (piece, after) = rest.split_at(ours.map_or(c.len_utf8(), |ours| ours.len()));
        if ours.is_some() || is_plain(c) || c == '\n' {
            shown.push_str(piece);
        } else {
            shown.push_str(&Escaped(c).to_string());
        }
        rest = after;
    }
    shown
}

/// A line that begins with what it is about, in bold.
pub fn say(out: &mut dyn Write, what: &str, text: impl std::fmt::Display) -> io::Result<()> {
    let (bold, name) = (Style::new().bold(), what.trim_end());
    let width = what.len().max(6) - name.len();
    writeln!(out, "{bold}{name}{bold:#}{:width$} {text}", "")
}

/// A note or an error on the standard error: one line, whatever is in it.
pub fn tell(what: &str, text: impl std::fmt::Display) {
    eprintln!("{what}: {}", Escaped(text));
}

/// JSON in which characters that are not plain are escaped as JSON does it, so that it reads back as the same text.
struct Plain;

impl serde_json::ser::Formatter for Plain {
    fn write_string_fragment<W: ?Sized + Write>(
        &mut self,
        out: &mut W,
        text: &str,
    ) -> io::Result<()> {
        let mut rest = text;
        while let Some((at, c)) = rest.char_indices().find(|(_, c)| !is_plain(*c)) {
            let (before, after) = rest.split_at(at);
            out.write_all(before.as_bytes())?;
            for unit in c.encode_utf16(&mut [0; 2]) {
                write!(out, "\\u{unit:04x}")?;
            }
            rest = &after[c.len_utf8()..];
        }
        out.write_all(rest.as_bytes())
    }
}

/// A document as JSON, without a line break.
pub fn document(document: &impl serde::Serialize, out: &mut impl Write) -> io::Result<()> {
    let mut serializer = serde_json::Serializer::with_formatter(out, Plain);
    Ok(document.serialize(&mut serializer)?)
}

/// A document on a line of its own.
pub fn json(value: &impl serde::Serialize, out: &mut impl Write) -> io::Result<()> {
    document(value, out)?;
    writeln!(out)
}

/// The program's arguments; wrong ones end it, with a message that shows them escaped.
pub fn arguments<T: clap::Parser>() -> T {
    use clap::error::ContextValue::{None, String as Text, Strings as Texts};
    T::try_parse().unwrap_or_else(|mut error| {
        let plain =
            std::env::args_os().skip(1).all(|word| word.to_string_lossy().chars().all(is_plain));
        if !plain {
            let escaped = |text: &String| Escaped(text).to_string();
            let context: Vec<_> =
                error.context().map(|(kind, value)| (kind, value.clone())).collect();
            for (kind, value) in context {
                let value = match value {
                    Text(text) => Text(escaped(&text)),
                    Texts(texts) => Texts(texts.iter().map(escaped).collect()),
                    // Advice that repeats the word, with styles in it.
                    clap::error::ContextValue::StyledStrs(_) => None,
                    other => other,
                };
                error.insert(kind, value);
            }
        }
        error.exit()
    })
}
