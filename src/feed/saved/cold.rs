//! Why feeds start cold, and how often.

use crate::feed::Counter;

/// Why a feed that was saved is not restored: it starts cold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Cold {
    /// It cannot be read.
    #[error("it cannot be read")]
    Unreadable,
    /// It is longer than all feeds together may be.
    #[error("it is longer than `state.feedBytes`")]
    TooLong,
    /// It is something else.
    #[error("it is no saved feed")]
    Foreign,
    /// It is of another version of this format, or of its kind's rows.
    #[error("it is of another version of the files, or of its kind's rows")]
    Version,
    /// Not all of it is there, or not as it was written.
    #[error("it is broken")]
    Broken,
    /// It was sealed with none of our keys.
    #[error("no file of `auth.session.keys` opens it")]
    Keys,
    /// What it retains is older than a journal would be.
    #[error("it is older than `journal.age`")]
    Old,
    /// Nobody can ask for it any more: the cluster or the kind is not served.
    #[error("its cluster or kind is not served any more")]
    Unwanted,
    /// There is no room for it.
    #[error("there is no room for it")]
    Full,
}

impl Cold {
    /// All of them.
    pub const ALL: [Cold; 9] = [
        Cold::Unreadable,
        Cold::TooLong,
        Cold::Foreign,
        Cold::Version,
        Cold::Broken,
        Cold::Keys,
        Cold::Old,
        Cold::Unwanted,
        Cold::Full,
    ];

    /// Its name in figures and in the log.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Cold::Unreadable => "unreadable",
            Cold::TooLong => "too_long",
            Cold::Foreign => "foreign",
            Cold::Version => "version",
            Cold::Broken => "broken",
            Cold::Keys => "keys",
            Cold::Old => "old",
            Cold::Unwanted => "unwanted",
            Cold::Full => "full",
        }
    }
}

/// What came of restoring.
#[derive(Debug, Default)]
pub struct Restores {
    /// Feeds restored.
    pub restored: Counter,
    /// Those that start cold, in the order of [`Cold::ALL`].
    cold: [Counter; Cold::ALL.len()],
}

impl Restores {
    /// Feeds that start cold for this reason.
    #[must_use]
    pub fn cold(&self, why: Cold) -> &Counter {
        &self.cold[why as usize]
    }
}
