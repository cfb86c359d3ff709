//! Cookies as they travel: read from a request's headers, written as `Set-Cookie` lines, and a value that is too long for one cookie split over several.
//!
//! The names begin with `__Host-`, by which browsers take them from this very host over TLS only (RFC 6265bis, 4.1.3.2); without TLS, which is
//! for trying things out on one's own machine, they cannot.

use std::fmt::Write;

use super::session::UnixSeconds;

/// The longest piece of a value. Browsers take at least 4096 bytes of name, value and attributes (RFC 6265, 6.1).
const PIECE: usize = 3900;

/// The most pieces.
pub const MOST_PIECES: usize = 5;

/// How cookies are written.
#[derive(Clone, Copy, Debug)]
pub struct Manner {
    /// Whether browsers come over TLS.
    pub secure: bool,
}

impl Manner {
    /// A cookie's name.
    #[must_use]
    pub fn name(self, stem: &str) -> String {
        if self.secure { format!("__Host-{stem}") } else { stem.to_owned() }
    }

    /// The line that sets a cookie for so many seconds.
    #[must_use]
    pub fn set(self, name: &str, value: &str, seconds: UnixSeconds) -> Box<str> {
        let secure = if self.secure { "; Secure" } else { "" };
        format!("{name}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}").into()
    }

    /// The line that takes a cookie away.
    #[must_use]
    pub fn expire(self, name: &str) -> Box<str> {
        self.set(name, "", 0)
    }
}

/// The cookies of a request: names and values, in the order in which they came.
pub fn of<'a>(
    headers: impl Iterator<Item = (&'a str, &'a [u8])>,
) -> impl Iterator<Item = (&'a str, &'a str)> {
    headers
        .filter(|(name, _)| name.eq_ignore_ascii_case("cookie"))
        .filter_map(|(_, value)| std::str::from_utf8(value).ok())
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
}

/// A value that was put together from its pieces.
#[derive(Debug, PartialEq, Eq)]
pub struct Whole {
    /// The value.
    pub value: String,
    /// How many cookies with one of its names the request had.
    pub pieces: usize,
}

/// The cookies that a value is split over: `NAME`, `NAME-1`, and so on. The first begins with the number of pieces.
#[derive(Clone, Debug)]
pub struct Split {
    names: Box<[String]>,
}

/// The value does not fit in as many cookies as there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{bytes} bytes do not fit in {most} cookies")]
pub struct TooLong {
    /// Bytes of the value.
    pub bytes: usize,
    /// The most cookies.
    pub most: usize,
}

impl Split {
    /// Over at most so many cookies (1 to [`MOST_PIECES`]).
    #[must_use]
    pub fn new(name: &str, most: usize) -> Self {
        let name_of = |piece| if piece == 0 { name.to_owned() } else { format!("{name}-{piece}") };
        Split { names: (0..most.clamp(1, MOST_PIECES)).map(name_of).collect() }
    }

    /// Whether a cookie of this name is one of them.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.names.iter().any(|known| known == name)
    }

    /// The value that these cookies hold. `None`: there is none, or a piece is missing, there twice, or too long.
    pub fn join<'a>(&self, cookies: impl Iterator<Item = (&'a str, &'a str)>) -> Option<Whole> {
        let mut found = [None; MOST_PIECES];
        for (name, value) in cookies {
            let Some(piece) = self.names.iter().position(|known| known == name) else { continue };
            if found[piece].replace(value).is_some() || value.len() > PIECE {
                return None;
            }
        }
        let first = found[0]?;
        let count = first.chars().next()?.to_digit(10)? as usize;
        if count == 0 || count > self.names.len() {
            return None;
        }
        let mut value = first.get(1..)?.to_owned();
        for piece in &found[1..count] {
            value.push_str((*piece)?);
        }
        Some(Whole { value, pieces: found.iter().flatten().count() })
    }

    /// The lines that set a value, where the browser has cookies with the first `had` of the names already.
    ///
    /// # Errors
    /// Where it does not fit.
    pub fn set(
        &self,
        manner: Manner,
        value: &str,
        seconds: UnixSeconds,
        had: usize,
    ) -> Result<Vec<Box<str>>, TooLong> {
        let count = (value.len() + 1).div_ceil(PIECE);
        let too_long = TooLong { bytes: value.len(), most: self.names.len() };
        if count > self.names.len() {
            return Err(too_long);
        }
        let mut text = String::with_capacity(value.len() + 1);
        // Writing to a String cannot fail.
        let _ = write!(text, "{count}{value}");
        let mut lines = Vec::with_capacity(count.max(had));
        let mut rest = text.as_str();
        for name in &self.names[..count] {
            let (piece, behind) = rest.split_at_checked(rest.len().min(PIECE)).ok_or(too_long)?;
            rest = behind;
            lines.push(manner.set(name, piece, seconds));
        }
        lines.extend(self.names.iter().take(had).skip(count).map(|name| manner.expire(name)));
        Ok(lines)
    }

    /// The lines that take the value away.
    #[must_use]
    pub fn expire(&self, manner: Manner) -> Vec<Box<str>> {
        self.names.iter().map(|name| manner.expire(name)).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TLS: Manner = Manner { secure: true };

    fn split() -> Split {
        Split::new("__Host-s", 5)
    }

    /// What a browser sends back.
    fn sent(lines: &[Box<str>]) -> Vec<(String, String)> {
        let pair = |line: &str| {
            let (pair, rest) = line.split_once("; ").expect("attributes");
            assert!(rest.contains("HttpOnly; SameSite=Lax; Secure") && rest.contains("Path=/"), "{rest}");
            assert!(line.len() <= 4096, "browsers may refuse {} bytes", line.len());
            let (name, value) = pair.split_once('=').expect("a pair");
            (!rest.contains("Max-Age=0")).then(|| (name.to_owned(), value.to_owned()))
        };
        lines.iter().filter_map(|line| pair(line)).collect()
    }

    fn joined(cookies: &[(String, String)]) -> Option<Whole> {
        split().join(cookies.iter().map(|(name, value)| (name.as_str(), value.as_str())))
    }

    #[test]
    fn cookies_are_read_from_every_line_and_nothing_else() {
        let headers = [
            ("Cookie", &b"a=1; b=x=y;c="[..]),
            ("accept", b"d=1"),
            ("cookie", b" e=2 ; junk"),
            ("cookie", b"f=\xff"),
        ];
        let found: Vec<_> = of(headers.into_iter()).collect();
        assert_eq!(found, [("a", "1"), ("b", "x=y"), ("c", ""), ("e", "2")]);
    }

    #[test]
    fn a_value_that_has_shrunk_takes_its_last_cookies_away() {
        let lines = split().set(TLS, "short", 60, 3).expect("fits");
        assert_eq!(lines.len(), 3);
        assert!(lines[2].starts_with("__Host-s-2=; ") && lines[2].contains("Max-Age=0"), "{}", lines[2]);
    }

    #[test]
    fn without_tls_there_is_no_prefix() {
        let manner = Manner { secure: false };
        assert_eq!(manner.name("s"), "s");
        assert!(!manner.set("s", "v", 1).contains("Secure"));
    }

    proptest! {
        #[test]
        fn what_was_split_is_put_together(length in 0usize..25_000, had in 0usize..6) {
            let value: String = "abcdefghij".chars().cycle().take(length).collect();
            match split().set(TLS, &value, 60, had) {
                Ok(lines) => {
                    let mut cookies = sent(&lines);
                    let pieces = cookies.len();
                    cookies.reverse();
                    prop_assert_eq!(joined(&cookies), Some(Whole { value, pieces }), "in any order");
                }
                Err(error) => prop_assert!(length >= 5 * PIECE, "{}", error),
            }
        }

        #[test]
        fn a_piece_too_few_or_twice_is_no_value(pieces in 2usize..6, at in any::<prop::sample::Index>()) {
            let value = "x".repeat(PIECE * pieces - PIECE / 2);
            let cookies = sent(&split().set(TLS, &value, 60, 0).expect("fits"));
            prop_assert_eq!(cookies.len(), pieces);
            let at = at.index(pieces);
            let mut fewer = cookies.clone();
            let piece = fewer.remove(at);
            prop_assert_eq!(joined(&fewer), None);
            let mut more = cookies;
            more.push(piece);
            prop_assert_eq!(joined(&more), None);
        }

        #[test]
        fn no_cookie_panics(values in prop::collection::vec("\\PC{0,20}", 0..7), names in prop::collection::vec(0usize..7, 0..7)) {
            let cookies: Vec<_> = names.iter().zip(values).map(|(name, value)| {
                (if *name == 0 { "__Host-s".to_owned() } else { format!("__Host-s-{name}") }, value)
            }).collect();
            let _ = joined(&cookies);
        }
    }
}
