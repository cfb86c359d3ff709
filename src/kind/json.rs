//! JSON into partial structs, made for lines of which most is not wanted.
//!
//! [`from_slice`] reads what a struct names exactly as `serde_json` does, and lets `serde_json` read what is rare or hard: numbers, and strings
//! with escapes or beyond ASCII. What no struct names, `serde_json` walks byte by byte, which was four fifths of the work of decoding a pod. Here an
//! object or array that nobody wants is stepped over 64 bytes at a time ([`skip`]).
//!
//! **What is more lenient for that:** inside of what is stepped over, only the ends of strings and the nesting of brackets are looked at, so that it need
//! not be JSON otherwise (`{"a" 1}`, `[{]}`, `"\x"`). It is safe: nothing of it is kept or shown, all that is kept was read strictly, and whatever stands
//! there, the line is walked once, without recursion and without memory. A cut line is refused as ever, since its brackets are not closed.
//!
//! No error holds a part of its input.

mod marks;
mod skip;

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, forward_to_deserialize_any};
use serde_json::de::SliceRead;

/// A newtype of this name is given the bytes of a value instead, which is stepped over.
pub const UNREAD: &str = "foretop::kind::json::UNREAD";

/// Where bytes are not the JSON that was expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Misread {
    /// 1-based line of the first mistake.
    pub line: usize,
    /// How many bytes of that line were read when it was noticed.
    pub column: usize,
}

/// Reads the one value that `bytes` hold.
///
/// # Errors
/// Where they are not JSON, as far as that is looked at, or not of the shape of a `T`.
pub fn from_slice<'de, T: Deserialize<'de>>(bytes: &'de [u8]) -> Result<T, Misread> {
    let mut reader = Reader { bytes, at: 0 };
    let value = T::deserialize(&mut reader).and_then(|value| reader.end().map(|()| value));
    value.map_err(|Malformed| reader.place())
}

/// Something is not as it should be where the reader stands. What it was, is for nobody to see.
#[derive(Debug)]
struct Malformed;

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not the JSON that was expected")
    }
}

impl std::error::Error for Malformed {}

impl serde::de::Error for Malformed {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Malformed
    }
}

impl From<serde_json::Error> for Malformed {
    fn from(_: serde_json::Error) -> Self {
        Malformed
    }
}

/// The bytes, and how many of them were read.
struct Reader<'de> {
    bytes: &'de [u8],
    at: usize,
}

impl<'de> Reader<'de> {
    /// The next byte that is no white space; it is not taken yet.
    fn peek(&mut self) -> Result<u8, Malformed> {
        while let Some(&byte) = self.bytes.get(self.at) {
            if !matches!(byte, b' ' | b'\n' | b'\t' | b'\r') {
                return Ok(byte);
            }
            self.at += 1;
        }
        Err(Malformed)
    }

    fn take(&mut self, byte: u8) -> Result<(), Malformed> {
        if self.peek()? != byte {
            return Err(Malformed);
        }
        self.at += 1;
        Ok(())
    }

    fn word(&mut self, word: &[u8]) -> Result<(), Malformed> {
        if !self.bytes[self.at..].starts_with(word) {
            return Err(Malformed);
        }
        self.at += word.len();
        Ok(())
    }

    /// Nothing but white space may follow.
    fn end(&mut self) -> Result<(), Malformed> {
        if self.peek().is_ok() { Err(Malformed) } else { Ok(()) }
    }

    fn place(&self) -> Misread {
        let read = &self.bytes[..self.at];
        let line_begins = memchr::memrchr(b'\n', read).map_or(0, |newline| newline + 1);
        Misread { line: memchr::memchr_iter(b'\n', read).count() + 1, column: read.len() - line_begins }
    }

    /// Takes a string.
    fn string(&mut self) -> Result<Quoted<'de>, Malformed> {
        self.take(b'"')?;
        let begin = self.at;
        let Some((end, is_plain)) = skip::string(self.bytes, begin) else {
            self.at = self.bytes.len();
            return Err(Malformed);
        };
        self.at = end + 1;
        let quoted = &self.bytes[begin - 1..=end];
        Ok(if is_plain { Quoted::Plain(&quoted[1..quoted.len() - 1]) } else { Quoted::Other(quoted) })
    }

    /// Takes what may be a number: whether it is one is for `serde_json` to say.
    fn number(&mut self) -> &'de [u8] {
        let rest = &self.bytes[self.at..];
        let is_part = |byte: &u8| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E');
        let length = rest.iter().position(|byte| !is_part(byte)).unwrap_or(rest.len());
        self.at += length;
        &rest[..length]
    }

    /// Takes a value that nobody wants.
    fn skip(&mut self) -> Result<(), Malformed> {
        match self.peek()? {
            b'{' | b'[' => {
                let end = skip::brackets(self.bytes, self.at);
                self.at = end.unwrap_or(self.bytes.len());
                end.map(|_| ()).ok_or(Malformed)
            }
            b'"' => match self.string()? {
                Quoted::Plain(_) => Ok(()),
                Quoted::Other(quoted) => by_serde_json(quoted, ignored),
            },
            b'n' => self.word(b"null"),
            b't' => self.word(b"true"),
            b'f' => self.word(b"false"),
            _ => by_serde_json(self.number(), ignored),
        }
    }

    /// Reads an object's members or an array's elements, and the bracket that closes them.
    fn within<T>(
        &mut self,
        close: u8,
        read: impl FnOnce(Within<'_, 'de>) -> Result<T, Malformed>,
    ) -> Result<T, Malformed> {
        self.at += 1;
        let value = read(Within { reader: self, close, is_first: true })?;
        self.take(close)?;
        Ok(value)
    }
}

/// A string of the line.
enum Quoted<'de> {
    /// Its inside: ASCII, which stands for itself.
    Plain(&'de [u8]),
    /// It with its quotes: it has escapes or more than ASCII, or is not right.
    Other(&'de [u8]),
}

/// Lets `serde_json` read what is one whole value.
fn by_serde_json<'de, T>(
    value: &'de [u8],
    read: impl FnOnce(&mut serde_json::Deserializer<SliceRead<'de>>) -> serde_json::Result<T>,
) -> Result<T, Malformed> {
    let mut reader = serde_json::Deserializer::from_slice(value);
    let read = read(&mut reader)?;
    reader.end()?;
    Ok(read)
}

fn ignored(reader: &mut serde_json::Deserializer<SliceRead<'_>>) -> serde_json::Result<()> {
    IgnoredAny::deserialize(reader).map(|_| ())
}

impl<'de> Deserializer<'de> for &mut Reader<'de> {
    type Error = Malformed;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Malformed> {
        match self.peek()? {
            b'{' => self.within(b'}', |members| visitor.visit_map(members)),
            b'[' => self.within(b']', |elements| visitor.visit_seq(elements)),
            b'"' => match self.string()? {
                Quoted::Plain(text) => {
                    visitor.visit_borrowed_str(str::from_utf8(text).map_err(|_| Malformed)?)
                }
                Quoted::Other(quoted) => by_serde_json(quoted, |reader| reader.deserialize_str(visitor)),
            },
            b'n' => self.word(b"null").and_then(|()| visitor.visit_unit()),
            b't' => self.word(b"true").and_then(|()| visitor.visit_bool(true)),
            b'f' => self.word(b"false").and_then(|()| visitor.visit_bool(false)),
            _ => by_serde_json(self.number(), |reader| reader.deserialize_any(visitor)),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Malformed> {
        if self.peek()? != b'n' {
            return visitor.visit_some(self);
        }
        self.word(b"null")?;
        visitor.visit_none()
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Malformed> {
        if name != UNREAD {
            return visitor.visit_newtype_struct(self);
        }
        self.peek()?;
        let begin = self.at;
        self.skip()?;
        visitor.visit_borrowed_bytes(&self.bytes[begin..self.at])
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Malformed> {
        self.skip()?;
        visitor.visit_unit()
    }

    /// The name of a field. A struct compares it byte by byte, so that plain ASCII need not be made a `str` first.
    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Malformed> {
        match self.string()? {
            Quoted::Plain(name) => visitor.visit_borrowed_bytes(name),
            Quoted::Other(quoted) => by_serde_json(quoted, |reader| reader.deserialize_str(visitor)),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct
        seq tuple tuple_struct map struct enum
    }
}

/// What stands between two brackets, until the second.
struct Within<'r, 'de> {
    reader: &'r mut Reader<'de>,
    close: u8,
    is_first: bool,
}

impl Within<'_, '_> {
    /// Whether there is another member or element; the comma before it is taken.
    fn has_next(&mut self) -> Result<bool, Malformed> {
        if self.reader.peek()? == self.close {
            return Ok(false);
        }
        if !std::mem::take(&mut self.is_first) {
            self.reader.take(b',')?;
        }
        Ok(true)
    }
}

impl<'de> MapAccess<'de> for Within<'_, 'de> {
    type Error = Malformed;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Malformed> {
        if !self.has_next()? {
            return Ok(None);
        }
        if self.reader.peek()? != b'"' {
            return Err(Malformed);
        }
        seed.deserialize(&mut *self.reader).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Malformed> {
        self.reader.take(b':')?;
        seed.deserialize(&mut *self.reader)
    }
}

impl<'de> SeqAccess<'de> for Within<'_, 'de> {
    type Error = Malformed;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Malformed> {
        if !self.has_next()? {
            return Ok(None);
        }
        seed.deserialize(&mut *self.reader).map(Some)
    }
}

#[cfg(test)]
mod tests;
