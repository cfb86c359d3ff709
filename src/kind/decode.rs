//! What the apiserver sends, decoded as far as a row needs it.

use super::{Row, Rv};

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
        /// Whether this ends the initial events of a WatchList (KEP-3157).
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
    /// For people; may hold names. Never shown to a tab as it is.
    pub message: String,
    /// What a 429 or 504 asks clients to wait, in seconds.
    pub retry_after_seconds: Option<u64>,
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
        /// 1-based column of the first mistake.
        column: usize,
    },
    /// A resourceVersion that is not a number: this apiserver's versions have no order that we could use.
    #[error("a resourceVersion that is no decimal number")]
    Version,
    /// A watch line of a type that Kubernetes does not have.
    #[error("an unknown type of watch event")]
    Type,
}
