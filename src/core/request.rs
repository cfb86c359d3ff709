//! A request's head: parsed, bounded, and told apart by route. Pure: bytes in, a decision out.

use std::borrow::Cow;

use super::body::Length;
use crate::identity::Peer;
use crate::identity::origin::Asked;
use crate::wire::head::Version;
use crate::wire::id::ResumeId;
use crate::wire::refusal::Refusal;

/// Header lines of one head.
const MOST_HEADERS: usize = 100;

/// The longest that is taken, in bytes.
#[derive(Clone, Copy, Debug)]
pub struct Longest {
    /// Of a head.
    pub head: usize,
    /// Of the target in it.
    pub target: usize,
}

/// A parsed head, borrowed from the bytes that were read.
#[derive(Debug)]
pub struct Request<'a> {
    /// The method.
    pub method: &'a str,
    /// The target's authority, where the target is in absolute form.
    pub authority: Option<&'a str>,
    /// The path, as it was sent.
    pub path: &'a str,
    /// The query, without its question mark.
    pub query: &'a str,
    /// HTTP's version.
    pub version: Version,
    /// All header lines.
    pub headers: &'a [httparse::Header<'a>],
    /// Bytes of the head.
    pub length: usize,
    /// Whether the client wants the connection kept.
    pub keep_alive: bool,
    /// The body that follows.
    pub body: Option<Length>,
}

/// What the bytes read so far are.
#[derive(Debug)]
pub enum Parsed<'a> {
    /// A whole head.
    Whole(Request<'a>),
    /// The beginning of one.
    Partial,
    /// Nothing that can be answered otherwise.
    Refused(Refusal),
}

/// Room for the header lines of one head.
pub type Headers<'a> = [httparse::Header<'a>; MOST_HEADERS];

/// Empty room.
#[must_use]
pub fn no_headers<'a>() -> Headers<'a> {
    [httparse::EMPTY_HEADER; MOST_HEADERS]
}

/// Parses the head at the beginning of `bytes`.
pub fn parse<'a>(bytes: &'a [u8], longest: Longest, headers: &'a mut Headers<'a>) -> Parsed<'a> {
    let mut head = httparse::Request::new(headers);
    let length = match head.parse(bytes) {
        Ok(httparse::Status::Complete(length)) if length <= longest.head => length,
        Ok(httparse::Status::Partial) if bytes.len() < longest.head => return Parsed::Partial,
        Ok(_) | Err(httparse::Error::TooManyHeaders) => return Parsed::Refused(too_large(bytes, longest)),
        Err(_) => return Parsed::Refused(Refusal::BadRequest),
    };
    if !lines_end_as_they_should(&bytes[..length]) {
        return Parsed::Refused(Refusal::BadRequest);
    }
    let (Some(method), Some(target), Some(minor)) = (head.method, head.path, head.version) else {
        return Parsed::Refused(Refusal::BadRequest);
    };
    if target.len() > longest.target {
        return Parsed::Refused(Refusal::UriTooLong);
    }
    let version = if minor == 0 { Version::Http10 } else { Version::Http11 };
    let headers: &'a [httparse::Header<'a>] = head.headers;
    let body = match body_that_follows(headers) {
        Ok(body) => body,
        Err(why) => return Parsed::Refused(why),
    };
    let hosts = values(headers, "host").count();
    if hosts > 1 || (version == Version::Http11 && hosts == 0) {
        return Parsed::Refused(Refusal::BadRequest);
    }
    let Some((authority, path, query)) = split_target(target) else {
        return Parsed::Refused(Refusal::BadRequest);
    };
    let keep_alive = match version {
        Version::Http11 => !has_token(headers, "connection", "close"),
        Version::Http10 => has_token(headers, "connection", "keep-alive"),
    };
    Parsed::Whole(Request { method, authority, path, query, version, headers, length, keep_alive, body })
}

/// Whether each line ends with CR LF. A proxy in front may take a bare LF for a part of a value, where the parser takes it for a line's end:
/// what the proxy let through as one header would then be two.
fn lines_end_as_they_should(head: &[u8]) -> bool {
    memchr::memchr_iter(b'\n', head).all(|at| at > 0 && head[at - 1] == b'\r')
}

/// A head that is too large is so by its target or by its fields.
fn too_large(bytes: &[u8], longest: Longest) -> Refusal {
    let line = memchr::memchr(b'\n', bytes).unwrap_or(bytes.len());
    if line > longest.target { Refusal::UriTooLong } else { Refusal::HeadTooLarge }
}

/// The body that follows the head, if one does. An error where the head contradicts itself, which smugglers do: two lengths, a length beside a transfer
/// coding, an unknown coding.
fn body_that_follows(headers: &[httparse::Header<'_>]) -> Result<Option<Length>, Refusal> {
    let mut lengths = values(headers, "content-length");
    let length = lengths.next();
    if lengths.next().is_some() {
        return Err(Refusal::BadRequest);
    }
    let mut codings = values(headers, "transfer-encoding");
    let coding = codings.next();
    match (length, coding) {
        (None, None) => Ok(None),
        (Some(length), None) => {
            let digits = !length.is_empty() && length.len() <= 18 && length.iter().all(u8::is_ascii_digit);
            let length = std::str::from_utf8(length).ok().filter(|_| digits);
            let length = length.and_then(|length| length.parse().ok()).ok_or(Refusal::BadRequest)?;
            Ok((length > 0).then_some(Length::Known(length)))
        }
        (None, Some(coding)) if codings.next().is_none() && coding.eq_ignore_ascii_case(b"chunked") => {
            Ok(Some(Length::Chunked))
        }
        _ => Err(Refusal::BadRequest),
    }
}

/// Authority, path and query of an origin-form or absolute-form target.
fn split_target(target: &str) -> Option<(Option<&str>, &str, &str)> {
    let target = target.split('#').next().unwrap_or(target);
    let (authority, rest) = match target.split_once("://") {
        Some((scheme, rest))
            if scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https") =>
        {
            let (authority, rest) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
            (Some(authority), rest)
        }
        _ => (None, target),
    };
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    let path = if authority.is_some() && path.is_empty() { "/" } else { path };
    path.starts_with('/').then_some((authority, path, query))
}

fn values<'a>(headers: &'a [httparse::Header<'a>], name: &'a str) -> impl Iterator<Item = &'a [u8]> {
    headers
        .iter()
        .filter(move |header| header.name.eq_ignore_ascii_case(name))
        .map(|header| header.value.trim_ascii())
}

fn has_token(headers: &[httparse::Header<'_>], name: &str, token: &str) -> bool {
    values(headers, name)
        .flat_map(|value| value.split(|byte| *byte == b','))
        .any(|part| part.trim_ascii().eq_ignore_ascii_case(token.as_bytes()))
}

impl<'a> Request<'a> {
    /// The first value of a header.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&'a [u8]> {
        let found = self.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name))?;
        Some(found.value.trim_ascii())
    }

    /// All header lines, as name and value.
    pub fn fields(&self) -> impl DoubleEndedIterator<Item = (&'a str, &'a [u8])> + Clone {
        self.headers.iter().map(|header| (header.name, header.value))
    }

    /// What is to be known of it to tell whom it is meant for.
    #[must_use]
    pub fn asked(&self, peer: &Peer) -> Asked<'a> {
        Asked { method: self.method, path: self.path, authority: self.authority, peer: peer.address.ip() }
    }

    /// Whether a browser asks what another site's page may send (Fetch, 4.8).
    #[must_use]
    pub fn is_preflight(&self) -> bool {
        self.method == "OPTIONS" && self.header("access-control-request-method").is_some()
    }

    /// Whether the client waits to be told that its body is awaited.
    #[must_use]
    pub fn expects_continue(&self) -> bool {
        self.version == Version::Http11 && has_token(self.headers, "expect", "100-continue")
    }

    /// Whether the body calls itself JSON.
    #[must_use]
    pub fn is_json(&self) -> bool {
        let media = self.header("content-type").and_then(|value| value.split(|byte| *byte == b';').next());
        media.is_some_and(|media| media.trim_ascii().eq_ignore_ascii_case(b"application/json"))
    }

    /// Whether errors are wanted as JSON.
    #[must_use]
    pub fn accepts_json(&self) -> bool {
        self.accepts(b"application/json")
    }

    /// Whether a browser opens it as a page.
    #[must_use]
    pub fn opens_page(&self) -> bool {
        self.method == "GET" && self.accepts(b"text/html")
    }

    fn accepts(&self, wanted: &[u8]) -> bool {
        values(self.headers, "accept")
            .flat_map(|value| value.split(|byte| *byte == b','))
            .filter_map(|part| part.split(|byte| *byte == b';').next())
            .any(|media| media.trim_ascii().eq_ignore_ascii_case(wanted))
    }

    /// The place that the client asks to resume from.
    #[must_use]
    pub fn resume_id(&self) -> Option<ResumeId> {
        self.header("last-event-id").and_then(ResumeId::parse)
    }

    /// The request's id, where it brought one that can be repeated without escaping.
    #[must_use]
    pub fn request_id(&self) -> Option<&'a str> {
        let id = std::str::from_utf8(self.header("x-request-id")?).ok()?;
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
        (!id.is_empty() && id.len() <= 128 && id.bytes().all(plain)).then_some(id)
    }

    /// The values of `namespace` in the query that are not empty; none means all.
    pub fn namespaces(&self) -> impl Iterator<Item = Cow<'a, str>> {
        let values = self.query.split('&').filter_map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (name == "namespace" && !value.is_empty()).then_some(value)
        });
        values.map(unescape)
    }

    /// The first value of a parameter in the query, if it is not empty.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<Cow<'a, str>> {
        let mut pairs = self.query.split('&').filter_map(|pair| pair.split_once('='));
        let (_, value) = pairs.find(|(known, value)| *known == name && !value.is_empty())?;
        Some(unescape(value))
    }

    /// What is asked for.
    #[must_use]
    pub fn route(&self) -> Route<'a> {
        if self.path == "/api/stream" {
            return Route::OpenLine;
        }
        if let Some(name) =
            self.path.strip_prefix("/api/stream/").and_then(|rest| rest.strip_suffix("/views"))
        {
            return Route::ChangeLine { name };
        }
        let Some(rest) = self.path.strip_prefix("/api/clusters/") else { return Route::Elsewhere };
        let mut parts = rest.split('/');
        match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some(cluster), Some(kind), None, None) => Route::List { cluster: unescape(cluster), kind },
            (Some(cluster), Some(kind), Some("watch"), None) => {
                Route::Watch { cluster: unescape(cluster), kind }
            }
            _ => Route::Elsewhere,
        }
    }
}

/// What a request asks for.
#[derive(Debug, PartialEq, Eq)]
pub enum Route<'a> {
    /// Perhaps a list: `/api/clusters/{cluster}/{kind}`, if the kind is one.
    List {
        /// The cluster's name.
        cluster: Cow<'a, str>,
        /// The kind's token.
        kind: &'a str,
    },
    /// Perhaps a stream: `/api/clusters/{cluster}/{kind}/watch`.
    Watch {
        /// The cluster's name.
        cluster: Cow<'a, str>,
        /// The kind's token.
        kind: &'a str,
    },
    /// A multiplexed stream: `/api/stream`.
    OpenLine,
    /// A multiplexed stream's views: `/api/stream/{name}/views`.
    ChangeLine {
        /// The stream's name.
        name: &'a str,
    },
    /// Something that the control plane answers.
    Elsewhere,
}

/// Undoes percent-encoding and `+`. What does not become UTF-8 becomes U+FFFD, which names nothing.
fn unescape(text: &str) -> Cow<'_, str> {
    if !text.bytes().any(|byte| byte == b'%' || byte == b'+') {
        return Cow::Borrowed(text);
    }
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let escaped = bytes
            .get(at + 1..at + 3)
            .filter(|_| bytes[at] == b'%')
            .filter(|digits| digits.iter().all(u8::is_ascii_hexdigit))
            .and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok());
        if let Some(byte) = escaped {
            out.push(byte);
            at += 3;
            continue;
        }
        out.push(if bytes[at] == b'+' { b' ' } else { bytes[at] });
        at += 1;
    }
    Cow::Owned(String::from_utf8_lossy(&out).into_owned())
}

/// Whether a namespace of this name can exist: an RFC 1123 label.
#[must_use]
pub fn is_namespace(name: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !name.is_empty()
        && name.len() <= 63
        && name.bytes().all(inner)
        && !name.starts_with('-')
        && !name.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with<R>(head: &str, check: impl FnOnce(Parsed<'_>) -> R) -> R {
        let mut headers = no_headers();
        let longest = Longest { head: 16 * 1024, target: 8 * 1024 };
        check(parse(head.as_bytes(), longest, &mut headers))
    }

    fn refused(head: &str) -> Option<Refusal> {
        with(head, |parsed| match parsed {
            Parsed::Refused(why) => Some(why),
            Parsed::Whole(_) | Parsed::Partial => None,
        })
    }

    #[test]
    fn a_watch_with_all_its_trimmings() {
        let head = "GET /api/clusters/a%2Db/pods/watch?x=1&namespace=team%2da&namespace=z HTTP/1.1\r\nHost: h\r\n\
                    Last-Event-ID: 77\r\nAccept: text/html, application/json;q=0.9\r\nX-Request-Id: r.1\r\n\r\nrest";
        with(head, |parsed| {
            let Parsed::Whole(request) = parsed else { panic!("{parsed:?}") };
            assert_eq!(request.route(), Route::Watch { cluster: "a-b".into(), kind: "pods" });
            assert_eq!(request.namespaces().collect::<Vec<_>>(), ["team-a", "z"]);
            assert_eq!(request.resume_id(), Some(ResumeId::At(crate::kind::Rv(77), None)));
            assert!(request.accepts_json() && request.keep_alive && request.body.is_none());
            assert_eq!(request.request_id(), Some("r.1"));
            assert_eq!(&head[request.length..], "rest");
        });
    }

    #[test]
    fn heads_that_contradict_themselves_are_refused() {
        let base = "GET / HTTP/1.1\r\nHost: h\r\n";
        for lines in [
            "Content-Length: 1\r\nContent-Length: 1\r\n",
            "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n",
            "Content-Length: -1\r\n",
            "Content-Length: 1, 2\r\n",
            "Content-Length: \r\n",
            "Content-Length: 99999999999999999999\r\n",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
            "Transfer-Encoding: gzip, chunked\r\n",
            "Host: other\r\n",
            "Bad Header: x\r\n",
            "X: a\nTransfer-Encoding: chunked\r\n",
            "X: a\rTransfer-Encoding: chunked\r\n",
            "Transfer-Encoding : chunked\r\n",
            "Transfer-Encoding: \u{b}chunked\r\n",
            "Content-Length: 0\r\n 10\r\n",
        ] {
            assert_eq!(refused(&format!("{base}{lines}\r\n")), Some(Refusal::BadRequest), "{lines}");
        }
        assert_eq!(refused("GET / HTTP/1.1\r\n\r\n"), Some(Refusal::BadRequest), "no host");
        assert_eq!(refused("GET / HTTP/1.0\r\n\r\n"), None, "HTTP/1.0 has no hosts");
        assert_eq!(refused("GET / HTTP/1.1\nHost: h\n\n"), Some(Refusal::BadRequest), "bare line feeds");
        assert_eq!(refused("GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n"), Some(Refusal::BadRequest));
        assert_eq!(refused("nonsense\r\n\r\n"), Some(Refusal::BadRequest));
        assert_eq!(refused("GET example HTTP/1.1\r\nHost: h\r\n\r\n"), Some(Refusal::BadRequest));
    }

    #[test]
    fn heads_are_bounded() {
        let long = "x".repeat(9000);
        assert_eq!(refused(&format!("GET /{long} HTTP/1.1\r\nHost: h\r\n\r\n")), Some(Refusal::UriTooLong));
        let wide = format!("GET / HTTP/1.1\r\nHost: h\r\nA: {}\r\n\r\n", "x".repeat(17_000));
        assert_eq!(refused(&wide), Some(Refusal::HeadTooLarge));
        assert_eq!(refused(&wide[..16_500]), Some(Refusal::HeadTooLarge), "no end in sight");
        let many = format!("GET / HTTP/1.1\r\nHost: h\r\n{}\r\n", "a: b\r\n".repeat(101));
        assert_eq!(refused(&many), Some(Refusal::HeadTooLarge));
    }

    #[test]
    fn a_head_in_pieces_is_partial_until_it_is_whole() {
        let head = "GET /api/clusters/c/pods HTTP/1.1\r\nHost: h\r\n\r\n";
        for cut in 0..head.len() {
            with(&head[..cut], |parsed| assert!(matches!(parsed, Parsed::Partial), "cut at {cut}"));
        }
        with(head, |parsed| assert!(matches!(parsed, Parsed::Whole(_))));
    }

    #[test]
    fn routes() {
        let route = |path: &str, check: &dyn Fn(Route<'_>)| {
            with(&format!("GET {path} HTTP/1.0\r\n\r\n"), |parsed| {
                let Parsed::Whole(request) = parsed else { panic!("{parsed:?}") };
                check(request.route());
            });
        };
        for (target, authority, path, query) in [
            ("/a?b#c", None, "/a", "b"),
            ("http://h:1/a?b", Some("h:1"), "/a", "b"),
            ("https://h?x=/api", Some("h"), "/", "x=/api"),
            ("HTTP://u@h#/x", Some("u@h"), "/", ""),
            ("/a://b/c", None, "/a://b/c", ""),
            ("http:///a", Some(""), "/a", ""),
        ] {
            assert_eq!(split_target(target), Some((authority, path, query)), "{target}");
        }
        route("http://h:1/api/clusters/c/pods?x", &|route| {
            assert_eq!(route, Route::List { cluster: "c".into(), kind: "pods" });
        });
        for elsewhere in
            ["/", "/healthz", "/api/clusters", "/api/clusters/c", "/api/clusters/c/pods/n/x", "/api/x/c/pods"]
        {
            route(elsewhere, &|route| assert_eq!(route, Route::Elsewhere, "{elsewhere}"));
        }
    }

    #[test]
    fn connections_are_kept_as_each_version_has_it() {
        let keeps = |head: &str| {
            with(head, |parsed| match parsed {
                Parsed::Whole(request) => request.keep_alive,
                other => panic!("{other:?}"),
            })
        };
        assert!(keeps("GET / HTTP/1.1\r\nHost: h\r\n\r\n"));
        assert!(!keeps("GET / HTTP/1.1\r\nHost: h\r\nConnection: x, Close\r\n\r\n"));
        assert!(!keeps("GET / HTTP/1.0\r\n\r\n"));
        assert!(keeps("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"));
    }

    #[test]
    fn escapes_that_are_none_stay_as_they_are() {
        assert_eq!(unescape("a%2"), "a%2");
        assert_eq!(unescape("a%zz+b"), "a%zz b");
        assert_eq!(unescape("%c3%a9"), "é");
        assert_eq!(unescape("%ff"), "\u{fffd}");
        assert_eq!(unescape("%+1"), "% 1");
    }
}
