//! Lines of `sysctl.d` files.

/// A line that sets something, or keeps something from being set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Assignment {
    /// A path below `/proc/sys`, or a [pattern](super::pattern) of paths.
    pub(super) key: String,
    /// `None` cancels earlier assignments of this key, and keeps patterns from setting it.
    pub(super) value: Option<Vec<u8>>,
    pub(super) line: usize,
}

/// The blanks that systemd takes away around keys and values.
const BLANK: [u8; 4] = *b" \t\n\r";

/// The assignments of a file, and the numbers of lines that are neither that nor comments.
pub(super) fn parse(text: &[u8]) -> (Vec<Assignment>, Vec<usize>) {
    let (mut found, mut unknown) = (Vec::new(), Vec::new());
    for (line, text) in (1..).zip(lines(text)) {
        let text = trimmed(text);
        let Some(first) = text.first().filter(|first| !b"#;".contains(first)) else { continue };
        // Before a key with a value, it makes a failure no failure, which is the same to us.
        let (minus, rest) = match first {
            b'-' => (true, text.get(1..).unwrap_or_default()),
            _ => (false, text),
        };
        let equals = rest.iter().position(|byte| *byte == b'=');
        let (key, value) = match equals.and_then(|at| rest.split_at_checked(at)) {
            Some((key, value)) => (key, Some(trimmed(value.get(1..).unwrap_or_default()))),
            None => (rest, None),
        };
        let key = trimmed(key);
        if key.is_empty() || (value.is_none() && !minus) {
            unknown.push(line);
            continue;
        }
        let key = normal(&String::from_utf8_lossy(key));
        found.push(Assignment { key, value: value.map(<[u8]>::to_vec), line });
    }
    (found, unknown)
}

/// The lines of a text with their ends: a line feed, a carriage return, a zero, or one of each.
pub(super) fn lines(mut text: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let is_end = |byte: &u8| matches!(byte, b'\n' | b'\r' | 0);
        let mut end = text.iter().position(is_end).unwrap_or(text.len());
        let mut seen = Vec::new();
        while let Some(byte) = text.get(end).filter(|byte| is_end(byte) && !seen.contains(*byte)) {
            end += 1;
            seen.push(*byte);
            if *byte == 0 {
                break; // Nothing belongs to a zero.
            }
        }
        let (line, rest) = text.split_at_checked(end)?;
        text = rest;
        (!line.is_empty()).then_some(line)
    })
}

fn trimmed(text: &[u8]) -> &[u8] {
    let is_text = |byte: &u8| !BLANK.contains(byte) && *byte != 0;
    let end = text.iter().rposition(is_text).map_or(0, |last| last + 1);
    let start = text.iter().position(is_text).unwrap_or(end);
    text.get(start..end).unwrap_or_default()
}

/// A path as a key with dots.
pub(super) fn dotted(path: &str) -> String {
    let parts: Vec<_> = path.split('/').map(|part| part.replace('.', "/")).collect();
    parts.join(".")
}

/// A key as a path. The first slash or dot in it says which of them is the separator; the other one stands for itself.
/// Extra slashes, and single dots between slashes, are removed; two dots are not.
pub(super) fn normal(key: &str) -> String {
    let parted = match key.find(['.', '/']).and_then(|at| key.get(at..=at)) {
        Some(".") => {
            let swapped = |c| match c {
                '.' => '/',
                '/' => '.',
                c => c,
            };
            key.chars().map(swapped).collect()
        }
        _ => key.to_owned(),
    };
    let parts: Vec<_> = parted.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    parts.join("/")
}
