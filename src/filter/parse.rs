//! A filter from text.
//!
//! ```text
//! filter     = all { "or" all }
//! all        = one { [ "and" ] one }
//! one        = ( "!" | "not" ) one | "(" [ filter ] ")" | condition
//! condition  = word | word ( "=" | "!=" | "<" | "<=" | ">" | ">=" ) values
//! ```

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use super::Filter;
use super::check::{Node, check};
use super::words::Word;

mod values;

/// Why a text is not a filter, and at which word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseFilterError {
    word: String,
    position: usize,
    problem: String,
}

impl ParseFilterError {
    pub(super) fn new(text: &str, span: Range<usize>, problem: impl Into<String>) -> Self {
        let word = text.get(span.clone()).unwrap_or_default().to_owned();
        Self { word, position: span.start, problem: problem.into() }
    }

    /// The word it is about; empty where one is missing.
    pub fn word(&self) -> &str {
        &self.word
    }

    /// Where the word begins, in bytes.
    pub fn position(&self) -> usize {
        self.position
    }
}

/// One line that names the word.
impl fmt::Display for ParseFilterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.word.is_empty() {
            f.write_str(&self.problem)
        } else {
            write!(f, "\"{}\": {}", self.word, self.problem)
        }
    }
}

impl std::error::Error for ParseFilterError {}

impl FromStr for Filter {
    type Err = ParseFilterError;

    /// See [`Filter::WORDS`]. A text without words is every entry.
    ///
    /// What can never be true, such as `proto=udp state=TIME_WAIT`, is an error, since it is a
    /// mistake.
    fn from_str(text: &str) -> Result<Self, ParseFilterError> {
        let mut parser = Parser { text, tokens: tokens(text), next: 0, depth: 0 };
        let node = parser.any()?;
        if let Some(token) = parser.peek() {
            let problem = "a parenthesis is closed that was not opened";
            return Err(ParseFilterError::new(text, token.span, problem));
        }
        check(text, &node)?;
        Ok(node.into())
    }
}

/// Deeper than this is not written by people.
const DEPTH: usize = 100;

#[derive(Debug, Clone, PartialEq, Eq)]
struct Token {
    kind: Kind,
    span: Range<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Open,
    Close,
    Not,
    And,
    Or,
    Condition,
}

/// Parentheses stand for themselves wherever they are, `!` at the beginning of a word; all else is
/// parted by white space.
fn tokens(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut start = None;
    let word = |span: Range<usize>| {
        let kind = match text.get(span.clone()).unwrap_or_default() {
            "and" | "AND" | "&&" => Kind::And,
            "or" | "OR" | "||" => Kind::Or,
            "not" | "NOT" => Kind::Not,
            _ => Kind::Condition,
        };
        Token { kind, span }
    };
    for (at, c) in text.char_indices() {
        let alone = match c {
            '(' => Some(Kind::Open),
            ')' => Some(Kind::Close),
            '!' if start.is_none() => Some(Kind::Not),
            c if c.is_whitespace() => None,
            _ => {
                start.get_or_insert(at);
                continue;
            }
        };
        tokens.extend(start.take().map(|start| word(start..at)));
        tokens.extend(alone.map(|kind| Token { kind, span: at..at + 1 }));
    }
    tokens.extend(start.map(|start| word(start..text.len())));
    tokens
}

struct Parser<'t> {
    text: &'t str,
    tokens: Vec<Token>,
    next: usize,
    depth: usize,
}

impl Parser<'_> {
    fn peek(&self) -> Option<Token> {
        self.tokens.get(self.next).cloned()
    }

    fn take(&mut self, kind: Kind) -> Option<Token> {
        let token = self.peek().filter(|token| token.kind == kind)?;
        self.next += 1;
        Some(token)
    }

    fn fail<T>(&self, span: Range<usize>, problem: &str) -> Result<T, ParseFilterError> {
        Err(ParseFilterError::new(self.text, span, problem))
    }

    fn any(&mut self) -> Result<Node, ParseFilterError> {
        let mut parts = vec![self.all()?];
        while let Some(or) = self.take(Kind::Or) {
            let part = self.all()?;
            if [parts.last(), Some(&part)].into_iter().flatten().any(Node::is_empty) {
                return self.fail(or.span, "a condition is missing on one side of it");
            }
            parts.push(part);
        }
        Ok(match <[Node; 1]>::try_from(parts) {
            Ok([only]) => only,
            Err(parts) => Node::Any(parts),
        })
    }

    fn all(&mut self) -> Result<Node, ParseFilterError> {
        let mut parts = Vec::new();
        loop {
            match self.peek() {
                None => break,
                Some(token) => match token.kind {
                    Kind::Or | Kind::Close => break,
                    Kind::And => {
                        self.next += 1;
                        let follows = self.peek().is_some_and(|next| {
                            !matches!(next.kind, Kind::And | Kind::Or | Kind::Close)
                        });
                        if parts.is_empty() || !follows {
                            let problem = "a condition is missing on one side of it";
                            return self.fail(token.span, problem);
                        }
                    }
                    _ => parts.push(self.one()?),
                },
            }
        }
        Ok(Node::All(parts))
    }

    fn one(&mut self) -> Result<Node, ParseFilterError> {
        let Some(token) = self.peek() else {
            return self
                .fail(self.text.len()..self.text.len(), "a condition is missing at the end");
        };
        self.next += 1;
        self.depth += 1;
        if self.depth > DEPTH {
            return self.fail(token.span, "too many parentheses in each other");
        }
        let node = match token.kind {
            Kind::Not => Node::Not(Box::new(self.one()?)),
            Kind::Open => {
                let inner = self.any()?;
                if self.take(Kind::Close).is_none() {
                    return self.fail(token.span, "this parenthesis is not closed");
                }
                inner
            }
            Kind::Condition => {
                let word = self.text.get(token.span.clone()).unwrap_or_default();
                match condition(word) {
                    Ok(filter) => Node::Is(filter, token.span),
                    Err(problem) => {
                        return Err(ParseFilterError::new(self.text, token.span, problem));
                    }
                }
            }
            Kind::And | Kind::Or | Kind::Close => {
                return self.fail(token.span, "a condition is missing before it");
            }
        };
        self.depth -= 1;
        Ok(node)
    }
}

/// How a word compares what it names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sign {
    Equal,
    Unequal,
    Less,
    AtMost,
    More,
    AtLeast,
}

/// Reads one condition; the error is what is wrong with it.
fn condition(text: &str) -> Result<Filter, String> {
    let end = text.find(['=', '!', '<', '>']).unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    let word =
        Word::find(name).ok_or_else(|| format!("no such condition; there are {}", Word::all()))?;
    const SIGNS: [(&str, Sign); 6] = [
        ("!=", Sign::Unequal),
        ("<=", Sign::AtMost),
        (">=", Sign::AtLeast),
        ("=", Sign::Equal),
        ("<", Sign::Less),
        (">", Sign::More),
    ];
    let signed =
        SIGNS.iter().find_map(|&(sign, meaning)| Some((meaning, rest.strip_prefix(sign)?)));
    match (signed, rest) {
        (None, "") => values::alone(word),
        (None, _) => Err("after the name comes =, !=, <, <=, > or >=".to_owned()),
        (Some((_, "")), _) => Err("a value is missing".to_owned()),
        (Some((Sign::Unequal, values)), _) => {
            values::compared(word, Sign::Equal, values).map(|filter| !filter)
        }
        (Some((sign, values)), _) => values::compared(word, sign, values),
    }
}
