//! Patterns of keys, as glob(3) understands them with braces in the C locale.
//!
//! A pattern is parsed once, and then compared with a name in at most as many steps as the product of their lengths, so
//! that a file cannot keep an audit busy.

/// The longest name a file may have. A part of a pattern that needs a longer name matches nothing.
const LONGEST: usize = 255;

/// A pattern with braces becomes at most this many patterns without, which have at most this many characters together.
const ALTERNATIVES: usize = 256;
const EXPANDED: usize = 64 << 10;

/// Whether a key is a pattern. Braces alone make none.
pub(super) fn is_pattern(key: &str) -> bool {
    key.contains(['*', '?', '['])
}

/// A pattern of keys.
#[derive(Debug)]
pub(super) struct Pattern(Vec<Alternative>);

/// One of the choices that braces give.
#[derive(Debug)]
struct Alternative {
    parts: Vec<Part>,
    /// Why it may match less than it should: a part of it is not known here.
    odd: Option<&'static str>,
}

/// Whether a pattern matches a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Match {
    Yes,
    No,
    /// It may match, for this reason.
    Perhaps(&'static str),
}

/// What stands between two slashes; `None` matches nothing.
type Part = Option<Vec<Token>>;

/// Which characters a bracket matches.
type Set = Box<[bool; 256]>;

#[derive(Debug)]
enum Token {
    /// Any number of characters.
    Star,
    /// One, whatever it is.
    Any,
    /// This one.
    Byte(u8),
    /// One of those that are marked.
    Set(Set),
}

impl Pattern {
    /// Takes a pattern apart, or says why that is not possible.
    pub(super) fn of(pattern: &str) -> Result<Self, &'static str> {
        let alternatives = expanded(pattern.as_bytes())?;
        Ok(Self(alternatives.iter().map(|text| Alternative::of(text)).collect()))
    }

    /// Whether it matches a path.
    pub(super) fn matches(&self, path: &str) -> Match {
        self.matches_in(path, &mut 0)
    }

    /// The same; the steps it takes are counted.
    fn matches_in(&self, path: &str, steps: &mut usize) -> Match {
        let mut perhaps = Match::No;
        for alternative in self.0.iter().filter(|one| match_all(&one.parts, path, steps)) {
            match alternative.odd {
                None => return Match::Yes,
                Some(why) => perhaps = Match::Perhaps(why),
            }
        }
        perhaps
    }

    /// Whether it may match some path in a folder.
    pub(super) fn reaches(&self, folder: &str) -> bool {
        let depth = folder.split('/').count();
        self.0.iter().any(|alternative| {
            let above = alternative.parts.get(..depth);
            alternative.parts.len() == depth + 1
                && above.is_some_and(|parts| match_all(parts, folder, &mut 0))
        })
    }
}

impl Alternative {
    fn of(text: &[u8]) -> Self {
        let (mut parts, mut odd) = (Vec::new(), None);
        for text in text.split(|byte| *byte == b'/').filter(|part| !matches!(*part, b"" | b".")) {
            let (part, why) = part(text);
            parts.push(part);
            odd = odd.or(why);
        }
        Self { parts, odd }
    }
}

/// Whether the parts match all names of a path. No name there is `..`, and systemd refuses to go there.
fn match_all(parts: &[Part], path: &str, steps: &mut usize) -> bool {
    let mut names = path.split('/');
    parts.iter().all(|part| {
        let tokens = part.as_deref();
        tokens.zip(names.next()).is_some_and(|(tokens, name)| matches_name(tokens, name, steps))
    }) && names.next().is_none()
}

/// Whether the tokens match all of a name. Only the last star is tried again: to try an earlier one again could not
/// find more.
fn matches_name(tokens: &[Token], name: &str, steps: &mut usize) -> bool {
    let name = name.as_bytes();
    let (mut token, mut at) = (0, 0);
    let mut again: Option<(usize, usize)> = None;
    loop {
        *steps += 1;
        let is = match (tokens.get(token), name.get(at)) {
            (None, None) => return true,
            (Some(Token::Star), _) => {
                token += 1;
                again = Some((token, at));
                continue;
            }
            (Some(Token::Any), Some(_)) => true,
            (Some(Token::Byte(byte)), Some(found)) => byte == found,
            (Some(Token::Set(set)), Some(found)) => set.get(usize::from(*found)) == Some(&true),
            _ => false,
        };
        if is {
            (token, at) = (token + 1, at + 1);
            continue;
        }
        match &mut again {
            Some((after, tried)) if *tried < name.len() => {
                *tried += 1;
                (token, at) = (*after, *tried);
            }
            _ => return false,
        }
    }
}

/// The tokens of what stands between two slashes, and why they are not all. From what is not known here on, anything
/// may match.
fn part(mut text: &[u8]) -> (Part, Option<&'static str>) {
    let mut tokens = Vec::new();
    let mut bytes = 0;
    // If one bracket has no end, no later one has. Without this, each would be searched for its end.
    let mut has_sets = true;
    while let [first, rest @ ..] = text {
        text = rest;
        let token = match first {
            b'*' => {
                // Several stars match what one does.
                if !matches!(tokens.last(), Some(Token::Star)) {
                    tokens.push(Token::Star);
                }
                continue;
            }
            b'?' => Token::Any,
            b'\\' => match text {
                [byte, rest @ ..] => {
                    text = rest;
                    Token::Byte(*byte)
                }
                // It quotes a slash, or the end.
                [] => {
                    tokens.push(Token::Star);
                    return (Some(tokens), Some("its pattern has a backslash before a slash"));
                }
            },
            b'[' if has_sets => match set(text) {
                Ok(Some((set, rest))) => {
                    text = rest;
                    Token::Set(set)
                }
                Ok(None) => {
                    has_sets = false;
                    Token::Byte(b'[')
                }
                Err(why) => {
                    tokens.push(Token::Star);
                    return (Some(tokens), Some(why));
                }
            },
            byte => Token::Byte(*byte),
        };
        bytes += 1;
        if bytes <= LONGEST {
            tokens.push(token);
        }
    }
    ((bytes <= LONGEST).then_some(tokens), None)
}

/// The set of a bracket, and what follows it; `None` if the bracket has no end, and so stands for itself.
fn set(mut text: &[u8]) -> Result<Option<(Set, &[u8])>, &'static str> {
    const ODD: &str = "its pattern has a class or a range in brackets that is not known here";
    let mut set = Box::new([false; 256]);
    let negated = matches!(text, [b'!' | b'^', ..]);
    if negated {
        text = text.get(1..).unwrap_or_default();
    }
    let mut first = true;
    loop {
        let low = match text {
            [] => return Ok(None),
            [b']', rest @ ..] if !first => {
                set.iter_mut().for_each(|is| *is ^= negated);
                return Ok(Some((set, rest)));
            }
            [b'[', b':', rest @ ..] => {
                let end = rest.windows(2).position(|end| end == b":]").ok_or(ODD)?;
                let (name, rest) = rest.split_at_checked(end).unwrap_or_default();
                let class = class(name).ok_or(ODD)?;
                (0..=u8::MAX).zip(set.iter_mut()).for_each(|(byte, is)| *is |= class(&byte));
                text = rest.get(2..).unwrap_or_default();
                first = false;
                // A class cannot begin a range.
                if matches!(text, [b'-', next, ..] if *next != b']') {
                    return Err(ODD);
                }
                continue;
            }
            [b'[', b'.' | b'=', ..] => return Err(ODD),
            [b'\\', byte, rest @ ..] | [byte, rest @ ..] => {
                text = rest;
                *byte
            }
        };
        first = false;
        let high = match text {
            [b'-', b'[', b'.' | b'=' | b':', ..] => return Err(ODD),
            [b'-', b'\\', byte, rest @ ..] => {
                text = rest;
                *byte
            }
            [b'-', byte, rest @ ..] if *byte != b']' => {
                text = rest;
                *byte
            }
            _ => low,
        };
        let range = set.get_mut(usize::from(low)..=usize::from(high));
        range.into_iter().flatten().for_each(|is| *is = true);
    }
}

fn class(name: &[u8]) -> Option<fn(&u8) -> bool> {
    Some(match name {
        b"alpha" => u8::is_ascii_alphabetic,
        b"digit" => u8::is_ascii_digit,
        b"alnum" => u8::is_ascii_alphanumeric,
        b"lower" => u8::is_ascii_lowercase,
        b"upper" => u8::is_ascii_uppercase,
        b"xdigit" => u8::is_ascii_hexdigit,
        b"punct" => u8::is_ascii_punctuation,
        b"graph" => u8::is_ascii_graphic,
        b"cntrl" => u8::is_ascii_control,
        b"print" => |byte| (0x20..0x7f).contains(byte),
        b"space" => |byte| matches!(byte, b' ' | 0x09..=0x0d),
        b"blank" => |byte| matches!(byte, b' ' | b'\t'),
        _ => return None,
    })
}

/// The pattern without braces: one for each choice.
fn expanded(pattern: &[u8]) -> Result<Vec<Vec<u8>>, &'static str> {
    let (mut left, mut done) = (vec![pattern.to_vec()], Vec::new());
    let mut size = 0;
    while let Some(next) = left.pop() {
        match choices(&next) {
            None => done.push(next),
            Some((start, choices, rest)) => {
                for choice in choices {
                    let one: Vec<u8> = [start, choice, rest].concat();
                    size += one.len();
                    left.push(one);
                    if size > EXPANDED || left.len() + done.len() > ALTERNATIVES {
                        return Err(
                            "its pattern has more choices in braces than are looked at here",
                        );
                    }
                }
            }
        }
    }
    Ok(done)
}

/// What is before the first braces, what there is to choose from, and what comes after.
type Choices<'a> = (&'a [u8], Vec<&'a [u8]>, &'a [u8]);

/// `None` if there are no braces, or the first have no end.
fn choices(pattern: &[u8]) -> Option<Choices<'_>> {
    let mut at = 0;
    let open = loop {
        match pattern.get(at)? {
            b'\\' => at += 2,
            b'{' => break at,
            _ => at += 1,
        }
    };
    let (mut depth, mut from, mut choices) = (0, open + 1, Vec::new());
    at = open + 1;
    loop {
        match pattern.get(at)? {
            b'\\' => at += 1,
            b'{' => depth += 1,
            b',' if depth == 0 => {
                choices.push(pattern.get(from..at)?);
                from = at + 1;
            }
            b'}' if depth == 0 => {
                choices.push(pattern.get(from..at)?);
                return Some((pattern.get(..open)?, choices, pattern.get(at + 1..)?));
            }
            b'}' => depth -= 1,
            _ => {}
        }
        at += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Steps are counted, not seconds.
    #[test]
    fn hostile_patterns_take_few_steps() {
        let name = "nf_conntrack_tcp_timeout_unacknowledged".repeat(6);
        let many = |text: &str| text.repeat(100_000);
        for pattern in [
            "************Z".to_owned(),
            "*".repeat(900_000),
            "*".repeat(900_000) + "Z",
            "*n".repeat(100) + "Z",
            "*?".repeat(100) + "Z",
            "*[a-z_]".repeat(100) + "Z",
            many("*n"),
            many("?"),
            many("[a-z_]*"),
            format!("[{}]*Z", many("a-z_")),
            "{*a,*b}".repeat(3) + "Z",
            many("\\n"),
        ] {
            let compiled = Pattern::of(&pattern).expect("known");
            let mut steps = 0;
            compiled.matches_in(&name, &mut steps);
            let start: String = pattern.chars().take(12).collect();
            assert!(steps <= 8 * 2 * (LONGEST + 1) * (LONGEST + 1), "{start}: {steps}");
        }
        let stars = Pattern::of(&"*".repeat(900_000)).expect("known");
        assert_eq!(stars.matches(&name), Match::Yes);
        for pattern in
            [many("{a,b}"), "{a,b}*".repeat(40), many("{"), many("{}*"), many("{,"), many("[")]
        {
            // Whether it is refused or not, that takes little time.
            let _ = Pattern::of(&pattern);
        }
    }
}
