//! Response heads of the routes that a core answers itself.

use std::fmt::Write as _;

use jiff::Timestamp;

use super::refusal::Refusal;
use super::sse::{self, Framing};

/// Whether the connection takes another request after this answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    /// Kept alive.
    Keep,
    /// Closed.
    Close,
}

/// HTTP's version of the request, which the answer repeats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// HTTP/1.0
    Http10,
    /// HTTP/1.1
    Http11,
}

/// Further header fields of an answer.
pub type Further<'a> = &'a [(&'static str, Box<str>)];

impl Version {
    /// Appends whole chunks of a stream as its body has them: 1.0 knows none.
    pub fn append(self, chunks: &[u8], out: &mut Vec<u8>) {
        match self {
            Version::Http11 => out.extend_from_slice(chunks),
            Version::Http10 => sse::strip_chunks(chunks, out),
        }
    }

    /// Appends the last chunks of a stream, and its end.
    pub fn append_last(self, chunks: &[u8], out: &mut Vec<u8>) {
        self.append(chunks, out);
        if self == Version::Http11 {
            out.extend_from_slice(sse::LAST_CHUNK);
        }
    }

    const fn text(self) -> &'static str {
        match self {
            Version::Http10 => "HTTP/1.0",
            Version::Http11 => "HTTP/1.1",
        }
    }

    /// How a body of unknown length is framed for such a client.
    #[must_use]
    pub const fn framing(self) -> Framing {
        match self {
            Version::Http10 => Framing::Plain,
            Version::Http11 => Framing::Chunked,
        }
    }
}

/// The head of a stream: the contract's headers, in its spelling.
#[must_use]
pub fn stream(version: Version, request_id: &str, cookies: &[Box<str>], sharing: Further<'_>) -> String {
    let (connection, framing) = match version {
        Version::Http10 => ("close", ""),
        Version::Http11 => ("keep-alive", "Transfer-Encoding: chunked\r\n"),
    };
    format!(
        "{} 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache, no-transform\r\n\
         Connection: {connection}\r\nX-Accel-Buffering: no\r\nX-Request-Id: {request_id}\r\n{}{}{}{framing}\r\n",
        version.text(),
        date(),
        set_cookies(cookies),
        lines(sharing),
    )
}

/// The head of a list that has not changed since the client's `ETag`.
#[must_use]
pub fn not_modified(version: Version, answer: &ListFields<'_>) -> String {
    format!("{} 304 Not Modified\r\n{}\r\n", version.text(), answer.text(version))
}

/// The head of a list of `length` bytes.
#[must_use]
pub fn list(version: Version, answer: &ListFields<'_>, length: usize) -> String {
    format!(
        "{} 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n{}\r\n",
        version.text(),
        answer.text(version)
    )
}

/// A list's `ETag` as it stands in the header.
#[must_use]
pub fn etag_text(etag: u128) -> String {
    format!("\"{etag:032x}\"")
}

/// What the head of a list says beside its length.
#[derive(Clone, Copy, Debug)]
pub struct ListFields<'a> {
    /// The request's id.
    pub request_id: &'a str,
    /// The list's `ETag`.
    pub etag: u128,
    /// Whether the connection takes another request.
    pub after: After,
    /// `Set-Cookie` lines.
    pub cookies: &'a [Box<str>],
    /// Who may read it.
    pub sharing: Further<'a>,
}

impl ListFields<'_> {
    fn text(&self, version: Version) -> String {
        format!(
            "ETag: {}\r\nCache-Control: private, no-cache\r\nVary: Cookie, Authorization\r\n\
             X-Request-Id: {}\r\n{}{}{}{}",
            etag_text(self.etag),
            self.request_id,
            date(),
            set_cookies(self.cookies),
            lines(self.sharing),
            connection(version, self.after),
        )
    }
}

/// A whole answer of JSON to a request that changed something.
#[must_use]
pub fn done(
    version: Version,
    request_id: &str,
    body: &str,
    cookies: &[Box<str>],
    after: After,
    sharing: Further<'_>,
) -> String {
    format!(
        "{} 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\nCache-Control: no-store\r\n\
         X-Request-Id: {request_id}\r\n{}{}{}{}\r\n{body}",
        version.text(),
        body.len(),
        date(),
        set_cookies(cookies),
        lines(sharing),
        connection(version, after),
    )
}

/// What tells a client that its body is awaited (RFC 9110, 10.1.1).
pub const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// A whole refusal, in these words: head and body (`without_body`: the answer to a HEAD).
#[must_use]
pub fn refusal(
    version: Version,
    request_id: &str,
    (why, words): (Refusal, &str),
    accepts_json: bool,
    without_body: bool,
    after: After,
    sharing: Further<'_>,
) -> Vec<u8> {
    let (status, phrase) = why.status();
    let (content_type, body) = why.body_saying(words, accepts_json);
    let mut head = format!(
        "{} {status} {phrase}\r\nContent-Type: {content_type}\r\nX-Content-Type-Options: nosniff\r\nContent-Length: {}\r\n\
         Cache-Control: no-store\r\nX-Request-Id: {request_id}\r\n",
        version.text(),
        body.len(),
    );
    if let Some(seconds) = why.retry_after() {
        let _ = write!(head, "Retry-After: {seconds}\r\n");
    }
    if let Some(challenge) = why.challenge() {
        let _ = write!(head, "WWW-Authenticate: {challenge}\r\n");
    }
    match why {
        Refusal::PostOnly => head.push_str("Allow: POST\r\n"),
        Refusal::MethodNotAllowed { head: true } => head.push_str("Allow: GET, HEAD\r\n"),
        Refusal::MethodNotAllowed { head: false } => head.push_str("Allow: GET\r\n"),
        _ => {}
    }
    head.push_str(&date());
    head.push_str(&lines(sharing));
    head.push_str(connection(version, after));
    head.push_str("\r\n");
    if !without_body {
        head.push_str(&body);
    }
    head.into_bytes()
}

fn lines(fields: Further<'_>) -> String {
    fields.iter().fold(String::new(), |mut lines, (name, value)| {
        let _ = write!(lines, "{name}: {value}\r\n");
        lines
    })
}

fn set_cookies(cookies: &[Box<str>]) -> String {
    cookies.iter().fold(String::new(), |mut lines, cookie| {
        let _ = write!(lines, "Set-Cookie: {cookie}\r\n");
        lines
    })
}

const fn connection(version: Version, after: After) -> &'static str {
    match (version, after) {
        (_, After::Close) => "Connection: close\r\n",
        (Version::Http10, After::Keep) => "Connection: keep-alive\r\n",
        (Version::Http11, After::Keep) => "",
    }
}

fn date() -> String {
    Timestamp::now().strftime("Date: %a, %d %b %Y %H:%M:%S GMT\r\n").to_string()
}
