//! A source and the feeds on it: what an apiserver is asked does not depend on how many kinds of row and selectors are in use.
//!
//! A line is decoded once, and each feed is given what it shows of it. A feed that joins needs a whole list first: where another has full rows of all objects it
//! begins as a part of these; else it waits, and one list is asked of the source for all that wait. For the feeds that are there already that list is one like any
//! other: what they knew is no news. Details of objects are decoded only while a feed needs them.
//!
//! Invariants: a feed is given changes only behind its first list; all feeds that are not waiting stand at the same version.

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::Notify;

use super::{Feed, FeedKey, Heard, State};
use crate::kind::{Change, Object, Rv};

/// A source's feeds.
pub struct Trunk {
    /// What names the source. See [`FeedKey::source`].
    pub key: FeedKey,
    /// What the source is asked beside following.
    pub asks: Asks,
    /// When the source last heard of its apiserver.
    pub heard: Arc<Heard>,
    outlets: Mutex<Outlets>,
}

/// What feeds ask of their source.
#[derive(Debug, Default)]
pub struct Asks {
    details: AtomicBool,
    list: AtomicBool,
    asked: Notify,
}

#[derive(Default)]
struct Outlets {
    /// Those that have had their first list.
    feeds: Vec<Arc<Feed>>,
    /// Those that have not.
    waiting: Vec<Arc<Feed>>,
    /// What was last said of the source.
    state: Option<State>,
}

impl Asks {
    /// Whether objects are to be decoded with their details from now on.
    #[must_use]
    pub fn details(&self) -> bool {
        self.details.load(SeqCst)
    }

    /// Whether a feed waits for a whole list.
    #[must_use]
    pub fn list(&self) -> bool {
        self.list.load(SeqCst)
    }

    /// Waits until a feed asks for a whole list. Returns at once where one did since this was last called.
    pub async fn asked(&self) {
        self.asked.notified().await;
    }
}

impl Trunk {
    /// A source of this name, without a feed.
    #[must_use]
    pub fn new(key: &FeedKey) -> Arc<Self> {
        Arc::new(Trunk {
            key: key.source(),
            asks: Asks::default(),
            heard: Arc::default(),
            outlets: Mutex::default(),
        })
    }

    /// Puts a feed on the source.
    pub fn join(&self, feed: Arc<Feed>) {
        let mut outlets = self.lock();
        let stands_at = feed.cursor();
        if outlets.feeds.is_empty() && outlets.waiting.is_empty() && stands_at.is_some() {
            // It has its rows from before: the source goes on from where it stands.
            outlets.feeds.push(feed);
            return self.ask(&outlets);
        }
        let donated = outlets.feeds.iter().find_map(|donor| donor.donate(&feed.key));
        // Rows from before may be newer than those of the source, which is told the same later.
        let donated = donated.filter(|(rv, ..)| stands_at.is_none_or(|stands_at| stands_at <= *rv));
        if let Some((rv, objects, incarnation)) = donated {
            feed.take_list(rv, objects, incarnation.as_deref());
            outlets.tell(&feed);
            outlets.feeds.push(feed);
        } else {
            outlets.tell(&feed);
            outlets.waiting.push(feed);
        }
        self.ask(&outlets);
        if self.asks.list() {
            self.asks.asked.notify_one();
        }
    }

    /// Takes a feed from the source.
    pub fn leave(&self, feed: &Arc<Feed>) {
        let mut outlets = self.lock();
        let Outlets { feeds, waiting, .. } = &mut *outlets;
        feeds.retain(|other| !Arc::ptr_eq(other, feed));
        waiting.retain(|other| !Arc::ptr_eq(other, feed));
        self.ask(&outlets);
    }

    /// Takes a whole list. See [`Feed::replace`].
    pub fn replace(&self, rv: Rv, objects: Vec<Object>, incarnation: Option<&str>) {
        let mut outlets = self.lock();
        let outlets = &mut *outlets;
        let is_detailed = objects.iter().all(|object| object.details.is_some());
        let served = |feed: &mut Arc<Feed>| is_detailed || !feed.key.needs_details();
        outlets.feeds.extend(outlets.waiting.extract_if(.., served));
        for feed in outlets.feeds.iter().filter(|feed| feed.key.needs_details()) {
            feed.replace(rv, feed.key.list_of(&objects), incarnation);
        }
        if let Some(plain) = outlets.plain() {
            plain.replace(rv, objects, incarnation);
        }
        self.ask(outlets);
    }

    /// Takes events in order. Empties the vector. See [`Feed::apply`].
    pub fn apply(&self, changes: &mut Vec<Change>) {
        let outlets = self.lock();
        for feed in outlets.feeds.iter().filter(|feed| feed.key.needs_details()) {
            feed.apply(&mut feed.key.changes_of(changes));
        }
        match outlets.plain() {
            Some(plain) => plain.apply(changes),
            None => changes.clear(),
        }
    }

    /// Says how following goes. See [`Feed::set_state`].
    pub fn set_state(&self, state: State) {
        let mut outlets = self.lock();
        for feed in outlets.feeds.iter().chain(&outlets.waiting) {
            feed.set_state(state.clone());
        }
        outlets.state = Some(state);
    }

    /// The version to go on from. `None` before the first list.
    #[must_use]
    pub fn cursor(&self) -> Option<Rv> {
        self.lock().feeds.first().and_then(|feed| feed.cursor())
    }

    /// The cluster's incarnation that this version is of, where it could be read.
    #[must_use]
    pub fn incarnation(&self) -> Option<String> {
        self.lock().feeds.first().and_then(|feed| feed.epoch())
    }

    fn ask(&self, outlets: &Outlets) {
        let needs = outlets.feeds.iter().chain(&outlets.waiting).any(|feed| feed.key.needs_details());
        self.asks.details.store(needs, SeqCst);
        self.asks.list.store(!outlets.waiting.is_empty(), SeqCst);
    }

    fn lock(&self) -> MutexGuard<'_, Outlets> {
        self.outlets.lock().expect("nothing panics while it holds this lock")
    }
}

impl Outlets {
    /// The feed that shows everything as it was decoded.
    fn plain(&self) -> Option<&Arc<Feed>> {
        self.feeds.iter().find(|feed| !feed.key.needs_details())
    }

    /// Tells a feed that has come what the others were told.
    fn tell(&self, feed: &Feed) {
        if let Some(state) = &self.state {
            feed.set_state(state.clone());
        }
    }
}

#[cfg(test)]
mod tests;
