//! What a signed-in browser's requests have in common.

use std::sync::Arc;

/// Seconds since the Unix epoch.
pub type UnixSeconds = u64;

/// A session as its streams need it: what a logout names, and when it is over. Equal for all requests of one session.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SessionRef {
    /// 128 random bits.
    pub id: u128,
    /// When its user signed in: a logout of all of a user's sessions ends those that began before it.
    pub began: UnixSeconds,
    /// When it is over, whatever happens.
    pub until: UnixSeconds,
}

/// Which sessions a logout has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Revoked {
    /// One session.
    Session(u128),
    /// All sessions of a subject that began before this time, or at it.
    Subject(Arc<str>, UnixSeconds),
}

impl Revoked {
    /// Whether it ends this session of this subject.
    #[must_use]
    pub fn ends(&self, subject: &str, session: &SessionRef) -> bool {
        match self {
            Revoked::Session(id) => *id == session.id,
            Revoked::Subject(whose, before) => **whose == *subject && session.began <= *before,
        }
    }
}
