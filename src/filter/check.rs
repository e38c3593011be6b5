//! A text that no entry can match is a mistake. The error names the words that exclude each other.

use std::ops::Range;

use super::Expression;
use super::condition::Condition;
use super::error::ParseFilterError;
use super::possible::{Kinds, Possible};
use crate::field::Field;
use crate::flow::State;

/// A filter as it was read, with the place of every condition in the text.
#[derive(Debug)]
pub(super) enum Node {
    All(Vec<Node>),
    Any(Vec<Node>),
    Not(Box<Node>),
    Is(Expression, Range<usize>),
}

impl Node {
    /// Whether there is no condition in it, in whatever parentheses.
    pub(super) fn is_empty(&self) -> bool {
        matches!(self, Self::All(parts) if parts.iter().all(Self::is_empty))
    }

    /// Whether `!()` is in it, so that what matches nothing is meant to.
    fn says_nothing(&self) -> bool {
        match self {
            Self::All(parts) | Self::Any(parts) => parts.iter().any(Self::says_nothing),
            Self::Not(inner) => inner.is_empty() || inner.says_nothing(),
            Self::Is(..) => false,
        }
    }

    fn possible(&self) -> Possible {
        match self {
            Self::All(parts) => Possible::all(parts.iter().map(Self::possible)),
            Self::Any(parts) => Possible::any(parts.iter().map(Self::possible)),
            Self::Not(inner) => inner.possible().opposite(),
            Self::Is(expression, _) => expression.possible(),
        }
    }

    /// Where it is in the text.
    fn span(&self) -> Range<usize> {
        match self {
            Self::All(parts) | Self::Any(parts) => {
                let spans = parts.iter().map(Self::span);
                spans.reduce(|a, b| a.start.min(b.start)..a.end.max(b.end)).unwrap_or_default()
            }
            Self::Not(inner) => inner.span(),
            Self::Is(_, span) => span.clone(),
        }
    }

    /// Whether it is one condition, or the opposite of one.
    fn is_word(&self) -> bool {
        match self {
            Self::Not(inner) => inner.is_word(),
            Self::Is(..) => true,
            Self::All(_) | Self::Any(_) => false,
        }
    }
}

impl From<Node> for Expression {
    fn from(node: Node) -> Self {
        match node {
            Node::All(parts) => Self::all(parts.into_iter().map(Self::from)),
            Node::Any(parts) => Self::any(parts.into_iter().map(Self::from)),
            Node::Not(inner) => Self::not(Self::from(*inner)),
            Node::Is(expression, _) => expression,
        }
    }
}

/// Refuses what is true of no kind of entry there is, unless nothing is what the text says.
pub(super) fn check(text: &str, node: &Node) -> Result<(), ParseFilterError> {
    if !node.possible().yes.is_empty() || node.says_nothing() {
        return Ok(());
    }
    let mut left = Left { text, kinds: Kinds::ALL, words: Vec::new() };
    Err(left.take(node, true).unwrap_or_else(|| left.fail(node, true)))
}

/// What the conditions so far leave over, and the words that left less than there was before them.
#[derive(Clone)]
struct Left<'t> {
    text: &'t str,
    kinds: Kinds,
    words: Vec<(Kinds, Range<usize>)>,
}

fn kinds(node: &Node, positive: bool) -> Kinds {
    let possible = node.possible();
    if positive { possible.yes } else { possible.no }
}

impl Left<'_> {
    /// Leaves what the node, or its opposite, can be true of; the error is which word leaves nothing.
    fn take(&mut self, node: &Node, positive: bool) -> Option<ParseFilterError> {
        match (node, positive) {
            (Node::Not(inner), _) => return self.take(inner, !positive),
            // Conditions first, wherever they stand: they hold for what is in parentheses beside them.
            (Node::All(parts), true) | (Node::Any(parts), false) => {
                let (words, others): (Vec<_>, Vec<_>) =
                    parts.iter().partition(|part| part.is_word());
                let mut parts = words.into_iter().chain(others);
                return parts.find_map(|part| self.take(part, positive));
            }
            _ => {}
        }
        let possible = kinds(node, positive);
        let both = self.kinds.and(possible);
        if both.is_empty() {
            return match node {
                // None of them can be; the first is as good as any.
                Node::All(parts) | Node::Any(parts) => {
                    parts.first().and_then(|part| self.clone().take(part, positive))
                }
                Node::Not(_) | Node::Is(..) => Some(self.fail(node, positive)),
            };
        }
        if both != self.kinds {
            self.kinds = both;
            self.words.push((possible, node.span()));
        }
        None
    }

    fn fail(&self, node: &Node, positive: bool) -> ParseFilterError {
        let possible = kinds(node, positive);
        // One word that excludes it by itself, or all there are.
        let one = self.words.iter().rev().find(|(kinds, _)| kinds.and(possible).is_empty());
        let words = one.map_or(&self.words[..], std::slice::from_ref).iter();
        let quoted = words
            .map(|(_, span)| format!("\"{}\"", self.text.get(span.clone()).unwrap_or_default()));
        let words = quoted.collect::<Vec<_>>().join(" and ");
        let hint = self.hint(node);
        let problem = format!("no entry can be that and {words} at once{hint}");
        ParseFilterError::new(self.text, node.span(), problem)
    }

    /// What a protocol has instead.
    fn hint(&self, node: &Node) -> String {
        let Node::Is(Expression::Is(Condition { field: Field::State, .. }), _) = node else {
            return String::new();
        };
        let Some(protocol) = self.kinds.protocol() else { return String::new() };
        let states = State::NAMES.iter().filter(|name| {
            State::from_name(name).is_some_and(|state| state.is_possible_for(protocol))
        });
        let states: Vec<_> = states.copied().collect();
        format!("; {protocol} has the states {}", states.join(", "))
    }
}
