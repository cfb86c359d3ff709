//! A request's body, as it comes in: by its length, or in chunks (RFC 9112, 7.1). Pure: bytes in, the body out.

use crate::wire::refusal::Refusal;

/// How a body is delimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// It has so many bytes.
    Known(usize),
    /// It comes in chunks.
    Chunked,
}

/// The longest line of a chunk's size, or of a trailer, in bytes.
const LONGEST_LINE: usize = 256;

/// Lines of trailers.
const MOST_TRAILERS: usize = 16;

/// A body that is being read.
#[derive(Debug)]
pub struct Body {
    bytes: Vec<u8>,
    most: usize,
    state: State,
    /// The line that is being read, of a body in chunks.
    line: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// So many bytes come; then the body ends.
    Last(usize),
    /// A chunk's size comes.
    Size,
    /// So many bytes of a chunk come.
    Chunk(usize),
    /// The end of a chunk's bytes comes.
    End,
    /// So many more trailers may come, and an empty line.
    Trailers(usize),
    Done,
}

impl Body {
    /// A body of at most so many bytes.
    ///
    /// # Errors
    /// It is longer, by what it says itself.
    pub fn new(length: Length, most: usize) -> Result<Self, Refusal> {
        let state = match length {
            Length::Known(length) if length > most => return Err(Refusal::BodyTooLong),
            Length::Known(0) => State::Done,
            Length::Known(length) => State::Last(length),
            Length::Chunked => State::Size,
        };
        Ok(Body { bytes: Vec::new(), most, state, line: Vec::new() })
    }

    /// Whether all of it is here.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.state == State::Done
    }

    /// Its bytes.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// Takes what was read. Returns how much of that is of the body.
    ///
    /// # Errors
    /// It is too long, or not framed as it should be.
    pub fn take(&mut self, read: &[u8]) -> Result<usize, Refusal> {
        let mut at = 0;
        while at < read.len() && !self.is_whole() {
            at += self.step(&read[at..])?;
        }
        Ok(at)
    }

    fn step(&mut self, read: &[u8]) -> Result<usize, Refusal> {
        match self.state {
            State::Last(left) => {
                let taken = self.keep(read, left)?;
                self.state = if taken == left { State::Done } else { State::Last(left - taken) };
                Ok(taken)
            }
            State::Chunk(left) => {
                let taken = self.keep(read, left)?;
                self.state = if taken == left { State::End } else { State::Chunk(left - taken) };
                Ok(taken)
            }
            State::Size | State::End | State::Trailers(_) => self.read_line(read),
            State::Done => Ok(0),
        }
    }

    fn keep(&mut self, read: &[u8], left: usize) -> Result<usize, Refusal> {
        let taken = read.len().min(left);
        if self.bytes.len() + taken > self.most {
            return Err(Refusal::BodyTooLong);
        }
        self.bytes.extend_from_slice(&read[..taken]);
        Ok(taken)
    }

    fn read_line(&mut self, read: &[u8]) -> Result<usize, Refusal> {
        let end = memchr::memchr(b'\n', read);
        let taken = end.map_or(read.len(), |end| end + 1);
        if self.line.len() + taken > LONGEST_LINE {
            return Err(Refusal::BadRequest);
        }
        self.line.extend_from_slice(&read[..taken]);
        if end.is_some() {
            let line = std::mem::take(&mut self.line);
            // A bare line feed is no line's end: a proxy in front may think so too.
            let line = line.strip_suffix(b"\r\n").ok_or(Refusal::BadRequest)?;
            self.state = self.behind_line(line)?;
        }
        Ok(taken)
    }

    fn behind_line(&self, line: &[u8]) -> Result<State, Refusal> {
        match self.state {
            State::Size => {
                let size = chunk_size(line).ok_or(Refusal::BadRequest)?;
                if size > self.most - self.bytes.len() {
                    return Err(Refusal::BodyTooLong);
                }
                Ok(if size == 0 { State::Trailers(MOST_TRAILERS) } else { State::Chunk(size) })
            }
            State::End if line.is_empty() => Ok(State::Size),
            State::Trailers(_) if line.is_empty() => Ok(State::Done),
            State::Trailers(more) if more > 0 => Ok(State::Trailers(more - 1)),
            State::End | State::Trailers(_) | State::Last(_) | State::Chunk(_) | State::Done => {
                Err(Refusal::BadRequest)
            }
        }
    }
}

/// A chunk's size; what else is on its line, behind a semicolon, means nothing here.
fn chunk_size(line: &[u8]) -> Option<usize> {
    let digits = line.split(|byte| *byte == b';').next().unwrap_or_default();
    let digits = digits.trim_ascii_end();
    if digits.is_empty() || digits.len() > 8 || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    usize::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(length: Length, most: usize, pieces: &[&[u8]]) -> Result<(Vec<u8>, usize, bool), Refusal> {
        let mut body = Body::new(length, most)?;
        let mut used = 0;
        for piece in pieces {
            used += body.take(piece)?;
        }
        let whole = body.is_whole();
        Ok((body.into_bytes(), used, whole))
    }

    #[test]
    fn a_body_ends_where_it_says() {
        assert_eq!(read(Length::Known(3), 9, &[b"ab", b"cGET"]), Ok((b"abc".to_vec(), 3, true)));
        assert_eq!(read(Length::Known(0), 9, &[b"GET"]), Ok((Vec::new(), 0, true)));
        let chunks = b"3;x=y\r\nabc\r\n1 \r\nd\r\n0\r\nA: b\r\n\r\nGET";
        assert_eq!(read(Length::Chunked, 9, &[chunks]), Ok((b"abcd".to_vec(), chunks.len() - 3, true)));
    }

    #[test]
    fn a_body_that_is_too_long_or_broken_is_refused() {
        assert_eq!(read(Length::Known(10), 9, &[]), Err(Refusal::BodyTooLong));
        assert_eq!(read(Length::Chunked, 9, &[b"a\r\n"]), Err(Refusal::BodyTooLong));
        assert_eq!(read(Length::Chunked, 9, &[b"5\r\nabcde\r\n5\r\n"]), Err(Refusal::BodyTooLong));
        for broken in [
            &b"x\r\n"[..],
            b"\r\n",
            b"-1\r\n",
            b"+1\r\n",
            b"1\nd\r\n",
            b"1\r\ndd\r\n",
            b"111111111\r\n",
            b"0\r\nA: b\n",
            &[b'0'; 300],
            &[b"0\r\n".as_slice(), &b"a: b\r\n".repeat(17)].concat(),
        ] {
            assert_eq!(read(Length::Chunked, 1 << 20, &[broken]), Err(Refusal::BadRequest), "{broken:?}");
        }
    }

    proptest! {
        #[test]
        fn however_it_comes_in_pieces_it_is_the_same(
            chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..40), 0..10),
            size in 1usize..50,
        ) {
            let mut wire = Vec::new();
            for chunk in &chunks {
                crate::wire::sse::write_chunk(&mut wire, chunk);
            }
            wire.extend_from_slice(b"0\r\n\r\nnext");
            let pieces: Vec<&[u8]> = wire.chunks(size).collect();
            let expected = (chunks.concat(), wire.len() - 4, true);
            prop_assert_eq!(read(Length::Chunked, 1 << 20, &pieces), Ok(expected));
        }

        #[test]
        fn whatever_comes_is_no_more_than_may_be(bytes: Vec<u8>, most in 0usize..50) {
            if let Ok((body, _, _)) = read(Length::Chunked, most, &[&bytes]) {
                prop_assert!(body.len() <= most);
            }
        }
    }
}
