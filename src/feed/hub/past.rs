//! What feeds have counted, those that have ended among them: a sum over all of them never falls.

use std::collections::BTreeMap;
use std::sync::MutexGuard;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::Hub;
use crate::feed::{Counters, Feed, FeedKey};

/// What feeds show that are counted together, in words of ours: few, whatever the number of clusters and selectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Shown {
    /// The kind's name.
    pub kind: &'static str,
    /// [`Rows::word`](crate::feed::Rows::word).
    pub rows: &'static str,
    /// `some` where a selector narrows them, else `none`.
    pub selector: &'static str,
}

impl Shown {
    /// Of feeds with such a key.
    #[must_use]
    pub fn of(key: &FeedKey) -> Self {
        let selector = if key.selector.is_some() { "some" } else { "none" };
        Shown { kind: key.kind.name, rows: key.rows.word(), selector }
    }
}

/// A count of uses that are no stream.
#[derive(Debug, Default)]
pub struct Uses(AtomicU64);

impl Uses {
    /// Notes one.
    pub fn note(&self) {
        self.0.fetch_add(1, Relaxed);
    }

    /// How many were noted.
    pub(super) fn count(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

impl Hub {
    /// What all feeds have counted, those that have ended among them, by what they show.
    #[must_use]
    pub fn counts(&self) -> BTreeMap<Shown, Counters> {
        let feeds = self.lock();
        let mut counts: BTreeMap<Shown, Counters> = BTreeMap::new();
        for (shown, past) in self.lock_past().iter() {
            counts.entry(*shown).or_default().take_in(past);
        }
        for entry in feeds.entries.values() {
            counts.entry(Shown::of(&entry.feed.key)).or_default().take_in(&entry.feed.counters);
        }
        counts
    }

    /// The feed is about to be forgotten.
    pub(super) fn remember(&self, feed: &Feed) {
        self.lock_past().entry(Shown::of(&feed.key)).or_default().take_in(&feed.counters);
    }

    fn lock_past(&self) -> MutexGuard<'_, BTreeMap<Shown, Counters>> {
        self.past.lock().expect("nothing panics while it holds this lock")
    }
}
