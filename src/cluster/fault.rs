//! What went wrong between Foretop and an apiserver, sorted and made fit to be shown.
//!
//! What a peer says may hold anything, so every text that leaves this module is escaped and bounded. The errors of the
//! HTTP stack are told apart by walking `source()`: none of its layers passes the reason on.

use std::error::Error;
use std::fmt::Write;
use std::time::Duration;

/// The most characters of an error text.
const LONGEST: usize = 300;

/// A text from outside, with everything but printable characters escaped, and cut to a length that fits on a log line.
#[must_use]
pub fn plain(text: &str) -> String {
    let mut out = String::new();
    for (count, symbol) in text.chars().enumerate() {
        if count == LONGEST {
            out.push('…');
            break;
        }
        // `escape_debug` keeps what is printable; quotes and backslashes are harmless in a log line.
        match symbol {
            '\'' | '"' | '\\' => out.push(symbol),
            '\n' | '\r' | '\t' => out.push(' '),
            other => out.extend(other.escape_debug()),
        }
    }
    out
}

/// Why a request had no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// No connection could be made, or it broke. The text is escaped and bounded.
    #[error("{0}")]
    Unreachable(String),
    /// A time limit was reached.
    #[error("{what} took longer than {limit:?}")]
    TimedOut {
        /// What was waited for.
        what: &'static str,
        /// The limit.
        limit: Duration,
    },
    /// There are no credentials to send: a token file or an exec plugin failed. The text is escaped and bounded, and
    /// never holds what a plugin printed on its standard output.
    #[error("credentials: {0}")]
    Credentials(String),
    /// The request could not be built.
    #[error("bad request: {0}")]
    Request(String),
    /// The answer's body is longer than what is taken.
    #[error("an answer of more than {limit} bytes")]
    TooLong {
        /// Bytes that would have been taken.
        limit: usize,
    },
}

/// Whether the request certainly was not worked on, or its connection was only being renewed, so that an idempotent one
/// may be repeated at once: a GOAWAY without an error, a refused stream, a cancelled wait, a connection task that is gone.
#[must_use]
pub fn is_passing(error: &(dyn Error + 'static)) -> bool {
    chain(error).any(|cause| {
        if let Some(error) = cause.downcast_ref::<h2::Error>() {
            let turned_away = error.is_remote() && error.is_go_away();
            return (turned_away && error.reason() == Some(h2::Reason::NO_ERROR))
                || error.reason() == Some(h2::Reason::REFUSED_STREAM);
        }
        cause.downcast_ref::<hyper::Error>().is_some_and(|error| error.is_canceled() || error.is_user())
    })
}

/// Whether the peer was reached and does not speak the protocol that it was spoken to in. False where it merely could not
/// be reached.
#[must_use]
pub fn is_protocol_mismatch(error: &(dyn Error + 'static)) -> bool {
    let unreached = chain(error).any(|cause| {
        use std::io::ErrorKind::{ConnectionRefused, HostUnreachable, NetworkUnreachable, TimedOut};
        let io = cause.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
        matches!(io, Some(ConnectionRefused | HostUnreachable | NetworkUnreachable | TimedOut))
    });
    !unreached
}

/// The error and its causes on one line.
#[must_use]
pub fn describe(error: &(dyn Error + 'static)) -> String {
    let mut text = String::new();
    // Kube's own wrapper says nothing that its cause does not.
    let is_wrapper = matches!(error.downcast_ref(), Some(kube::Error::Service(_)));
    for cause in chain(error).skip(usize::from(is_wrapper)) {
        let said = cause.to_string();
        if text.contains(&said) {
            continue;
        }
        if !text.is_empty() {
            text.push_str(": ");
        }
        // Writing to a String cannot fail.
        let _ = write!(text, "{said}");
    }
    plain(&text)
}

fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error: &&'a (dyn Error + 'static)| (*error).source())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_from_outside_are_escaped_and_bounded() {
        assert_eq!(plain("a \"b\"\n\u{1b}[31mc"), "a \"b\" \\u{1b}[31mc");
        assert_eq!(plain("\u{202e}x"), "\\u{202e}x");
        let long = plain(&"ä".repeat(5000));
        assert_eq!(long.chars().count(), LONGEST + 1);
    }

    #[test]
    fn causes_are_said_once() {
        #[derive(Debug, thiserror::Error)]
        #[error("outer: inner")]
        struct Outer(#[source] std::io::Error);
        let error = Outer(std::io::Error::other("inner"));
        assert_eq!(describe(&error), "outer: inner");
        assert!(!is_passing(&error));
    }
}
