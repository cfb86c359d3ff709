//! What they may see.
//!
//! Today there is one answer: whoever is authenticated sees what Foretop's own account sees. The question is nevertheless asked where
//! a stream or list is opened, with all that an answer can depend on.

use crate::feed::{FeedKey, Scope};
use crate::identity::Identity;

/// An answer to "may they list and watch this scope?".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// They may.
    Allowed,
}

/// Whether this identity may list and watch this scope.
#[must_use]
pub fn decide(_who: &Identity, _what: &FeedKey, _scope: &Scope) -> Decision {
    Decision::Allowed
}
