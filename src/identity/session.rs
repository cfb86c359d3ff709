//! What a signed-in browser's requests have in common.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// Seconds since the Unix epoch.
pub type UnixSeconds = u64;

/// The time of day.
#[must_use]
pub fn now() -> UnixSeconds {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// A session as its streams need it: what a logout names, and when it is over. Equal for all requests of one session.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SessionRef {
    /// 128 random bits.
    pub id: u128,
    /// When its user signed in: a logout of all of a user's sessions ends those that began before it.
    pub began: UnixSeconds,
    /// When it is over, whatever happens.
    pub until: UnixSeconds,
    /// A hash of the name that the provider has for its own session, where it told one (`sid`, `OpenID` Connect Back-Channel Logout 1.0).
    pub provider: Option<u128>,
}

/// Which sessions a logout has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Revoked {
    /// One session.
    Session(u128),
    /// All sessions of a subject that began before this time, or at it.
    Subject(Arc<str>, UnixSeconds),
    /// All sessions that came of a session at the provider, and began before this time, or at it.
    Provider(u128, UnixSeconds),
}

impl Revoked {
    /// Whether it ends this session of this subject.
    #[must_use]
    pub fn ends(&self, subject: &str, session: &SessionRef) -> bool {
        match self {
            Revoked::Session(id) => *id == session.id,
            Revoked::Subject(whose, before) => **whose == *subject && session.began <= *before,
            Revoked::Provider(sid, before) => session.provider == Some(*sid) && session.began <= *before,
        }
    }
}
