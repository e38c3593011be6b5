//! Why a text is not a filter.

use std::fmt;
use std::ops::Range;

use super::quoted;

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
        let problem = quoted::shown(&self.problem);
        if self.word.is_empty() {
            f.write_str(&problem)
        } else {
            write!(f, "\"{}\": {problem}", quoted::shown(&self.word))
        }
    }
}

impl std::error::Error for ParseFilterError {}
