//! Label selectors: Kubernetes' own grammar, its equality and its sets (`a=b`, `a!=b`, `a in (x,y)`, `a notin (x)`, `a`, `!a`, joined by commas).
//!
//! A selector is kept in a canonical form, so that those that say the same in the same terms are equal, however they were written: they are one feed. It is bounded
//! in length and in terms, since clients choose it. An error names the place, and never repeats what was sent.

use std::fmt;
use std::sync::Arc;

mod parser;

use parser::Parser;

/// The longest text of a selector, bytes.
pub const LONGEST: usize = 1024;

/// The most terms of a selector.
pub const MOST_TERMS: usize = 16;

/// A conjunction of terms about an object's labels: canonical, never empty.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Selector {
    /// Sorted, each once.
    terms: Box<[Term]>,
}

/// A term: a label, and what is asked of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Term {
    key: Box<str>,
    test: Test,
}

/// What is asked of a label. Values are sorted, each once, at least one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Test {
    /// It is there, with one of these values.
    In(Box<[Box<str>]>),
    /// It is absent, or has another value.
    NotIn(Box<[Box<str>]>),
    /// It is there.
    Exists,
    /// It is absent.
    Absent,
}

/// Why a text is no selector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SelectorError {
    /// Too long.
    #[error("longer than {LONGEST} bytes")]
    TooLong,
    /// Too many terms.
    #[error("more than {MOST_TERMS} terms")]
    TooManyTerms,
    /// Something is wrong at a place.
    #[error("at byte {at}: {what}")]
    At {
        /// The byte at which it begins, from 1.
        at: usize,
        /// What is wrong.
        what: Wrong,
    },
}

/// What is wrong at a place of a selector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Wrong {
    /// A term begins otherwise than with a label's name or `!`.
    #[error("a label's name belongs here")]
    NoKey,
    /// No label can have this name.
    #[error(
        "no label has such a name: at most 63 letters, digits, - _ and . that begin and end with a letter or digit, and perhaps a DNS name and / before them"
    )]
    BadKey,
    /// No label can have this value.
    #[error(
        "no label has such a value: at most 63 letters, digits, - _ and . that begin and end with a letter or digit, or nothing"
    )]
    BadValue,
    /// What follows a name is no operator.
    #[error("one of = == != in notin or a comma belongs here")]
    NoOperator,
    /// `<` or `>`.
    #[error("values are not compared by < and > here")]
    Order,
    /// A set does not open.
    #[error("an opening parenthesis belongs here")]
    NoSet,
    /// A set is empty.
    #[error("a set has at least one value")]
    EmptySet,
    /// A set does not close.
    #[error("a comma or a closing parenthesis belongs here")]
    OpenSet,
    /// A term is over, and something else than a comma follows.
    #[error("a comma belongs here")]
    NoComma,
}

impl Selector {
    /// Reads a selector. `None`: it is empty, and selects everything.
    ///
    /// # Errors
    /// Where it is none, or beyond a bound. The text needs no escaping in JSON.
    pub fn parse(text: &str) -> Result<Option<Arc<Self>>, SelectorError> {
        if text.len() > LONGEST {
            return Err(SelectorError::TooLong);
        }
        let mut terms = Parser::new(text).terms()?;
        if terms.len() > MOST_TERMS {
            return Err(SelectorError::TooManyTerms);
        }
        terms.sort_unstable();
        terms.dedup();
        Ok((!terms.is_empty()).then(|| Arc::new(Selector { terms: terms.into() })))
    }

    /// Whether it selects an object. `label` gives the value of the label of a name, where the object has one.
    pub fn selects<'l>(&self, label: impl Fn(&str) -> Option<&'l str>) -> bool {
        self.terms.iter().all(|term| term.test.passes(label(&term.key)))
    }
}

impl Test {
    /// The test that a label has one of these values.
    fn of(mut values: Vec<Box<str>>, is_in: bool) -> Self {
        values.sort_unstable();
        values.dedup();
        if is_in { Test::In(values.into()) } else { Test::NotIn(values.into()) }
    }

    fn passes(&self, value: Option<&str>) -> bool {
        let is_one_of =
            |values: &[Box<str>]| value.is_some_and(|value| values.iter().any(|one| **one == *value));
        match self {
            Test::In(values) => is_one_of(values),
            Test::NotIn(values) => !is_one_of(values),
            Test::Exists => value.is_some(),
            Test::Absent => value.is_none(),
        }
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, term) in self.terms.iter().enumerate() {
            if index > 0 {
                f.write_str(",")?;
            }
            term.fmt(f)?;
        }
        Ok(())
    }
}

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = &self.key;
        match &self.test {
            Test::In(values) if values.len() == 1 => write!(f, "{key}={}", values[0]),
            Test::NotIn(values) if values.len() == 1 => write!(f, "{key}!={}", values[0]),
            Test::In(values) => write!(f, "{key} in ({})", values.join(",")),
            Test::NotIn(values) => write!(f, "{key} notin ({})", values.join(",")),
            Test::Exists => f.write_str(key),
            Test::Absent => write!(f, "!{key}"),
        }
    }
}

#[cfg(test)]
mod tests;
