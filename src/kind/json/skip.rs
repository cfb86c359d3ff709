//! Where a string ends, and where a bracket is closed.
//!
//! Each byte is looked at once, whatever it is: no input makes this slow, deep or large.

use memchr::memchr2;

use super::marks::{Chunk, Marks, marks, plain};

/// Where the string ends whose inside begins at `begin`: the place of its closing quote, and whether all in it is ASCII that stands for itself.
/// `None` where it does not end.
pub fn string(bytes: &[u8], begin: usize) -> Option<(usize, bool)> {
    let mut at = begin;
    while let Some((next, _)) = bytes[at..].split_first_chunk() {
        let length = plain(next);
        at += length;
        match next.get(length) {
            None => {}
            Some(b'"') => return Some((at, true)),
            Some(_) => return end(bytes, at),
        }
    }
    end(bytes, at)
}

/// As [`string`], where all before `at` is plain.
fn end(bytes: &[u8], mut at: usize) -> Option<(usize, bool)> {
    let begin = at;
    loop {
        at += memchr2(b'"', b'\\', &bytes[at..])?;
        if bytes[at] == b'"' {
            let is_plain = bytes[begin..at].iter().all(|byte| (b' '..=0x7F).contains(byte) && *byte != b'\\');
            return Some((at, is_plain));
        }
        at = (at + 2).min(bytes.len());
    }
}

/// Where what the bracket at `begin` opens is closed: the place behind. `None` where it is not.
pub fn brackets(bytes: &[u8], begin: usize) -> Option<usize> {
    let (chunks, rest) = bytes[begin..].as_chunks();
    let mut walk = Walk::default();
    for (number, chunk) in chunks.iter().enumerate() {
        if let Some(end) = walk.through(chunk) {
            return Some(begin + number * chunk.len() + end);
        }
    }
    let mut last: Chunk = [b' '; 64];
    last[..rest.len()].copy_from_slice(rest);
    walk.through(&last).map(|end| begin + chunks.len() * last.len() + end)
}

/// What has to be known of the chunks before.
#[derive(Default)]
struct Walk {
    /// How many brackets are open.
    depth: usize,
    /// All ones within a string, else zero.
    in_string: u64,
    /// 1 where the chunk's first byte is escaped, else 0.
    escaped: u64,
}

impl Walk {
    /// Walks through a chunk; the place behind the bracket that closes the first.
    fn through(&mut self, chunk: &Chunk) -> Option<usize> {
        let Marks { quotes, backslashes, opening, closing } = marks(chunk);
        let quotes = quotes & !self.escaped(backslashes);
        let strings = up_to_each(quotes) ^ self.in_string;
        self.in_string = 0_u64.wrapping_sub(strings >> 63);
        let (opening, closing) = (opening & !strings, closing & !strings);
        if closing.count_ones() as usize >= self.depth {
            return self.closed(opening, closing);
        }
        self.depth = self.depth + opening.count_ones() as usize - closing.count_ones() as usize;
        None
    }

    /// The same, bracket by bracket, where the chunk may close the first.
    fn closed(&mut self, opening: u64, closing: u64) -> Option<usize> {
        let mut brackets = opening | closing;
        while brackets != 0 {
            let at = brackets.trailing_zeros();
            brackets &= brackets - 1;
            if opening >> at & 1 == 1 {
                self.depth += 1;
                continue;
            }
            self.depth -= 1;
            if self.depth == 0 {
                return Some(at as usize + 1);
            }
        }
        None
    }

    /// The bytes that a backslash escapes.
    fn escaped(&mut self, backslashes: u64) -> u64 {
        let mut escaped = self.escaped;
        let mut rest = backslashes & !escaped;
        self.escaped = 0;
        while rest != 0 {
            let at = rest.trailing_zeros();
            rest &= rest - 1;
            if at == 63 {
                self.escaped = 1;
                break;
            }
            // An escaped backslash escapes nothing itself.
            escaped |= 2 << at;
            rest &= !(2 << at);
        }
        escaped
    }
}

/// Each bit is whether the number of bits up to and with it is odd: so the bits from each opening quote up to before its closing one.
fn up_to_each(bits: u64) -> u64 {
    let mut odd = bits;
    for distance in [1, 2, 4, 8, 16, 32] {
        odd ^= odd << distance;
    }
    odd
}
