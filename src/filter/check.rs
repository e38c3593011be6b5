//! What can never be true is a mistake, and said so before it is asked of a kernel.

use std::ops::Range;

use super::condition::Condition;
use super::parse::ParseFilterError;
use super::{Expression, Filter};
use crate::flow::{Family, Protocol};

/// A filter as it was read, with the place of every condition in the text.
#[derive(Debug)]
pub(super) enum Node {
    All(Vec<Node>),
    Any(Vec<Node>),
    Not(Box<Node>),
    Is(Filter, Range<usize>),
}

impl Node {
    pub(super) fn is_empty(&self) -> bool {
        matches!(self, Self::All(parts) if parts.is_empty())
    }
}

impl From<Node> for Filter {
    fn from(node: Node) -> Self {
        match node {
            Node::All(parts) => Self::all(parts.into_iter().map(Self::from)),
            Node::Any(parts) => Self::any(parts.into_iter().map(Self::from)),
            Node::Not(inner) => !Self::from(*inner),
            Node::Is(filter, _) => filter,
        }
    }
}

/// What the conditions so far leave over, and the word that left the least.
#[derive(Debug, Clone, Default)]
struct Left {
    protocols: Option<(Vec<Protocol>, Range<usize>)>,
    family: Option<(Family, Range<usize>)>,
}

/// Looks for conditions that contradict the ones beside or around them.
pub(super) fn check(text: &str, node: &Node) -> Result<(), ParseFilterError> {
    visit(text, node, &mut Left::default())
}

fn visit(text: &str, node: &Node, left: &mut Left) -> Result<(), ParseFilterError> {
    match node {
        // Conditions first, wherever they stand: they hold for what is in parentheses beside them.
        Node::All(parts) => {
            let (conditions, others): (Vec<_>, Vec<_>) =
                parts.iter().partition(|part| matches!(part, Node::Is(..)));
            conditions.into_iter().chain(others).try_for_each(|part| visit(text, part, left))
        }
        Node::Any(parts) => parts.iter().try_for_each(|part| visit(text, part, &mut left.clone())),
        // That something is not what it cannot be is as much of a mistake, but it leaves all over.
        Node::Not(inner) => visit(text, inner, &mut left.clone()),
        Node::Is(filter, span) => match &filter.0 {
            Expression::Is(condition) => left.take(text, condition, span),
            Expression::Not(inner) => match &**inner {
                Expression::Is(condition) => left.clone().take(text, condition, span),
                _ => Ok(()),
            },
            _ => Ok(()),
        },
    }
}

impl Left {
    fn take(
        &mut self,
        text: &str,
        condition: &Condition,
        span: &Range<usize>,
    ) -> Result<(), ParseFilterError> {
        let fail = |earlier: &Range<usize>, hint: String| {
            let earlier = text.get(earlier.clone()).unwrap_or_default();
            let problem = format!("no entry can be that and \"{earlier}\" at once{hint}");
            Err(ParseFilterError::new(text, span.clone(), problem))
        };
        if let Some(family) = condition.family() {
            match &self.family {
                Some((other, earlier)) if *other != family => return fail(earlier, String::new()),
                _ => self.family = Some((family, span.clone())),
            }
        }
        if let Some(possible) = condition.protocols() {
            match &mut self.protocols {
                None => self.protocols = Some((possible, span.clone())),
                Some((left, earlier)) => {
                    let both: Vec<_> =
                        left.iter().filter(|one| possible.contains(one)).copied().collect();
                    if both.is_empty() {
                        return fail(earlier, hint(condition, left));
                    }
                    if both.len() < left.len() {
                        (*left, *earlier) = (both, span.clone());
                    }
                }
            }
        }
        Ok(())
    }
}

/// What a protocol has instead.
fn hint(condition: &Condition, left: &[Protocol]) -> String {
    let (Condition::State(_), [protocol]) = (condition, left) else { return String::new() };
    let states = crate::flow::State::NAMES.iter().filter(|name| {
        crate::flow::State::from_name(name).is_some_and(|state| state.is_possible_for(*protocol))
    });
    let states: Vec<_> = states.copied().collect();
    format!("; {protocol} has the states {}", states.join(", "))
}
