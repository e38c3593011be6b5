//! Values in quotes, for names that have other signs in them: `helper="a b"`.

use std::borrow::Cow;

/// Whether a place in a text is between quotes. They open where a value begins, behind `=` or a comma;
/// `"` elsewhere stands for itself.
#[derive(Debug, Default)]
pub(super) struct Quoted {
    inside: bool,
    escaped: bool,
    before: char,
}

impl Quoted {
    /// Whether the next character stands between quotes, or is one.
    pub(super) fn take(&mut self, c: char) -> bool {
        let before = std::mem::replace(&mut self.before, c);
        if !self.inside {
            self.inside = c == '"' && matches!(before, '=' | ',');
            return self.inside;
        }
        self.inside = c != '"' || self.escaped;
        self.escaped = c == '\\' && !self.escaped;
        true
    }
}

/// The items of a list with commas between, as they stand there.
pub(super) fn items(text: &str) -> Vec<&str> {
    let mut quoted = Quoted { before: '=', ..Quoted::default() };
    text.split(|c| !quoted.take(c) && c == ',').collect()
}

/// What an item says. In quotes, `\"`, `\\` and `\u{…}` are one character each.
pub(super) fn read(item: &str) -> Result<String, String> {
    let Some(rest) = item.strip_prefix('"') else { return Ok(item.to_owned()) };
    let (mut name, mut rest) = (String::new(), rest.chars());
    loop {
        match rest.next() {
            None => return Err("the quote is not closed".to_owned()),
            Some('"') if rest.as_str().is_empty() => return Ok(name),
            Some('"') => return Err("behind the quote comes a comma or nothing".to_owned()),
            Some('\\') => name.push(escaped(&mut rest).ok_or_else(|| {
                "after \\ comes \" or \\ or u{…}, the number of a character".to_owned()
            })?),
            Some(c) => name.push(c),
        }
    }
}

fn escaped(rest: &mut std::str::Chars<'_>) -> Option<char> {
    match rest.next()? {
        c @ ('"' | '\\') => Some(c),
        'u' => {
            let (number, behind) = rest.as_str().strip_prefix('{')?.split_once('}')?;
            *rest = behind.chars();
            let digits = number.bytes().all(|byte| byte.is_ascii_hexdigit());
            u32::from_str_radix(number, 16).ok().filter(|_| digits).and_then(char::from_u32)
        }
        _ => None,
    }
}

/// A name as it is [read], in quotes where it must be.
pub(in crate::filter) fn write(name: &str) -> Cow<'_, str> {
    let parts = |c: char| c.is_whitespace() || "(),\"\\".contains(c) || is_hidden(c);
    if !name.is_empty() && !name.contains(parts) {
        return Cow::Borrowed(name);
    }
    let mut text = String::from("\"");
    for c in name.chars() {
        match c {
            '"' | '\\' => text.extend(['\\', c]),
            c if is_hidden(c) => text.extend(c.escape_unicode()),
            c => text.push(c),
        }
    }
    text.push('"');
    Cow::Owned(text)
}

/// Whether a terminal would not show it as a sign of its own.
fn is_hidden(c: char) -> bool {
    !matches!(c, '"' | '\\' | '\'') && c.escape_debug().len() > 1
}

/// A text in which every character shows.
pub(super) fn shown(text: &str) -> String {
    let mut shown = String::new();
    for c in text.chars() {
        if is_hidden(c) { shown.extend(c.escape_unicode()) } else { shown.push(c) }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_read_as_it_is_written() {
        for name in
            ["", "ftp", "a b", "a,b", "(a", "\"", "\\", "\\\"", "a\nb", "\u{1b}[0m", "ü", "'"]
        {
            let written = write(name);
            assert_eq!(items(&written).len(), 1, "{written}");
            assert_eq!(read(&written).as_deref(), Ok(name), "{written}");
            assert!(!written.contains(|c: char| c.is_control()), "{written}");
        }
        assert_eq!(write("ftp"), "ftp");
        assert_eq!(write("a b"), "\"a b\"");
        assert_eq!(write("\u{1b}"), "\"\\u{1b}\"");
        assert_eq!(items("a,\"b,c\",d\"e,\"f\\\",g\""), ["a", "\"b,c\"", "d\"e", "\"f\\\",g\""]);
        for wrong in ["\"", "\"a", "\"a\"b", "\"\\n\"", "\"\\u{110000}\"", "\"\\u{+1}\""] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
