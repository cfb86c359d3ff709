//! How a feed's source is doing.

use jiff::Timestamp;

use super::block::Refused;

/// How a feed's source is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Not synced yet.
    Syncing,
    /// Following the apiserver.
    Live,
    /// The apiserver cannot be reached (or answers nonsense); being retried.
    Away {
        /// For operators; never shown to a tab.
        why: String,
    },
    /// The apiserver refuses the list or watch to Foretop's own account; being retried slowly.
    Forbidden,
    /// The apiserver does not know this kind; being retried slowly.
    Absent,
    /// The credentials were refused even after they were read anew; being retried.
    Unauthenticated,
}

impl State {
    /// Every word of [`State::word`].
    pub const WORDS: [&str; 6] = ["syncing", "ok", "failed", "forbidden", "absent", "unauthenticated"];

    /// The word in `/debug/feeds` and metrics.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            State::Syncing => "syncing",
            State::Live => "ok",
            State::Away { .. } => "failed",
            State::Forbidden => "forbidden",
            State::Absent => "absent",
            State::Unauthenticated => "unauthenticated",
        }
    }

    pub(super) fn refused(&self) -> Option<Refused> {
        match self {
            State::Forbidden => Some(Refused::Forbidden),
            State::Absent => Some(Refused::Absent),
            State::Unauthenticated => Some(Refused::Unauthenticated),
            State::Syncing | State::Live | State::Away { .. } => None,
        }
    }
}

/// What may be said of a feed's rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// They are the apiserver's, and what changes is on its way.
    Live,
    /// The apiserver does not answer, or its first list is not here yet.
    Stale,
    /// The apiserver shows them to Foretop no longer, or has no such kind.
    Gone,
}

/// A feed's state and since when.
#[derive(Clone, Debug)]
pub struct Status {
    /// How the source is doing.
    pub state: State,
    /// Since when.
    pub since: Timestamp,
    /// Whether there are rows to show.
    pub synced: bool,
    /// What the apiserver last refused, as long as it has not let anything be seen since.
    pub(super) last_refused: Option<Refused>,
}

impl Status {
    /// Why rows cannot be shown, even those that there are. Credentials that are refused are Foretop's own trouble and take no right from
    /// its users.
    #[must_use]
    pub fn refused(&self) -> Option<Refused> {
        self.last_refused.filter(|why| !(self.synced && *why == Refused::Unauthenticated))
    }

    /// What may be said of the rows.
    #[must_use]
    pub fn standing(&self) -> Standing {
        if self.refused().is_some() {
            return Standing::Gone;
        }
        match self.state {
            State::Live => Standing::Live,
            _ => Standing::Stale,
        }
    }

    /// What counts as refused in the state that follows. A cluster that went away, or refuses Foretop's credentials, after it refused
    /// the rows has not allowed them.
    pub(super) fn refused_in(&self, next: &State) -> Option<Refused> {
        let of_rights = |why: &Refused| matches!(why, Refused::Forbidden | Refused::Absent);
        match next {
            State::Live => None,
            State::Forbidden | State::Absent => next.refused(),
            State::Syncing | State::Away { .. } | State::Unauthenticated => {
                self.last_refused.filter(of_rights).or(next.refused())
            }
        }
    }
}
