//! A response as its bytes come in: the head, then the body freed of its framing.

/// What the server sent was not HTTP as this client asked for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed(pub String);

/// The head of a response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    pub status: u16,
    /// Names in lower case, in the server's order.
    pub headers: Vec<(String, String)>,
}

impl Head {
    /// The first header of this (lower-case) name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str())
    }

    /// The head at the start of `bytes` and its length, once it is there in whole.
    pub fn parse(bytes: &[u8]) -> Result<Option<(Head, usize)>, Malformed> {
        let mut slots = [httparse::EMPTY_HEADER; 64];
        let mut response = httparse::Response::new(&mut slots);
        let parsed = response.parse(bytes).map_err(|error| Malformed(format!("head: {error}")))?;
        let httparse::Status::Complete(length) = parsed else { return Ok(None) };
        let status = response.code.ok_or_else(|| Malformed("head: no status".into()))?;
        let headers = response
            .headers
            .iter()
            .map(|header| {
                (header.name.to_ascii_lowercase(), String::from_utf8_lossy(header.value).into_owned())
            })
            .collect();
        Ok(Some((Head { status, headers }, length)))
    }
}

/// Which HTTP the client says it speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// No chunks: the body ends with the connection.
    Http10,
    Http11,
}

/// Takes a body's framing off, however its bytes were cut on the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Body {
    place: Place,
    /// A size, trailer or chunk-end line of which only a part has come.
    line: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    UntilClose,
    /// Bytes of a body of known length that are still to come.
    Length(usize),
    ChunkSize,
    Chunk(usize),
    ChunkEnd,
    Trailers,
    Done,
}

/// Longest size or trailer line that is believed.
const LONGEST_LINE: usize = 4096;

impl Body {
    /// The body that belongs to this head.
    pub fn of(head: &Head, version: Version) -> Result<Body, Malformed> {
        let place = match (head.header("transfer-encoding"), head.header("content-length")) {
            (Some(_), Some(_)) => return Err(Malformed("both chunked and of known length".into())),
            (Some(_), None) if version == Version::Http10 => {
                return Err(Malformed("chunks for an HTTP/1.0 client".into()));
            }
            (Some(coding), None) if coding.eq_ignore_ascii_case("chunked") => Place::ChunkSize,
            (Some(coding), None) => return Err(Malformed(format!("transfer-encoding {coding:?}"))),
            (None, Some(length)) => match length.parse() {
                Ok(0) => Place::Done,
                Ok(length) => Place::Length(length),
                Err(_) => return Err(Malformed(format!("content-length {length:?}"))),
            },
            (None, None) if matches!(head.status, 204 | 304) => Place::Done,
            (None, None) => Place::UntilClose,
        };
        Ok(Body { place, line: Vec::new() })
    }

    /// Whether the body has come to its proper end.
    pub fn is_done(&self) -> bool {
        self.place == Place::Done
    }

    /// Whether the connection may close here without cutting the body short.
    pub fn may_close(&self) -> bool {
        matches!(self.place, Place::Done | Place::UntilClose)
    }

    /// Takes the next bytes and appends what they hold of the body to `out`.
    pub fn take(&mut self, mut bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Malformed> {
        while !bytes.is_empty() {
            bytes = match self.place {
                Place::UntilClose => {
                    out.extend_from_slice(bytes);
                    &[]
                }
                Place::Length(left) => {
                    let (taken, rest) = bytes.split_at(left.min(bytes.len()));
                    out.extend_from_slice(taken);
                    self.place =
                        if taken.len() == left { Place::Done } else { Place::Length(left - taken.len()) };
                    rest
                }
                Place::Chunk(left) => {
                    let (taken, rest) = bytes.split_at(left.min(bytes.len()));
                    out.extend_from_slice(taken);
                    self.place =
                        if taken.len() == left { Place::ChunkEnd } else { Place::Chunk(left - taken.len()) };
                    rest
                }
                Place::ChunkSize | Place::ChunkEnd | Place::Trailers => self.take_line(bytes)?,
                Place::Done => return Err(Malformed(format!("{} bytes after the end", bytes.len()))),
            };
        }
        Ok(())
    }

    fn take_line<'a>(&mut self, bytes: &'a [u8]) -> Result<&'a [u8], Malformed> {
        let Some(newline) = memchr::memchr(b'\n', bytes) else {
            self.line.extend_from_slice(bytes);
            if self.line.len() > LONGEST_LINE {
                return Err(Malformed("an endless line between chunks".into()));
            }
            return Ok(&[]);
        };
        self.line.extend_from_slice(&bytes[..newline]);
        let line = std::mem::take(&mut self.line);
        let Some(line) = line.strip_suffix(b"\r") else {
            return Err(Malformed("a line between chunks that ends without CR".into()));
        };
        self.place = match (self.place, line) {
            (Place::ChunkEnd, b"") => Place::ChunkSize,
            (Place::ChunkEnd, _) => return Err(Malformed("a chunk longer than its size".into())),
            (Place::Trailers, b"") => Place::Done,
            (Place::Trailers, _) => Place::Trailers,
            _ => match chunk_size(line)? {
                0 => Place::Trailers,
                size => Place::Chunk(size),
            },
        };
        Ok(&bytes[newline + 1..])
    }
}

fn chunk_size(line: &[u8]) -> Result<usize, Malformed> {
    let text = std::str::from_utf8(line).unwrap_or("?");
    let digits = text.split(';').next().unwrap_or("");
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !plain {
        return Err(Malformed(format!("chunk size {text:?}")));
    }
    usize::from_str_radix(digits, 16).map_err(|_| Malformed(format!("chunk size {text:?}")))
}
