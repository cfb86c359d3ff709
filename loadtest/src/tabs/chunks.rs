//! A response's body freed of its framing, in place.

/// The body was not chunked as HTTP says.
#[derive(Debug, PartialEq, Eq)]
pub struct Malformed;

/// How far in the framing a response is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chunks {
    /// No framing: the body ends with the connection.
    Plain,
    /// In the digits of a size.
    Size(usize),
    /// Behind the digits, before the end of their line.
    SizeEnd(usize),
    /// So many bytes are left of a chunk.
    Data(usize),
    /// Before the end of the line behind a chunk.
    DataEnd,
    /// The last chunk has come.
    Done,
}

impl Chunks {
    /// Takes the next piece of payload off the front of `bytes`; `None` when they are used up.
    ///
    /// # Errors
    /// When the framing is broken.
    pub fn next<'a>(&mut self, bytes: &mut &'a [u8]) -> Result<Option<&'a [u8]>, Malformed> {
        loop {
            let Some((first, rest)) = bytes.split_first() else { return Ok(None) };
            match *self {
                Chunks::Plain => return Ok(Some(std::mem::take(bytes))),
                Chunks::Data(left) => {
                    let (payload, rest) = bytes.split_at(left.min(bytes.len()));
                    *bytes = rest;
                    *self = if payload.len() == left {
                        Chunks::DataEnd
                    } else {
                        Chunks::Data(left - payload.len())
                    };
                    return Ok(Some(payload));
                }
                Chunks::Size(size) => *self = sized(size, *first)?,
                Chunks::SizeEnd(0) if *first == b'\n' => *self = Chunks::Done,
                Chunks::SizeEnd(size) if *first == b'\n' => *self = Chunks::Data(size),
                Chunks::DataEnd if *first == b'\r' => {}
                Chunks::DataEnd if *first == b'\n' => *self = Chunks::Size(0),
                Chunks::Done => {}
                Chunks::SizeEnd(_) | Chunks::DataEnd => return Err(Malformed),
            }
            *bytes = rest;
        }
    }
}

fn sized(size: usize, byte: u8) -> Result<Chunks, Malformed> {
    if byte == b'\r' {
        return Ok(Chunks::SizeEnd(size));
    }
    let digit = char::from(byte).to_digit(16).ok_or(Malformed)?;
    size.checked_mul(16).map(|size| Chunks::Size(size + digit as usize)).ok_or(Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_come_whole_however_the_bytes_are_cut() {
        let text = b"5\r\nhello\r\n0000000c\r\n, everybody!\r\n0\r\n\r\n";
        for cut in 0..text.len() {
            let mut chunks = Chunks::Size(0);
            let mut out = Vec::new();
            for mut piece in [&text[..cut], &text[cut..]] {
                while let Some(payload) = chunks.next(&mut piece).unwrap() {
                    out.extend_from_slice(payload);
                }
            }
            assert_eq!(out, b"hello, everybody!", "cut at {cut}");
            assert_eq!(chunks, Chunks::Done);
        }
    }

    #[test]
    fn a_chunk_longer_than_its_size_is_refused() {
        let mut chunks = Chunks::Size(0);
        let mut bytes = &b"2\r\nabc\r\n"[..];
        assert_eq!(chunks.next(&mut bytes), Ok(Some(&b"ab"[..])));
        assert_eq!(chunks.next(&mut bytes), Err(Malformed));
    }
}
