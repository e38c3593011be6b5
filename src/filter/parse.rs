//! A filter from text.
//!
//! ```text
//! filter     = all { "or" all }
//! all        = one { [ "and" ] one }
//! one        = ( "!" | "not" ) one | "(" [ filter ] ")" | condition
//! condition  = word | word ( "=" | "!=" | "<" | "<=" | ">" | ">=" ) value { "," value }
//! value      = signs | '"' signs '"'
//! ```

use std::ops::Range;
use std::str::FromStr;

use super::check::{Node, check};
use super::error::ParseFilterError;
use super::quoted::Quoted;
use super::values::{self, Sign};
use super::words::{self, Word};
use super::{Expression, Filter};

impl FromStr for Filter {
    type Err = ParseFilterError;

    /// See [`Filter::words`]. A text without words is every entry.
    ///
    /// A text that no entry can match, such as `proto=udp state=TIME_WAIT`, is an error, and so is one that is more
    /// than [`Filter::DEPTH`] deep.
    fn from_str(text: &str) -> Result<Self, ParseFilterError> {
        let node = Parser { text, level: Level::default(), outer: Vec::new() }.parse()?;
        check(text, &node)?;
        let expression = Expression::from(node);
        if expression.depth() > Self::DEPTH {
            return Err(ParseFilterError::new(text, 0..0, TOO_DEEP));
        }
        Ok(Self(expression))
    }
}

const TOO_DEEP: &str = "too many parentheses inside each other";
const ONE_SIDE: &str = "a condition is missing on one side of it";

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
/// parted by white space. Between quotes, which open a value, all stands for itself.
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
    let mut quoted = Quoted::default();
    for (at, c) in text.char_indices() {
        let alone = match c {
            _ if quoted.take(c) => {
                start.get_or_insert(at);
                continue;
            }
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

/// What is open at one place of the text.
#[derive(Default)]
struct Level {
    /// The parenthesis it began with, and how many `!` stand before that.
    open: Option<(Range<usize>, usize)>,
    alternatives: Vec<Node>,
    /// The last `or`.
    or: Option<Range<usize>>,
    parts: Vec<Node>,
    /// What stands before the next condition.
    and: Option<Range<usize>>,
    nots: usize,
}

impl Level {
    /// A condition, or what was in parentheses, is complete.
    fn push(&mut self, node: Node, nots: usize) {
        let node = (0..nots).fold(node, |node, _| Node::Not(Box::new(node)));
        self.parts.push(node);
        self.and = None;
    }
}

/// Without recursion, since texts come from anywhere.
struct Parser<'t> {
    text: &'t str,
    level: Level,
    outer: Vec<Level>,
}

impl Parser<'_> {
    fn fail<T>(&self, span: Range<usize>, problem: &str) -> Result<T, ParseFilterError> {
        Err(ParseFilterError::new(self.text, span, problem))
    }

    fn parse(mut self) -> Result<Node, ParseFilterError> {
        let mut depth = 0;
        for Token { kind, span } in tokens(self.text) {
            let word = self.text.get(span.clone()).unwrap_or_default();
            match kind {
                Kind::Not | Kind::Open => {
                    depth += 1;
                    if depth > Filter::DEPTH {
                        return self.fail(span, TOO_DEEP);
                    }
                    if kind == Kind::Not {
                        self.level.nots += 1;
                        continue;
                    }
                    let open = Some((span, std::mem::take(&mut self.level.nots)));
                    let inner = Level { open, ..Level::default() };
                    self.outer.push(std::mem::replace(&mut self.level, inner));
                }
                Kind::Condition => match condition(word) {
                    Ok(filter) => {
                        let nots = std::mem::take(&mut self.level.nots);
                        depth -= nots;
                        self.level.push(Node::Is(filter, span), nots);
                    }
                    Err(problem) => return self.fail(span, &problem),
                },
                Kind::And | Kind::Or | Kind::Close if self.level.nots > 0 => {
                    return self.fail(span, "a condition is missing before it");
                }
                Kind::And if self.level.parts.is_empty() => return self.fail(span, ONE_SIDE),
                Kind::And => {
                    if let Some(and) = self.level.and.replace(span) {
                        return self.fail(and, ONE_SIDE);
                    }
                }
                Kind::Or => {
                    self.end_alternative()?;
                    self.level.or = Some(span);
                }
                Kind::Close => {
                    let Some(outer) = self.outer.pop() else {
                        return self.fail(span, "this parenthesis was not opened");
                    };
                    let node = self.end_level()?;
                    let inner = std::mem::replace(&mut self.level, outer);
                    let nots = inner.open.map_or(0, |(_, nots)| nots);
                    depth -= nots + 1;
                    self.level.push(node, nots);
                }
            }
        }
        if self.level.nots > 0 {
            let end = self.text.len();
            return self.fail(end..end, "a condition is missing at the end");
        }
        if let Some((open, _)) = &self.level.open {
            return self.fail(open.clone(), "this parenthesis is not closed");
        }
        self.end_level()
    }

    /// What stands between two `or`, or beside one.
    fn end_alternative(&mut self) -> Result<(), ParseFilterError> {
        if let Some(and) = self.level.and.take() {
            return self.fail(and, ONE_SIDE);
        }
        let all = Node::All(std::mem::take(&mut self.level.parts));
        self.level.alternatives.push(all);
        // `or ()` would be everything, which people do not write.
        let both = self.level.alternatives.rchunks(2).next().unwrap_or_default();
        match self.level.or.clone() {
            Some(or) if both.iter().any(Node::is_empty) => self.fail(or, ONE_SIDE),
            _ => Ok(()),
        }
    }

    fn end_level(&mut self) -> Result<Node, ParseFilterError> {
        self.end_alternative()?;
        let alternatives = std::mem::take(&mut self.level.alternatives);
        Ok(match <[Node; 1]>::try_from(alternatives) {
            Ok([only]) => only,
            Err(alternatives) => Node::Any(alternatives),
        })
    }
}

/// Reads one condition; the error is what is wrong with it.
fn condition(text: &str) -> Result<Expression, String> {
    let end = text.find(['=', '!', '<', '>']).unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    let word = words::find(name)
        .ok_or_else(|| format!("no such condition; there are {}", words::all()))?;
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
    let field = match word {
        Word::Field(field) => field,
        Word::Flag(filter) if rest.is_empty() => return Ok(filter.0),
        Word::Flag(_) => return Err(format!("{name} takes no value")),
    };
    match (signed, rest) {
        (None, "") => Ok(values::alone(field)?.0),
        (None, _) => Err("after the name comes =, !=, <, <=, > or >=".to_owned()),
        (Some((_, "")), _) => Err("a value is missing".to_owned()),
        (Some((Sign::Unequal, values)), _) => {
            values::compared(field, Sign::Equal, values).map(|Filter(filter)| filter.not())
        }
        (Some((sign, values)), _) => Ok(values::compared(field, sign, values)?.0),
    }
}
