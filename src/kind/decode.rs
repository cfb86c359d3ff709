//! What the apiserver sends, decoded as far as a row needs it.
//!
//! First thing that happens to an event: one line (or one page of a list) in, one [`Object`] with its finished row out.
//! Decoding is generic over a kind's [`Projection`]; everything is borrowed from the bytes until the row is written.
//! No input may panic here, and no error may hold a part of its input.

use std::borrow::Cow;

use serde::Deserialize;

use super::field::{Items, OrZero, Text};
use super::json::{self, Misread};
use super::{Details, Projection, Row, Rv};

/// One object, reduced to what Foretop keeps of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// Empty for cluster-scoped kinds.
    pub namespace: Box<str>,
    /// metadata.name.
    pub name: Box<str>,
    /// metadata.resourceVersion.
    pub rv: Rv,
    /// Its projection.
    pub row: Row,
    /// What a full row shows beside it, where that was asked for.
    pub details: Option<Box<Details>>,
}

/// How much of an object is decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Depth {
    /// What its row needs.
    Row,
    /// Its details too.
    Details,
}

/// What one line of a watch says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// ADDED or MODIFIED: which of the two is for the replica to find out, since after a resume both words mean "is".
    Put(Object),
    /// DELETED, with the object's last state and the resourceVersion of the deletion.
    Deleted(Object),
    /// BOOKMARK: all that happened up to `rv` was sent.
    Bookmark {
        /// The watch's new position.
        rv: Rv,
        /// Whether this ends the initial events of a `WatchList` (KEP-3157).
        initial_events_end: bool,
    },
    /// ERROR: the watch is over.
    Error(StatusError),
}

/// A Kubernetes `Status` that reports a failure.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct StatusError {
    /// The HTTP status that it stands for; 0 where it says none.
    pub code: u16,
    /// Kubernetes' machine-readable reason, such as `Expired`.
    pub reason: String,
    /// For people; may hold names, and any character. Never shown to a tab, and logged only escaped (`{:?}`).
    pub message: String,
    /// What a 429 or 504 asks clients to wait, in seconds.
    pub retry_after_seconds: Option<u64>,
}

/// How much of a text that an apiserver sends for people is kept, in bytes.
const LONGEST_TEXT: usize = 1024;

impl StatusError {
    /// Reads the body of a refused request: a `Status`, or the plain text that a proxy or a busy apiserver answers with.
    ///
    /// `http_status` stands in for a code that the body does not name. Of each text at most 1 KiB is read.
    #[must_use]
    pub fn from_body(http_status: u16, body: &[u8]) -> Self {
        let decoded = json::from_slice::<Status<'_>>(body).ok().filter(|status| &*status.kind == "Status");
        let mut error = match decoded {
            Some(status) => StatusError::from(&status),
            None => StatusError { message: clipped(body), ..StatusError::default() },
        };
        if error.code == 0 {
            error.code = http_status;
        }
        error
    }
}

impl From<&Status<'_>> for StatusError {
    fn from(status: &Status<'_>) -> Self {
        StatusError {
            code: u16::try_from(*status.code).unwrap_or(0),
            reason: clipped(status.reason.as_bytes()),
            message: clipped(status.message.as_bytes()),
            retry_after_seconds: u64::try_from(*status.details.retry_after_seconds)
                .ok()
                .filter(|&after| after > 0),
        }
    }
}

fn clipped(text: &[u8]) -> String {
    let end = text.len().min(LONGEST_TEXT);
    let mut text = String::from_utf8_lossy(&text[..end]).into_owned();
    if end == LONGEST_TEXT {
        text.truncate(text.trim_end_matches(char::REPLACEMENT_CHARACTER).len());
    }
    text
}

/// One page of a list.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Page {
    /// The list's resourceVersion (the same on each page).
    pub rv: Rv,
    /// The token of the next page, if there is one.
    pub next: Option<String>,
    /// The objects, in the apiserver's order.
    pub items: Vec<Object>,
}

/// Why bytes from an apiserver were not understood.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// Not JSON, or not of the expected shape. The text names the position, never the contents.
    #[error("not the JSON that was expected, at line {line} column {column}")]
    Json {
        /// 1-based line of the first mistake.
        line: usize,
        /// How many bytes of that line were read when it was noticed.
        column: usize,
    },
    /// A resourceVersion that is not a number: this apiserver's versions have no order that we could use.
    #[error("a resourceVersion that is no decimal number")]
    Version,
    /// A watch line of a type that Kubernetes does not have.
    #[error("an unknown type of watch event")]
    Type,
}

impl From<Misread> for DecodeError {
    fn from(Misread { line, column }: Misread) -> Self {
        DecodeError::Json { line, column }
    }
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Status<'a> {
    #[serde(borrow)]
    kind: Text<'a>,
    #[serde(borrow)]
    message: Text<'a>,
    #[serde(borrow)]
    reason: Text<'a>,
    code: OrZero<i64>,
    details: OrZero<StatusDetails>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct StatusDetails {
    retry_after_seconds: OrZero<i64>,
}

/// A watch line of which only the type is wanted.
#[derive(Deserialize)]
struct TypeOnly<'a> {
    #[serde(borrow, rename = "type")]
    change: Text<'a>,
}

/// A watch line of which only the object is wanted.
#[derive(Deserialize)]
struct ObjectOnly<T> {
    object: T,
}

/// The object of a BOOKMARK: of the watched kind, but with nothing in it that can be relied on except this.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Bookmark<'a> {
    #[serde(borrow)]
    metadata: OrZero<BookmarkMetadata<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct BookmarkMetadata<'a> {
    #[serde(borrow)]
    resource_version: Text<'a>,
    #[serde(borrow)]
    annotations: OrZero<BookmarkAnnotations<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct BookmarkAnnotations<'a> {
    #[serde(borrow, rename = "k8s.io/initial-events-end")]
    initial_events_end: Text<'a>,
}

#[derive(Deserialize)]
#[serde(bound(deserialize = "T: Deserialize<'de> + Default"))]
struct List<'a, T> {
    #[serde(borrow, default)]
    metadata: OrZero<ListMetadata<'a>>,
    #[serde(default)]
    items: Items<T>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ListMetadata<'a> {
    #[serde(borrow)]
    resource_version: Text<'a>,
    #[serde(borrow, rename = "continue")]
    next: Text<'a>,
}

/// Decodes one line of a watch of `P`.
pub(super) fn line<P: Projection>(line: &[u8], depth: Depth) -> Result<Change, DecodeError> {
    match &*type_of(line)? {
        "ADDED" | "MODIFIED" => read::<P>(line, depth).map(Change::Put),
        "DELETED" => read::<P>(line, depth).map(Change::Deleted),
        "BOOKMARK" => bookmark(line),
        "ERROR" => error(line),
        _ => Err(DecodeError::Type),
    }
}

/// Decodes one page of a list of `P`.
pub(super) fn page<P: Projection>(body: &[u8], depth: Depth) -> Result<Page, DecodeError> {
    let list: List<'_, P::Object<'_>> = json::from_slice(body)?;
    let items = list.items.iter().map(|object| project::<P>(object, depth)).collect::<Result<_, _>>()?;
    Ok(Page {
        rv: version(&list.metadata.resource_version)?,
        next: Some(list.metadata.next.to_string()).filter(|token| !token.is_empty()),
        items,
    })
}

/// The line's type has to be known before its object can be read: the `status` of an ERROR's object is a string, where
/// every kind has a struct. Every apiserver writes it first; whoever does not costs one more pass over the line.
fn type_of(line: &[u8]) -> Result<Cow<'_, str>, DecodeError> {
    if let Some(name) = leading_type(line) {
        return Ok(Cow::Borrowed(name));
    }
    let line: TypeOnly<'_> = json::from_slice(line)?;
    Ok(line.change.into())
}

fn leading_type(line: &[u8]) -> Option<&str> {
    let rest = line.strip_prefix(br#"{"type":""#)?;
    let end = rest.iter().position(|byte| !byte.is_ascii_uppercase())?;
    let name = std::str::from_utf8(&rest[..end]).ok()?;
    (rest[end] == b'"').then_some(name)
}

fn read<P: Projection>(line: &[u8], depth: Depth) -> Result<Object, DecodeError> {
    let line: ObjectOnly<P::Object<'_>> = json::from_slice(line)?;
    project::<P>(&line.object, depth)
}

fn bookmark(line: &[u8]) -> Result<Change, DecodeError> {
    let line: ObjectOnly<Bookmark<'_>> = json::from_slice(line)?;
    let metadata = &line.object.metadata;
    Ok(Change::Bookmark {
        rv: version(&metadata.resource_version)?,
        initial_events_end: &*metadata.annotations.initial_events_end == "true",
    })
}

fn error(line: &[u8]) -> Result<Change, DecodeError> {
    let line: ObjectOnly<OrZero<Status<'_>>> = json::from_slice(line)?;
    Ok(Change::Error(StatusError::from(&*line.object)))
}

fn project<P: Projection>(object: &P::Object<'_>, depth: Depth) -> Result<Object, DecodeError> {
    let identity = P::identity(object);
    let row = P::row(object);
    let details = (depth == Depth::Details).then(|| Box::new(Details::of::<P>(&identity, &row)));
    Ok(Object {
        namespace: if P::NAMESPACED { identity.namespace.into() } else { Box::default() },
        name: identity.name.into(),
        rv: version(identity.resource_version)?,
        row,
        details,
    })
}

fn version(text: &str) -> Result<Rv, DecodeError> {
    text.parse().map_err(|_| DecodeError::Version)
}

#[cfg(test)]
mod tests;
