//! What a reflector does next: the one table that knows, without any network or clock of its own.
//!
//! Each attempt (to sync, or to watch) ends in an [`Outcome`]; [`Course::decide`] turns it into a [`Step`]. Invariants: a
//! step never gives up; a failure never leads to an immediate retry more than once in a row; a position is kept (so no LIST
//! is asked for) unless the apiserver says that it is gone, or it failed three times running without anything else being
//! to blame.

use std::time::{Duration, Instant};

use crate::feed::State;

/// How an attempt ended. The texts are escaped and bounded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// A list was taken whole.
    Synced,
    /// A watch was left, since a feed waits for a whole list.
    Asked,
    /// The body of a watch ended as it should.
    Ended,
    /// This apiserver sends no initial events for this kind.
    WatchListRefused(String),
    /// The position is gone (410, in any of its forms).
    Expired,
    /// The position is newer than what the apiserver has.
    Ahead(String),
    /// The position is newer than what a LIST shows: etcd was restored from a backup.
    Restored,
    /// 403.
    Forbidden,
    /// 404.
    Absent,
    /// 401, also after the credentials were read anew.
    Unauthenticated,
    /// 429, and how long to wait if it was said.
    Throttled(Option<Duration>),
    /// What came was no watch line, half of one, or too long for one.
    Garbage(String),
    /// The apiserver refuses the request as such (a 4xx without a meaning of its own).
    Rejected(String),
    /// The connection broke, could not be made, or the apiserver is not itself (5xx).
    Lost(String),
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    /// Take everything, by initial events if this apiserver sends them.
    Sync,
    /// Take everything, by a paged LIST.
    List,
    /// Go on from the position.
    Watch,
}

/// What to wait for before that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wait {
    /// Nothing (but a watch is never opened within a second of the last).
    Nothing,
    /// Some 250 ms at most, so that not all watches ask at once.
    Spread,
    /// The doubling wait after so many failures of this feed.
    Failures(u32),
    /// The doubling wait that the whole cluster shares.
    Cluster,
    /// What the apiserver asked for.
    Asked(Duration),
    /// The longest backoff (10 s, if it is not set otherwise): credentials.
    Refused,
    /// Three times that: something that only an operator changes.
    Slow,
}

/// The next step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) act: Act,
    pub(super) wait: Wait,
    /// What to tell the feed, if anything.
    pub(super) state: Option<State>,
}

/// So many failures at one position lead to a relist.
const TRIES: u32 = 3;
/// So many watches that end as soon as they are opened are a failure.
const QUICK_ENDS: u32 = 3;
/// How long a position may be newer than the apiserver before it is given up: one of several apiservers may lag.
const AHEAD_FOR: Duration = Duration::from_secs(90);
/// The wait after a 429 that says none.
const THROTTLED: Duration = Duration::from_secs(1);
/// The longest wait that an apiserver may ask for.
const LONGEST_ASKED: Duration = Duration::from_mins(1);

/// Where a reflector is, as far as the next step depends on it.
#[derive(Debug, Default)]
pub(super) struct Course {
    /// Whether there is a position to go on from.
    placed: bool,
    /// Failures at this position, or at this sync.
    stumbles: u32,
    /// Relists since something last moved.
    relists: u32,
    /// Watches in a row that ended as soon as they were opened.
    quick_ends: u32,
    /// Since when the position is newer than the apiserver.
    ahead_since: Option<Instant>,
    /// Whole lists that feeds have asked for since one was last taken.
    asked: u32,
}

impl Course {
    /// The course of a feed that has a position already, or none.
    pub(super) fn new(placed: bool) -> Self {
        Course { placed, ..Course::default() }
    }

    /// The first act.
    pub(super) fn first(&self) -> Act {
        self.resume()
    }

    /// A change or a bookmark moved the position.
    pub(super) fn moved(&mut self) {
        *self = Course { asked: self.asked, ..Course::new(true) };
    }

    /// A watch has stayed open for a while, whether or not anything came.
    pub(super) fn settled(&mut self) {
        self.quick_ends = 0;
        self.relists = 0;
        self.ahead_since = None;
    }

    /// Everything was taken: there is a position now.
    pub(super) fn synced(&mut self) {
        *self = Course { relists: self.relists, ..Course::new(true) };
    }

    /// The table.
    pub(super) fn decide(&mut self, outcome: Outcome, now: Instant) -> Step {
        match outcome {
            Outcome::Synced => {
                self.synced();
                step(Act::Watch, Wait::Nothing, None)
            }
            Outcome::Asked => self.asked(),
            Outcome::Ended => self.ended(),
            Outcome::WatchListRefused(_) => step(Act::List, Wait::Nothing, None),
            Outcome::Expired | Outcome::Restored => self.relist(None),
            Outcome::Ahead(why) => self.ahead(why, now),
            Outcome::Forbidden => step(self.resume(), Wait::Slow, Some(State::Forbidden)),
            Outcome::Absent => step(self.resume(), Wait::Slow, Some(State::Absent)),
            Outcome::Unauthenticated => step(self.resume(), Wait::Refused, Some(State::Unauthenticated)),
            Outcome::Throttled(asked) => {
                let wait = asked.unwrap_or(THROTTLED).min(LONGEST_ASKED);
                step(
                    self.resume(),
                    Wait::Asked(wait),
                    away("the apiserver asks for fewer requests (429)".into()),
                )
            }
            Outcome::Garbage(why) | Outcome::Rejected(why) => self.stumble(why),
            Outcome::Lost(why) => {
                self.stumbles += u32::from(!self.placed);
                step(self.resume(), Wait::Cluster, away(why))
            }
        }
    }

    /// What to try when nothing speaks against it.
    fn resume(&self) -> Act {
        match (self.placed, self.stumbles) {
            (true, _) => Act::Watch,
            (false, 0..TRIES) => Act::Sync,
            // Initial events that never come whole: something between here and there cuts long answers.
            (false, _) => Act::List,
        }
    }

    fn ended(&mut self) -> Step {
        if !self.placed {
            self.stumbles += 1;
            let why = "the initial events ended before they were whole";
            return step(Act::List, Wait::Failures(self.stumbles), away(why.into()));
        }
        self.quick_ends += 1;
        if self.quick_ends < QUICK_ENDS {
            return step(Act::Watch, Wait::Spread, None);
        }
        let why = "the watch is closed as soon as it is opened";
        step(Act::Watch, Wait::Failures(self.quick_ends), away(why.into()))
    }

    /// The position is kept: where the list fails, the watch goes on from it, and is left again.
    fn asked(&mut self) -> Step {
        self.asked += 1;
        match self.asked {
            1 => step(Act::Sync, Wait::Nothing, None),
            tries @ 2..TRIES => step(Act::Sync, Wait::Failures(tries), None),
            tries => step(Act::List, Wait::Failures(tries), None),
        }
    }

    fn relist(&mut self, state: Option<State>) -> Step {
        self.relists += 1;
        let wait = if self.relists == 1 { Wait::Spread } else { Wait::Failures(self.relists) };
        *self = Course { relists: self.relists, ..Course::new(false) };
        step(Act::Sync, wait, state)
    }

    fn ahead(&mut self, why: String, now: Instant) -> Step {
        let since = *self.ahead_since.get_or_insert(now);
        if self.placed && now.saturating_duration_since(since) >= AHEAD_FOR {
            return self.relist(away(why));
        }
        self.stumbles += 1;
        let act = if self.placed { Act::Watch } else { Act::Sync };
        step(act, Wait::Failures(self.stumbles), away(why))
    }

    fn stumble(&mut self, why: String) -> Step {
        self.stumbles += 1;
        if !self.placed {
            return step(Act::List, Wait::Failures(self.stumbles), away(why));
        }
        if self.stumbles >= TRIES {
            return self.relist(away(why));
        }
        step(Act::Watch, Wait::Failures(self.stumbles), away(why))
    }
}

fn step(act: Act, wait: Wait, state: Option<State>) -> Step {
    Step { act, wait, state }
}

#[expect(clippy::unnecessary_wraps, reason = "it stands where a step's state does")]
fn away(why: String) -> Option<State> {
    Some(State::Away { why })
}

#[cfg(test)]
mod tests;
