//! Escapes text that others wrote, so that it is safe to show.
//!
//! Names of helpers, security contexts, names of files and nodes, and log lines are text that others wrote. On a
//! terminal some characters are commands: they move the cursor, erase text, set a title, or reverse what follows. In a list of
//! lines, a line break makes a line that nobody wrote. [`Escaped`] shows such characters as Rust writes them: `\n`,
//! `\u{1b}`, `\u{202e}`. This crate does so where it makes lines: in [`Line`](crate::files::text::Line),
//! [`CsvRow`](crate::files::rows::CsvRow), [`Expectation`](crate::flow::Expectation) and errors that quote text. Fields hold
//! the text as it was read.
//!
//! The result is for people to read, and cannot be reversed. A backslash is not doubled, since names of systemd
//! units are full of them. So a name that holds `\n` as two characters looks like one with a line break. To keep
//! text as it was, use JSON, Parquet or a capture.

use std::fmt::{self, Write};

/// Shows a value with characters escaped that are invisible or change how other text is shown: controls (those of
/// ASCII, DEL and `U+0080` to `U+009F`), line breaks, characters that change the direction of text, and those of no
/// width.
///
/// ```
/// use ctnetlink::escape::Escaped;
/// assert_eq!(Escaped("ftp\x1b[2J\nudp 17 src=…").to_string(), r"ftp\u{1b}[2J\nudp 17 src=…");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Escaped<T>(pub T);

/// The same for one word of a line: blanks are escaped too, since they would end the word.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Word<T>(pub(crate) T);

/// Whether a character is shown unchanged.
pub fn is_plain(c: char) -> bool {
    !c.is_control()
        && !matches!(
            c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{feff}' // soft hyphen, marks
            | '\u{200b}'..='\u{200f}' // no width, and marks of direction
            | '\u{2028}'..='\u{202e}' // line breaks, and embeddings
            | '\u{2060}'..='\u{206f}' // no width, isolates, and what is deprecated
            | '\u{fff9}'..='\u{fffb}' // annotations
            | '\u{e0000}'..='\u{e007f}' // tags
        )
}

impl<T: fmt::Display> fmt::Display for Escaped<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(Escaper { out: f, blanks: false }, "{}", self.0)
    }
}

impl<T: fmt::Display> fmt::Display for Word<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(Escaper { out: f, blanks: true }, "{}", self.0)
    }
}

struct Escaper<'f, 'a> {
    out: &'f mut fmt::Formatter<'a>,
    blanks: bool,
}

impl fmt::Write for Escaper<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let blanks = self.blanks;
        let escaped = |c: char| !is_plain(c) || (blanks && c.is_whitespace());
        let mut rest = text;
        while let Some((at, c)) = rest.char_indices().find(|(_, c)| escaped(*c)) {
            let (before, after) = rest.split_at(at);
            self.out.write_str(before)?;
            match c {
                ' ' => self.out.write_str(r"\u{20}")?,
                c => write!(self.out, "{}", c.escape_default())?,
            }
            rest = after.get(c.len_utf8()..).unwrap_or_default();
        }
        self.out.write_str(rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_has_no_blanks() {
        assert_eq!(Word("a b\u{a0}c").to_string(), r"a\u{20}b\u{a0}c");
    }
}
