//! A watch's body, cut into lines.
//!
//! A line that came in one frame, as nearly all do, is handed on from the frame itself; only a line that is spread over
//! frames is gathered in a buffer. The buffer is bounded, and given back once it is empty, so that one large object does
//! not cost memory for as long as its watch lives. What is left at the end of a body is half a line, and is never handed on.

use memchr::memchr;

/// A line was longer than the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a line of more than {limit} bytes")]
pub struct TooLong {
    /// The most bytes that a line may have, without its newline.
    pub limit: usize,
}

/// An empty buffer that is larger than this is given back.
const KEPT: usize = 16 * 1024;

/// Cuts a stream of frames into lines.
#[derive(Debug)]
pub struct Lines {
    partial: Vec<u8>,
    limit: usize,
}

impl Lines {
    /// Lines of at most `limit` bytes.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Lines { partial: Vec::new(), limit }
    }

    /// Takes a frame and hands on each line that it completes, without its newline, in order. Empty lines are left out.
    ///
    /// # Errors
    /// At a line over the limit, and where `each` fails; the lines before were handed on, and this is of no further use.
    pub fn take<E: From<TooLong>>(
        &mut self,
        frame: &[u8],
        mut each: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut rest = frame;
        while let Some(end) = memchr(b'\n', rest) {
            let (line, after) = (&rest[..end], &rest[end + 1..]);
            rest = after;
            if self.partial.is_empty() {
                self.check(line.len())?;
                if !line.is_empty() {
                    each(line)?;
                }
                continue;
            }
            self.gather(line)?;
            each(&self.partial)?;
            self.partial.clear();
            if self.partial.capacity() > KEPT {
                self.partial = Vec::new();
            }
        }
        self.gather(rest)?;
        Ok(())
    }

    /// Whether a line was begun and not ended.
    #[must_use]
    pub fn in_a_line(&self) -> bool {
        !self.partial.is_empty()
    }

    fn gather(&mut self, bytes: &[u8]) -> Result<(), TooLong> {
        self.check(self.partial.len() + bytes.len())?;
        self.partial.extend_from_slice(bytes);
        Ok(())
    }

    fn check(&self, length: usize) -> Result<(), TooLong> {
        if length > self.limit { Err(TooLong { limit: self.limit }) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use proptest::prelude::*;

    fn cut(frames: &[&[u8]], limit: usize) -> (Vec<Vec<u8>>, Result<(), TooLong>, bool) {
        let mut lines = Lines::new(limit);
        let mut got = Vec::new();
        for frame in frames {
            let taken = lines.take(frame, |line| {
                got.push(line.to_vec());
                Ok(())
            });
            if taken.is_err() {
                return (got, taken, lines.in_a_line());
            }
        }
        (got, Ok(()), lines.in_a_line())
    }

    #[test]
    fn a_line_over_the_limit_fails_after_those_before_it() {
        let limit = TooLong { limit: 3 };
        assert_eq!(cut(&[b"abc\nabcd\nx\n"], 3), (vec![b"abc".to_vec()], Err(limit), false));
        assert_eq!(cut(&[b"ab", b"cd"], 3).1, Err(limit), "without waiting for its end");
        assert_eq!(cut(&[b"ab", b"c\n"], 3), (vec![b"abc".to_vec()], Ok(()), false));
    }

    #[test]
    fn half_a_line_is_kept_back() {
        assert_eq!(cut(&[b"a\n\nb"], 9), (vec![b"a".to_vec()], Ok(()), true));
    }

    #[test]
    fn a_large_buffer_is_given_back() {
        let mut lines = Lines::new(1 << 20);
        let keep = |_: &[u8]| Ok::<(), TooLong>(());
        lines.take(&vec![b'x'; 100_000], keep).unwrap();
        lines.take(b"y\n", keep).unwrap();
        assert_eq!(lines.partial.capacity(), 0);
    }

    #[test]
    fn a_failing_line_ends_it() {
        #[derive(Debug, PartialEq)]
        struct Stop;
        impl From<TooLong> for Stop {
            fn from(_: TooLong) -> Self {
                panic!("no line is too long here")
            }
        }
        let mut seen = 0;
        let taken = Lines::new(9).take(b"a\nb\nc\n", |line| {
            seen += 1;
            if line == b"b" { Err(Stop) } else { Ok(()) }
        });
        assert_eq!((taken, seen), (Err(Stop), 2));
    }

    proptest! {
        #[test]
        fn the_frames_do_not_matter(text in "[ab\n]{0,60}", cuts in prop::collection::vec(0usize..60, 0..6)) {
            let bytes = text.as_bytes();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|at| at.min(bytes.len())).collect();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            let frames: Vec<&[u8]> = cuts.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect();
            let whole: Vec<Vec<u8>> = match text.rfind('\n') {
                None => Vec::new(),
                Some(end) => text[..end].split('\n').filter(|line| !line.is_empty())
                    .map(|line| line.as_bytes().to_vec()).collect(),
            };
            let (got, result, half) = cut(&frames, 60);
            prop_assert_eq!(got, whole);
            prop_assert_eq!(result, Ok(()));
            prop_assert_eq!(half, !text.is_empty() && !text.ends_with('\n'));
        }
    }
}
