//! From a text to terms, as Kubernetes reads it (`k8s.io/apimachinery/pkg/labels`): words end at white space and at `= ! , ( ) < >`; `in` and `notin` are
//! operators only where an operator belongs; a value may be missing, and is the empty one then.

use super::{SelectorError, Term, Test, Wrong};

/// A text that is being read.
pub(super) struct Parser<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Parser<'t> {
    /// From its beginning.
    pub(super) fn new(text: &'t str) -> Self {
        Parser { text, at: 0 }
    }

    /// All terms, in the order of the text.
    pub(super) fn terms(mut self) -> Result<Vec<Term>, SelectorError> {
        let mut terms = Vec::new();
        self.skip_space();
        if self.is_over() {
            return Ok(terms);
        }
        loop {
            terms.push(self.term()?);
            self.skip_space();
            if self.is_over() {
                return Ok(terms);
            }
            if !self.take(",") {
                return Err(self.wrong(Wrong::NoComma));
            }
        }
    }

    fn term(&mut self) -> Result<Term, SelectorError> {
        self.skip_space();
        let is_absent = self.take("!");
        let key = self.key()?;
        if is_absent {
            return Ok(Term { key, test: Test::Absent });
        }
        self.skip_space();
        let test = if self.is_over() || self.peek() == Some(b',') {
            Test::Exists
        } else if self.take("!=") {
            Test::of(vec![self.value()?], false)
        } else if self.take("==") || self.take("=") {
            Test::of(vec![self.value()?], true)
        } else {
            self.set_test()?
        };
        Ok(Term { key, test })
    }

    fn key(&mut self) -> Result<Box<str>, SelectorError> {
        self.skip_space();
        let (at, word) = self.word();
        if word.is_empty() {
            return Err(self.wrong(Wrong::NoKey));
        }
        if is_qualified_name(word) { Ok(word.into()) } else { Err(wrong_at(at, Wrong::BadKey)) }
    }

    fn value(&mut self) -> Result<Box<str>, SelectorError> {
        self.skip_space();
        let (at, word) = self.word();
        if word.is_empty() || is_name(word) { Ok(word.into()) } else { Err(wrong_at(at, Wrong::BadValue)) }
    }

    /// `in` or `notin`, and their set.
    fn set_test(&mut self) -> Result<Test, SelectorError> {
        if matches!(self.peek(), Some(b'<' | b'>')) {
            return Err(self.wrong(Wrong::Order));
        }
        let (at, word) = self.word();
        let is_in = match word {
            "in" => true,
            "notin" => false,
            _ => return Err(wrong_at(at, Wrong::NoOperator)),
        };
        self.skip_space();
        if !self.take("(") {
            return Err(self.wrong(Wrong::NoSet));
        }
        self.skip_space();
        if self.peek() == Some(b')') {
            return Err(self.wrong(Wrong::EmptySet));
        }
        let mut values = vec![self.value()?];
        loop {
            self.skip_space();
            if self.take(")") {
                return Ok(Test::of(values, is_in));
            }
            if !self.take(",") {
                return Err(self.wrong(Wrong::OpenSet));
            }
            values.push(self.value()?);
        }
    }

    /// The word here, which may be empty, and where it begins.
    fn word(&mut self) -> (usize, &'t str) {
        let rest = &self.text[self.at..];
        let ends = |byte: u8| is_space(byte) || b"=!,()<>".contains(&byte);
        let length = rest.bytes().position(ends).unwrap_or(rest.len());
        let at = self.at;
        self.at += length;
        (at, &rest[..length])
    }

    fn take(&mut self, what: &str) -> bool {
        let is_here = self.text[self.at..].starts_with(what);
        if is_here {
            self.at += what.len();
        }
        is_here
    }

    fn skip_space(&mut self) {
        while self.peek().is_some_and(is_space) {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn is_over(&self) -> bool {
        self.at == self.text.len()
    }

    fn wrong(&self, what: Wrong) -> SelectorError {
        wrong_at(self.at, what)
    }
}

fn wrong_at(at: usize, what: Wrong) -> SelectorError {
    SelectorError::At { at: at + 1, what }
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

/// A label's name: perhaps a DNS subdomain and `/`, then a name.
fn is_qualified_name(text: &str) -> bool {
    match text.split_once('/') {
        None => is_name(text),
        Some((prefix, name)) => is_subdomain(prefix) && is_name(name),
    }
}

/// At most 63 letters, digits, `-`, `_` and `.`, with a letter or digit at both ends.
fn is_name(text: &str) -> bool {
    text.len() <= 63
        && is_bounded_by(text, |byte| byte.is_ascii_alphanumeric())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

/// An RFC 1123 subdomain.
fn is_subdomain(text: &str) -> bool {
    let is_small = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let is_part =
        |part: &str| is_bounded_by(part, is_small) && part.bytes().all(|byte| is_small(byte) || byte == b'-');
    text.len() <= 253 && text.split('.').all(is_part)
}

fn is_bounded_by(text: &str, is_fit: impl Fn(u8) -> bool) -> bool {
    let bytes = text.as_bytes();
    bytes.first().is_some_and(|byte| is_fit(*byte)) && bytes.last().is_some_and(|byte| is_fit(*byte))
}
